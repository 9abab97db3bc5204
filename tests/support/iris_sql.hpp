// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The SQL of IRIS, as far as this project writes it, on SQLite in memory.

#include <parley/detail/ecmascript_json.hpp>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace parley::test {

/// A column as IRIS would describe it, and as SQLite is to keep it.
struct iris_column {
    std::string name;
    std::string type = "varchar"; ///< as INFORMATION_SCHEMA names it
    std::string rule = "";        ///< NOT NULL, UNIQUE, CHECK …
    bool key = false;
    bool identity = false;
    bool generated = false;
    int length = 0;
    int precision = 0;
    int scale = 0;
};

/// How a statement failed, as IRIS says it.
struct iris_error {
    int sqlcode;
    std::string message;
};

/// An IRIS namespace. Thread-safe.
///
/// It differs from IRIS where SQLite does. Text is compared without regard to case, unless within
/// %EXACT; decimals keep their digits; binary values are strings with a character for each byte.
class iris_namespace {
  public:
    iris_namespace() {
        sqlite3* opened = nullptr;
        sqlite3_open(":memory:", &opened);
        database_.reset(opened);
        create_collation();
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

    void create_table(std::string const& schema, std::string const& table,
                      std::vector<iris_column> const& columns,
                      std::string const& kind = "BASE TABLE") {
        std::scoped_lock lock(mutex_);
        if (schemas_.find("|" + schema + "|") == std::string::npos) {
            run("ATTACH ':memory:' AS " + quoted(schema));
            schemas_ += "|" + schema + "|";
        }
        std::string body;
        std::string keys;
        int position = 0;
        for (auto const& c : columns) {
            body += (body.empty() ? "" : ", ") + declaration(c);
            if (c.key && !c.identity) keys += (keys.empty() ? "" : ", ") + quoted(c.name);
            describe(schema, table, c, ++position);
        }
        if (!keys.empty()) body += ", PRIMARY KEY (" + keys + ")";
        run("CREATE TABLE " + quoted(schema) + "." + quoted(table) + " (" + body + ")");
        run("INSERT INTO INFORMATION_SCHEMA.TABLES VALUES (" + literal(schema) + ", " +
            literal(table) + ", " + literal(kind) + ")");
        run("INSERT INTO INFORMATION_SCHEMA.TABLE_CONSTRAINTS VALUES (" + literal(schema) + ", " +
            literal(table + "PK") + ", " + literal(schema) + ", " + literal(table) +
            ", 'PRIMARY KEY')");
        run("INSERT INTO INFORMATION_SCHEMA.TABLE_CONSTRAINTS VALUES (" + literal(schema) + ", " +
            literal(table + "U") + ", " + literal(schema) + ", " + literal(table) + ", 'UNIQUE')");
    }

    /// Runs SQLite's own SQL, past everything.
    void run(std::string const& sql) {
        char* message = nullptr;
        if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, &message) == SQLITE_OK)
            return;
        std::string const text = message ? message : "?";
        sqlite3_free(message);
        throw std::runtime_error(text + ": " + sql);
    }

    /// As another user of the database, from any thread.
    void run_beside(std::string const& sql) {
        std::scoped_lock lock(mutex_);
        run(sql);
    }

    /// The first column of the first row.
    std::string ask(std::string const& sql) {
        std::scoped_lock lock(mutex_);
        auto const statement = prepare(sql);
        if (sqlite3_step(statement.get()) != SQLITE_ROW) return "(none)";
        auto const* text = sqlite3_column_text(statement.get(), 0);
        return text ? reinterpret_cast<char const*>(text) : "(null)";
    }

    /// A statement as IRIS has it. \param rows gets the rows as JSON text, separated by commas.
    std::optional<iris_error> execute(std::string const& sql, boost::json::array const& parameters,
                                      std::string& rows) {
        std::scoped_lock lock(mutex_);
        statement_ptr statement;
        try {
            statement = prepare(translate(sql));
        } catch (std::runtime_error const& e) {
            std::string const what = e.what();
            return iris_error{what.find("no such table") != std::string::npos ||
                                      what.find("unknown database") != std::string::npos
                                  ? -30
                                  : -1,
                              what};
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

    static std::string quoted(std::string const& name) { return '"' + name + '"'; }
    static std::string literal(std::string const& text) { return '\'' + text + '\''; }

    static bool is_one_of(std::string const& type, std::string_view types) {
        return types.find("|" + type + "|") != std::string_view::npos;
    }

    static std::string declaration(iris_column const& c) {
        if (c.identity) return quoted(c.name) + " INTEGER PRIMARY KEY AUTOINCREMENT";
        std::string type = "TEXT COLLATE NOCASE";
        if (is_one_of(c.type, "|bigint|integer|smallint|tinyint|bit|")) type = "INTEGER";
        if (c.type == "double") type = "REAL";
        if (c.type == "numeric") type = "TEXT COLLATE decimal";
        if (c.type == "varbinary") type = "TEXT";
        return quoted(c.name) + ' ' + type + ' ' + c.rule;
    }

    void describe(std::string const& schema, std::string const& table, iris_column const& c,
                  int position) {
        auto const number = [](int n) { return n > 0 ? std::to_string(n) : std::string("NULL"); };
        bool const required = c.rule.find("NOT NULL") != std::string::npos || c.key || c.identity;
        run("INSERT INTO INFORMATION_SCHEMA.COLUMNS VALUES (" + literal(schema) + ", " +
            literal(table) + ", " + literal(c.name) + ", " + std::to_string(position) + ", " +
            literal(c.type) + ", " + (required ? "'NO'" : "'YES'") + ", " + number(c.length) +
            ", " + number(c.precision) + ", " + number(c.scale) + ", " +
            (c.identity ? "'YES'" : "'NO'") + ", " + (c.generated ? "'YES'" : "'NO'") + ")");
        if (c.type == "numeric") decimals_.push_back(c.name);
        if (!c.key) return;
        run("INSERT INTO INFORMATION_SCHEMA.KEY_COLUMN_USAGE VALUES (" + literal(schema) + ", " +
            literal(table + "PK") + ", " + literal(schema) + ", " + literal(table) + ", " +
            literal(c.name) + ", " + std::to_string(position) + ")");
    }

    statement_ptr prepare(std::string const& sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
            throw std::runtime_error(sqlite3_errmsg(database_.get()));
        return statement_ptr(statement);
    }

    /// Numbers that are kept as text, so as not to lose digits, are in the order of numbers.
    void create_collation() {
        auto const compare = [](void*, int n, void const* a, int m, void const* b) {
            auto const number = [](int size, void const* text) {
                return std::strtold(
                    std::string(static_cast<char const*>(text), static_cast<std::size_t>(size))
                        .c_str(),
                    nullptr);
            };
            auto const x = number(n, a);
            auto const y = number(m, b);
            return x < y ? -1 : x > y ? 1 : 0;
        };
        sqlite3_create_collation(database_.get(), "decimal", SQLITE_UTF8, nullptr, compare);
    }

    /// TOP and %VID become LIMIT and OFFSET; every parameter gets its number, since they move.
    static std::string translate(std::string const& sql) {
        std::string out;
        int number = 0;
        char within = 0;
        for (char c : sql) {
            if (within == 0 && (c == '"' || c == '\''))
                within = c;
            else if (within == c)
                within = 0;
            out += c;
            if (c == '?' && within == 0) out += std::to_string(++number);
        }
        static std::regex const nested(
            R"(^(SELECT .*) FROM \(SELECT TOP (\?\d+) (.*)\) WHERE %VID > (\?\d+)$)");
        static std::regex const top(R"(^SELECT TOP (\?\d+|\d+) (.*)$)");
        out = std::regex_replace(out, nested, "$1 FROM (SELECT $3 LIMIT $2) LIMIT -1 OFFSET $4");
        out = std::regex_replace(out, top, "SELECT $2 LIMIT $1");
        out =
            std::regex_replace(out, std::regex(R"(%EXACT\(("([^"]|"")*")\))"), "$1 COLLATE BINARY");
        return std::regex_replace(out, std::regex(R"(t\.%ID)"), "t.rowid");
    }

    static void bind(sqlite3_stmt* statement, int i, boost::json::value const& value) {
        if (value.is_int64()) {
            sqlite3_bind_int64(statement, i, value.get_int64());
        } else if (value.is_double()) {
            sqlite3_bind_double(statement, i, value.get_double());
        } else if (value.is_string()) {
            auto const& text = value.get_string();
            sqlite3_bind_text(statement, i, text.data(), static_cast<int>(text.size()),
                              SQLITE_TRANSIENT);
        } else {
            sqlite3_bind_null(statement, i);
        }
    }

    void append_row(sqlite3_stmt* statement, std::string& rows) const {
        rows += rows.empty() ? "{" : ",{";
        for (int i = 0; i < sqlite3_column_count(statement); ++i) {
            std::string const name = sqlite3_column_name(statement, i);
            if (i > 0) rows += ',';
            parley::detail::append_json_string(rows, name);
            rows += ':';
            append_value(statement, i, is_decimal(statement, i, name), rows);
        }
        rows += '}';
    }

    bool is_decimal(sqlite3_stmt* statement, int i, std::string const& name) const {
        auto const* origin = sqlite3_column_origin_name(statement, i);
        std::string const real = origin ? origin : name;
        return std::find(decimals_.begin(), decimals_.end(), real) != decimals_.end();
    }

    static void append_value(sqlite3_stmt* statement, int i, bool decimal, std::string& out) {
        auto const* text = reinterpret_cast<char const*>(sqlite3_column_text(statement, i));
        auto const size = static_cast<std::size_t>(sqlite3_column_bytes(statement, i));
        int const type = sqlite3_column_type(statement, i);
        if (type == SQLITE_NULL) {
            out += "null";
        } else if (type == SQLITE_TEXT && !decimal) {
            parley::detail::append_json_string(out, {text, size});
        } else {
            out.append(text, size);
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
        case SQLITE_CONSTRAINT_TRIGGER:
            return {inserts ? -130 : -132, text};
        default:
            return {-400, text};
        }
    }

    std::unique_ptr<sqlite3, close_database> database_;
    std::mutex mutex_;
    std::string schemas_;
    std::vector<std::string> decimals_;
};

} // namespace parley::test
