// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Channels and floors of one server, on a store that it may share with others (voice signalling
/// specification, §2 and §3).

#include <parley/detail/exception_text.hpp>
#include <parley/signaling/connection.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/messages.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling {

struct hub_options {
    std::size_t max_channels = 10;    ///< of a user, at once
    std::size_t max_users = 100;      ///< of a channel
    std::size_t max_connections = 20; ///< of a user, at once
    /// How long a floor is held that nobody refreshes; the store's own.
    std::chrono::milliseconds lifetime = floor_lifetime;
    /// What goes wrong behind the scenes, from any thread; must not throw; may be empty.
    std::function<void(std::string_view)> log = {};
};

/// What came of `ptt-start`.
struct floor_answer {
    bool granted = false;
    std::optional<speaker> holder; ///< empty when it is not granted because the store fails
};

/// Thread-safe. A request of a connection comes on its executor, one at a time; what a connection
/// leaves behind is cleared up by `run`, whatever has become of the connection's own coroutine.
template <floor_store Store, media_server Media>
class hub : public std::enable_shared_from_this<hub<Store, Media>> {
  public:
    hub(hub_options o, Store floors, Media server)
        : store(std::move(floors)), media(std::move(server)), options_(std::move(o)) {}

    Store store;
    Media media;

    /// Before the server starts, once the hub is shared.
    void prepare() {
        auto const weak = this->weak_from_this();
        store.listen([weak](channel_event const& event) {
            if (auto const self = weak.lock()) self->deliver(event);
        });
        store.reconnected([weak] {
            if (auto const self = weak.lock()) self->check_all_ = true;
        });
        store.departed([weak](departure const& gone) {
            if (auto const self = weak.lock()) self->announce_departed(gone);
        });
        media.on_restart([weak](std::vector<std::string> const& channels) {
            if (auto const self = weak.lock()) self->restart_media(channels);
        });
    }

    // ---- Connections ----------------------------------------------------------------------------

    /// False when the user has too many connections.
    bool add(connection_ptr const& one) {
        std::scoped_lock lock(mutex_);
        auto& all = users_[one->who.userId];
        if (all.size() >= options_.max_connections) return false;
        all.insert(one);
        return true;
    }

    /// Leaves everything that the connection is in and has. Returns at once.
    void remove(connection_ptr one) {
        std::scoped_lock lock(mutex_);
        departed_.push_back(std::move(one));
        if (executor_) wake_clearer();
    }

    [[nodiscard]] hub_options const& options() const { return options_; }

    // ---- Channels -------------------------------------------------------------------------------

    /// What a client learns of the channel it has joined.
    struct joined_channel {
        std::optional<speaker> holder;
        std::size_t users = 0;
    };

    task<result<joined_channel, refusal>> join(connection_ptr one, std::string channel) {
        {
            std::scoped_lock lock(mutex_);
            if (one->channels.contains(channel)) co_return describe(channel);
            if (channels_of(one->who.userId, channel) >= options_.max_channels) {
                co_return refusal{"a user may be in " + std::to_string(options_.max_channels) +
                                  " channels at once: leave one first"};
            }
            one->channels.emplace(channel, media_ledger());
        }
        auto const entered = co_await store.join(channel, one->who.userId, options_.max_users);
        if (!entered || !entered->joined) {
            std::scoped_lock lock(mutex_);
            one->channels.erase(channel);
            if (!entered) owed_leaves_.push_back({channel, one->who.userId, {}}); // it may be done
            if (!entered) co_return refusal{"the channel cannot be joined now: try again"};
            co_return refusal{"the channel is full: " + std::to_string(options_.max_users) +
                              " users are allowed"};
        }
        bool first = false;
        {
            std::scoped_lock lock(mutex_);
            auto& record = channels_[channel];
            first = record.members.empty();
            record.members.insert(one);
            record.users = entered->users;
        }
        if (first) co_await find_holder(channel);
        channel_news news{"user-joined", one->who.userId, one->who.userName, entered->users};
        co_await publish_news(channel, one->id, std::move(news));
        std::scoped_lock lock(mutex_);
        co_return describe(channel);
    }

