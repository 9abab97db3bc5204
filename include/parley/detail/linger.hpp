// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How a connection is ended under a peer that is still sending.

#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>

namespace parley::detail {

/// Throws away what comes, up to a megabyte, until the peer ends its side; the caller bounds the
/// time by closing `stream`. If a socket is closed with bytes left to read, the system drops what
/// is still on its way to the peer.
template <class Stream>
task<> discard_incoming(Stream& stream) {
    constexpr std::size_t most = 1024 * 1024;
    char scrap[4096];
    for (std::size_t got = 0; got < most;) {
        auto [ec, n] =
            co_await stream.async_read_some(asio::buffer(scrap), asio::as_tuple(use_task));
        if (ec) co_return;
        got += n;
    }
}

} // namespace parley::detail
