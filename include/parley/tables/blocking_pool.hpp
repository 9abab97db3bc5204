// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Threads for calls that block, so that no I/O thread does.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace parley::tables {

/// As many threads as there is work for, up to a bound; idle ones end. Thread-safe. What it runs
/// must not throw.
class blocking_pool {
  public:
    using clock = std::chrono::steady_clock;

    struct options {
        std::size_t max_threads = 64;
        std::size_t max_queued = 1000; ///< pieces of work that wait for a thread
        std::chrono::milliseconds idle_time = std::chrono::seconds(10); ///< then a thread ends
    };

    explicit blocking_pool(options o) : state_(std::make_shared<state>(o)) {}
    blocking_pool(blocking_pool const&) = delete;
    blocking_pool& operator=(blocking_pool const&) = delete;
    ~blocking_pool() { stop(); }

    /// False, and nothing is done, when as much is waiting as may, or after `stop`.
    [[nodiscard]] bool post(std::function<void()> work) {
        return push(std::move(work), state_->limits.max_queued);
    }

    /// Work that must be done, such as closing what is no longer used; on this thread after `stop`.
    void post_always(std::function<void()> work) {
        if (!push(work, std::numeric_limits<std::size_t>::max())) work();
    }

    /// Runs `work` at that time, or somewhat later when all threads are busy; not after `stop`.
    void at(clock::time_point when, std::function<void()> work) {
        std::scoped_lock lock(state_->mutex);
        if (state_->stopping) return;
        state_->scheduled.emplace(when, std::move(work));
        if (state_->threads == 0) state_->spawn(state_);
        state_->changed.notify_one();
    }

    /// Runs what is waiting, and returns when every thread has ended. To be called from a thread
    /// that may block, and is none of these.
    void stop() {
        std::unique_lock lock(state_->mutex);
        state_->stopping = true;
        state_->scheduled.clear();
        state_->changed.notify_all();
        state_->ended.wait(lock, [this] { return state_->threads == 0; });
    }

    [[nodiscard]] std::size_t threads() const {
        std::scoped_lock lock(state_->mutex);
        return state_->threads;
    }

  private:
    /// \param most that may be waiting
    bool push(std::function<void()> work, std::size_t most) {
        {
            std::scoped_lock lock(state_->mutex);
            if (state_->stopping || state_->queue.size() >= most) return false;
            if (!state_->push(std::move(work), state_)) return false;
        }
        state_->changed.notify_one(); // a thread woken within the lock would wait for that next
        return true;
    }

    /// Shared with the threads, which nobody joins.
    struct state {
        explicit state(options o) : limits(o) {}

        /// False when there is no thread, and none can be made.
        bool push(std::function<void()> work, std::shared_ptr<state> const& self) {
            queue.push_back(std::move(work));
            if (queue.size() > idle && threads < limits.max_threads) spawn(self);
            if (threads == 0) {
                queue.pop_back();
                return false;
            }
            return true;
        }

        void spawn(std::shared_ptr<state> const& self) {
            try {
                std::thread([self] { self->work(); }).detach();
                ++threads;
            } catch (std::system_error const&) {
                // The operating system has no more: those that are there have to do.
            }
        }

        void work() {
            std::unique_lock lock(mutex);
            while (auto next = take(lock)) {
                lock.unlock();
                next();
                next = nullptr; // what it holds goes outside of the lock
                lock.lock();
            }
            --threads;
            ended.notify_all();
        }

        /// The next piece of work; nothing when this thread is to end.
        std::function<void()> take(std::unique_lock<std::mutex>& lock) {
            auto const idle_until = clock::now() + limits.idle_time;
            for (;;) {
                auto const now = clock::now();
                if (!scheduled.empty() && scheduled.begin()->first <= now)
                    return std::move(scheduled.extract(scheduled.begin()).mapped());
                if (!queue.empty()) {
                    auto next = std::move(queue.front());
                    queue.pop_front();
                    return next;
                }
                bool const needed = !scheduled.empty() && threads == 1;
                if (stopping || (now >= idle_until && !needed)) return nullptr;
                auto until = needed ? clock::time_point::max() : idle_until;
                if (!scheduled.empty()) until = std::min(until, scheduled.begin()->first);
                ++idle;
                changed.wait_until(lock, until);
                --idle;
            }
        }

        options const limits;
        std::mutex mutex;
        std::condition_variable changed;
        std::condition_variable ended;
        std::deque<std::function<void()>> queue;
        std::multimap<clock::time_point, std::function<void()>> scheduled;
        std::size_t threads = 0;
        std::size_t idle = 0;
        bool stopping = false;
    };

    std::shared_ptr<state> state_;
};

} // namespace parley::tables
