// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Editing PostgreSQL databases, with the user's own credentials.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/tables/allowed_servers.hpp>
#include <parley/tables/backend.hpp>
#include <parley/tables/blocking_pool.hpp>
#include <parley/tables/database_failures.hpp>
#include <parley/tables/json_cell.hpp>
#include <parley/tables/pooled_database.hpp>
#include <parley/tables/postgresql_connection.hpp>
#include <parley/tables/postgresql_types.hpp>
#include <parley/tables/resolve_host.hpp>
#include <parley/tables/sql.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

/// One session's view of the databases of a server. See `database`.
class postgresql_database : public pooled_database<postgresql_database, postgresql_connection> {
  public:
    postgresql_database(std::shared_ptr<postgresql_target const> target,
                        std::shared_ptr<blocking_pool> threads, connections::options limits,
                        std::size_t max_page_bytes, std::unique_ptr<postgresql_connection> first)
        : pooled_database(
              std::make_shared<connections>(
                  std::move(threads), limits,
                  [target = std::move(target)](std::string const& ns, work_control& control) {
                      return connect(target, ns, control);
                  }),
              max_page_bytes),
          home_(first->name()), version_("PostgreSQL " + first->server_version()) {
        connections_->keep(std::move(first));
    }

    [[nodiscard]] std::string version() const { return version_; }

    /// The databases that these credentials may connect to.
    task<outcome<std::vector<std::string>>> namespaces(operation_ptr op) {
        return run<std::vector<std::string>>(home_, std::move(op), &list_databases);
    }

  private:
    friend class pooled_database<postgresql_database, postgresql_connection>;
    using transaction = postgresql_connection::transaction;

    /// An empty name would be taken for that of the user's own database.
    static outcome<std::unique_ptr<postgresql_connection>>
    connect(std::shared_ptr<postgresql_target const> target, std::string const& ns,
            work_control& control) {
        if (ns.empty() || ns.find('\0') != std::string::npos)
            return postgresql_connect_failure("3D000");
        return postgresql_connection::open(std::move(target), ns, control);
    }

    /// The first column of the rows.
    static outcome<std::vector<std::string>> read_names(postgresql_connection& connection,
                                                        std::string sql) {
        std::vector<std::string> names;
        transaction reading(connection, transaction::kind::reading);
        auto const read =
            reading.run_and_commit({{std::move(sql)}}, [&](std::size_t, postgresql_row const& row) {
                names.push_back(detail::to_well_formed(row.text(0)));
                return true;
            });
        if (!read) return read.error();
        std::ranges::sort(names);
        return names;
    }

    static outcome<std::vector<std::string>> list_databases(postgresql_connection& connection) {
        return read_names(connection,
                          "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn "
                          "AND NOT datistemplate AND has_database_privilege(oid, 'CONNECT')");
    }

    /// What there is to see of tables, for `FROM` and `WHERE`.
    static constexpr std::string_view visible_tables =
        " FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema'"
        " AND n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(n.oid, 'USAGE')"
        " AND has_any_column_privilege(c.oid, 'SELECT')";

    static outcome<std::vector<std::string>> list_tables(postgresql_connection& connection) {
        return read_names(connection,
                          "SELECT n.nspname || '.' || c.relname" + std::string(visible_tables));
    }

    static outcome<table_schema> describe_table(postgresql_connection& connection,
                                                std::string const& ns, std::string const& name) {
        failure const unknown{failure_code::not_found, "There is no table " +
                                                           detail::quote_for_report(name) + " in " +
                                                           detail::quote_for_report(ns)};
        if (name.find('\0') != std::string::npos) return unknown;
        table_schema table{ns, name, "", "", {}};
        // Two tables may have one such name, with the point elsewhere: then it is the first.
        std::string first;
        auto const on_row = [&](std::size_t, postgresql_row const& row) {
            if (first.empty()) first = row.text(0);
            if (first != row.text(0)) return true;
            table.schema_part = row.text(1);
            table.table_part = row.text(2);
            table.columns.push_back(describe_column(row));
            return true;
        };
        parameter const named[] = {name};
        transaction reading(connection, transaction::kind::reading);
        auto const read = reading.run_and_commit({{describe_sql(), named}}, on_row);
        if (!read) return read.error();
        if (table.columns.empty()) return unknown;
        return table;
    }

    static std::string describe_sql() {
        return "SELECT t.oid, t.nspname, t.relname, a.attname,"
               " pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid, a.atttypmod,"
               " a.attnotnull, a.attidentity = 'a' OR a.attgenerated <> '',"
               " pg_catalog.array_position((i.indkey::int2[])[0:i.indnkeyatts - 1], a.attnum)"
               " FROM (SELECT c.oid, n.nspname, c.relname" +
               std::string(visible_tables) +
               " AND n.nspname || '.' || c.relname = $1) AS t"
               " JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid"
               " LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisprimary"
               " WHERE a.attnum > 0 AND NOT a.attisdropped"
               " AND has_column_privilege(t.oid, a.attnum, 'SELECT')"
               " ORDER BY t.nspname, a.attnum";
    }

