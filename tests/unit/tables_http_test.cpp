// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Logging in and out of the table editor, route by route (table editor specification, §1).

#include <tests/support/memory_peer.hpp>
#include <tests/support/memory_tables.hpp>

#include <parley/admission/unlimited_admission.hpp>
#include <parley/server.hpp>
#include <parley/tables/conversation.hpp>
#include <parley/tables/http_api.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

using namespace parley;
using namespace std::chrono_literals;
using test::memory_peer;

namespace {

/// A table editor over databases in memory, with its routes.
struct editor : test::memory_world {
    using conversation_type = tables::conversation<test::memory_backend>;
    using verifier_type = tables::login_verifier<test::memory_backend>;
    using api_type = tables::http_api<test::memory_backend>;
    using server_type = basic_handshake_server<conversation_type, memory_transport,
                                               unlimited_admission, verifier_type>;

    test::memory_backend backend;
    test::memory_tables& world = *backend.world;
    std::vector<std::string> logged;
    verifier_type logins;
    server_type server;
    bool stopped = false;

    explicit editor(api_type::options o = {}, std::size_t max_sessions = 100)
        : logins({.timeout = 30min,
                  .max_sessions = max_sessions,
                  .now = [this] { return transport.now(); }}),
          server(with_log(), conversation_type({}), transport, unlimited_admission(), logins) {
        api_type::add_to(server, backend, std::move(o));
        server.route(http::verb::get, "/*",
                     api_type::use_of_session(
                         logins, [](http_request const&, route_context) { return answer_file(); }));
        BOOST_TEST_REQUIRE(server.start(io, memory_transport::endpoint_type{}).has_value());
        settle();
    }

    ~editor() {
        stop(0s);
        advance(1min);
        BOOST_TEST(stopped);
        BOOST_TEST(server.connections() == 0u);
        BOOST_TEST(logins.size() == 0u); // the stop logs everybody out
        BOOST_TEST(world.open_databases == 0);
    }

    static task<http_response> answer_file() {
        co_return make_response(http::status::ok, "text/css", "");
    }

    server_options with_log() {
        server_options options;
        options.log = [this](severity, std::string_view text) { logged.emplace_back(text); };
        return options;
    }

    void stop(std::chrono::milliseconds grace) {
        asio::co_spawn(io, server.async_stop(grace),
                       [this](std::exception_ptr const&) { stopped = true; });
        settle();
    }
};

struct reply {
    std::string head;
    std::string body;
    std::vector<std::string> cookies; ///< as set, whole

    explicit reply(std::string const& raw) {
        auto const end = raw.find("\r\n\r\n");
        if (end == raw.npos) return;
        head = raw.substr(0, end + 2);
        body = raw.substr(end + 4);
        for (auto at = head.find("Set-Cookie: "); at != head.npos;
             at = head.find("Set-Cookie: ", at + 1))
            cookies.push_back(head.substr(at + 12, head.find("\r\n", at) - at - 12));
    }

    [[nodiscard]] std::string status() const {
        return head.size() > 12 ? head.substr(9, 3) : "none";
    }
    [[nodiscard]] bool has(std::string const& line) const {
        return head.find(line + "\r\n") != head.npos;
    }
};

/// A browser that keeps its cookies and sends the token that it was given.
struct browser {
    editor& to;
    std::string address = "192.0.2.1";
    std::map<std::string, std::string> cookies = {};
    std::string csrf = {};

    reply get(std::string const& path) { return send("GET", path, "", ""); }

    reply post(std::string const& path, std::string const& body = "") {
        if (csrf.empty()) fetch_token();
        return send("POST", path, "X-CSRF-Token: " + csrf + "\r\n", body);
    }

    void fetch_token() {
        auto const answer = get("/api/csrf-token");
        csrf = std::string(boost::json::parse(answer.body).at("csrfToken").as_string());
    }

