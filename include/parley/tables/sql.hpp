// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The SQL of a table editor, as text and what to bind. Pure: no driver, no I/O. Nothing gets into
/// a text but fixed words and numbers, placeholders, and names out of a table's schema, quoted.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/nearest_name.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/query.hpp>
#include <parley/tables/schema.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

/// A statement to run, and what to bind to its placeholders, in their order.
struct sql_statement {
    std::string text;
    std::vector<parameter> parameters;
};

/// A row of a query in the order of the primary key, which is one column, and there a whole number.
struct known_row {
    std::int64_t position; ///< how many rows come before it
    std::int64_t key;
};

/// How many filters a request may have.
inline constexpr std::size_t max_filters = 100;
/// How long a filter's pattern may be, in bytes.
inline constexpr std::size_t max_pattern = 10'000;
/// How many rows a page may have.
inline constexpr std::size_t max_page_size = 1000;

/// `"name"`, with quotes within doubled, as every dialect here has it.
inline std::string quote_identifier(std::string_view name) {
    std::string out = "\"";
    for (char c : name)
        out.append(c == '"' ? 2 : 1, c);
    return out += '"';
}

/// `t."name"`: in queries, the table has the alias `t`, so that the name of a column means nothing
/// else (a column of the result, in ORDER BY; or a string, as SQLite would take it).
inline std::string aliased(column const& c) {
    return "t." + quote_identifier(c.name);
}

/// The pattern of a LIKE, with `\` as its escape character, for a pattern with `*` and `?`.
inline std::string to_like_pattern(std::string_view pattern) {
    std::string out;
    for (char c : pattern) {
        if (c == '%' || c == '_' || c == '\\') out += '\\';
        out += c == '*' ? '%' : c == '?' ? '_' : c;
    }
    return out;
}

/// What tells the databases' SQL apart. Each dialect has
/// - `decimals_are_doubles`, `allows_nul`: see `to_new_value`;
/// - `pages_by_top`: TOP and %VID, instead of LIMIT and OFFSET;
/// - `outputs_skipped_rows`: what a query puts out is computed for the rows before a page as well,
///   unless the page is found first, by a query within;
/// - `checks_in_update`: an update or delete sees by itself that there is exactly one such row, and
///   that it holds the old value; else its backend does, in a transaction;
/// - `binds_empty_as_null`: what is bound cannot tell an empty text from NULL;
/// - `cell_lock`: what makes a query of a cell hold its row until the transaction ends;
/// - `placeholder(n)`: the n-th, from 1 on;
/// - `output(column, longest)`: a column, as its backend reads it; of text and bytes, no more than
///   the first `longest` need be there;
/// - `match(column, placeholder)`, `to_pattern(pattern)`: a filter;
/// - `row_order(table)`: what orders the rows of a table without a primary key.
namespace dialects {

/// SQLite. A filter calls the function `parley_matches(pattern, value)`, which the backend brings:
/// LIKE sees numbers otherwise than the client does, and the case of ASCII letters only.
struct sqlite {
    static constexpr bool decimals_are_doubles = true;
    static constexpr bool allows_nul = true;
    static constexpr bool pages_by_top = false;
    static constexpr bool outputs_skipped_rows = false;
    static constexpr bool checks_in_update = false;
    static constexpr bool binds_empty_as_null = false;
    static constexpr std::string_view cell_lock = "";

    static std::string placeholder(std::size_t) { return "?"; }
    static std::string output(column const& c, std::size_t) { return aliased(c); }
    static std::string to_pattern(std::string_view pattern) { return std::string(pattern); }

    static std::string match(column const& c, std::string const& pattern) {
        auto const value = aliased(c);
        if (c.kind != value_kind::boolean) return "parley_matches(" + pattern + ", " + value + ")";
        return "parley_matches(" + pattern + ", CASE " + value +
               " WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE " + value + " END)";
    }

