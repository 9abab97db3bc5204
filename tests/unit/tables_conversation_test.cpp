// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The table editor's WebSocket, command by command (table editor specification, §2).

#include <tests/support/memory_peer.hpp>
#include <tests/support/memory_tables.hpp>

#include <parley/admission/unlimited_admission.hpp>
#include <parley/server.hpp>
#include <parley/tables/conversation.hpp>

#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <tuple>
#include <vector>

using namespace parley;
using namespace std::chrono_literals;
using test::memory_peer;

namespace {

/// A table editor over a database in memory, with one login.
struct editor : test::memory_world {
    using conversation_type = tables::conversation<test::memory_backend>;
    using verifier_type = tables::login_verifier<test::memory_backend>;
    using server_type = basic_handshake_server<conversation_type, memory_transport,
                                               unlimited_admission, verifier_type>;

    std::shared_ptr<test::memory_tables> world = std::make_shared<test::memory_tables>();
    verifier_type logins{{.timeout = 30min, .now = [this] { return transport.now(); }}};
    std::vector<std::string> logged;
    server_type server;
    std::string token;

    explicit editor(conversation_type::options o = {})
        : server(with_log(), conversation_type(std::move(o)), transport, unlimited_admission(),
                 logins) {
        BOOST_TEST_REQUIRE(server.start(io, memory_transport::endpoint_type{}).has_value());
        settle();
        token = log_in();
    }

    ~editor() {
        asio::co_spawn(io, server.async_stop(0s), asio::detached);
        settle();
        advance(1min);
        BOOST_TEST(server.connections() == 0u);
        logins.end_all();
        BOOST_TEST(world->open_databases == 0);
    }

    server_options with_log() {
        server_options options;
        options.log = [this](severity, std::string_view text) { logged.emplace_back(text); };
        return options;
    }

    std::string log_in() {
        return *logins.begin(
            {"db.test:1972", "clinic", "ada", {}, std::make_shared<test::memory_database>(world)});
    }

    [[nodiscard]] std::string path() const { return "/ws?token=" + token; }

    /// The status for a page of that origin, whose browser has the login's cookie.
    std::string upgrade_from(std::string const& origin) {
        memory_peer peer(*this);
        peer.read_raw();
        peer.send_raw("GET /ws HTTP/1.1\r\nHost: tables.test:8080\r\nConnection: Upgrade\r\n"
                      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                      "dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " +
                      origin + "\r\nCookie: iris_session=" + token + "\r\n\r\n");
        return peer.raw().substr(std::string("HTTP/1.1 ").size(), 3);
    }
};

/// A browser that is logged in.
struct client : memory_peer {
    explicit client(editor& to) : memory_peer(to, to.path(), "192.0.2.1") {
        BOOST_TEST_REQUIRE(upgraded());
    }

    void command(std::string const& name, std::string const& payload = "{}") {
        send(R"({"command":")" + name + R"(","payload":)" + payload + "}");
    }

    /// The next event is this one, and the last so far.
    void expect(std::string const& event) { BOOST_TEST(take() == event); }

    void select() {
        command("selectTable", R"({"namespace":"clinic","tableName":"main.people"})");
        while (!take().empty()) {
        }
    }
};

std::string error(std::string const& code, std::string const& context, std::string const& message) {
    return R"({"event":"error","payload":{"message":)" + message + R"(,"code":")" + code +
           R"(","recoverable":true,"context":")" + context + R"("}})";
}

} // namespace

BOOST_AUTO_TEST_SUITE(tables_conversation)

// ---- The upgrade --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_a_login_the_upgrade_is_answered_with_401) {
    editor e;
    BOOST_TEST(memory_peer(e, "/ws", "192.0.2.1").refused_with() == 401u);
    BOOST_TEST(memory_peer(e, "/ws?token=" + std::string(43, 'A'), "192.0.2.1").refused_with() ==
               401u);
}

