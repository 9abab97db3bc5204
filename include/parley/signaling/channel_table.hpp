// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The connections of one server, and the channels that they are in.

#include <parley/signaling/connection.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/messages.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
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

/// What a client learns of a channel that it is in.
struct joined_channel {
    std::optional<speaker> holder;
    std::size_t users = 0;
};

/// Thread-safe, and waits for nothing: each function is one step. Tells the members what happens,
/// and has the media server do what follows from it, in the order of the steps.
template <media_server Media>
class channel_table {
  public:
    /// Both outlive it.
    channel_table(hub_options const& options, Media& media) : options_(options), media_(media) {}
    channel_table(channel_table const&) = delete;
    channel_table& operator=(channel_table const&) = delete;

    // ---- Connections ----------------------------------------------------------------------------

    /// False when the user has too many.
    bool add(connection_ptr const& one) {
        std::scoped_lock lock(mutex_);
        auto& all = users_[one->who.userId];
        if (all.size() >= options_.max_connections) return false;
        all.insert(one);
        return true;
    }

    void forget(connection_ptr const& one) {
        std::scoped_lock lock(mutex_);
        auto const found = users_.find(one->who.userId);
        if (found == users_.end()) return;
        found->second.erase(one);
        if (found->second.empty()) users_.erase(found);
    }

    [[nodiscard]] std::optional<std::string> any_channel_of(connection const& one) const {
        std::scoped_lock lock(mutex_);
        if (one.channels.empty()) return std::nullopt;
        return one.channels.begin()->first;
    }

    // ---- Members --------------------------------------------------------------------------------

    /// What there is to know if the connection is in the channel; else it is to be in it, until
    /// `finish_join` or `abandon_join`.
    result<std::optional<joined_channel>, refusal> begin_join(connection& one,
                                                              std::string const& channel) {
        std::scoped_lock lock(mutex_);
        if (one.channels.contains(channel)) return std::optional(describe_locked(channel));
        if (channels_of(one.who.userId, channel) >= options_.max_channels) {
            return refusal{"a user may be in " + std::to_string(options_.max_channels) +
                           " channels at once: leave one first"};
        }
        one.channels.emplace(channel, media_ledger());
        return std::optional<joined_channel>();
    }

    void abandon_join(connection& one, std::string const& channel) {
        std::scoped_lock lock(mutex_);
        one.channels.erase(channel);
    }

    /// Whether it is the first connection here that is in the channel. \param users in all
    bool finish_join(connection_ptr const& one, std::string const& channel, std::size_t users) {
        std::scoped_lock lock(mutex_);
        auto& record = channels_[channel];
        bool const first = record.members.empty();
        record.members.insert(one);
        record.users = users;
        return first;
    }

    /// What a connection leaves behind.
    struct departure_from {
        bool was_member = false;
        bool last_of_user = true; ///< here
        std::optional<local_floor> floor;
    };

    /// Takes a connection out of a channel, with its media; nothing when it is not in it.
    std::optional<departure_from> take_out(connection_ptr const& one, std::string const& channel) {
        std::scoped_lock lock(mutex_);
        auto const ledger = one->channels.find(channel);
        if (ledger == one->channels.end()) return std::nullopt;
        departure_from left;
        auto const found = channels_.find(channel);
        if (found != channels_.end() && found->second.members.erase(one) == 1) {
            left.was_member = true;
            if (found->second.is_held_by(*one)) left.floor = silence(found->second, channel);
        }
        for (auto const& [transport, direction] : ledger->second.transports)
            media_.close_transport(transport);
        one->channels.erase(ledger);
        left.last_of_user = !is_here_locked(channel, one->who.userId);
        if (found != channels_.end() && found->second.members.empty()) {
            media_.close_channel(channel);
            channels_.erase(found);
        }
        return left;
    }

    /// Whether a connection of the user is in the channel, or about to be.
    [[nodiscard]] bool is_here(std::string const& channel, std::string const& user) const {
        std::scoped_lock lock(mutex_);
        return is_here_locked(channel, user);
    }

