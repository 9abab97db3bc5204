// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The floors that one server's users take, on a store that it may share with others (voice
/// signalling specification, §3).

#include <parley/error.hpp>
#include <parley/signaling/channel_table.hpp>
#include <parley/signaling/connection.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/messages.hpp>
#include <parley/task.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling {

/// What came of `ptt-start`.
struct floor_answer {
    bool granted = false;
    std::optional<speaker> holder; ///< empty when it is not granted because the store fails
};

/// Thread-safe; `keep` is called again and again, by one.
template <floor_store Store, media_server Media>
class floor_keeper {
  public:
    using table_type = channel_table<Media>;

    /// Both outlive it.
    floor_keeper(Store& store, table_type& table) : store_(store), table_(table) {}
    floor_keeper(floor_keeper const&) = delete;
    floor_keeper& operator=(floor_keeper const&) = delete;

    /// Takes the floor of a channel that the connection is in, and stays in meanwhile. \param now,
    /// `wall_time` in milliseconds: no later than the call
    task<floor_answer> take(connection_ptr one, std::string channel, std::int64_t wall_time,
                            time_point now) {
        auto const claim = table_.begin_claim(*one, channel, wall_time);
        if (claim.is_held) co_return floor_answer{true, claim.who};
        channel_event event{channel, one->id, std::optional(claim.who),
                            speaker_changed(channel, claim.who, claim.producer)};
        auto const grant = co_await store_.take(channel, claim.who, std::move(event));
        if (!grant) co_return floor_answer{};
        if (!grant->granted) co_return floor_answer{false, grant->holder};
        auto const producer = table_.grant(one, channel, claim.who, now);
        if (producer != claim.producer) {
            // Made meanwhile: the others have been told of another, or of none.
            channel_event again{channel, one->id, std::optional(claim.who),
                                speaker_changed(channel, claim.who, producer)};
            co_await publish(std::move(again));
        }
        co_return floor_answer{true, claim.who};
    }

    /// Lets go of the floor, if the connection has it. Returns who has it after that.
    task<std::optional<speaker>> give_up(connection_ptr one, std::string channel) {
        auto const floor = table_.give_up(*one, channel);
        if (floor) co_await release(channel, *floor);
        auto const holder = table_.describe(channel).holder;
        co_return floor&& holder == floor->who ? std::nullopt : holder;
    }

    /// Frees a floor that nobody here has any more, and tells everybody.
    task<> release(std::string channel, local_floor floor) {
        channel_event event{channel, floor.by->id, std::optional<speaker>(),
                            speaker_changed(channel, std::nullopt, std::nullopt)};
        auto const released = co_await store_.release(channel, floor.who, event);
        if (released) co_return;
        table_.deliver(event);
        owe({std::move(channel), floor.who, floor.valid_until});
    }

    /// Tells the members of all servers, or, if the store fails, at least those of this one.
    task<> publish(channel_event event) {
        auto const told = co_await store_.publish(event);
        if (!told) table_.deliver(event);
    }

    /// Asks the store who has the floor, and tells the members here if that is new.
    task<> find_holder(std::string channel) {
        std::vector<seen_channel> asked;
        asked.push_back(table_.look_at(channel));
        return find_holders(std::move(asked));
    }

    /// The store has been lost, and is back. From any thread.
    void doubt_all() { doubts_all_ = true; }

    /// What is to be done about once a second. \param now the clock
    template <class Clock>
    task<> keep(Clock now) {
        bool const all = doubts_all_.exchange(false);
        for (auto& one : table_.overruled())
            owe({std::move(one.channel), one.floor.who, one.floor.valid_until});
        co_await refresh(now, all);
        co_await pay_releases(now);
        end_what_runs_out(now());
        auto doubtful = table_.doubtful(all);
        co_await find_holders(std::move(doubtful));
    }

    /// Whoever has a floor that somebody else can have soon is silenced. To be called by whoever
    /// calls `keep`, between any two things that the store is asked for.
    void end_what_runs_out(time_point now) {
        if (now < next_look_) return;
        next_look_ = now + std::chrono::milliseconds(100);
        for (auto& one : table_.running_out(now)) {
            if (table_.lose(one))
                owe({std::move(one.channel), one.floor.who, one.floor.valid_until});
        }
    }

  private:
    using held_floor = typename table_type::held_floor;
    using seen_channel = typename table_type::seen_channel;

    template <class Clock>
    task<> refresh(Clock now, bool all) {
        for (auto const& one : table_.due(now(), all)) {
            auto const since = now();
            end_what_runs_out(since);
            if (!table_.holds(one)) continue;
            auto const kept = co_await store_.refresh(one.channel, one.floor.who);
            if (kept && *kept) {
                table_.prolong(one, since);
                if (all) table_.announce(one);
            } else if (kept) {
                if (!table_.lose(one)) continue;
                end_what_runs_out(now());
                co_await find_holder(one.channel);
            } else if (all) {
                doubts_all_ = true;
            }
        }
        end_what_runs_out(now());
    }

    /// A floor whose release failed would come back as somebody's with the store.
    struct owed_release {
        std::string channel;
        speaker who;
        time_point until;
    };

    void owe(owed_release one) {
        std::scoped_lock lock(mutex_);
        owed_.push_back(std::move(one));
    }

    template <class Clock>
    task<> pay_releases(Clock now) {
        std::vector<owed_release> owed;
        {
            std::scoped_lock lock(mutex_);
            owed.swap(owed_);
        }
        for (auto& one : owed) {
            end_what_runs_out(now());
            channel_event event{one.channel,
                                {},
                                std::optional<speaker>(),
                                speaker_changed(one.channel, std::nullopt, std::nullopt)};
            auto const released = co_await store_.release(one.channel, one.who, std::move(event));
            // After its time it is free by itself; but the store has been told.
            if (!released && one.until > now()) owe(std::move(one));
        }
    }

    task<> find_holders(std::vector<seen_channel> asked) {
        if (asked.empty()) co_return;
        std::vector<std::string> names;
        for (auto const& one : asked)
            names.push_back(one.channel);
        auto const holders = co_await store_.holders(names);
        if (!holders) {
            doubts_all_ = true;
            co_return;
        }
        for (std::size_t i = 0; i < asked.size(); ++i)
            table_.correct(asked[i], (*holders)[i]);
    }

    Store& store_;
    table_type& table_;
    std::atomic<bool> doubts_all_{false};
    time_point next_look_{}; // not for every floor that is due
    std::mutex mutex_;
    std::vector<owed_release> owed_;
};

} // namespace parley::signaling
