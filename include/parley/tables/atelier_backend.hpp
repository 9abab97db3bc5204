// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// InterSystems IRIS as a table editor's backend, through its Atelier REST API (table editor
/// specification, §3).
///
/// IRIS itself was not to be had: this is tested against a stand-in that answers as the
/// specification says, and what that leaves open is an assumption (see `atelier_values.hpp`,
/// `atelier_schema.hpp`).
///
/// The API says of a change that it did not fail, not how many rows it hit, and it has no
/// transactions. So a row is looked at before and after it is changed, and the statement itself
/// checks that there is one such row, and that it still holds the old value: what somebody else has
/// written is never overwritten unseen. What remains open is what the answer says when somebody
/// else writes to the same row within these moments:
/// - a cell that has been changed, and at once again by somebody else, is a `conflict`, as is one
///   of which a trigger makes another value (see `may_be_form_of`);
/// - a cell that somebody else has just given the same value, or another form of it, a date or time
///   that somebody else has just changed, and a row that somebody else has just deleted, are a
///   success.
///
/// A statement whose answer does not come (`timed_out`, `cancelled`, `unreachable`) may have been
/// done all the same. Closing the connection is all that can be done to stop one.

#include <parley/http_client.hpp>
#include <parley/secret.hpp>
#include <parley/tables/allowed_servers.hpp>
#include <parley/tables/atelier_address.hpp>
#include <parley/tables/atelier_answer.hpp>
#include <parley/tables/atelier_schema.hpp>
#include <parley/tables/atelier_values.hpp>
#include <parley/tables/backend.hpp>
#include <parley/tables/database_failures.hpp>
#include <parley/tables/sql.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

struct atelier_options {
    /// Those that may be asked (see `is_allowed_server`). None by default, since a client could
    /// else make this machine ask whatever it reaches.
    std::vector<std::string> servers = {};
    std::string path_prefix = "/api/atelier/"; ///< when the credentials have none
    http_client_options http = {};             ///< the limits of each session
};

namespace detail {

using parley::detail::raw_json;

/// Whether a statement may have been done although its answer did not come.
enum class statement_kind { reads, changes };

/// Says that a statement may have been done.
inline failure in_doubt(failure why) {
    why.message += "; it is not known whether the change was made, so read the row again";
    return why;
}

/// What a user is told when there is no answer.
inline failure failure_of_http(error_code why) {
    using enum failure_code;
    if (why == http_errc::timed_out) return {timed_out, "The database took too long"};
    if (why == http_errc::cancelled) return {cancelled, "Cancelled"};
    if (why == http_errc::overloaded)
        return {overloaded, "Too much is waiting for the database; try again later"};
    if (why == http_errc::too_large) return page_too_large();
    if (why == http_errc::invalid_request)
        return {invalid_input, "The host or the path has characters that are not allowed"};
    if (why == http_errc::tls)
        return {unreachable, "There is no secure connection to the database"};
    if (why == http_errc::malformed) return {database_error, std::string(not_understood)};
    return {unreachable, "The database cannot be reached"};
}

/// The answer, or its error; an HTTP status says what the body does not.
inline outcome<atelier_answer> read_answer(http_response const& response,
                                           std::span<column const> columns) {
    using enum failure_code;
    auto const status = response.result_int();
    if (status == 401)
        return failure{wrong_credentials, "The database does not take these credentials"};
    if (status == 403)
        return failure{permission_denied, "These credentials do not give the right to do this"};
    auto const type = response[http::field::content_type];
    bool const is_json = is_json_type({type.data(), type.size()});
    auto answer = is_json ? parse_atelier_answer(response.body(), columns)
                          : failure{database_error, std::string(not_understood)};
    if (status / 100 == 2) return answer;
    if (answer.has_error() && answer.error().code != database_error) return answer.error();
    if (status == 404) return failure{not_found, "There is no such namespace"};
    if (status == 502 || status == 503 || status == 504)
        return failure{unreachable, "The database is not available"};
    return failure{database_error,
                   "The database fails with the HTTP status " + std::to_string(status)};
}

} // namespace detail

/// An IRIS server with one session's credentials. A connection for each of the operations that go
/// on, up to `atelier_options::http.max_connections`, shared by all I/O threads. It must outlive
/// its operations; what they are given need not.
template <http_connector Connector = plain_connector>
class atelier_database {
    using raw_json = parley::detail::raw_json;
    using rows_type = std::vector<raw_json>;
    using statement_kind = detail::statement_kind;
    struct only_open {};

