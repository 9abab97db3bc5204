// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a database must offer to be edited.

#include <parley/tables/credentials.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/operation.hpp>
#include <parley/tables/query.hpp>
#include <parley/tables/schema.hpp>
#include <parley/task.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace parley::tables {

/// A database as one session sees it, with the session's credentials: a bounded pool of
/// connections, opened as needed, idle ones closed. Called from every I/O thread, by several
/// connections of the session at once, and never blocks it. An operation that is past its deadline
/// or cancelled stops in the database too, and ends with that failure; a slow one delays no other.
/// When the last reference goes, the connections are closed without blocking.
///
/// - `version()`: of the database, for people.
/// - `namespaces`, `tables`: names, sorted; a table as `schema.table`.
/// - `describe`: `not_found` when the namespace or the table is not there.
/// - `read_page`: reads no more of the table into memory than the page.
/// - `update_cell`: `conflict` when the row no longer holds the old value, however that is spelt,
///   `not_found` when there is no such row; then, and whenever more than one row would be hit,
///   nothing is changed.
/// - `insert_row`, `delete_row`: one row exactly, or a failure and no change.
///
/// Column names in requests come from clients: each is looked up in the schema, and an unknown one
/// is `invalid_input`. What has been answered with success is committed.
template <class D>
concept database = requires(D& d, std::string const& name, table_schema const& table,
                            page_request const& request, cell_update const& update,
                            new_row const& row, row_key const& key, operation_ptr op) {
    { d.version() } -> std::convertible_to<std::string>;
    { d.namespaces(op) } -> std::same_as<task<outcome<std::vector<std::string>>>>;
    { d.tables(name, op) } -> std::same_as<task<outcome<std::vector<std::string>>>>;
    { d.describe(name, name, op) } -> std::same_as<task<outcome<table_schema>>>;
    { d.read_page(table, request, op) } -> std::same_as<task<outcome<page>>>;
    { d.update_cell(table, update, op) } -> std::same_as<task<outcome<void>>>;
    { d.insert_row(table, row, op) } -> std::same_as<task<outcome<void>>>;
    { d.delete_row(table, key, op) } -> std::same_as<task<outcome<void>>>;
};

/// Where databases come from. `open` checks the credentials against the database itself, and fails
/// with `wrong_credentials`, `unreachable`, `timed_out` or `invalid_input`, whose messages name no
/// host, no port and no text of a driver. One object serves all sessions, from every I/O thread.
template <class B>
concept backend = requires(B& b, credentials const& who, operation_ptr op) {
    typename B::database_type;
    requires database<typename B::database_type>;
    { b.type } -> std::convertible_to<std::string_view>; // "sqlite", "postgresql", "iris"
    { b.open(who, op) } -> std::same_as<task<outcome<std::shared_ptr<typename B::database_type>>>>;
};

} // namespace parley::tables
