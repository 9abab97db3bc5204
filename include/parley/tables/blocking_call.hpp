// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An operation that waits for its turn and then runs on a thread that may block, while a coroutine
/// awaits it.

#include <parley/detail/completion.hpp>
#include <parley/tables/blocking_pool.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/operation.hpp>
#include <parley/task.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace parley::tables {

/// Why an operation was stopped, for its user.
inline failure stopped_failure(failure_code code) {
    if (code == failure_code::timed_out)
        return {code, "The database took longer than it may; the operation was stopped"};
    return {code, "The operation was cancelled"};
}

/// Until when work may go on, and what is done to stop it. Thread-safe. The deadline is on
/// `std::chrono::steady_clock`, as that of every transport but the one for tests.
class work_control {
  public:
    explicit work_control(time_point deadline) : deadline_(deadline) {}
    work_control(work_control const&) = delete;
    work_control& operator=(work_control const&) = delete;
    virtual ~work_control() = default;

    [[nodiscard]] time_point deadline() const { return deadline_; }

    /// `timed_out` or `cancelled`, once the work is to stop.
    [[nodiscard]] std::optional<failure_code> stopped() const {
        {
            std::scoped_lock lock(mutex_);
            if (reason_) return reason_;
        }
        if (std::chrono::steady_clock::now() >= deadline_) return failure_code::timed_out;
        return std::nullopt;
    }

    /// While one of these lives, whoever stops the work calls `interrupt`, on a thread of theirs;
    /// at once when the work is to stop already. One at a time. It must be quick, and not throw.
    class on_stop {
      public:
        on_stop(work_control& of, std::function<void()> interrupt) : of_(of) {
            std::scoped_lock lock(of_.mutex_);
            of_.interrupt_ = std::move(interrupt);
            if (of_.reason_) of_.interrupt_();
        }
        on_stop(on_stop const&) = delete;
        on_stop& operator=(on_stop const&) = delete;
        ~on_stop() {
            std::scoped_lock lock(of_.mutex_);
            of_.interrupt_ = nullptr;
        }

      private:
        work_control& of_;
    };

  protected:
    time_point const deadline_;
    mutable std::mutex mutex_;
    std::optional<failure_code> reason_;
    std::function<void()> interrupt_;
};

/// One operation: waits (it can be stopped, and then never runs), runs once, and is over.
class blocking_call : public work_control {
  public:
    using work_control::work_control;

    /// Runs it on this thread, unless it is over.
    virtual void run() = 0;

    /// Ends it with this failure, unless it has begun or is over.
    virtual void refuse(failure why) = 0;

    [[nodiscard]] bool is_waiting() const {
        std::scoped_lock lock(mutex_);
        return state_ == state::waiting;
    }

    /// Stops it: what waits is over; what runs is interrupted, and over when it notices.
    void stop(failure_code reason) {
        {
            std::scoped_lock lock(mutex_);
            if (reason_ || state_ == state::over) return;
            reason_ = reason;
            if (interrupt_) interrupt_();
        }
        refuse(stopped_failure(reason));
    }

  protected:
    enum class state { fresh, waiting, running, over };

    /// From `from` to `to`; false when it is elsewhere.
    bool advance(state from, state to) {
        std::scoped_lock lock(mutex_);
        if (state_ != from) return false;
        state_ = to;
        return true;
    }

    state state_ = state::fresh;
};

template <class T>
class blocking_call_of final : public blocking_call {
  public:
    using work = std::function<outcome<T>(work_control&)>;

    blocking_call_of(time_point deadline, work w) : blocking_call(deadline), work_(std::move(w)) {}

    void await_with(parley::detail::completion<outcome<T>> done) {
        done_ = std::move(done);
        advance(state::fresh, state::waiting);
        if (auto const reason = stopped()) refuse(stopped_failure(*reason));
    }

    void run() override {
        if (auto const reason = stopped()) refuse(stopped_failure(*reason));
        if (!advance(state::waiting, state::running)) return;
        auto answer = call_work();
        advance(state::running, state::over);
        finish(std::move(answer));
    }

    void refuse(failure why) override {
        if (advance(state::waiting, state::over)) finish(std::move(why));
    }

  private:
    /// What is thrown is a bug, or too little memory, and must not end the thread.
    outcome<T> call_work() {
        try {
            return work_(*this);
        } catch (std::exception const&) {
            return failure{failure_code::database_error, "The operation failed unexpectedly"};
        }
    }

    void finish(outcome<T> answer) {
        work_ = nullptr; // what it holds is to be gone before the coroutine goes on
        done_(std::move(answer));
    }

    work work_;
    parley::detail::completion<outcome<T>> done_;
};

/// What a call that cannot even wait ends with.
inline failure overloaded_failure() {
    return {failure_code::overloaded, "Too many operations are waiting; try again later"};
}

/// Has calls run on the threads of a pool, as they come.
inline std::function<void(std::shared_ptr<blocking_call>)>
submit_to(std::shared_ptr<blocking_pool> threads) {
    return [threads = std::move(threads)](std::shared_ptr<blocking_call> call) {
        if (!threads->post([call] { call->run(); })) call->refuse(overloaded_failure());
    };
}

/// Makes a call of `work`, hands it to `submit`, which sees to it that it is run or refused, and
/// waits until it is over. It is stopped at its deadline, and when the operation is cancelled.
template <class T>
task<outcome<T>> await_blocking(operation_ptr op, std::function<outcome<T>(work_control&)> work,
                                std::function<void(std::shared_ptr<blocking_call>)> submit) {
    auto const call = std::make_shared<blocking_call_of<T>>(op->deadline(), std::move(work));
    operation::interruption const on_cancel(*op, [call] { call->stop(failure_code::cancelled); });

    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, executor>
        timer(co_await asio::this_coro::executor, op->deadline());
    timer.async_wait([call](error_code ec) {
        if (!ec) call->stop(failure_code::timed_out);
    });

    auto start = [&](parley::detail::completion<outcome<T>> done) {
        call->await_with(std::move(done));
        if (call->is_waiting()) submit(call);
    };
    co_return co_await parley::detail::await_completion<outcome<T>>(start);
}

} // namespace parley::tables
