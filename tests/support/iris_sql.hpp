// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The SQL of IRIS, as far as this project writes it, on SQLite in memory.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/nearest_name.hpp>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <sqlite3.h>

#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::test {

/// How a statement failed, as IRIS says it.
struct iris_error {
    int sqlcode;
    std::string message;
};

/// IRIS's statements in SQLite's words. TOP and %VID become LIMIT and OFFSET, %EXACT a collation,
/// and every parameter gets its number, since they move. `SQLUser` is SQLite's `main`.
class iris_translator {
  public:
    static std::string translate(std::string_view sql) { return iris_translator(sql).run(); }

  private:
    explicit iris_translator(std::string_view sql) : rest_(sql) {}

    std::string run() {
        while (!rest_.empty()) {
            if (take("SELECT TOP ")) {
                out_ += "SELECT ";
                limit_ = take_number();
            } else if (take(") WHERE %VID > ")) {
                end_select();
                out_ += ") LIMIT -1 OFFSET " + take_number();
            } else if (take("%EXACT(")) {
                take_quoted();
                out_ += " COLLATE BINARY";
                take(")");
            } else if (take("t.%ID")) {
                out_ += "t.rowid";
            } else if (take("\"SQLUser\".")) {
                out_ += "main.";
            } else if (rest_.front() == '?') {
                out_ += take_number();
            } else if (rest_.front() == '"' || rest_.front() == '\'') {
                take_quoted();
            } else {
                out_ += rest_.front();
                rest_.remove_prefix(1);
            }
        }
        end_select();
        return std::move(out_);
    }

    bool take(std::string_view word) {
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    /// A placeholder, numbered, or a number.
    std::string take_number() {
        if (take("?")) return '?' + std::to_string(++count_);
        auto const size = rest_.find_first_not_of("0123456789");
        std::string const digits(rest_.substr(0, size));
        rest_.remove_prefix(digits.size());
        return digits;
    }

    /// A name or a text, with its quotes, which may be within it twice each.
    void take_quoted() {
        char const quote = rest_.front();
        do {
            auto const size = rest_.find(quote, 1) + 1;
            out_ += rest_.substr(0, size);
            rest_.remove_prefix(size);
        } while (rest_.starts_with(quote));
    }

    void end_select() {
        if (!limit_.empty()) out_ += " LIMIT " + std::exchange(limit_, {});
    }

    std::string_view rest_;
    std::string out_;
    std::string limit_;
    int count_ = 0;
};

/// An IRIS namespace. Thread-safe.
///
/// It differs from IRIS where SQLite does. Tables are made with SQLite's own SQL, and described as
/// IRIS would: `bit` is a number, `numerictext` a decimal that keeps all its digits; a binary value
/// is a text with a character for each byte; a column of text is compared without regard to case if
/// it is declared COLLATE NOCASE, unless within %EXACT.
class iris_namespace {
  public:
    iris_namespace() {
        sqlite3* opened = nullptr;
        sqlite3_open(":memory:", &opened);
        database_.reset(opened);
        create_collation();
        run("PRAGMA foreign_keys = ON");
        run("ATTACH ':memory:' AS INFORMATION_SCHEMA");
        run("CREATE TABLE INFORMATION_SCHEMA.TABLES (TABLE_SCHEMA TEXT COLLATE NOCASE, "
            "TABLE_NAME TEXT COLLATE NOCASE, TABLE_TYPE TEXT)");
        run("CREATE TABLE INFORMATION_SCHEMA.COLUMNS (TABLE_SCHEMA TEXT COLLATE NOCASE, "
            "TABLE_NAME TEXT COLLATE NOCASE, COLUMN_NAME TEXT, ORDINAL_POSITION INTEGER, "
            "DATA_TYPE TEXT, IS_NULLABLE TEXT, CHARACTER_MAXIMUM_LENGTH INTEGER, "
            "NUMERIC_PRECISION INTEGER, NUMERIC_SCALE INTEGER, IS_IDENTITY TEXT, "
            "IS_GENERATED TEXT)");
        run("CREATE TABLE INFORMATION_SCHEMA.TABLE_CONSTRAINTS (CONSTRAINT_SCHEMA TEXT, "
            "CONSTRAINT_NAME TEXT, TABLE_SCHEMA TEXT, TABLE_NAME TEXT, CONSTRAINT_TYPE TEXT)");
        run("CREATE TABLE INFORMATION_SCHEMA.KEY_COLUMN_USAGE (CONSTRAINT_SCHEMA TEXT, "
            "CONSTRAINT_NAME TEXT, TABLE_SCHEMA TEXT, TABLE_NAME TEXT, COLUMN_NAME TEXT, "
            "ORDINAL_POSITION INTEGER)");
    }

    /// Another schema than `SQLUser`, which is `main` in SQLite's SQL.
    void add_schema(std::string const& name) {
        do_beside("ATTACH ':memory:' AS \"" + name + '"');
        schemas_.emplace_back(name, name);
    }

