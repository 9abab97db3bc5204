// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// InterSystems IRIS as a backend, against what stands in for it.
#include <parley/https_client.hpp>
#include <parley/tables/atelier_backend.hpp>
#include <tests/support/atelier_stand_in.hpp>
#include <tests/support/certificate.hpp>
#include <tests/support/run_task.hpp>
#include <tests/support/tables_suite.hpp>
#include <tests/support/temporary_directory.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace parley::tables::test {
namespace {

using namespace parley::test;
using namespace std::chrono_literals;
namespace data = boost::unit_test::data;
using clock_type = std::chrono::steady_clock;

static_assert(backend<atelier_backend<tls_connector>>);

page_request page_of(std::uint64_t number, std::size_t size,
                     std::optional<sort_order> sort = std::nullopt) {
    return {number, size, {}, std::move(sort)};
}

page_request matching(std::vector<filter> filters) {
    return {0, 100, std::move(filters), std::nullopt};
}

/// Who the stand-in lets in.
credentials system_user(std::uint16_t port) {
    credentials who;
    who.host = "127.0.0.1";
    who.port = port;
    who.ns = "USER";
    who.username = "_SYSTEM";
    who.password = secret("SYS");
    return who;
}

atelier_options options_for(std::uint16_t port, http_client_options http = {}) {
    return {.servers = {"127.0.0.1:" + std::to_string(port)}, .http = http};
}

/// A stand-in with a table, and a session with it on the test's thread.
struct iris_world {
    explicit iris_world(http_client_options http = {}) : backend(options_for(iris.port(), http)) {
        iris.user().do_beside("CREATE TABLE People (ID integer PRIMARY KEY AUTOINCREMENT, "
                              "Name varchar(50) NOT NULL COLLATE NOCASE, Age integer, "
                              "Paid numerictext(30,10) COLLATE decimal, Weight double, Here bit, "
                              "Photo varbinary(1000), Badge bigint UNIQUE)");
    }

    /// Rows `1` to `n` called `person 1` and so on.
    void fill(int n) {
        for (int i = 1; i <= n; ++i)
            iris.user().do_beside("INSERT INTO People (Name, Age) VALUES ('person " +
                                  std::to_string(i) + "', " + std::to_string(20 + i % 10) + ")");
    }

    auto open() { return run(io, backend.open(system_user(iris.port()), within())); }

    atelier_database<>& database() {
        if (!opened) opened = open().value();
        return *opened;
    }

    table_schema people() {
        return run(io, database().describe("USER", "SQLUser.People", within())).value();
    }

    outcome<page> read(page_request const& request, operation_ptr op = within()) {
        auto const table = people();
        return run(io, database().read_page(table, request, std::move(op)));
    }

    outcome<void> set(int id, std::string column, boost::json::value from, boost::json::value to,
                      operation_ptr op = within()) {
        auto const table = people();
        cell_update const update{{"ID", id}, std::move(column), std::move(from), std::move(to)};
        return run(io, database().update_cell(table, update, std::move(op)));
    }

    outcome<void> insert(std::vector<std::string> columns, std::vector<boost::json::value> values) {
        auto const table = people();
        new_row const row{std::move(columns), std::move(values)};
        return run(io, database().insert_row(table, row, within()));
    }

    outcome<void> remove(row_key const& row) {
        auto const table = people();
        return run(io, database().delete_row(table, row, within()));
    }

    std::string stored(std::string const& what, int id) {
        return iris.user().ask("SELECT " + what + " FROM People WHERE ID = " + std::to_string(id));
    }

    atelier_stand_in iris;
    asio::io_context io;
    atelier_backend<> backend;
    std::shared_ptr<atelier_database<>> opened;
};

/// The names on a page.
std::vector<std::string> names_on(page const& p) {
    std::vector<std::string> names;
    auto const rows = boost::json::parse(p.rows);
    for (auto const& row : rows.as_array())
        names.emplace_back(row.at("Name").as_string());
    return names;
}

std::ptrdiff_t count_starting(std::vector<std::string> const& all, std::string const& start) {
    return std::ranges::count_if(all, [&](auto const& r) { return r.starts_with(start); });
}

#define CHECK_FAILS(outcome, expected)                                                             \
    do {                                                                                           \
        auto const& o = (outcome);                                                                 \
        BOOST_TEST_REQUIRE(o.has_error());                                                         \
        BOOST_TEST(to_string(o.error().code) == to_string(failure_code::expected),                 \
                   o.error().message);                                                             \
        BOOST_TEST(o.error().message.find("127.0.0.1") == std::string::npos);                      \
        BOOST_TEST(o.error().message.find("SELECT") == std::string::npos);                         \
    } while (false)

} // namespace

BOOST_AUTO_TEST_SUITE(atelier_opening)

