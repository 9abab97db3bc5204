// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What every backend of the table editor promises, shown on a real database. A `World` has
/// - `backend`, `who()`: the backend, and credentials that it lets in, with the namespace of the
///   test;
/// - `execute(sql)`: runs SQL there, past the backend;
/// - `schema`, `blob`, `real`, `boolean`: what they are called in this database;
/// - `default_schema`, if tables of that schema can be named without it;
/// - `numbers(n)`: a query of the numbers from 1 to n, as `i`.

#include <parley/detail/exact_json.hpp>
#include <parley/tables/backend.hpp>
#include <parley/tables/parameter.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace parley::test {

using namespace parley::tables;
using namespace std::chrono_literals;

inline operation_ptr within(std::chrono::milliseconds time = 30s) {
    return std::make_shared<operation>(std::chrono::steady_clock::now() + time);
}

/// Runs the coroutine to its end, on a thread of its own `io_context`, as a connection would.
template <class T>
outcome<T> wait_for(task<outcome<T>> coroutine) {
    asio::io_context io(1);
    std::optional<outcome<T>> answer;
    std::exception_ptr thrown;
    asio::co_spawn(io, std::move(coroutine), [&](std::exception_ptr e, outcome<T> o) {
        thrown = e;
        answer = std::move(o);
    });
    io.run();
    if (thrown) std::rethrow_exception(thrown);
    return *std::move(answer);
}

template <class T>
std::string code_of(outcome<T> const& o) {
    return o ? "success" : std::string(to_string(o.error().code));
}

template <class T>
std::string message_of(outcome<T> const& o) {
    return o ? "success" : o.error().message;
}

/// What a client would have of a page.
inline boost::json::array parse_rows(page const& p) {
    auto const parsed = parley::detail::parse_exact_json(p.rows, 4);
    BOOST_TEST_REQUIRE(parsed.has_value(), p.rows);
    return parsed->as_array();
}

/// A session with one table of it, as a client's connection has.
template <class World>
class editor {
  public:
    using database_type = typename World::backend_type::database_type;

    editor(World& world, std::string const& table)
        : world_(world), db(*wait_for(world.backend.open(world.who(), within()))) {
        select(table);
    }

    void select(std::string const& table) {
        auto const described = wait_for(db->describe(ns(), qualified(table), within()));
        BOOST_TEST_REQUIRE(described.has_value(), message_of(described));
        schema = *described;
    }

    [[nodiscard]] std::string ns() const { return world_.who().ns; }
    [[nodiscard]] std::string qualified(std::string const& table) const {
        return std::string(World::schema) + '.' + table;
    }

    outcome<page> read(page_request const& request = {}, operation_ptr op = within()) {
        return wait_for(db->read_page(schema, request, std::move(op)));
    }
    boost::json::array rows(page_request const& request = {}) {
        auto const read_now = read(request);
        BOOST_TEST_REQUIRE(read_now.has_value(), message_of(read_now));
        return parse_rows(*read_now);
    }
    /// The values of a column, separated by spaces.
    std::string values(char const* name, page_request const& request = {}) {
        std::string text;
        for (auto const& row : rows(request)) {
            auto const& value = row.as_object().at(name);
            text += (text.empty() ? "" : " ") + scalar_text(value).value_or("null");
        }
        return text;
    }

    outcome<void> update(boost::json::value key, std::string column, boost::json::value old_value,
                         boost::json::value new_value) {
        cell_update const change{{schema.columns.front().name, std::move(key)},
                                 std::move(column),
                                 std::move(old_value),
                                 std::move(new_value)};
        return wait_for(db->update_cell(schema, change, within()));
    }
    outcome<void> insert(std::vector<std::string> columns, std::vector<boost::json::value> cells) {
        new_row const row{std::move(columns), std::move(cells)};
        return wait_for(db->insert_row(schema, row, within()));
    }
    outcome<void> erase(boost::json::value key) {
        row_key const row{schema.columns.front().name, std::move(key)};
        return wait_for(db->delete_row(schema, row, within()));
    }

  private:
    World& world_;

