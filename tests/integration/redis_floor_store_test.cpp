// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/background.hpp>
#include <parley/signaling/redis_floor_store.hpp>
#include <parley/transport/tcp_transport.hpp>

#include "../support/floor_store_suite.hpp"
#include "../support/redis_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;
using signaling::redis_floor_store;

namespace {

boost::test_tools::assertion_result redis_is_installed(boost::unit_test::test_unit_id) {
    boost::test_tools::assertion_result installed(!redis_server::program().empty());
    installed.message() << "redis-server is not installed; scripts/setup.sh test installs it";
    return installed;
}

/// A store and what it runs on: a server as far as the store can tell.
struct server {
    struct policies_type {
        using transport_type = tcp_transport;
        tcp_transport transport;
    };

    explicit server(redis_floor_store::options o) : store(std::move(o)) {}

    void start() {
        context.emplace(policies, io.get_executor());
        running = true;
        asio::co_spawn(io, store.run(*context), [this](std::exception_ptr const& thrown) {
            running = false;
            if (thrown) std::rethrow_exception(thrown);
        });
    }

    asio::io_context io{1};
    policies_type policies;
    redis_floor_store store;
    std::optional<background_context<policies_type>> context;
    bool running = false;
    std::vector<std::string> logged;
};

/// Two servers on one Redis. Their I/O is done by the test's own thread, so that one that is left
/// out hangs.
struct world {
    explicit world(redis_floor_store::options const& o = {},
                   std::vector<std::string> arguments = {})
        : redis(std::move(arguments)), a(with(o, 0)), b(with(o, 1)), one(a.store), two(b.store) {
        told[0].attach(one);
        told[1].attach(two);
        a.start();
        b.start();
        BOOST_TEST_REQUIRE(eventually([&] { return !one.failing() && !two.failing(); }));
    }
    ~world() {
        absent = nullptr;
        for (auto* each : {&a, &b})
            if (each->running) stop(*each);
    }

    redis_floor_store::options with(redis_floor_store::options o, int which) {
        if (o.redis.address.path.empty())
            o.redis.address = signaling::parse_redis_address(redis.url()).value();
        o.redis.log = [this, which](std::string_view text) {
            (which == 0 ? a : b).logged.emplace_back(text);
        };
        lifetime = o.lifetime;
        return o;
    }

    void poll() {
        std::size_t done = callers.poll();
        callers.restart();
        for (auto* each : {&a, &b}) {
            if (each == absent) continue;
            done += each->io.poll();
            each->io.restart();
        }
        if (done == 0) std::this_thread::sleep_for(200us);
    }

    bool eventually(std::function<bool()> const& holds, std::chrono::milliseconds limit = 20s) {
        auto const until = std::chrono::steady_clock::now() + limit;
        while (!holds() && std::chrono::steady_clock::now() < until)
            poll();
        return holds();
    }

    void pass(std::chrono::milliseconds time) {
        auto const until = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < until)
            poll();
    }
    void pass(double part) { pass(std::chrono::ceil<std::chrono::milliseconds>(part * lifetime)); }

    template <class T>
    T wait(task<T> work) {
        std::optional<T> value;
        asio::co_spawn(callers, std::move(work), [&](std::exception_ptr const& thrown, T got) {
            if (thrown) std::rethrow_exception(thrown);
            value = std::move(got);
        });
        if (!eventually([&] { return value.has_value(); }))
            throw std::runtime_error("the task does not end");
        return std::move(*value);
    }

    void stop(server& which) {
        which.context->stop();
        BOOST_TEST(eventually([&] { return !which.running; }));
    }
    void stop_two() { stop(b); }
    void vanish_two() { absent = &b; }

    std::chrono::milliseconds lifetime{};
    redis_server redis;
    asio::io_context callers{1};
    server* absent = nullptr;
    std::array<floor_store_log, 2> told;
    server a, b;
    redis_floor_store &one, &two;
};

