// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A broker on either transport. Each is compiled in a file of its own: the server is a template
/// that takes its time.

#include "control.hpp"
#include "database.hpp"

#include <parley/consent/configuration.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>

namespace consent_broker {

/// What a broker is made of, once everything that can be wrong with it was found to be right.
struct broker_parts {
    parley::consent::configuration config;
    boost::asio::ip::tcp::endpoint address;
    control::address control;
    database storage;
    audit_log audit;
    unsigned threads;                ///< at least 1
    std::size_t max_connections;     ///< at least 1
    std::size_t max_per_address;     ///< of them from one address; 0: no limit
    std::chrono::milliseconds grace; ///< how long peers have to go, when the broker stops
};

/// Runs a broker on this thread, and on `parts.threads` more if that is not 1, until SIGTERM or
/// SIGINT. Returns the exit status. \throws command_error when it cannot start.
int run_tcp_broker(broker_parts parts);

/// As above, over TLS. SIGHUP loads the files again.
int run_tls_broker(broker_parts parts, std::filesystem::path certificate,
                   std::filesystem::path key);

} // namespace consent_broker