    static column describe_column(postgresql_row const& row) {
        auto const number = [&](std::size_t i) {
            return detail::parse_number<std::int64_t>(row.text(i)).value_or(0);
        };
        column c;
        c.name = row.text(3);
        c.dataType = row.text(4);
        set_postgresql_type(c, static_cast<std::uint32_t>(number(5)),
                            static_cast<std::int32_t>(number(6)));
        c.nullable = row.text(7) == "f";
        if (row.text(8) == "t") c.readOnly = true;
        if (!row.is_null(9)) {
            c.isPrimaryKey = true;
            c.key_position = static_cast<int>(number(9));
        }
        return c;
    }

    /// A value that is too large for a page is cut to what is still too large. So a row takes, at
    /// the worst, that much for each column of it, which libpq holds before anybody sees the row;
    /// when it is too large, the connection is closed, and its memory with it.
    static outcome<page> read_page_now(postgresql_connection& connection, table_schema const& table,
                                       page_request const& request) {
        auto const page_sql = select_page<dialects::postgresql>(table, request);
        if (!page_sql) return page_sql.error();
        auto const count_sql = count_rows<dialects::postgresql>(table, request.filters);
        if (!count_sql) return count_sql.error();

        json_rows rows(table.columns);
        std::uint64_t total = 0;
        auto const on_row = [&](std::size_t command, postgresql_row const& row) {
            if (command == 1)
                total = detail::parse_number<std::uint64_t>(row.text(0)).value_or(0);
            else
                append_row(rows, table.columns, row);
            return rows.size() <= request.max_bytes;
        };
        transaction snapshot(connection, transaction::kind::reading);
        auto const read = snapshot.run_and_commit(
            {{page_sql->text, page_sql->parameters}, {count_sql->text, count_sql->parameters}},
            on_row);
        if (!read) return read.error();
        return page{rows.take(), total};
    }

    static void append_row(json_rows& rows, std::vector<column> const& columns,
                           postgresql_row const& row) {
        rows.begin_row();
        for (std::size_t i = 0; i < columns.size(); ++i) {
            auto& out = rows.member(i);
            if (row.is_null(i))
                out += "null";
            else
                detail::append_postgresql_cell(out, columns[i], row.text(i));
        }
        rows.end_row();
    }

    static outcome<void> update_cell_now(postgresql_connection& connection,
                                         table_schema const& table, cell_update const& update) {
        // Longer than the old value is enough to be another; than any date or time, to be none.
        auto const longest = scalar_text(update.old_value).value_or("").size() + 1000;
        auto const cell_sql =
            select_cell<dialects::postgresql>(table, update.row, update.column, longest);
        if (!cell_sql) return cell_sql.error();
        auto const update_sql = tables::update_cell<dialects::postgresql>(table, update);
        if (!update_sql) return update_sql.error();

        std::optional<std::string> stored;
        auto const& changed = *table.find(update.column);
        auto const on_row = [&](std::size_t, postgresql_row const& row) {
            if (!row.is_null(0)) stored = detail::postgresql_cell_text(changed, row.text(0));
            return true;
        };
        transaction change(connection, transaction::kind::writing);
        auto const found = change.run({{cell_sql->text, cell_sql->parameters}}, on_row);
        if (!found) return found.error();
        if (found->front() != 1) return wrong_row_count(update.row, found->front());
        auto const same = holds(change, changed, stored, update.old_value);
        if (!same) return same.error();
        if (!*same) return value_changed(update);
        return change_in(change, *update_sql, update.row);
    }

    /// Whether a client means by `value` what is stored. The server itself reads dates and times,
    /// and writes both in one way; what it cannot read is not what is stored.
    static outcome<bool> holds(transaction& change, column const& c,
                               std::optional<std::string> const& stored,
                               boost::json::value const& value) {
        if (is_same_value(c.kind, stored, value)) return true;
        auto const type = postgresql_comparison_type(c);
        auto text = scalar_text(value);
        if (!type || !stored || !text || text->find('\0') != std::string::npos) return false;
        bool same = false;
        auto const on_row = [&](std::size_t, postgresql_row const& row) {
            same = row.text(0) == row.text(1);
            return true;
        };
        parameter const both[] = {*stored, *std::move(text)};
        auto const read =
            change.run({{"SELECT $1::" + *type + "::text, $2::" + *type + "::text", both}}, on_row);
        if (!read && read.error().code != failure_code::invalid_input) return read.error();
        return same;
    }

