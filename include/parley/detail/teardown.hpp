// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How Beast ends a stream of this library.

#include <parley/error.hpp>

#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <utility>

namespace parley {

namespace detail {

/// A stream of one of this library's transports.
template <class S>
concept own_stream = requires(S& stream) {
    stream.close();
    stream.shutdown();
    stream.peer_address();
};

} // namespace detail

/// Beast calls this on the lowest layer after a close handshake. The server ends a stream itself,
/// in its own time and under its own deadline, so there is nothing to do.
template <detail::own_stream Stream, class Handler>
void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
    boost::asio::post(stream.get_executor(), [h = std::forward<Handler>(handler)]() mutable {
        std::move(h)(error_code{});
    });
}

template <detail::own_stream Stream>
void teardown(boost::beast::role_type, Stream& stream, error_code&) {
    stream.close();
}

template <detail::own_stream Stream>
void beast_close_socket(Stream& stream) {
    stream.close();
}

} // namespace parley
