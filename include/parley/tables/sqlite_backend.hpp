// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Editing SQLite databases: the files of one folder.

#include <parley/detail/nearest_name.hpp>
#include <parley/encoding.hpp>
#include <parley/tables/allowed_servers.hpp>
#include <parley/tables/backend.hpp>
#include <parley/tables/blocking_pool.hpp>
#include <parley/tables/database_failures.hpp>
#include <parley/tables/json_cell.hpp>
#include <parley/tables/pooled_database.hpp>
#include <parley/tables/sql.hpp>
#include <parley/tables/sqlite_connection.hpp>
#include <parley/tables/sqlite_types.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

namespace detail {

/// The database files of a folder. A namespace is the name of such a file, with its suffix.
class sqlite_folder {
  public:
    explicit sqlite_folder(std::filesystem::path folder) : folder_(std::move(folder)) {}

    /// The file of that name; `not_found` for what is outside of the folder, also by a symbolic
    /// link, for what is no regular file, and for names that no database here has.
    [[nodiscard]] outcome<std::filesystem::path> find(std::string_view ns) const {
        std::error_code ec;
        if (is_name(ns)) {
            auto const home = std::filesystem::canonical(folder_, ec);
            auto file = ec ? home : std::filesystem::canonical(home / ns, ec);
            if (!ec && file.parent_path() == home && is_name(file.filename().native()) &&
                std::filesystem::is_regular_file(file, ec))
                return file;
        }
        return failure{failure_code::not_found,
                       "There is no database " + quote_for_report(ns) + " here"};
    }

    [[nodiscard]] outcome<std::vector<std::string>> list() const {
        std::vector<std::string> names;
        std::error_code ec;
        auto file = std::filesystem::directory_iterator(folder_, ec);
        for (; !ec && file != std::filesystem::directory_iterator(); file.increment(ec)) {
            auto name = file->path().filename().native();
            if (find(name)) names.push_back(std::move(name));
        }
        if (ec) return failure{failure_code::unreachable, "The databases cannot be read"};
        std::ranges::sort(names);
        return names;
    }

  private:
    /// Leaves out SQLite's own files beside a database: those end in `-wal` and the like.
    static bool is_name(std::string_view name) {
        constexpr std::array<std::string_view, 3> suffixes{".db", ".sqlite", ".sqlite3"};
        constexpr std::string_view never{"/\0", 2};
        return !name.starts_with('.') && name.find_first_of(never) == name.npos &&
               std::ranges::any_of(suffixes, [&](auto s) { return name.ends_with(s); });
    }

    std::filesystem::path folder_;
};

/// A value as JSON, by what is stored: a column may hold values of any type.
inline void append_sqlite_cell(std::string& out, column const& c, sqlite_value const& cell) {
    switch (cell.type()) {
    case SQLITE_NULL:
        out += "null";
        return;
    case SQLITE_INTEGER: {
        auto const number = cell.integer();
        if (c.kind == value_kind::boolean && (number == 0 || number == 1))
            out += number == 1 ? "true" : "false";
        else if (c.kind == value_kind::decimal)
            append_plain_json_string(out, std::to_string(number));
        else
            append_json_integer(out, number);
        return;
    }
    case SQLITE_FLOAT: {
        auto const number = cell.real();
        if (c.kind == value_kind::decimal || !std::isfinite(number))
            append_plain_json_string(out, to_text(number));
        else
            append_json_number(out, number);
        return;
    }
    case SQLITE_BLOB:
        out += '"';
        append_base64(out, cell.blob());
        out += '"';
        return;
    default:
        if (c.kind != value_kind::binary) return append_json_string(out, cell.text());
        out += '"';
        append_base64(out, cell.blob());
        out += '"';
    }
}

/// What `scalar_text` says of the same value when a client sends it back.
inline std::optional<std::string> sqlite_cell_text(column const& c, sqlite_value const& cell) {
    if (cell.type() == SQLITE_NULL) return std::nullopt;
    if (cell.type() == SQLITE_TEXT && c.kind != value_kind::binary)
        return to_well_formed(cell.text());
    std::string text;
    append_sqlite_cell(text, c, cell);
    return text.starts_with('"') ? text.substr(1, text.size() - 2) : text;
}

/// As what a stored value is compared with a client's spelling of it: text is always text.
inline value_kind sqlite_comparison_kind(column const& c, sqlite_value const& cell) {
    bool const keeps_text = c.kind == value_kind::binary || c.dataType == "ANY";
    bool const is_number = cell.type() == SQLITE_INTEGER || cell.type() == SQLITE_FLOAT;
    if (!is_number || keeps_text) return value_kind::other;
    bool const is_bit = cell.type() == SQLITE_INTEGER && (cell.integer() | 1) == 1;
    if (c.kind == value_kind::boolean && is_bit) return value_kind::boolean;
    bool const is_double = c.kind == value_kind::real && cell.type() == SQLITE_FLOAT;
    return is_double ? value_kind::real : value_kind::decimal;
}

} // namespace detail

