// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One timer that is both a deadline and a bell.

#include <parley/peer.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>

#include <utility>

namespace parley::detail {

/// Lets one coroutine wait for a condition with a deadline. Used on the timer's executor only.
template <class Timer>
class alarm {
  public:
    explicit alarm(Timer timer) : timer_(std::move(timer)) {}

    Timer& timer() { return timer_; }

    /// Suspends until `ready()` holds, or the deadline passes; returns whether it holds. `ready` is
    /// looked at again whenever `notify` is called.
    template <class Ready>
    task<bool> wait_until(time_point deadline, Ready ready) {
        while (!ready()) {
            timer_.expires_at(deadline);
            auto [cancelled] = co_await timer_.async_wait(asio::as_tuple(use_task));
            if (!cancelled) co_return ready();
        }
        co_return true;
    }

    void notify() { timer_.cancel(); }

  private:
    Timer timer_;
};

} // namespace parley::detail