  public:
    std::shared_ptr<database_type> db;
    table_schema schema;
};

inline std::string delimited(std::string_view name) {
    std::string out = "\"";
    for (char c : name)
        out.append(c == '"' ? 2 : 1, c);
    return out + '"';
}

template <class World>
void make_pets(World& world) {
    world.execute("CREATE TABLE pets (id integer PRIMARY KEY, name varchar(20) NOT NULL UNIQUE, "
                  "legs integer CHECK (legs >= 0), price decimal(10,2))");
    world.execute("INSERT INTO pets VALUES (1, 'Cat', 4, 9.5), (2, 'dog', 4, NULL), "
                  "(3, 'Fish', 0, 0.25), (4, 'bird_1', 2, 7), (5, 'bird%', 2, 7)");
}

template <class World>
void check_listing(World& world) {
    make_pets(world);
    world.execute("CREATE TABLE \"Another one\" (a integer)");
    world.execute("CREATE VIEW seen AS SELECT name FROM pets");
    editor<World> e(world, "pets");

    auto const names = wait_for(e.db->namespaces(within()));
    BOOST_TEST_REQUIRE(names.has_value());
    BOOST_TEST(std::ranges::count(*names, e.ns()) == 1);
    BOOST_TEST(std::ranges::is_sorted(*names));

    auto const tables = wait_for(e.db->tables(e.ns(), within()));
    BOOST_TEST_REQUIRE(tables.has_value());
    BOOST_TEST((*tables == std::vector{e.qualified("Another one"), e.qualified("pets")}));

    BOOST_TEST(code_of(wait_for(e.db->tables("nowhere.db", within()))) == "NOT_FOUND");
    for (auto const* name : {"cats", "PETS", "seen", "pets\"", ""})
        BOOST_TEST(code_of(wait_for(e.db->describe(e.ns(), e.qualified(name), within()))) ==
                   "NOT_FOUND");
    constexpr bool has_default = requires {
        World::default_schema;
    };
    BOOST_TEST(code_of(wait_for(e.db->describe(e.ns(), "pets", within()))) ==
               (has_default ? "success" : "NOT_FOUND"));
}

template <class World>
void check_description(World& world) {
    world.execute("CREATE TABLE things (b integer, a integer, word varchar(20) NOT NULL, "
                  "price decimal(10,2), doubled integer GENERATED ALWAYS AS (b * 2) STORED, "
                  "PRIMARY KEY (a, b))");
    editor<World> e(world, "things");
    auto const& columns = e.schema.columns;
    BOOST_TEST_REQUIRE(columns.size() == 5u);
    BOOST_TEST(e.schema.name == e.qualified("things"));

    BOOST_TEST(columns[0].name == "b");
    BOOST_TEST((columns[0].kind == value_kind::integer));
    BOOST_TEST((columns[0].isPrimaryKey == true));
    BOOST_TEST(columns[0].key_position == 2);
    BOOST_TEST(columns[1].key_position == 1);

    BOOST_TEST((columns[2].kind == value_kind::other));
    BOOST_TEST(!columns[2].nullable);
    BOOST_TEST((columns[2].maxLength == 20));
    BOOST_TEST(!columns[2].isPrimaryKey.has_value());
    BOOST_TEST(!columns[2].readOnly.has_value());

    BOOST_TEST((columns[3].kind == value_kind::decimal));
    BOOST_TEST(columns[3].nullable);
    BOOST_TEST((columns[3].precision == 10));
    BOOST_TEST((columns[3].scale == 2));

    BOOST_TEST((columns[4].readOnly == true));
}