    /// The row id, under the first of its names that no column hides.
    static std::string row_order(table_schema const& table) {
        for (std::string_view name : {"rowid", "_rowid_", "oid"}) {
            auto const hides = [&](column const& c) { return detail::to_lower(c.name) == name; };
            if (std::ranges::none_of(table.columns, hides)) return "t." + std::string(name);
        }
        std::string all;
        for (auto const& c : table.columns)
            all += (all.empty() ? "" : ", ") + aliased(c);
        return all;
    }
};

/// PostgreSQL. What is bound travels as text, and the server infers its type from where it stands.
struct postgresql {
    static constexpr bool decimals_are_doubles = false;
    static constexpr bool allows_nul = false;
    static constexpr bool pages_by_top = false;
    static constexpr bool outputs_skipped_rows = true;
    static constexpr bool checks_in_update = false;
    static constexpr bool binds_empty_as_null = false;
    static constexpr std::string_view cell_lock = " FOR UPDATE";

    static std::string placeholder(std::size_t number) { return '$' + std::to_string(number); }
    static std::string to_pattern(std::string_view pattern) { return to_like_pattern(pattern); }

    /// libpq holds a whole row, so that long values are cut before they are sent. Types that have a
    /// kind of their own are as exact without the cast.
    static std::string output(column const& c, std::size_t longest) {
        constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
        auto const length = std::to_string(std::min(longest, most));
        if (c.kind == value_kind::other) return "left(" + aliased(c) + "::text, " + length + ')';
        if (c.kind == value_kind::binary)
            return "substring(" + aliased(c) + " from 1 for " + length + ')';
        return aliased(c);
    }

    /// The column's own collation may be one that ILIKE cannot do. Bytes are compared as clients
    /// see them: in base64, which PostgreSQL breaks into lines.
    static std::string match(column const& c, std::string const& pattern) {
        auto const text = c.kind == value_kind::binary
                              ? "translate(encode(" + aliased(c) + ", 'base64'), chr(10), '')"
                              : aliased(c) + "::text";
        return text + " COLLATE \"default\" ILIKE " + pattern;
    }

    static std::string row_order(table_schema const&) { return "t.tableoid, t.ctid"; }
};

/// InterSystems IRIS, which compares text without regard to case unless told otherwise.
struct iris {
    static constexpr bool decimals_are_doubles = false;
    static constexpr bool allows_nul = true;
    static constexpr bool pages_by_top = true;
    static constexpr bool outputs_skipped_rows = false;
    static constexpr bool checks_in_update = true;
    static constexpr bool binds_empty_as_null = true;
    static constexpr std::string_view cell_lock = "";

    static std::string placeholder(std::size_t) { return "?"; }
    static std::string output(column const& c, std::size_t) { return aliased(c); }
    static std::string to_pattern(std::string_view pattern) { return to_like_pattern(pattern); }

    static std::string match(column const& c, std::string const& pattern) {
        if (c.kind == value_kind::boolean)
            return "CASE " + aliased(c) +
                   " WHEN 1 THEN 'TRUE' WHEN 0 THEN 'FALSE' END LIKE UPPER(" + pattern +
                   ") ESCAPE '\\'";
        return "UPPER(CAST(" + aliased(c) + " AS VARCHAR(32767))) LIKE UPPER(" + pattern +
               ") ESCAPE '\\'";
    }

    static std::string row_order(table_schema const&) { return "t.%ID"; }
};

} // namespace dialects

namespace detail {

inline failure invalid_input(std::string message) {
    return {failure_code::invalid_input, std::move(message)};
}

/// The column that a client named.
inline outcome<column const*> find_column(table_schema const& table, std::string_view name) {
    if (auto const* found = table.find(name)) return found;
    std::vector<std::string> names;
    for (auto const& c : table.columns)
        names.push_back(c.name);
    return invalid_input("Table " + quote_for_report(table.name) + " has no column " +
                         quote_for_report(name) + "; the nearest is " +
                         quote_for_report(nearest_name(name, names)));
}

/// Those of the primary key, in its order.
inline std::vector<column const*> key_columns(table_schema const& table) {
    std::vector<column const*> keys;
    for (auto const& c : table.columns) {
        if (c.isPrimaryKey.value_or(false)) keys.push_back(&c);
    }
    std::ranges::stable_sort(keys, {}, &column::key_position);
    return keys;
}

inline outcome<column const*> find_key_column(table_schema const& table, std::string_view name) {
    auto const found = find_column(table, name);
    if (!found || (*found)->isPrimaryKey.value_or(false)) return found;
    std::string allowed;
    for (auto const* key : key_columns(table))
        allowed += (allowed.empty() ? "" : ", ") + quote_for_report(key->name);
    if (allowed.empty())
        return invalid_input("Table " + quote_for_report(table.name) +
                             " has no primary key, so that its rows cannot be told apart");
    return invalid_input("Column " + quote_for_report(name) +
                         " is not part of the primary key, which is " + allowed);
}

inline outcome<column const*> find_writable_column(table_schema const& table,
                                                   std::string_view name) {
    auto const found = find_column(table, name);
    if (found && (*found)->readOnly.value_or(false))
        return invalid_input("Column " + quote_for_report(name) +
                             " is read-only: the database makes its values");
    return found;
}

/// A statement in the making.
template <class Dialect>
class sql_writer {
  public:
    explicit sql_writer(table_schema const& table) : table_(table) {}

