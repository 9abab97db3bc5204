// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What each command of the table editor does (table editor specification, §2): one at a time, on
/// one connection.

#include <parley/detail/ascii.hpp>
#include <parley/detail/ecmascript_json.hpp>
#include <parley/router.hpp>
#include <parley/tables/backend.hpp>
#include <parley/tables/login.hpp>
#include <parley/tables/messages.hpp>
#include <parley/tables/sql.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

inline constexpr std::size_t default_page_size = 100;
inline constexpr std::uint64_t max_page = 1'000'000'000'000; ///< no row number overflows

/// `{"event":"…","payload":…}`
inline std::string event_text(std::string_view event, std::string_view payload) {
    return std::string("{\"event\":\"")
        .append(event)
        .append("\",\"payload\":")
        .append(payload)
        .append("}");
}

template <class Event>
std::string encode_event(Event const& e) {
    return event_text(Event::event, json::encode_text(e));
}

/// Runs the commands of one connection, in order, and sends their events. Used on the connection's
/// executor; `cancel` may be called while a command runs.
template <backend Backend, class Session>
class command_runner {
  public:
    /// \param timeout of one command's work in the database
    command_runner(Session& session, std::chrono::milliseconds timeout)
        : session_(session), timeout_(timeout) {}

    /// Runs one command to its last event. Nothing happens once the login has ended.
    task<> run(std::string name, boost::json::value payload) {
        login_ = session_.identity()->data();
        if (!login_) co_return;
        command_ = std::move(name);
        // A payload that nobody needs may be left out.
        if (payload.is_null()) payload = boost::json::object();
        if (auto const unsaid = unsaid_value(command_, payload)) {
            co_await fail(input(*unsaid, "a value, or null for NULL", "nothing"));
        } else {
            co_await routes::dispatch(command_, payload, *this);
        }
        running_.reset();
        login_.reset();
    }

    /// Tells the client that something of its own was wrong.
    task<> refuse(error_event what) { co_await send(what); }

    /// Stops what is running in the database, and whatever is begun after.
    void cancel_all() {
        ended_ = true;
        cancel();
    }

    /// Stops what is running in the database; its command then fails.
    void cancel() {
        if (running_) running_->cancel();
    }

    // ---- One overload a command -----------------------------------------------------------------

    task<> operator()(commands::get_server_list) {
        server_list_event event{{login_->server_name}};
        co_await send(event);
    }

    task<> operator()(commands::get_connection_status) { co_await send_status(); }
    task<> operator()(commands::cancel_connection) { co_await send_status(); }

    task<> operator()(commands::get_namespaces) {
        auto names = co_await login_->database->namespaces(begin());
        if (!names) co_return co_await fail(names.error());
        namespace_list_event event{std::move(*names)};
        co_await send(event);
    }

    task<> operator()(commands::get_tables command) {
        auto names = co_await login_->database->tables(command.namespace_, begin());
        if (!names) co_return co_await fail(names.error());
        table_list_event event{std::move(*names), std::move(command.namespace_)};
        co_await send(event);
    }

    task<> operator()(commands::select_table command) {
        table_.reset(); // else what was meant for this one would be done to the one before
        auto found =
            co_await login_->database->describe(command.namespace_, command.tableName, begin());
        if (!found) co_return co_await fail(found.error());
        table_ = std::move(*found);
        table_selected_event selected{command.tableName};
        co_await send(selected);
        table_schema_event schema{std::move(command.tableName), std::move(command.namespace_),
                                  login_->server_name, table_->columns};
        co_await send(schema);
        table_loading_event loading{};
        co_await send(loading);
        page_request first;
        co_await send_page(std::move(first));
    }

    task<> operator()(commands::request_data command) {
        auto request = requested(command);
        if (request) {
            auto page = in_range("page", command.page.value_or(0), 0, max_page);
            auto size = in_range("pageSize", command.pageSize.value_or(default_page_size), 1,
                                 max_page_size);
            if (!page) co_return co_await fail(page.error());
            if (!size) co_return co_await fail(size.error());
            request->page = *page;
            request->page_size = *size;
        }
        co_await answer(std::move(request));
    }