    /// False when the connection is not in the channel.
    task<bool> leave(connection_ptr one, std::string channel) {
        return drop(std::move(one), std::move(channel), "user-left");
    }

    /// Whether a connection is in a channel.
    [[nodiscard]] bool is_in(connection const& one, std::string const& channel) const {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(channel);
        return found != channels_.end() && one.channels.contains(channel);
    }

    // ---- Floors ---------------------------------------------------------------------------------

    /// Takes the floor of a channel that the connection is in.
    task<floor_answer> take_floor(connection_ptr one, std::string channel, std::int64_t wall_time,
                                  time_point now) {
        speaker who{one->who.userId, one->who.userName, wall_time};
        std::optional<std::string> producer;
        {
            std::scoped_lock lock(mutex_);
            auto const& record = channels_.at(channel);
            if (record.is_held_by(*one)) co_return floor_answer{true, record.local->who};
            who.timestamp = last_timestamp_ = std::max(who.timestamp, last_timestamp_ + 1);
            producer = one->channels.at(channel).producer;
        }
        channel_event event{channel, one->id, std::optional(who),
                            speaker_changed(channel, who, producer)};
        auto const grant = co_await store.take(channel, who, std::move(event));
        if (!grant) co_return floor_answer{};
        if (!grant->granted) co_return floor_answer{false, grant->holder};
        std::scoped_lock lock(mutex_);
        channels_.at(channel).local =
            local_floor{one, who, now + options_.lifetime / 3, now + options_.lifetime};
        if (producer) media.resume(*producer);
        co_return floor_answer{true, who};
    }

    /// Lets go of the floor, if the connection has it. Returns who has it after that.
    task<std::optional<speaker>> release_floor(connection_ptr one, std::string channel) {
        std::optional<local_floor> floor;
        {
            std::scoped_lock lock(mutex_);
            auto& record = channels_.at(channel);
            if (!record.is_held_by(*one)) co_return record.holder;
            floor = take_out_floor(record, channel);
        }
        co_await release(channel, *floor);
        std::scoped_lock lock(mutex_);
        auto const& holder = channels_.at(channel).holder;
        co_return holder == floor->who ? std::nullopt : holder;
    }

    // ---- Media ----------------------------------------------------------------------------------

    /// Calls `change(media_ledger&)` on what the connection has in the channel; false when it is
    /// not in it.
    template <class Change>
    bool with_media(connection& one, std::string const& channel, Change change) {
        std::scoped_lock lock(mutex_);
        auto const found = one.channels.find(channel);
        if (!channels_.contains(channel)) media.close_channel(channel); // made after all have left
        if (found == one.channels.end() || !channels_.contains(channel)) return false;
        change(found->second);
        return true;
    }

    /// The channel of one of the connection's own transports.
    [[nodiscard]] std::optional<std::string> channel_of(connection const& one,
                                                        std::string const& transport) const {
        std::scoped_lock lock(mutex_);
        for (auto const& [channel, ledger] : one.channels) {
            if (ledger.transports.contains(transport)) return channel;
        }
        return std::nullopt;
    }

    /// A producer that is there from now on, in place of an earlier one. It speaks if its owner has
    /// the floor. False, and the producer is closed, when the connection has left meanwhile.
    task<bool> add_producer(connection_ptr one, std::string channel, std::string transport,
                            std::string producer) {
        std::optional<speaker> speaks;
        bool kept = false;
        {
            std::scoped_lock lock(mutex_);
            auto const found = one->channels.find(channel);
            kept = found != one->channels.end() && found->second.transports.contains(transport);
            if (!kept) {
                media.close_producer(producer);
            } else {
                if (found->second.producer) media.close_producer(*found->second.producer);
                found->second.producer = producer;
                found->second.producer_transport = transport;
                auto const& record = channels_.at(channel);
                if (record.is_held_by(*one)) {
                    media.resume(producer);
                    speaks = record.local->who;
                }
            }
        }
        if (speaks) {
            channel_event event{channel, one->id, speaks,
                                speaker_changed(channel, speaks, producer)};
            co_await publish(std::move(event));
        }
        co_return kept;
    }