/// Leases that end soon, and are looked after often.
redis_floor_store::options short_leases() {
    return {.server_lifetime = 600ms, .beat = 100ms};
}

/// Whoever is not answered gives up soon.
redis_floor_store::options short_waits() {
    redis_floor_store::options o;
    o.redis.timeout = 300ms;
    o.redis.min_backoff = 10ms;
    o.redis.max_backoff = 50ms;
    return o;
}

error_code const unavailable = errc::storage_unavailable;

} // namespace

BOOST_AUTO_TEST_SUITE(redis_floors, *boost::unit_test::precondition(redis_is_installed))

// ---- What every floor store promises ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(at_most_one_has_the_floor) {
    world w;
    check_floor(w);
}

BOOST_AUTO_TEST_CASE(a_floor_that_is_not_refreshed_is_free) {
    world w({.lifetime = 1500ms});
    check_expiry(w);
}

BOOST_AUTO_TEST_CASE(all_servers_are_told_the_same_in_the_same_order) {
    world w;
    check_events(w);
}

BOOST_AUTO_TEST_CASE(members_are_counted_over_all_servers) {
    world w;
    check_members(w);
}

BOOST_AUTO_TEST_CASE(names_may_be_anything) {
    world w(short_leases());
    check_names(w);
}

BOOST_AUTO_TEST_CASE(a_server_that_vanishes_is_cleaned_up_after) {
    auto options = short_leases();
    options.lifetime = 3s;
    world w(options);
    check_vanished(w);
    raw_redis raw(w.redis);
    BOOST_TEST(w.eventually([&] { return raw({"SCARD", "servers"}) == "1"; }));
}

BOOST_AUTO_TEST_CASE(a_floor_is_its_holders_for_its_time_although_its_server_is_taken_for_dead) {
    world w(short_leases());
    joins(w, w.one, "c", "ada");
    joins(w, w.two, "c", "bob");
    BOOST_TEST(takes(w, w.two, "c", bob));
    w.vanish_two(); // as far as the other can tell: bob may speak on
    BOOST_TEST(w.eventually([&] { return w.told[0].departures.size() == 1u; }));
    BOOST_TEST(!takes(w, w.one, "c", ada));
}

BOOST_AUTO_TEST_CASE(a_server_that_stops_leaves_nothing_behind) {
    world w;
    check_stop(w);
    w.stop(w.a);
    raw_redis raw(w.redis);
    BOOST_TEST(raw({"KEYS", "*"}) == "");
    BOOST_TEST(raw({"PUBSUB", "NUMPAT"}) == "0");
}

