// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The commands and events of the table editor's WebSocket, as on the wire (table editor
/// specification, §2). A command is `{"command":"…","payload":{…}}`, an event
/// `{"event":"…","payload":{…}}`.

#include <parley/json.hpp>
#include <parley/tables/schema.hpp>

#include <boost/json/value.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::tables::commands {

// ---- Commands -----------------------------------------------------------------------------------

struct get_server_list {
    static constexpr std::string_view type = "getServerList";
};

/// The connection is made by HTTP before; these say that it is there.
struct get_connection_status {
    static constexpr std::array<std::string_view, 4> types{
        "selectServer", "disconnect", "openServerManager", "installServerManager"};
};

/// As above; and stops the command that is running.
struct cancel_connection {
    static constexpr std::string_view type = "cancelConnection";
};

struct get_namespaces {
    static constexpr std::string_view type = "getNamespaces";
};

struct get_tables {
    static constexpr std::array<std::string_view, 2> types{"getTables", "selectNamespace"};
    std::string namespace_;
};

struct select_table {
    static constexpr std::array<std::string_view, 2> types{"selectTable", "openTable"};
    std::string namespace_;
    std::string tableName;
};

/// One of the filters of a command; an empty value means no filter.
struct column_filter {
    std::string column;
    std::optional<std::string> value;
};

struct request_data {
    static constexpr std::array<std::string_view, 2> types{"requestData", "refresh"};
    std::optional<std::uint64_t> page;
    std::optional<std::uint64_t> pageSize;
    std::optional<std::vector<column_filter>> filters;
    std::optional<std::string> sortColumn;
    std::optional<std::string> sortDirection;
};

/// One page on or back; `paginateNext` and `paginatePrev` need no `direction`.
struct paginate {
    static constexpr std::array<std::string_view, 3> types{"paginate", "paginateNext",
                                                           "paginatePrev"};
    std::optional<std::string> direction;
    std::uint64_t currentPage = 0;
    std::uint64_t pageSize = 0;
    std::optional<std::vector<column_filter>> filters;
    std::optional<std::string> sortColumn;
    std::optional<std::string> sortDirection;
};

struct refresh_data {
    static constexpr std::string_view type = "refreshData";
    std::optional<std::vector<column_filter>> filters;
    std::optional<std::string> sortColumn;
    std::optional<std::string> sortDirection;
};

struct save_cell {
    static constexpr std::array<std::string_view, 2> types{"saveCell", "updateRow"};
    std::int64_t rowIndex = 0;
    std::int64_t colIndex = 0;
    std::string columnName;
    boost::json::value oldValue;
    boost::json::value newValue;
    std::string primaryKeyColumn;
    boost::json::value primaryKeyValue;
};

struct insert_row {
    static constexpr std::string_view type = "insertRow";
    std::int64_t newRowIndex = 0;
    std::vector<std::string> columns;
    std::vector<boost::json::value> values;
};

struct delete_row {
    static constexpr std::string_view type = "deleteRow";
    std::int64_t rowIndex = 0;
    std::string primaryKeyColumn;
    boost::json::value primaryKeyValue;
};

} // namespace parley::tables::commands

namespace parley::tables {

// ---- Events -------------------------------------------------------------------------------------
// `tableData` is not here: its rows come from the backend as text.

struct error_event {
    static constexpr std::string_view event = "error";
    std::string message;
    std::string code;
    bool recoverable = true;
    std::string context; ///< the command
};

struct server_list_event {
    static constexpr std::string_view event = "serverList";
    std::vector<std::string> servers; ///< as `host:port`
};

struct connection_status_event {
    static constexpr std::string_view event = "connectionStatus";
    bool connected = true;
    std::string serverName; ///< as `host:port`
};

struct namespace_list_event {
    static constexpr std::string_view event = "namespaceList";
    std::vector<std::string> namespaces;
};

struct table_list_event {
    static constexpr std::string_view event = "tableList";
    std::vector<std::string> tables;
    std::string namespace_;
};

struct table_selected_event {
    static constexpr std::string_view event = "tableSelected";
    std::string tableName;
};

struct table_schema_event {
    static constexpr std::string_view event = "tableSchema";
    std::string tableName;
    std::string namespace_;
    std::string serverName;
    std::vector<column> columns;
};

struct table_loading_event {
    static constexpr std::string_view event = "tableLoading";
    bool loading = false;
    std::string context;
};

/// Why a change was not made.
struct change_error {
    std::string message;
    std::string code;
};

struct save_cell_result {
    static constexpr std::string_view event = "saveCellResult";
    bool success = false;
    std::int64_t rowIndex = 0;
    std::int64_t colIndex = 0;
    std::string columnName;
    boost::json::value oldValue;
    boost::json::value newValue;
    std::string primaryKeyColumn;
    boost::json::value primaryKeyValue;
    std::optional<change_error> error;
};

struct insert_row_result {
    static constexpr std::string_view event = "insertRowResult";
    bool success = false;
    std::int64_t newRowIndex = 0;
    std::optional<change_error> error;
};

struct delete_row_result {
    static constexpr std::string_view event = "deleteRowResult";
    bool success = false;
    std::int64_t rowIndex = 0;
    std::optional<change_error> error;
};

} // namespace parley::tables

BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::get_server_list);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::get_connection_status);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::cancel_connection);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::get_namespaces);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::get_tables, namespace_);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::select_table, namespace_, tableName);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::column_filter, column, value);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::request_data, page, pageSize, filters, sortColumn,
                        sortDirection);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::paginate, direction, currentPage, pageSize,
                        filters, sortColumn, sortDirection);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::refresh_data, filters, sortColumn, sortDirection);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::save_cell, rowIndex, colIndex, columnName,
                        oldValue, newValue, primaryKeyColumn, primaryKeyValue);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::insert_row, newRowIndex, columns, values);
BOOST_HANA_ADAPT_STRUCT(parley::tables::commands::delete_row, rowIndex, primaryKeyColumn,
                        primaryKeyValue);
BOOST_HANA_ADAPT_STRUCT(parley::tables::error_event, message, code, recoverable, context);
BOOST_HANA_ADAPT_STRUCT(parley::tables::server_list_event, servers);
BOOST_HANA_ADAPT_STRUCT(parley::tables::connection_status_event, connected, serverName);
BOOST_HANA_ADAPT_STRUCT(parley::tables::namespace_list_event, namespaces);
BOOST_HANA_ADAPT_STRUCT(parley::tables::table_list_event, tables, namespace_);
BOOST_HANA_ADAPT_STRUCT(parley::tables::table_selected_event, tableName);
BOOST_HANA_ADAPT_STRUCT(parley::tables::table_schema_event, tableName, namespace_, serverName,
                        columns);
BOOST_HANA_ADAPT_STRUCT(parley::tables::table_loading_event, loading, context);
BOOST_HANA_ADAPT_STRUCT(parley::tables::change_error, message, code);
BOOST_HANA_ADAPT_STRUCT(parley::tables::save_cell_result, success, rowIndex, colIndex, columnName,
                        oldValue, newValue, primaryKeyColumn, primaryKeyValue, error);
BOOST_HANA_ADAPT_STRUCT(parley::tables::insert_row_result, success, newRowIndex, error);
BOOST_HANA_ADAPT_STRUCT(parley::tables::delete_row_result, success, rowIndex, error);