  public:
    /// Asks for the version and the namespaces, and so whether the credentials are good.
    static task<outcome<std::shared_ptr<atelier_database>>>
    open(http_origin origin, std::string base, secret authorization, std::string ns,
         http_client_options limits, Connector connector, operation_ptr op) {
        auto const database = std::make_shared<atelier_database>(
            only_open(), std::move(origin), std::move(base), std::move(authorization), limits,
            std::move(connector));
        auto about = co_await database->ask_about(op);
        if (!about) co_return as_open_failure(about.error());
        auto const is_it = [&](std::string const& known) {
            return parley::detail::to_lower(known) == parley::detail::to_lower(ns);
        };
        if (std::ranges::none_of(about->namespaces, is_it))
            co_return failure{failure_code::invalid_input,
                              "namespace: expected one that the database has, found " +
                                  parley::detail::quote_for_report(ns)};
        database->version_ = std::move(about->version);
        co_return database;
    }

    atelier_database(only_open, http_origin origin, std::string base, secret authorization,
                     http_client_options const& limits, Connector connector)
        : base_(std::move(base)), authorization_(std::move(authorization)),
          client_(std::move(origin), limits, std::move(connector)) {}

    [[nodiscard]] std::string version() const { return version_; }

    task<outcome<std::vector<std::string>>> namespaces(operation_ptr op) {
        auto about = co_await ask_about(op);
        if (!about) co_return about.error();
        std::ranges::sort(about->namespaces);
        co_return std::move(about->namespaces);
    }

    task<outcome<std::vector<std::string>>> tables(std::string ns, operation_ptr op) {
        auto const rows = co_await select(ns, select_tables(), op);
        if (!rows) co_return rows.error();
        auto names = read_table_names(*rows);
        if (!names) co_return unclear();
        co_return *std::move(names);
    }

    task<outcome<table_schema>> describe(std::string ns, std::string name, operation_ptr op) {
        failure const none{failure_code::not_found,
                           "There is no table " + parley::detail::quote_for_report(name)};
        auto const parts = split_table_name(name);
        auto const table_rows = co_await select(ns, select_table(parts), op);
        if (!table_rows) co_return table_rows.error();
        auto const known = read_table_names(*table_rows);
        if (!known) co_return unclear();
        // The database does not mind the case of a name, but every client must mean the same one.
        if (std::ranges::find(*known, parts.schema_part + '.' + parts.table_part) == known->end())
            co_return none;
        auto const column_rows = co_await select(ns, select_columns(parts), op);
        if (!column_rows) co_return column_rows.error();
        auto columns = read_columns(*column_rows);
        if (!columns) co_return unclear();
        if (columns->empty()) co_return none;
        auto key_rows = co_await select(ns, select_primary_key(parts), op);
        // Credentials that may not see constraints may well see the table.
        if (!key_rows && !is_of_sql(key_rows.error())) co_return key_rows.error();
        mark_primary_key(*columns, key_rows ? *key_rows : rows_type(), *column_rows);
        table_schema table;
        table.ns = ns;
        table.name = name;
        table.schema_part = parts.schema_part;
        table.table_part = parts.table_part;
        table.columns = *std::move(columns);
        co_return table;
    }

    task<outcome<page>> read_page(table_schema table, page_request request, operation_ptr op) {
        auto const rows =
            co_await select(table.ns, select_page<dialects::iris>(table, request), op);
        if (!rows) co_return rows.error();
        auto text = atelier_rows(table.columns, *rows);
        if (!text || rows->size() > request.page_size) co_return unclear();
        auto const counting = count_rows<dialects::iris>(table, request.filters);
        auto const counted = co_await select(table.ns, counting, op);
        if (!counted) co_return counted.error();
        auto const total =
            counted->size() == 1 ? detail::member_number(counted->front(), "total") : std::nullopt;
        if (!total) co_return unclear();
        page got;
        got.rows = *std::move(text);
        got.total_rows = static_cast<std::uint64_t>(*total);
        co_return got;
    }