BOOST_AUTO_TEST_CASE(in_close_mode_it_is_accepted_and_closed_with_4001) {
    editor e({.close_mode = true});
    memory_peer stranger(e, "/ws?token=x", "192.0.2.1");
    BOOST_TEST(stranger.upgraded());
    BOOST_TEST(stranger.closed_with().value() == 4001);
    BOOST_TEST(stranger.close_text() == "Unauthorized");
}

BOOST_AUTO_TEST_CASE(the_cookie_is_as_good_as_the_query_and_counts_first) {
    editor e;
    auto const stale = "iris_session=" + std::string(43, 'A');
    for (auto const& [cookie, query, upgraded] :
         std::vector<std::tuple<std::string, std::string, bool>>{
             {"iris_session=" + e.token, "", true},
             {"a=b; iris_session=" + e.token, "", true},
             {"iris_session=" + e.token, "?token=wrong", true},
             {"iris_session=wrong", "", false},
             {"iris_session=wrong", "?token=wrong", false},
             {"iris_session=", "?token=" + e.token, true},
             {stale, "?token=" + e.token, true}, // as left by an earlier login
             {"xiris_session=" + e.token, "", false}}) {
        memory_peer peer(e);
        peer.read_raw();
        peer.send_raw("GET /ws" + query +
                      " HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                      "dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: " +
                      cookie + "\r\n\r\n");
        BOOST_TEST(peer.raw().starts_with("HTTP/1.1 101") == upgraded, cookie + query);
    }
}

BOOST_AUTO_TEST_CASE(a_page_of_another_origin_cannot_ride_the_cookie) {
    editor e;
    BOOST_TEST(e.upgrade_from("http://tables.test:8080") == "101");
    BOOST_TEST(e.upgrade_from("https://tables.test:8080") == "101");
    BOOST_TEST(e.upgrade_from("http://tables.test") == "403");
    BOOST_TEST(e.upgrade_from("http://evil.test") == "403");
    BOOST_TEST(e.upgrade_from("null") == "403");
}

BOOST_AUTO_TEST_CASE(origins_that_are_allowed_take_the_place_of_the_servers_own) {
    editor e({.allowed_origins = {"https://app.test", "http://other.test:81"}});
    BOOST_TEST(e.upgrade_from("https://app.test") == "101");
    BOOST_TEST(e.upgrade_from("http://other.test:81") == "101");
    BOOST_TEST(e.upgrade_from("http://app.test") == "403");
    BOOST_TEST(e.upgrade_from("http://tables.test:8080") == "403");
    BOOST_TEST(memory_peer(e, e.path(), "192.0.2.1").upgraded()); // no browser
}

// ---- Commands -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_connection_tells_what_it_is_connected_to) {
    editor e;
    client c(e);
    c.command("getServerList");
    c.expect(R"({"event":"serverList","payload":{"servers":["db.test:1972"]}})");
    for (auto const* name : {"selectServer", "disconnect", "cancelConnection", "openServerManager",
                             "installServerManager"}) {
        c.command(name);
        c.expect(
            R"({"event":"connectionStatus","payload":{"connected":true,"serverName":"db.test:1972"}})");
    }
    c.send(R"({"command":"getNamespaces"})"); // without a payload
    c.expect(R"({"event":"namespaceList","payload":{"namespaces":["archive","clinic"]}})");
    for (auto const* name : {"getTables", "selectNamespace"}) {
        c.command(name, R"({"namespace":"clinic"})");
        c.expect(
            R"({"event":"tableList","payload":{"tables":["main.people"],"namespace":"clinic"}})");
    }
}

