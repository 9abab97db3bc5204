// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The broker's side of its control socket.

#include "control.hpp"

#include <parley/task.hpp>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>

#include <functional>
#include <string>

namespace consent_broker::control {

/// Listens for as long as it lives; one connection at a time. Used on its executor only.
class server {
  public:
    /// The message to answer a request with, which is any JSON value.
    using handler = std::function<parley::task<std::string>(boost::json::value)>;

    /// Listens; only this user can connect. Replaces a socket that an earlier broker left behind,
    /// so the caller must know that none is running. \throws command_error.
    server(parley::executor on, boost::asio::local::stream_protocol::endpoint at);
    server(server&&) = delete;
    ~server();

    /// Answers requests until this is cancelled; a request that is being worked on is finished
    /// then, and perhaps not answered.
    parley::task<> serve(handler answer);

  private:
    using protocol = boost::asio::local::stream_protocol;
    using acceptor_type = boost::asio::basic_socket_acceptor<protocol, parley::executor>;
    using socket_type = boost::asio::basic_stream_socket<protocol, parley::executor>;

    static parley::task<> serve_one(socket_type socket, handler const& answer);

    protocol::endpoint at_;
    acceptor_type acceptor_;
};

} // namespace consent_broker::control
