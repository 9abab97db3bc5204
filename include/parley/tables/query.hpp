// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What is asked of a table, and what it answers. Values are JSON as on the wire: null, a bool, a
/// number or a string; their column's `value_kind` says which to expect.

#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace parley::tables {

/// Rows whose `column` matches `pattern`, case-insensitively: `*` is any characters, `?` is one,
/// all else is literal. A pattern without wildcards matches the whole value.
struct filter {
    std::string column;
    std::string pattern; ///< not empty
};

struct sort_order {
    std::string column;
    bool descending = false;
};

/// One page of a table. Rows come in the order of `sort`, and where that leaves it open in that of
/// the primary key, so that pages neither overlap nor leave anything out.
struct page_request {
    std::uint64_t page = 0;
    std::size_t page_size = 100; ///< 1 to 1000
    std::vector<filter> filters; ///< all must match
    std::optional<sort_order> sort;
    std::size_t max_bytes = 16 * 1024 * 1024; ///< of the answer's text; more is `invalid_input`
};

struct page {
    std::string rows;             ///< JSON text: an array of objects by column name
    std::uint64_t total_rows = 0; ///< that match the filters
};

/// The one row whose `column`, part of the primary key, has this value.
struct row_key {
    std::string column;
    boost::json::value value;
};

/// Sets one cell, if it still holds `old_value`.
struct cell_update {
    row_key row;
    std::string column;
    boost::json::value old_value;
    boost::json::value new_value;
};

/// A row to insert: a value for each of `columns`; the others get their defaults.
struct new_row {
    std::vector<std::string> columns;
    std::vector<boost::json::value> values; ///< as many
};

} // namespace parley::tables
