// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The SQL text of the operations of a transaction. Values never come into it: each has a
/// placeholder `:v1`, `:v2`, …, in the order of the text. Identifiers come from the row's
/// description only.

#include <parley/storage/table.hpp>

#include <string>
#include <string_view>

namespace parley::detail {

inline std::string quoted(std::string_view identifier) {
    return '"' + std::string(identifier) + '"';
}

inline std::string placeholder(std::size_t number) {
    return ":v" + std::to_string(number);
}

/// `"a", "b", "c"`
template <class Row>
std::string column_list() {
    std::string list;
    for (auto name : column_names<Row>)
        list += (list.empty() ? "" : ", ") + quoted(name);
    return list;
}

template <class Row>
std::string insert_sql() {
    std::string values;
    for (std::size_t i = 1; i <= column_count<Row>; ++i) {
        values += (i == 1 ? "" : ", ") + placeholder(i);
    }
    return "INSERT INTO " + quoted(table<Row>::name) + " (" + column_list<Row>() + ") VALUES (" +
           values + ")";
}

/// Every column is set, and the primary key, which comes last, is compared.
template <class Row>
std::string update_sql() {
    std::string assignments;
    std::size_t number = 0;
    for (auto name : column_names<Row>) {
        assignments += (number == 0 ? "" : ", ") + quoted(name) + " = " + placeholder(number + 1);
        ++number;
    }
    return "UPDATE " + quoted(table<Row>::name) + " SET " + assignments + " WHERE " +
           quoted(table<Row>::primary_key) + " = " + placeholder(number + 1);
}

/// ` WHERE "a" = :v1 AND "b" IS NULL`, or nothing.
template <class... C>
std::string where_sql(C const&... criteria) {
    std::string text;
    std::size_t bound = 0;
    [[maybe_unused]] auto const add = [&](auto const& wanted) {
        if (wanted.any) return;
        text += (text.empty() ? " WHERE " : " AND ") + quoted(wanted.column) +
                (wanted.value ? " = " + placeholder(++bound) : " IS NULL");
    };
    (add(criteria), ...);
    return text;
}

/// In the order of the primary key.
template <class Row, class... C>
std::string select_sql(C const&... criteria) {
    return "SELECT " + column_list<Row>() + " FROM " + quoted(table<Row>::name) +
           where_sql(criteria...) + " ORDER BY " + quoted(table<Row>::primary_key);
}

template <class Row, class... C>
std::string delete_sql(C const&... criteria) {
    return "DELETE FROM " + quoted(table<Row>::name) + where_sql(criteria...);
}

} // namespace parley::detail
