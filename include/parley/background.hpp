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
#include <type_traits>
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

namespace errors {
/// What a compiler complains of (policy_set.hpp) where a member `run` is something else: it would
/// never be called.
template <class Policy>
struct run_must_be_a_task_that_takes_a_background_context;
} // namespace errors

namespace detail {

template <class P, class Policies>
concept has_run = requires(P& policy, background_context<Policies>& context) {
    { policy.run(context) } -> std::same_as<task<>>;
};

struct has_a_member_run {
    int run;
};
template <class P>
struct has_perhaps_two : P, has_a_member_run {};

/// Whether `P` has a member `run`, whatever it is: then the name is ambiguous beside another one.
template <class P>
constexpr bool names_run() {
    if constexpr (!std::is_class_v<P> || std::is_final_v<P>) {
        return requires {
            &P::run;
        };
    } else {
        return !requires {
            &has_perhaps_two<P>::run;
        };
    }
}

/// Stops the compiler where there is a `run` that the server cannot call.
template <class P, class Policies>
constexpr bool check_run() {
    if constexpr (!has_run<P, Policies> && names_run<P>()) {
        return sizeof(errors::run_must_be_a_task_that_takes_a_background_context<P>) != 0;
    }
    return true;
}

} // namespace detail

/// Has background work. The name `run` is taken: a policy's member of that name must be as above.
template <class P, class Policies>
concept works_in_background = detail::check_run<P, Policies>() && detail::has_run<P, Policies>;

} // namespace parley
