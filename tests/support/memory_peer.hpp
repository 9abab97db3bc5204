// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A WebSocket client without sockets, and the world it shares with a server under test: one
/// `io_context`, one manual clock, and nothing that sleeps.

#include <parley/task.hpp>
#include <parley/transport/memory_transport.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::test {

/// The one thread, the one clock and the network of a test.
struct memory_world {
    asio::io_context io{1};
    memory_transport transport;

    /// Runs everything that can run without time passing.
    void settle() {
        io.restart();
        io.poll();
    }

    /// Lets time pass, then runs everything that is due.
    void advance(std::chrono::nanoseconds by) {
        transport.clock().advance(by);
        settle();
    }
};

/// A client that records what it is told. Each action runs the world until it is quiet.
class memory_peer {
  public:
    using handshake_response = boost::beast::http::response<boost::beast::http::string_body>;

    explicit memory_peer(memory_world& world, std::string address = "192.0.2.1")
        : memory_peer(world, world.transport, std::move(address)) {}

    /// Of a server that is not on the world's own transport.
    memory_peer(memory_world& world, memory_transport& transport, std::string address)
        : world_(world), state_(std::make_shared<state>(
                             transport.connect(world.io.get_executor(), std::move(address)))) {}

    /// Connects and asks for an upgrade of `path`; the answer may take its time.
    memory_peer(memory_world& world, std::string path, std::string address)
        : memory_peer(world, std::move(address)) {
        upgrade(std::move(path));
    }

    memory_peer(memory_peer&&) = default;
    ~memory_peer() {
        if (state_) state_->ws.next_layer().close();
    }

    void upgrade(std::string path) {
        asio::co_spawn(world_.io, converse(state_, std::move(path)), asio::detached);
        world_.settle();
    }

    /// Sends bytes as they are, without a WebSocket around them.
    void send_raw(std::string bytes) {
        asio::co_spawn(world_.io, write_raw(state_, std::move(bytes)), asio::detached);
        world_.settle();
    }

    /// Sends bytes as they are, after so many turns of the queue of what there is to do; runs
    /// nothing yet.
    void send_raw_after(int turns, std::string bytes) {
        asio::co_spawn(world_.io, write_raw_after(state_, turns, std::move(bytes)), asio::detached);
    }

    /// Collects what comes, without a WebSocket around it.
    void read_raw() {
        asio::co_spawn(world_.io, collect_raw(state_), asio::detached);
        world_.settle();
    }

    /// Collects the next `n` bytes, without a WebSocket around them.
    void read_raw(std::size_t n) {
        asio::co_spawn(world_.io, collect_raw(state_, n), asio::detached);
        world_.settle();
    }

    void send(std::string text) { send_frame(std::move(text), true); }
    void send_binary(std::string bytes) { send_frame(std::move(bytes), false); }

    /// Leaves without a word.
    void vanish() {
        state_->ws.next_layer().close();
        world_.settle();
    }

    /// Closes as the protocol has it.
    void close(std::uint16_t code = 1000) {
        asio::co_spawn(world_.io, close_politely(state_, code), asio::detached);
        world_.settle();
    }

    [[nodiscard]] bool upgraded() const { return state_->upgraded; }
    /// The HTTP status of a refused upgrade; 0 while there is none.
    [[nodiscard]] unsigned refused_with() const {
        return state_->refused ? state_->response.result_int() : 0;
    }
    [[nodiscard]] handshake_response const& response() const { return state_->response; }
    [[nodiscard]] std::vector<std::string> const& messages() const { return state_->messages; }
    [[nodiscard]] std::string const& raw() const { return state_->raw; }
    /// The server's close code, once it has closed; 1006 when the line just broke.
    [[nodiscard]] std::optional<std::uint16_t> closed_with() const { return state_->close_code; }
    [[nodiscard]] std::string const& close_text() const { return state_->close_text; }

    /// The oldest message not taken yet; empty when there is none.
    std::string take() {
        if (state_->taken >= state_->messages.size()) return {};
        return state_->messages[state_->taken++];
    }

  private:
    struct state {
        explicit state(memory_stream stream) : ws(std::move(stream)) {}

        boost::beast::websocket::stream<memory_stream, false> ws;
        handshake_response response;
        std::vector<std::string> messages;
        std::size_t taken = 0;
        std::string raw;
        std::optional<std::uint16_t> close_code;
        std::string close_text;
        bool upgraded = false;
        bool refused = false;
    };
    using state_ptr = std::shared_ptr<state>;

    static task<> converse(state_ptr s, std::string path) {
        auto [declined] = co_await s->ws.async_handshake(s->response, "broker.test", path,
                                                         asio::as_tuple(use_task));
        if (declined) {
            s->refused = declined == boost::beast::websocket::error::upgrade_declined;
            if (!s->refused) s->close_code = 1006;
            co_return;
        }
        s->upgraded = true;
        boost::beast::flat_buffer buffer;
        for (;;) {
            auto [ec, n] = co_await s->ws.async_read(buffer, asio::as_tuple(use_task));
            if (ec) {
                auto const& reason = s->ws.reason();
                bool const closed = ec == boost::beast::websocket::error::closed;
                s->close_code = closed ? reason.code : std::uint16_t{1006};
                s->close_text.assign(reason.reason.begin(), reason.reason.end());
                s->ws.next_layer().close();
                co_return;
            }
            s->messages.push_back(boost::beast::buffers_to_string(buffer.data()));
            buffer.clear();
        }
    }

    void send_frame(std::string payload, bool text) {
        asio::co_spawn(world_.io, write_frame(state_, std::move(payload), text), asio::detached);
        world_.settle();
    }

    static task<> write_frame(state_ptr s, std::string payload, bool text) {
        s->ws.text(text);
        co_await s->ws.async_write(asio::buffer(payload), asio::as_tuple(use_task));
    }

    static task<> write_raw(state_ptr s, std::string bytes) {
        co_await asio::async_write(s->ws.next_layer(), asio::buffer(bytes),
                                   asio::as_tuple(use_task));
    }

    static task<> write_raw_after(state_ptr s, int turns, std::string bytes) {
        for (int i = 0; i < turns; ++i)
            co_await asio::post(use_task);
        co_await write_raw(std::move(s), std::move(bytes));
    }

    static task<> collect_raw(state_ptr s) {
        char some[4096];
        for (;;) {
            auto [ec, n] = co_await s->ws.next_layer().async_read_some(asio::buffer(some),
                                                                       asio::as_tuple(use_task));
            if (ec) {
                s->close_code = 1006;
                co_return;
            }
            s->raw.append(some, n);
        }
    }

    static task<> collect_raw(state_ptr s, std::size_t n) {
        std::string some(n, '\0');
        auto [ec, got] = co_await asio::async_read(s->ws.next_layer(), asio::buffer(some),
                                                   asio::as_tuple(use_task));
        s->raw.append(some, 0, got);
        if (ec) s->close_code = 1006;
    }

    static task<> close_politely(state_ptr s, std::uint16_t code) {
        boost::beast::websocket::close_reason const reason(code);
        co_await s->ws.async_close(reason, asio::as_tuple(use_task));
    }

    memory_world& world_;
    state_ptr state_;
};

} // namespace parley::test