template <class World>
void check_paging(World& world) {
    make_pets(world);
    editor<World> e(world, "pets");
    auto const page_of = [](std::uint64_t number, std::size_t size,
                            std::optional<sort_order> sort = {}) {
        return page_request{.page = number, .page_size = size, .filters = {}, .sort = sort};
    };
    BOOST_TEST(e.values("id") == "1 2 3 4 5");
    BOOST_TEST(e.values("id", page_of(0, 2)) == "1 2");
    BOOST_TEST(e.values("id", page_of(2, 2)) == "5");
    BOOST_TEST(e.values("id", page_of(3, 2)) == "");
    BOOST_TEST(e.read(page_of(3, 2))->rows == "[]");
    BOOST_TEST(e.read(page_of(3, 2))->total_rows == 5u);
    // Equal ones in the order of the key, so that pages do not overlap.
    BOOST_TEST(e.values("id", page_of(0, 10, sort_order{"legs", true})) == "1 2 4 5 3");
    BOOST_TEST(e.values("id", page_of(1, 2, sort_order{"legs", false})) == "5 1");
    // As numbers, not as their texts.
    world.execute("INSERT INTO pets VALUES (10, 'Ant', 6, 100)");
    BOOST_TEST(e.values("id", page_of(0, 10, sort_order{"id", true})) == "10 5 4 3 2 1");

    BOOST_TEST(code_of(e.read(page_of(0, 0))) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.read(page_of(0, 10, sort_order{"nmae", true}))) == "INVALID_INPUT");
}

template <class World>
void check_filters(World& world) {
    make_pets(world);
    editor<World> e(world, "pets");
    auto const matching = [&](std::vector<filter> filters) {
        page_request const request{.filters = std::move(filters), .sort = {}};
        auto const read = e.read(request);
        BOOST_TEST_REQUIRE(read.has_value(), message_of(read));
        BOOST_TEST(parse_rows(*read).size() == read->total_rows);
        return e.values("name", request);
    };
    BOOST_TEST(matching({{"name", "cat"}}) == "Cat");
    BOOST_TEST(matching({{"name", "ca"}}) == "");
    BOOST_TEST(matching({{"name", "*i*"}}) == "Fish bird_1 bird%");
    BOOST_TEST(matching({{"name", "?og"}}) == "dog");
    BOOST_TEST(matching({{"name", "*_*"}}) == "bird_1");
    BOOST_TEST(matching({{"name", "bird%"}}) == "bird%");
    BOOST_TEST(matching({{"name", "\\*"}}) == "");
    BOOST_TEST(matching({{"name", "' OR 1=1 --"}}) == "");
    BOOST_TEST(matching({{"legs", "4"}}) == "Cat dog");
    BOOST_TEST(matching({{"legs", "4"}, {"name", "d*"}}) == "dog");
    BOOST_TEST(matching({{"id", "?"}, {"legs", "2"}}) == "bird_1 bird%");
    BOOST_TEST(matching({{"price", "*"}}) == "Cat Fish bird_1 bird%"); // NULL is no text
    BOOST_TEST(code_of(e.read({.filters = {{"nmae", "x"}}, .sort = {}})) == "INVALID_INPUT");
}

template <class World>
void check_changes(World& world) {
    make_pets(world);
    editor<World> e(world, "pets");
    BOOST_TEST(code_of(e.update(2, "name", "dog", "hound")) == "success");
    BOOST_TEST(e.values("name") == "Cat hound Fish bird_1 bird%");
    BOOST_TEST(code_of(e.update(2, "price", nullptr, "12.5")) == "success");
    BOOST_TEST(code_of(e.update(2, "price", e.rows().at(1).at("price"), nullptr)) == "success");
    BOOST_TEST(e.rows().at(1).at("price").is_null());

    // Somebody else was faster.
    BOOST_TEST(code_of(e.update(2, "name", "dog", "wolf")) == "CONFLICT");
    BOOST_TEST(code_of(e.update(2, "price", "1", "2")) == "CONFLICT");
    BOOST_TEST(code_of(e.update(1, "price", nullptr, "2")) == "CONFLICT");
    BOOST_TEST(code_of(e.update(77, "name", "dog", "wolf")) == "NOT_FOUND");
    BOOST_TEST(e.values("name") == "Cat hound Fish bird_1 bird%");

    BOOST_TEST(code_of(e.insert({"id", "name", "legs"}, {6, "Ant", 6})) == "success");
    BOOST_TEST(e.values("name") == "Cat hound Fish bird_1 bird% Ant");
    BOOST_TEST(code_of(e.erase(6)) == "success");
    BOOST_TEST(code_of(e.erase(6)) == "NOT_FOUND");
    BOOST_TEST(e.values("name") == "Cat hound Fish bird_1 bird%");
}