    task<> operator()(commands::paginate command, std::string_view name) {
        auto request = requested(command);
        if (request) {
            auto const by = direction(command, name);
            auto page = in_range("currentPage", command.currentPage, 0, max_page);
            auto size = in_range("pageSize", command.pageSize, 1, max_page_size);
            if (!by) co_return co_await fail(by.error());
            if (!page) co_return co_await fail(page.error());
            if (!size) co_return co_await fail(size.error());
            request->page = *by > 0 ? *page + 1 : *page - (*page > 0 ? 1 : 0);
            request->page_size = *size;
        }
        co_await answer(std::move(request));
    }

    task<> operator()(commands::refresh_data command) {
        auto request = requested(command);
        co_await answer(std::move(request));
    }

    task<> operator()(commands::save_cell command) {
        if (!table_) co_return co_await fail(no_table());
        cell_update const change{{command.primaryKeyColumn, command.primaryKeyValue},
                                 command.columnName,
                                 command.oldValue,
                                 command.newValue};
        auto const done = co_await login_->database->update_cell(*table_, change, begin());
        save_cell_result result{done.has_value(),
                                command.rowIndex,
                                command.colIndex,
                                std::move(command.columnName),
                                std::move(command.oldValue),
                                std::move(command.newValue),
                                std::move(command.primaryKeyColumn),
                                std::move(command.primaryKeyValue),
                                error_of(done)};
        co_await send(result);
    }

    task<> operator()(commands::insert_row command) {
        if (!table_) co_return co_await fail(no_table());
        if (command.columns.size() != command.values.size()) {
            co_return co_await fail(
                input("values", "as many as columns, " + std::to_string(command.columns.size()),
                      std::to_string(command.values.size())));
        }
        new_row const row{std::move(command.columns), std::move(command.values)};
        auto const done = co_await login_->database->insert_row(*table_, row, begin());
        insert_row_result result{done.has_value(), command.newRowIndex, error_of(done)};
        co_await send(result);
    }

    task<> operator()(commands::delete_row command) {
        if (!table_) co_return co_await fail(no_table());
        row_key const row{std::move(command.primaryKeyColumn), std::move(command.primaryKeyValue)};
        auto const done = co_await login_->database->delete_row(*table_, row, begin());
        delete_row_result result{done.has_value(), command.rowIndex, error_of(done)};
        co_await send(result);
    }

    task<> operator()(unroutable why) {
        // A known name is short; any other may be a megabyte of anything.
        constexpr std::size_t longest = 64;
        auto context = why.name.size() <= longest ? std::move(why.name) : std::string();
        error_event event{why.what ? why.what->text() : unknown(command_),
                          why.what ? "INVALID_INPUT" : "UNKNOWN_COMMAND", true, std::move(context)};
        co_await send(event);
    }

  private:
    using routes = router<task<>, commands::get_server_list, commands::get_connection_status,
                          commands::cancel_connection, commands::get_namespaces,
                          commands::get_tables, commands::select_table, commands::request_data,
                          commands::paginate, commands::refresh_data, commands::save_cell,
                          commands::insert_row, commands::delete_row>;

    /// The command's work, all parts of which have one deadline, and which `cancel` stops.
    operation_ptr begin() {
        if (!running_) running_ = std::make_shared<operation>(session_.deadline_after(timeout_));
        if (ended_) running_->cancel();
        return running_;
    }

    static failure input(std::string_view member, std::string expected, std::string found) {
        problem const what{std::string(member), std::move(expected), std::move(found)};
        return {failure_code::invalid_input, what.text()};
    }

    /// The member for a value that a command must say and does not: left out it would be read as
    /// null, and NULL written, or looked for.
    static std::optional<std::string_view> unsaid_value(std::string_view command,
                                                        boost::json::value const& payload) {
        auto const* members = payload.if_object();
        if (members == nullptr) return std::nullopt;
        bool const saves = std::ranges::count(commands::save_cell::types, command) != 0;
        bool const deletes = command == commands::delete_row::type;
        for (std::string_view const name : {"oldValue", "newValue", "primaryKeyValue"}) {
            bool const needed = saves || (deletes && name == "primaryKeyValue");
            if (needed && !members->contains(name)) return name;
        }
        return std::nullopt;
    }

    static failure no_table() { return {failure_code::invalid_input, "No table selected"}; }

