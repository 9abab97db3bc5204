// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/background.hpp>
#include <parley/signaling/memory_floor_store.hpp>

#include "../support/floor_store_suite.hpp"
#include "../support/run_task.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;
using signaling::memory_floor_store;

namespace {

/// What `run` asks of its context, with a stop that the test gives.
struct stopping_at_once {
    static task<bool> wait_until(time_point) { co_return false; }
};

struct fixture {
    time_point now{};
    memory_floor_store one{{.now = [this] { return now; }}};
    memory_floor_store two = one.for_another_server();
    std::array<floor_store_log, 2> told;

    fixture() {
        told[0].attach(one);
        told[1].attach(two);
    }

    template <class T>
    static T wait(task<T> work) {
        asio::io_context io(1);
        return test::run(io, std::move(work));
    }
    static bool eventually(std::function<bool()> const& holds) { return holds(); }
    void pass(double part) {
        now += std::chrono::ceil<std::chrono::milliseconds>(part * signaling::floor_lifetime);
    }
    void stop_two() {
        asio::io_context io(1);
        stopping_at_once context;
        asio::co_spawn(io, two.run(context), asio::detached);
        io.run();
    }
    void vanish_two() { two.vanish(); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(memory_floors, fixture)

BOOST_AUTO_TEST_CASE(at_most_one_has_the_floor) {
    check_floor(*this);
}

BOOST_AUTO_TEST_CASE(a_floor_that_is_not_refreshed_is_free) {
    check_expiry(*this);
}

BOOST_AUTO_TEST_CASE(a_floor_is_held_for_its_lifetime_and_no_longer) {
    BOOST_TEST(takes(*this, one, "c", ada));
    now += 30s - 1ns;
    BOOST_TEST(!takes(*this, two, "c", bob));
    now += 1ns;
    BOOST_TEST(takes(*this, two, "c", bob));
}

BOOST_AUTO_TEST_CASE(all_servers_are_told_the_same_in_the_same_order) {
    check_events(*this);
}

BOOST_AUTO_TEST_CASE(members_are_counted_over_all_servers) {
    check_members(*this);
}

BOOST_AUTO_TEST_CASE(names_may_be_anything) {
    check_names(*this);
}

BOOST_AUTO_TEST_CASE(a_server_that_vanishes_is_cleaned_up_after) {
    check_vanished(*this);
    BOOST_TEST(told[1].events.empty());
}

BOOST_AUTO_TEST_CASE(a_server_that_stops_leaves_nothing_behind) {
    check_stop(*this);
}

BOOST_AUTO_TEST_CASE(copies_are_of_the_same_server) {
    auto copy = one;
    joins(*this, copy, "c", "ada");
    BOOST_TEST(wait(one.leave("c", "ada")).value());
    copy.set_reachable(false);
    BOOST_TEST(one.failing());
    BOOST_TEST(!two.failing());
}

BOOST_AUTO_TEST_CASE(out_of_reach_everything_fails_and_nothing_is_heard) {
    joins(*this, one, "c", "ada");
    one.set_reachable(false);
    error_code const unavailable = errc::storage_unavailable;
    strings const names{"c"};
    BOOST_TEST((wait(one.take("c", ada, taken("c", ada))).error() == unavailable));
    BOOST_TEST((wait(one.refresh("c", ada)).error() == unavailable));
    BOOST_TEST((wait(one.release("c", ada, freed("c"))).error() == unavailable));
    BOOST_TEST((wait(one.holders(names)).error() == unavailable));
    BOOST_TEST((wait(one.join("c", "bob", 9)).error() == unavailable));
    BOOST_TEST((wait(one.leave("c", "ada")).error() == unavailable));
    BOOST_TEST((wait(one.publish(event("c", "x"))).error() == unavailable));
    BOOST_TEST(takes(*this, two, "c", bob));
    BOOST_TEST(told[0].events.empty());
    BOOST_TEST(told[1].events.size() == 1u);

    one.set_reachable(true);
    one.set_reachable(true);
    BOOST_TEST(told[0].reconnections == 1);
    BOOST_TEST((joins(*this, one, "c", "bob") == 2u)); // ada is still there
}

BOOST_AUTO_TEST_CASE(of_many_threads_one_gets_the_floor) {
    std::atomic<int> granted = 0, faults = 0; // Boost.Test itself is for one thread
    auto const work = [&](memory_floor_store store, speaker const& who) {
        for (int i = 0; i < 300; ++i) {
            if (!takes(*this, store, "c", who)) continue;
            if (++granted != 1) ++faults;
            --granted;
            if (!wait(store.release("c", who, freed("c"))).value()) ++faults;
        }
    };
    {
        std::vector<std::jthread> threads;
        for (auto const* name : {"ada", "bob", "eve", "kim"})
            threads.emplace_back(work, threads.size() % 2 == 0 ? one : two, speaker{name, name, 1});
    }
    BOOST_TEST(faults == 0);
    BOOST_TEST(told[0].events.size() % 2 == 0u);
    BOOST_TEST(told[0].events == told[1].events, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