/// Clients may keep their own spelling of what they have saved.
template <class World>
void check_spellings(World& world) {
    world.execute("CREATE TABLE spelt (id integer PRIMARY KEY, i bigint, d decimal(30,10), r " +
                  std::string(World::real) + ", b " + World::boolean + ", t text)");
    world.execute("INSERT INTO spelt (id) VALUES (1)");
    editor<World> e(world, "spelt");
    auto const saved = [&](char const* column, std::vector<boost::json::value> values) {
        boost::json::value old_value = nullptr;
        for (auto const& value : values) {
            BOOST_TEST(message_of(e.update(1, column, old_value, value)) == "success");
            old_value = value;
        }
    };
    saved("i", {"007", 7, "-0", "9007199254740993", "0012"});
    saved("d", {"71.50", 71.5, "+1e2", "-0.0", "12.340"});
    saved("r", {"71.50", "0.1000000000000000055", "1E2", "-0", "12.50"});
    saved("b", {"TRUE", 0, "1", false, "True"});
    saved("t", {"71.50", "True", "", " x ", "1.50"});

    // What only looks alike is something else, and so is what is no such value at all.
    auto const before = e.read()->rows;
    auto const differs = [&](char const* column, std::vector<boost::json::value> values) {
        for (auto const& value : values)
            BOOST_TEST(code_of(e.update(1, column, value, nullptr)) == "CONFLICT",
                       column << ' ' << boost::json::serialize(value));
    };
    differs("i", {13, "12.00000000000000000001", "0x0C", "twelve", "", " 12", true, nullptr});
    differs("d", {"12.340000001", "12.34x", "12,34", "", nullptr});
    differs("r", {"12.500000000000002", "much", "1e400", "NaN", "", nullptr});
    differs("b", {false, 2, "yes or no", "t", nullptr});
    differs("t", {"1.5", 1.5, "1.50 ", "", nullptr});
    for (auto const* column : {"i", "d", "r", "b", "t"})
        BOOST_TEST(code_of(e.update(1, column, boost::json::array(), nullptr)) != "success");
    BOOST_TEST(code_of(e.update(1, "i", 12, nullptr)) == "success");
    BOOST_TEST(code_of(e.update(1, "i", boost::json::object(), 5)) != "success");
    BOOST_TEST(code_of(e.update(1, "i", nullptr, "0012")) == "success");
    BOOST_TEST(e.read()->rows == before);
}

template <class World>
void check_refusals(World& world) {
    make_pets(world);
    world.execute("CREATE TABLE homes (pet integer REFERENCES pets (id))");
    world.execute("INSERT INTO homes VALUES (1)");
    editor<World> e(world, "pets");
    auto const before = e.read()->rows;

    auto const refused = [&](outcome<void> const& o, char const* named) {
        BOOST_TEST(code_of(o) == "CONSTRAINT_VIOLATED", message_of(o));
        BOOST_TEST(message_of(o).find(named) != std::string::npos, message_of(o));
        BOOST_TEST(message_of(o).find("INSERT") == std::string::npos);
    };
    refused(e.update(1, "name", "Cat", nullptr), "name");
    refused(e.update(1, "name", "Cat", "dog"), "name");
    refused(e.update(1, "legs", 4, -1), "legs");
    refused(e.insert({"id", "name"}, {1, "Ant"}), "");
    refused(e.insert({"id"}, {9}), "name");
    refused(e.erase(1), "");

    for (auto const& bad : {e.update(1, "legs", 4, "four"), e.update(1, "nmae", 4, 5),
                            e.update(1, "legs", 4, 4.5), e.insert({"id", "id"}, {7, 8}),
                            e.insert({"id"}, {}), e.update(1, "legs", 4, boost::json::array())})
        BOOST_TEST(code_of(bad) == "INVALID_INPUT", message_of(bad));
    BOOST_TEST(e.read()->rows == before);
}