/// One session's view of the databases of a folder. See `database`.
class sqlite_database : public pooled_database<sqlite_database, sqlite_connection> {
  public:
    sqlite_database(detail::sqlite_folder folder, std::shared_ptr<blocking_pool> threads,
                    connections::options limits, sqlite_connection::options options)
        : pooled_database(std::make_shared<connections>(
                              threads, limits,
                              [folder, options](std::string const& ns, work_control&) {
                                  return connect(folder, ns, options);
                              }),
                          options.max_page_bytes),
          folder_(folder), threads_(std::move(threads)) {}

    [[nodiscard]] std::string version() const {
        return std::string("SQLite ") + sqlite_api::sqlite3_libversion();
    }

    task<outcome<std::vector<std::string>>> namespaces(operation_ptr op) {
        std::function<outcome<std::vector<std::string>>(work_control&)> list =
            [folder = folder_](work_control&) { return folder.list(); };
        return await_blocking<std::vector<std::string>>(std::move(op), std::move(list),
                                                        submit_to(threads_));
    }

  private:
    friend class sqlite_backend;
    friend class pooled_database<sqlite_database, sqlite_connection>;

    static outcome<std::unique_ptr<sqlite_connection>> connect(detail::sqlite_folder const& folder,
                                                               std::string const& ns,
                                                               sqlite_connection::options options) {
        auto const file = folder.find(ns);
        if (!file) return file.error();
        return sqlite_connection::open(ns, *file, options);
    }

    static outcome<std::vector<std::string>> list_tables(sqlite_connection& connection) {
        auto listing = sqlite_connection::statement::start(
            connection, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND "
                        "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name");
        if (!listing) return listing.error();
        std::vector<std::string> names;
        for (;;) {
            auto const more = listing->step();
            if (!more) return more.error();
            if (!*more) return names;
            names.push_back("main." + std::string(listing->cell(0).text()));
        }
    }

    static outcome<table_schema> describe_table(sqlite_connection& connection,
                                                std::string const& ns, std::string const& name) {
        auto const tables = list_tables(connection);
        if (!tables) return tables.error();
        if (!std::ranges::binary_search(*tables, name))
            return failure{failure_code::not_found, "There is no table " +
                                                        detail::quote_for_report(name) + " in " +
                                                        detail::quote_for_report(ns)};
        table_schema table{ns, name, "main", name.substr(name.find('.') + 1), {}};
        parameter const of_table[] = {table.table_part};
        auto listing = sqlite_connection::statement::start(
            connection,
            "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?) "
            "WHERE schema = 'main' AND hidden <> 1 ORDER BY cid",
            of_table);
        if (!listing) return listing.error();
        for (;;) {
            auto const more = listing->step();
            if (!more) return more.error();
            if (!*more) return table;
            table.columns.push_back(describe_column(*listing));
        }
    }

    /// An `INTEGER PRIMARY KEY` is filled in where it is left out, but may be set.
    static column describe_column(sqlite_connection::statement const& row) {
        column c;
        c.name = row.cell(0).text();
        set_sqlite_type(c, std::string(row.cell(1).text()));
        c.nullable = row.cell(2).integer() == 0;
        c.key_position = static_cast<int>(row.cell(3).integer());
        if (c.key_position > 0) c.isPrimaryKey = true;
        if (row.cell(4).integer() != 0) c.readOnly = true; // generated, virtual or stored
        return c;
    }

    static outcome<page> read_page_now(sqlite_connection& connection, table_schema const& table,
                                       page_request const& request) {
        auto const count_sql = count_rows<dialects::sqlite>(table, request.filters);
        if (!count_sql) return count_sql.error();

        sqlite_connection::transaction snapshot(connection);
        if (auto const begun = snapshot.begin_reading(); !begun) return begun.error();
        auto const others = read_number(connection, {"PRAGMA data_version", {}});
        if (!others) return others.error();
        connection.marks().look_at(*count_sql, {*others, connection.all_changed_rows()});
        auto rows = read_rows(connection, table, request);
        if (!rows) return rows.error();
        auto const total = read_total(connection, *count_sql);
        if (!total) return total.error();
        if (auto const ended = snapshot.commit(); !ended) return ended.error();
        return page{*std::move(rows), *total};
    }

