// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Lets several coroutines wait for one thing.

#include <parley/peer.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>

#include <list>
#include <utility>

namespace parley::signaling::mediasoup::detail {

/// Used on its executor only; outlives those who wait.
class bell {
  public:
    using timer =
        asio::basic_waitable_timer<std::chrono::steady_clock,
                                   asio::wait_traits<std::chrono::steady_clock>, executor>;

    explicit bell(executor on) : executor_(std::move(on)) {}

    /// Suspends until `ready()` holds, or the deadline passes; returns whether it holds. `ready` is
    /// looked at again whenever the bell rings.
    template <class Ready>
    task<bool> wait_until(time_point deadline, Ready ready) {
        if (ready()) co_return true;
        place const mine(*this, deadline);
        for (;;) {
            auto [cancelled] = co_await mine.timer->async_wait(asio::as_tuple(use_task));
            if (ready()) co_return true;
            if (!cancelled) co_return false;
        }
    }

    void ring() {
        for (auto& one : waiting_)
            one.cancel();
    }

  private:
    /// Is among those who wait for as long as it lives.
    struct place {
        place(bell& where, time_point deadline)
            : of(where), timer(of.waiting_.emplace(of.waiting_.end(), of.executor_, deadline)) {}
        place(place const&) = delete;
        place& operator=(place const&) = delete;
        ~place() { of.waiting_.erase(timer); }

        bell& of;
        std::list<bell::timer>::iterator timer;
    };

    executor executor_;
    std::list<timer> waiting_;
};

} // namespace parley::signaling::mediasoup::detail