    /// A user has left, and the store cannot say how many there are now.
    void count_out(std::string const& channel) {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(channel);
        if (found != channels_.end() && found->second.users > 0) --found->second.users;
    }

    /// Whether a connection of the user is in the channel.
    [[nodiscard]] bool is_in(std::string const& channel, std::string const& user) const {
        std::scoped_lock lock(mutex_);
        auto const found = users_.find(user);
        return found != users_.end() &&
               std::ranges::any_of(found->second, [&](connection_ptr const& one) {
                   return is_in_locked(one, channel);
               });
    }

    /// Not while it is only about to be.
    [[nodiscard]] bool is_in(connection_ptr const& one, std::string const& channel) const {
        std::scoped_lock lock(mutex_);
        return is_in_locked(one, channel);
    }

    [[nodiscard]] joined_channel describe(std::string const& channel) const {
        std::scoped_lock lock(mutex_);
        return describe_locked(channel);
    }

    // ---- Floors ---------------------------------------------------------------------------------

    /// An attempt to take the floor.
    struct claim {
        speaker who;
        bool is_held = false; ///< by the same connection
        std::optional<std::string> producer;
    };

    /// No two claims of this server's have one timestamp. \param wall_time in milliseconds
    claim begin_claim(connection const& one, std::string const& channel, std::int64_t wall_time) {
        std::scoped_lock lock(mutex_);
        auto const& record = channels_.at(channel);
        if (record.is_held_by(one)) return {record.local->who, true, {}};
        last_timestamp_ = std::max(wall_time, last_timestamp_ + 1);
        return {{one.who.userId, one.who.userName, last_timestamp_},
                false,
                one.channels.at(channel).producer};
    }

    /// The store has given the floor to the connection; so nobody else has it, whatever was known.
    /// \param since no later than that. Returns the producer that is heard from now on, if any.
    std::optional<std::string> grant(connection_ptr const& one, std::string const& channel,
                                     speaker const& who, time_point since) {
        std::scoped_lock lock(mutex_);
        auto& record = channels_.at(channel);
        silence(record, channel);
        record.local = local_floor{one, who, since + options_.lifetime / 3,
                                   since + options_.lifetime, record.holder == who};
        auto const& producer = one->channels.at(channel).producer;
        if (producer) media_.resume(*producer);
        return producer;
    }

    /// Ends the floor of the connection, if it has it.
    std::optional<local_floor> give_up(connection const& one, std::string const& channel) {
        std::scoped_lock lock(mutex_);
        auto& record = channels_.at(channel);
        if (!record.is_held_by(one)) return std::nullopt;
        return silence(record, channel);
    }

    /// A floor that somebody here has.
    struct held_floor {
        std::string channel;
        local_floor floor;
    };

    /// Those that are to be refreshed now, or all.
    [[nodiscard]] std::vector<held_floor> due(time_point now, bool all) const {
        return held_of([&](local_floor const& one) { return all || one.refresh_at <= now; });
    }

    /// Those that somebody else can have soon. What takes the store a few seconds is not too late.
    [[nodiscard]] std::vector<held_floor> running_out(time_point now) const {
        auto const margin = options_.lifetime / 6;
        return held_of([&](local_floor const& one) { return one.valid_until - margin <= now; });
    }

    /// Those that an event has ended (`deliver`) since the last call.
    [[nodiscard]] std::vector<held_floor> overruled() {
        std::scoped_lock lock(mutex_);
        return std::exchange(overruled_, {});
    }

    /// The floor has been refreshed. \param since no later than that
    void prolong(held_floor const& held, time_point since) {
        std::scoped_lock lock(mutex_);
        if (auto* const record = find_held(held)) {
            record->local->refresh_at = since + options_.lifetime / 3;
            record->local->valid_until = since + options_.lifetime;
        }
    }

    /// The floor is somebody else's, or can be: whoever has it here is silenced, and the members
    /// here are told. False when that has been done already.
    bool lose(held_floor const& held) {
        std::scoped_lock lock(mutex_);
        auto* const record = find_held(held);
        if (!record) return false;
        silence(*record, held.channel);
        std::optional<speaker> const nobody;
        deliver_locked(
            {held.channel, {}, nobody, speaker_changed(held.channel, nobody, std::nullopt)});
        return true;
    }