/// Part of a primary key may be in several rows.
template <class World>
void check_compound_keys(World& world) {
    world.execute("CREATE TABLE parts (a integer, b integer, c integer, PRIMARY KEY (a, b))");
    world.execute("INSERT INTO parts VALUES (1, 1, 1), (1, 2, 2), (2, 1, 3)");
    editor<World> e(world, "parts");
    BOOST_TEST(code_of(e.update(2, "c", 3, 30)) == "success");
    BOOST_TEST(code_of(e.update(1, "c", 1, 10)) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.erase(1)) == "INVALID_INPUT");
    BOOST_TEST(e.values("c") == "1 2 30");

    world.execute("CREATE TABLE keyless (a integer)");
    world.execute("INSERT INTO keyless VALUES (3), (1), (2)");
    e.select("keyless");
    BOOST_TEST(e.values("a") == "3 1 2");
    BOOST_TEST(code_of(e.erase(1)) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.update(1, "a", 1, 2)) == "INVALID_INPUT");
}

inline std::vector<std::string> hostile_names() {
    return {"a\"b",
            "\"",
            "a'b",
            ";DROP TABLE pets;--",
            "/*",
            "--",
            ":v1",
            "$1",
            "?",
            "select",
            "a.b",
            " ",
            "Ünïcode 表",
            "t",
            "rowid",
            "cell",
            "%",
            "\\",
            "a\nb",
            "{\"x\":1}",
            "main.a\"b\".c",
            "ctid_",
            "😀\"\"😀",
            "TOTAL"};
}

/// Tables and columns may be called anything.
template <class World>
void check_hostile_names(World& world) {
    for (auto const& name : hostile_names()) {
        BOOST_TEST_CONTEXT(name) {
            world.execute("CREATE TABLE " + delimited(name) + " (" + delimited(name) +
                          " integer PRIMARY KEY, " + delimited(name + "2") + " text)");
            editor<World> e(world, name);
            BOOST_TEST_REQUIRE(e.schema.columns.size() == 2u);
            BOOST_TEST(e.schema.columns[0].name == name);
            auto const second = name + "2";
            for (int i = 1; i <= 3; ++i)
                BOOST_TEST(code_of(e.insert({name, second}, {i, "x"})) == "success");
            BOOST_TEST(code_of(e.update(1, second, "x", name.c_str())) == "success");
            BOOST_TEST(code_of(e.erase(2)) == "success");
            page_request const request{.filters = {{second, "*"}, {name, "?"}},
                                       .sort = sort_order{second, true}};
            auto const rows = e.rows(request);
            BOOST_TEST_REQUIRE(rows.size() == 2u);
            for (auto const& row : rows) {
                bool const first = row.at(name) == 1;
                BOOST_TEST((row.at(second) == (first ? name.c_str() : "x")));
            }
        }
    }
    editor<World> e(world, hostile_names().front());
    BOOST_TEST(wait_for(e.db->tables(e.ns(), within()))->size() == hostile_names().size());
}

/// Every value that is stored can be read, sent back as the old value, and replaced.
template <class World>
void check_round_trip(World& world, std::string const& type, std::vector<std::string> literals) {
    world.execute("CREATE TABLE round_trip (id integer PRIMARY KEY, v " + type + ")");
    editor<World> e(world, "round_trip");
    int id = 0;
    for (auto const& literal : literals) {
        world.execute("INSERT INTO round_trip VALUES (" + std::to_string(++id) + ", " + literal +
                      ")");
    }
    for (auto const& row : e.rows()) {
        BOOST_TEST_CONTEXT(type << ' ' << boost::json::serialize(row)) {
            auto const& v = row.at("v");
            // To itself, to NULL, and back, all of them with what a client has.
            BOOST_TEST(message_of(e.update(row.at("id"), "v", v, v)) == "success");
            BOOST_TEST(message_of(e.update(row.at("id"), "v", v, nullptr)) == "success");
            BOOST_TEST(message_of(e.update(row.at("id"), "v", nullptr, v)) == "success");
            auto const again = e.rows();
            BOOST_TEST((again.at(static_cast<std::size_t>(row.at("id").as_int64() - 1)) == row));
        }
    }
    world.execute("DROP TABLE round_trip");
}