    /// The producer of whoever speaks in a channel, if it is connected here.
    [[nodiscard]] std::optional<std::string> speaking_producer(std::string const& channel) const {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(channel);
        if (found == channels_.end() || !found->second.local) return std::nullopt;
        return found->second.local->by->channels.at(channel).producer;
    }

    // ---- Background -----------------------------------------------------------------------------

    /// Clears up what departs and keeps floors, until the server has stopped and all is cleared.
    template <class Context>
    task<> run(Context& context) {
        {
            std::scoped_lock lock(mutex_);
            executor_ = context.get_executor();
            cleared_.emplace(*executor_, time_point::max());
            wake_clearer();
        }
        auto const now = [&context] { return context.policies.transport.now(); };
        for (bool running = true; running;) {
            running = co_await context.wait_until(now() + std::chrono::seconds(1));
            co_await keep_floors(now());
        }
        while (is_clearing()) {
            auto [cancelled] = co_await cleared_->async_wait(asio::as_tuple(use_task));
            static_cast<void>(cancelled);
        }
        std::scoped_lock lock(mutex_);
        executor_.reset();
    }

  private:
    using timer_type =
        asio::basic_waitable_timer<std::chrono::steady_clock,
                                   asio::wait_traits<std::chrono::steady_clock>, executor>;

    // ---- What is known, under the lock ----------------------------------------------------------

    joined_channel describe(std::string const& channel) const {
        auto const found = channels_.find(channel);
        if (found == channels_.end()) return {};
        return {found->second.holder, found->second.users};
    }

    /// How many channels a user is in, on any of its connections, besides this one.
    std::size_t channels_of(std::string const& user, std::string const& besides) const {
        std::set<std::string_view> all;
        if (auto const found = users_.find(user); found != users_.end()) {
            for (auto const& one : found->second) {
                for (auto const& [channel, ledger] : one->channels)
                    all.insert(channel);
            }
        }
        all.erase(besides);
        return all.size();
    }

    /// Ends the floor that somebody here has: its producer is silent at once.
    std::optional<local_floor> take_out_floor(channel_record& record, std::string const& channel) {
        auto const floor = std::exchange(record.local, std::nullopt);
        if (!floor) return floor;
        auto const found = floor->by->channels.find(channel);
        if (found != floor->by->channels.end() && found->second.producer) {
            media.pause(*found->second.producer);
        }
        return floor;
    }

    // ---- Telling --------------------------------------------------------------------------------

    /// Tells the members that are connected here. Messages go out in the order of the calls.
    void deliver(channel_event const& event) {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(event.channel);
        if (found == channels_.end()) return;
        auto& record = found->second;
        auto text = event.text;
        if (event.floor) {
            if (!text && record.holder == *event.floor) return;
            if (!text) text = speaker_changed(event.channel, *event.floor, std::nullopt);
            record.holder = *event.floor;
            ++record.changes;
        }
        for (auto const& member : record.members) {
            if (member->id != event.except) member->send(text);
        }
    }

    /// Tells the members of all servers, or, if the store fails, at least those of this one.
    task<> publish(channel_event event) {
        auto const told = co_await store.publish(event);
        if (!told) deliver(event);
    }

    task<> publish_news(std::string channel, std::string except, channel_news news) {
        std::optional<speaker> holder;
        {
            std::scoped_lock lock(mutex_);
            auto const found = channels_.find(channel);
            if (found != channels_.end()) {
                found->second.users = news.users;
                holder = found->second.holder;
            }
        }
        channel_event event{channel, std::move(except), std::nullopt,
                            channel_changed(channel, holder, news)};
        co_await publish(std::move(event));
    }