    task<outcome<void>> update_cell(table_schema table, cell_update update, operation_ptr op) {
        // What is wrong with it is told before the database is asked.
        auto statement = tables::update_cell<dialects::iris>(table, update);
        if (!statement) co_return statement.error();
        auto const& changed = *table.find(update.column);
        auto const before = co_await read_cell(table, update.row, changed, op);
        if (!before) co_return before.error();
        if (!holds(changed.kind, *before, update.old_value)) co_return value_changed(update);
        // In the database's own spelling, whatever its comparison makes of others.
        if (before->is != cell::type::null) update.old_value = before->text;
        statement = tables::update_cell<dialects::iris>(table, update);
        if (!statement) co_return statement.error();
        auto const done = co_await change(table, *statement, op);
        if (!done) co_return done.error();
        auto const after = co_await read_cell(table, update.row, changed, op);
        if (!after) co_return detail::in_doubt(after.error());
        if (!may_be_form_of(changed, *after, update.new_value, *before))
            co_return overtaken(changed);
        co_return outcome<void>();
    }

    task<outcome<void>> insert_row(table_schema table, new_row row, operation_ptr op) {
        auto const statement = tables::insert_row<dialects::iris>(table, row);
        if (!statement) co_return statement.error();
        co_return co_await change(table, *statement, op);
    }

    task<outcome<void>> delete_row(table_schema table, row_key row, operation_ptr op) {
        auto const statement = tables::delete_row<dialects::iris>(table, row);
        if (!statement) co_return statement.error();
        auto const& key = *table.find(row.column);
        auto const before = co_await read_cell(table, row, key, op);
        if (!before) co_return before.error();
        auto const done = co_await change(table, *statement, op);
        if (!done) co_return done.error();
        auto const after = co_await read_cell(table, row, key, op);
        if (!after && after.error().code == failure_code::not_found) co_return outcome<void>();
        if (!after) co_return detail::in_doubt(after.error());
        co_return failure{failure_code::conflict,
                          "The row is still there: somebody else is changing it"};
    }

  private:
    /// What the API says of itself.
    struct self_description {
        std::string version;
        std::vector<std::string> namespaces;
    };

    task<outcome<self_description>> ask_about(operation_ptr op) {
        http_call call;
        call.target = base_;
        auto answer = co_await ask(std::move(call), statement_kind::reads, op);
        if (!answer) co_return answer.error();
        auto const* version = answer->content.find("version");
        auto const* namespaces = answer->content.find("namespaces");
        if (!version || version->is != raw_json::type::string || !namespaces ||
            !namespaces->is_array())
            co_return unclear();
        self_description about;
        about.version = version->text.substr(0, max_version);
        for (auto const& ns : namespaces->items) {
            if (ns.is != raw_json::type::string) co_return unclear();
            about.namespaces.push_back(ns.text);
        }
        co_return about;
    }

    /// The one cell of the column in the row: `not_found` when there is no such row,
    /// `invalid_input` when there are several.
    task<outcome<cell>> read_cell(table_schema const& table, row_key const& row, column const& c,
                                  operation_ptr op) {
        auto const rows =
            co_await select(table.ns, select_cell<dialects::iris>(table, row, c.name), op);
        if (!rows) co_return rows.error();
        if (rows->size() != 1)
            co_return wrong_row_count(row, static_cast<std::int64_t>(rows->size()));
        auto const* value = find_member(rows->front(), "cell");
        auto got = value ? to_cell(c.kind, *value) : std::nullopt;
        if (!got) co_return unclear();
        co_return *std::move(got);
    }

    task<outcome<rows_type>> select(std::string const& ns, outcome<sql_statement> statement,
                                    operation_ptr op) {
        if (!statement) co_return statement.error();
        auto answer = co_await execute(ns, *statement, statement_kind::reads, op);
        if (!answer) co_return answer.error();
        auto rows = take_rows(*std::move(answer));
        if (!rows) co_return unclear();
        co_return *std::move(rows);
    }

    task<outcome<void>> change(table_schema const& table, sql_statement const& statement,
                               operation_ptr op) {
        auto const answer =
            co_await execute(table.ns, statement, statement_kind::changes, op, table.columns);
        if (!answer) co_return answer.error();
        co_return outcome<void>();
    }

    task<outcome<atelier_answer>> execute(std::string const& ns, sql_statement const& statement,
                                          statement_kind kind, operation_ptr op,
                                          std::span<column const> columns = {}) {
        if (!is_namespace(ns))
            co_return failure{failure_code::not_found,
                              "There is no namespace " + parley::detail::quote_for_report(ns)};
        http_call call;
        call.method = http::verb::post;
        call.target = atelier_query_target(base_, ns);
        call.headers.push_back({"Content-Type", "application/json"});
        call.body = atelier_query(statement.text, statement.parameters);
        co_return co_await ask(std::move(call), kind, op, columns);
    }

