// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The coroutine vocabulary of the library: which executor everything runs on, and `task<T>`.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace parley {

namespace asio = boost::asio;

/// Every connection lives on one single-threaded `io_context`, so its coroutines need no strand.
using executor = asio::io_context::executor_type;

/// A coroutine that runs on a connection's executor.
template <class T = void>
using task = asio::awaitable<T, executor>;

/// The completion token that turns an Asio operation into something a `task` can `co_await`.
inline constexpr asio::use_awaitable_t<executor> use_task{};

} // namespace parley