    sql_writer& add(std::string_view fixed) {
        text_ += fixed;
        return *this;
    }
    sql_writer& add_table() {
        if (!table_.schema_part.empty()) text_ += quote_identifier(table_.schema_part) + '.';
        text_ += quote_identifier(table_.table_part);
        return *this;
    }
    /// Binds `value`, and gives its placeholder; or a literal, for what cannot be bound.
    std::string bind(parameter value) {
        if constexpr (Dialect::binds_empty_as_null) {
            if (std::holds_alternative<std::nullptr_t>(value)) return "NULL";
            if (value == parameter(std::string()) || value == parameter(byte_string())) return "''";
        }
        parameters_.push_back(std::move(value));
        return Dialect::placeholder(parameters_.size());
    }

    /// ` WHERE … AND …`, or nothing. \param from the first row that is wanted, if it is known
    outcome<void> add_filters(std::span<filter const> filters,
                              std::optional<known_row> const& from = {}) {
        if (filters.size() > max_filters)
            return invalid_input("Expected at most " + std::to_string(max_filters) +
                                 " filters, found " + std::to_string(filters.size()));
        std::string_view separator = " WHERE ";
        for (auto const& f : filters) {
            auto const found = find_column(table_, f.column);
            if (!found) return found.error();
            if (f.pattern.size() > max_pattern)
                return invalid_input("The filter of column " + quote_for_report(f.column) +
                                     ": expected at most " + std::to_string(max_pattern) +
                                     " bytes, found " + std::to_string(f.pattern.size()));
            if (!Dialect::allows_nul && f.pattern.find('\0') != std::string::npos)
                return invalid_input("The filter of column " + quote_for_report(f.column) +
                                     ": expected text without U+0000");
            text_ += separator;
            auto const pattern = bind(Dialect::to_pattern(f.pattern));
            text_ += Dialect::match(**found, pattern);
            separator = " AND ";
        }
        if (from) {
            text_.append(separator) += aliased(*key_columns(table_).front());
            text_ += " >= " + bind(from->key);
        }
        return {};
    }

    /// ` ORDER BY …`: total, so that pages neither overlap nor leave anything out.
    outcome<void> add_order(std::optional<sort_order> const& sort) {
        text_ += " ORDER BY ";
        column const* sorted = nullptr;
        if (sort) {
            auto const found = find_column(table_, sort->column);
            if (!found) return found.error();
            sorted = *found;
            text_ += aliased(*sorted) + (sort->descending ? " DESC" : "");
        }
        auto const keys = key_columns(table_);
        std::string_view separator = sorted ? ", " : "";
        for (auto const* key : keys) {
            if (key == sorted) continue;
            text_.append(separator) += aliased(*key);
            separator = ", ";
        }
        if (keys.empty()) text_.append(separator) += Dialect::row_order(table_);
        return {};
    }

    /// The columns of a page, separated by commas.
    sql_writer& add_outputs(std::size_t longest) {
        std::string_view separator;
        for (auto const& c : table_.columns) {
            text_.append(separator) += Dialect::output(c, longest);
            if (Dialect::pages_by_top) text_ += " AS " + quote_identifier(c.name);
            separator = ", ";
        }
        return *this;
    }

    /// The columns as they are, separated by commas.
    sql_writer& add_columns(std::string (*name)(column const&)) {
        std::string_view separator;
        for (auto const& c : table_.columns) {
            text_.append(separator) += name(c);
            separator = ", ";
        }
        return *this;
    }

