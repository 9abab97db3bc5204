// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The connections of an HTTP client, kept alive from one request to the next.

#include <parley/detail/alarm.hpp>
#include <parley/detail/http_watch.hpp>
#include <parley/error.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace parley::detail {

/// One connection to the server. Used on the executor that it was made on only.
///
/// While it rests between two requests, nothing but its own pending waits keep it alive. So it goes
/// when they end, or with its `io_context`, whoever still knows of it.
template <class Stream>
class http_connection : public std::enable_shared_from_this<http_connection<Stream>> {
  public:
    http_connection(Stream s, std::size_t max_buffer)
        : stream(std::move(s)), buffer(max_buffer), timer_(stream.get_executor()) {}

    Stream stream;
    boost::beast::flat_buffer buffer; ///< what has been read beyond the last answer

    /// Calls `ended` once, when the server says anything, closes the line, or `limit` has passed,
    /// unless `wake` comes first.
    void rest(std::chrono::milliseconds limit, std::function<void()> const& ended) {
        auto const when_over = [self = this->shared_from_this(), turn = ++turn_,
                                ended](error_code) {
            if (self->turn_ != turn) return;
            self->close();
            ended();
        };
        timer_.expires_after(limit);
        timer_.async_wait(when_over);
        stream.socket().async_wait(tcp_stream::socket_type::wait_read, when_over);
    }

    /// Ends the rest. False when the server has closed the line, or said something that nobody
    /// asked for; then the connection is of no use.
    bool wake() {
        ++turn_;
        timer_.cancel();
        char byte = 0;
        error_code ec;
        stream.socket().cancel(ec);
        stream.socket().non_blocking(true, ec);
        if (!ec) {
            stream.socket().receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, ec);
        }
        return ec == asio::error::would_block;
    }

    void close() {
        ++turn_;
        timer_.cancel();
        stream.close();
    }

  private:
    steady_timer timer_;
    unsigned turn_ = 0; // counts `rest` and its end, to know a wait that is no longer meant
};

/// At most so many connections, and a bounded queue of requests for them, first come, first served.
///
/// Thread-safe. A connection stays on its executor: a request takes one of its own, or opens one,
/// and if there is no room for another, one of another executor that rests is closed for it.
template <class Stream>
class http_pool : public std::enable_shared_from_this<http_pool<Stream>> {
    struct place;

  public:
    using connection = http_connection<Stream>;

    struct options {
        std::size_t max_connections;
        std::size_t max_waiting;
        std::chrono::milliseconds idle_timeout;
    };

    explicit http_pool(options o) : options_(o) {}

    /// The right to one connection, which it may hold already. Let go on the executor that it was
    /// taken on.
    class lease {
      public:
        lease(std::shared_ptr<http_pool> pool, std::shared_ptr<connection> kept)
            : held(std::move(kept)), pool_(std::move(pool)) {}
        lease(lease&&) noexcept = default;
        lease& operator=(lease&&) = delete;
        ~lease() {
            if (pool_) pool_->give_back(nullptr);
        }

        /// Ends the lease; the connection is kept for the next request.
        void keep() { std::exchange(pool_, nullptr)->give_back(std::move(held)); }

        std::shared_ptr<connection> held; ///< or null: to be opened

      private:
        std::shared_ptr<http_pool> pool_;
    };

    /// Waits for a lease. Fails with the watch's reason, or with `full` when too many wait already.
    task<result<lease>> take(executor ex, http_watch& watch, time_point until, error_code full) {
        auto const self = this->shared_from_this();
        auto got = try_take(ex);
        if (got.granted) co_return lease(self, std::move(got.kept));
        if (!got.waiter) co_return full;

        place const mine(self, got.waiter);
        auto const bell = std::make_shared<alarm<steady_timer>>(steady_timer(ex));
        bool given_up = false;
        auto const over = [&] { return given_up || self->is_granted(*mine.waiter); };
        self->ring_with(*mine.waiter, bell);
        watch.enter(until, [&given_up, &bell] {
            given_up = true;
            bell->notify();
        });
        co_await bell->wait_until(no_deadline, over);
        watch.leave();
        if (auto granted = mine.claim()) co_return lease(self, std::move(*granted));
        co_return watch.why();
    }

    /// Closes what rests, and keeps nothing any more. Does not block.
    void shut() {
        std::vector<resting> all;
        {
            std::scoped_lock lock(mutex_);
            shut_ = true;
            all.swap(resting_);
            open_ -= all.size();
        }
        for (auto const& r : all)
            close_there(r);
    }

    /// How many connections are open or being opened.
    [[nodiscard]] std::size_t open() const {
        std::scoped_lock lock(mutex_);
        return open_;
    }

  private:
    struct resting {
        executor ex;
        std::weak_ptr<connection> which;
    };

    /// One who waits. Guarded by the pool's mutex.
    struct waiting {
        executor ex;
        std::weak_ptr<alarm<steady_timer>> bell;
        bool granted = false;
        std::shared_ptr<connection> kept; ///< of the same executor
    };

