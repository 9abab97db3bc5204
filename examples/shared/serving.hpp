// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How a server begins, runs and ends: what the programs that serve share.

#include "log.hpp"
#include "program.hpp"

#include <parley/error.hpp>
#include <parley/server.hpp>
#include <parley/task.hpp>

#include <boost/asio/basic_signal_set.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <string_view>
#include <utility>

namespace shared {

using signal_set = boost::asio::basic_signal_set<parley::executor>;

/// SIGTERM and SIGINT, which end a server, and SIGHUP, by which it reads its certificate again.
inline signal_set serving_signals(parley::executor const& on) {
    return signal_set(on, SIGTERM, SIGINT, SIGHUP);
}

/// \throws command_error that says why nothing can be served at `where`, unless `started`.
inline void require_listening(parley::result<void> const& started,
                              boost::asio::ip::tcp::endpoint const& where) {
    if (started) return;
    throw command_error(exit_status::bad, "cannot listen on " + where.address().to_string() +
                                              " port " + std::to_string(where.port()) + ": " +
                                              started.error().message() +
                                              ".\nStop what uses it, or change server.port or "
                                              "server.host.");
}

/// What a server says of itself, as lines of the log. \see parley::server_options::log
inline void log_server(parley::severity severity, std::string_view text) {
    log::write(static_cast<log::level>(severity), "server", {{"message", text}});
}

/// Runs the life of a server to its end, on this thread. Returns the exit status with which it
/// ends; what it throws is thrown again.
inline int run(parley::asio::io_context& io, parley::task<int> life) {
    std::exception_ptr failure;
    int status = exit_status::bad;
    parley::asio::co_spawn(io, std::move(life), [&](std::exception_ptr e, int ended_with) {
        failure = std::move(e);
        if (failure) io.stop(); // nobody is left to end it in order
        status = ended_with;
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
    return status;
}

/// Serves on the thread that runs `io`, or on so many of the server's own. \throws command_error
template <class Server>
void start(Server& server, parley::asio::io_context& io,
           boost::asio::ip::tcp::endpoint const& where, unsigned threads) {
    require_listening(threads == 1 ? server.start(io, where) : server.start(where, threads), where);
}

/// Ends what `start` began with as many threads.
template <class Server>
parley::task<> stop(Server& server, unsigned threads, std::chrono::milliseconds grace) {
    if (threads == 1) co_return co_await server.async_stop(grace);
    server.stop(grace);
}

template <class Transport>
void reload_certificate(Transport& transport) {
    if constexpr (requires { transport.reload(); }) {
        try {
            transport.reload();
            log::info("certificate_reloaded");
        } catch (std::exception const& e) {
            log::error("certificate_not_reloaded",
                       {{"message", e.what()}, {"effect", "the earlier one stays in use"}});
        }
    } else {
        log::info("nothing_to_reload", {{"message", "there is no TLS certificate"}});
    }
}

/// Returns when the server is to stop.
template <class Transport>
parley::task<> wait_for_stop(signal_set& signals, Transport& transport) {
    for (;;) {
        int const signal = co_await signals.async_wait(parley::use_task);
        if (signal != SIGHUP) {
            log::info("stopping", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
            co_return;
        }
        reload_certificate(transport);
    }
}

} // namespace shared