BOOST_AUTO_TEST_CASE(good_credentials_open_a_database) {
    iris_world world;
    auto const got = world.open();
    BOOST_TEST_REQUIRE(got.has_value());
    BOOST_TEST((*got)->version() == "IRIS for UNIX, a stand-in");
    BOOST_TEST(world.iris.requests() == (std::vector<std::string>{"GET /api/atelier/ "}),
               boost::test_tools::per_element());
    BOOST_TEST(run(world.io, (*got)->namespaces(within())).value() ==
                   (std::vector<std::string>{"%SYS", "USER"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(wrong_credentials_do_not) {
    iris_world world;
    auto who = system_user(world.iris.port());
    who.password = secret("guess");
    CHECK_FAILS(run(world.io, world.backend.open(who, within())), wrong_credentials);
    world.iris.misbehave(
        [](scripted_line& line, auto const&) { return line.answer("", "403 Forbidden"); });
    who.password = secret("SYS");
    CHECK_FAILS(run(world.io, world.backend.open(who, within())), wrong_credentials);
}

BOOST_AUTO_TEST_CASE(what_is_not_as_it_should_be_is_never_sent) {
    iris_world world;
    auto const refused = [&](std::function<void(credentials&)> const& change) {
        auto who = system_user(world.iris.port());
        change(who);
        CHECK_FAILS(run(world.io, world.backend.open(who, within())), invalid_input);
    };
    // Servers that the operator did not name, however they are written.
    refused([](auto& who) { who.host = "localhost"; });
    refused([](auto& who) { who.host = "127.1"; });
    refused([](auto& who) { who.host = "0x7f000001"; });
    refused([](auto& who) { who.host = "::ffff:127.0.0.1"; });
    refused([](auto& who) { who.host += "."; });
    refused([](auto& who) { who.host += "@evil.test"; });
    refused([](auto& who) { who.host += "\r\nX-Evil: yes"; });
    refused([](auto& who) { who.port = 1; });
    // Paths out of the API.
    refused([](auto& who) { who.path_prefix = "/api/atelier/../../csp/"; });
    refused([](auto& who) { who.path_prefix = "/api/%2e%2e/"; });
    refused([](auto& who) { who.path_prefix = "//evil.test/"; });
    refused([](auto& who) { who.path_prefix = "@evil.test/"; });
    refused([](auto& who) { who.path_prefix = "/ HTTP/1.1\r\nX-Evil: yes\r\n\r\nGET /"; });
    refused([](auto& who) { who.path_prefix = "/x?y="; });
    refused([](auto& who) { who.username = "a\r\nX-Evil: yes"; });
    refused([](auto& who) { who.username = "a:b"; });
    refused([](auto& who) { who.password = secret("a\nb"); });
    refused([](auto& who) { who.ns = "../USER"; });
    refused([](auto& who) { who.ns = ""; });
    BOOST_TEST(world.iris.server().connections() == 0);

    refused([](auto& who) { who.ns = "NOWHERE"; }); // which only the server knows
    BOOST_TEST(world.iris.requests().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_backend_without_servers_connects_to_none) {
    atelier_stand_in iris;
    asio::io_context io;
    atelier_backend<> none(atelier_options{});
    CHECK_FAILS(run(io, none.open(system_user(iris.port()), within())), invalid_input);
    BOOST_TEST(iris.server().connections() == 0);
    atelier_backend<> any({.servers = {"*"}});
    BOOST_TEST(run(io, any.open(system_user(iris.port()), within())).has_value());
}

BOOST_AUTO_TEST_CASE(the_api_may_be_elsewhere_on_its_server) {
    atelier_stand_in iris({.base = "/iris-2/api/atelier/"});
    asio::io_context io;
    auto options = options_for(iris.port());
    options.path_prefix = "/iris-2/api/atelier";
    atelier_backend<> configured(options);
    BOOST_TEST(run(io, configured.open(system_user(iris.port()), within())).has_value());

    atelier_backend<> usual(options_for(iris.port()));
    auto who = system_user(iris.port());
    CHECK_FAILS(run(io, usual.open(who, within())), unreachable);
    who.path_prefix = "/iris-2/api/atelier/";
    BOOST_TEST(run(io, usual.open(who, within())).has_value());

    options.path_prefix = "/a/../b";
    BOOST_CHECK_THROW(atelier_backend<>{options}, std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(nobody_and_the_silent_are_told_apart) {
    asio::io_context io;
    asio::ip::tcp::acceptor port(io, {asio::ip::address_v4::loopback(), 0});
    auto const number = port.local_endpoint().port();
    atelier_backend<> backend(options_for(number));
    CHECK_FAILS(run(io, backend.open(system_user(number), within(100ms))), timed_out);
    port.close();
    CHECK_FAILS(run(io, backend.open(system_user(number), within())), unreachable);
}

BOOST_DATA_TEST_CASE(something_else_than_the_api_is_unreachable,
                     data::make(std::vector<std::string>{
                         "<html>welcome</html>", "{}", "[]", R"({"status":{"errors":["x"]}})",
                         R"({"status":{"errors":[]},"result":{"content":[]}})",
                         R"({"status":{"errors":[]},"result":{"content":{"version":1}}})",
                         R"({"status":{"errors":[]},"result":{"content":{"version":"1",)"
                         R"("namespaces":[1]}}})"}),
                     body) {
    iris_world world;
    world.iris.misbehave([&](scripted_line& line, auto const&) { return line.answer(body); });
    CHECK_FAILS(world.open(), unreachable);
}

BOOST_AUTO_TEST_CASE(a_redirect_to_another_server_is_not_followed) {
    atelier_stand_in inner;
    iris_world world;
    world.iris.misbehave([&](scripted_line& line, auto const&) {
        return line.answer("", "307 Temporary Redirect",
                           "Location: http://127.0.0.1:" + std::to_string(inner.port()) +
                               "/api/atelier/\r\n");
    });
    CHECK_FAILS(world.open(), unreachable);
    BOOST_TEST(inner.server().connections() == 0);
}

BOOST_AUTO_TEST_CASE(https_is_spoken_where_it_is_asked_for) {
    temporary_directory const directory;
    server_certificate const files{directory / "cert.pem", directory / "key.pem"};
    make_certificate(files.certificate, files.key, "localhost");
    atelier_stand_in iris({.certificate = files});
    asio::io_context io;
    atelier_options const options{.servers = {"localhost:" + std::to_string(iris.port())}};
    auto who = system_user(iris.port());
    who.host = "localhost";
    who.use_https = true;

    atelier_backend<tls_connector> trusting(options,
                                            tls_connector({.authorities = files.certificate}));
    auto const got = run(io, trusting.open(who, within()));
    BOOST_TEST_REQUIRE(got.has_value());
    BOOST_TEST(run(io, (*got)->tables("USER", within())).has_value());

    atelier_backend<tls_connector> wary(options);
    CHECK_FAILS(run(io, wary.open(who, within())), unreachable);
    atelier_backend<> plain(options);
    CHECK_FAILS(run(io, plain.open(who, within())), unreachable);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(atelier_reading)

BOOST_AUTO_TEST_CASE(tables_are_listed_by_namespace) {
    iris_world world;
    world.iris.user().add_schema("Sample");
    world.iris.user().do_beside("CREATE TABLE Sample.Things (a text)");
    world.iris.user().do_beside("CREATE VIEW Sample.Seen AS SELECT a FROM Things");
    world.iris.sys().add_schema("Config");
    world.iris.sys().do_beside("CREATE TABLE Config.Startup (a text)");
    auto const names = run(world.io, world.database().tables("USER", within()));
    BOOST_TEST(names.value() == (std::vector<std::string>{"SQLUser.People", "Sample.Things"}),
               boost::test_tools::per_element());
    BOOST_TEST(run(world.io, world.database().tables("%SYS", within())).value() ==
                   std::vector<std::string>{"Config.Startup"},
               boost::test_tools::per_element());
    BOOST_TEST(world.iris.requests().back().starts_with(
        "POST /api/atelier/v1/%25SYS/action/query {\"query\":"));
    CHECK_FAILS(run(world.io, world.database().tables("NOWHERE", within())), not_found);
    CHECK_FAILS(run(world.io, world.database().tables("../USER", within())), not_found);
    BOOST_TEST(world.iris.requests().back().find("..") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_table_is_described) {
    iris_world world;
    auto const table = world.people();
    BOOST_TEST(table.ns == "USER");
    BOOST_TEST(table.name == "SQLUser.People");
    BOOST_TEST(table.columns.size() == 8u);
    BOOST_TEST(table.find("ID")->isPrimaryKey.value_or(false));
    BOOST_TEST(table.find("ID")->readOnly.value_or(false));
    BOOST_TEST(!table.find("Name")->nullable);
    BOOST_TEST(table.find("Name")->maxLength.value() == 50);
    BOOST_TEST(table.find("Paid")->scale.value() == 10);

    auto const same = run(world.io, world.database().describe("USER", "People", within()));
    BOOST_TEST(same.value().schema_part == "SQLUser");
    CHECK_FAILS(run(world.io, world.database().describe("USER", "Nothing", within())), not_found);
    CHECK_FAILS(run(world.io, world.database().describe("%SYS", "SQLUser.People", within())),
                not_found);
}

BOOST_AUTO_TEST_CASE(a_key_of_several_columns_is_found_in_its_order) {
    iris_world world;
    world.iris.user().do_beside(
        "CREATE TABLE Pairs (v text, a text, b integer, PRIMARY KEY (b, a))");
    auto const pairs = run(world.io, world.database().describe("USER", "Pairs", within())).value();
    BOOST_TEST(!pairs.find("v")->isPrimaryKey.has_value());
    BOOST_TEST(pairs.find("b")->key_position == 1);
    BOOST_TEST(pairs.find("a")->key_position == 2);
}

BOOST_AUTO_TEST_CASE(credentials_that_may_not_see_constraints_still_edit_by_the_identity) {
    iris_world world;
    world.iris.misbehave([](scripted_line& line, auto const& r) {
        if (r.body().find("TABLE_CONSTRAINTS") == std::string::npos) return false;
        return line.answer(R"({"status":{"errors":[{"error":"SQLCODE: -99"}]},"result":{}})");
    });
    BOOST_TEST(world.people().find("ID")->isPrimaryKey.value_or(false));
}

BOOST_AUTO_TEST_CASE(pages_neither_overlap_nor_leave_anything_out) {
    iris_world world;
    world.fill(25);
    std::vector<std::string> all;
    for (std::uint64_t i = 0; i < 4; ++i) {
        auto const p = world.read(page_of(i, 10, sort_order{"Age"})).value();
        BOOST_TEST(p.total_rows == 25u);
        auto const names = names_on(p);
        BOOST_TEST(names.size() == (i < 2 ? 10u : i == 2 ? 5u : 0u));
        all.insert(all.end(), names.begin(), names.end());
    }
    std::ranges::sort(all);
    BOOST_TEST((std::ranges::adjacent_find(all) == all.end()));
    BOOST_TEST(all.size() == 25u);
    auto const last = world.read(page_of(0, 1, sort_order{"ID", true})).value();
    BOOST_TEST(names_on(last) == std::vector<std::string>{"person 25"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(filters_are_wildcards_and_nothing_else) {
    iris_world world;
    world.fill(12);
    world.iris.user().do_beside(
        "INSERT INTO People (Name) VALUES ('100%'), ('1000'), ('a_c'), ('abc'), ('x\\y')");
    auto const found = [&](std::string const& pattern) {
        return names_on(world.read(matching({{"Name", pattern}})).value());
    };
    auto const check = [&](std::string const& pattern, std::vector<std::string> const& expected) {
        BOOST_TEST(found(pattern) == expected, boost::test_tools::per_element());
    };
    check("PERSON 1", {"person 1"});
    check("person 1?", {"person 10", "person 11", "person 12"});
    check("*N 2", {"person 2"});
    check("100%", {"100%"});
    check("a_c", {"a_c"});
    check("x\\y", {"x\\y"});
    check("' OR 1=1 --", {});
    auto const both = world.read(matching({{"Name", "person*"}, {"Age", "21"}})).value();
    BOOST_TEST(both.total_rows == 2u);
    CHECK_FAILS(world.read(matching({{"Name\" = 1 --", "x"}})), invalid_input);
    CHECK_FAILS(world.read(page_of(0, 10, sort_order{"nothing"})), invalid_input);
}

BOOST_AUTO_TEST_CASE(no_digit_and_no_byte_is_lost) {
    iris_world world;
    world.iris.user().do_beside(
        "INSERT INTO People VALUES (1, 'x', 9007199254740993, "
        "'12345678901234567890.0123456789', 0.1, 1, char(0, 255, 128), -9223372036854775807), "
        "(2, '\xC3\xBC \"q\"', 5, '1.50', NULL, 0, NULL, NULL)");
    auto const p = world.read({}).value();
    BOOST_TEST(p.rows == R"([{"ID":1,"Name":"x","Age":"9007199254740993",)"
                         R"("Paid":"12345678901234567890.0123456789","Weight":0.1,"Here":true,)"
                         R"("Photo":"AP+A","Badge":"-9223372036854775807"},)"
                         "{\"ID\":2,\"Name\":\"\xC3\xBC \\\"q\\\"\",\"Age\":5,\"Paid\":\"1.50\","
                         R"("Weight":null,"Here":false,"Photo":null,"Badge":null}])");
}

BOOST_AUTO_TEST_CASE(a_table_without_a_key_can_be_read) {
    iris_world world;
    world.iris.user().do_beside("CREATE TABLE Heap (Name text)");
    world.iris.user().do_beside("INSERT INTO Heap VALUES ('b'), ('a'), ('b')");
    auto const heap = run(world.io, world.database().describe("USER", "Heap", within())).value();
    auto const second = page_of(1, 2);
    auto const p = run(world.io, world.database().read_page(heap, second, within())).value();
    BOOST_TEST(p.total_rows == 3u);
    BOOST_TEST(names_on(p) == std::vector<std::string>{"b"}, boost::test_tools::per_element());
    // But not edited: its rows cannot be told apart.
    cell_update const update{{"Name", "a"}, "Name", "a", "c"};
    CHECK_FAILS(run(world.io, world.database().update_cell(heap, update, within())), invalid_input);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(atelier_editing)

BOOST_AUTO_TEST_CASE(a_cell_is_changed) {
    iris_world world;
    world.fill(2);
    BOOST_TEST(world.set(1, "Name", "person 1", "O'Brien \"x\"").has_value());
    BOOST_TEST(world.stored("Name", 1) == "O'Brien \"x\"");
    BOOST_TEST(world.set(1, "Name", "O'Brien \"x\"", "o'brien \"X\"").has_value());
    BOOST_TEST(world.set(1, "Paid", nullptr, "123456789012345678901.25").has_value());
    BOOST_TEST(world.stored("Paid", 1) == "123456789012345678901.25");
    BOOST_TEST(world.set(1, "Paid", "123456789012345678901.25", nullptr).has_value());
    BOOST_TEST(world.set(1, "Badge", nullptr, "9223372036854775807").has_value());
    BOOST_TEST(world.set(1, "Badge", "9223372036854775807", 7).has_value());
    BOOST_TEST(world.set(1, "Here", nullptr, true).has_value());
    BOOST_TEST(world.set(1, "Photo", nullptr, "AP+A").has_value());
    BOOST_TEST(world.set(1, "Photo", "AP+A", "").has_value());
    BOOST_TEST(world.set(1, "Weight", nullptr, 0.1).has_value());
    BOOST_TEST(world.set(1, "Weight", 0.1, 1e100).has_value());
    BOOST_TEST(world.stored("Name", 2) == "person 2");
}

BOOST_AUTO_TEST_CASE(a_cell_that_somebody_else_has_changed_is_a_conflict) {
    iris_world world;
    world.fill(1);
    CHECK_FAILS(world.set(1, "Name", "somebody", "me"), conflict);
    CHECK_FAILS(world.set(1, "Name", "PERSON 1", "me"), conflict); // by more than its case
    CHECK_FAILS(world.set(1, "Name", nullptr, "me"), conflict);
    CHECK_FAILS(world.set(1, "Paid", "", "1"), conflict);
    BOOST_TEST(world.stored("Name", 1) == "person 1");
    BOOST_TEST(count_starting(world.iris.requests(),
                              "POST /api/atelier/v1/USER/action/query {\"query\":\"UPDATE") == 0);
}

BOOST_AUTO_TEST_CASE(a_change_in_the_last_moment_is_never_overwritten) {
    iris_world world;
    world.fill(3);
    auto const beside = [&](std::string const& sql) {
        return [&world, sql] { world.iris.user().do_beside(sql); };
    };
    world.iris.interleave("UPDATE", beside("UPDATE People SET Name = 'theirs' "
                                           "WHERE ID = 1"));
    CHECK_FAILS(world.set(1, "Name", "person 1", "mine"), conflict);
    BOOST_TEST(world.stored("Name", 1) == "theirs");

    world.iris.interleave("UPDATE", beside("UPDATE People SET Name = 'PERSON 2' "
                                           "WHERE ID = 2"));
    CHECK_FAILS(world.set(2, "Name", "person 2", "mine"), conflict);
    BOOST_TEST(world.stored("Name", 2) == "PERSON 2");

    world.iris.interleave("UPDATE", beside("DELETE FROM People WHERE ID = 3"));
    CHECK_FAILS(world.set(3, "Name", "person 3", "mine"), not_found);
}

BOOST_AUTO_TEST_CASE(a_row_that_is_not_there_is_not_changed) {
    iris_world world;
    world.fill(1);
    CHECK_FAILS(world.set(99, "Name", "person 1", "x"), not_found);
    CHECK_FAILS(world.remove({"ID", 99}), not_found);
}

BOOST_AUTO_TEST_CASE(what_the_schema_does_not_allow_is_refused_before_it_is_sent) {
    iris_world world;
    world.fill(1);
    auto const asked = [&] { return count_starting(world.iris.requests(), "POST"); };
    world.people();
    auto const before = asked();
    CHECK_FAILS(world.set(1, "ID", 1, 2), invalid_input);
    CHECK_FAILS(world.set(1, "Age", nullptr, "old"), invalid_input);
    CHECK_FAILS(world.set(1, "Nothing", nullptr, 1), invalid_input);
    CHECK_FAILS(world.remove({"Name", "person 1"}), invalid_input);
    BOOST_TEST(asked() == before + 12); // four descriptions, of three queries each
}

BOOST_AUTO_TEST_CASE(more_than_one_row_is_never_changed) {
    iris_world world;
    world.iris.user().do_beside("CREATE TABLE Pairs (a text, b text, v text, "
                                "PRIMARY KEY (a, b))");
    world.iris.user().do_beside(
        "INSERT INTO Pairs VALUES ('x', '1', 'p'), ('x', '2', 'p'), ('y', '1', 'p')");
    auto const pairs = run(world.io, world.database().describe("USER", "Pairs", within())).value();
    cell_update const update{{"a", "x"}, "v", "p", "q"};
    CHECK_FAILS(run(world.io, world.database().update_cell(pairs, update, within())),
                invalid_input);
    row_key const both{"a", "x"};
    CHECK_FAILS(run(world.io, world.database().delete_row(pairs, both, within())), invalid_input);
    // Nor when the second comes in the last moment.
    world.iris.interleave(
        "DELETE", [&] { world.iris.user().do_beside("INSERT INTO Pairs VALUES ('y', '2', 'p')"); });
    row_key const one{"a", "y"};
    BOOST_TEST(run(world.io, world.database().delete_row(pairs, one, within())).has_error());
    BOOST_TEST(world.iris.user().ask("SELECT COUNT(*) FROM Pairs WHERE v = 'p'") == "4");
}

BOOST_AUTO_TEST_CASE(rows_are_inserted_and_deleted) {
    iris_world world;
    BOOST_TEST(world.insert({"ID", "Name", "Age"}, {nullptr, "new", 3}).has_value());
    BOOST_TEST(world.stored("Name", 1) == "new");
    BOOST_TEST(world.remove({"ID", 1}).has_value());
    BOOST_TEST(world.stored("Name", 1) == "(none)");
    CHECK_FAILS(world.insert({"Name", "Name"}, {"a", "b"}), invalid_input);
}

BOOST_AUTO_TEST_CASE(the_rules_of_the_database_are_its_own) {
    iris_world world;
    world.iris.user().do_beside(
        "CREATE TABLE Strict (k text PRIMARY KEY, v integer CHECK (v > 0))");
    BOOST_TEST(world.insert({"Name", "Badge"}, {"a", 1}).has_value());
    CHECK_FAILS(world.insert({"Name", "Badge"}, {"b", 1}), constraint_violated);
    CHECK_FAILS(world.insert({"Age"}, {1}), constraint_violated);
    BOOST_TEST(world.insert({"Name", "Badge"}, {"b", 2}).has_value());
    CHECK_FAILS(world.set(2, "Badge", 2, 1), constraint_violated);
    CHECK_FAILS(world.set(2, "Name", "b", nullptr), constraint_violated);
    auto const strict =
        run(world.io, world.database().describe("USER", "Strict", within())).value();
    new_row const bad{{"k", "v"}, {"a", 0}};
    CHECK_FAILS(run(world.io, world.database().insert_row(strict, bad, within())),
                constraint_violated);
}

BOOST_AUTO_TEST_CASE(a_value_that_the_database_keeps_in_its_own_form_is_a_success) {
    iris_world world;
    auto& user = world.iris.user();
    user.do_beside("CREATE TABLE Forms (id integer PRIMARY KEY, text varchar(50), "
                   "price numerictext(10,2), day date)");
    user.do_beside("INSERT INTO Forms VALUES (1, 'x', '1.00', '2026-01-01')");
    user.do_beside("CREATE TRIGGER own AFTER UPDATE ON Forms BEGIN UPDATE Forms SET "
                   "text = RTRIM(NEW.text), price = printf('%.2f', NEW.price), "
                   "day = REPLACE(NEW.day, '/', '-') WHERE id = NEW.id; END");
    auto const table = run(world.io, world.database().describe("USER", "Forms", within())).value();
    auto const set = [&](char const* column, boost::json::value from, boost::json::value to) {
        cell_update const update{{"id", 1}, column, std::move(from), std::move(to)};
        return run(world.io, world.database().update_cell(table, update, within()));
    };
    auto const stored = [&](std::string const& what) {
        return user.ask("SELECT " + what + " FROM Forms");
    };
    BOOST_TEST(message_of(set("text", "x", "blanks  ")) == "success");
    BOOST_TEST(stored("text") == "blanks");
    BOOST_TEST(message_of(set("text", "blanks", "  ")) == "success");
    BOOST_TEST(message_of(set("price", "1", "71.504")) == "success");
    BOOST_TEST(stored("price") == "71.50");
    BOOST_TEST(message_of(set("price", "71.5", "1.999")) == "success");
    BOOST_TEST(message_of(set("day", "2026-01-01", "2026/02/03")) == "success");
    BOOST_TEST(stored("day") == "2026-02-03");

    // What cannot be a form of the new value is somebody else's.
    world.iris.interleave("UPDATE", [&] { user.do_beside("UPDATE Forms SET text = 'theirs'"); });
    CHECK_FAILS(set("text", "", "mine"), conflict);
    world.iris.interleave("UPDATE", [&] { user.do_beside("UPDATE Forms SET price = '2.51'"); });
    CHECK_FAILS(set("price", "2.00", "2.5"), conflict);
    // And the old value has not been changed at all.
    user.do_beside("CREATE TRIGGER never BEFORE UPDATE ON Forms BEGIN SELECT RAISE(IGNORE); END");
    CHECK_FAILS(set("day", "2026-02-03", "2026/02/04"), conflict);
    BOOST_TEST(stored("text || price || day") == "theirs2.512026-02-03");
}

BOOST_AUTO_TEST_CASE(null_and_the_empty_text_are_two_values) {
    iris_world world;
    auto& user = world.iris.user();
    user.do_beside("CREATE TABLE Words (id integer PRIMARY KEY, word varchar(50))");
    user.do_beside("INSERT INTO Words VALUES (1, NULL)");
    auto const table = run(world.io, world.database().describe("USER", "Words", within())).value();
    auto const set = [&](boost::json::value from, boost::json::value to) {
        cell_update const update{{"id", 1}, "word", std::move(from), std::move(to)};
        return run(world.io, world.database().update_cell(table, update, within()));
    };
    auto const stored = [&] { return user.ask("SELECT quote(word) FROM Words WHERE id = 1"); };
    CHECK_FAILS(set("", "x"), conflict);
    BOOST_TEST(message_of(set(nullptr, "")) == "success");
    BOOST_TEST(stored() == "''");
    CHECK_FAILS(set(nullptr, "x"), conflict);
    BOOST_TEST(message_of(set("", nullptr)) == "success");
    BOOST_TEST(stored() == "NULL");
    new_row const row{{"id", "word"}, {2, ""}};
    BOOST_TEST(message_of(run(world.io, world.database().insert_row(table, row, within()))) ==
               "success");
    BOOST_TEST(user.ask("SELECT quote(word) FROM Words WHERE id = 2") == "''");
}

BOOST_AUTO_TEST_CASE(a_value_that_a_trigger_makes_another_is_told) {
    iris_world world;
    world.fill(1);
    world.iris.user().do_beside("CREATE TRIGGER shout AFTER UPDATE OF Name ON People "
                                "BEGIN UPDATE People SET Name = UPPER(NEW.Name) "
                                "WHERE ID = NEW.ID AND Name COLLATE BINARY <> UPPER(NEW.Name); "
                                "END");
    auto const told = world.set(1, "Name", "person 1", "me");
    CHECK_FAILS(told, conflict);
    BOOST_TEST(told.error().message.find("a rule of the database") != std::string::npos);
    BOOST_TEST(world.stored("Name", 1) == "ME");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(atelier_trouble)

namespace {

struct trouble {
    std::string name;
    std::function<bool(scripted_line&)> what;
    failure_code when_reading;
    failure_code when_changing;
    bool in_doubt;
    friend std::ostream& operator<<(std::ostream& out, trouble const& t) { return out << t.name; }
};

std::function<bool(scripted_line&)> answering(std::string body, std::string status = "200 OK",
                                              std::string type = "application/json") {
    return [=](scripted_line& line) {
        line.answer(body, status, "Content-Type: " + type + "\r\n");
        return true;
    };
}

std::string const no_errors = R"({"status":{"errors":[]},"result":{"content":)";

std::vector<trouble> troubles() {
    using enum failure_code;
    auto const unclear = [](std::string name, std::function<bool(scripted_line&)> what) {
        return trouble{std::move(name), std::move(what), database_error, database_error, true};
    };
    return {
        unclear("not JSON", answering("<html>oops</html>")),
        unclear("another type", answering(no_errors + "[]}}", "200 OK", "text/html")),
        unclear("deep JSON",
                answering(no_errors + std::string(40'000, '[') + std::string(40'000, ']') + "}}")),
        unclear("a member twice", answering(no_errors + R"([{"x":1,"x":2}]}})")),
        unclear("no UTF-8", answering(no_errors + "[{\"x\":\"\xFF\xFE\"}]}}")),
        unclear("half of it", answering(no_errors)),
        unclear("HTTP 500", answering("", "500 Internal Server Error")),
        {"HTTP 503", answering("busy", "503 Service Unavailable", "text/plain"), unreachable,
         unreachable, true},
        {"cut off",
         [](scripted_line& line) {
             line.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"sta");
             return true;
         },
         unreachable, unreachable, true},
        {"hung up", [](scripted_line&) { return true; }, unreachable, unreachable, true},
        {"huge",
         [](scripted_line& line) {
             line.write("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n");
             return true;
         },
         invalid_input, invalid_input, true},
        {"silent",
         [](scripted_line& line) {
             line.wait_for_end();
             return true;
         },
         timed_out, timed_out, true},
        {"another password", answering("", "401 Unauthorized"), wrong_credentials,
         wrong_credentials, false},
        {"forbidden", answering("", "403 Forbidden"), permission_denied, permission_denied, false},
        {"locked", answering(R"({"status":{"errors":[{"error":"SQLCODE: -110"}]},"result":{}})"),
         database_error, database_error, false},
        {"no right", answering(R"({"status":{"errors":[{"error":"SQLCODE: -99"}]},"result":{}})"),
         permission_denied, permission_denied, false},
        {"table gone",
         answering(R"({"status":{"errors":[{"error":"SQLCODE: -30"}]},"result":{}})",
                   "500 Internal Server Error"),
         not_found, not_found, false},
    };
}

} // namespace

BOOST_DATA_TEST_CASE(trouble_fails_one_operation_and_no_more, data::make(troubles()), bad) {
    iris_world world({.max_body = 100'000});
    world.fill(1);
    auto const table = world.people();
    world.iris.misbehave([&](scripted_line& line, auto const& r) {
        return r.body().starts_with("{\"query\":\"SELECT") && bad.what(line);
    });
    auto const read =
        run(world.io, world.database().read_page(table, page_request{}, within(300ms)));
    BOOST_TEST_REQUIRE(read.has_error());
    BOOST_TEST(to_string(read.error().code) == to_string(bad.when_reading), read.error().message);

    world.iris.misbehave([&](scripted_line& line, auto const& r) {
        return r.body().starts_with("{\"query\":\"UPDATE") && bad.what(line);
    });
    cell_update const update{{"ID", 1}, "Name", "person 1", "new"};
    auto const changed = run(world.io, world.database().update_cell(table, update, within(300ms)));
    BOOST_TEST_REQUIRE(changed.has_error());
    BOOST_TEST(to_string(changed.error().code) == to_string(bad.when_changing),
               changed.error().message);
    bool const told = changed.error().message.find("not known whether") != std::string::npos;
    BOOST_TEST(told == bad.in_doubt, changed.error().message);
    BOOST_TEST(count_starting(world.iris.requests(),
                              "POST /api/atelier/v1/USER/action/query {\"query\":\"UPDATE") == 1);

    world.iris.behave();
    BOOST_TEST(world.set(1, "Name", "person 1", "new").has_value());
}

BOOST_AUTO_TEST_CASE(more_rows_than_asked_for_are_not_taken) {
    iris_world world;
    auto const table = world.people();
    world.iris.misbehave([](scripted_line& line, auto const& r) {
        if (r.body().find("TOP") == std::string::npos) return false;
        std::string rows;
        for (int i = 0; i < 3; ++i)
            rows += std::string(i > 0 ? "," : "") +
                    R"({"ID":1,"Name":"x","Age":1,"Paid":1,"Weight":1,"Here":1,"Photo":"",)"
                    R"("Badge":1})";
        return line.answer(no_errors + "[" + rows + "]}}");
    });
    auto const two = page_of(0, 2);
    CHECK_FAILS(run(world.io, world.database().read_page(table, two, within())), database_error);
}

BOOST_AUTO_TEST_CASE(chunked_answers_are_taken) {
    iris_world world;
    auto const table = world.people();
    world.iris.misbehave([](scripted_line& line, auto const& r) {
        if (r.body().find("COUNT") == std::string::npos) return false;
        return line.write("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n"
                          "21\r\n{\"status\":{\"errors\":[]},\"result\":\r\n"
                          "1c\r\n{\"content\":[{\"total\":4242}]}\r\n1\r\n}\r\n0\r\n\r\n");
    });
    auto const p = run(world.io, world.database().read_page(table, page_request{}, within()));
    BOOST_TEST(p.value().total_rows == 4242u);
}

BOOST_AUTO_TEST_CASE(a_connection_that_was_closed_while_it_rested_costs_nothing) {
    iris_world world;
    world.fill(1);
    world.people();
    // The server hangs up after each answer, without having said so.
    world.iris.misbehave([](scripted_line& line, auto const& r) {
        return r.body().starts_with("{\"query\":\"SELECT COLUMN_NAME") &&
               line.answer(no_errors + R"([{"COLUMN_NAME":"ID","DATA_TYPE":"bigint"}]}})");
    });
    BOOST_TEST(run(world.io, world.database().describe("USER", "People", within())).has_value());
    world.iris.behave();
    BOOST_TEST(world.set(1, "Name", "person 1", "new").has_value());
}

BOOST_AUTO_TEST_CASE(a_cancelled_operation_ends_at_once) {
    iris_world world;
    auto const table = world.people();
    std::promise<void> asked;
    world.iris.misbehave([&](scripted_line& line, auto const&) {
        asked.set_value();
        line.wait_for_end();
        return true;
    });
    auto const op = within();
    std::jthread user([&] {
        asked.get_future().wait();
        op->cancel();
    });
    auto const began = clock_type::now();
    CHECK_FAILS(run(world.io, world.database().read_page(table, page_request{}, op)), cancelled);
    BOOST_TEST((clock_type::now() - began < 5s));
    // One that was cancelled before is not begun.
    auto const before = world.iris.requests().size();
    CHECK_FAILS(run(world.io, world.database().read_page(table, page_request{}, op)), cancelled);
    BOOST_TEST(world.iris.requests().size() == before);
}

BOOST_AUTO_TEST_CASE(a_slow_operation_delays_no_other) {
    iris_world world({.max_connections = 2});
    world.fill(1);
    auto const table = world.people();
    world.iris.misbehave([](scripted_line& line, auto const& r) {
        if (r.body().find("Weight") == std::string::npos) return false;
        line.wait_for_end();
        return true;
    });
    bool slow_over = false;
    page_request const all;
    auto slow = world.database().read_page(table, all, within(2s));
    asio::co_spawn(world.io, std::move(slow),
                   [&](std::exception_ptr const&, outcome<page> const&) { slow_over = true; });
    BOOST_TEST(run(world.io, world.database().tables("USER", within(1s))).has_value());
    BOOST_TEST(!slow_over);
    run_until(world.io, [&] { return slow_over; });
}

BOOST_AUTO_TEST_CASE(a_session_is_shared_by_all_threads) {
    iris_world world({.max_connections = 2});
    world.fill(3);
    auto const table = world.people();
    std::atomic<int> good = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                asio::io_context io;
                for (int i = 0; i < 10; ++i) {
                    auto const got =
                        run(io, world.database().read_page(table, page_request{}, within()));
                    if (got && got->total_rows == 3) ++good;
                }
            });
    }
    BOOST_TEST(good == 40);
}

BOOST_AUTO_TEST_CASE(a_session_that_goes_leaves_no_connection) {
    iris_world world;
    world.people();
    BOOST_TEST(world.iris.server().open() == 1);
    std::thread([&] { world.opened.reset(); }).join();
    run_until(world.io, [&] { return world.iris.server().open() == 0; });
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

/// The world of the tests that all backends share.
struct shared_world {
    using backend_type = atelier_backend<>;
    static constexpr char const* schema = "SQLUser";
    static constexpr char const* default_schema = schema;
    static constexpr char const* real = "double";
    static constexpr char const* boolean = "bit";
    static constexpr char const* blob = "varbinary";

    atelier_stand_in iris;
    // Each of the suite's operations has a context of its own, and waits for what rests on it.
    atelier_backend<> backend{options_for(iris.port(), {.idle_timeout = 0ms})};

    [[nodiscard]] credentials who() const { return system_user(iris.port()); }
    void execute(std::string const& sql) { iris.user().do_beside(sql); }
    static std::string numbers(int n) {
        return "WITH RECURSIVE counting(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counting "
               "WHERE i < " +
               std::to_string(n) + ") SELECT i FROM counting";
    }
    /// A text with a character for each byte.
    static std::string bytes(std::string const& hex) {
        std::string text;
        for (std::size_t i = 0; i < hex.size(); i += 2)
            text += (text.empty() ? "char(0x" : ", 0x") + hex.substr(i, 2);
        return text + ')';
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(atelier_shared, shared_world)

PARLEY_TEST_TABLES(shared_world)

BOOST_AUTO_TEST_SUITE_END()

} // namespace parley::tables::test