    /// Runs SQLite's own SQL, as another user of the database, from any thread.
    void do_beside(std::string const& sql) {
        std::scoped_lock lock(mutex_);
        run(sql);
    }

    /// The first column of the first row of SQLite's own SQL.
    std::string ask(std::string const& sql) {
        std::scoped_lock lock(mutex_);
        auto const all = query(sql);
        return all.empty() ? "(none)" : all.front().front();
    }

    /// A statement as IRIS has it. \param rows gets the rows as JSON text, separated by commas.
    std::optional<iris_error> execute(std::string const& sql, boost::json::array const& parameters,
                                      std::string& rows) {
        std::scoped_lock lock(mutex_);
        if (sql.find("INFORMATION_SCHEMA.") != std::string::npos) describe();
        statement_ptr statement;
        try {
            statement = prepare(iris_translator::translate(sql));
        } catch (std::runtime_error const& e) {
            std::string const why = e.what();
            return iris_error{why.starts_with("no such table") ? -30 : -1, why};
        }
        if (static_cast<int>(parameters.size()) != sqlite3_bind_parameter_count(statement.get()))
            return iris_error{-400, "wrong number of parameters"};
        for (std::size_t i = 0; i < parameters.size(); ++i)
            bind(statement.get(), static_cast<int>(i + 1), parameters[i]);
        int status = 0;
        while ((status = sqlite3_step(statement.get())) == SQLITE_ROW)
            append_row(statement.get(), rows);
        if (status == SQLITE_DONE) return std::nullopt;
        return error_of(sql);
    }

  private:
    struct close_database {
        void operator()(sqlite3* d) const { sqlite3_close(d); }
    };
    struct finalize {
        void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
    };
    using statement_ptr = std::unique_ptr<sqlite3_stmt, finalize>;