    reply send(std::string const& method, std::string const& path, std::string const& more,
               std::string const& body) {
        memory_peer peer(to, address);
        peer.read_raw();
        peer.send_raw(method + " " + path + " HTTP/1.1\r\nHost: tables.test\r\n" + cookie_line() +
                      more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
        reply answer(peer.raw());
        for (auto const& one : answer.cookies) {
            auto const name = one.substr(0, one.find('='));
            cookies[name] = one.substr(name.size() + 1, one.find(';') - name.size() - 1);
        }
        return answer;
    }

    [[nodiscard]] std::string cookie_line() const {
        std::string line;
        for (auto const& [name, value] : cookies)
            line += (line.empty() ? "Cookie: " : "; ") + name + "=" + value;
        return line.empty() ? line : line + "\r\n";
    }

    reply log_in(std::string const& password = "lovelace") {
        return post("/api/connect", credentials(password));
    }

    static std::string credentials(std::string const& password = "lovelace") {
        return R"({"host":"db.test","port":1972,"namespace":"clinic","username":"ada","password":")" +
               password + "\"}";
    }

    /// A WebSocket of this session.
    [[nodiscard]] std::string ws_path() const { return "/ws?token=" + cookies.at("iris_session"); }
};

constexpr auto disconnected = R"({"status":"disconnected"})";

} // namespace

BOOST_AUTO_TEST_SUITE(tables_http)

// ---- POST /api/connect --------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_right_credentials_make_a_session) {
    editor e;
    browser b{e};
    auto const answer = b.log_in();
    BOOST_TEST(answer.status() == "200");
    BOOST_TEST(answer.body == R"({"status":"connected"})");
    BOOST_TEST(answer.has("Content-Type: application/json"));
    BOOST_TEST(answer.has("Cache-Control: no-store"));
    auto const token = b.cookies.at("iris_session");
    BOOST_TEST(token.size() == 43u);
    BOOST_TEST_REQUIRE(answer.cookies.size() == 1u);
    BOOST_TEST(answer.cookies[0] ==
               "iris_session=" + token + "; HttpOnly; SameSite=Strict; Path=/");
    BOOST_TEST(e.world.open_databases == 1);
    BOOST_TEST(memory_peer(e, b.ws_path(), "192.0.2.1").upgraded());
}

BOOST_AUTO_TEST_CASE(all_of_the_credentials_reach_the_backend_with_a_deadline) {
    editor e({.connect_timeout = 7s});
    browser b{e};
    b.log_in();
    BOOST_TEST(e.world.last_user.host == "db.test");
    BOOST_TEST(e.world.last_user.port == 1972);
    BOOST_TEST(e.world.last_user.ns == "clinic");
    BOOST_TEST(e.world.last_user.username == "ada");
    BOOST_TEST(e.world.last_user.password.view() == "lovelace");
    BOOST_TEST(e.world.last_user.path_prefix == "");
    BOOST_TEST(!e.world.last_user.use_https);
    BOOST_TEST_REQUIRE(e.world.given.size() == 1u);
    BOOST_TEST((e.world.given[0]->deadline() == e.transport.now() + 7s));

    b.post(
        "/api/connect",
        R"({"host":"h","port":1,"namespace":"%SYS","username":"u","password":"","pathPrefix":"/iris","useHTTPS":true})");
    BOOST_TEST(e.world.last_user.path_prefix == "/iris");
    BOOST_TEST(e.world.last_user.use_https);
    BOOST_TEST(e.world.last_user.password.view() == "");
}

BOOST_AUTO_TEST_CASE(over_tls_cookies_are_secure) {
    editor e({.secure_cookies = true});
    browser b{e};
    auto const token = b.get("/api/csrf-token");
    BOOST_TEST_REQUIRE(token.cookies.size() == 1u);
    BOOST_TEST(token.cookies[0].ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"),
               token.cookies[0]);
    auto const connected = b.log_in();
    BOOST_TEST_REQUIRE(connected.cookies.size() == 1u);
    BOOST_TEST(connected.cookies[0].ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"),
               connected.cookies[0]);
    auto const gone = b.post("/api/disconnect");
    BOOST_TEST_REQUIRE(gone.cookies.size() == 1u);
    BOOST_TEST(gone.cookies[0] ==
               "iris_session=; HttpOnly; SameSite=Strict; Path=/; Secure; Max-Age=0");
}