/// The same for keys, which also tell rows apart.
template <class World>
void check_keys(World& world, std::string const& type, std::vector<std::string> literals) {
    world.execute("CREATE TABLE keys (k " + type + " PRIMARY KEY, v integer)");
    for (auto const& literal : literals)
        world.execute("INSERT INTO keys VALUES (" + literal + ", 1)");
    editor<World> e(world, "keys");
    auto const rows = e.rows();
    BOOST_TEST(rows.size() == literals.size());
    for (auto const& row : rows) {
        BOOST_TEST_CONTEXT(type << ' ' << boost::json::serialize(row)) {
            BOOST_TEST(message_of(e.update(row.at("k"), "v", 1, 2)) == "success");
            BOOST_TEST(message_of(e.erase(row.at("k"))) == "success");
        }
    }
    world.execute("DROP TABLE keys");
}

template <class World>
void check_values(World& world) {
    check_round_trip(world, "bigint",
                     {"0", "-1", "9007199254740991", "9007199254740992", "-9007199254740993",
                      "9223372036854775807", "-9223372036854775807 - 1", "NULL"});
    check_round_trip(world, World::real,
                     {"0.1", "-0.0", "1e300", "1e-300", "4.9e-324", "1.7976931348623157e308",
                      "123456789.123456789", "1e21", "1e20", "9007199254740993", "3.0",
                      "0.30000000000000004", "2.5e-8", "NULL"});
    check_round_trip(world, "decimal(20,4)",
                     {"0", "1.5", "0.1", "-123456.789", "99999999999", "NULL"});
    check_round_trip(world, World::boolean, {"true", "false", "NULL"});
    check_round_trip(world, "text",
                     {"''", "'x'", "'it''s'", "'\"quoted\"'", "'back\\slash'", "'Ünïcode 表 😀'",
                      "'two\nlines\tand tab'", "'null'", "'NULL'", "'5'", "'\x7F \x01'",
                      "'trailing  '", "NULL"});
    check_round_trip(world, "varchar(40)", {"'2026-01-01'", "'x'"});
    check_keys(world, "bigint", {"1", "9223372036854775807", "-9007199254740993"});
    check_keys(world, "varchar(30)", {"'a'", "'A'", "'it''s'", "''", "'5'", "'😀'", "'a '"});
    check_keys(world, World::real, {"0.1", "1e300", "123456789.123456789", "5"});
    check_keys(world, "decimal(20,4)", {"0.1", "1.5", "12"});
}

/// How values look in JSON (table editor specification, §2).
template <class World>
void check_json(World& world) {
    world.execute("CREATE TABLE shown (id integer PRIMARY KEY, big bigint, price decimal(10,2), "
                  "weight " +
                  std::string(World::real) + ", alive " + World::boolean + ", photo " +
                  World::blob + ", word text)");
    world.execute("INSERT INTO shown VALUES (1, 9007199254740993, 12.25, 0.5, true, " +
                  world.bytes("00ff10") + ", 'a\"b')");
    world.execute("INSERT INTO shown (id) VALUES (2)");
    editor<World> e(world, "shown");
    BOOST_TEST(e.read()->rows ==
               R"([{"id":1,"big":"9007199254740993","price":"12.25","weight":0.5,"alive":true,)"
               R"("photo":"AP8Q","word":"a\"b"},)"
               R"({"id":2,"big":null,"price":null,"weight":null,"alive":null,"photo":null,)"
               R"("word":null}])");

    BOOST_TEST(code_of(e.update(1, "photo", "AP8Q", "//79")) == "success");
    BOOST_TEST(code_of(e.update(1, "photo", "//79", "")) == "success");
    BOOST_TEST(code_of(e.update(1, "photo", "", "AA==")) == "success");
    BOOST_TEST(code_of(e.update(1, "photo", "AA==", "no base64")) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.update(1, "alive", true, false)) == "success");
    BOOST_TEST(code_of(e.update(1, "alive", false, "true")) == "success");
    BOOST_TEST(code_of(e.update(1, "alive", true, "maybe")) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.update(1, "big", "9007199254740993", 5)) == "success");
    BOOST_TEST(e.values("photo") == "AA== null");
    BOOST_TEST(e.values("alive", {.filters = {{"alive", "TRUE"}}, .sort = {}}) == "true");
    BOOST_TEST(e.values("weight", {.filters = {{"weight", "0.5"}}, .sort = {}}) == "0.5");
}