    /// A place in the queue, left however the wait ends.
    struct place {
        place(std::shared_ptr<http_pool> p, std::shared_ptr<waiting> w)
            : pool(std::move(p)), waiter(std::move(w)) {}
        place(place const&) = delete;
        place& operator=(place const&) = delete;
        ~place() {
            if (pool->leave(*waiter)) pool->give_back(std::move(waiter->kept));
        }

        /// The connection granted, or null for one to be opened; nothing when there is none yet.
        std::optional<std::shared_ptr<connection>> claim() const {
            if (!pool->leave(*waiter)) return std::nullopt;
            return std::move(waiter->kept);
        }

        std::shared_ptr<http_pool> pool;
        std::shared_ptr<waiting> waiter;
    };

    struct attempt {
        bool granted = false;
        std::shared_ptr<connection> kept;
        std::shared_ptr<waiting> waiter;
    };

    attempt try_take(executor ex) {
        std::optional<resting> evicted;
        attempt got;
        {
            std::scoped_lock lock(mutex_);
            forget_gone();
            got.kept = wake_one_of(ex);
            got.granted = got.kept != nullptr;
            if (!got.granted && waiters_.empty() && open_ < options_.max_connections) {
                ++open_;
                got.granted = true;
            } else if (!got.granted && !resting_.empty()) {
                evicted = resting_.front();
                resting_.erase(resting_.begin());
                got.granted = true;
            } else if (!got.granted && waiters_.size() < options_.max_waiting) {
                got.waiter = std::make_shared<waiting>(waiting{ex, {}, false, nullptr});
                waiters_.push_back(got.waiter);
            }
        }
        if (evicted) close_there(*evicted);
        return got;
    }

    /// The latest of this executor that is still good; the others of it that are not, are dropped.
    std::shared_ptr<connection> wake_one_of(executor ex) {
        for (std::size_t i = resting_.size(); i-- > 0;) {
            if (&resting_[i].ex.context() != &ex.context()) continue;
            auto kept = resting_[i].which.lock();
            resting_.erase(resting_.begin() + static_cast<std::ptrdiff_t>(i));
            if (kept && kept->wake()) return kept;
            if (kept) kept->close();
            --open_;
        }
        return nullptr;
    }

    /// Those whose `io_context` has gone.
    void forget_gone() {
        open_ -= std::erase_if(resting_, [](resting const& r) { return r.which.expired(); });
    }

    /// Passes on, keeps or closes a connection, or the right to one.
    void give_back(std::shared_ptr<connection> kept) {
        std::unique_lock lock(mutex_);
        if (!waiters_.empty()) {
            auto const next = waiters_.front();
            waiters_.pop_front();
            next->granted = true;
            bool const at_home =
                kept && &next->ex.context() == &kept->stream.get_executor().context();
            if (at_home) next->kept = std::move(kept);
            ring(*next);
        } else if (kept && !shut_) {
            resting_.push_back({kept->stream.get_executor(), kept});
            lock.unlock();
            kept->rest(options_.idle_timeout,
                       [weak = this->weak_from_this(), which = std::weak_ptr(kept)] {
                           if (auto const self = weak.lock()) self->forget(which);
                       });
        } else {
            --open_;
        }
    }

    void forget(std::weak_ptr<connection> const& which) {
        std::scoped_lock lock(mutex_);
        open_ -= std::erase_if(resting_, [&](resting const& r) {
            return !r.which.owner_before(which) && !which.owner_before(r.which);
        });
    }

    void ring_with(waiting& waiter, std::shared_ptr<alarm<steady_timer>> const& bell) {
        std::scoped_lock lock(mutex_);
        waiter.bell = bell;
    }

    bool is_granted(waiting const& waiter) const {
        std::scoped_lock lock(mutex_);
        return waiter.granted;
    }

    // Rings on the waiter's own executor; one that has no bell yet looks before it waits.
    static void ring(waiting const& waiter) {
        asio::post(waiter.ex, [weak = waiter.bell] {
            if (auto const bell = weak.lock()) bell->notify();
        });
    }

    /// Leaves the queue; true, once, when it had got what it waited for.
    bool leave(waiting& waiter) {
        std::scoped_lock lock(mutex_);
        std::erase_if(waiters_, [&](auto const& w) { return w.get() == &waiter; });
        return std::exchange(waiter.granted, false);
    }

    // The connection is of another thread, perhaps: it must not be locked here.
    static void close_there(resting const& r) {
        if (r.which.expired()) return;
        asio::post(r.ex, [which = r.which] {
            if (auto const kept = which.lock()) kept->close();
        });
    }

    options const options_;
    mutable std::mutex mutex_;
    bool shut_ = false;
    std::size_t open_ = 0; // leased, granted and resting
    std::vector<resting> resting_;
    std::deque<std::shared_ptr<waiting>> waiters_;
};

} // namespace parley::detail
