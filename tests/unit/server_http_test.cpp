// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <tests/support/test_server.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(server_http)

using namespace std::chrono_literals;
using namespace parley;
using namespace parley::test;

/// Serves a few routes beside the WebSocket.
struct web_server : test_server {
    explicit web_server(options o = {}) : test_server(std::move(o), false) {
        server.route(http::verb::get, "/health",
                     [](auto const&, route_context) -> task<http_response> {
                         co_return make_response(http::status::ok, "text/plain", "well");
                     });
        server.route(http::verb::post, "/echo",
                     [](http_request const& request, route_context context) -> task<http_response> {
                         co_return make_response(http::status::ok, "text/plain",
                                                 context.peer_address + " " + request.body());
                     });
        server.route(http::verb::get, "/api/*",
                     [](http_request const& request, route_context) -> task<http_response> {
                         co_return make_response(http::status::ok, "text/plain",
                                                 std::string(path_of(request)));
                     });
        server.route(http::verb::get, "/broken",
                     [](auto const&, route_context) -> task<http_response> {
                         throw std::runtime_error("the cause");
                         co_return http_response();
                     });
        server.route(http::verb::get, "/very-broken",
                     [](auto const&, route_context) -> task<http_response> {
                         throw 42;
                         co_return http_response();
                     });
        server.route(http::verb::get, "/slow",
                     [this](auto const&, route_context) -> task<http_response> {
                         auto timer = transport.make_timer(io.get_executor());
                         timer.expires_at(transport.now() + 1min);
                         co_await timer.async_wait(use_task);
                         co_return make_response(http::status::ok, "text/plain", "at last");
                     });
        server.route(http::verb::get, "/large",
                     [](auto const&, route_context) -> task<http_response> {
                         co_return make_response(http::status::ok, "text/plain",
                                                 std::string(1'000'000, 'x'));
                     });
        start();
    }
};

/// What the server answers to these bytes.
std::string answer(memory_world& world, std::string request) {
    memory_peer peer(world);
    peer.read_raw();
    peer.send_raw(std::move(request));
    return peer.raw();
}

std::string status_line(std::string const& response) {
    return response.substr(0, response.find("\r\n"));
}

std::string body(std::string const& response) {
    auto const end = response.find("\r\n\r\n");
    return end == std::string::npos ? std::string() : response.substr(end + 4);
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t n = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1))
        ++n;
    return n;
}

// ---- Routes -------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(routes_answer_beside_the_websocket, web_server) {
    auto const health = answer(*this, "GET /health?verbose=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(status_line(health) == "HTTP/1.1 200 OK");
    BOOST_TEST(health.find("Content-Type: text/plain\r\n") != health.npos);
    BOOST_TEST(health.find("Content-Length: 4\r\n") != health.npos);
    BOOST_TEST(body(health) == "well");
    BOOST_TEST(body(answer(*this, "GET /api/a/b?c HTTP/1.1\r\nHost: x\r\n\r\n")) == "/api/a/b");
    BOOST_TEST(logged.empty());
}