BOOST_AUTO_TEST_CASE(each_failure_has_its_status_and_makes_no_session) {
    editor e;
    using code = tables::failure_code;
    for (auto const& [failure, status, name] :
         std::vector<std::tuple<code, std::string, std::string>>{
             {code::invalid_input, "400", "INVALID_INPUT"},
             {code::not_found, "400", "NOT_FOUND"},
             {code::wrong_credentials, "401", "WRONG_CREDENTIALS"},
             {code::permission_denied, "401", "PERMISSION_DENIED"},
             {code::unreachable, "502", "UNREACHABLE"},
             {code::database_error, "502", "DATABASE_ERROR"},
             {code::overloaded, "503", "OVERLOADED"},
             {code::timed_out, "504", "TIMED_OUT"}}) {
        for (auto const* route : {"/api/connect", "/api/test-connection"}) {
            browser b{e};
            e.world.next_failure = tables::failure{failure, "it \"failed\""};
            auto const answer = b.post(route, browser::credentials());
            BOOST_TEST(answer.status() == status, name);
            BOOST_TEST(answer.body == R"({"error":"it \"failed\"","code":")" + name + "\"}");
            BOOST_TEST(answer.cookies.empty());
        }
    }
    BOOST_TEST(e.logins.size() == 0u);
}

BOOST_AUTO_TEST_CASE(wrong_credentials_are_401) {
    editor e;
    auto const answer = browser{e}.log_in("byron");
    BOOST_TEST(answer.status() == "401");
    BOOST_TEST(answer.body ==
               R"({"error":"wrong user name or password","code":"WRONG_CREDENTIALS"})");
    BOOST_TEST(answer.cookies.empty());
    BOOST_TEST(e.logins.size() == 0u);
}

BOOST_AUTO_TEST_CASE(what_is_missing_or_wrong_in_the_body_is_named) {
    editor e;
    browser b{e};
    for (
        auto const& [body, error] : std::vector<std::tuple<std::string, std::string>>{
            {"", "body: expected JSON"},
            {"{", "body: expected JSON"},
            {"\xff\xfe", "body: expected JSON"},
            {"[]", "body: expected an object"},
            {"null", "body: expected an object"},
            {"{}", "host: expected a string"},
            {R"({"host":7})", "host: expected a string"},
            {R"({"host":"h"})", "port: expected a whole number from 1 to 65535"},
            {R"({"host":"h","port":"1972"})", "port: expected a whole number from 1 to 65535"},
            {R"({"host":"h","port":65536})", "port: expected a whole number from 1 to 65535"},
            {R"({"host":"h","port":-1})", "port: expected a whole number from 1 to 65535"},
            {R"({"host":"h","port":1})", "namespace: expected a string"},
            {R"({"host":"h","port":1,"namespace":"n"})", "username: expected a string"},
            {R"({"host":"h","port":1,"namespace":"n","username":"u"})",
             "password: expected a string"},
            {R"({"host":"h","port":1,"namespace":"n","username":"u","password":1234})",
             "password: expected a string"},
            {R"({"host":"","port":1,"namespace":"n","username":"u","password":"p"})",
             "host: expected a name or an address"},
            {R"({"host":"h","port":0,"namespace":"n","username":"u","password":"p"})",
             "port: expected a whole number from 1 to 65535"},
            {R"({"host":"h","port":1,"namespace":"","username":"u","password":"p"})",
             "namespace: expected a name"},
            {R"({"host":"h","port":1,"namespace":"n","username":"","password":"p"})",
             "username: expected a name"},
            {R"({"host":"h","port":1,"namespace":"n","username":"u","password":"p","useHTTPS":"yes"})",
             "useHTTPS: expected true or false"}}) {
        e.advance(1min); // nobody may try so often
        auto const answer = b.post("/api/connect", body);
        BOOST_TEST(answer.status() == "400", body);
        BOOST_TEST(answer.body == R"({"error":")" + error + R"(","code":"INVALID_INPUT"})");
    }
    BOOST_TEST(e.world.done.empty()); // the backend was not asked
}

