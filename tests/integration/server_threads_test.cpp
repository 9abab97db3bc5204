// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// A server on several threads, over TCP, under everything at once: peers that come, talk, leave
// and vanish, other threads that reach into it, and a stop in the middle.
#include <parley/server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace parley;
using namespace std::chrono_literals;
using asio::ip::tcp;
using clock_type = std::chrono::steady_clock;

/// Says everything back.
struct echo {
    template <class Session>
    task<close_reason> operator()(Session& session) const {
        session.describe("somebody", "the echo");
        for (;;) {
            auto const next = co_await session.receive_text(no_deadline);
            if (next.status == receive_status::closing) co_return session.close_requested().value();
            if (next.status == receive_status::stopping) co_return close_code::going_away;
            if (next.status != receive_status::message) co_return close_reason();
            co_await session.send_text(next.text);
        }
    }
};

using echo_server = basic_handshake_server<echo, queueing_admission>;

tcp::endpoint loopback(std::uint16_t port = 0) {
    return {asio::ip::address_v4::loopback(), port};
}

/// What the clients of a test have seen.
struct tally {
    std::atomic<int> echoes{0};
    std::atomic<int> closed{0};    // by another thread's wish
    std::atomic<int> sent_away{0}; // by the stop
    std::atomic<int> left_queue{0};
};

/// A client that does one thing after another at random, until nobody listens any more.
class client {
  public:
    client(std::uint16_t port, unsigned seed, tally& seen)
        : port_(port), random_(seed), seen_(seen) {}

    task<> run() {
        for (;;) {
            tcp_stream::socket_type socket(co_await asio::this_coro::executor);
            auto [refused] =
                co_await socket.async_connect(loopback(port_), asio::as_tuple(use_task));
            if (refused) co_return;
            switch (random_() % 8) {
            case 0:
                vanish(socket);
                break;
            case 1:
                co_await leave_with_a_request(std::move(socket));
                break;
            default:
                co_await converse(std::move(socket));
            }
        }
    }

  private:
    using websocket_type = websocket::stream<tcp_stream::socket_type, false>;

    /// Cuts the line without a word: the server sees a reset.
    static void vanish(tcp_stream::socket_type& socket) {
        error_code ignored;
        socket.set_option(asio::socket_base::linger(true, 0), ignored);
        socket.close(ignored);
    }

    /// Asks for an upgrade and does not wait for it: often it is queued by then.
    task<> leave_with_a_request(tcp_stream::socket_type socket) {
        std::string const request = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        co_await asio::async_write(socket, asio::buffer(request), asio::as_tuple(use_task));
        steady_timer pause(co_await asio::this_coro::executor, 1ms);
        co_await pause.async_wait(asio::as_tuple(use_task));
        ++seen_.left_queue;
        if (random_() % 2 == 0) vanish(socket);
    }

    task<> converse(tcp_stream::socket_type socket) {
        auto ws = std::make_unique<websocket_type>(std::move(socket));
        auto [refused] = co_await ws->async_handshake("echo.test", "/ws", asio::as_tuple(use_task));
        if (refused) co_return;
        for (auto left = random_() % 6; left > 0; --left) {
            if (!co_await exchange(*ws, std::to_string(random_()))) co_return note_end(*ws);
        }
        switch (random_() % 4) {
        case 0: // as the protocol has it
            co_await ws->async_close(websocket::close_code::normal, asio::as_tuple(use_task));
            break;
        case 1:
            vanish(ws->next_layer());
            break;
        case 2: // only drops the connection
            break;
        default: // stays until it is told to go
            while (co_await hear(*ws) != "")
                ;
            note_end(*ws);
        }
    }

    /// Says something, and waits for it to come back among what others say.
    task<bool> exchange(websocket_type& ws, std::string text) {
        auto [ec, n] = co_await ws.async_write(asio::buffer(text), asio::as_tuple(use_task));
        if (ec) co_return false;
        for (;;) {
            auto const heard = co_await hear(ws);
            if (heard == "") co_return false;
            if (heard == text) break;
        }
        ++seen_.echoes;
        co_return true;
    }

    /// Empty when the line has ended.
    static task<std::string> hear(websocket_type& ws) {
        boost::beast::flat_buffer buffer;
        auto [ec, n] = co_await ws.async_read(buffer, asio::as_tuple(use_task));
        co_return ec ? std::string() : boost::beast::buffers_to_string(buffer.data());
    }

    void note_end(websocket_type const& ws) {
        if (ws.reason().code == 4000) ++seen_.closed;
        if (ws.reason().code == close_code::going_away) ++seen_.sent_away;
    }

    std::uint16_t port_;
    std::mt19937 random_;
    tally& seen_;
};