BOOST_FIXTURE_TEST_CASE(head_is_get_without_a_body, web_server) {
    auto const health = answer(*this, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(status_line(health) == "HTTP/1.1 200 OK");
    BOOST_TEST(health.find("Content-Length: 4\r\n") != health.npos);
    BOOST_TEST(body(health) == "");
}

BOOST_FIXTURE_TEST_CASE(what_is_not_served_is_said_so, web_server) {
    auto const nowhere = answer(*this, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(status_line(nowhere) == "HTTP/1.1 404 Not Found");
    BOOST_TEST(body(nowhere) == "{\"error\":\"nothing is served here\"}\n");

    auto const misused = answer(*this, "DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(status_line(misused) == "HTTP/1.1 405 Method Not Allowed");
    BOOST_TEST(misused.find("Allow: GET, HEAD\r\n") != misused.npos);

    auto const plain = answer(*this, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(status_line(plain) == "HTTP/1.1 426 Upgrade Required");
    BOOST_TEST(plain.find("Upgrade: websocket\r\n") != plain.npos);
}

BOOST_FIXTURE_TEST_CASE(a_handler_that_throws_is_an_internal_error, web_server) {
    for (auto path : {"/broken", "/very-broken"}) {
        memory_peer peer(*this);
        peer.read_raw();
        peer.send_raw("GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
        BOOST_TEST(status_line(peer.raw()) == "HTTP/1.1 500 Internal Server Error");
        BOOST_TEST(peer.raw().find("cause") == std::string::npos);
        peer.send_raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"); // the connection lives on
        BOOST_TEST(count(peer.raw(), "200 OK") == 1u);
    }
    BOOST_TEST(logged.size() == 2u);
    BOOST_TEST(logged.front().find("the cause") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_handler_may_take_longer_than_a_request, web_server) {
    memory_peer peer(*this);
    peer.read_raw();
    peer.send_raw("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    advance(59s);
    BOOST_TEST(peer.raw() == "");
    advance(1s);
    BOOST_TEST(body(peer.raw()) == "at last");
}

// ---- Several requests on one connection ---------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(a_connection_serves_one_request_after_another, web_server) {
    memory_peer peer(*this);
    peer.read_raw();
    for (int i = 0; i < 20; ++i) {
        peer.send_raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        advance(9s); // each has the whole time
    }
    BOOST_TEST(count(peer.raw(), "200 OK") == 20u);
    BOOST_TEST(server.connections() == 1u);
    advance(1s);
    BOOST_TEST(server.connections() == 0u);
}

BOOST_FIXTURE_TEST_CASE(pipelined_requests_are_answered_in_order, web_server) {
    auto const all = answer(*this, "GET /api/1 HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
                                   "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "GET /api/5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                   "GET /api/6 HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(count(all, "HTTP/1.1 ") == 5u);
    BOOST_TEST(all.find("/api/1") < all.find("192.0.2.1 two"));
    BOOST_TEST(all.find("192.0.2.1 two") < all.find("404"));
    BOOST_TEST(all.find("404") < all.find("/api/5"));
    BOOST_TEST(all.ends_with("/api/5"));
    advance(1s); // in which the peer could end its side
    BOOST_TEST(server.connections() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_connection_is_closed_where_the_client_wants_it_so, web_server) {
    for (auto request : {"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                         "GET /health HTTP/1.0\r\n\r\n"}) {
        memory_peer peer(*this);
        peer.read_raw();
        peer.send_raw(request);
        BOOST_TEST(body(peer.raw()) == "well");
        BOOST_TEST(peer.closed_with().has_value());
    }
}

BOOST_FIXTURE_TEST_CASE(a_request_may_come_before_an_upgrade, web_server) {
    memory_peer peer(*this);
    peer.read_raw();
    peer.send_raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + upgrade_request());
    BOOST_TEST(count(peer.raw(), "101 Switching Protocols") == 1u);
    BOOST_TEST(server.active_sessions().size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_most_specific_path_decides_whatever_was_added_first) {
    route_table routes;
    std::string called;
    auto const add = [&](http::verb method, std::string const& path) {
        routes.add(method, path, [&called, path](http_request const&, route_context) {
            called = path;
            return task<http_response>();
        });
    };
    for (auto const* path : {"/*", "/api/*", "/api/session", "/api/v2/*"})
        add(http::verb::get, path);
    add(http::verb::post, "/api/*");
    add(http::verb::post, "/api/login");
    auto const found = [&](http::verb method, std::string_view path) -> std::string {
        auto const match = routes.find(method, path);
        if (!match.handler) return match.path_known ? "405 " + routes.allowed(path) : "404";
        called.clear();
        static_cast<void>((*match.handler)(http_request(), {called}));
        return called;
    };
    using enum http::verb;
    BOOST_TEST(found(get, "/index.html") == "/*");
    BOOST_TEST(found(get, "/api/session") == "/api/session");
    BOOST_TEST(found(head, "/api/session") == "/api/session");
    BOOST_TEST(found(get, "/api/sessions") == "/api/*");
    BOOST_TEST(found(post, "/api/nothing") == "/api/*");
    BOOST_TEST(found(get, "/api/v2/x") == "/api/v2/*");
    BOOST_TEST(found(post, "/api/v2/x") == "405 GET, HEAD");
    BOOST_TEST(found(get, "/api/login") == "405 POST");
    BOOST_TEST(found(post, "/api/session") == "405 GET, HEAD");
    BOOST_TEST(found(post, "/") == "405 GET, HEAD");
    BOOST_TEST(found(get, "x") == "404");
}

BOOST_AUTO_TEST_CASE(a_connection_serves_only_so_many_requests) {
    web_server world({.server = {.max_requests = 3}});
    memory_peer peer(world);
    peer.read_raw();
    for (int i = 0; i < 2; ++i)
        peer.send_raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(peer.raw().find("Connection: close") == std::string::npos);
    BOOST_TEST(world.server.connections() == 1u);
    peer.send_raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    BOOST_TEST(count(peer.raw(), "200 OK") == 3u);
    BOOST_TEST(count(peer.raw(), "Connection: close\r\n") == 1u);
    world.advance(1s); // in which the peer could end its side
    BOOST_TEST(world.server.connections() == 0u);
}

// ---- Bodies -------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(a_body_may_come_in_pieces, web_server) {
    memory_peer peer(*this);
    peer.read_raw();
    std::string const request =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world";
    for (char c : request)
        peer.send_raw(std::string(1, c));
    BOOST_TEST(body(peer.raw()) == "192.0.2.1 hello world");
}

// Where a body ends must be beyond doubt, or a proxy in front sees other requests than the server.
BOOST_FIXTURE_TEST_CASE(a_transfer_encoding_is_refused, web_server) {
    for (std::string const encoding : {"chunked", "xchunked", "chunked, identity"}) {
        auto const response =
            answer(*this, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + encoding +
                              "\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        BOOST_TEST(status_line(response) == "HTTP/1.1 411 Length Required");
        BOOST_TEST(response.find("200 OK") == response.npos);
        BOOST_TEST(response.find("Connection: close\r\n") != response.npos);
    }
}

BOOST_FIXTURE_TEST_CASE(an_upgrade_with_a_body_is_refused, web_server) {
    auto const response =
        answer(*this, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      "Content-Length: 3\r\n\r\nabc");
    BOOST_TEST(status_line(response) == "HTTP/1.1 400 Bad Request");
}

BOOST_FIXTURE_TEST_CASE(a_body_has_a_limit, web_server) {
    std::string const head = "POST /echo HTTP/1.1\r\nHost: x\r\n";
    auto const most =
        answer(*this, head + "Content-Length: 65536\r\n\r\n" + std::string(65536, 'x'));
    BOOST_TEST(status_line(most) == "HTTP/1.1 200 OK");
    auto const announced = answer(*this, head + "Content-Length: 65537\r\n\r\n");
    BOOST_TEST(status_line(announced) == "HTTP/1.1 413 Payload Too Large");
    BOOST_TEST(announced.find("Connection: close\r\n") != announced.npos);
    auto const endless = answer(*this, head + "Content-Length: 99999999999999999999\r\n\r\n");
    BOOST_TEST(status_line(endless) == "HTTP/1.1 400 Bad Request");

    // The answer arrives though the client is not done sending.
    auto const busy =
        answer(*this, head + "Content-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
    BOOST_TEST(status_line(busy) == "HTTP/1.1 413 Payload Too Large");
    advance(1s);
    BOOST_TEST(server.connections() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_client_is_told_to_go_on_before_it_sends_its_body, web_server) {
    memory_peer peer(*this);
    peer.read_raw();
    std::string const head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n";
    peer.send_raw(head + "Expect: 100-Continue\r\n\r\n");
    BOOST_TEST(peer.raw() == "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send_raw("hello");
    BOOST_TEST(peer.raw().find("HTTP/1.1 200 OK\r\n") == 25u);
    BOOST_TEST(peer.raw().ends_with("192.0.2.1 hello"));

    // One that does not wait needs not be told.
    auto const hasty = answer(*this, head + "Expect: 100-continue\r\n\r\nhello");
    BOOST_TEST(status_line(hasty) == "HTTP/1.1 200 OK");
    auto const old =
        answer(*this, "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: anything\r\n\r\nhello");
    BOOST_TEST(status_line(old) == "HTTP/1.0 200 OK");
    auto const none =
        answer(*this, "GET /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n");
    BOOST_TEST(status_line(none) == "HTTP/1.1 200 OK");
}

BOOST_FIXTURE_TEST_CASE(a_body_that_will_not_be_taken_is_not_asked_for, web_server) {
    std::string const head = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
    for (std::string const length :
         {"Content-Length: 65537\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"}) {
        auto const refused = answer(*this, head + length);
        BOOST_TEST(refused.starts_with("HTTP/1.1 41"));
        BOOST_TEST(refused.find(" 100 ") == refused.npos);
    }
    auto const unknown = answer(
        *this, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\n");
    BOOST_TEST(status_line(unknown) == "HTTP/1.1 417 Expectation Failed");
    BOOST_TEST(unknown.find("Connection: close\r\n") != unknown.npos);
}

// ---- Heads --------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(a_head_has_a_limit, web_server) {
    std::string const head = "GET /health HTTP/1.1\r\nHost: x\r\nCookie: ";
    auto const most = head + std::string(16 * 1024 - head.size() - 4, 'x') + "\r\n\r\n";
    BOOST_TEST(status_line(answer(*this, most)) == "HTTP/1.1 200 OK");
    auto const more = head + std::string(16 * 1024 - head.size() - 3, 'x') + "\r\n\r\n";
    BOOST_TEST(status_line(answer(*this, more)) == "HTTP/1.1 431 Request Header Fields Too Large");
    auto const endless = head + std::string(300'000, 'x');
    BOOST_TEST(status_line(answer(*this, endless)) ==
               "HTTP/1.1 431 Request Header Fields Too Large");
    auto const target = "GET /" + std::string(20'000, 'x');
    BOOST_TEST(status_line(answer(*this, target)) ==
               "HTTP/1.1 431 Request Header Fields Too Large");
    std::string lines = "GET /health HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 5000; ++i)
        lines += "A: b\r\n";
    BOOST_TEST(status_line(answer(*this, lines + "\r\n")) ==
               "HTTP/1.1 431 Request Header Fields Too Large");
    advance(1s);
    BOOST_TEST(server.connections() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_malformed_request_is_refused_and_the_connection_closed, web_server) {
    for (auto const* malformed : {
             "\r\n\r\n\x16\x03\x01\r\n",
             "GET\r\n\r\n",
             "GET / HTTP/9.9\r\n\r\n",
             "GET /a b HTTP/1.1\r\n\r\n",
             "G(T / HTTP/1.1\r\n\r\n",
             "GET / HTTP/1.1\r\nno colon\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\nBad Name: x\r\n\r\n",
             "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
             "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
             "POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: "
             "chunked\r\n\r\n0\r\n\r\n",
         }) {
        memory_peer peer(*this);
        peer.read_raw();
        peer.send_raw(malformed);
        BOOST_TEST_CONTEXT(malformed) {
            BOOST_TEST(status_line(peer.raw()) == "HTTP/1.1 400 Bad Request");
            BOOST_TEST(peer.closed_with().has_value());
        }
        advance(1s);
        BOOST_TEST(server.connections() == 0u);
    }
}

BOOST_FIXTURE_TEST_CASE(a_silent_peer_is_gone_at_the_deadline, web_server) {
    memory_peer const peer(*this);
    settle();
    advance(10s - 1ms);
    BOOST_TEST(server.connections() == 1u);
    advance(1ms);
    BOOST_TEST(server.connections() == 0u);
}

BOOST_FIXTURE_TEST_CASE(trickling_bytes_do_not_extend_the_deadline, web_server) {
    memory_peer head(*this);
    memory_peer text(*this);
    head.send_raw("GET / HTTP/1.1\r\nHost: ");
    text.send_raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    for (int second = 0; second < 9; ++second) {
        advance(1s);
        head.send_raw("x");
        text.send_raw("x");
        BOOST_TEST(server.connections() == 2u);
    }
    advance(1s);
    BOOST_TEST(server.connections() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_peer_may_leave_at_any_point_of_its_request, web_server) {
    std::string const request = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (std::size_t n = 0; n <= request.size(); ++n) {
        memory_peer peer(*this);
        peer.send_raw(request.substr(0, n));
        peer.vanish();
        BOOST_TEST(server.connections() == 0u);
    }
    BOOST_TEST(logged.empty());
}

BOOST_FIXTURE_TEST_CASE(a_peer_that_does_not_read_its_response_is_gone_in_time, web_server) {
    memory_peer peer(*this);
    peer.send_raw("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    advance(10s - 1ms);
    BOOST_TEST(server.connections() == 1u);
    advance(1ms);
    BOOST_TEST(server.connections() == 0u);
}

// ---- Upgrades that are not to be ----------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(an_upgrade_elsewhere_is_not_found, web_server) {
    for (auto path : {"/", "/health", "/ws/", "/wsx", "/api/ws"}) {
        memory_peer const peer(*this, path, "192.0.2.1");
        BOOST_TEST(peer.refused_with() == 404u);
    }
    memory_peer const peer(*this, "/ws?token=1", "192.0.2.1");
    BOOST_TEST(peer.upgraded());
    BOOST_TEST(server.policies().admission.active() == 1u);
}

BOOST_FIXTURE_TEST_CASE(an_upgrade_that_breaks_the_rules_is_a_bad_request, web_server) {
    auto const replace = [](std::string_view from, std::string_view to) {
        auto request = upgrade_request();
        return request.replace(request.find(from), from.size(), to);
    };
    for (auto const& bad :
         {replace("Version: 13", "Version: 8"), replace("Sec-WebSocket-Version: 13\r\n", ""),
          replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
          replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=!"),
          replace("dGhlIHNhbXBsZSBub25jZQ==", std::string(24, ' ')),
          replace("dGhlIHNhbXBsZSBub25jZQ==", std::string(500, 'a')),
          replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
          replace("Host: broker.test\r\n", "")}) {
        auto const response = answer(*this, bad);
        BOOST_TEST(status_line(response) == "HTTP/1.1 400 Bad Request");
        BOOST_TEST(response.find("Sec-WebSocket-Version: 13\r\n") != response.npos);
        advance(1s);
        BOOST_TEST(server.connections() == 0u);
    }
    BOOST_TEST(admission().active() == 0u);
}

BOOST_FIXTURE_TEST_CASE(data_before_the_answer_is_a_bad_request, web_server) {
    auto const response = answer(*this, upgrade_request() + text_frame("too early"));
    BOOST_TEST(status_line(response) == "HTTP/1.1 400 Bad Request");
    BOOST_TEST(admission().active() == 0u);
}

// ---- Many connections ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(beyond_the_limit_peers_wait_to_be_accepted) {
    web_server world({.server = {.max_connections = 2}});
    memory_peer first(world, "/ws", "192.0.2.1");
    memory_peer second(world, "/ws", "192.0.2.2");
    memory_peer third(world, "/ws", "192.0.2.3");
    memory_peer fourth(world, "/ws", "192.0.2.4");
    BOOST_TEST(second.upgraded());
    BOOST_TEST(!third.upgraded());
    BOOST_TEST(world.server.connections() == 2u);

    first.vanish();
    BOOST_TEST(third.upgraded());
    BOOST_TEST(!fourth.upgraded());
    second.close();
    third.close();
    BOOST_TEST(fourth.upgraded());
    memory_peer const fifth(world, "/ws", "192.0.2.5");
    BOOST_TEST(fifth.upgraded());
    BOOST_TEST(world.server.connections() == 2u);
}

BOOST_AUTO_TEST_CASE(one_address_cannot_take_all_connections) {
    web_server world({.server = {.max_connections_per_address = 2}});
    memory_peer first(world, "192.0.2.1"); // says nothing
    memory_peer const second(world, "/ws", "::ffff:192.0.2.1");
    memory_peer third(world, "192.0.2.1");
    third.read_raw();
    BOOST_TEST(third.closed_with().has_value());
    BOOST_TEST(third.raw() == "");
    BOOST_TEST(world.server.connections() == 2u);
    BOOST_TEST(world.logged.size() == 1u);
    BOOST_TEST(world.logged.front() == "too many connections from 192.0.2.1: 2 are allowed");
    BOOST_TEST((world.severities.front() == severity::debug));
    memory_peer const other(world, "/ws", "192.0.2.2");
    BOOST_TEST(other.upgraded());

    first.vanish();
    memory_peer const again(world, "/ws", "192.0.2.1");
    BOOST_TEST(again.upgraded());
}

BOOST_AUTO_TEST_CASE(where_all_have_one_address_it_has_no_limit) {
    web_server world(
        {.server = {.max_connections_per_address = 0}, .admission = {.max_concurrent = 2'000}});
    std::vector<std::unique_ptr<memory_peer>> peers;
    for (int i = 0; i < 1'500; ++i)
        peers.push_back(std::make_unique<memory_peer>(world, "192.0.2.1"));
    world.settle();
    BOOST_TEST(world.server.connections() == 1'500u);
}

BOOST_AUTO_TEST_CASE(a_stop_does_not_wait_for_room) {
    web_server world({.server = {.max_connections = 1}});
    memory_peer const first(world, "/ws", "192.0.2.1");
    memory_peer const second(world, "/ws", "192.0.2.2");
    world.stop(5s);
    BOOST_TEST(world.stopped);
    BOOST_TEST(!second.upgraded());
}

// ---- Stopping -----------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_CASE(a_stop_drops_the_idle_and_answers_the_others, web_server) {
    memory_peer silent(*this);
    memory_peer kept(*this);
    memory_peer slow(*this);
    kept.read_raw();
    slow.read_raw();
    kept.send_raw("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    slow.send_raw("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    stop(2min);
    BOOST_TEST(server.connections() == 1u);
    BOOST_TEST(kept.closed_with().has_value());
    BOOST_TEST(!stopped);
    advance(1min);
    BOOST_TEST(body(slow.raw()) == "at last");
    BOOST_TEST(slow.raw().find("Connection: close\r\n") != std::string::npos);
    BOOST_TEST(stopped);

    memory_peer late(*this);
    late.read_raw();
    BOOST_TEST(late.closed_with().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_server_may_be_started_again, web_server) {
    for (int i = 0; i < 3; ++i) {
        stop(1s);
        BOOST_TEST(stopped);
        start();
        BOOST_TEST(body(answer(*this, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")) == "well");
    }
}

BOOST_FIXTURE_TEST_CASE(a_server_that_runs_cannot_be_started, web_server) {
    auto const cannot_start = [&] {
        memory_transport::endpoint_type const here;
        auto listener = transport.listen(io.get_executor(), here);
        BOOST_TEST((server.start(io, here).error() == errc::already_started));
        BOOST_TEST((server.start(io, std::move(*listener)).error() == errc::already_started));
        BOOST_TEST((server.start(here, 2).error() == errc::already_started));
    };
    cannot_start();
    BOOST_TEST(body(answer(*this, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")) == "well");

    memory_peer slow(*this);
    slow.send_raw("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    stop(2min);
    BOOST_TEST(!stopped);
    cannot_start(); // it still runs
    advance(1min);
    BOOST_TEST(stopped);
    start();
}

BOOST_FIXTURE_TEST_CASE(a_server_may_be_started_again_as_soon_as_one_of_several_stops_ends,
                        web_server) {
    memory_peer slow(*this);
    slow.send_raw("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    int ended = 0;
    for (int i = 0; i < 2; ++i) {
        asio::co_spawn(io, server.async_stop(2min), [&](std::exception_ptr const&) {
            if (++ended == 1) {
                BOOST_TEST(server.start(io, memory_transport::endpoint_type{}).has_value());
            }
        });
    }
    settle();
    advance(1min);
    BOOST_TEST(ended == 2);
    BOOST_TEST(body(answer(*this, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")) == "well");
    BOOST_TEST(
        (server.start(io, memory_transport::endpoint_type{}).error() == errc::already_started));
}

BOOST_AUTO_TEST_SUITE_END()