BOOST_AUTO_TEST_CASE(a_selected_table_is_described_and_its_first_page_read) {
    editor e;
    client c(e);
    for (auto const* name : {"selectTable", "openTable"}) {
        c.command(name, R"({"namespace":"clinic","tableName":"main.people"})");
        c.expect(R"({"event":"tableSelected","payload":{"tableName":"main.people"}})");
        c.expect(
            R"({"event":"tableSchema","payload":{"tableName":"main.people","namespace":"clinic",)"
            R"("serverName":"db.test:1972","columns":[)"
            R"({"name":"id","dataType":"INTEGER","nullable":false,"isPrimaryKey":true},)"
            R"({"name":"name","dataType":"TEXT","nullable":true}]}})");
        c.expect(R"({"event":"tableLoading","payload":{"loading":false,"context":""}})");
        c.expect(R"({"event":"tableData","payload":{"rows":[{"id":1,"name":"Ada"},)"
                 R"({"id":2,"name":"Grace"},{"id":3,"name":"Edsger"}],)"
                 R"("totalRows":3,"page":0,"pageSize":100}})");
        c.expect("");
    }
}

BOOST_AUTO_TEST_CASE(pages_are_asked_for_by_number_or_by_direction) {
    editor e;
    client c(e);
    c.select();
    auto const page = [&](std::string const& rows, int number) {
        c.expect(R"({"event":"tableData","payload":{"rows":[)" + rows +
                 R"(],"totalRows":3,"page":)" + std::to_string(number) + R"(,"pageSize":1}})");
    };
    std::string const ada = R"({"id":1,"name":"Ada"})", grace = R"({"id":2,"name":"Grace"})";
    c.command("requestData", R"({"page":1,"pageSize":1})");
    page(grace, 1);
    c.command("refresh", R"({"page":0,"pageSize":1})");
    page(ada, 0);
    c.command("paginate", R"({"direction":"next","currentPage":0,"pageSize":1})");
    page(grace, 1);
    c.command("paginate", R"({"direction":"prev","currentPage":1,"pageSize":1})");
    page(ada, 0);
    c.command("paginatePrev", R"({"direction":"prev","currentPage":0,"pageSize":1})"); // the first
    page(ada, 0);
    c.command("paginateNext", R"({"currentPage":5,"pageSize":1})"); // beyond the last
    page("", 6);
}

BOOST_AUTO_TEST_CASE(filters_and_order_reach_the_database_and_empty_filters_do_not) {
    editor e;
    client c(e);
    c.select();
    c.command("refreshData", R"({"filters":[{"column":"name","value":"A*"},)"
                             R"({"column":"id","value":""},{"column":"id","value":null}],)"
                             R"("sortColumn":"name","sortDirection":"DESC"})");
    auto const& request = e.world->last_request;
    BOOST_TEST_REQUIRE(request.filters.size() == 1u);
    BOOST_TEST(request.filters[0].column == "name");
    BOOST_TEST(request.filters[0].pattern == "A*");
    BOOST_TEST_REQUIRE(request.sort.has_value());
    BOOST_TEST(request.sort->column == "name");
    BOOST_TEST(request.sort->descending);
    BOOST_TEST(request.page == 0u);
    BOOST_TEST(request.page_size == 100u);
}

BOOST_AUTO_TEST_CASE(a_saved_cell_is_confirmed_with_what_was_asked) {
    editor e;
    client c(e);
    c.select();
    for (auto const* name : {"saveCell", "updateRow"}) {
        std::string const was = e.world->people[1].name;
        std::string const members =
            R"("rowIndex":1,"colIndex":1,"columnName":"name","oldValue":")" + was +
            R"(","newValue":"G)" + was + R"(","primaryKeyColumn":"id","primaryKeyValue":2)";
        c.command(name, "{" + members + "}");
        c.expect(R"({"event":"saveCellResult","payload":{"success":true,)" + members + "}}");
        BOOST_TEST(e.world->people[1].name == "G" + was);
    }
}