template <class World>
void check_credentials(World& world) {
    auto const open = [&](credentials const& who) {
        return wait_for(world.backend.open(who, within()));
    };
    BOOST_TEST(code_of(open(world.who())) == "success");
    auto who = world.who();
    who.password = secret("wrong");
    BOOST_TEST(code_of(open(who)) == "WRONG_CREDENTIALS");
    who = world.who();
    who.username = "nobody";
    BOOST_TEST(code_of(open(who)) == "WRONG_CREDENTIALS");
    who = world.who();
    who.ns = "nowhere.db";
    BOOST_TEST(code_of(open(who)) == "INVALID_INPUT");
    who = world.who();
    who.host = "elsewhere.example";
    BOOST_TEST(code_of(open(who)) == "INVALID_INPUT");
    for (auto const& failed : {open(who)}) {
        BOOST_TEST(message_of(failed).find("elsewhere") == std::string::npos);
        BOOST_TEST(message_of(failed).find(std::to_string(who.port)) == std::string::npos);
    }
}

/// A table of `rows` rows, without a database in between.
template <class World>
void make_numbers(World& world, int rows) {
    world.execute("CREATE TABLE numbers (id integer PRIMARY KEY, word text)");
    world.execute("INSERT INTO numbers SELECT i, 'word ' || i FROM (" + world.numbers(rows) +
                  ") AS n");
}

/// A query of `numbers` that takes seconds with a million rows.
inline page_request slow_request() {
    return {.filters = std::vector<filter>(100, filter{"word", "*o*d*"}), .sort = {}};
}

/// The largest that the memory of this process has been, in KiB.
inline long peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    }
    return 0;
}

/// What working on a page may take, in KiB. Sanitizers need memory of their own.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr long most_memory = 64 * 1024;
#else
inline constexpr long most_memory = 16 * 1024;
#endif

