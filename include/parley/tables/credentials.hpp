// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who wants to edit which database. Kept in memory only, and wiped.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace parley::tables {

/// A text that is overwritten when it goes. It has one place in memory: moved, never copied
/// implicitly, and too long for a small string's own buffer to be left behind.
class secret {
  public:
    secret() = default;
    explicit secret(std::string_view text) { assign(text); }
    secret(secret const& other) { assign(other.text_); }
    secret(secret&& other) noexcept { text_.swap(other.text_); }
    secret& operator=(secret other) noexcept {
        text_.swap(other.text_);
        return *this;
    }
    ~secret() { wipe(); }

    [[nodiscard]] std::string_view view() const { return text_; }

  private:
    void assign(std::string_view text) {
        // On the heap whatever its length, so that swapping leaves no copy on the stack.
        text_.reserve(text.size() < 64 ? 64 : text.size());
        text_.assign(text);
    }

    void wipe() {
        // Through volatile, so that the compiler does not take it for a store that nobody reads.
        char volatile* at = text_.data();
        for (std::size_t i = 0; i < text_.capacity(); ++i)
            at[i] = 0;
    }

    std::string text_;
};

/// What `POST /api/connect` gives (table editor specification, §1).
struct credentials {
    std::string host;
    std::uint16_t port = 0;
    std::string ns;
    std::string username;
    secret password;
    std::string path_prefix; ///< of the Atelier API; empty for its usual one
    bool use_https = false;
};

} // namespace parley::tables
