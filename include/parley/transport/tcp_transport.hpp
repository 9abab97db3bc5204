// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Plain TCP: the default transport.

#include <parley/detail/teardown.hpp>
#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

namespace parley {

/// A monotonic timer on a connection's executor.
using steady_timer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, executor>;

/// One accepted TCP connection. Used on its executor only.
class tcp_stream {
  public:
    using executor_type = executor;
    using socket_type = asio::basic_stream_socket<asio::ip::tcp, executor>;

    explicit tcp_stream(socket_type socket) : socket_(std::move(socket)) {}

    executor_type get_executor() { return socket_.get_executor(); }
    socket_type& socket() { return socket_; }

    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return socket_.async_read_some(buffers, std::forward<Token>(token));
    }

    template <class Buffers, class Token>
    auto async_write_some(Buffers const& buffers, Token&& token) {
        return socket_.async_write_some(buffers, std::forward<Token>(token));
    }

    /// Nothing to agree on before the first byte.
    task<error_code> handshake() { co_return error_code{}; }

    /// Tells the peer that nothing more will be sent.
    task<> shutdown() {
        error_code ignored;
        socket_.shutdown(socket_type::shutdown_send, ignored);
        co_return;
    }

    /// Ends the connection at once; pending operations complete with an error.
    void close() {
        error_code ignored;
        socket_.close(ignored);
    }

    /// The peer's IP address, for limits and logs; empty once it is gone.
    [[nodiscard]] std::string peer_address() const {
        error_code ec;
        auto const endpoint = socket_.remote_endpoint(ec);
        return ec ? std::string() : endpoint.address().to_string();
    }

  private:
    socket_type socket_;
};

/// A listening TCP socket that places each connection on the executor it is told.
class tcp_listener {
  public:
    using acceptor_type = asio::basic_socket_acceptor<asio::ip::tcp, executor>;

    /// Takes over an acceptor that is already listening.
    explicit tcp_listener(acceptor_type acceptor) : acceptor_(std::move(acceptor)) {}

    /// The port it listens on; 0 once closed.
    [[nodiscard]] std::uint16_t port() const {
        error_code ec;
        auto const endpoint = acceptor_.local_endpoint(ec);
        return ec ? std::uint16_t{0} : endpoint.port();
    }

    executor get_executor() { return acceptor_.get_executor(); }

    /// The next connection, which will live on `home`.
    task<result<tcp_stream>> accept(executor home) {
        tcp_stream::socket_type socket(home);
        auto [ec] = co_await acceptor_.async_accept(socket, asio::as_tuple(use_task));
        if (ec) co_return ec;
        error_code ignored;
        socket.set_option(asio::ip::tcp::no_delay(true), ignored);
        co_return tcp_stream(std::move(socket));
    }

    void close() {
        error_code ignored;
        acceptor_.close(ignored);
    }

  private:
    acceptor_type acceptor_;
};

/// Transport policy: TCP and the machine's own clocks.
class tcp_transport {
  public:
    using policy_kind = policy_kinds::transport;
    using stream_type = tcp_stream;
    using timer_type = steady_timer;
    using listener_type = tcp_listener;
    using endpoint_type = asio::ip::tcp::endpoint;

    /// Binds and listens; port 0 takes any free port. Fails with the system's own error, such as
    /// `address_in_use`.
    static result<listener_type> listen(executor ex, endpoint_type const& endpoint) {
        tcp_listener::acceptor_type acceptor(ex);
        error_code ec;
        acceptor.open(endpoint.protocol(), ec);
        if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
        if (!ec) acceptor.bind(endpoint, ec);
        if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
        if (ec) return ec;
        return listener_type(std::move(acceptor));
    }

    /// Wraps what a listener accepted. Never fails for plain TCP.
    static stream_type wrap(tcp_stream stream) { return stream; }

    static timer_type make_timer(executor ex) { return timer_type(ex); }
    static time_point now() { return std::chrono::steady_clock::now(); }
    static std::chrono::system_clock::time_point wall_time() {
        return std::chrono::system_clock::now();
    }
};

} // namespace parley
