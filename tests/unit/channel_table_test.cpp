// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/signaling/channel_table.hpp>

#include "../support/channel_world.hpp"

#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace parley;
using namespace parley::signaling;
using namespace parley::test;
using namespace std::chrono_literals;

namespace {

struct world : table_world {
    connection_ptr member(std::string const& user, std::string const& channel) {
        auto one = connect(user);
        BOOST_TEST_REQUIRE(table.begin_join(*one, channel).has_value());
        table.finish_join(one, channel, 1);
        return one;
    }

    /// As when the store has given it.
    speaker grant(connection_ptr const& one, std::string const& channel) {
        auto const who = table.begin_claim(*one, channel, 0).who;
        table.grant(one, channel, who, now);
        return who;
    }

    bool is_heard(std::string const& producer) { return media.paused(producer) == false; }
};

channel_event taken(std::string const& channel, speaker const& who) {
    return {channel, {}, std::optional(who), speaker_changed(channel, who, std::nullopt)};
}

channel_event freed(std::string const& channel) {
    return {channel, {}, std::optional<speaker>(), nullptr};
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(channel_tables, world)

BOOST_AUTO_TEST_CASE(whoever_is_given_a_floor_that_somebody_still_has_silences_them) {
    auto const ada = member("ada", "c"), bob = member("bob", "c");
    auto const hers = produce(ada, "c"), his = produce(bob, "c");
    grant(ada, "c");
    BOOST_TEST(is_heard(hers));
    auto const who = grant(bob, "c"); // the store has lost its memory
    BOOST_TEST(!is_heard(hers));
    BOOST_TEST(is_heard(his));
    BOOST_TEST(!table.give_up(*ada, "c").has_value());
    BOOST_TEST((table.give_up(*bob, "c")->who == who));
    BOOST_TEST(!is_heard(his));
}

BOOST_AUTO_TEST_CASE(a_floor_that_another_server_is_given_is_lost_here) {
    auto const ada = member("ada", "c");
    auto const hers = produce(ada, "c");
    speaker const elsewhere{"bob", "bob", 7};
    for (bool const to_nobody : {false, true}) {
        auto const who = grant(ada, "c");
        told.clear();
        // What was before comes late, by another way than the answer.
        table.deliver(taken("c", elsewhere));
        table.deliver(freed("c"));
        BOOST_TEST(is_heard(hers));
        BOOST_TEST(told.empty());
        table.deliver(taken("c", who));
        BOOST_TEST(is_heard(hers));
        table.deliver(to_nobody ? freed("c") : taken("c", elsewhere));
        BOOST_TEST(!is_heard(hers));
        BOOST_TEST(!table.give_up(*ada, "c").has_value());
        auto const ended = table.overruled(); // so that the store hears of it
        BOOST_TEST_REQUIRE(ended.size() == 1u);
        BOOST_TEST((ended[0].floor.who == who));
        BOOST_TEST(table.overruled().empty());
    }
}

BOOST_AUTO_TEST_CASE(an_event_may_come_before_the_answer) {
    auto const ada = member("ada", "c");
    auto const hers = produce(ada, "c");
    auto const who = table.begin_claim(*ada, "c", 5).who;
    BOOST_TEST(who.timestamp == 5);
    table.deliver(taken("c", who));
    table.grant(ada, "c", who, now);
    BOOST_TEST(is_heard(hers));
    table.deliver(freed("c"));
    BOOST_TEST(!is_heard(hers));
    BOOST_TEST(table.begin_claim(*ada, "c", 5).who.timestamp == 6); // no two are the same
}

BOOST_AUTO_TEST_CASE(floors_are_due_in_time) {
    auto const ada = member("ada", "c");
    grant(ada, "c");
    BOOST_TEST(table.due(now + 9s, false).empty());
    BOOST_TEST(table.due(now + 9s, true).size() == 1u);
    auto const due = table.due(now + 10s, false);
    BOOST_TEST_REQUIRE(due.size() == 1u);
    table.prolong(due[0], now + 10s);
    BOOST_TEST(table.due(now + 19s, false).empty());
    BOOST_TEST(table.lose(due[0]));
    BOOST_TEST(!table.lose(due[0]));
    BOOST_TEST(table.due(now + 99s, true).empty());
}

/// Of a user's connections, one may come in while another one goes.
BOOST_AUTO_TEST_CASE(a_user_is_here_while_any_of_its_connections_is_or_is_to_be) {
    auto const first = member("ada", "c");
    auto const second = connect("ada");
    BOOST_TEST(!table.begin_join(*second, "c")->has_value());
    BOOST_TEST(!table.take_out(first, "c")->last_of_user);
    BOOST_TEST(table.is_here("c", "ada"));
    table.finish_join(second, "c", 1);
    auto const left = table.take_out(second, "c");
    BOOST_TEST(left->was_member);
    BOOST_TEST(left->last_of_user);
    BOOST_TEST(!table.is_here("c", "ada"));
    BOOST_TEST(!table.take_out(second, "c").has_value());
}

BOOST_AUTO_TEST_CASE(whoever_is_not_in_yet_leaves_no_member) {
    auto const ada = connect("ada");
    BOOST_TEST(table.begin_join(*ada, "c").has_value());
    BOOST_TEST(!table.is_in(ada, "c"));
    BOOST_TEST(!table.take_out(ada, "c")->was_member);
    BOOST_TEST(table.begin_join(*ada, "c").has_value());
    table.abandon_join(*ada, "c");
    BOOST_TEST(!table.is_here("c", "ada"));
}

BOOST_AUTO_TEST_CASE(how_many_are_in_a_channel_is_known_from_everywhere) {
    member("ada", "c");
    channel_event event{"c", {}};
    event.news.emplace("user-joined", "bob", "bob");
    event.users = 17;
    table.deliver(event);
    BOOST_TEST(table.describe("c").users == 17u);
    BOOST_TEST_REQUIRE(told.size() == 1u);
    BOOST_TEST(told[0].find(R"("userCount":17)") != told[0].npos);
    event.channel = "elsewhere";
    table.deliver(event);
    BOOST_TEST(told.size() == 1u);
}

BOOST_AUTO_TEST_CASE(news_are_told_with_the_floor_as_it_is_where_they_are_told) {
    member("ada", "c");
    table.deliver(taken("c", {"bob", "bob", 7})); // on another server
    channel_event event{"c", {}};
    event.news.emplace("user-left", "eve");
    table.deliver(event);
    BOOST_TEST_REQUIRE(told.size() == 2u);
    BOOST_TEST(told[1].find(R"("currentSpeaker":"bob")") != told[1].npos);
}

BOOST_AUTO_TEST_CASE(an_event_that_says_nothing_is_not_told) {
    member("ada", "c");
    table.deliver({"c", {}});
    BOOST_TEST(told.empty());
}

BOOST_AUTO_TEST_CASE(whoever_is_not_in_yet_has_no_media) {
    member("ada", "c");
    auto const bob = connect("bob");
    BOOST_TEST(table.begin_join(*bob, "c").has_value());
    auto const any = [](media_ledger const&) {};
    BOOST_TEST(!table.with_media(bob, "c", any));
    BOOST_TEST(!table.add_producer(bob, "c", "transport", "producer").kept);
    table.finish_join(bob, "c", 2);
    BOOST_TEST(table.with_media(bob, "c", any));
}

BOOST_AUTO_TEST_SUITE_END()
