// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A table editor's backend without a database: one namespace, one table, and whatever failure or
/// delay a test wants.

#include <parley/tables/backend.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace parley::test {

/// What all databases of one backend share, and a test looks at.
struct memory_tables {
    struct person {
        std::int64_t id;
        std::string name;
    };

    std::vector<person> people = {{1, "Ada"}, {2, "Grace"}, {3, "Edsger"}};
    std::optional<tables::failure> next_failure; ///< of the next operation
    bool slow = false;                           ///< operations wait until they are cancelled
    bool defect = false;                         ///< operations throw
    std::vector<std::string> done;               ///< operations that were begun, oldest first
    std::vector<tables::operation_ptr> given;    ///< what each of them was begun with
    tables::page_request last_request;
    int open_databases = 0;
    tables::credentials last_user;

    /// Takes as long, and fails, as the test wants.
    static task<std::optional<tables::failure>> begin(std::shared_ptr<memory_tables> world,
                                                      std::string what, tables::operation_ptr op) {
        world->done.push_back(std::move(what));
        world->given.push_back(op);
        if (world->defect) throw std::logic_error("the cause");
        if (world->slow) {
            auto const here = co_await asio::this_coro::executor;
            asio::basic_waitable_timer<std::chrono::steady_clock,
                                       asio::wait_traits<std::chrono::steady_clock>, executor>
                cancelled(here, std::chrono::steady_clock::time_point::max());
            tables::operation::interruption const stop(*op, [&cancelled] { cancelled.cancel(); });
            if (!op->cancelled()) co_await cancelled.async_wait(asio::as_tuple(use_task));
        }
        if (op->cancelled()) {
            co_return tables::failure{tables::failure_code::cancelled, "cancelled"};
        }
        co_return std::exchange(world->next_failure, std::nullopt);
    }
};

/// One login's view of the tables.
class memory_database {
  public:
    explicit memory_database(std::shared_ptr<memory_tables> world) : world_(std::move(world)) {
        ++world_->open_databases;
    }
    memory_database(memory_database const&) = delete;
    memory_database& operator=(memory_database const&) = delete;
    ~memory_database() { --world_->open_databases; }

    [[nodiscard]] std::string version() const { return "memory 1"; }

    task<tables::outcome<std::vector<std::string>>> namespaces(tables::operation_ptr op) {
        if (auto f = co_await begin("namespaces", op)) co_return *f;
        std::vector<std::string> const names{"archive", "clinic"};
        co_return names;
    }

    task<tables::outcome<std::vector<std::string>>> tables(std::string ns,
                                                           tables::operation_ptr op) {
        if (auto f = co_await begin("tables " + ns, op)) co_return *f;
        if (ns != "clinic") {
            co_return tables::failure{tables::failure_code::invalid_input, "no such namespace"};
        }
        std::vector<std::string> const names{"main.people"};
        co_return names;
    }

    task<tables::outcome<tables::table_schema>> describe(std::string ns, std::string name,
                                                         tables::operation_ptr op) {
        if (auto f = co_await begin("describe " + name, op)) co_return *f;
        if (name != "main.people") {
            co_return tables::failure{tables::failure_code::not_found, "no such table"};
        }
        tables::table_schema schema{ns, name, "main", "people", {}};
        tables::column id{"id", "INTEGER", false, {}, {}, {}, {}, true};
        tables::column text{"name", "TEXT", true, {}, {}, {}, {}, {}};
        schema.columns = {id, text};
        co_return schema;
    }

    task<tables::outcome<tables::page>> read_page(tables::table_schema const&,
                                                  tables::page_request const& request,
                                                  tables::operation_ptr op) {
        world_->last_request = request;
        if (auto f = co_await begin("read_page", op)) co_return *f;
        boost::json::array rows;
        for (auto i = request.page * request.page_size;
             i < world_->people.size() && rows.size() < request.page_size; ++i) {
            rows.push_back({{"id", world_->people[i].id}, {"name", world_->people[i].name}});
        }
        co_return tables::page{boost::json::serialize(rows), world_->people.size()};
    }

    task<tables::outcome<void>> update_cell(tables::table_schema const&,
                                            tables::cell_update const& change,
                                            tables::operation_ptr op) {
        if (auto f = co_await begin("update_cell", op)) co_return *f;
        for (auto& one : world_->people) {
            if (change.row.value != one.id) continue;
            if (change.old_value != boost::json::value(one.name)) {
                co_return tables::failure{tables::failure_code::conflict, "changed meanwhile"};
            }
            one.name = std::string(change.new_value.as_string());
            co_return tables::outcome<void>();
        }
        co_return tables::failure{tables::failure_code::not_found, "no such row"};
    }

    task<tables::outcome<void>> insert_row(tables::table_schema const&, tables::new_row const& row,
                                           tables::operation_ptr op) {
        if (auto f = co_await begin("insert_row", op)) co_return *f;
        world_->people.push_back(
            {row.values.at(0).as_int64(), std::string(row.values.at(1).as_string())});
        co_return tables::outcome<void>();
    }

    task<tables::outcome<void>> delete_row(tables::table_schema const&, tables::row_key const& key,
                                           tables::operation_ptr op) {
        if (auto f = co_await begin("delete_row", op)) co_return *f;
        auto const erased =
            std::erase_if(world_->people, [&](auto const& one) { return key.value == one.id; });
        if (erased == 1) co_return tables::outcome<void>();
        co_return tables::failure{tables::failure_code::not_found, "no such row"};
    }

  private:
    task<std::optional<tables::failure>> begin(std::string what, tables::operation_ptr op) {
        return memory_tables::begin(world_, std::move(what), std::move(op));
    }

    std::shared_ptr<memory_tables> world_;
};

/// Lets `ada` in with the password `lovelace`.
struct memory_backend {
    using database_type = memory_database;
    static constexpr std::string_view type = "memory";

    std::shared_ptr<memory_tables> world = std::make_shared<memory_tables>();

    task<tables::outcome<std::shared_ptr<memory_database>>> open(tables::credentials const& who,
                                                                 tables::operation_ptr op) {
        world->last_user = who;
        if (auto f = co_await memory_tables::begin(world, "open", op)) co_return *f;
        if (who.username != "ada" || who.password.view() != "lovelace") {
            co_return tables::failure{tables::failure_code::wrong_credentials,
                                      "wrong user name or password"};
        }
        co_return std::make_shared<memory_database>(world);
    }
};

static_assert(tables::backend<memory_backend>);

} // namespace parley::test
