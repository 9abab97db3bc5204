// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The broker's side of its control socket.

#include "control.hpp"

#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <functional>
#include <list>
#include <string>

namespace consent_broker::control {

/// Listens for as long as it lives, to `max_clients` at once. Used on its executor only.
class server {
  public:
    /// The message to answer a request with, which is any JSON value.
    using handler = std::function<parley::task<std::string>(boost::json::value)>;

    /// Listens; only this user can connect. Replaces a socket that an earlier broker left behind,
    /// so the caller must know that none is running. \throws command_error.
    server(parley::executor const& on, address at);
    server(server&&) = delete;
    ~server();

    /// Answers requests until this is cancelled; requests that are being worked on are finished
    /// then, and perhaps not answered. To be called once, and to complete before this is destroyed.
    parley::task<> serve(handler answer);

  private:
    using protocol = boost::asio::local::stream_protocol;
    using acceptor_type = boost::asio::basic_socket_acceptor<protocol, parley::executor>;
    using socket_type = boost::asio::basic_stream_socket<protocol, parley::executor>;

    void begin(socket_type socket, handler const& answer);
    parley::task<> wait_for_an_end();

    address at_;
    acceptor_type acceptor_;
    std::list<boost::asio::cancellation_signal> clients_; // one for each that is served
    parley::steady_timer end_; // never expires; cancelled when a client is done with
};

} // namespace consent_broker::control