BOOST_AUTO_TEST_CASE(a_password_is_never_repeated_whatever_comes_with_it) {
    editor e({.attempts = {.max_attempts = 0}});
    browser b{e};
    std::mt19937 random(1);
    std::string const whole = browser::credentials("hunter2hunter2");
    auto const check = [&](std::string const& body) {
        auto const answer = b.post("/api/connect", body);
        BOOST_TEST_REQUIRE(answer.status() != "none");
        BOOST_TEST_REQUIRE(answer.body.find("hunter2") == std::string::npos, answer.body);
    };
    for (
        auto const& body : std::vector<std::string>{
            whole, whole + "x", whole.substr(0, whole.size() - 1), "\"hunter2\"", "hunter2",
            R"({"hunter2":"hunter2"})", R"({"host":"h","port":"hunter2"})",
            R"({"host":["hunter2"]})",
            R"({"host":"h","port":1,"namespace":"n","username":"u","password":["hunter2"]})",
            R"({"host":"h","port":1,"namespace":"n","username":"u","password":{"hunter2":1}})",
            R"({"host":"h","port":1,"namespace":"n","username":"u","password":"hunter2","useHTTPS":"hunter2"})"})
        check(body);
    for (int i = 0; i < 300; ++i) {
        auto damaged = whole;
        // Any byte, but not within the password.
        auto const at = random() % damaged.find("hunter2");
        damaged[at] = static_cast<char>(random());
        check(damaged);
    }
    for (auto const& line : e.logged)
        BOOST_TEST(line.find("hunter2") == std::string::npos, line);
}

BOOST_AUTO_TEST_CASE(connecting_again_destroys_the_earlier_session) {
    editor e;
    browser b{e};
    b.log_in();
    auto const first = b.cookies.at("iris_session");
    memory_peer open(e, b.ws_path(), "192.0.2.1");
    b.log_in();
    BOOST_TEST(b.cookies.at("iris_session") != first);
    BOOST_TEST(e.logins.size() == 1u);
    BOOST_TEST(e.world.open_databases == 1);
    BOOST_TEST(open.closed_with().value() == 4002);
    browser old{e, "192.0.2.1", {{"iris_session", first}}};
    BOOST_TEST(old.get("/api/session").body == disconnected);
    BOOST_TEST(b.get("/api/session").body != disconnected);
}

BOOST_AUTO_TEST_CASE(a_failed_attempt_leaves_the_earlier_session_alone) {
    editor e;
    browser b{e};
    b.log_in();
    BOOST_TEST(b.log_in("byron").status() == "401");
    BOOST_TEST(b.get("/api/session").body != disconnected);
}

BOOST_AUTO_TEST_CASE(beyond_max_sessions_it_is_503) {
    editor e({}, 1);
    browser one{e}, two{e};
    BOOST_TEST(one.log_in().status() == "200");
    auto const answer = two.log_in();
    BOOST_TEST(answer.status() == "503");
    BOOST_TEST(answer.body == R"({"error":"too many sessions","code":"OVERLOADED"})");
    BOOST_TEST(answer.cookies.empty());
    BOOST_TEST(e.world.open_databases == 1);
    BOOST_TEST(one.log_in().status() == "200"); // in the place of its own earlier one
    e.advance(30min);
    BOOST_TEST(two.log_in().status() == "200");
}

