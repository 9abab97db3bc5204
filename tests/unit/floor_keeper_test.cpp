// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/signaling/floor_keeper.hpp>

#include <parley/signaling/memory_floor_store.hpp>
#include <parley/signaling/null_media.hpp>

#include "../support/run_task.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace parley;
using namespace parley::signaling;
using namespace parley::test;
using namespace std::chrono_literals;

namespace {

/// A store in which something happens while it is asked.
struct slow_store : memory_floor_store {
    using memory_floor_store::memory_floor_store;

    task<result<floor_grant>> take(std::string channel, speaker who, channel_event event) {
        meanwhile();
        co_return co_await memory_floor_store::take(channel, who, std::move(event));
    }
    task<result<bool>> refresh(std::string channel, speaker who) {
        meanwhile();
        co_return co_await memory_floor_store::refresh(channel, who);
    }
    task<result<bool>> release(std::string channel, speaker who, channel_event event) {
        released.push_back(channel);
        co_return co_await memory_floor_store::release(channel, who, std::move(event));
    }

    std::function<void()> meanwhile = [] {};
    std::vector<std::string> released;
};

static_assert(floor_store<slow_store>);

/// One server, without connections' coroutines.
struct world {
    time_point now{};
    slow_store store{memory_floor_store::options{.now = [this] { return now; }}};
    hub_options options;
    asio::io_context io;
    null_media media;
    channel_table<null_media> table{options, media};
    floor_keeper<slow_store, null_media> floors{store, table};
    std::vector<std::string> told; ///< to anybody

    world() {
        store.listen([this](channel_event const& event) { table.deliver(event); });
    }

    connection_ptr member(std::string const& user, std::string const& channel) {
        auto one = std::make_shared<connection>();
        one->who.userId = user;
        one->who.userName = user;
        one->id = user + ":1";
        one->send = [this](auto const& text) { told.push_back(*text); };
        BOOST_TEST_REQUIRE(table.add(one));
        BOOST_TEST_REQUIRE(table.begin_join(*one, channel).has_value());
        table.finish_join(one, channel, 1);
        return one;
    }

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

} // namespace

BOOST_FIXTURE_TEST_SUITE(floor_keepers, world)

BOOST_AUTO_TEST_CASE(others_learn_of_a_microphone_that_is_made_while_the_floor_is_taken) {
    auto const ada = member("ada", "c");
    member("bob", "c");
    std::string producer;
    store.meanwhile = [&] { producer = produce(ada, "c"); };
    BOOST_TEST(talk(ada, "c"));
    BOOST_TEST(!*media.paused(producer));
    BOOST_TEST_REQUIRE(!told.empty());
    BOOST_TEST(told.back().find("\"producerId\":\"" + producer + "\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nobody_is_heard_after_their_time_because_others_are_asked_about) {
    std::vector<std::string> producers;
    for (int i = 0; i < 14; ++i) {
        auto const channel = "c" + std::to_string(i);
        auto const one = member("user" + std::to_string(i), channel);
        producers.push_back(produce(one, channel));
        BOOST_TEST(talk(one, channel));
    }
    auto const end = now + floor_lifetime;
    now += 11s;
    std::size_t late = 0;
    store.meanwhile = [&] {
        now += 1500ms; // for each
        if (now < end) return;
        for (auto const& one : table.due(now, true))
            late += one.floor.valid_until <= now ? 1u : 0u;
    };
    keep();
    BOOST_TEST((now > end));
    BOOST_TEST(late == 0u);
    BOOST_TEST(!*media.paused(producers.front()));
    // Whoever was silenced has not kept the floor from the others for longer than that.
    keep();
    for (auto const& one : table.due(now, true))
        BOOST_TEST((one.floor.valid_until > now));
}

BOOST_AUTO_TEST_CASE(a_store_hears_of_a_floor_that_ran_out_while_it_was_out_of_reach) {
    auto const ada = member("ada", "c");
    BOOST_TEST(talk(ada, "c"));
    store.set_reachable(false);
    now += 60s; // the whole process stood still, for instance
    keep();
    BOOST_TEST(!table.give_up(*ada, "c").has_value());
    BOOST_TEST(store.released.size() == 1u);
    store.set_reachable(true);
    keep();
    BOOST_TEST(store.released.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_floor_that_an_event_ended_is_let_go_of_in_the_store) {
    auto const ada = member("ada", "c");
    BOOST_TEST(talk(ada, "c"));
    table.deliver({"c", {}, std::optional<speaker>()});
    keep();
    BOOST_TEST((store.released == std::vector<std::string>{"c"}));
}

BOOST_AUTO_TEST_SUITE_END()
