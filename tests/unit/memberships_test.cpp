// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/signaling/memberships.hpp>

#include "../support/channel_world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;

namespace {

struct members_world : channel_world {
    bool leave(connection_ptr const& one, std::string const& channel) {
        return run(io, members.leave(one, channel, "user-disconnected"));
    }

    /// Whether somebody was told that the user has gone.
    bool have_heard(std::string const& user) const {
        return std::ranges::any_of(told, [&](std::string const& text) {
            return text.find("user-disconnected") != text.npos &&
                   text.find("\"userId\":\"" + user + "\"") != text.npos;
        });
    }

    void pay_leaves() {
        auto const once = [this]() -> task<bool> {
            co_await members.pay_leaves([this] { return now; });
            co_return true;
        };
        run(io, once());
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(membership, members_world)

BOOST_AUTO_TEST_CASE(whoever_has_come_back_by_another_connection_has_not_gone) {
    member("bob", "c");
    auto const ada = member("ada", "c");
    connection_ptr again;
    store.meanwhile = [&] {
        store.meanwhile = [] {};
        again = member("ada", "c");
    };
    BOOST_TEST(leave(ada, "c"));
    BOOST_TEST(!have_heard("ada"));
    BOOST_TEST(leave(again, "c"));
    BOOST_TEST(have_heard("ada"));
    BOOST_TEST(run(io, store.join("c", "eve", 9)).value().users == 2u); // Bob and Eve
}

BOOST_AUTO_TEST_CASE(whoever_comes_back_too_late_for_its_place_has_gone) {
    options.max_users = 2;
    member("bob", "c");
    auto const ada = member("ada", "c");
    auto const again = connect("ada");
    store.meanwhile = [&] {
        store.meanwhile = [] {};
        member("eve", "c");
        BOOST_TEST(table.begin_join(*again, "c").has_value());
    };
    BOOST_TEST(leave(ada, "c"));
    BOOST_TEST(have_heard("ada"));
    table.abandon_join(*again, "c");
    BOOST_TEST(!run(io, store.join("c", "kim", 2)).value().joined); // Bob and Eve
}

BOOST_AUTO_TEST_CASE(what_the_store_does_not_answer_is_told_and_done_later) {
    member("bob", "c");
    auto const ada = member("ada", "c"), eve = member("eve", "c");
    store.set_reachable(false);
    leave(ada, "c");
    leave(eve, "c");
    BOOST_TEST(have_heard("ada"));
    BOOST_TEST(told.back().find(R"("userCount":1)") != std::string::npos);
    store.set_reachable(true);
    pay_leaves();
    BOOST_TEST(run(io, store.join("c", "kim", 9)).value().users == 2u); // Bob and Kim
}

BOOST_AUTO_TEST_CASE(a_leave_that_is_owed_is_not_forgotten_while_its_user_is_about_to_join) {
    member("bob", "c");
    auto const ada = member("ada", "c");
    store.set_reachable(false);
    leave(ada, "c");
    store.set_reachable(true);
    auto const again = connect("ada");
    BOOST_TEST(table.begin_join(*again, "c").has_value());
    pay_leaves();
    table.abandon_join(*again, "c");
    pay_leaves();
    BOOST_TEST(run(io, store.join("c", "kim", 9)).value().users == 2u); // Bob and Kim
}

BOOST_AUTO_TEST_SUITE_END()