template <class World>
void check_a_million_rows(World& world) {
    make_numbers(world, 1'000'000);
    editor<World> e(world, "numbers");
    auto const before = peak_memory();

    auto const last = e.read({.page = 9'999, .filters = {}, .sort = {}});
    BOOST_TEST(last->total_rows == 1'000'000u);
    BOOST_TEST(parse_rows(*last).back().at("id") == 1'000'000);
    page_request const found{.page = 1,
                             .page_size = 10,
                             .filters = {{"word", "WORD *77*"}},
                             .sort = sort_order{"id", true}};
    auto const filtered = e.read(found);
    BOOST_TEST(filtered->total_rows == 45'739u); // numbers with two sevens side by side
    BOOST_TEST(parse_rows(*filtered).size() == 10u);
    page_request const sorted{
        .page = 0, .page_size = 1000, .filters = {}, .sort = sort_order{"word", true}};
    BOOST_TEST(parse_rows(*e.read(sorted)).front().at("id") == 999'999);
    // The table takes some 20 MB on the disk; its rows in this process would take much more.
    BOOST_TEST(peak_memory() - before < most_memory);

    // Stopped at its deadline, in the database too: the session's only connection is free again.
    auto const began = std::chrono::steady_clock::now();
    auto const late = e.read(slow_request(), within(200ms));
    BOOST_TEST(code_of(late) == "TIMED_OUT");
    BOOST_TEST((std::chrono::steady_clock::now() - began < 2s));
    BOOST_TEST(code_of(e.read(slow_request(), within(-1s))) == "TIMED_OUT");
    BOOST_TEST(code_of(e.read()) == "success");

    // Cancelled, while it runs, and before.
    auto const cancelled = within();
    std::jthread const canceller([&] {
        std::this_thread::sleep_for(100ms);
        cancelled->cancel();
    });
    BOOST_TEST(code_of(e.read(slow_request(), cancelled)) == "CANCELLED");
    BOOST_TEST(code_of(e.read({}, cancelled)) == "CANCELLED");
    BOOST_TEST((std::chrono::steady_clock::now() - began < 5s));

    // A slow one delays no other.
    auto const slow = within();
    auto reader =
        std::async(std::launch::async, [&] { return code_of(e.read(slow_request(), slow)); });
    std::this_thread::sleep_for(50ms);
    for (int i = 0; i < 10; ++i)
        BOOST_TEST(code_of(wait_for(e.db->tables(e.ns(), within(1s)))) == "success");
    slow->cancel();
    BOOST_TEST(reader.get() == "CANCELLED");
}

/// More at once than there are connections: those too many wait, and no more than may.
template <class World>
void check_waiting(World& world) {
    make_pets(world);
    editor<World> e(world, "pets");
    asio::io_context io(1);
    int answered = 0;
    int refused = 0;
    auto const request = page_request();
    for (int i = 0; i < 300; ++i) {
        asio::co_spawn(io, e.db->read_page(e.schema, request, within()),
                       [&](std::exception_ptr, outcome<page> const& o) {
                           ++(o ? answered : refused);
                           if (!o) BOOST_TEST(code_of(o) == "OVERLOADED");
                       });
    }
    io.run();
    BOOST_TEST(answered + refused == 300);
    BOOST_TEST(answered >= 100);
    BOOST_TEST(code_of(e.read()) == "success");
}

/// Writers of one row, all at once: each change is seen by the next, and none is lost.
template <class World>
void check_concurrent_changes(World& world) {
    make_pets(world);
    editor<World> e(world, "pets");
    asio::io_context io(1);
    int won = 0;
    int lost = 0;
    for (int i = 0; i < 20; ++i) {
        cell_update const change{{"id", 1}, "legs", 4, 100 + i};
        asio::co_spawn(io, e.db->update_cell(e.schema, change, within()),
                       [&](std::exception_ptr, outcome<void> const& o) {
                           if (!o) BOOST_TEST(code_of(o) == "CONFLICT", message_of(o));
                           ++(o ? won : lost);
                       });
    }
    io.run();
    BOOST_TEST(won == 1);
    BOOST_TEST(lost == 19);
}

} // namespace parley::test

/// Registers what every backend promises as test cases of the suite that it stands in, each with a
/// `World` of its own.
#define PARLEY_TEST_TABLES(World)                                                                  \
    BOOST_FIXTURE_TEST_CASE(lists_namespaces_and_tables, World) {                                  \
        check_listing(*this);                                                                      \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(describes_columns, World) {                                            \
        check_description(*this);                                                                  \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(pages_and_sorts, World) {                                              \
        check_paging(*this);                                                                       \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(filters, World) {                                                      \
        check_filters(*this);                                                                      \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(changes_rows, World) {                                                 \
        check_changes(*this);                                                                      \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(compares_values_not_their_spelling, World) {                           \
        check_spellings(*this);                                                                    \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(refuses_what_the_table_refuses, World) {                               \
        check_refusals(*this);                                                                     \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(changes_one_row_or_none, World) {                                      \
        check_compound_keys(*this);                                                                \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(tables_and_columns_may_be_called_anything, World) {                    \
        check_hostile_names(*this);                                                                \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(values_survive_the_round_trip, World) {                                \
        check_values(*this);                                                                       \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(values_are_json, World) {                                              \
        check_json(*this);                                                                         \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(lets_in_whoever_has_the_password, World) {                             \
        check_credentials(*this);                                                                  \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(operations_wait_for_a_connection, World) {                             \
        check_waiting(*this);                                                                      \
    }                                                                                              \
    BOOST_FIXTURE_TEST_CASE(concurrent_changes_conflict, World) {                                  \
        check_concurrent_changes(*this);                                                           \
    }
