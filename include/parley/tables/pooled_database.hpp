// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What databases have in common whose connections block.

#include <parley/tables/connection_pool.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/operation.hpp>
#include <parley/tables/query.hpp>
#include <parley/tables/schema.hpp>
#include <parley/task.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parley::tables {

/// The operations of a `database`, each on a connection of the session's pool.
///
/// `Derived` has what each of them does there, as static functions that block and may be private:
/// `list_tables`, `describe_table`, `read_page_now`, `update_cell_now`, `insert_now` and
/// `delete_now`. While a `Connection::use` lives, the connection stops when it is told to.
template <class Derived, class Connection>
class pooled_database {
  public:
    using connections = connection_pool<Connection>;

    task<outcome<std::vector<std::string>>> tables(std::string ns, operation_ptr op) {
        return run<std::vector<std::string>>(std::move(ns), std::move(op), &Derived::list_tables);
    }

    task<outcome<table_schema>> describe(std::string ns, std::string name, operation_ptr op) {
        auto work = [ns, name = std::move(name)](Connection& connection) {
            return Derived::describe_table(connection, ns, name);
        };
        return run<table_schema>(std::move(ns), std::move(op), std::move(work));
    }

    task<outcome<page>> read_page(table_schema table, page_request request, operation_ptr op) {
        request.max_bytes = std::min(request.max_bytes, max_page_bytes_);
        return run_on<page>(&Derived::read_page_now, std::move(table), std::move(request),
                            std::move(op));
    }

    task<outcome<void>> update_cell(table_schema table, cell_update update, operation_ptr op) {
        return run_on<void>(&Derived::update_cell_now, std::move(table), std::move(update),
                            std::move(op));
    }

    task<outcome<void>> insert_row(table_schema table, new_row row, operation_ptr op) {
        return run_on<void>(&Derived::insert_now, std::move(table), std::move(row), std::move(op));
    }

    task<outcome<void>> delete_row(table_schema table, row_key key, operation_ptr op) {
        return run_on<void>(&Derived::delete_now, std::move(table), std::move(key), std::move(op));
    }

    /// Closes the connections that nobody uses.
    void close_idle() { connections_->close_idle(); }

  protected:
    pooled_database(std::shared_ptr<connections> pool, std::size_t max_page_bytes)
        : connections_(std::move(pool)), max_page_bytes_(max_page_bytes) {}
    ~pooled_database() = default;

    template <class T, class Work>
    task<outcome<T>> run(std::string ns, operation_ptr op, Work work) {
        std::function<outcome<T>(Connection&, work_control&)> use_connection =
            [work = std::move(work)](Connection& connection, work_control& control) {
                typename Connection::use const in_use(connection, control);
                return outcome<T>(work(connection));
            };
        return connections_->template run<T>(std::move(ns), std::move(op),
                                             std::move(use_connection));
    }

    std::shared_ptr<connections> const connections_;

  private:
    template <class T, class What>
    task<outcome<T>> run_on(outcome<T> (*operate)(Connection&, table_schema const&, What const&),
                            table_schema table, What what, operation_ptr op) {
        auto ns = table.ns;
        auto work = [operate, table = std::move(table), what = std::move(what)](
                        Connection& connection) { return operate(connection, table, what); };
        return run<T>(std::move(ns), std::move(op), std::move(work));
    }

    std::size_t const max_page_bytes_;
};

} // namespace parley::tables
