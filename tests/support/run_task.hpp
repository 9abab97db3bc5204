// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

#include <parley/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

namespace parley::test {

/// Runs the context until the task has ended, whatever else is pending, and returns what it did.
template <class T>
T run(asio::io_context& io, task<T> work) {
    std::optional<T> value;
    std::exception_ptr failure;
    bool over = false;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr const& thrown, T got) {
        failure = thrown;
        value = std::move(got);
        over = true;
    });
    io.restart();
    while (!over)
        if (io.run_one() == 0) throw std::logic_error("the task waits for nothing");
    if (failure) std::rethrow_exception(failure);
    return std::move(*value);
}

/// Runs the context until something holds.
inline void run_until(asio::io_context& io, std::function<bool()> const& holds) {
    io.restart();
    while (!holds())
        io.run_one_for(std::chrono::milliseconds(5));
}

} // namespace parley::test
