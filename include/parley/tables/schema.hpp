// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What is known of a table before its rows are read.

#include <parley/json.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::tables {

/// How the values of a column travel in JSON (table editor specification, §2).
enum class value_kind {
    integer, ///< a number within ±(2^53-1), else a string of digits
    decimal, ///< a string, so that no digit is lost
    real,    ///< a number
    boolean, ///< true or false
    binary,  ///< a string in base64
    other,   ///< a string: text, dates, times, and whatever else there is
};

/// One column. All but the last two are on the wire, under these names.
struct column {
    std::string name;
    std::string dataType; ///< as the database calls it
    bool nullable = true;
    std::optional<std::int64_t> maxLength; ///< in characters
    std::optional<std::int64_t> precision; ///< in decimal digits
    std::optional<std::int64_t> scale;     ///< of `precision`, those behind the point
    std::optional<bool> readOnly;          ///< identity and generated columns: true, else empty
    std::optional<bool> isPrimaryKey;      ///< true, or empty
    value_kind kind = value_kind::other;
    int key_position = 0; ///< 1 for the first column of the primary key, and so on; 0 if not known
};

/// One table, as its database describes it. Nothing but the names in here, quoted, becomes an
/// identifier of an SQL statement.
struct table_schema {
    std::string ns;              ///< the namespace that it is in
    std::string name;            ///< as clients name it: `schema.table`
    std::string schema_part;     ///< what is before the point, unquoted
    std::string table_part;      ///< and behind it
    std::vector<column> columns; ///< in the order of the table; at least one

    /// The column of exactly this name, or null.
    [[nodiscard]] column const* find(std::string_view column_name) const {
        auto const found = std::ranges::find(columns, column_name, &column::name);
        return found == columns.end() ? nullptr : &*found;
    }
};

} // namespace parley::tables

BOOST_HANA_ADAPT_STRUCT(parley::tables::column, name, dataType, nullable, maxLength, precision,
                        scale, readOnly, isPrimaryKey);