BOOST_AUTO_TEST_CASE(behind_a_proxy_each_client_has_its_own_attempts) {
    editor e(
        {.attempts = {.max_attempts = 1}, .proxies = trusted_proxies::of({"192.0.2.1"}).value()});
    auto const tries = [&](std::string const& peer, std::string const& forwarded) {
        browser b{e, peer};
        b.fetch_token();
        auto const more = "X-Forwarded-For: " + forwarded + "\r\nX-CSRF-Token: " + b.csrf + "\r\n";
        return b.send("POST", "/api/connect", more, browser::credentials("wrong")).status();
    };
    BOOST_TEST(tries("192.0.2.1", "198.51.100.7") == "401");
    BOOST_TEST(tries("192.0.2.1", "198.51.100.8") == "401");
    BOOST_TEST(tries("192.0.2.1", "203.0.113.1, 198.51.100.7") == "429"); // the first is made up
    BOOST_TEST(tries("203.0.113.9", "198.51.100.9") == "401");
    BOOST_TEST(tries("203.0.113.9", "198.51.100.10") == "429"); // no proxy, so it is not believed
}

BOOST_AUTO_TEST_CASE(who_tries_too_often_waits) {
    editor e({.attempts = {.max_attempts = 3, .window = 1min}});
    browser b{e};
    BOOST_TEST(b.log_in("a").status() == "401");
    BOOST_TEST(b.post("/api/test-connection", browser::credentials("b")).status() == "401");
    BOOST_TEST(b.post("/api/connect", "{").status() == "400");
    e.advance(20s);
    for (auto const* route : {"/api/connect", "/api/test-connection"}) {
        auto const answer = b.post(route, browser::credentials()); // right, but too late
        BOOST_TEST(answer.status() == "429");
        BOOST_TEST(answer.body ==
                   R"({"error":"Too many attempts; try again later","code":"TOO_MANY_ATTEMPTS"})");
        BOOST_TEST(answer.has("Retry-After: 40"));
    }
    BOOST_TEST(e.world.done.size() == 2u);
    browser other{e, "192.0.2.2"};
    BOOST_TEST(other.log_in().status() == "200");
    e.advance(40s);
    BOOST_TEST(b.log_in().status() == "200");
}

BOOST_AUTO_TEST_CASE(a_page_that_cannot_read_our_token_uses_up_nobodys_attempts) {
    editor e({.attempts = {.max_attempts = 1}});
    browser b{e};
    for (int i = 0; i < 3; ++i)
        BOOST_TEST(b.send("POST", "/api/connect", "", browser::credentials()).status() == "403");
    BOOST_TEST(b.log_in().status() == "200");
}

// ---- POST /api/test-connection ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_test_of_the_connection_makes_no_session) {
    editor e;
    browser b{e};
    auto const answer = b.post("/api/test-connection", browser::credentials());
    BOOST_TEST(answer.status() == "200");
    BOOST_TEST(answer.body == R"({"status":"success","version":"memory 1"})");
    BOOST_TEST(answer.cookies.empty());
    BOOST_TEST(e.logins.size() == 0u);
    BOOST_TEST(e.world.open_databases == 0);
    BOOST_TEST(b.get("/api/session").body == disconnected);
}

BOOST_AUTO_TEST_CASE(a_test_of_the_connection_leaves_the_session_alone) {
    editor e;
    browser b{e};
    b.log_in();
    b.post("/api/test-connection", browser::credentials("byron"));
    BOOST_TEST(b.get("/api/session").body != disconnected);
}

