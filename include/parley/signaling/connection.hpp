// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a server of voice signalling knows of its connections and of the channels they are in.

#include <parley/peer.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/participant.hpp>

#include <boost/container/flat_set.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace parley::signaling {

/// What a connection has on the media server for one channel.
struct media_ledger {
    /// No other's, so that whoever makes something meanwhile notices that all it had is gone: when
    /// the channel was left and joined again, and when the media server has lost it.
    std::uint64_t serial = next_serial();
    std::map<std::string, media_direction> transports;
    std::optional<std::string> receiver; ///< the newest transport to receive on
    std::optional<std::string> producer;

  private:
    static std::uint64_t next_serial() {
        static std::atomic<std::uint64_t> last = 0;
        return ++last;
    }
};

/// One WebSocket of a user. `id`, `who` and `send` do not change; the rest is the hub's.
struct connection {
    std::string id; ///< `userId:<unique>`
    participant who;
    std::function<void(std::shared_ptr<std::string const> const&)> send; ///< from any thread

    std::map<std::string, media_ledger> channels; ///< by their ids: those it is in, or is to be in
};

using connection_ptr = std::shared_ptr<connection>;
using connection_set =
    boost::container::flat_set<connection_ptr>; ///< small, and often gone through

/// A floor that somebody connected here has.
struct local_floor {
    connection_ptr by;
    speaker who;
    time_point refresh_at;
    time_point valid_until; ///< nobody else can have it before that
    bool announced = false; ///< its event has come; those that come later are newer than it
};

/// A channel that somebody connected here is in.
struct channel_record {
    connection_set members;
    std::size_t users = 0;         ///< over all servers, as far as known
    std::optional<speaker> holder; ///< who has the floor, as far as known
    std::uint64_t changes = 0;     ///< of the floor, so far
    std::optional<local_floor> local;

    [[nodiscard]] bool is_held_by(connection const& one) const {
        return local && local->by.get() == &one;
    }
};

/// Why a request is refused, in words for the client.
struct refusal {
    std::string message;
};

} // namespace parley::signaling
