// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/tables/sqlite_backend.hpp>

#include "../support/sqlite.hpp"
#include "../support/tables_suite.hpp"
#include "../support/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;

namespace {

struct world {
    using backend_type = sqlite_backend;
    static constexpr char const* schema = "main";
    static constexpr char const* blob = "blob";
    static constexpr char const* real = "real";
    static constexpr char const* boolean = "boolean";

    temporary_directory directory;
    std::filesystem::path path = directory / "shop.db";
    raw_database raw{path};
    sqlite_backend backend{options()};

    sqlite_backend::options options() {
        return {
            .folder = directory.path(),
            .users = [](std::string_view user,
                        std::string_view password) { return user == "ann" && password == "pw"; },
            .servers = {"files:1"}};
    }
    static credentials who() {
        credentials c;
        c.host = "files";
        c.port = 1;
        c.ns = "shop.db";
        c.username = "ann";
        c.password = secret("pw");
        return c;
    }

    /// Past SOCI, whose parser takes a colon in a name for a parameter.
    void execute(std::string const& sql) {
        auto* const db =
            static_cast<soci::sqlite3_session_backend*>(raw.session().get_backend())->conn_;
        char* error = nullptr;
        sqlite_api::sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error);
        if (!error) return;
        auto const message = sql + ": " + error;
        sqlite_api::sqlite3_free(error);
        throw std::runtime_error(message);
    }
    static std::string numbers(int n) {
        return "WITH RECURSIVE counting(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counting "
               "WHERE i < " +
               std::to_string(n) + ") SELECT i FROM counting";
    }
    static std::string bytes(std::string const& hex) { return "x'" + hex + '\''; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(sqlite_tables, world)

PARLEY_TEST_TABLES(world)

BOOST_AUTO_TEST_CASE(values_of_its_own_types_survive_the_round_trip) {
    check_round_trip(*this, "blob", {"x''", "x'00'", "x'FF00FF'", "'text'", "NULL"});
    check_round_trip(*this, "", {"1", "1.5", "'1'", "'text'", "9007199254740993", "NULL"});
    check_round_trip(*this, "date", {"'2026-01-01'", "2460676.5", "1735689600"});
    check_round_trip(*this, "real", {"9e999", "-9e999"});
    check_keys(*this, "blob", {"x'00FF'", "'text'", "5", "x''"});
    check_keys(*this, "", {"'a'", "1", "1.5", "NULL"});
}
BOOST_AUTO_TEST_CASE(a_million_rows) {
    check_a_million_rows(*this);
}

// ---- What is SQLite's only ----------------------------------------------------------------------

/// Whether a page is remembered or not, nobody sees.
BOOST_AUTO_TEST_CASE(pages_are_those_of_the_moment) {
    std::mt19937 random(7);
    auto const below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    for (std::string const key : {"integer PRIMARY KEY", "PRIMARY KEY", "int PRIMARY KEY",
                                  "text PRIMARY KEY", "numeric", "integer PRIMARY KEY DESC"}) {
        execute("DROP TABLE IF EXISTS pages");
        execute("CREATE TABLE pages (tag text, key " + key + ", word text)");
        execute("INSERT INTO pages SELECT i, i * 3, 'word ' || (i % 5) FROM (" + numbers(200) +
                ")");
        editor<world> e(*this, "pages");
        int next = 201;
        for (int step = 0; step < 300; ++step) {
            auto const tag = std::to_string(next);
            auto const at = std::to_string(below(600));
            switch (below(8)) {
            case 0: // by somebody else
                execute("INSERT OR IGNORE INTO pages VALUES (" + tag + ", " + at + ", 'word 2')");
                ++next;
                break;
            case 1:
                execute("DELETE FROM pages WHERE key = " + at);
                break;
            case 2: // by oneself
                (void)e.insert({"tag", "key"}, {boost::json::value(tag), boost::json::value(at)});
                ++next;
                break;
            case 3:
                execute("INSERT OR IGNORE INTO pages VALUES (" + tag + ", " +
                        (key.starts_with("integer") ? at : "'x" + at + "'") + ", NULL)");
                ++next;
                break;
            default:
                break;
            }
            bool const filtered = below(3) == 0;
            page_request request;
            request.page_size = 10;
            request.page = static_cast<std::uint64_t>(below(25));
            if (filtered) request.filters.push_back({"word", "word 2"});
            std::string const where = filtered ? " WHERE word = 'word 2'" : "";
            auto const order = key == "numeric" ? "rowid" : "key";
            BOOST_TEST_REQUIRE(
                e.read(request)->total_rows ==
                static_cast<unsigned>(raw.number("SELECT COUNT(*) FROM pages" + where)));
            auto expected = raw.query("SELECT tag FROM pages" + where + " ORDER BY " + order +
                                      " LIMIT 10 OFFSET " + std::to_string(request.page * 10));
            std::ranges::replace(expected, '\n', ' ');
            if (!expected.empty()) expected.pop_back();
            BOOST_TEST_REQUIRE(e.values("tag", request) == expected, key << ", step " << step);
        }
    }
}

/// Another program gave the table another primary key, and only one tab of the session knows it.
BOOST_AUTO_TEST_CASE(pages_of_an_old_and_a_new_schema_are_those_of_their_keys) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, code integer)");
    editor<world> old_tab(*this, "t");
    auto new_tab = old_tab;
    execute("DROP TABLE t");
    execute("CREATE TABLE t (id integer, code integer PRIMARY KEY)");
    execute("INSERT INTO t SELECT 31 - i, 2 * i FROM (" + numbers(30) + ")");
    new_tab.select("t");
    page_request const second{.page = 1, .page_size = 10, .filters = {}, .sort = {}};
    for (int i = 0; i < 2; ++i) {
        BOOST_TEST(old_tab.values("id", second) == "11 12 13 14 15 16 17 18 19 20");
        BOOST_TEST(new_tab.values("code", second) == "22 24 26 28 30 32 34 36 38 40");
    }
}