/// Many clients on a thread of their own.
class crowd {
  public:
    crowd(std::uint16_t port, unsigned size, tally& seen) {
        for (unsigned i = 0; i < size; ++i) {
            clients_.push_back(std::make_unique<client>(port, i, seen));
            asio::co_spawn(io_, clients_.back()->run(), asio::detached);
        }
        thread_ = std::thread([this] { io_.run(); });
    }

    /// Waits until the last one has found that nobody listens.
    ~crowd() { thread_.join(); }

  private:
    asio::io_context io_{1};
    std::vector<std::unique_ptr<client>> clients_;
    std::thread thread_;
};

/// Reaches into the server as another thread would, until `over`.
void meddle(echo_server& server, unsigned seed, std::atomic<bool> const& over) {
    std::mt19937 random(seed);
    auto const text = std::make_shared<std::string const>("from outside");
    while (!over) {
        auto const handles = server.find_sessions(
            [&](auto const& info) { return info.subject == "somebody" && info.id.front() < 'a'; });
        for (auto const& handle : handles) {
            if (random() % 8 == 0) handle.close({4000, "enough"});
            for (int i = 0; i < 5; ++i)
                handle.send(text);
        }
        server.broadcast("to all");
        for (auto const& info : server.active_sessions()) {
            if (info.id.size() != 36) std::terminate();
        }
        if (server.connections() > 1000) std::terminate();
        std::this_thread::sleep_for(1ms);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(server_threads)

BOOST_AUTO_TEST_CASE(threads_peers_and_a_stop_come_together) {
    tally seen;
    {
        echo_server server({}, {}, queueing_admission({.max_concurrent = 20}));
        BOOST_REQUIRE(server.start(loopback(), 4).has_value());
        std::atomic<bool> over{false};
        std::vector<std::thread> meddlers;
        for (unsigned i = 0; i < 3; ++i)
            meddlers.emplace_back([&, i] { meddle(server, i, over); });
        crowd const clients(server.port(), 50, seen);

        std::this_thread::sleep_for(700ms);
        auto const began = clock_type::now();
        server.stop(5s);
        // All peers answer the goodbye, or are gone.
        BOOST_TEST((clock_type::now() - began < 4s));
        BOOST_TEST(server.connections() == 0u);
        BOOST_TEST(server.policies().admission.active() == 0u);
        BOOST_TEST(server.policies().admission.queued() == 0u);
        BOOST_TEST(server.active_sessions().empty());
        std::this_thread::sleep_for(5ms); // handles are still used
        over = true;
        for (auto& thread : meddlers)
            thread.join();
    }
    BOOST_TEST(seen.echoes > 0);
    BOOST_TEST(seen.closed > 0);
    BOOST_TEST(seen.sent_away > 0);
    BOOST_TEST(seen.left_queue > 0);
}

BOOST_AUTO_TEST_CASE(a_handle_may_be_used_while_and_after_its_server_stops) {
    for (int round = 0; round < 20; ++round) {
        tally seen;
        std::atomic<bool> over{false};
        std::thread user;
        {
            echo_server server({}, {});
            BOOST_REQUIRE(server.start(loopback(), 4).has_value());
            crowd const clients(server.port(), 10, seen);
            auto const all = [](session_info const&) { return true; };
            std::vector<echo_server::handle_type> handles;
            while (handles.size() < 3)
                handles = server.find_sessions(all);
            user = std::thread([&over, handles] {
                auto const text = std::make_shared<std::string const>("hello");
                while (!over) {
                    for (auto const& handle : handles)
                        handle.send(text);
                    std::this_thread::sleep_for(20us); // or it would outrun the server
                }
            });
            server.stop(5s);
        }
        over = true;
        user.join();
    }
}

BOOST_AUTO_TEST_CASE(a_server_that_was_stopped_may_be_started_again) {
    echo_server server({}, {});
    for (unsigned threads : {1U, 4U, 2U}) {
        tally seen;
        BOOST_REQUIRE(server.start(loopback(), threads).has_value());
        BOOST_TEST((server.start(loopback(), threads).error() == errc::already_started));
        {
            crowd const clients(server.port(), 4, seen);
            while (seen.echoes == 0)
                std::this_thread::sleep_for(1ms);
            server.stop(5s);
        }
        BOOST_TEST(server.connections() == 0u);
    }

    // An address that is taken is said so, and does no harm.
    asio::io_context io(1);
    auto taken = tcp_transport::listen(io.get_executor(), loopback());
    BOOST_REQUIRE(taken.has_value());
    BOOST_TEST((server.start(loopback(taken->port()), 2).error() == asio::error::address_in_use));
    BOOST_TEST((server.start(io, loopback(taken->port())).error() == asio::error::address_in_use));
    BOOST_TEST(server.start(io, std::move(*taken)).has_value());
    asio::co_spawn(io, server.async_stop(5s), asio::detached);
    io.run();
}

BOOST_AUTO_TEST_SUITE_END()