    void run(std::string const& sql) {
        char* message = nullptr;
        if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, &message) == SQLITE_OK)
            return;
        std::string const text = message ? message : "?";
        sqlite3_free(message);
        throw std::runtime_error(text + ": " + sql);
    }

    statement_ptr prepare(std::string const& sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
            throw std::runtime_error(sqlite3_errmsg(database_.get()));
        return statement_ptr(statement);
    }

    /// All rows as text.
    std::vector<std::vector<std::string>> query(std::string const& sql,
                                                std::vector<std::string> const& parameters = {}) {
        auto const statement = prepare(sql);
        for (std::size_t i = 0; i < parameters.size(); ++i)
            sqlite3_bind_text(statement.get(), static_cast<int>(i + 1), parameters[i].data(),
                              static_cast<int>(parameters[i].size()), SQLITE_TRANSIENT);
        std::vector<std::vector<std::string>> all;
        while (sqlite3_step(statement.get()) == SQLITE_ROW) {
            auto& row = all.emplace_back();
            for (int i = 0; i < sqlite3_column_count(statement.get()); ++i) {
                auto const* text = sqlite3_column_text(statement.get(), i);
                row.emplace_back(text ? reinterpret_cast<char const*>(text) : "(null)");
            }
        }
        return all;
    }

    /// Numbers that are kept as text, so as not to lose digits, are in the order of numbers.
    void create_collation() {
        auto const compare = [](void*, int n, void const* a, int m, void const* b) {
            auto const number = [](int size, void const* text) {
                std::string const digits(static_cast<char const*>(text),
                                         static_cast<std::size_t>(size));
                return std::strtold(digits.c_str(), nullptr);
            };
            auto const x = number(n, a);
            auto const y = number(m, b);
            return x < y ? -1 : x > y ? 1 : 0;
        };
        sqlite3_create_collation(database_.get(), "decimal", SQLITE_UTF8, nullptr, compare);
    }

    // ---- INFORMATION_SCHEMA -------------------------------------------------------------------

    void describe() {
        for (auto const* view : {"TABLES", "COLUMNS", "TABLE_CONSTRAINTS", "KEY_COLUMN_USAGE"})
            run(std::string("DELETE FROM INFORMATION_SCHEMA.") + view);
        for (auto const& [iris, sqlite] : schemas_) {
            auto const list = "SELECT name, type, sql FROM \"" + sqlite +
                              "\".sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE "
                              "'sqlite\\_%' ESCAPE '\\'";
            for (auto const& row : query(list)) {
                query("INSERT INTO INFORMATION_SCHEMA.TABLES VALUES (?, ?, ?)",
                      {iris, row[0], row[1] == "table" ? "BASE TABLE" : "VIEW"});
                describe_columns(iris, sqlite, row[0],
                                 row[2].find("AUTOINCREMENT") != std::string::npos);
            }
        }
    }

    void describe_columns(std::string const& iris, std::string const& sqlite,
                          std::string const& table, bool counts) {
        for (auto const& kind : {"PRIMARY KEY", "UNIQUE"})
            query("INSERT INTO INFORMATION_SCHEMA.TABLE_CONSTRAINTS VALUES (?, ?, ?, ?, ?)",
                  {iris, table + kind, iris, table, kind});
        int position = 0;
        for (auto const& row :
             query("SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?, ?)",
                   {table, sqlite})) {
            auto const& name = row[0];
            bool const is_key = row[3] != "0";
            auto const type = type_of(row[1]);
            query("INSERT INTO INFORMATION_SCHEMA.COLUMNS VALUES (?, ?, ?, ?, ?, ?, "
                  "NULLIF(?, ''), NULLIF(?, ''), NULLIF(?, ''), ?, ?)",
                  {iris, table, name, std::to_string(++position), type.name,
                   row[2] != "0" || is_key ? "NO" : "YES", type.length, type.precision, type.scale,
                   is_key && counts ? "YES" : "NO", row[4] != "0" ? "YES" : "NO"});
            if (is_key)
                query("INSERT INTO INFORMATION_SCHEMA.KEY_COLUMN_USAGE VALUES (?, ?, ?, ?, ?, ?)",
                      {iris, table + "PRIMARY KEY", iris, table, name, row[3]});
        }
    }

    struct iris_type {
        std::string name;
        std::string length = {};
        std::string precision = {};
        std::string scale = {};
    };

    static iris_type type_of(std::string const& declared) {
        auto const type = parley::detail::to_lower(declared);
        auto const open = type.find('(');
        auto const comma = type.find(',');
        auto const name = type.substr(0, open);
        std::string const first =
            open == type.npos ? ""
                              : type.substr(open + 1, std::min(comma, type.size() - 1) - open - 1);
        std::string const second =
            comma == type.npos ? "" : type.substr(comma + 1, type.size() - comma - 2);
        if (name == "decimal" || name == "numerictext") return {"numeric", {}, first, second};
        if (name == "integer" || name == "bigint") return {name};
        if (name == "double" || name == "bit" || name == "longvarchar") return {name};
        if (name == "date") return {name};
        if (name == "varbinary") return {name, first};
        return {"varchar", first};
    }

    // ---- Values -------------------------------------------------------------------------------

    static void bind(sqlite3_stmt* statement, int i, boost::json::value const& value) {
        if (value.is_int64()) {
            sqlite3_bind_int64(statement, i, value.get_int64());
        } else if (value.is_double()) {
            sqlite3_bind_double(statement, i, value.get_double());
        } else if (value.is_string()) {
            auto const& text = value.get_string();
            if (text.empty()) return; // to IRIS, a bound "" is NULL
            sqlite3_bind_text(statement, i, text.data(), static_cast<int>(text.size()),
                              SQLITE_TRANSIENT);
        } else {
            sqlite3_bind_null(statement, i);
        }
    }

    static void append_row(sqlite3_stmt* statement, std::string& rows) {
        rows += rows.empty() ? "{" : ",{";
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            if (i > 0) rows += ',';
            parley::detail::append_json_string(rows, sqlite3_column_name(statement, i));
            rows += ':';
            append_value(statement, i, rows);
        }
        rows += '}';
    }

    static void append_value(sqlite3_stmt* statement, int i, std::string& out) {
        auto const* type = sqlite3_column_decltype(statement, i);
        bool const is_decimal =
            type && parley::detail::to_lower(std::string(type)).starts_with("numerictext");
        switch (sqlite3_column_type(statement, i)) {
        case SQLITE_NULL:
            out += "null";
            return;
        case SQLITE_FLOAT:
            return parley::detail::append_json_number(out, sqlite3_column_double(statement, i));
        default:
            break;
        }
        bool const is_number = sqlite3_column_type(statement, i) == SQLITE_INTEGER || is_decimal;
        std::string_view const text(
            reinterpret_cast<char const*>(sqlite3_column_text(statement, i)),
            static_cast<std::size_t>(sqlite3_column_bytes(statement, i)));
        if (is_number) {
            out += text;
        } else {
            parley::detail::append_json_string(out, text);
        }
    }

    iris_error error_of(std::string const& sql) const {
        bool const inserts = sql.starts_with("INSERT");
        std::string const text = sqlite3_errmsg(database_.get());
        switch (sqlite3_extended_errcode(database_.get())) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
            return {inserts ? -119 : -120, text};
        case SQLITE_CONSTRAINT_NOTNULL:
            return {-108, text};
        case SQLITE_CONSTRAINT_CHECK:
            return {inserts ? -104 : -105, text};
        case SQLITE_CONSTRAINT_FOREIGNKEY:
            return {inserts ? -121 : sql.starts_with("UPDATE") ? -122 : -124, text};
        case SQLITE_CONSTRAINT_TRIGGER:
            return {inserts ? -130 : -132, text};
        default:
            return {-400, text};
        }
    }

    std::unique_ptr<sqlite3, close_database> database_;
    std::mutex mutex_;
    std::vector<std::pair<std::string, std::string>> schemas_{{"SQLUser", "main"}};
};

} // namespace parley::test