BOOST_AUTO_TEST_CASE(a_cell_that_changed_meanwhile_is_a_conflict_and_a_row_that_went_is_not_found) {
    editor e;
    client c(e);
    c.select();
    std::string const one = R"("rowIndex":0,"colIndex":1,"columnName":"name","oldValue":"Eve",)"
                            R"("newValue":"X","primaryKeyColumn":"id","primaryKeyValue":)";
    c.command("saveCell", "{" + one + "1}");
    c.expect(R"({"event":"saveCellResult","payload":{"success":false,)" + one +
             R"(1,"error":{"message":"changed meanwhile","code":"CONFLICT"}}})");
    c.command("saveCell", "{" + one + "9}");
    c.expect(R"({"event":"saveCellResult","payload":{"success":false,)" + one +
             R"(9,"error":{"message":"no such row","code":"NOT_FOUND"}}})");
    BOOST_TEST(e.world->people[0].name == "Ada");
}

BOOST_AUTO_TEST_CASE(a_value_that_is_left_out_is_not_null) {
    editor e;
    client c(e);
    c.select();
    std::string const all = R"("rowIndex":0,"colIndex":1,"columnName":"name",)"
                            R"("primaryKeyColumn":"id")";
    for (auto const& [more, member] : std::vector<std::tuple<std::string, std::string>>{
             {R"(,"oldValue":"Ada","primaryKeyValue":1)", "newValue"},
             {R"(,"newValue":"Ada","primaryKeyValue":1)", "oldValue"},
             {R"(,"oldValue":"Ada","newValue":"Eve")", "primaryKeyValue"}}) {
        c.command("saveCell", "{" + all + more + "}");
        c.expect(error("INVALID_INPUT", "saveCell",
                       "\"" + member + ": expected a value, or null for NULL, found nothing\""));
    }
    c.command("deleteRow", R"({"rowIndex":0,"primaryKeyColumn":"id"})");
    c.expect(error("INVALID_INPUT", "deleteRow",
                   R"("primaryKeyValue: expected a value, or null for NULL, found nothing")"));
    BOOST_TEST(e.world->people[0].name == "Ada");
}

BOOST_AUTO_TEST_CASE(a_table_that_cannot_be_selected_leaves_none_selected) {
    editor e;
    client c(e);
    c.select();
    c.command("selectTable", R"({"namespace":"clinic","tableName":"main.nothing"})");
    c.expect(error("NOT_FOUND", "selectTable", R"("no such table")"));
    c.command("deleteRow", R"({"rowIndex":0,"primaryKeyColumn":"id","primaryKeyValue":1})");
    c.expect(error("INVALID_INPUT", "deleteRow", R"("No table selected")"));
    BOOST_TEST(e.world->people.size() == 3u);
}

BOOST_AUTO_TEST_CASE(rows_are_inserted_and_deleted) {
    editor e;
    client c(e);
    c.select();
    c.command("insertRow", R"({"newRowIndex":3,"columns":["id","name"],"values":[4,"Alan"]})");
    c.expect(R"({"event":"insertRowResult","payload":{"success":true,"newRowIndex":3}})");
    BOOST_TEST(e.world->people.back().name == "Alan");
    c.command("deleteRow", R"({"rowIndex":3,"primaryKeyColumn":"id","primaryKeyValue":4})");
    c.expect(R"({"event":"deleteRowResult","payload":{"success":true,"rowIndex":3}})");
    c.command("deleteRow", R"({"rowIndex":3,"primaryKeyColumn":"id","primaryKeyValue":4})");
    c.expect(R"({"event":"deleteRowResult","payload":{"success":false,"rowIndex":3,)"
             R"("error":{"message":"no such row","code":"NOT_FOUND"}}})");
}

