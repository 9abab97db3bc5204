// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Failures that the backends tell alike.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/query.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

namespace parley::tables {

/// For a key that other than exactly one row has.
inline failure wrong_row_count(row_key const& row, std::int64_t rows) {
    auto const which = "a row whose " + parley::detail::quote_for_report(row.column) + " is " +
                       detail::describe(row.value);
    if (rows == 0) return {failure_code::not_found, "There is no such row: " + which};
    return {failure_code::invalid_input,
            "There is more than one such row, so that nothing was changed: " + which};
}

inline failure value_changed(cell_update const& update) {
    return {failure_code::conflict, "Column " + parley::detail::quote_for_report(update.column) +
                                        " no longer holds " + detail::describe(update.old_value) +
                                        ": somebody else has changed it"};
}

/// A trigger or rule of the database can have it so.
inline failure not_inserted() {
    return {failure_code::constraint_violated, "The table's own rules did not let the row in"};
}

inline failure page_too_large() {
    return {failure_code::invalid_input, "The page is too large; ask for fewer rows"};
}

/// \param allowed `host:port` each, or `*` for any; none at all means any as well.
inline outcome<void> check_server(std::span<std::string const> allowed, std::string const& host,
                                  std::uint16_t port) {
    auto const wanted = host + ':' + std::to_string(port);
    if (allowed.empty() || std::ranges::find(allowed, "*") != allowed.end() ||
        std::ranges::find(allowed, wanted) != allowed.end())
        return {};
    return failure{failure_code::invalid_input,
                   "The host and port are not those of a server that may be connected to"};
}

} // namespace parley::tables