// ---- What is in Redis ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(keys_and_values_are_those_of_the_specification) {
    world w;
    raw_redis raw(w.redis);
    BOOST_TEST(takes(w, w.one, "c", {"ada", "Ada", 1'700'000'000'123}));
    BOOST_TEST(raw({"GET", "channel:c:speaker"}) ==
               R"({"userId":"ada","userName":"Ada","timestamp":1700000000123})");
    auto const left = std::stoi(raw({"PTTL", "channel:c:speaker"}));
    BOOST_TEST(left <= 30'000);
    BOOST_TEST(left > 10'000);
    joins(w, w.one, "c", "ada");
    BOOST_TEST(raw({"SMEMBERS", "channel:c:users"}) == "ada");
    // What another has taken by the same rules is respected, and not let go of.
    BOOST_TEST(raw({"SET", "channel:d:speaker",
                    R"({"timestamp":5,"userName":"Eve","userId":"eve"})"}) == "OK");
    auto const denied = w.wait(w.one.take("d", ada, taken("d", ada))).value();
    BOOST_TEST(!denied.granted);
    BOOST_TEST(denied.holder.userName == "Eve");
    BOOST_TEST(!w.wait(w.one.release("d", {"eve", "Eve", 5}, freed("d"))).value());
}

BOOST_AUTO_TEST_CASE(what_others_have_put_there_does_no_harm) {
    world w;
    raw_redis raw(w.redis);
    raw({"RPUSH", "channel:c:speaker", "a list"});
    raw({"SET", "channel:d:speaker", "{\"userId\":5}"});
    BOOST_TEST((w.wait(w.one.take("c", ada, taken("c", ada))).error() == unavailable));
    BOOST_TEST((w.wait(w.one.take("d", ada, taken("d", ada))).error() == unavailable));
    for (auto const* nonsense :
         {"", "null", "[]", "{", R"({"text":1})", R"({"except":[]})", R"({"floor":1})",
          R"({"floor":{"userId":"x"}})", "\xff", "{}", R"({"users":3})",
          R"({"type":"ptt-start","userId":"x"})", R"({"except":"","floor":1})",
          R"({"except":"","news":{}})", R"({"except":"","news":{"action":1}})"})
        raw({"PUBLISH", "channel:c:events", nonsense});
    raw({"PUBLISH", "channel::events", R"({"except":"","text":"hello"})"});
    raw({"PUBLISH", "channel:events", "x"});
    BOOST_TEST(all_told(w, {": hello"}));
    BOOST_TEST(takes(w, w.one, "e", ada)); // on the same connection
    BOOST_TEST(w.told[0].reconnections == 0);
}

BOOST_AUTO_TEST_CASE(many_commands_are_on_their_way_at_once_and_done_in_order) {
    world w;
    std::vector<std::future<result<signaling::membership>>> joined;
    std::vector<std::future<result<bool>>> left;
    for (int i = 0; i < 1000; ++i) {
        auto const user = "u" + std::to_string(i);
        joined.push_back(
            asio::co_spawn(w.callers, w.one.join("c", user, 100'000), asio::use_future));
        if (i % 2 == 0)
            left.push_back(asio::co_spawn(w.callers, w.one.leave("c", user), asio::use_future));
    }
    BOOST_TEST(w.eventually([&] { return left.back().wait_for(0s) == std::future_status::ready; }));
    BOOST_TEST((joins(w, w.two, "c", "last", 100'000) == 501u));
    for (auto& each : joined)
        BOOST_TEST_REQUIRE(each.get().value().joined);
}

BOOST_AUTO_TEST_CASE(it_may_be_called_from_any_thread) {
    world w;
    std::atomic<int> granted = 0, faults = 0, over = 0; // Boost.Test itself is for one thread
    auto const work = [&](redis_floor_store store, std::string const& name) {
        asio::io_context io(1);
        speaker const who{name, name, 1};
        auto const often = [&]() -> task<> {
            for (int i = 0; i < 50; ++i) {
                auto got = co_await store.take("c", who, taken("c", who));
                if (!got || !got->granted) continue;
                if (++granted != 1) ++faults;
                --granted;
                auto const free = co_await store.release("c", who, freed("c"));
                if (!free || !*free) ++faults;
            }
            ++over;
        };
        asio::co_spawn(io, often(), asio::detached);
        io.run();
    };
    std::vector<std::jthread> threads;
    for (auto const* name : {"ada", "bob", "eve", "kim"})
        threads.emplace_back(work, threads.size() % 2 == 0 ? w.one : w.two, name);
    BOOST_TEST(w.eventually([&] { return over == 4; }, 60s));
    BOOST_TEST(faults == 0);
    BOOST_TEST(w.eventually([&] { return w.told[0].events.size() == w.told[1].events.size(); }));
    BOOST_TEST(w.told[0].events == w.told[1].events, boost::test_tools::per_element());
    for (std::size_t i = 1; i < w.told[0].events.size(); i += 2)
        BOOST_TEST_REQUIRE(w.told[0].events[i] == "c: free silence");
}

// ---- Redis goes and comes back ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_redis_the_floor_is_denied_at_once) {
    world w(short_waits());
    w.redis.stop();
    BOOST_TEST(w.eventually([&] { return w.one.failing() && w.two.failing(); }));
    auto const before = std::chrono::steady_clock::now();
    strings const names{"c"};
    BOOST_TEST((w.wait(w.one.take("c", ada, taken("c", ada))).error() == unavailable));
    BOOST_TEST((w.wait(w.one.refresh("c", ada)).error() == unavailable));
    BOOST_TEST((w.wait(w.one.release("c", ada, freed("c"))).error() == unavailable));
    BOOST_TEST((w.wait(w.one.holders(names)).error() == unavailable));
    BOOST_TEST((w.wait(w.one.join("c", "ada", 9)).error() == unavailable));
    BOOST_TEST((w.wait(w.one.leave("c", "ada")).error() == unavailable));
    BOOST_TEST((w.wait(w.one.publish(event("c", "x"))).error() == unavailable));
    BOOST_TEST((std::chrono::steady_clock::now() - before < 200ms * 7));
    BOOST_TEST(w.told[0].reconnections == 0);
}

BOOST_AUTO_TEST_CASE(members_and_floors_are_put_back_when_redis_comes_back_empty) {
    world w(short_waits());
    joins(w, w.one, "c", "ada");
    joins(w, w.one, "c", "kim");
    joins(w, w.two, "c", "bob");
    BOOST_TEST(takes(w, w.one, "c", ada));
    w.redis.stop();
    BOOST_TEST(w.eventually([&] { return w.one.failing() && w.two.failing(); }));
    w.wait(w.one.leave("c", "kim")).has_error(); // who leaves meanwhile, is not put back
    w.redis.start();
    BOOST_TEST(
        w.eventually([&] { return w.told[0].reconnections == 1 && w.told[1].reconnections == 1; }));
    raw_redis raw(w.redis);
    BOOST_TEST(raw({"SORT", "channel:c:users", "ALPHA"}) == "ada bob");
    BOOST_TEST(raw({"SCARD", "channel:c:presence"}) == "2");
    BOOST_TEST(raw({"SCARD", "servers"}) == "2");
    BOOST_TEST((joins(w, w.two, "c", "eve") == 3u));
    // Others may have floors, and not be back yet.
    BOOST_TEST((w.wait(w.two.take("d", bob, taken("d", bob))).error() == unavailable));
    auto const takes_d = [&] { return w.wait(w.two.take("d", bob, taken("d", bob))).has_value(); };
    BOOST_TEST(w.eventually(takes_d));
    BOOST_TEST(!takes(w, w.two, "c", bob));
    BOOST_TEST(w.wait(w.one.refresh("c", ada)).value());
    BOOST_TEST(w.wait(w.one.release("c", ada, freed("c"))).value());
    BOOST_TEST(takes(w, w.two, "c", bob));

    auto const& log = w.a.logged;
    BOOST_TEST_REQUIRE(log.size() >= 4u);
    BOOST_TEST(log[log.size() - 2].starts_with("Redis may have lost its memory: "));
    BOOST_TEST(log[0] == "Redis at " + w.redis.socket() + ", database 0 is connected");
    BOOST_TEST(
        log[1].starts_with("Redis at " + w.redis.socket() + ", database 0 is out of reach: "));
    BOOST_TEST(log.back() == log[0]);
}

BOOST_AUTO_TEST_CASE(a_redis_that_hangs_fails_fast_and_what_it_did_late_is_undone) {
    world w(short_waits());
    joins(w, w.one, "c", "ada");
    BOOST_TEST(takes(w, w.two, "d", bob));
    BOOST_TEST(w.eventually([&] { return w.told[0].events.size() == 1u; }));
    w.redis.hang();
    auto const before = std::chrono::steady_clock::now();
    BOOST_TEST((w.wait(w.one.take("c", ada, taken("c", ada))).error() == unavailable));
    BOOST_TEST((w.wait(w.two.release("d", bob, freed("d"))).error() == unavailable));
    BOOST_TEST((w.wait(w.one.join("c", "eve", 9)).error() == unavailable));
    BOOST_TEST((std::chrono::steady_clock::now() - before < 3s));
    BOOST_TEST(w.one.failing());
    w.redis.go_on();
    BOOST_TEST(w.eventually([&] { return !w.one.failing() && !w.two.failing(); }));
    // Whether Redis has done them or not: they failed, so nobody holds anything by them.
    BOOST_TEST(!holder(w, w.two, "c").has_value());
    BOOST_TEST(!holder(w, w.two, "d").has_value());
    raw_redis raw(w.redis);
    BOOST_TEST(raw({"SMEMBERS", "channel:c:users"}) == "ada");
    BOOST_TEST(w.told[0].reconnections == 1);
    BOOST_TEST(takes(w, w.two, "c", bob));
    BOOST_TEST(takes(w, w.one, "d", ada));
    w.pass(50ms);
    BOOST_TEST((holder(w, w.two, "c") == bob));
}

BOOST_AUTO_TEST_CASE(a_server_that_is_late_itself_does_not_blame_redis) {
    auto waits = short_waits();
    waits.redis.timeout = 1s;
    world w(waits);
    bool joined = false;
    asio::co_spawn(w.callers, w.two.join("c", "ada", 9),
                   [&](std::exception_ptr const&, auto const& m) { joined = m && m->joined; });
    w.callers.poll();
    w.b.io.poll(); // sends the command
    w.absent = &w.b;
    w.pass(1500ms);
    w.absent = nullptr;
    BOOST_TEST(w.eventually([&] { return joined; }));
    w.pass(100ms);
    BOOST_TEST(w.told[1].reconnections == 0);
}

BOOST_AUTO_TEST_CASE(what_is_too_much_at_once_is_refused_and_no_more) {
    redis_floor_store::options few;
    few.redis.max_pending = 8;
    world w(few);
    w.redis.hang();
    std::vector<std::future<result<signaling::membership>>> joined;
    for (int i = 0; i < 9; ++i)
        joined.push_back(asio::co_spawn(w.callers, w.one.join("c", "u" + std::to_string(i), 99),
                                        asio::use_future));
    auto const is_over = [&] { return joined.back().wait_for(0s) == std::future_status::ready; };
    BOOST_TEST(w.eventually(is_over, 1s));
    w.redis.go_on();
    BOOST_TEST(joined.back().get().has_error());
    BOOST_TEST((joins(w, w.two, "c", "last") >= 8u));
    BOOST_TEST(w.told[0].reconnections == 0);
}

BOOST_AUTO_TEST_CASE(what_comes_late_by_a_connection_that_was_given_up_does_nothing) {
    world w;
    raw_redis raw(w.redis);
    auto const server = raw({"SMEMBERS", "servers"}).substr(0, 36);
    auto const alive = "server:" + server + ":alive";
    auto const body = std::string(signaling::detail::redis_fence) +
                      std::string(signaling::detail::redis_scripts[0].body);
    auto const take_by = [&](std::string const& connection) {
        return raw({"EVAL", body, "3", alive, "channel:c:speaker", "channel:c:events", connection,
                    "{}", "30000", "{}"});
    };
    BOOST_TEST(take_by("0").starts_with("UNREGISTERED"));
    BOOST_TEST(raw({"EXISTS", "channel:c:speaker"}) == "0");
    BOOST_TEST(take_by("1") == "1");
}

BOOST_AUTO_TEST_CASE(a_server_taken_for_dead_notices_it_and_comes_back) {
    world w(short_leases());
    joins(w, w.one, "c", "ada");
    joins(w, w.two, "c", "bob");
    w.vanish_two();
    BOOST_TEST(w.eventually([&] { return w.told[0].departures.size() == 1u; }));
    BOOST_TEST(w.told[0].departures[0] == (departure{"c", "bob"}));
    w.absent = nullptr;
    BOOST_TEST(w.eventually([&] { return w.told[1].reconnections == 1; }));
    BOOST_TEST((joins(w, w.one, "c", "ada") == 2u));
    BOOST_TEST(!w.two.failing());
    BOOST_TEST(w.told[0].departures.size() == 1u);
}

BOOST_AUTO_TEST_CASE(scripts_that_redis_has_forgotten_are_loaded_anew) {
    world w(short_waits());
    raw_redis raw(w.redis);
    joins(w, w.one, "c", "ada");
    raw({"SCRIPT", "FLUSH"});
    BOOST_TEST((w.wait(w.one.take("c", ada, taken("c", ada))).error() == unavailable));
    BOOST_TEST(w.eventually([&] { return w.told[0].reconnections == 1; }));
    BOOST_TEST(takes(w, w.one, "c", ada));
}

BOOST_AUTO_TEST_CASE(of_the_servers_that_are_left_one_tells_of_a_departure) {
    world w(short_leases());
    server third(w.with(short_leases(), 0));
    third.start();
    auto const with_third = [&](std::function<bool()> const& holds) {
        return w.eventually([&] {
            third.io.poll();
            third.io.restart();
            return holds();
        });
    };
    BOOST_TEST(with_third([&] { return !third.store.failing(); }));
    bool joined = false;
    asio::co_spawn(w.callers, third.store.join("c", "eve", 9),
                   [&](std::exception_ptr const&, auto const& m) { joined = m->joined; });
    BOOST_TEST(with_third([&] { return joined; }));
    // It is left alone now, with what it has.
    auto const& logs = w.told;
    auto const told = [&] { return logs[0].departures.size() + logs[1].departures.size(); };
    BOOST_TEST(w.eventually([&] { return told() > 0; }));
    w.pass(500ms);
    BOOST_TEST(told() == 1u);
    third.context->stop();
    BOOST_TEST(with_third([&] { return !third.running; }));
}

BOOST_AUTO_TEST_CASE(a_server_that_stops_while_redis_hangs_does_not_wait_for_long) {
    world w(short_waits());
    w.redis.hang();
    auto const before = std::chrono::steady_clock::now();
    w.stop(w.a);
    BOOST_TEST((std::chrono::steady_clock::now() - before < 3s));
    BOOST_TEST((w.wait(w.one.join("c", "ada", 9)).error() == unavailable));
    w.redis.go_on();
}

BOOST_AUTO_TEST_CASE(a_server_that_is_started_again_serves_again) {
    world w;
    w.stop(w.a);
    BOOST_TEST(w.one.failing());
    BOOST_TEST((w.wait(w.one.take("c", ada, taken("c", ada))).error() == unavailable));
    w.a.start();
    BOOST_TEST(w.eventually([&] { return !w.one.failing(); }));
    BOOST_TEST(takes(w, w.one, "c", ada));
}

// ---- Passwords ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_password_and_a_database_are_used_and_not_told) {
    redis_server const guarded({"--requirepass", "p@ss/ w\xc3\xb6rd"});
    auto const at = [&](std::string const& user) {
        redis_floor_store::options o = short_waits();
        o.redis.address =
            signaling::parse_redis_address("unix://" + user + guarded.socket() + "?db=3").value();
        return o;
    };
    {
        world w(at(":p%40ss%2F%20w%C3%B6rd@"));
        BOOST_TEST(takes(w, w.one, "c", ada));
        BOOST_TEST(w.a.logged.at(0) ==
                   "Redis at " + guarded.socket() + ", database 3 is connected");
    }
    for (auto const* user : {":wrong-word@", "ada:wrong-word@", ""}) {
        std::vector<std::string> logged;
        auto o = at(user);
        o.redis.log = [&](std::string_view text) { logged.emplace_back(text); };
        server refused(o);
        refused.start();
        while (logged.empty())
            refused.io.run_one();
        BOOST_TEST(logged[0].find(*user ? "is out of reach: AUTH was refused: WRONGPASS"
                                        : "is out of reach: SELECT was refused: NOAUTH") !=
                   std::string::npos);
        BOOST_TEST(logged[0].find("wrong-word") == std::string::npos);
        refused.context->stop();
        while (refused.running)
            refused.io.run_one();
    }
}

BOOST_AUTO_TEST_SUITE_END()