BOOST_AUTO_TEST_CASE(old_values_of_another_type_than_their_column) {
    execute("CREATE TABLE loose (id integer PRIMARY KEY, i integer, d decimal, b boolean, t text, "
            "p blob)");
    execute("INSERT INTO loose VALUES (1, 'abc', 'n/a', 7, x'FF', 5), "
            "(2, 1.5, 0.1, 'yes', CAST(x'FF41' AS text), 1.5)");
    editor<world> e(*this, "loose");
    BOOST_TEST(e.read()->rows ==
               R"([{"id":1,"i":"abc","d":"n/a","b":7,"t":"/w==","p":5},)"
               "{\"id\":2,\"i\":1.5,\"d\":\"0.1\",\"b\":\"yes\",\"t\":\"\xEF\xBF\xBD"
               "A\",\"p\":1.5}]");
    BOOST_TEST(code_of(e.update(1, "i", "abc", 1)) == "success");
    BOOST_TEST(code_of(e.update(1, "d", "n/a", "1.50")) == "success");
    BOOST_TEST(code_of(e.update(1, "b", 7, true)) == "success");
    BOOST_TEST(code_of(e.update(1, "t", "/w==", "text")) == "success");
    BOOST_TEST(code_of(e.update(1, "p", 5, "AA==")) == "success");
    BOOST_TEST(code_of(e.update(2, "p", 1.5, nullptr)) == "success");
    BOOST_TEST(code_of(e.update(2, "i", 1.5, nullptr)) == "success");
    BOOST_TEST(code_of(e.update(2, "b", "yes", false)) == "success");
    BOOST_TEST(code_of(e.update(2, "t",
                                "\xEF\xBF\xBD"
                                "A",
                                "")) == "success");
    BOOST_TEST(e.read()->rows == R"([{"id":1,"i":1,"d":"1.5","b":true,"t":"text","p":"AA=="},)"
                                 R"({"id":2,"i":null,"d":"0.1","b":false,"t":"","p":null}])");
}

BOOST_AUTO_TEST_CASE(old_values_are_compared_as_what_is_stored) {
    execute("CREATE TABLE mixed (id integer PRIMARY KEY, n numeric, d date, a, p blob)");
    execute("INSERT INTO mixed VALUES (1, 0.1, 7, 7, 7), (2, 9007199254740993, 'x', '7', x'00')");
    editor<world> e(*this, "mixed");
    BOOST_TEST(code_of(e.update(1, "n", "0.1000000000000000055", 1)) == "CONFLICT");
    BOOST_TEST(code_of(e.update(2, "n", "9007199254740992", 1)) == "CONFLICT");
    BOOST_TEST(code_of(e.update(2, "n", "9007199254740993.0", 1)) == "success");
    BOOST_TEST(code_of(e.update(1, "d", "007", 1)) == "success");
    for (auto const* column : {"a", "p"})
        BOOST_TEST(code_of(e.update(1, column, "007", nullptr)) == "CONFLICT");
    BOOST_TEST(code_of(e.update(2, "a", "007", nullptr)) == "CONFLICT");
}

BOOST_AUTO_TEST_CASE(the_key_of_a_row_may_be_left_out) {
    execute("CREATE TABLE pets (id integer PRIMARY KEY, name text)");
    editor<world> e(*this, "pets");
    BOOST_TEST(e.schema.columns[0].nullable);
    BOOST_TEST(!e.schema.columns[0].readOnly.has_value());
    BOOST_TEST(code_of(e.insert({"name"}, {"cat"})) == "success");
    BOOST_TEST(code_of(e.insert({"id", "name"}, {nullptr, "dog"})) == "success");
    BOOST_TEST(code_of(e.insert({"id", "name"}, {7, "fish"})) == "success");
    BOOST_TEST(e.values("id") == "1 2 7");
    BOOST_TEST(code_of(e.insert({}, {})) == "success");
}

