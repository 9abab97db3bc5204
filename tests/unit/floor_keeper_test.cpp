// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/signaling/floor_keeper.hpp>

#include "../support/channel_world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(floor_keepers, channel_world)

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
    store.meanwhile = [&] { now += 1500ms; }; // for each
    keep();
    BOOST_TEST((now < end));
    for (auto const& one : table.due(now, true))
        BOOST_TEST((one.floor.valid_until > end));
    BOOST_TEST(!*media.paused(producers.front()));
    BOOST_TEST(*media.paused(producers[9])); // by name the last
    // Whoever was silenced does not keep the floor from others.
    store.meanwhile = [] {};
    keep();
    std::vector<std::string> channels;
    for (auto const& one : table.due(now, true))
        channels.push_back(one.channel);
    for (int i = 0; i < 14; ++i) {
        std::vector<std::string> const channel{"c" + std::to_string(i)};
        bool const is_held = run(io, store.holders(channel)).value().at(0).has_value();
        BOOST_TEST(is_held == (std::ranges::find(channels, channel[0]) != channels.end()));
    }
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