// ---- Errors -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_is_no_command_is_an_error_and_the_connection_stays) {
    editor e;
    client c(e);
    auto const code_of = [&](std::string const& text) {
        c.send(text);
        auto const answer = c.take();
        BOOST_TEST_REQUIRE(!answer.empty(), text.substr(0, 40));
        auto const event = boost::json::parse(answer);
        BOOST_TEST(event.at("event").as_string() == "error");
        BOOST_TEST(event.at("payload").at("recoverable").as_bool());
        return std::string(event.at("payload").at("code").as_string());
    };
    BOOST_TEST(code_of("") == "INVALID_JSON");
    BOOST_TEST(code_of("{") == "INVALID_JSON");
    BOOST_TEST(code_of("{} {}") == "INVALID_JSON");
    BOOST_TEST(code_of(std::string(5000, '[')) == "INVALID_JSON");
    BOOST_TEST(code_of("[]") == "INVALID_MESSAGE");
    BOOST_TEST(code_of("{}") == "INVALID_MESSAGE");
    BOOST_TEST(code_of(R"({"command":7})") == "INVALID_MESSAGE");
    BOOST_TEST(code_of(R"({"command":"dropTable"})") == "UNKNOWN_COMMAND");
    BOOST_TEST(code_of(R"({"command":"getTables"})") == "INVALID_INPUT");
    BOOST_TEST(code_of(R"({"command":"getTables","payload":[]})") == "INVALID_INPUT");
    c.send_binary("{}");
    BOOST_TEST(c.take().find("INVALID_MESSAGE") != std::string::npos);
    c.command("getServerList");
    BOOST_TEST(c.take().starts_with(R"({"event":"serverList")"));
}

