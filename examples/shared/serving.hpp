// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How a server begins and ends: what the programs that serve share.

#include "log.hpp"
#include "program.hpp"

#include <parley/error.hpp>
#include <parley/task.hpp>

#include <boost/asio/basic_signal_set.hpp>

#include <csignal>
#include <exception>

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
