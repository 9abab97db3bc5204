// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Matching as the filters of a page do. Pure.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/nearest_name.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <clocale>
#include <cwctype>
#include <locale.h>

namespace parley::tables {

namespace detail {

using namespace parley::detail;

inline constexpr char32_t replacement_character = 0xFFFD;

/// The first character of `text`, which is not empty, taken off it; U+FFFD for a byte that is not
/// part of well-formed UTF-8.
inline char32_t take_character(std::string_view& text) {
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    char32_t character = byte(0);
    std::size_t length = 1;
    if (character >= 0x80) {
        length = utf8_sequence_length(text);
        character = length == 0   ? replacement_character
                    : length == 2 ? character & 0x1FU
                    : length == 3 ? character & 0x0FU
                                  : character & 0x07U;
        for (std::size_t i = 1; i < length; ++i)
            character = character << 6U | (byte(i) & 0x3FU);
        if (length == 0) length = 1;
    }
    text.remove_prefix(length);
    return character;
}

/// The same for characters that differ in case only, whatever the program's locale; beyond ASCII as
/// well as the operating system knows.
inline char32_t fold_case(char32_t c) {
    if (c < 0x80) return static_cast<unsigned char>(to_lower(static_cast<char>(c)));
    static locale_t const unicode = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    if (!unicode) return c;
    // By way of the upper case, for the letters with two lower cases.
    return static_cast<char32_t>(
        ::towlower_l(::towupper_l(static_cast<wint_t>(c), unicode), unicode));
}

} // namespace detail

/// A pattern to match many texts with: `*` is any characters, `?` is one, all else is literal, case
/// aside. Takes a number of steps in proportion to the length of the text; where there is a `?`
/// behind a `*`, at most the product of both lengths.
class wildcard_pattern {
  public:
    /// How many steps there are at most before `must_stop` is asked again.
    static constexpr std::size_t steps_between_checks = 4096;

    explicit wildcard_pattern(std::string_view pattern) {
        while (!pattern.empty()) {
            auto const c = detail::take_character(pattern);
            if (c == U'*' && !tokens_.empty() && tokens_.back() == any_characters) continue;
            tokens_.push_back(c == U'*'   ? any_characters
                              : c == U'?' ? any_character
                                          : detail::fold_case(c));
        }
        borders_.resize(tokens_.size() + 1);
        for (std::size_t start = 0; start < tokens_.size();) {
            auto const end = std::find(tokens_.begin() + static_cast<std::ptrdiff_t>(start),
                                       tokens_.end(), any_characters);
            auto const size = static_cast<std::size_t>(end - tokens_.begin()) - start;
            find_borders(start, size);
            start += size + 1;
        }
    }

    [[nodiscard]] bool matches(std::string_view text) const {
        return matches(text, [] { return false; }).value();
    }

    /// Nothing when `must_stop()` has been true meanwhile.
    template <class MustStop>
    [[nodiscard]] std::optional<bool> matches(std::string_view text, MustStop must_stop) const {
        // Only the last `*` need ever take more: the earliest match of what is before it leaves the
        // most to what follows.
        constexpr auto none = static_cast<std::size_t>(-1);
        std::size_t at = 0;
        std::size_t retry_at = none;
        std::string_view retry_text;
        for (std::size_t step = 1; !text.empty(); ++step) {
            if (step % steps_between_checks == 0 && must_stop()) return std::nullopt;
            if (at < tokens_.size() && tokens_[at] == any_characters) {
                if (++at == tokens_.size()) return true;
                retry_at = at;
                retry_text = text;
                continue;
            }
            auto rest = text;
            auto const c = detail::fold_case(detail::take_character(rest));
            if (at < tokens_.size() && (tokens_[at] == c || tokens_[at] == any_character)) {
                ++at;
                text = rest;
            } else if (retry_at == none) {
                return false;
            } else if (borders_[at] == unknown) {
                detail::take_character(retry_text);
                text = retry_text;
                at = retry_at;
            } else if (at == retry_at) {
                text = rest;
            } else {
                at = retry_at + borders_[at];
            }
        }
        while (at < tokens_.size() && tokens_[at] == any_characters)
            ++at;
        return at == tokens_.size();
    }

  private:
    static constexpr char32_t any_characters = 0x110000; // beyond Unicode
    static constexpr char32_t any_character = 0x110001;
    static constexpr auto unknown = static_cast<std::size_t>(-1);

    /// Of the `size` tokens from `start` on, which no `*` is among (Knuth, Morris and Pratt).
    void find_borders(std::size_t start, std::size_t size) {
        auto const* const part = tokens_.data() + start;
        auto* const border = borders_.data() + start;
        if (std::find(part, part + size, any_character) != part + size) {
            std::fill(border, border + size + 1, unknown);
            return;
        }
        std::size_t length = 0;
        for (std::size_t i = 1; i < size; ++i) {
            while (length > 0 && part[i] != part[length])
                length = border[length];
            if (part[i] == part[length]) ++length;
            border[i + 1] = length;
        }
    }

    std::vector<char32_t> tokens_;
    /// For each place between two `*`: how many tokens before it are also the first behind the
    /// first `*`, and so need not be looked at again when what follows does not match; `unknown`
    /// where a `?` is among them.
    std::vector<std::size_t> borders_;
};

} // namespace parley::tables