    [[nodiscard]] bool holds(held_floor const& held) {
        std::scoped_lock lock(mutex_);
        return find_held(held) != nullptr;
    }

    /// Tells the members here who may have missed it, since its event was lost with the store.
    void announce(held_floor const& held) {
        std::scoped_lock lock(mutex_);
        auto* const record = find_held(held);
        if (!record || record->local->announced) return;
        auto const by = record->local->by;
        auto const who = record->local->who;
        deliver_locked(
            {held.channel, by->id, std::optional(who),
             speaker_changed(held.channel, who, by->channels.at(held.channel).producer)});
    }

    /// A channel, and how often its floor has changed.
    struct seen_channel {
        std::string channel;
        std::uint64_t changes = 0;
    };

    /// Channels whose floor is known to be somebody's on another server, which may be gone; or all
    /// of which nobody here has the floor.
    [[nodiscard]] std::vector<seen_channel> doubtful(bool all) const {
        std::vector<seen_channel> doubtful;
        std::scoped_lock lock(mutex_);
        for (auto const& [channel, record] : channels_) {
            if (!record.local && (all || record.holder))
                doubtful.push_back({channel, record.changes});
        }
        return doubtful;
    }

    [[nodiscard]] seen_channel look_at(std::string const& channel) const {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(channel);
        return {channel, found == channels_.end() ? 0 : found->second.changes};
    }

    /// Tells the members here who has the floor, unless they know it, or it has changed since.
    void correct(seen_channel const& seen, std::optional<speaker> const& holder) {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(seen.channel);
        if (found == channels_.end()) return;
        auto const& record = found->second;
        if (record.changes != seen.changes || record.holder == holder || record.local) return;
        deliver_locked({seen.channel, {}, holder, nullptr});
    }

    // ---- Media ----------------------------------------------------------------------------------

