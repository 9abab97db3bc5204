// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A server whose conversation is written by each test, in a world without sockets.

#include <tests/support/memory_peer.hpp>

#include <parley/server.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
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
        o.log = [this](severity, std::string_view text) { logged.emplace_back(text); };
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

/// A client's frame; the mask is all zeros, which is as good as any other.
inline std::string client_frame(std::uint8_t first_byte, std::string_view payload) {
    std::string frame(1, static_cast<char>(first_byte));
    if (payload.size() < 126) {
        frame += static_cast<char>(0x80U | payload.size());
    } else {
        frame += static_cast<char>(0x80U | 126U);
        frame += static_cast<char>(payload.size() >> 8U);
        frame += static_cast<char>(payload.size() & 0xFFU);
    }
    return frame.append(4, '\0').append(payload);
}

inline std::string text_frame(std::string_view payload) {
    return client_frame(0x81, payload);
}
inline std::string pong_frame() {
    return client_frame(0x8A, "");
}
inline std::string close_frame(std::uint16_t code) {
    return client_frame(0x88, std::string{static_cast<char>(code >> 8U), static_cast<char>(code)});
}

/// A frame from the server, as it was on the wire.
struct server_frame {
    std::uint8_t opcode;
    std::string payload;

    bool operator==(server_frame const&) const = default;
    /// The code of a close frame.
    [[nodiscard]] unsigned code() const {
        if (opcode != 8 || payload.size() < 2) return 0;
        return static_cast<unsigned char>(payload[0]) * 256U +
               static_cast<unsigned char>(payload[1]);
    }
};

/// The whole frames that follow the answer to an upgrade.
inline std::vector<server_frame> frames_in(std::string_view raw) {
    std::vector<server_frame> frames;
    auto const head = raw.find("\r\n\r\n");
    if (head == raw.npos) return frames;
    raw.remove_prefix(head + 4);
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(raw[i]); };
    while (raw.size() >= 2) {
        std::size_t const extra = byte(1) == 126 ? 2 : byte(1) == 127 ? 8 : 0;
        if (raw.size() < 2 + extra) break;
        std::size_t length = extra == 0 ? byte(1) : 0;
        for (std::size_t i = 0; i < extra; ++i)
            length = length * 256 + byte(2 + i);
        if (raw.size() < 2 + extra + length) break;
        frames.push_back({static_cast<std::uint8_t>(byte(0) & 0x0FU),
                          std::string(raw.substr(2 + extra, length))});
        raw.remove_prefix(2 + extra + length);
    }
    return frames;
}

} // namespace parley::test