    /// Of a user whose server has vanished.
    void announce_departed(departure const& gone) {
        std::scoped_lock lock(mutex_);
        if (!executor_) return;
        // Not begun here: what is spawned on its own thread begins at once, under the lock.
        asio::post(*executor_, [self = this->shared_from_this(), where = *executor_, gone] {
            channel_news news{"user-disconnected", gone.user, {}, gone.users};
            asio::co_spawn(where, self->announce(self, gone.channel, std::move(news)),
                           asio::detached);
        });
    }

    task<> announce(std::shared_ptr<hub> self, std::string channel, channel_news news) {
        static_cast<void>(self);
        co_await publish_news(std::move(channel), {}, std::move(news));
    }

    void restart_media(std::vector<std::string> const& restarted) {
        for (auto const& channel : restarted) {
            channel_event event{channel, {}, std::nullopt, nullptr};
            {
                std::scoped_lock lock(mutex_);
                auto const found = channels_.find(channel);
                if (found == channels_.end()) continue;
                for (auto const& member : found->second.members)
                    member->channels[channel] = media_ledger();
                channel_news news{"media-restarted", {}, {}, found->second.users};
                event.text = channel_changed(channel, found->second.holder, news);
            }
            deliver(event); // other servers have media of their own
        }
    }

    // ---- Leaving --------------------------------------------------------------------------------

    /// Takes a connection out of a channel, with all that it has there.
    task<bool> drop(connection_ptr one, std::string channel, std::string_view action) {
        std::optional<local_floor> floor;
        bool was_member = false;
        bool last_of_user = true;
        std::size_t users = 0;
        {
            std::scoped_lock lock(mutex_);
            auto const ledger = one->channels.find(channel);
            if (ledger == one->channels.end()) co_return false;
            auto const found = channels_.find(channel);
            if (found != channels_.end() && found->second.members.erase(one) == 1) {
                was_member = true;
                auto& record = found->second;
                if (record.is_held_by(*one)) floor = take_out_floor(record, channel);
                last_of_user = !record.has_user(one->who.userId);
                users = record.users;
            }
            for (auto const& [transport, direction] : ledger->second.transports)
                media.close_transport(transport);
            one->channels.erase(ledger);
            if (found != channels_.end() && found->second.members.empty()) {
                media.close_channel(channel);
                channels_.erase(found);
            }
        }
        if (floor) co_await release(channel, *floor);
        if (!was_member) co_return true;
        if (last_of_user) users = co_await leave_store(channel, one->who, users);
        channel_news news{action, one->who.userId, one->who.userName, users};
        co_await publish_news(channel, one->id, std::move(news));
        co_return true;
    }

    /// Returns how many users are left.
    task<std::size_t> leave_store(std::string channel, participant who, std::size_t before) {
        auto const left = co_await store.leave(channel, who.userId);
        bool back = false;
        {
            std::scoped_lock lock(mutex_);
            back = is_here(channel, who.userId);
            if (!left && !back) owed_leaves_.push_back({channel, who.userId, who.userName});
        }
        // Another connection of the user has come in meanwhile, and may have been taken out.
        if (back) {
            auto const again = co_await store.join(channel, who.userId, options_.max_users);
            if (again) co_return again->users;
        }
        co_return left ? *left : before - std::min<std::size_t>(before, 1);
    }

    [[nodiscard]] bool is_here(std::string const& channel, std::string const& user) const {
        auto const found = channels_.find(channel);
        return found != channels_.end() && found->second.has_user(user);
    }

    /// Frees a floor that has been taken out of its record, and tells everybody.
    task<> release(std::string channel, local_floor floor) {
        auto const& who = floor.who;
        channel_event event{channel, floor.by->id, std::optional<speaker>(),
                            speaker_changed(channel, std::nullopt, std::nullopt)};
        auto const released = co_await store.release(channel, who, event);
        if (released) co_return;
        deliver(event);
        std::scoped_lock lock(mutex_);
        owed_releases_.push_back({std::move(channel), who, floor.valid_until});
    }