BOOST_AUTO_TEST_CASE(text_beyond_ascii_is_matched_whatever_its_case) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text)");
    execute("INSERT INTO t VALUES (1, 'Äpfel'), (2, 'ПРИВЕТ')");
    editor<world> e(*this, "t");
    BOOST_TEST(e.values("id", {.filters = {{"v", "äPF*"}}, .sort = {}}) == "1");
    BOOST_TEST(e.values("id", {.filters = {{"v", "привет"}}, .sort = {}}) == "2");
}

BOOST_AUTO_TEST_CASE(matching_one_huge_text_is_stopped) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text)");
    execute("INSERT INTO t VALUES (1, replace(hex(zeroblob(5000000)), '0', 'a'))");
    editor<world> e(*this, "t");
    auto const slow = std::string("*?") + std::string(5000, 'a') + "b";
    auto const op = within();
    std::jthread const canceller([&] {
        std::this_thread::sleep_for(100ms);
        op->cancel();
    });
    auto const began = std::chrono::steady_clock::now();
    BOOST_TEST(code_of(e.read({.filters = {{"v", slow}}, .sort = {}}, op)) == "CANCELLED");
    auto const late = within(100ms);
    BOOST_TEST(code_of(e.read({.filters = {{"v", slow}}, .sort = {}}, late)) == "TIMED_OUT");
    BOOST_TEST((std::chrono::steady_clock::now() - began < 5s));
}

BOOST_AUTO_TEST_CASE(namespaces_are_databases_of_the_folder_only) {
    temporary_directory elsewhere;
    raw_database(elsewhere / "other.db").execute("CREATE TABLE t (a)");
    std::filesystem::create_symlink(elsewhere / "other.db", directory / "outside.db");
    std::filesystem::create_symlink(path, directory / "inside.db");
    std::filesystem::create_directory(directory / "directory.db");
    std::filesystem::copy_file(path, directory / ".hidden.db");
    execute("CREATE TABLE t (a integer)");
    std::filesystem::copy_file(path, directory / "odd \"name\" % # ? :x.sqlite3");
    execute("PRAGMA journal_mode = WAL");
    execute("INSERT INTO t VALUES (1)");
    auto const db = *wait_for(backend.open(who(), within()));

    BOOST_TEST((*wait_for(db->namespaces(within())) ==
                std::vector<std::string>{"inside.db", "odd \"name\" % # ? :x.sqlite3", "shop.db"}));
    BOOST_TEST(wait_for(db->tables("odd \"name\" % # ? :x.sqlite3", within()))->size() == 1u);
    auto const away = std::filesystem::path(elsewhere / "other.db").native();
    for (auto const& name :
         {std::string("outside.db"), std::string("directory.db"), std::string(".hidden.db"),
          std::string("shop.db-wal"), std::string("shop.db-shm"), std::string(), away,
          "../" + elsewhere.path().filename().native() + "/other.db", std::string("./shop.db"),
          std::string("shop.db\0", 8), std::string("shop"), std::string(".."),
          std::string("file:shop.db"), std::string("new.db"), std::string(5000, 'x') + ".db"}) {
        BOOST_TEST(code_of(wait_for(db->tables(name, within()))) == "NOT_FOUND", name);
    }
    // Nothing was made.
    BOOST_TEST(!std::filesystem::exists(directory / "new.db"));
}

BOOST_AUTO_TEST_CASE(servers_are_names_only) {
    auto const open_as = [&](std::vector<std::string> servers, std::string const& host) {
        auto o = options();
        o.servers = std::move(servers);
        sqlite_backend other(std::move(o));
        auto w = who();
        w.host = host;
        return code_of(wait_for(other.open(w, within())));
    };
    BOOST_TEST(open_as({"[::1]:1"}, "::1") == "success");
    BOOST_TEST(open_as({"Files:1"}, "files") == "success");
    BOOST_TEST(open_as({}, "files") == "INVALID_INPUT");
    BOOST_TEST(open_as(sqlite_backend::options().servers, "whatever") == "success");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_database_is_refused) {
    std::ofstream(directory / "text.db") << std::string(5000, 'x');
    auto w = who();
    w.ns = "text.db";
    BOOST_TEST(code_of(wait_for(backend.open(w, within()))) == "UNREACHABLE");
    auto const db = *wait_for(backend.open(who(), within()));
    BOOST_TEST(code_of(wait_for(db->tables("text.db", within()))) == "DATABASE_ERROR");
}

