// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// National Provider Identifiers.

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace parley::consent {

/// Ten digits of which the last is the Luhn check digit of `80840` and the other nine (consent
/// broker specification, §2).
[[nodiscard]] constexpr bool is_valid_npi(std::string_view npi) noexcept {
    auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (npi.size() != 10 || !std::ranges::all_of(npi, is_digit)) return false;
    int sum = 24; // what the prefix 80840 adds
    for (std::size_t i = 0; i < npi.size(); ++i) {
        int const digit = npi[i] - '0';
        bool const doubled = i % 2 == 0; // every second digit, from the check digit leftwards
        sum += doubled ? digit * 2 - (digit > 4 ? 9 : 0) : digit;
    }
    return sum % 10 == 0;
}

} // namespace parley::consent