    // ---- What has departed, on the first home ---------------------------------------------------

    void wake_clearer() {
        if (clearing_ || departed_.empty()) return;
        clearing_ = true;
        asio::post(*executor_, [self = this->shared_from_this(), where = *executor_] {
            asio::co_spawn(where, self->clear(self), asio::detached);
        });
    }

    [[nodiscard]] bool is_clearing() const {
        std::scoped_lock lock(mutex_);
        return clearing_;
    }

    task<> clear(std::shared_ptr<hub> self) {
        static_cast<void>(self);
        for (auto one = next_departed(); one; one = next_departed()) {
            try {
                co_await clear(one);
            } catch (...) {
                log("cannot clear up after a connection: " + parley::detail::exception_text());
            }
        }
        cleared_->cancel();
    }

    connection_ptr next_departed() {
        std::scoped_lock lock(mutex_);
        clearing_ = !departed_.empty();
        if (!clearing_) return nullptr;
        auto one = std::move(departed_.front());
        departed_.pop_front();
        return one;
    }

    task<> clear(connection_ptr one) {
        for (auto channel = any_channel_of(*one); channel; channel = any_channel_of(*one)) {
            co_await drop(one, *channel, "user-disconnected");
        }
        std::scoped_lock lock(mutex_);
        auto const found = users_.find(one->who.userId);
        if (found == users_.end()) co_return;
        found->second.erase(one);
        if (found->second.empty()) users_.erase(found);
    }

    std::optional<std::string> any_channel_of(connection const& one) const {
        std::scoped_lock lock(mutex_);
        if (one.channels.empty()) return std::nullopt;
        return one.channels.begin()->first;
    }

    // ---- Floors that go on, on the first home ---------------------------------------------------

    task<> keep_floors(time_point now) {
        co_await pay_releases(now);
        co_await pay_leaves();
        co_await refresh_floors(now);
        co_await find_holders(doubtful_channels());
    }

    /// A floor whose release failed would come back as somebody's with the store.
    struct owed_release {
        std::string channel;
        speaker who;
        time_point until;
    };

    task<> pay_releases(time_point now) {
        std::vector<owed_release> owed;
        {
            std::scoped_lock lock(mutex_);
            owed.swap(owed_releases_);
        }
        for (auto& one : owed) {
            if (one.until <= now) continue;
            channel_event event{one.channel,
                                {},
                                std::optional<speaker>(),
                                speaker_changed(one.channel, std::nullopt, std::nullopt)};
            auto const released = co_await store.release(one.channel, one.who, std::move(event));
            if (released) continue;
            std::scoped_lock lock(mutex_);
            owed_releases_.push_back(std::move(one));
        }
    }

    /// A user who has left while the store was out of reach.
    struct owed_leave {
        std::string channel;
        std::string user;
        std::string name; ///< empty: nobody has heard of it
    };

    task<> pay_leaves() {
        std::vector<owed_leave> owed;
        {
            std::scoped_lock lock(mutex_);
            owed.swap(owed_leaves_);
            std::erase_if(owed, [this](auto const& one) { return is_here(one.channel, one.user); });
        }
        for (auto& one : owed) {
            participant who;
            who.userId = one.user;
            auto const users = co_await leave_store(one.channel, std::move(who), 0);
            if (one.name.empty() || store.failing()) continue;
            channel_news news{"user-disconnected", one.user, one.name, users};
            co_await publish_news(one.channel, {}, std::move(news));
        }
    }

    struct due_refresh {
        std::string channel;
        local_floor floor;
    };

