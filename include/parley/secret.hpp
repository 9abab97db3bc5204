// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Texts that are not left behind in memory.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace parley {

/// Overwrites memory.
inline void wipe(void* begin, std::size_t size) {
    // Through volatile, so that the compiler does not take it for a store that nobody reads.
    auto volatile* at = static_cast<unsigned char*>(begin);
    for (std::size_t i = 0; i < size; ++i)
        at[i] = 0;
}

/// Overwrites `text` and empties it.
inline void wipe(std::string& text) {
    wipe(text.data(), text.size());
    text.clear();
}

/// Allocates memory that is overwritten when it is given back.
template <class T>
struct wiping_allocator {
    using value_type = T;

    wiping_allocator() = default;
    template <class Other>
    explicit wiping_allocator(wiping_allocator<Other> const&) {}

    T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
    void deallocate(T* begin, std::size_t count) {
        wipe(begin, count * sizeof(T));
        std::allocator<T>().deallocate(begin, count);
    }

    bool operator==(wiping_allocator const&) const = default;
};

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
    ~secret() { wipe(text_); }

    [[nodiscard]] std::string_view view() const { return text_; }

  private:
    void assign(std::string_view text) {
        // On the heap whatever its length, so that swapping leaves no copy on the stack.
        text_.reserve(text.size() < 64 ? 64 : text.size());
        text_.assign(text);
    }

    std::string text_;
};

} // namespace parley