BOOST_AUTO_TEST_CASE(a_file_that_takes_the_place_of_another_is_opened_anew) {
    execute("CREATE TABLE pets (id integer PRIMARY KEY)");
    editor<world> e(*this, "pets");
    raw_database(directory / "new").execute("CREATE TABLE pets (id integer PRIMARY KEY)");
    std::filesystem::rename(directory / "new", path);
    BOOST_TEST(code_of(e.insert({"id"}, {1})) == "success");
    BOOST_TEST(raw_database(path).number("SELECT count(*) FROM pets") == 1);
    std::filesystem::remove(path);
    BOOST_TEST(code_of(e.insert({"id"}, {2})) == "NOT_FOUND");
    BOOST_TEST(!std::filesystem::exists(path));
}

BOOST_AUTO_TEST_CASE(another_writer_is_waited_for_until_the_deadline) {
    execute("CREATE TABLE pets (id integer PRIMARY KEY)");
    editor<world> e(*this, "pets");
    execute("BEGIN IMMEDIATE");
    new_row const row{{"id"}, {1}};
    BOOST_TEST(code_of(wait_for(e.db->insert_row(e.schema, row, within(100ms)))) == "TIMED_OUT");
    std::jthread const other([&] {
        std::this_thread::sleep_for(100ms);
        execute("COMMIT");
    });
    BOOST_TEST(code_of(wait_for(e.db->insert_row(e.schema, row, within()))) == "success");
}

BOOST_AUTO_TEST_CASE(a_table_that_has_changed_is_to_be_selected_again) {
    execute("CREATE TABLE pets (id integer PRIMARY KEY, name text)");
    execute("INSERT INTO pets VALUES (1, 'name')");
    editor<world> e(*this, "pets");
    BOOST_TEST(code_of(e.read()) == "success");
    execute("ALTER TABLE pets RENAME COLUMN name TO title");
    BOOST_TEST(code_of(e.read()) == "NOT_FOUND");
    BOOST_TEST(code_of(e.update(1, "name", "name", "x")) == "NOT_FOUND");
    e.select("pets");
    BOOST_TEST(e.read()->rows == R"([{"id":1,"title":"name"}])");
    execute("DROP TABLE pets");
    BOOST_TEST(code_of(e.erase(1)) == "NOT_FOUND");
}

BOOST_AUTO_TEST_CASE(a_page_is_bounded) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text)");
    execute("INSERT INTO t SELECT i, hex(zeroblob(500000)) FROM (" + numbers(20) + ")");
    editor<world> e(*this, "t");
    BOOST_TEST(code_of(e.read()) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.read({.page_size = 5, .filters = {}, .sort = {}})) == "success");
    execute("INSERT INTO t VALUES (0, zeroblob(20000000))");
    BOOST_TEST(code_of(e.read({.page_size = 5, .filters = {}, .sort = {}})) == "INVALID_INPUT");
}

BOOST_AUTO_TEST_CASE(triggers_and_rules_have_their_say) {
    execute("CREATE TABLE pets (id integer PRIMARY KEY, name text COLLATE nocase, "
            "shout text AS (upper(name)), UNIQUE (name) ON CONFLICT IGNORE) ");
    execute("CREATE TRIGGER t BEFORE UPDATE ON pets WHEN NEW.name = 'snake' "
            "BEGIN SELECT RAISE(ABORT, 'no snakes here'); END");
    execute("INSERT INTO pets VALUES (1, 'cat')");
    editor<world> e(*this, "pets");
    BOOST_TEST(message_of(e.update(1, "name", "cat", "snake")) ==
               "The table refuses this: no snakes here");
    BOOST_TEST(code_of(e.insert({"name"}, {"CAT"})) == "CONSTRAINT_VIOLATED");
    BOOST_TEST(code_of(e.update(1, "shout", "CAT", "DOG")) == "INVALID_INPUT");
    // What a collation takes for equal is a change nevertheless.
    BOOST_TEST(code_of(e.update(1, "name", "CAT", "x")) == "CONFLICT");
    BOOST_TEST(code_of(e.update(1, "name", "cat", "Cat")) == "success");
    BOOST_TEST(e.values("shout") == "CAT");
}

BOOST_AUTO_TEST_CASE(sessions_end_with_operations_under_way) {
    make_numbers(*this, 300'000);
    asio::io_context io(1);
    auto const op = within();
    {
        editor<world> e(*this, "numbers");
        auto const request = slow_request();
        asio::co_spawn(io, e.db->read_page(e.schema, request, op),
                       [](std::exception_ptr, outcome<page> const& o) {
                           BOOST_TEST(code_of(o) == "CANCELLED");
                       });
        io.poll();
    }
    op->cancel();
    io.run();
}

BOOST_AUTO_TEST_SUITE_END()
