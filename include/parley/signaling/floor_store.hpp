// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who has the floor, and who is in a channel, over all servers (voice signalling specification,
/// §3): what a store of it must offer.

#include <parley/error.hpp>
#include <parley/task.hpp>

#include <boost/hana/adapt_struct.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace parley::signaling {

/// Who has a floor. Whoever refreshes or releases it names exactly the one that took it.
struct speaker {
    std::string userId;
    std::string userName;
    std::int64_t timestamp = 0; ///< when it took the floor, in milliseconds since 1970

    bool operator==(speaker const&) const = default;
};

/// How long a floor is held that is not refreshed.
inline constexpr std::chrono::seconds floor_lifetime{30};

/// What has become of a member of a channel, or of the whole channel.
struct channel_news {
    std::string action;      ///< `user-joined`, `user-left`, `user-disconnected`, `media-restarted`
    std::string userId = {}; ///< empty: nobody's doing
    std::string userName = {}; ///< empty: not known
};

/// What the members of a channel are told, wherever they are connected. All servers get the events
/// of a channel in one order, which is that of the changes of its floor.
struct channel_event {
    std::string channel;
    std::string except; ///< the connection that is not told, as `userId:<unique>`; empty: none
    /// Where the floor has changed: who has it now, if anybody.
    std::optional<std::optional<speaker>> floor = {};
    /// The message that tells of the floor, as it is sent. Null when the store itself has freed the
    /// floor, or found it free: of one who took it and never learnt so, or whose server is gone.
    /// Then the listener finds the words, if the members do not know it already.
    std::shared_ptr<std::string const> text = {};
    /// What is told with the state of the channel as it is where and when it is told.
    std::optional<channel_news> news = {};
    /// How many different users are in the channel; the store says it (`publish`).
    std::optional<std::size_t> users = {};
};

/// What came of an attempt to take the floor.
struct floor_grant {
    bool granted = false;
    speaker holder; ///< who has it: whoever asked, if it was granted
};

/// Whether a user is in a channel, and how many different users are.
struct membership {
    bool joined = false;
    std::size_t users = 0;
};

/// A user who was in a channel on a server that is gone, and on no other.
struct departure {
    std::string channel;
    std::string user;

    bool operator==(departure const&) const = default;
};

/// A store that servers share. Called from every I/O thread, and never blocks it; each operation
/// has a deadline of its own (at most a few seconds), after which it fails, as it does while the
/// store is out of reach, with `errc::storage_unavailable`. An operation that failed may yet have
/// been done; what is so taken is let go of by itself, at the latest after `floor_lifetime`.
/// Operations of one server on one channel are done in the order of the calls.
///
/// - `take(channel, who, event)`: takes the floor, if nobody has it, for `floor_lifetime`; in the
///   same step the event goes to all servers, this one included. An expired floor is free.
/// - `refresh(channel, who)`: holds it for another `floor_lifetime`; false when `who` does not have
///   it any more.
/// - `release(channel, who, event)`: frees the floor if `who` has it, and sends the event in the
///   same step; false, and no event, otherwise.
/// - `holders(channels)`: who has the floor of each, in their order.
/// - `join(channel, user, most)`: adds a user of this server's, unless there are `most` already.
///   A user who is in the channel already, here or elsewhere, is counted once.
/// - `leave(channel, user)`: removes one of this server's; false when the user stays, as another
///   server has it as well.
/// - `publish(event)`: to all servers, this one included; with how many users are in the channel in
///   that step.
/// - `listen(listener)`: once, before the server starts. The listener gets the events of all
///   channels, in their order, on any thread, and must not call the store.
/// - `reconnected(callback)`: once, before the server starts. Called on any thread when the store
///   has been lost and is back: what it knows may be old or gone. This server's memberships, and
///   the floors that it holds, unless they are somebody's by now, are restored by the store itself.
/// - `departed(callback)`: once, before the server starts. Called on any thread for each user that
///   the store has removed because its server is gone without a word, on one of the servers that
///   are left, which then tells all (`publish`). Floors of theirs are freed as well, or run out.
/// - `failing()`: whether the store is out of reach, for what a health check says.
/// - `run(context)`: background work (background.hpp), until the server has stopped; then lets go
///   of all that it keeps outside of this process for this server.
template <class S>
concept floor_store = requires(S& store, std::string const& name,
                               std::span<std::string const> names, speaker who, channel_event event,
                               std::size_t most, std::function<void(channel_event const&)> told,
                               std::function<void()> back,
                               std::function<void(departure const&)> gone) {
    { store.take(name, who, event) } -> std::same_as<task<result<floor_grant>>>;
    { store.refresh(name, who) } -> std::same_as<task<result<bool>>>;
    { store.release(name, who, event) } -> std::same_as<task<result<bool>>>;
    { store.holders(names) } -> std::same_as<task<result<std::vector<std::optional<speaker>>>>>;
    { store.join(name, name, most) } -> std::same_as<task<result<membership>>>;
    { store.leave(name, name) } -> std::same_as<task<result<bool>>>;
    { store.publish(event) } -> std::same_as<task<result<void>>>;
    { store.listen(told) } -> std::same_as<void>;
    { store.reconnected(back) } -> std::same_as<void>;
    { store.departed(gone) } -> std::same_as<void>;
    { store.failing() } -> std::same_as<bool>;
};

} // namespace parley::signaling

BOOST_HANA_ADAPT_STRUCT(parley::signaling::speaker, userId, userName, timestamp);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::channel_news, action, userId, userName);
