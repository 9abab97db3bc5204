// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Letters of ASCII, whatever the locale.

#include <algorithm>
#include <string>
#include <string_view>

namespace parley::detail {

constexpr char to_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr char to_upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

inline std::string to_lower(std::string s) {
    std::transform(s.begin(), s.end(), s.begin(), [](char c) { return to_lower(c); });
    return s;
}

constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
    constexpr auto lower = [](char c) { return to_lower(c); };
    return std::ranges::equal(a, b, {}, lower, lower);
}

} // namespace parley::detail