// ---- POST /api/disconnect -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_disconnect_ends_the_session_its_cookie_and_its_websockets) {
    editor e;
    browser b{e};
    b.log_in();
    auto const token = b.cookies.at("iris_session");
    memory_peer one(e, b.ws_path(), "192.0.2.1"), two(e, b.ws_path(), "192.0.2.1");
    browser other{e, "192.0.2.2"};
    other.log_in();
    memory_peer apart(e, other.ws_path(), "192.0.2.2");

    auto const answer = b.post("/api/disconnect");
    BOOST_TEST(answer.status() == "200");
    BOOST_TEST(answer.body == disconnected);
    BOOST_TEST_REQUIRE(answer.cookies.size() == 1u);
    BOOST_TEST(answer.cookies[0] == "iris_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    for (auto* peer : {&one, &two}) {
        BOOST_TEST(peer->take() == R"({"event":"sessionExpired","payload":{}})");
        BOOST_TEST(peer->closed_with().value() == 4002);
    }
    BOOST_TEST(!apart.closed_with());
    BOOST_TEST(e.world.open_databases == 1);
    b.cookies["iris_session"] = token; // a copy of the cookie is worth nothing
    BOOST_TEST(b.get("/api/session").body == disconnected);
    BOOST_TEST(memory_peer(e, b.ws_path(), "192.0.2.1").refused_with() == 401u);
}

BOOST_AUTO_TEST_CASE(a_disconnect_without_a_session_is_no_error) {
    editor e;
    for (std::string const& token : {std::string(), std::string(43, 'A'), std::string("\"'<>")}) {
        browser b{e, "192.0.2.1", {{"iris_session", token}}};
        auto const answer = b.post("/api/disconnect", "whatever");
        BOOST_TEST(answer.status() == "200");
        BOOST_TEST(answer.body == disconnected);
    }
}

// ---- GET /api/session ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_session_says_whose_it_is_and_slides) {
    editor e;
    browser b{e};
    BOOST_TEST(b.get("/api/session").body == disconnected);
    b.log_in();
    auto const expected =
        R"({"status":"connected","server":{"namespace":"clinic","username":"ada"},)"
        R"("createdAt":"2026-01-01T00:00:00.000Z","timeoutRemaining":1800000})";
    auto const answer = b.get("/api/session");
    BOOST_TEST(answer.status() == "200");
    BOOST_TEST(answer.body == expected);
    for (int i = 0; i < 3; ++i) {
        e.advance(29min + 59s);
        BOOST_TEST(b.get("/api/session").body == expected); // each request is an activity
    }
    e.advance(30min);
    BOOST_TEST(b.get("/api/session").body == disconnected);
    BOOST_TEST(e.world.open_databases == 0);
}

BOOST_AUTO_TEST_CASE(every_request_that_carries_the_session_is_a_use_of_it_but_for_health) {
    editor e;
    browser b{e};
    b.log_in();
    auto const is_use = [&](auto request) {
        b.get("/api/session");
        e.advance(20min);
        request();
        e.advance(20min);
        bool const lives = b.get("/api/session").body != disconnected;
        if (!lives) b.log_in();
        return lives;
    };
    BOOST_TEST(is_use([&] { b.get("/api/csrf-token"); }));
    BOOST_TEST(is_use([&] { b.get("/api/unknown"); }));
    BOOST_TEST(is_use([&] { b.get("/own.css"); }));
    BOOST_TEST(is_use([&] { b.post("/api/test-connection", browser::credentials("wrong")); }));
    BOOST_TEST(is_use([&] { b.post("/api/connect", "{"); }));
    BOOST_TEST(is_use([&] { memory_peer(e, b.ws_path(), "192.0.2.1"); }));
    BOOST_TEST(!is_use([&] { b.get("/health"); }));
    BOOST_TEST(!is_use([&] { browser{e}.get("/api/session"); }));
}

BOOST_AUTO_TEST_CASE(sessions_go_on_expiring_on_time_after_a_failure) {
    editor e;
    browser one{e}, two{e};
    one.log_in();
    auto const session = *e.logins.verify(one.cookies.at("iris_session"));
    editor::verifier_type::session_type::watch const watch(
        session, [] { throw std::runtime_error("no more memory"); });
    e.advance(10min);
    two.log_in();
    memory_peer open(e, two.ws_path(), "192.0.2.1");
    e.advance(20min);
    BOOST_TEST(e.logins.size() == 1u);
    BOOST_TEST(!open.closed_with());
    e.advance(10min);
    BOOST_TEST(open.closed_with().value() == 4002);
    BOOST_TEST(e.world.open_databases == 0);
}

