// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The connections of one session to its databases.

#include <parley/tables/blocking_call.hpp>
#include <parley/tables/blocking_pool.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/operation.hpp>
#include <parley/task.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace parley::tables {

/// Opens connections as needed, a bounded number, and closes those that are idle; operations for
/// which there is none wait, without a thread, in the order of their coming. Thread-safe; owned by
/// `shared_ptr`. When the last reference goes, the connections are closed on the blocking pool.
///
/// A `Connection` is used by one thread at a time, and has
/// - `name()`: of the namespace;
/// - `is_fresh()`: whether a connection that was idle can still be used, as far as one can tell
///   without waiting;
/// - `is_usable()`: false when it can be used no more;
/// - `has_begun()`: whether, since `is_fresh`, the database may have done anything.
template <class Connection>
class connection_pool : public std::enable_shared_from_this<connection_pool<Connection>> {
  public:
    using opener =
        std::function<outcome<std::unique_ptr<Connection>>(std::string const& ns, work_control&)>;

    struct options {
        std::size_t max_connections = 4;
        std::size_t max_waiting = 100; ///< operations that wait for a connection
        std::chrono::milliseconds idle_timeout = std::chrono::minutes(1);
    };

    /// \param open is called on threads of `threads`.
    connection_pool(std::shared_ptr<blocking_pool> threads, options o, opener open)
        : threads_(std::move(threads)), limits_(o), open_(std::move(open)) {}

    connection_pool(connection_pool const&) = delete;
    connection_pool& operator=(connection_pool const&) = delete;
    ~connection_pool() { dispose(std::move(idle_)); }

    /// Calls `work(connection, control)` on a thread that may block, with a connection to `ns`. It
    /// is called again, once, with a new connection when an idle one turns out to be dead before
    /// the work has begun.
    template <class T>
    task<outcome<T>> run(std::string ns, operation_ptr op,
                         std::function<outcome<T>(Connection&, work_control&)> work) {
        std::function<outcome<T>(work_control&)> with_connection =
            [self = this->shared_from_this(), ns = std::move(ns),
             work = std::move(work)](work_control& control) -> outcome<T> {
            return self->template run_now<T>(ns, control, work);
        };
        std::function<void(std::shared_ptr<blocking_call>)> submit =
            [self = this->shared_from_this()](std::shared_ptr<blocking_call> call) {
                self->submit(std::move(call));
            };
        return await_blocking<T>(std::move(op), std::move(with_connection), std::move(submit));
    }

    /// Keeps `connection` for later.
    void keep(std::unique_ptr<Connection> connection) {
        std::scoped_lock lock(mutex_);
        idle_.push_back({std::move(connection), clock::now()});
        schedule_sweep();
    }

    /// Closes the connections that nobody uses.
    void close_idle() { dispose(take_idle_since(clock::time_point::max())); }

    [[nodiscard]] std::size_t idle() const {
        std::scoped_lock lock(mutex_);
        return idle_.size();
    }

  private:
    using clock = blocking_pool::clock;

    struct idle_connection {
        std::unique_ptr<Connection> connection;
        clock::time_point since;
    };
    using idle_connections = std::vector<idle_connection>;

    void submit(std::shared_ptr<blocking_call> call) {
        {
            std::scoped_lock lock(mutex_);
            if (in_use_ == limits_.max_connections) {
                std::erase_if(waiting_, [](auto const& c) { return !c->is_waiting(); });
                if (waiting_.size() < limits_.max_waiting) {
                    waiting_.push_back(std::move(call));
                    return;
                }
            } else {
                ++in_use_;
                if (post(call)) return;
                --in_use_;
            }
        }
        call->refuse(overloaded_failure());
    }

    bool post(std::shared_ptr<blocking_call> const& call) {
        return threads_->post([self = this->shared_from_this(), call] {
            call->run();
            self->go_on();
        });
    }

    /// Hands the place of a call that is over to the next that waits.
    void go_on() {
        for (;;) {
            std::shared_ptr<blocking_call> next;
            {
                std::scoped_lock lock(mutex_);
                while (!waiting_.empty() && !waiting_.front()->is_waiting())
                    waiting_.pop_front();
                if (waiting_.empty()) {
                    --in_use_;
                    return;
                }
                next = std::move(waiting_.front());
                waiting_.pop_front();
                if (post(next)) return;
            }
            next->refuse(overloaded_failure());
        }
    }

    template <class T>
    outcome<T> run_now(std::string const& ns, work_control& control,
                       std::function<outcome<T>(Connection&, work_control&)> const& work) {
        if (auto idle = take_idle(ns)) {
            auto answer = work(*idle, control);
            bool const retry = !answer && !idle->is_usable() && !idle->has_begun() &&
                               !control.stopped().has_value();
            if (idle->is_usable()) keep(std::move(idle));
            if (!retry) return answer;
        }
        auto opened = open_(ns, control);
        if (!opened) return opened.error();
        auto answer = work(**opened, control);
        if ((*opened)->is_usable()) keep(std::move(*opened));
        return answer;
    }

    /// An idle connection to `ns` that is still good; or null, and there is room for a new one.
    std::unique_ptr<Connection> take_idle(std::string const& ns) {
        for (;;) {
            idle_connection found; // closed outside of the lock
            {
                std::scoped_lock lock(mutex_);
                // The one used last, so that those not needed become old.
                auto const same = std::find_if(idle_.rbegin(), idle_.rend(), [&](auto const& i) {
                    return i.connection->name() == ns;
                });
                bool const full = idle_.size() + in_use_ > limits_.max_connections;
                if (same == idle_.rend() && !full) return nullptr;
                auto const at = same == idle_.rend() ? idle_.begin() : std::prev(same.base());
                found = std::move(*at);
                idle_.erase(at);
                if (same == idle_.rend()) continue;
            }
            if (found.connection->is_fresh()) return std::move(found.connection);
        }
    }

    idle_connections take_idle_since(clock::time_point latest) {
        std::scoped_lock lock(mutex_);
        auto const kept = std::stable_partition(idle_.begin(), idle_.end(),
                                                [&](auto const& i) { return i.since > latest; });
        idle_connections taken(std::make_move_iterator(kept), std::make_move_iterator(idle_.end()));
        idle_.erase(kept, idle_.end());
        return taken;
    }

    void dispose(idle_connections closed) {
        if (closed.empty()) return;
        auto const shared = std::make_shared<idle_connections>(std::move(closed));
        threads_->post_always([shared] { shared->clear(); });
    }

    /// For the one that is idle for longest.
    void schedule_sweep() {
        if (std::exchange(sweep_scheduled_, true)) return;
        threads_->at(idle_.front().since + limits_.idle_timeout, [weak = this->weak_from_this()] {
            if (auto const self = weak.lock()) self->sweep();
        });
    }

    void sweep() {
        auto const old = take_idle_since(clock::now() - limits_.idle_timeout);
        std::scoped_lock lock(mutex_);
        sweep_scheduled_ = false;
        if (!idle_.empty()) schedule_sweep();
    }

    std::shared_ptr<blocking_pool> const threads_;
    options const limits_;
    opener const open_;
    mutable std::mutex mutex_;
    std::deque<std::shared_ptr<blocking_call>> waiting_;
    idle_connections idle_; // the one used last at the end
    std::size_t in_use_ = 0;
    bool sweep_scheduled_ = false;
};

} // namespace parley::tables
