// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Failures that the backends tell alike.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/query.hpp>

#include <cstdint>
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
    return {failure_code::invalid_input,
            "The page is too large; ask for fewer rows (a row that is too "
            "large by itself cannot be shown)"};
}

} // namespace parley::tables