    static outcome<std::uint64_t> in_range(std::string_view member, std::uint64_t value,
                                           std::uint64_t low, std::uint64_t high) {
        if (low <= value && value <= high) return value;
        return input(member,
                     "a whole number from " + std::to_string(low) + " to " + std::to_string(high),
                     std::to_string(value));
    }

    /// How many pages on: 1 or -1.
    static outcome<int> direction(commands::paginate const& command, std::string_view name) {
        if (!command.direction) {
            if (name == "paginateNext") return 1;
            if (name == "paginatePrev") return -1;
        }
        if (command.direction == "next") return 1;
        if (command.direction == "prev") return -1;
        return input("direction", R"("next" or "prev")",
                     command.direction ? parley::detail::quote_for_report(*command.direction)
                                       : "nothing");
    }

    /// Filters and order of a command, checked; its first page.
    template <class Command>
    outcome<page_request> requested(Command& command) {
        if (!table_) return no_table();
        page_request request;
        for (auto& one : command.filters.value_or(std::vector<commands::column_filter>())) {
            if (!one.value || one.value->empty()) continue;
            if (auto unknown = unknown_column("filters", one.column)) return std::move(*unknown);
            request.filters.push_back({std::move(one.column), std::move(*one.value)});
        }
        if (request.filters.size() > max_filters) {
            return input("filters", "at most " + std::to_string(max_filters),
                         std::to_string(request.filters.size()));
        }
        if (!command.sortColumn || command.sortColumn->empty()) return request;
        if (auto unknown = unknown_column("sortColumn", *command.sortColumn)) {
            return std::move(*unknown);
        }
        auto const way = command.sortDirection.value_or("asc");
        bool const descending = parley::detail::equal_ignoring_case(way, "desc");
        if (!descending && !parley::detail::equal_ignoring_case(way, "asc")) {
            return input("sortDirection", R"("asc" or "desc")",
                         parley::detail::quote_for_report(way));
        }
        request.sort = sort_order{std::move(*command.sortColumn), descending};
        return request;
    }

    std::optional<failure> unknown_column(std::string_view member, std::string const& name) const {
        if (table_->find(name) != nullptr) return std::nullopt;
        return input(member, "a column of " + table_->name, parley::detail::quote_for_report(name));
    }

    static std::string unknown(std::string const& name) {
        std::string text = "expected one of the commands ";
        for (auto one : routes::names())
            text.append(one).append(", ");
        text.resize(text.size() - 2);
        return text + "; found " + parley::detail::quote_for_report(name);
    }

    task<> answer(outcome<page_request> request) {
        if (!request) co_return co_await fail(request.error());
        co_await send_page(std::move(*request));
    }

    task<> send_page(page_request request) {
        auto page = co_await login_->database->read_page(*table_, request, begin());
        if (!page) co_return co_await fail(page.error());
        std::string text;
        text.reserve(page->rows.size() + 128);
        text.append(R"({"event":"tableData","payload":{"rows":)").append(page->rows);
        text.append(R"(,"totalRows":)").append(std::to_string(page->total_rows));
        text.append(R"(,"page":)").append(std::to_string(request.page));
        text.append(R"(,"pageSize":)").append(std::to_string(request.page_size)).append("}}");
        co_await session_.send_text(std::move(text));
    }

    task<> send_status() {
        connection_status_event event{true, login_->server_name};
        co_await send(event);
    }

    task<> fail(failure why) {
        error_event event{std::move(why.message), std::string(to_string(why.code)), true, command_};
        co_await send(event);
    }

    template <class T>
    static std::optional<change_error> error_of(outcome<T> const& done) {
        if (done) return std::nullopt;
        return change_error{done.error().message, std::string(to_string(done.error().code))};
    }

    // A peer that is gone, or does not read, is noticed by those who wait for its messages.
    template <class Event>
    task<> send(Event const& event) {
        co_await session_.send_text(encode_event(event));
    }

    Session& session_;
    std::chrono::milliseconds const timeout_;
    std::shared_ptr<login<Backend>> login_; // while a command runs
    std::string command_;
    std::optional<table_schema> table_; // the one selected
    operation_ptr running_;
    bool ended_ = false;
};

} // namespace parley::tables