BOOST_AUTO_TEST_CASE(what_is_no_session_is_disconnected) {
    editor e;
    browser b{e};
    b.log_in();
    auto const token = b.cookies.at("iris_session");
    for (std::string const& wrong :
         {std::string("x"), token + "A", token.substr(1), std::string(43, 'A'), "\"" + token + "\"",
          std::string(8000, 'A')}) {
        b.cookies["iris_session"] = wrong;
        auto const answer = b.get("/api/session");
        BOOST_TEST(answer.status() == "200");
        BOOST_TEST(answer.body == disconnected);
    }
    browser query{e}; // a token in the query is for the WebSocket alone
    BOOST_TEST(query.get("/api/session?token=" + token).body == disconnected);
}

// ---- GET /api/csrf-token ------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_token_comes_with_a_cookie_that_stays) {
    editor e;
    browser b{e};
    auto const first = b.get("/api/csrf-token");
    BOOST_TEST(first.status() == "200");
    BOOST_TEST(first.has("Cache-Control: no-store"));
    auto const cookie = b.cookies.at("__csrf");
    BOOST_TEST_REQUIRE(first.cookies.size() == 1u);
    BOOST_TEST(first.cookies[0] == "__csrf=" + cookie + "; HttpOnly; SameSite=Strict; Path=/");
    auto const again = b.get("/api/csrf-token");
    BOOST_TEST(again.cookies.empty());
    BOOST_TEST(again.body == first.body); // so that two windows of one browser agree
    b.cookies["__csrf"] = "made up";
    BOOST_TEST(b.get("/api/csrf-token").cookies.size() == 1u);
    BOOST_TEST(b.cookies["__csrf"].size() == 43u);
}

BOOST_AUTO_TEST_CASE(every_post_needs_the_token_of_its_own_cookie) {
    editor e;
    browser b{e}, other{e};
    b.log_in();
    other.fetch_token();
    auto const cookie = b.cookies.at("__csrf");
    for (auto const* route : {"/api/connect", "/api/test-connection", "/api/disconnect"}) {
        for (std::string const& token : {std::string(), std::string("x"), other.csrf, cookie,
                                         b.csrf + "A", b.csrf.substr(1), std::string(43, 'A')}) {
            auto const line = token.empty() ? "" : "X-CSRF-Token: " + token + "\r\n";
            auto const answer = b.send("POST", route, line, browser::credentials());
            BOOST_TEST(answer.status() == "403", token);
            BOOST_TEST(answer.body == R"({"error":"Invalid or missing CSRF token"})");
            BOOST_TEST(answer.cookies.empty());
        }
        b.cookies.erase("__csrf"); // the token without the cookie
        BOOST_TEST(b.post(route, browser::credentials()).status() == "403");
        b.cookies["__csrf"] = cookie;
    }
    BOOST_TEST(e.logins.size() == 1u);
    BOOST_TEST(b.post("/api/disconnect").status() == "200");
    BOOST_TEST(e.logins.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_client_whose_token_is_of_an_earlier_server_fetches_another_and_tries_again) {
    editor before, after;
    browser b{before};
    b.fetch_token();
    browser same{after, b.address, b.cookies, b.csrf};
    BOOST_TEST(same.log_in().status() == "403");
    same.fetch_token();
    BOOST_TEST(same.log_in().status() == "200");
}

BOOST_AUTO_TEST_CASE(a_deployment_can_do_without_tokens) {
    editor e({.csrf = false});
    browser b{e};
    BOOST_TEST(b.send("POST", "/api/connect", "", browser::credentials()).status() == "200");
    BOOST_TEST(b.send("POST", "/api/disconnect", "", "").status() == "200");
    BOOST_TEST(b.get("/api/csrf-token").status() == "200"); // for clients that ask all the same
}

// ---- The rest -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(health_counts_what_there_is) {
    editor e({.version = "1.2.3"});
    browser b{e};
    BOOST_TEST(
        b.get("/health").body ==
        R"({"status":"ok","version":"1.2.3","uptime":0,"backend":"memory","sessions":0,"connections":1})");
    b.log_in();
    memory_peer const peer(e, b.ws_path(), "192.0.2.1");
    e.advance(61s + 500ms);
    BOOST_TEST(
        b.get("/health").body ==
        R"({"status":"ok","version":"1.2.3","uptime":61,"backend":"memory","sessions":1,"connections":2})");
}

