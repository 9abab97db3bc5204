// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What an IRIS namespace tells of its tables: the queries of INFORMATION_SCHEMA (table editor
/// specification, §3), and how their rows are read. Pure functions.
///
/// The specification does not say where the primary key is; that it is in `TABLE_CONSTRAINTS` and
/// `KEY_COLUMN_USAGE`, as in the SQL standard, is assumed. A table without one there is edited by
/// its identity column.

#include <parley/detail/nearest_name.hpp>
#include <parley/detail/raw_json.hpp>
#include <parley/tables/atelier_values.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/schema.hpp>
#include <parley/tables/sql.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

/// The schema of a table that is named without one.
inline constexpr std::string_view atelier_default_schema = "SQLUser";

/// A table's name, taken apart at its first point.
struct atelier_table_name {
    std::string schema_part;
    std::string table_part;
};

inline atelier_table_name split_table_name(std::string_view name) {
    auto const point = name.find('.');
    if (point == std::string_view::npos)
        return {std::string(atelier_default_schema), std::string(name)};
    return {std::string(name.substr(0, point)), std::string(name.substr(point + 1))};
}

inline sql_statement select_tables() {
    return {"SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES "
            "WHERE TABLE_TYPE='BASE TABLE'",
            {}};
}

/// The table of this name, if it is one.
inline sql_statement select_table(atelier_table_name const& name) {
    auto statement = select_tables();
    statement.text += " AND TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    statement.parameters = {parameter(name.schema_part), parameter(name.table_part)};
    return statement;
}

inline sql_statement select_columns(atelier_table_name const& name) {
    return {"SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, "
            "NUMERIC_PRECISION, NUMERIC_SCALE, IS_IDENTITY, IS_GENERATED "
            "FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? "
            "ORDER BY ORDINAL_POSITION",
            {parameter(name.schema_part), parameter(name.table_part)}};
}

inline sql_statement select_primary_key(atelier_table_name const& name) {
    return {"SELECT k.COLUMN_NAME FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS c "
            "JOIN INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS k "
            "ON k.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA "
            "AND k.CONSTRAINT_NAME = c.CONSTRAINT_NAME "
            "AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME "
            "WHERE c.CONSTRAINT_TYPE='PRIMARY KEY' AND c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ? "
            "ORDER BY k.ORDINAL_POSITION",
            {parameter(name.schema_part), parameter(name.table_part)}};
}

namespace detail {

/// The text of a scalar member; nothing when it is not there, null, or no scalar.
inline std::optional<std::string> member_text(parley::detail::raw_json const& row,
                                              std::string_view name) {
    using type = parley::detail::raw_json::type;
    auto const* value = find_member(row, name);
    if (!value || value->is == type::null || value->is_array() || value->is_object())
        return std::nullopt;
    return value->text;
}

inline bool member_says_yes(parley::detail::raw_json const& row, std::string_view name) {
    auto const text = parley::detail::to_lower(member_text(row, name).value_or(""));
    return text == "yes" || text == "always" || text == "true" || text == "1";
}

inline std::optional<std::int64_t> member_number(parley::detail::raw_json const& row,
                                                 std::string_view name) {
    auto const text = member_text(row, name);
    auto const number = text ? parse_number<std::int64_t>(*text) : std::nullopt;
    return number && *number >= 0 ? number : std::nullopt;
}

inline std::optional<column> read_column(parley::detail::raw_json const& row) {
    auto name = member_text(row, "COLUMN_NAME");
    auto data_type = member_text(row, "DATA_TYPE");
    if (!name || name->empty() || !data_type) return std::nullopt;
    column c;
    c.name = *std::move(name);
    c.dataType = *std::move(data_type);
    c.kind = atelier_kind(c.dataType);
    c.nullable = member_says_yes(row, "IS_NULLABLE");
    bool const is_number = c.kind == value_kind::integer || c.kind == value_kind::decimal ||
                           c.kind == value_kind::real;
    if (is_number) {
        c.precision = member_number(row, "NUMERIC_PRECISION");
        c.scale = member_number(row, "NUMERIC_SCALE");
    } else if (c.kind != value_kind::boolean && !is_stream_type(c.dataType)) {
        c.maxLength = member_number(row, "CHARACTER_MAXIMUM_LENGTH");
    }
    if (member_says_yes(row, "IS_IDENTITY") || member_says_yes(row, "IS_GENERATED") ||
        is_stream_type(c.dataType))
        c.readOnly = true;
    return c;
}

} // namespace detail

/// `schema.table` each, sorted; nothing when the rows are not those of `select_tables`.
inline std::optional<std::vector<std::string>>
read_table_names(std::span<parley::detail::raw_json const> rows) {
    std::vector<std::string> names;
    for (auto const& row : rows) {
        auto const schema = detail::member_text(row, "TABLE_SCHEMA");
        auto const table = detail::member_text(row, "TABLE_NAME");
        if (!schema || !table) return std::nullopt;
        names.push_back(*schema + '.' + *table);
    }
    std::ranges::sort(names);
    return names;
}

/// Nothing when the rows are not those of `select_columns`.
inline std::optional<std::vector<column>>
read_columns(std::span<parley::detail::raw_json const> rows) {
    std::vector<column> columns;
    for (auto const& row : rows) {
        auto c = detail::read_column(row);
        if (!c) return std::nullopt;
        columns.push_back(*std::move(c));
    }
    return columns;
}

/// Marks the columns that the rows of `select_primary_key` name. When there are none, the identity
/// column is the key: the first of `column_rows` that says so.
inline void mark_primary_key(std::span<column> columns,
                             std::span<parley::detail::raw_json const> key_rows,
                             std::span<parley::detail::raw_json const> column_rows) {
    int position = 0;
    auto const mark = [&](std::string_view name) {
        auto const found = std::ranges::find(columns, name, &column::name);
        if (found == columns.end()) return;
        found->isPrimaryKey = true;
        found->key_position = ++position;
    };
    for (auto const& row : key_rows)
        mark(detail::member_text(row, "COLUMN_NAME").value_or(""));
    for (auto const& row : column_rows)
        if (position == 0 && detail::member_says_yes(row, "IS_IDENTITY"))
            mark(detail::member_text(row, "COLUMN_NAME").value_or(""));
}

} // namespace parley::tables
