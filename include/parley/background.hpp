// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Work that goes on beside the connections for as long as a server runs: what expires, what must
/// be kept alive. A policy or a conversation that has any offers
///
///     template <class Context>
///     parley::task<> run(Context& context);
///
/// which the server starts with itself, on one of its threads, and waits for at its stop.

#include <parley/detail/alarm.hpp>
#include <parley/peer.hpp>
#include <parley/task.hpp>

#include <concepts>
#include <utility>

namespace parley {

/// What background work may use. Lives as long as the work runs; used on its executor only.
template <class Policies>
class background_context {
  public:
    using timer_type = typename Policies::transport_type::timer_type;

    background_context(Policies& shared, executor on)
        : policies(shared), executor_(std::move(on)),
          alarm_(shared.transport.make_timer(executor_)) {}

    background_context(background_context const&) = delete;
    background_context& operator=(background_context const&) = delete;

    Policies& policies;

    [[nodiscard]] executor get_executor() const { return executor_; }

    /// Suspends until the point in time on the transport's clock, or until the server has stopped
    /// and all connections have ended; then false: it is time to come to an end.
    task<bool> wait_until(time_point when) {
        auto const stopped = [this] { return stopped_; };
        co_await alarm_.wait_until(when, stopped);
        co_return !stopped_;
    }

    /// The server's: makes `wait_until` return false from now on.
    void stop() {
        stopped_ = true;
        alarm_.notify();
    }

  private:
    executor executor_;
    detail::alarm<timer_type> alarm_;
    bool stopped_ = false;
};

/// Has background work.
template <class P, class Policies>
concept works_in_background = requires(P& policy, background_context<Policies>& context) {
    { policy.run(context) } -> std::same_as<task<>>;
};

} // namespace parley