    static outcome<std::string> read_rows(sqlite_connection& connection, table_schema const& table,
                                          page_request const& request) {
        auto const key = marked_column(table, request);
        if (key) connection.marks().look_by(table.columns[static_cast<std::size_t>(*key)].name);
        auto const before = static_cast<std::int64_t>(request.page * request.page_size);
        auto const known = key ? connection.marks().last_up_to(before) : std::nullopt;
        auto const sql = select_page<dialects::sqlite>(table, request, known);
        if (!sql) return sql.error();
        auto row = sqlite_connection::statement::start(connection, sql->text, sql->parameters);
        if (!row) return row.error();
        json_rows rows(table.columns);
        for (auto position = before;; ++position) {
            auto const more = row->step();
            if (!more) return more.error();
            if (!*more) return rows.take();
            if (key && position == before && row->cell(*key).type() == SQLITE_INTEGER)
                connection.marks().add({position, row->cell(*key).integer()});
            rows.begin_row();
            for (std::size_t i = 0; i < table.columns.size(); ++i)
                detail::append_sqlite_cell(rows.member(i), table.columns[i],
                                           row->cell(static_cast<int>(i)));
            rows.end_row();
            if (rows.size() > request.max_bytes) return page_too_large();
        }
    }

    /// The column by which rows are marked: a primary key that is one column, in its own order.
    static std::optional<int> marked_column(table_schema const& table,
                                            page_request const& request) {
        auto const keys = detail::key_columns(table);
        if (keys.size() != 1 || request.sort) return std::nullopt;
        return static_cast<int>(keys.front() - table.columns.data());
    }

    static outcome<std::uint64_t> read_total(sqlite_connection& connection,
                                             sql_statement const& count_sql) {
        if (auto const known = connection.marks().total()) return *known;
        auto const counted = read_number(connection, count_sql);
        if (!counted) return counted.error();
        connection.marks().set_total(static_cast<std::uint64_t>(*counted));
        return *connection.marks().total();
    }

    /// The one value of a query.
    static outcome<std::int64_t> read_number(sqlite_connection& connection,
                                             sql_statement const& sql) {
        auto row = sqlite_connection::statement::start(connection, sql.text, sql.parameters);
        if (!row) return row.error();
        auto const stepped = row->step();
        if (!stepped) return stepped.error();
        return row->cell(0).integer();
    }

    static outcome<void> update_cell_now(sqlite_connection& connection, table_schema const& table,
                                         cell_update const& update) {
        auto const cell_sql = select_cell<dialects::sqlite>(table, update.row, update.column);
        if (!cell_sql) return cell_sql.error();
        auto const update_sql = tables::update_cell<dialects::sqlite>(table, update);
        if (!update_sql) return update_sql.error();

        sqlite_connection::transaction change(connection);
        if (auto const begun = change.begin_writing(); !begun) return begun.error();
        auto const checked = check_cell(connection, table, update, *cell_sql);
        if (!checked) return checked.error();
        return change_in(change, connection, *update_sql, update.row);
    }

    /// There is exactly one such row, and it holds the old value.
    static outcome<void> check_cell(sqlite_connection& connection, table_schema const& table,
                                    cell_update const& update, sql_statement const& sql) {
        auto row = sqlite_connection::statement::start(connection, sql.text, sql.parameters);
        if (!row) return row.error();
        auto const found = row->step();
        if (!found) return found.error();
        if (!*found) return wrong_row_count(update.row, 0);
        auto const& changed = *table.find(update.column);
        auto const stored = detail::sqlite_cell_text(changed, row->cell(0));
        auto const kind = detail::sqlite_comparison_kind(changed, row->cell(0));
        auto const another = row->step();
        if (!another) return another.error();
        if (*another) return wrong_row_count(update.row, 2);
        if (!is_same_value(kind, stored, update.old_value)) return value_changed(update);
        return {};
    }

    static outcome<void> insert_now(sqlite_connection& connection, table_schema const& table,
                                    new_row const& row) {
        auto const sql = tables::insert_row<dialects::sqlite>(table, row);
        if (!sql) return sql.error();
        sqlite_connection::transaction change(connection);
        if (auto const begun = change.begin_writing(); !begun) return begun.error();
        return change_in(change, connection, *sql, std::nullopt);
    }

    static outcome<void> delete_now(sqlite_connection& connection, table_schema const& table,
                                    row_key const& key) {
        auto const sql = tables::delete_row<dialects::sqlite>(table, key);
        if (!sql) return sql.error();
        sqlite_connection::transaction change(connection);
        if (auto const begun = change.begin_writing(); !begun) return begun.error();
        return change_in(change, connection, *sql, key);
    }