    /// Calls `change(media_ledger&)` on what the connection has in the channel; false when it is
    /// not in it.
    template <class Change>
    bool with_media(connection_ptr const& one, std::string const& channel, Change change) {
        std::scoped_lock lock(mutex_);
        if (!channels_.contains(channel)) media_.close_channel(channel); // made after all have left
        if (!is_in_locked(one, channel)) return false;
        change(one->channels.at(channel));
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

    struct added_producer {
        bool kept = false;             ///< else it is closed: its transport is not there any more
        std::optional<speaker> speaks; ///< its owner, who has the floor
    };

    /// A producer that is there from now on, in place of an earlier one.
    added_producer add_producer(connection_ptr const& one, std::string const& channel,
                                std::string const& transport, std::string const& producer) {
        std::scoped_lock lock(mutex_);
        auto* const ledger = is_in_locked(one, channel) ? &one->channels.at(channel) : nullptr;
        if (!ledger || !ledger->transports.contains(transport)) {
            media_.close_producer(producer);
            return {};
        }
        if (ledger->producer) media_.close_producer(*ledger->producer);
        ledger->producer = producer;
        auto const& record = channels_.at(channel);
        if (!record.is_held_by(*one)) return {true, {}};
        media_.resume(producer);
        return {true, record.local->who};
    }

    /// The producer of whoever speaks in a channel, if it is connected here.
    [[nodiscard]] std::optional<std::string> speaking_producer(std::string const& channel) const {
        std::scoped_lock lock(mutex_);
        auto const found = channels_.find(channel);
        if (found == channels_.end() || !found->second.local) return std::nullopt;
        return found->second.local->by->channels.at(channel).producer;
    }

    /// What these channels had on the media server is gone: their members here make it anew. Other
    /// servers have media of their own.
    void restart_media(std::vector<std::string> const& restarted) {
        std::scoped_lock lock(mutex_);
        for (auto const& channel : restarted) {
            auto const found = channels_.find(channel);
            if (found == channels_.end()) continue;
            for (auto const& member : found->second.members)
                member->channels[channel] = media_ledger();
            channel_event event{channel, {}};
            event.news.emplace("media-restarted");
            deliver_locked(event);
        }
    }

    // ---- Telling --------------------------------------------------------------------------------

    /// Tells the members that are connected here. Messages go out in the order of the calls.
    void deliver(channel_event const& event) {
        std::scoped_lock lock(mutex_);
        deliver_locked(event);
    }

  private:
    // ---- All of this under the lock -------------------------------------------------------------

    [[nodiscard]] joined_channel describe_locked(std::string const& channel) const {
        auto const found = channels_.find(channel);
        if (found == channels_.end()) return {};
        return {found->second.holder, found->second.users};
    }

    [[nodiscard]] bool is_in_locked(connection_ptr const& one, std::string const& channel) const {
        auto const found = channels_.find(channel);
        return found != channels_.end() && found->second.members.contains(one);
    }

    template <class Condition>
    [[nodiscard]] std::vector<held_floor> held_of(Condition condition) const {
        std::vector<held_floor> all;
        std::scoped_lock lock(mutex_);
        for (auto const& [channel, record] : channels_)
            if (record.local && condition(*record.local)) all.push_back({channel, *record.local});
        return all;
    }

    [[nodiscard]] bool is_here_locked(std::string const& channel, std::string const& user) const {
        auto const found = users_.find(user);
        return found != users_.end() && std::ranges::any_of(found->second, [&](auto const& one) {
                   return one->channels.contains(channel);
               });
    }

    /// How many channels a user is in, on any of its connections, besides this one.
    [[nodiscard]] std::size_t channels_of(std::string const& user,
                                          std::string const& besides) const {
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

    channel_record* find_held(held_floor const& held) {
        auto const found = channels_.find(held.channel);
        if (found == channels_.end() || !found->second.local) return nullptr;
        return found->second.local->who == held.floor.who ? &found->second : nullptr;
    }

    /// Ends the floor that somebody here has: its producer is silent at once.
    std::optional<local_floor> silence(channel_record& record, std::string const& channel) {
        auto const floor = std::exchange(record.local, std::nullopt);
        if (!floor) return floor;
        auto const found = floor->by->channels.find(channel);
        if (found != floor->by->channels.end() && found->second.producer)
            media_.pause(*found->second.producer);
        return floor;
    }

    void deliver_locked(channel_event const& event) {
        auto const found = channels_.find(event.channel);
        if (found == channels_.end()) return;
        auto& record = found->second;
        if (event.users) record.users = *event.users;
        std::shared_ptr<std::string const> text;
        if (event.floor) {
            text = follow(record, event);
        } else if (event.news) {
            text = channel_changed(event.channel, record.holder, *event.news, record.users);
        }
        if (!text) return;
        for (auto const& member : record.members) {
            // Whoever has the floor has overtaken what was said of it before.
            bool const overtaken = event.floor && record.is_held_by(*member);
            if (member->id != event.except && !overtaken) member->send(text);
        }
    }

    /// The floor has changed. Returns what is said about it; null when the members know it.
    std::shared_ptr<std::string const> follow(channel_record& record, channel_event const& event) {
        auto const& holder = *event.floor;
        if (record.local && record.local->who == holder) {
            record.local->announced = true;
        } else if (record.local && record.local->announced) {
            // A store that has lost its memory has given away what somebody here still has.
            overruled_.push_back({event.channel, *silence(record, event.channel)});
        }
        if (!event.text && record.holder == holder) return nullptr;
        record.holder = holder;
        ++record.changes;
        return event.text ? event.text : speaker_changed(event.channel, holder, std::nullopt);
    }

    hub_options const& options_;
    Media& media_;
    mutable std::mutex mutex_;
    std::map<std::string, connection_set> users_; // connections by user
    std::map<std::string, channel_record> channels_;
    std::vector<held_floor> overruled_; // at most one a channel and second
    std::int64_t last_timestamp_ = 0;
};

} // namespace parley::signaling
