// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// From a server's name to a connected socket.

#include <parley/detail/alarm.hpp>
#include <parley/detail/http_watch.hpp>
#include <parley/error.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parley::detail {

/// How many of a name's addresses are tried.
inline constexpr std::size_t max_endpoints = 8;

using tcp_endpoints = std::vector<asio::ip::tcp::endpoint>;

/// A look-up. The system's cannot be interrupted once it runs, so the one who waits may leave it
/// behind.
struct http_resolution {
    explicit http_resolution(executor ex) : resolver(ex), bell(steady_timer(ex)) {}

    asio::ip::basic_resolver<asio::ip::tcp, executor> resolver;
    alarm<steady_timer> bell;
    bool over = false;
    error_code failure;
    tcp_endpoints found;
};

/// The addresses of `host`, which may be one itself.
inline task<result<tcp_endpoints>> resolve(executor ex, std::string const& host, std::uint16_t port,
                                           http_watch& watch, time_point until) {
    error_code not_numeric;
    auto const address = asio::ip::make_address(host, not_numeric);
    if (!not_numeric) co_return tcp_endpoints{{address, port}};

    auto const resolution = std::make_shared<http_resolution>(ex);
    resolution->resolver.async_resolve(host, std::to_string(port),
                                       [resolution](error_code ec, auto const& results) {
                                           resolution->failure = ec;
                                           for (auto const& entry : results)
                                               if (resolution->found.size() < max_endpoints)
                                                   resolution->found.push_back(entry.endpoint());
                                           resolution->over = true;
                                           resolution->bell.notify();
                                       });
    watch.enter(until, [resolution] {
        resolution->over = true;
        resolution->resolver.cancel(); // if it has not begun, it never will
        resolution->bell.notify();
    });
    auto const over = [resolution] { return resolution->over; };
    co_await resolution->bell.wait_until(no_deadline, over);
    watch.leave();
    if (watch.why()) co_return watch.why();
    if (resolution->failure) co_return resolution->failure;
    co_return std::move(resolution->found);
}

/// A connection to the first of the addresses that takes it.
inline task<result<tcp_stream>> connect(executor ex, tcp_endpoints const& endpoints,
                                        http_watch& watch, time_point until) {
    error_code last = asio::error::host_not_found;
    for (auto const& endpoint : endpoints) {
        tcp_stream::socket_type socket(ex);
        watch.enter(until, [&socket] {
            error_code ignored;
            socket.close(ignored);
        });
        if (watch.why()) co_return watch.why(); // a closed socket would be opened again
        auto [ec] = co_await socket.async_connect(endpoint, asio::as_tuple(use_task));
        watch.leave();
        if (watch.why()) co_return watch.why();
        if (!ec) {
            error_code ignored;
            socket.set_option(asio::ip::tcp::no_delay(true), ignored);
            co_return tcp_stream(std::move(socket));
        }
        last = ec;
    }
    co_return last;
}

} // namespace parley::detail