    /// `"key" = ?`
    outcome<void> add_key(row_key const& row) {
        auto const key = find_key_column(table_, row.column);
        if (!key) return key.error();
        auto value = to_key<Dialect>(**key, row.value);
        if (!value) return value.error();
        add_equal(quote_identifier((*key)->name), **key, *std::move(value));
        return {};
    }

    void add_equal(std::string const& name, column const& c, parameter value) {
        if (std::holds_alternative<std::nullptr_t>(value)) {
            text_ += name + " IS NULL";
        } else if (auto* bytes = std::get_if<byte_string>(&value);
                   bytes && Dialect::decimals_are_doubles) {
            // SQLite may hold text in a binary column, and the two are never equal.
            text_ += '(' + name + " = " + bind(bytes->bytes);
            text_ += " OR " + name + " = " + bind(std::move(*bytes)) + ')';
        } else if (Dialect::checks_in_update && c.kind == value_kind::other) {
            text_ += "%EXACT(" + name + ") = " + bind(std::move(value));
        } else {
            text_ += name + " = " + bind(std::move(value));
        }
    }

    /// ` AND` there is one such row only.
    outcome<void> add_guard(row_key const& row) {
        if (!Dialect::checks_in_update) return {};
        add(" AND (SELECT COUNT(*) FROM ").add_table().add(" WHERE ");
        if (auto const added = add_key(row); !added) return added.error();
        add(") = 1");
        return {};
    }

    /// Drivers would end the text at the first U+0000, in whose name ever it is.
    outcome<sql_statement> take() {
        if (text_.find('\0') != std::string::npos)
            return invalid_input("Table " + quote_for_report(table_.name) +
                                 ": expected names without U+0000");
        return sql_statement{std::move(text_), std::move(parameters_)};
    }

  private:
    table_schema const& table_;
    std::string text_;
    std::vector<parameter> parameters_;
};

inline outcome<void> check_counts(page_request const& request) {
    if (request.page_size < 1 || request.page_size > max_page_size)
        return invalid_input("pageSize: expected a whole number from 1 to " +
                             std::to_string(max_page_size) + ", found " +
                             std::to_string(request.page_size));
    // One page more is still a number that the database can count to.
    auto const last = std::numeric_limits<std::int64_t>::max() / max_page_size - 1;
    if (request.page > last)
        return invalid_input("page: expected a whole number from 0 to " + std::to_string(last) +
                             ", found " + std::to_string(request.page));
    return {};
}

} // namespace detail

/// The rows of a page: every column of the table, in its order.
/// \param known a row not after the page, which is in the order of the primary key; then the rows
/// before that one need not be counted
template <class Dialect>
outcome<sql_statement> select_page(table_schema const& table, page_request const& request,
                                   std::optional<known_row> const& known = {}) {
    if (auto const checked = detail::check_counts(request); !checked) return checked.error();
    auto const size = static_cast<std::int64_t>(request.page_size);
    auto const before = static_cast<std::int64_t>(request.page) * size;
    auto const longest = std::max(request.max_bytes, request.max_bytes + 1);
    bool const by_rank = Dialect::pages_by_top && before > 0;

    detail::sql_writer<Dialect> sql(table);
    sql.add("SELECT ");
    if (Dialect::outputs_skipped_rows)
        sql.add_outputs(longest).add(" FROM (SELECT ").add_columns(&aliased);
    if (by_rank)
        sql.add_columns([](column const& c) { return quote_identifier(c.name); })
            .add(" FROM (SELECT ");
    if (Dialect::pages_by_top) sql.add("TOP " + sql.bind(before + size) + ' ');
    if (!Dialect::outputs_skipped_rows) sql.add_outputs(longest);
    sql.add(" FROM ").add_table().add(" AS t");
    if (auto const added = sql.add_filters(request.filters, known); !added) return added.error();
    if (auto const added = sql.add_order(request.sort); !added) return added.error();
    if (by_rank) sql.add(") WHERE %VID > " + sql.bind(before));
    if (!Dialect::pages_by_top) {
        sql.add(" LIMIT " + sql.bind(size));
        sql.add(" OFFSET " + sql.bind(before - (known ? known->position : 0)));
    }
    if (Dialect::outputs_skipped_rows) sql.add(") AS t"); // in the order of the query within
    return sql.take();
}

