// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Joining and leaving channels (voice signalling specification, §2), on a store that servers may
/// share.

#include <parley/detail/exception_text.hpp>
#include <parley/error.hpp>
#include <parley/signaling/channel_table.hpp>
#include <parley/signaling/connection.hpp>
#include <parley/signaling/floor_keeper.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/messages.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

/// Thread-safe. A connection joins and leaves on its own executor; what it leaves behind is cleared
/// up on the executor of `begin`, whatever has become of the connection's own coroutine.
template <floor_store Store, media_server Media>
class memberships {
  public:
    using table_type = channel_table<Media>;
    using keeper_type = floor_keeper<Store, Media>;

    /// All outlive it.
    memberships(hub_options const& options, Store& store, table_type& table, keeper_type& floors)
        : options_(options), store_(store), table_(table), floors_(floors) {}
    memberships(memberships const&) = delete;
    memberships& operator=(memberships const&) = delete;

    task<result<joined_channel, refusal>> join(connection_ptr one, std::string channel) {
        auto const& user = one->who.userId;
        auto const begun = table_.begin_join(*one, channel);
        if (!begun) co_return begun.error();
        if (*begun) co_return **begun;
        if (store_.failing()) {
            table_.abandon_join(*one, channel);
            co_return out_of_reach();
        }
        auto const entered = co_await store_.join(channel, user, options_.max_users);
        if (!entered || !entered->joined) {
            table_.abandon_join(*one, channel);
            // It may be done nevertheless, or by `leave_store`, which saw it coming.
            owe_leave(channel, user, {});
            if (!entered) co_return out_of_reach();
            co_return refusal{"the channel is full: " + std::to_string(options_.max_users) +
                              " users are allowed"};
        }
        if (table_.finish_join(one, channel, entered->users)) co_await floors_.find_holder(channel);
        channel_news news{"user-joined", user, one->who.userName};
        co_await publish(channel, one->id, std::move(news));
        co_return table_.describe(channel);
    }

    /// Takes a connection out of a channel, with all that it has there; false when it is not in it.
    /// The others are told when none of the user's connections, on any server, is left in it.
    /// \param action `user-left` or `user-disconnected`
    task<bool> leave(connection_ptr one, std::string channel, std::string_view action) {
        auto const left = table_.take_out(one, channel);
        if (!left) co_return false;
        if (left->floor) co_await floors_.release(channel, *left->floor);
        if (!left->was_member || !left->last_of_user) co_return true;
        auto const gone = co_await leave_store(channel, one->who.userId, one->who.userName);
        if (gone && !*gone) co_return true;
        if (!gone) table_.count_out(channel);
        channel_news news{std::string(action), one->who.userId, one->who.userName};
        co_await publish(channel, one->id, std::move(news));
        co_return true;
    }

    /// The connection leaves everything that it is in and has. Returns at once.
    void remove(connection_ptr one) {
        std::scoped_lock lock(mutex_);
        departed_.push_back(std::move(one));
        if (executor_) wake_clearer();
    }

    /// Tells of a user whose server has vanished.
    void announce(departure const& gone) {
        std::scoped_lock lock(mutex_);
        if (!executor_) return;
        channel_news news{"user-disconnected", gone.user};
        spawn([this, gone, news] { return publish(gone.channel, {}, news); });
    }

    /// What is to be done about once a second, and takes about as long at most: users have left
    /// while the store was out of reach. \param now the clock
    template <class Clock>
    task<> pay_leaves(Clock now) {
        if (store_.failing()) co_return;
        auto const until = now() + std::chrono::seconds(1);
        owed_leaves owed;
        {
            std::scoped_lock lock(mutex_);
            owed.swap(owed_);
        }
        for (auto const& [key, name] : owed) {
            auto const& [channel, user] = key;
            floors_.end_what_runs_out(now());
            if (table_.is_in(channel, user)) continue;
            if (now() >= until || table_.is_here(channel, user)) {
                owe_leave(channel, user, name);
                continue;
            }
            auto const gone = co_await leave_store(channel, user, name);
            if (!gone || !*gone || name.empty()) continue;
            floors_.end_what_runs_out(now());
            channel_news news{"user-disconnected", user, name};
            co_await publish(channel, std::string(), std::move(news));
        }
        floors_.end_what_runs_out(now());
    }

    // ---- What has departed ----------------------------------------------------------------------

    /// From now on it is cleared up, on `where`. \param owner keeps this alive
    void begin(executor where, std::weak_ptr<void> owner) {
        std::scoped_lock lock(mutex_);
        owner_ = std::move(owner);
        executor_ = std::move(where);
        cleared_.emplace(*executor_, time_point::max());
        wake_clearer();
    }

