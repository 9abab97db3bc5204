// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What an operator decides of the media server.

#include <parley/error.hpp>
#include <parley/signaling/mediasoup/worker_process.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <thread>

#include <unistd.h>

namespace parley::signaling {

struct mediasoup_options {
    mediasoup::worker_settings worker = {};

    std::size_t workers = 0;                  ///< processes; 0: one for each core
    std::string listen_address = "127.0.0.1"; ///< where media arrive
    /// What clients are told instead, where it differs: the public address before a NAT.
    std::string announced_address = {};
    bool udp = true; ///< preferred where both are allowed
    bool tcp = true;
    unsigned initial_outgoing_bitrate = 600'000; ///< of a transport, in bits a second

    /// Before a worker that has died is replaced; doubled each time that its successor dies soon,
    /// up to `longest_pause`.
    std::chrono::milliseconds restart_pause{500};
    std::chrono::milliseconds longest_pause{30'000};
};

/// What is wrong with the options, if anything: whoever starts a server says so before it does.
inline std::optional<problem> check(mediasoup_options const& options) {
    auto const quoted = [](std::string const& text) { return "\"" + text + "\""; };
    auto const& worker = options.worker;
    if (::access(worker.binary.c_str(), X_OK) != 0)
        return problem{"worker", "the path of mediasoup's worker", quoted(worker.binary)};
    if (worker.lowest_port == 0 || worker.highest_port < worker.lowest_port) {
        return problem{"ports", "the lowest port, from 1 on, and the highest",
                       std::to_string(worker.lowest_port) + " and " +
                           std::to_string(worker.highest_port)};
    }
    if (!options.udp && !options.tcp) return problem{"udp and tcp", "one of them", "neither"};
    error_code ec;
    auto const listening = asio::ip::make_address(options.listen_address, ec);
    if (ec) return problem{"listen_address", "an IP address", quoted(options.listen_address)};
    if (options.announced_address.empty()) {
        if (!listening.is_unspecified()) return std::nullopt;
        return problem{"announced_address", "the address that clients can reach", "nothing"};
    }
    auto const announced = asio::ip::make_address(options.announced_address, ec);
    if (ec || announced.is_unspecified()) {
        return problem{"announced_address", "the IP address that clients can reach",
                       quoted(options.announced_address)};
    }
    return std::nullopt;
}

namespace mediasoup::detail {

inline std::size_t worker_count(mediasoup_options const& options) {
    if (options.workers > 0) return options.workers;
    return std::max(1U, std::thread::hardware_concurrency());
}

} // namespace mediasoup::detail

} // namespace parley::signaling