    task<> refresh_floors(time_point now) {
        std::vector<due_refresh> due;
        {
            std::scoped_lock lock(mutex_);
            for (auto const& [channel, record] : channels_) {
                if (record.local && record.local->refresh_at <= now) {
                    due.push_back({channel, *record.local});
                }
            }
        }
        for (auto const& one : due) {
            auto const kept = co_await store.refresh(one.channel, one.floor.who);
            if (kept && *kept) {
                move_on(one, now);
            } else if (kept || one.floor.valid_until - std::chrono::seconds(2) <= now) {
                co_await lose(one);
            }
        }
    }

    void move_on(due_refresh const& one, time_point now) {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(one.channel);
        if (found == channels_.end() || !found->second.local) return;
        auto& floor = *found->second.local;
        if (floor.who != one.floor.who) return;
        floor.refresh_at = now + options_.lifetime / 3;
        floor.valid_until = now + options_.lifetime;
    }

    /// The floor is somebody else's, or can be: whoever has it here is silenced, and told.
    task<> lose(due_refresh one) {
        {
            std::scoped_lock lock(mutex_);
            auto const found = channels_.find(one.channel);
            if (found == channels_.end() || !found->second.local) co_return;
            if (found->second.local->who != one.floor.who) co_return;
            take_out_floor(found->second, one.channel);
        }
        channel_event event{one.channel,
                            {},
                            std::optional<speaker>(),
                            speaker_changed(one.channel, std::nullopt, std::nullopt)};
        deliver(event);
        co_await find_holder(one.channel);
    }

    /// Channels whose floor is known to be somebody's on another server, which may be gone; or all,
    /// when events may have been missed.
    std::vector<std::string> doubtful_channels() {
        bool const all = check_all_.exchange(false);
        std::vector<std::string> doubtful;
        std::scoped_lock lock(mutex_);
        for (auto const& [channel, record] : channels_) {
            if (!record.local && (all || record.holder)) doubtful.push_back(channel);
        }
        return doubtful;
    }

    task<> find_holder(std::string channel) {
        std::vector<std::string> asked;
        asked.push_back(std::move(channel));
        return find_holders(std::move(asked));
    }

    /// Asks the store who has the floors, and tells the members here what is new.
    task<> find_holders(std::vector<std::string> asked) {
        if (asked.empty()) co_return;
        std::vector<std::uint64_t> changes;
        {
            std::scoped_lock lock(mutex_);
            for (auto const& channel : asked) {
                auto const found = channels_.find(channel);
                changes.push_back(found == channels_.end() ? 0 : found->second.changes);
            }
        }
        auto const holders = co_await store.holders(asked);
        if (!holders) {
            check_all_ = true;
            co_return;
        }
        for (std::size_t i = 0; i < asked.size(); ++i)
            correct(asked[i], changes[i], (*holders)[i]);
    }

    /// Unless the floor has changed since.
    void correct(std::string const& channel, std::uint64_t changes,
                 std::optional<speaker> const& holder) {
        {
            std::scoped_lock lock(mutex_);
            auto const found = channels_.find(channel);
            if (found == channels_.end()) return;
            auto const& record = found->second;
            if (record.changes != changes || record.holder == holder || record.local) return;
        }
        deliver({channel, {}, holder, speaker_changed(channel, holder, std::nullopt)});
    }

    void log(std::string_view text) const {
        if (options_.log) options_.log(text);
    }

    hub_options const options_;
    mutable std::mutex mutex_;
    std::map<std::string, std::set<connection_ptr>> users_; // connections by user
    std::map<std::string, channel_record> channels_;
    std::deque<connection_ptr> departed_; // still to be cleared up
    bool clearing_ = false;
    std::vector<owed_release> owed_releases_;
    std::vector<owed_leave> owed_leaves_;
    std::int64_t last_timestamp_ = 0;
    std::atomic<bool> check_all_{false};
    std::optional<executor> executor_;  // while `run` runs
    std::optional<timer_type> cleared_; // rings when nothing is left to clear up
};

} // namespace parley::signaling