    task<outcome<atelier_answer>> ask(http_call call, statement_kind kind, operation_ptr op,
                                      std::span<column const> columns = {}) {
        call.headers.push_back({"Accept", "application/json"});
        call.authorization = authorization_.view();
        call.repeatable = kind == statement_kind::reads;
        std::stop_source stop;
        std::function<void()> const on_cancel = [&stop] { stop.request_stop(); };
        operation::interruption const watch(*op, on_cancel);
        auto const response =
            co_await client_.send(std::move(call), op->deadline(), stop.get_token());
        auto answer = response ? detail::read_answer(*response, columns)
                               : outcome<atelier_answer>(detail::failure_of_http(response.error()));
        if (answer.has_error() && kind == statement_kind::changes && is_in_doubt(response))
            co_return detail::in_doubt(answer.error());
        co_return answer;
    }

    /// Whether a statement that failed with this may have been done: unless it was never sent, or
    /// was refused.
    static bool is_in_doubt(result<http_response> const& response) {
        if (!response)
            return response.error() != http_errc::overloaded &&
                   response.error() != http_errc::invalid_request;
        return response->result_int() / 100 != 4 && !has_errors(response->body());
    }

    /// Opening fails with few codes only.
    static failure as_open_failure(failure why) {
        switch (why.code) {
        case failure_code::wrong_credentials:
        case failure_code::unreachable:
        case failure_code::timed_out:
        case failure_code::cancelled:
            return why;
        case failure_code::permission_denied:
            return {failure_code::wrong_credentials,
                    "The database does not take these credentials"};
        default:
            return {failure_code::unreachable, "There is no Atelier API that answers"};
        }
    }

    /// Whether the database refused a statement, rather than not answer.
    static bool is_of_sql(failure const& why) {
        return why.code == failure_code::database_error || why.code == failure_code::not_found ||
               why.code == failure_code::permission_denied;
    }

    static failure unclear() { return {failure_code::database_error, std::string(not_understood)}; }

    static failure overtaken(column const& c) {
        return {failure_code::conflict,
                "Column " + parley::detail::quote_for_report(c.name) +
                    " holds another value: somebody else has changed it, or a rule of the "
                    "database changes what is saved; read the row again"};
    }

    static constexpr std::size_t max_version = 200;

    std::string const base_; // of the API on its server, with a slash at its end
    secret const authorization_;
    std::string version_; // set before anybody else knows the database
    http_client<Connector> client_;
};

/// InterSystems IRIS servers. \tparam Connector `tls_connector` (`https_client.hpp`) for those that
/// are asked by HTTPS too; a plain one refuses them.
template <http_connector Connector = plain_connector>
class atelier_backend {
  public:
    using database_type = atelier_database<Connector>;

    static constexpr std::string_view type = "iris";

    /// \throws std::invalid_argument when the path prefix is none.
    explicit atelier_backend(atelier_options options, Connector connector = {})
        : options_(std::move(options)), connector_(std::move(connector)) {
        if (auto const base = atelier_base({}, options_.path_prefix); !base)
            throw std::invalid_argument(base.error().message);
    }

    task<outcome<std::shared_ptr<database_type>>> open(credentials who, operation_ptr op) {
        using enum failure_code;
        if (!is_allowed_server(options_.servers, who.host, who.port))
            co_return server_not_allowed();
        if (!is_namespace(who.ns))
            co_return failure{invalid_input,
                              "namespace: expected a letter or %, then letters, digits, - and _, "
                              "found " +
                                  parley::detail::quote_for_report(who.ns)};
        auto base = atelier_base(who.path_prefix, options_.path_prefix);
        if (!base) co_return base.error();
        auto authorization = basic_authorization(who.username, who.password);
        if (!authorization) co_return authorization.error();
        http_origin const origin{who.host, who.port, who.use_https};
        co_return co_await database_type::open(origin, *std::move(base), *std::move(authorization),
                                               who.ns, options_.http, connector_, std::move(op));
    }

  private:
    atelier_options const options_;
    Connector const connector_;
};

static_assert(backend<atelier_backend<>>);

} // namespace parley::tables
