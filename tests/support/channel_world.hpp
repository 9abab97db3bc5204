// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a server of voice signalling knows of its channels, without the server: a store in which
/// things happen while it is asked, and connections without sockets.

#include <tests/support/run_task.hpp>

#include <parley/signaling/floor_keeper.hpp>
#include <parley/signaling/memberships.hpp>
#include <parley/signaling/memory_floor_store.hpp>
#include <parley/signaling/null_media.hpp>

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parley::test {

using namespace parley::signaling;

/// A store in which something happens while it is asked.
struct busy_store : memory_floor_store {
    using memory_floor_store::memory_floor_store;

    task<result<floor_grant>> take(std::string channel, speaker who, channel_event event) {
        happen();
        co_return co_await memory_floor_store::take(channel, who, std::move(event));
    }
    task<result<bool>> refresh(std::string channel, speaker who) {
        happen();
        co_return co_await memory_floor_store::refresh(channel, who);
    }
    task<result<bool>> release(std::string channel, speaker who, channel_event event) {
        released.push_back(channel);
        co_return co_await memory_floor_store::release(channel, who, std::move(event));
    }

    task<result<bool>> leave(std::string channel, std::string user) {
        // Not const: a const `result<bool>` that is returned from a coroutine becomes `true`.
        auto gone = co_await memory_floor_store::leave(channel, user);
        happen();
        co_return gone;
    }

    std::function<void()> meanwhile = [] {}; ///< may replace itself
    std::vector<std::string> released;

  private:
    void happen() const {
        auto const what = meanwhile;
        what();
    }
};

static_assert(floor_store<busy_store>);

/// One server's channels, and connections without sockets.
struct table_world {
    time_point now{};
    hub_options options;
    asio::io_context io;
    null_media media;
    channel_table<null_media> table{options, media};
    std::vector<std::string> told; ///< to anybody

    connection_ptr connect(std::string const& user) {
        auto one = std::make_shared<connection>();
        one->who.userId = user;
        one->who.userName = user;
        one->id = user + ":" + std::to_string(++last_);
        one->send = [this](auto const& text) { told.push_back(*text); };
        BOOST_TEST_REQUIRE(table.add(one));
        return one;
    }

    /// A producer of the connection's, in the channel.
    std::string produce(connection_ptr const& one, std::string const& channel) {
        auto const transport =
            run(io, media.create_transport(channel, media_direction::send)).value().id;
        table.with_media(one, channel, [&](media_ledger& mine) {
            mine.transports.emplace(transport, media_direction::send);
        });
        auto producer = run(io, media.produce(transport, "audio", {})).value();
        media.pause(producer);
        BOOST_TEST(table.add_producer(one, channel, transport, producer).kept);
        return producer;
    }

  private:
    int last_ = 0;
};

/// With a store.
struct channel_world : table_world {
    busy_store store{memory_floor_store::options{.now = [this] { return now; }}};
    floor_keeper<busy_store, null_media> floors{store, table};
    memberships<busy_store, null_media> members{options, store, table, floors};

    channel_world() {
        store.listen([this](channel_event const& event) { table.deliver(event); });
    }

    connection_ptr member(std::string const& user, std::string const& channel) {
        auto one = connect(user);
        BOOST_TEST_REQUIRE(run(io, members.join(one, channel)).has_value());
        return one;
    }

    bool talk(connection_ptr const& one, std::string const& channel) {
        return run(io, floors.take(one, channel, 0, now)).granted;
    }

    void keep() {
        auto const once = [this]() -> task<bool> {
            co_await floors.keep([this] { return now; });
            co_return true;
        };
        run(io, once());
    }
};

} // namespace parley::test