    static outcome<void> insert_now(postgresql_connection& connection, table_schema const& table,
                                    new_row const& row) {
        auto const sql = tables::insert_row<dialects::postgresql>(table, row);
        if (!sql) return sql.error();
        transaction change(connection, transaction::kind::writing);
        return change_in(change, *sql, std::nullopt);
    }

    static outcome<void> delete_now(postgresql_connection& connection, table_schema const& table,
                                    row_key const& key) {
        auto const sql = tables::delete_row<dialects::postgresql>(table, key);
        if (!sql) return sql.error();
        transaction change(connection, transaction::kind::writing);
        return change_in(change, *sql, key);
    }

    /// Commits the change of one row; any other change is undone.
    static outcome<void> change_in(transaction& change, sql_statement const& sql,
                                   std::optional<row_key> const& row) {
        auto const changed = change.run({{sql.text, sql.parameters}});
        if (!changed) return changed.error();
        if (changed->front() != 1)
            return row ? wrong_row_count(*row, changed->front()) : not_inserted();
        return change.commit();
    }

    std::string const home_;
    std::string const version_;
};

/// Offers the databases of PostgreSQL servers to whoever has credentials for one. See `backend`.
class postgresql_backend {
  public:
    using database_type = postgresql_database;
    static constexpr std::string_view type = "postgresql";

    struct options {
        /// Those that clients may have this server connect to (see `is_allowed_server`). None by
        /// default, since they could else reach whatever this machine can reach.
        std::vector<std::string> servers;
        /// How a connection is protected, as libpq has it: `disable`, `prefer`, `require`,
        /// `verify-ca`, `verify-full`, …
        std::string sslmode = "prefer";
        std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
        std::size_t max_connections = 4; ///< of each session
        std::size_t max_waiting = 100;   ///< operations of a session that wait for one
        std::chrono::milliseconds idle_timeout = std::chrono::minutes(1);
        std::size_t max_page_bytes = 16 * 1024 * 1024; ///< as JSON
        blocking_pool::options threads = {};
    };

    explicit postgresql_backend(options o)
        : options_(std::move(o)), threads_(std::make_shared<blocking_pool>(options_.threads)) {}

    postgresql_backend(postgresql_backend const&) = delete;
    postgresql_backend& operator=(postgresql_backend const&) = delete;
    /// Waits for the operations that are under way. Not to be called on an I/O thread.
    ~postgresql_backend() { threads_->stop(); }

    task<outcome<std::shared_ptr<postgresql_database>>> open(credentials who, operation_ptr op) {
        if (auto const checked = check(who); !checked) co_return checked.error();
        auto const addresses = co_await resolve_host(who.host, op);
        if (!addresses) co_return addresses.error();
        auto const target = std::make_shared<postgresql_target const>(
            postgresql_target{who.host, *addresses, who.port, who.username, who.password,
                              options_.sslmode, options_.connect_timeout});
        std::function<outcome<std::shared_ptr<postgresql_database>>(work_control&)> connect =
            [this, target, ns = who.ns](work_control& control) {
                return open_now(target, ns, control);
            };
        auto submit = submit_to(threads_);
        co_return co_await await_blocking<std::shared_ptr<postgresql_database>>(
            op, std::move(connect), std::move(submit));
    }

  private:
    /// libpq would fill in what is empty, from the environment of the operator.
    outcome<void> check(credentials const& who) const {
        if (!is_allowed_server(options_.servers, who.host, who.port)) return server_not_allowed();
        auto const fits = [](std::string_view text) {
            return !text.empty() && text.find('\0') == text.npos;
        };
        if (!fits(who.username) || !fits(who.password.view()))
            return failure{failure_code::wrong_credentials, "The username or password is wrong"};
        if (!fits(who.ns)) return failure{failure_code::invalid_input, "There is no such database"};
        return {};
    }

    outcome<std::shared_ptr<postgresql_database>>
    open_now(std::shared_ptr<postgresql_target const> target, std::string const& ns,
             work_control& control) const {
        auto first = postgresql_connection::open(target, ns, control);
        if (!first) return opening_failure(first.error());
        postgresql_database::connections::options const limits{
            options_.max_connections, options_.max_waiting, options_.idle_timeout};
        return std::make_shared<postgresql_database>(std::move(target), threads_, limits,
                                                     options_.max_page_bytes, *std::move(first));
    }

    /// A database that is not there is something wrong with the credentials as they were given.
    static failure opening_failure(failure f) {
        if (f.code == failure_code::not_found) f.code = failure_code::invalid_input;
        if (f.code == failure_code::permission_denied) f.code = failure_code::wrong_credentials;
        return f;
    }

    options const options_;
    std::shared_ptr<blocking_pool> const threads_;
};

static_assert(backend<postgresql_backend>);

} // namespace parley::tables