    /// Commits the change of one row; any other change is undone.
    static outcome<void> change_in(sqlite_connection::transaction& change,
                                   sqlite_connection& connection, sql_statement const& sql,
                                   std::optional<row_key> const& row) {
        auto running = sqlite_connection::statement::start(connection, sql.text, sql.parameters);
        if (!running) return running.error();
        if (auto const stepped = running->step(); !stepped) return stepped.error();
        auto const changed = running->changed_rows();
        if (changed != 1) return row ? wrong_row_count(*row, changed) : not_inserted();
        return change.commit();
    }

    detail::sqlite_folder const folder_;
    std::shared_ptr<blocking_pool> const threads_;
};

/// Offers the databases of a folder to users that the operator knows. See `backend`.
///
/// SQLite has no users of its own, so that all of them may do the same.
class sqlite_backend {
  public:
    using database_type = sqlite_database;
    static constexpr std::string_view type = "sqlite";

    struct options {
        /// Where the databases are: the files with the suffix `.db`, `.sqlite` or `.sqlite3`. Such
        /// a file's name, with the suffix, is a namespace. None is ever made.
        std::filesystem::path folder;
        /// Whether this is a user, and that the password. Called on threads that may block, by
        /// several at once. Nobody, unless it is set.
        std::function<bool(std::string_view username, std::string_view password)> users;
        /// The names under which clients may connect (see `is_allowed_server`). They mean nothing
        /// else: the databases are files.
        std::vector<std::string> servers = {"*"};
        std::size_t max_connections = 4; ///< of each session
        std::size_t max_waiting = 100;   ///< operations of a session that wait for one
        std::chrono::milliseconds idle_timeout = std::chrono::minutes(1);
        /// How long to wait for the lock of another connection that writes.
        std::chrono::milliseconds busy_timeout = std::chrono::seconds(5);
        /// The most that a page may be, as JSON, and a value, as stored.
        std::size_t max_page_bytes = 16 * 1024 * 1024;
        blocking_pool::options threads = {};
    };

    explicit sqlite_backend(options o)
        : options_(std::move(o)), threads_(std::make_shared<blocking_pool>(options_.threads)),
          doors_(std::make_shared<blocking_pool>(at_the_door)) {}

    sqlite_backend(sqlite_backend const&) = delete;
    sqlite_backend& operator=(sqlite_backend const&) = delete;
    /// Waits for the operations that are under way. Not to be called on an I/O thread.
    ~sqlite_backend() {
        doors_->stop();
        threads_->stop();
    }

    task<outcome<std::shared_ptr<sqlite_database>>> open(credentials who, operation_ptr op) {
        std::function<outcome<std::shared_ptr<sqlite_database>>(work_control&)> connect =
            [this, who = std::move(who)](work_control& control) { return open_now(who, control); };
        return await_blocking<std::shared_ptr<sqlite_database>>(std::move(op), std::move(connect),
                                                                submit_to(doors_));
    }

  private:
    /// Passwords are costly to check, by design: whoever tries many holds up no operation of those
    /// who are in, and takes no more memory than this.
    static constexpr blocking_pool::options at_the_door{.max_threads = 2, .max_queued = 64};

    outcome<std::shared_ptr<sqlite_database>> open_now(credentials const& who,
                                                       work_control& control) const {
        if (!is_allowed_server(options_.servers, who.host, who.port)) return server_not_allowed();
        if (!options_.users || !options_.users(who.username, who.password.view()))
            return failure{failure_code::wrong_credentials, "The username or password is wrong"};
        detail::sqlite_folder const folder(options_.folder);
        sqlite_connection::options const each{options_.busy_timeout, options_.max_page_bytes};
        auto connection = sqlite_database::connect(folder, who.ns, each);
        if (!connection) return opening_failure(connection.error());
        if (auto const read = look_into(**connection, control); !read)
            return opening_failure(read.error());

        sqlite_database::connections::options const limits{
            options_.max_connections, options_.max_waiting, options_.idle_timeout};
        auto database = std::make_shared<sqlite_database>(folder, threads_, limits, each);
        database->connections_->keep(*std::move(connection));
        return database;
    }

    /// SQLite looks into a file only when it has to.
    static outcome<void> look_into(sqlite_connection& connection, work_control& control) {
        sqlite_connection::use const in_use(connection, control);
        auto const read = sqlite_database::list_tables(connection);
        return read ? outcome<void>() : read.error();
    }

    /// A namespace that is not there is something wrong with the credentials as they were given.
    static failure opening_failure(failure f) {
        if (f.code == failure_code::not_found) f.code = failure_code::invalid_input;
        if (f.code == failure_code::database_error) f.code = failure_code::unreachable;
        return f;
    }

    options const options_;
    std::shared_ptr<blocking_pool> const threads_;
    std::shared_ptr<blocking_pool> const doors_; // for those who want to come in
};

static_assert(backend<sqlite_backend>);

} // namespace parley::tables