BOOST_AUTO_TEST_CASE(a_command_without_end_is_not_echoed) {
    editor e;
    client c(e);
    c.command(std::string(50'000, 'x'));
    auto const answer = c.take();
    BOOST_TEST(answer.find("UNKNOWN_COMMAND") != std::string::npos);
    BOOST_TEST(answer.size() < 1000u);
}

BOOST_AUTO_TEST_CASE(a_bug_in_the_backend_ends_the_connection_and_its_cause_is_logged) {
    editor e;
    client c(e), other(e);
    e.world->defect = true;
    c.command("getNamespaces");
    BOOST_TEST(c.closed_with().value() == 1011);
    BOOST_TEST_REQUIRE(e.logged.size() == 1u);
    BOOST_TEST(e.logged[0].ends_with("failed: the cause"), e.logged[0]);
    BOOST_TEST(!other.closed_with());
}

BOOST_AUTO_TEST_CASE(without_a_table_there_is_nothing_to_read_or_change) {
    editor e;
    client c(e);
    for (auto const& [command, payload] : std::vector<std::tuple<std::string, std::string>>{
             {"requestData", "{}"},
             {"refreshData", "{}"},
             {"paginateNext", R"({"currentPage":0,"pageSize":1})"},
             {"saveCell", R"({"rowIndex":0,"colIndex":1,"columnName":"name","oldValue":"Ada",)"
                          R"("newValue":"Eve","primaryKeyColumn":"id","primaryKeyValue":1})"},
             {"insertRow", R"({"newRowIndex":0,"columns":[],"values":[]})"},
             {"deleteRow", R"({"rowIndex":0,"primaryKeyColumn":"id","primaryKeyValue":1})"}}) {
        c.command(command, payload);
        c.expect(error("INVALID_INPUT", command, R"("No table selected")"));
    }
}

BOOST_AUTO_TEST_CASE(requests_out_of_range_name_what_is_allowed) {
    editor e;
    client c(e);
    c.select();
    for (auto const& [payload, message] : std::vector<std::tuple<std::string, std::string>>{
             {R"({"pageSize":1001})",
              "pageSize: expected a whole number from 1 to 1000, found 1001"},
             {R"({"pageSize":0})", "pageSize: expected a whole number from 1 to 1000, found 0"},
             {R"({"page":-1})",
              "page: expected a whole number from 0 to 18446744073709551615, found -1"},
             {R"({"sortColumn":"x"})", "sortColumn: expected a column of main.people, found \"x\""},
             {R"({"sortColumn":"id","sortDirection":"up"})",
              "sortDirection: expected \"asc\" or \"desc\", found \"up\""},
             {R"({"filters":[{"column":"x","value":"1"}]})",
              "filters: expected a column of main.people, found \"x\""},
             {R"({"filters":{}})", "filters: expected an array, found an object"}}) {
        c.command("requestData", payload);
        auto const text = boost::json::serialize(boost::json::value(message));
        c.expect(error("INVALID_INPUT", "requestData", text));
    }
    for (auto const& [payload, message] : std::vector<std::tuple<std::string, std::string>>{
             {R"({"direction":"up","currentPage":0,"pageSize":1})",
              R"(direction: expected "next" or "prev", found "up")"},
             {R"({"currentPage":0,"pageSize":1})",
              R"(direction: expected "next" or "prev", found nothing)"},
             {R"({"direction":"next","currentPage":1000000000001,"pageSize":1})",
              "currentPage: expected a whole number from 0 to 1000000000000, found 1000000000001"},
             {R"({"direction":"next","currentPage":0,"pageSize":0})",
              "pageSize: expected a whole number from 1 to 1000, found 0"},
             {R"({"direction":"prev","currentPage":1,"pageSize":1001})",
              "pageSize: expected a whole number from 1 to 1000, found 1001"}}) {
        c.command("paginate", payload);
        auto const text = boost::json::serialize(boost::json::value(message));
        c.expect(error("INVALID_INPUT", "paginate", text));
    }
    c.command("insertRow", R"({"newRowIndex":3,"columns":["id","name"],"values":[4]})");
    c.expect(error("INVALID_INPUT", "insertRow",
                   R"("values: expected as many as columns, 2, found 1")"));
    BOOST_TEST((e.world->done == std::vector<std::string>{"describe main.people", "read_page"}));
}

BOOST_AUTO_TEST_CASE(filters_without_end_are_refused) {
    editor e;
    client c(e);
    c.select();
    std::string filters = R"({"column":"id","value":"1"})";
    for (int i = 1; i < 100; ++i)
        filters += R"(,{"column":"id","value":"1"})";
    c.command("requestData", R"({"filters":[)" + filters + "]}");
    BOOST_TEST(c.take().starts_with(R"({"event":"tableData")"));
    BOOST_TEST(e.world->last_request.filters.size() == 100u);
    c.command("requestData", R"({"filters":[)" + filters + R"(,{"column":"id","value":"1"}]})");
    c.expect(
        error("INVALID_INPUT", "requestData", R"("filters: expected at most 100, found 101")"));
}

BOOST_AUTO_TEST_CASE(a_failure_of_the_database_is_told_and_the_connection_stays) {
    editor e;
    client c(e);
    e.world->next_failure = tables::failure{tables::failure_code::unreachable, "gone"};
    c.command("getNamespaces");
    c.expect(error("UNREACHABLE", "getNamespaces", R"("gone")"));
    c.command("selectTable", R"({"namespace":"clinic","tableName":"main.nothing"})");
    c.expect(error("NOT_FOUND", "selectTable", R"("no such table")"));
    c.command("getNamespaces");
    BOOST_TEST(c.take().find("namespaceList") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(failures_of_a_backend_keep_their_code_and_their_words) {
    using enum tables::failure_code;
    editor e;
    client c(e);
    c.select();
    std::string const change = R"("rowIndex":0,"colIndex":1,"columnName":"name","oldValue":"Ada",)"
                               R"("newValue":"Eve","primaryKeyColumn":"id","primaryKeyValue":1)";
    for (auto const& [code, name] : std::vector<std::tuple<tables::failure_code, std::string>>{
             {constraint_violated, "CONSTRAINT_VIOLATED"},
             {permission_denied, "PERMISSION_DENIED"},
             {timed_out, "TIMED_OUT"},
             {overloaded, "OVERLOADED"},
             {database_error, "DATABASE_ERROR"}}) {
        tables::failure const why{code, "why \"it\" failed"};
        std::string const message = R"("why \"it\" failed")";
        std::string const as_result =
            R"("error":{"message":)" + message + R"(,"code":")" + name + R"("}}})";
        e.world->next_failure = why;
        c.command("requestData");
        c.expect(error(name, "requestData", message));
        e.world->next_failure = why;
        c.command("saveCell", "{" + change + "}");
        c.expect(R"({"event":"saveCellResult","payload":{"success":false,)" + change + "," +
                 as_result);
        e.world->next_failure = why;
        c.command("insertRow", R"({"newRowIndex":3,"columns":[],"values":[]})");
        c.expect(R"({"event":"insertRowResult","payload":{"success":false,"newRowIndex":3,)" +
                 as_result);
        e.world->next_failure = why;
        c.command("deleteRow", R"({"rowIndex":0,"primaryKeyColumn":"id","primaryKeyValue":1})");
        c.expect(R"({"event":"deleteRowResult","payload":{"success":false,"rowIndex":0,)" +
                 as_result);
    }
    BOOST_TEST(e.world->people[0].name == "Ada");
}

BOOST_AUTO_TEST_CASE(a_message_that_is_too_large_is_closed_with_1009_and_stops_what_runs) {
    constexpr std::size_t most = 64 * 1024; // the server's default
    editor e;
    client c(e);
    c.send(std::string(most, 'x'));
    BOOST_TEST(c.take().find("INVALID_JSON") != std::string::npos);
    e.world->slow = true;
    c.command("getNamespaces");
    c.send(std::string(most + 1, 'x'));
    BOOST_TEST(c.closed_with().value() == 1009);
    BOOST_TEST(c.close_text() == "message too big");
    BOOST_TEST_REQUIRE(e.world->given.size() == 1u);
    BOOST_TEST(e.world->given[0]->cancelled());
}

// ---- Waiting, cancelling, leaving ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(commands_wait_for_the_one_before_and_a_running_one_can_be_cancelled) {
    editor e;
    client c(e);
    e.world->slow = true;
    c.command("getNamespaces");
    c.command("getServerList");
    c.expect("");
    e.world->slow = false;
    c.command("cancelConnection");
    c.expect(error("CANCELLED", "getNamespaces", R"("cancelled")"));
    BOOST_TEST(c.take().starts_with(R"({"event":"serverList")"));
    BOOST_TEST(c.take().starts_with(R"({"event":"connectionStatus")"));
}

BOOST_AUTO_TEST_CASE(all_parts_of_a_command_share_its_deadline_and_are_cancelled_together) {
    editor e;
    client c(e);
    c.select();
    BOOST_TEST_REQUIRE(
        (e.world->done == std::vector<std::string>{"describe main.people", "read_page"}));
    BOOST_TEST(e.world->given[0] == e.world->given[1]);
    c.command("requestData");
    BOOST_TEST_REQUIRE(e.world->given.size() == 3u);
    BOOST_TEST(e.world->given[2] != e.world->given[0]); // the next command has its own
}

BOOST_AUTO_TEST_CASE(commands_without_end_wait_with_the_client_and_are_all_answered_in_order) {
    using options = editor::conversation_type::options;
    for (auto const& o : {options{.max_waiting = 2}, options{.max_waiting = 0},
                          options{.max_waiting_bytes = 60}, options{.max_waiting_bytes = 0}}) {
        editor e(o);
        client c(e);
        e.world->slow = true;
        c.command("getNamespaces");
        for (int i = 0; i < 100; ++i)
            c.command("getTables", R"({"namespace":")" + std::to_string(i) + R"("})");
        c.expect("");
        e.world->slow = false;
        BOOST_TEST_REQUIRE(e.world->given.size() == 1u);
        e.world->given[0]->cancel();
        e.settle();
        c.expect(error("CANCELLED", "getNamespaces", R"("cancelled")"));
        for (int i = 0; i < 100; ++i)
            BOOST_TEST(c.take().find("no such namespace") != std::string::npos);
        for (int i = 0; i < 100; ++i)
            BOOST_TEST(e.world->done[static_cast<std::size_t>(i) + 1] ==
                       "tables " + std::to_string(i));
    }
}

BOOST_AUTO_TEST_CASE(commands_without_end_hide_no_end) {
    auto const flood = [](client& c) {
        for (int i = 0; i < 10; ++i)
            c.command("getNamespaces");
    };
    editor e({.max_waiting = 2});
    e.world->slow = true;
    client logged_out(e);
    flood(logged_out);
    e.logins.end(e.token);
    e.settle();
    BOOST_TEST(logged_out.messages().back() == R"({"event":"sessionExpired","payload":{}})");
    BOOST_TEST(logged_out.closed_with().value() == 4002);
    BOOST_TEST(e.world->open_databases == 0);

    e.token = e.log_in();
    client leaves(e);
    flood(leaves);
    leaves.vanish();
    BOOST_TEST(e.server.connections() == 0u);

    client stopped(e);
    flood(stopped);
    asio::co_spawn(e.io, e.server.async_stop(5s), asio::detached);
    e.settle();
    BOOST_TEST(stopped.closed_with().value() == 1001);
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_takes_its_query_with_it) {
    editor e;
    e.world->slow = true;
    {
        client c(e);
        c.command("getNamespaces");
        c.command("getNamespaces");
        BOOST_TEST(e.server.connections() == 1u);
        c.vanish();
    }
    e.settle();
    BOOST_TEST(e.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(one_connection_that_waits_holds_up_no_other) {
    editor e;
    client slow(e);
    e.world->slow = true;
    slow.command("getNamespaces");
    e.world->slow = false;
    client quick(e);
    quick.command("getNamespaces");
    BOOST_TEST(quick.take().find("namespaceList") != std::string::npos);
    slow.expect("");
}

// ---- The login's end ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(every_connection_of_a_login_that_ends_is_told_and_closed_with_4002) {
    editor e;
    client one(e);
    client two(e);
    e.world->slow = true;
    two.command("getNamespaces"); // even while a command runs
    BOOST_TEST(e.logins.end(e.token));
    e.settle();
    for (auto* c : {&one, &two}) {
        auto last = c->take();
        for (auto next = c->take(); !next.empty(); next = c->take())
            last = next;
        BOOST_TEST(last == R"({"event":"sessionExpired","payload":{}})");
        BOOST_TEST(c->closed_with().value() == 4002);
        BOOST_TEST(c->close_text() == "Session Expired");
    }
    BOOST_TEST(memory_peer(e, e.path(), "192.0.2.1").refused_with() == 401u);
    BOOST_TEST(e.world->open_databases == 0);
}

BOOST_AUTO_TEST_CASE(a_login_expires_on_time_and_every_message_moves_it_on) {
    editor e;
    client c(e);
    e.advance(29min + 59s);
    c.command("getServerList");
    BOOST_TEST(c.take().starts_with(R"({"event":"serverList")"));
    e.advance(29min + 59s);
    BOOST_TEST(!c.closed_with());
    e.advance(999ms);
    BOOST_TEST(!c.closed_with());
    e.advance(1ms);
    c.expect(R"({"event":"sessionExpired","payload":{}})");
    BOOST_TEST(c.closed_with().value() == 4002);
    BOOST_TEST(e.logins.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_login_without_a_connection_expires_too) {
    editor e;
    BOOST_TEST(e.world->open_databases == 1);
    e.advance(30min);
    BOOST_TEST(e.world->open_databases == 0); // its password went with it
}

BOOST_AUTO_TEST_CASE(reconnecting_with_a_live_login_works_at_any_time) {
    editor e;
    for (int i = 0; i < 3; ++i) {
        client c(e);
        c.vanish();
        e.advance(20min);
    }
    client c(e);
    c.command("getServerList");
    BOOST_TEST(!c.take().empty());
}

BOOST_AUTO_TEST_CASE(a_stopping_server_closes_with_1001) {
    editor e;
    client c(e);
    e.world->slow = true;
    c.command("getNamespaces");
    asio::co_spawn(e.io, e.server.async_stop(5s), asio::detached);
    e.settle();
    BOOST_TEST(c.closed_with().value() == 1001);
}

BOOST_AUTO_TEST_SUITE_END()
