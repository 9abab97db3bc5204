// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// All that the connections of one server share: their channels, a floor store and a media server
/// (voice signalling specification, §2 to §4).

#include <parley/detail/exception_text.hpp>
#include <parley/signaling/channel_table.hpp>
#include <parley/signaling/connection.hpp>
#include <parley/signaling/floor_keeper.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/memberships.hpp>
#include <parley/task.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling {

/// Thread-safe. Requests of a connection come on its executor.
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
            if (auto const self = weak.lock()) self->table_.deliver(event);
        });
        store.reconnected([weak] {
            if (auto const self = weak.lock()) self->floors_.doubt_all();
        });
        store.departed([weak](departure const& gone) {
            if (auto const self = weak.lock()) self->members_.announce(gone);
        });
        media.on_restart([weak](std::vector<std::string> const& channels) {
            if (auto const self = weak.lock()) self->table_.restart_media(channels);
        });
    }

    /// The server stops: from now on, what departs is left as it is until `run` finds that all
    /// connections have been closed.
    void stop() { members_.pause(); }

    [[nodiscard]] hub_options const& options() const { return options_; }

    // ---- Connections and channels ---------------------------------------------------------------

    /// False when the user has too many connections.
    bool add(connection_ptr const& one) { return table_.add(one); }

    /// Leaves everything that the connection is in and has. Returns at once.
    void remove(connection_ptr one) { members_.remove(std::move(one)); }

    task<result<joined_channel, refusal>> join(connection_ptr one, std::string channel) {
        return members_.join(std::move(one), std::move(channel));
    }

    /// False when the connection is not in the channel.
    task<bool> leave(connection_ptr one, std::string channel) {
        return members_.leave(std::move(one), std::move(channel), "user-left");
    }

    [[nodiscard]] bool is_in(connection_ptr const& one, std::string const& channel) const {
        return table_.is_in(one, channel);
    }

    // ---- Floors ---------------------------------------------------------------------------------

    /// See `floor_keeper::take`.
    task<floor_answer> take_floor(connection_ptr one, std::string channel, std::int64_t wall_time,
                                  time_point now) {
        return floors_.take(std::move(one), std::move(channel), wall_time, now);
    }

    /// Lets go of the floor, if the connection has it. Returns who has it after that.
    task<std::optional<speaker>> release_floor(connection_ptr one, std::string channel) {
        return floors_.give_up(std::move(one), std::move(channel));
    }

    // ---- Media ----------------------------------------------------------------------------------

    /// See `channel_table::with_media`.
    template <class Change>
    bool with_media(connection_ptr const& one, std::string const& channel, Change change) {
        return table_.with_media(one, channel, std::move(change));
    }

    /// The channel of one of the connection's own transports.
    [[nodiscard]] std::optional<std::string> channel_of(connection const& one,
                                                        std::string const& transport) const {
        return table_.channel_of(one, transport);
    }

    /// A producer that is there from now on, in place of an earlier one. It speaks if its owner has
    /// the floor. False, and the producer is closed, when the connection has left meanwhile.
    task<bool> add_producer(connection_ptr one, std::string channel, std::string transport,
                            std::string producer) {
        auto const added = table_.add_producer(one, channel, transport, producer);
        if (added.speaks) {
            channel_event event{channel, one->id, added.speaks,
                                speaker_changed(channel, added.speaks, producer)};
            co_await floors_.publish(std::move(event));
        }
        co_return added.kept;
    }

    /// The producer of whoever speaks in a channel, if it is connected here.
    [[nodiscard]] std::optional<std::string> speaking_producer(std::string const& channel) const {
        return table_.speaking_producer(channel);
    }

    // ---- Background -----------------------------------------------------------------------------

    /// Clears up what departs and keeps floors, until the server has stopped and all is cleared.
    template <class Context>
    task<> run(Context& context) {
        members_.begin(context.get_executor(), this->weak_from_this());
        auto const now = [&context] { return context.policies.transport.now(); };
        for (bool running = true; running;) {
            running = co_await context.wait_until(now() + std::chrono::seconds(1));
            co_await beat(now);
        }
        co_await members_.end();
    }

  private:
    /// What is to be done about once a second.
    template <class Clock>
    task<> beat(Clock now) {
        try {
            co_await floors_.keep(now);
            co_await members_.pay_leaves(now);
        } catch (...) {
            if (options_.log) options_.log("channels: " + parley::detail::exception_text());
        }
    }

    hub_options const options_;
    channel_table<Media> table_{options_, media};
    floor_keeper<Store, Media> floors_{store, table_};
    memberships<Store, Media> members_{options_, store, table_, floors_};
};

} // namespace parley::signaling