BOOST_AUTO_TEST_CASE(head_is_get_without_a_body) {
    editor e;
    browser b{e};
    for (auto const* path : {"/health", "/api/session", "/api/csrf-token"}) {
        auto const whole = b.get(path), head = b.send("HEAD", path, "", "");
        BOOST_TEST(head.status() == "200");
        BOOST_TEST(head.body == "");
        BOOST_TEST(head.has("Content-Length: " + std::to_string(whole.body.size())), path);
    }
}

BOOST_AUTO_TEST_CASE(what_is_not_served_is_404_and_other_methods_405) {
    editor e;
    browser b{e};
    for (auto const* path :
         {"/api/", "/api/nothing", "/api/connect/", "/api/session/x", "/api//session"}) {
        for (auto const* method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
            auto const answer = b.send(method, path, "", "");
            BOOST_TEST(answer.status() == "404", method << ' ' << path);
            BOOST_TEST(answer.has("Content-Type: application/json"));
            BOOST_TEST(answer.body == R"({"error":"nothing is served here","code":"NOT_FOUND"})");
        }
    }
    BOOST_TEST(b.get("/api/connect").status() == "405");
    BOOST_TEST(b.get("/api/connect").has("Allow: POST"));
    BOOST_TEST(b.post("/api/session").status() == "405");
    BOOST_TEST(b.send("DELETE", "/api/disconnect", "", "").status() == "405");
    BOOST_TEST(b.get("/api/session?x=1").status() == "200");
}

BOOST_AUTO_TEST_CASE(a_stop_during_a_connect_leaves_no_session_behind) {
    editor e;
    browser b{e};
    b.fetch_token();
    e.world.slow = true;
    memory_peer peer(e);
    peer.read_raw();
    auto const body = browser::credentials();
    peer.send_raw("POST /api/connect HTTP/1.1\r\nHost: x\r\n" + b.cookie_line() +
                  "X-CSRF-Token: " + b.csrf + "\r\nContent-Length: " + std::to_string(body.size()) +
                  "\r\n\r\n" + body);
    BOOST_TEST(e.world.done.size() == 1u);
    e.stop(5s);
    BOOST_TEST(!e.stopped);
    e.advance(5s); // cut off
    BOOST_TEST(e.stopped);
    BOOST_TEST(e.logins.size() == 0u);
    BOOST_TEST(e.world.open_databases == 0);
}

BOOST_AUTO_TEST_CASE(a_stop_logs_everybody_out) {
    editor e;
    browser b{e};
    b.log_in();
    memory_peer peer(e, b.ws_path(), "192.0.2.1");
    e.stop(5s);
    BOOST_TEST(peer.closed_with().value() == 1001); // it may come back
    BOOST_TEST(e.stopped);
    BOOST_TEST(e.world.open_databases == 0);
}

BOOST_AUTO_TEST_CASE(a_bug_in_the_backend_is_an_internal_error_without_its_cause) {
    editor e;
    browser b{e};
    e.world.defect = true;
    auto const answer = b.log_in();
    BOOST_TEST(answer.status() == "500");
    BOOST_TEST(answer.body.find("cause") == std::string::npos);
    BOOST_TEST(e.logins.size() == 0u);
    BOOST_TEST(e.logged.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