    /// The server stops: what departs is left as it is until all connections have been closed.
    void pause() {
        std::scoped_lock lock(mutex_);
        paused_ = true;
    }

    /// All connections have been closed. Waits until everything is cleared up. On the executor of
    /// `begin`.
    task<> end() {
        {
            std::scoped_lock lock(mutex_);
            paused_ = false;
            wake_clearer();
        }
        while (is_clearing()) {
            auto [cancelled] = co_await cleared_->async_wait(asio::as_tuple(use_task));
            static_cast<void>(cancelled);
        }
        std::scoped_lock lock(mutex_);
        cleared_.reset();
        executor_.reset();
    }

  private:
    using timer_type =
        asio::basic_waitable_timer<std::chrono::steady_clock,
                                   asio::wait_traits<std::chrono::steady_clock>, executor>;
    static constexpr std::size_t max_clearers = 32;
    using owed_leaves = std::map<std::pair<std::string, std::string>, std::string>;

    static refusal out_of_reach() { return {"the channel cannot be joined now: try again"}; }

    task<> publish(std::string channel, std::string except, channel_news news) {
        channel_event event{std::move(channel), std::move(except)};
        event.news = std::move(news);
        return floors_.publish(std::move(event));
    }

    /// False when the user is still in the channel, here or on another server.
    task<result<bool>> leave_store(std::string channel, std::string user, std::string name) {
        for (;;) {
            auto const gone = co_await store_.leave(channel, user);
            // Another connection of the user has come in meanwhile, or is about to.
            if (table_.is_here(channel, user)) {
                auto const again = co_await store_.join(channel, user, options_.max_users);
                bool const is_here = table_.is_here(channel, user);
                if (again && again->joined && !is_here) continue;
                if (again && again->joined) co_return false;
                // Refused, it is not in; else nobody knows.
                if (!again) owe_leave(channel, user, name);
                if (!again && is_here) co_return false;
            }
            if (gone) co_return *gone;
            owe_leave(std::move(channel), std::move(user), std::move(name));
            co_return errc::storage_unavailable;
        }
    }

    /// \param name empty: nobody has heard of it
    void owe_leave(std::string channel, std::string user, std::string name) {
        std::scoped_lock lock(mutex_);
        auto& known = owed_[{std::move(channel), std::move(user)}];
        if (!name.empty()) known = std::move(name);
    }

    /// Under the lock: `work()` is not begun here, since what is spawned on its own thread begins
    /// at once.
    template <class Work>
    void spawn(Work work) {
        asio::post(*executor_, [work = std::move(work), where = *executor_,
                                owner = owner_.lock()]() mutable {
            asio::co_spawn(where, work(), [owner = std::move(owner)](std::exception_ptr) {});
        });
    }

    /// Some at once, since each waits for the store.
    void wake_clearer() {
        if (paused_) return;
        for (auto waiting = departed_.size(); waiting > 0 && clearers_ < max_clearers; --waiting) {
            ++clearers_;
            spawn([this] { return clear(); });
        }
    }

    [[nodiscard]] bool is_clearing() const {
        std::scoped_lock lock(mutex_);
        return clearers_ > 0;
    }

    task<> clear() {
        for (auto one = next_departed(); one; one = next_departed()) {
            try {
                co_await clear(one);
            } catch (...) {
                if (options_.log)
                    options_.log("cannot clear up after a connection: " +
                                 parley::detail::exception_text());
            }
        }
        cleared_->cancel();
    }

    connection_ptr next_departed() {
        std::scoped_lock lock(mutex_);
        if (paused_ || departed_.empty()) {
            --clearers_;
            return nullptr;
        }
        auto one = std::move(departed_.front());
        departed_.pop_front();
        return one;
    }

    task<> clear(connection_ptr one) {
        for (auto channel = table_.any_channel_of(*one); channel;
             channel = table_.any_channel_of(*one))
            co_await leave(one, *channel, "user-disconnected");
        table_.forget(one);
    }

    hub_options const& options_;
    Store& store_;
    table_type& table_;
    keeper_type& floors_;
    mutable std::mutex mutex_;
    std::deque<connection_ptr> departed_; // still to be cleared up
    std::size_t clearers_ = 0;
    bool paused_ = false;
    owed_leaves owed_; // by channel and user: the user's name
    std::weak_ptr<void> owner_;
    std::optional<executor> executor_;  // between `begin` and the end of `end`
    std::optional<timer_type> cleared_; // rings when nothing is left to clear up
};

} // namespace parley::signaling
