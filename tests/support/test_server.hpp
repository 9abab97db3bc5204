// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A server whose conversation is written by each test, in a world without sockets.

#include <tests/support/frames.hpp>
#include <tests/support/memory_peer.hpp>

#include <parley/server.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::test {

using test_policies = policy_set<memory_transport, queueing_admission>;
using test_session = session<test_policies, std::string>;

/// Does what the test says, by default an echo of everything until the peer goes.
struct scripted_conversation {
    using identity = std::string;
    using identification = result<identified<identity>, http_response>;

    std::function<task<close_reason>(test_session&)> script = echo;
    std::function<identification(http_request const&)> who = [](http_request const&) {
        return identified<identity>{};
    };

    task<close_reason> operator()(test_session& session) { return script(session); }

    template <class Context>
    task<identification> identify(http_request const& request, Context&) {
        co_return who(request);
    }

    static task<close_reason> echo(test_session& session) {
        for (;;) {
            auto const next = co_await session.receive_text(no_deadline);
            switch (next.status) {
            case receive_status::message:
                co_await session.send_text(next.text);
                break;
            case receive_status::too_big:
                co_return close_reason(close_code::too_big);
            case receive_status::stopping:
                co_return close_reason(close_code::going_away, "shutting down");
            case receive_status::closing:
                co_return session.close_requested().value();
            case receive_status::binary:
                co_return close_reason(1003);
            default:
                co_return close_reason();
            }
        }
    }
};

/// The server, the world around it, and what it logged. When the test ends, the server is stopped
/// and must let go of everything.
struct test_server : memory_world {
    using server_type =
        basic_handshake_server<scripted_conversation, memory_transport, queueing_admission>;

    struct options {
        server_options server = {};
        queueing_admission::options admission = {};
        scripted_conversation conversation = {};
    };

    std::vector<std::string> logged;
    std::vector<severity> severities; // of what was logged
    server_type server;
    bool stopped = false;

    test_server() : test_server(options{}) {}
    explicit test_server(options o, bool started = true)
        : server(with_log(std::move(o.server)), std::move(o.conversation), transport,
                 queueing_admission(o.admission)) {
        if (started) start();
    }

    ~test_server() {
        stop(std::chrono::seconds(0));
        advance(std::chrono::minutes(1));
        BOOST_TEST(stopped);
        BOOST_TEST(server.connections() == 0u);
        BOOST_TEST(admission().active() == 0u);
        BOOST_TEST(admission().queued() == 0u);
    }

    void start() {
        BOOST_TEST(server.start(io, memory_transport::endpoint_type{}).has_value());
        settle();
    }

    void stop(std::chrono::milliseconds grace) {
        stopped = false;
        asio::co_spawn(io, server.async_stop(grace),
                       [this](std::exception_ptr const&) { stopped = true; });
        settle();
    }

    void broadcast(std::string text) {
        server.broadcast(std::move(text));
        settle();
    }

    void advance_in_steps(std::chrono::nanoseconds by, std::chrono::nanoseconds step) {
        for (; by > step; by -= step)
            advance(step);
        advance(by);
    }

    queueing_admission& admission() { return server.policies().admission; }

  private:
    server_options with_log(server_options o) {
        o.log = [this](severity level, std::string_view text) {
            severities.push_back(level);
            logged.emplace_back(text);
        };
        return o;
    }
};

/// A request to upgrade, with more header lines if need be, each ended by CRLF.
inline std::string upgrade_request(std::string_view path = "/ws", std::string_view more = {}) {
    return std::string("GET ")
        .append(path)
        .append(" HTTP/1.1\r\nHost: broker.test\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
        .append(more)
        .append("\r\n");
}

} // namespace parley::test