/// How many rows match the filters, as `"total"`.
template <class Dialect>
outcome<sql_statement> count_rows(table_schema const& table, std::span<filter const> filters) {
    detail::sql_writer<Dialect> sql(table);
    sql.add("SELECT COUNT(*) AS \"total\" FROM ").add_table().add(" AS t");
    if (auto const added = sql.add_filters(filters); !added) return added.error();
    return sql.take();
}

/// The cell that is to be changed, in one row; two rows mean that the key does not tell them apart.
/// \param longest see `output` of the dialects.
template <class Dialect>
outcome<sql_statement> select_cell(table_schema const& table, row_key const& row,
                                   std::string_view column_name,
                                   std::size_t longest = std::numeric_limits<std::size_t>::max()) {
    auto const found = detail::find_column(table, column_name);
    if (!found) return found.error();
    detail::sql_writer<Dialect> sql(table);
    sql.add("SELECT ");
    if (Dialect::pages_by_top) sql.add("TOP 2 ");
    sql.add(Dialect::output(**found, longest))
        .add(" AS \"cell\" FROM ")
        .add_table()
        .add(" AS t WHERE ");
    if (auto const added = sql.add_key(row); !added) return added.error();
    if (!Dialect::pages_by_top) sql.add(" LIMIT 2");
    sql.add(Dialect::cell_lock);
    return sql.take();
}

/// Sets the cell, if the dialect `checks_in_update` only where it is as the update expects.
template <class Dialect>
outcome<sql_statement> update_cell(table_schema const& table, cell_update const& update) {
    auto const found = detail::find_writable_column(table, update.column);
    if (!found) return found.error();
    auto const& changed = **found;
    auto value = to_new_value<Dialect>(changed, update.new_value);
    if (!value) return value.error();
    auto const name = quote_identifier(changed.name);

    detail::sql_writer<Dialect> sql(table);
    sql.add("UPDATE ").add_table().add(" SET " + name + " = ");
    sql.add(sql.bind(*std::move(value))).add(" WHERE ");
    if (auto const added = sql.add_key(update.row); !added) return added.error();
    if (Dialect::checks_in_update) {
        auto old = to_key<Dialect>(changed, update.old_value);
        if (!old) return old.error();
        sql.add(" AND ");
        sql.add_equal(name, changed, *std::move(old));
    }
    if (auto const added = sql.add_guard(update.row); !added) return added.error();
    return sql.take();
}

/// Inserts the row. A null for a read-only column is left out: there is no other way to fill a row.
template <class Dialect>
outcome<sql_statement> insert_row(table_schema const& table, new_row const& row) {
    if (row.columns.size() != row.values.size())
        return detail::invalid_input("Expected as many values as columns, found " +
                                     std::to_string(row.columns.size()) + " columns and " +
                                     std::to_string(row.values.size()) + " values");
    std::vector<column const*> given;
    std::string names;
    std::string placeholders;
    detail::sql_writer<Dialect> sql(table);
    for (std::size_t i = 0; i < row.columns.size(); ++i) {
        auto const any = detail::find_column(table, row.columns[i]);
        if (any && (*any)->readOnly.value_or(false) && row.values[i].is_null()) continue;
        auto const found = detail::find_writable_column(table, row.columns[i]);
        if (!found) return found.error();
        if (std::ranges::find(given, *found) != given.end())
            return detail::invalid_input("Column " + detail::quote_for_report((*found)->name) +
                                         " is there twice");
        given.push_back(*found);
        auto value = to_new_value<Dialect>(**found, row.values[i]);
        if (!value) return value.error();
        std::string const separator = names.empty() ? "" : ", ";
        names += separator + quote_identifier((*found)->name);
        placeholders += separator + sql.bind(*std::move(value));
    }
    sql.add("INSERT INTO ").add_table();
    if (given.empty())
        sql.add(" DEFAULT VALUES");
    else
        sql.add(" (" + names + ") VALUES (" + placeholders + ')');
    return sql.take();
}

/// Deletes the row.
template <class Dialect>
outcome<sql_statement> delete_row(table_schema const& table, row_key const& row) {
    detail::sql_writer<Dialect> sql(table);
    sql.add("DELETE FROM ").add_table().add(" WHERE ");
    if (auto const added = sql.add_key(row); !added) return added.error();
    if (auto const added = sql.add_guard(row); !added) return added.error();
    return sql.take();
}

} // namespace parley::tables
