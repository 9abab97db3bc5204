// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What ends a client's request before its time: a deadline, or somebody who cancels it.

#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

namespace parley::detail {

/// Watches over one request, whatever it is waiting for. Owned by the request's coroutine, and used
/// on its executor only; the stop token may be triggered on any thread.
class http_watch : public std::enable_shared_from_this<http_watch> {
    struct only_make {};

  public:
    /// \param on_time, on_stop are what `why()` says after the deadline and after a stop.
    static std::shared_ptr<http_watch> make(executor ex, time_point deadline, error_code on_time,
                                            std::stop_token const& token, error_code on_stop) {
        auto watch = std::make_shared<http_watch>(only_make(), ex, deadline, on_time);
        watch->on_stop_.emplace(token, [weak = std::weak_ptr(watch), ex, on_stop] {
            asio::post(ex, [weak, on_stop] {
                if (auto const self = weak.lock()) self->fire(on_stop);
            });
        });
        return watch;
    }

    http_watch(only_make, executor ex, time_point deadline, error_code on_time)
        : timer_(ex), deadline_(deadline), on_time_(on_time) {}

    /// From here to `leave`, `interrupt` is called once, when it is `until`, the deadline has
    /// passed, or the request is stopped; at once when that was so before.
    void enter(time_point until, std::function<void()> interrupt) {
        until = std::min(until, deadline_);
        if (!why_ && std::chrono::steady_clock::now() >= until) why_ = on_time_;
        if (why_) return interrupt();
        interrupt_ = std::move(interrupt);
        timer_.expires_at(until);
        timer_.async_wait([weak = weak_from_this(), turn = ++turn_](error_code) {
            auto const self = weak.lock();
            if (self && self->turn_ == turn) self->fire(self->on_time_);
        });
    }

    void leave() {
        ++turn_;
        interrupt_ = nullptr;
        timer_.cancel();
    }

    /// Why it was ended; no error when it was not.
    [[nodiscard]] error_code why() const { return why_; }

  private:
    void fire(error_code reason) {
        if (why_) return;
        why_ = reason;
        auto const interrupt = std::move(interrupt_);
        leave();
        if (interrupt) interrupt();
    }

    steady_timer timer_;
    time_point const deadline_;
    error_code const on_time_;
    error_code why_;
    unsigned turn_ = 0; // counts `enter` and `leave`, to know a timer that is no longer meant
    std::function<void()> interrupt_;
    std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

} // namespace parley::detail
