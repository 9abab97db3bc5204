// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The known name that someone most likely meant.

#include <parley/detail/ascii.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace parley::detail {

/// How many characters must be put in, taken out or replaced to make `a` of `b`, case aside.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1); // row[j]: from a[0, i) to b[0, j)
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            auto const replaced = diagonal + (to_lower(a[i - 1]) == to_lower(b[j - 1]) ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

/// The one of `known` nearest to `name`, the first of equals; empty when none is known.
inline std::string nearest_name(std::string_view name, std::span<std::string const> known) {
    auto const start = name.substr(0, 100); // no name is that long, and the work is bounded
    std::string nearest;
    auto least = std::numeric_limits<std::size_t>::max();
    for (auto const& candidate : known) {
        auto const distance = edit_distance(start, candidate);
        if (distance >= least) continue;
        least = distance;
        nearest = candidate;
    }
    return nearest;
}

} // namespace parley::detail
