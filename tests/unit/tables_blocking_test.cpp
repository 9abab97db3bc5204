// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/tables/blocking_call.hpp>
#include <parley/tables/blocking_pool.hpp>
#include <parley/tables/connection_pool.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace parley;
using namespace parley::tables;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

/// Work that goes on when it is let.
struct held_work {
    std::promise<void> begun;
    std::promise<void> released;
    std::shared_future<void> release = released.get_future().share();

    std::function<void()> function() {
        return [this] {
            begun.set_value();
            release.wait();
        };
    }
};

operation_ptr within(std::chrono::milliseconds time = 30s) {
    return std::make_shared<operation>(clock_type::now() + time);
}

template <class T>
std::string code_of(outcome<T> const& o) {
    return o ? "success" : std::string(to_string(o.error().code));
}

/// Coroutines on an `io_context` of their own, and how they ended.
struct waiting_room {
    asio::io_context io{1};
    std::vector<std::string> ended;

    template <class T>
    void spawn(task<outcome<T>> coroutine) {
        asio::co_spawn(io, std::move(coroutine), [this](std::exception_ptr e, outcome<T> const& o) {
            ended.push_back(e ? "exception" : code_of(o));
        });
    }
};

/// A connection that tells the test what becomes of it.
struct fake_connection {
    struct shared {
        std::atomic<int> opened = 0;
        std::atomic<int> closed = 0;
        std::atomic<bool> fresh = true;
    };

    fake_connection(std::string n, shared& s) : ns(std::move(n)), counts(s) {
        number = ++counts.opened;
    }
    ~fake_connection() { ++counts.closed; }

    std::string const& name() const { return ns; }
    bool is_fresh() const { return counts.fresh; }
    bool is_usable() const { return usable; }
    bool has_begun() const { return begun; }

    std::string ns;
    shared& counts;
    int number = 0;
    bool usable = true;
    bool begun = false;
};

struct pool_fixture {
    using pool_type = connection_pool<fake_connection>;
    using work = std::function<outcome<int>(fake_connection&, work_control&)>;

    fake_connection::shared counts;
    std::shared_ptr<blocking_pool> threads =
        std::make_shared<blocking_pool>(blocking_pool::options());
    pool_type::options limits{.max_connections = 2, .max_waiting = 3, .idle_timeout = 1h};
    std::shared_ptr<pool_type> connections = make();

    ~pool_fixture() { threads->stop(); }

    std::shared_ptr<pool_type> make() {
        return std::make_shared<pool_type>(threads, limits,
                                           [this](std::string const& ns, work_control&)
                                               -> outcome<std::unique_ptr<fake_connection>> {
                                               if (ns == "nowhere")
                                                   return failure{failure_code::not_found, ""};
                                               return std::make_unique<fake_connection>(ns, counts);
                                           });
    }

    /// The number of the connection that was used, or why there was none.
    std::string use(
        std::string ns,
        work w = [](fake_connection& c, work_control&) -> outcome<int> { return c.number; }) {
        std::string text;
        asio::io_context io(1);
        asio::co_spawn(io, connections->run<int>(std::move(ns), within(), std::move(w)),
                       [&](std::exception_ptr, outcome<int> const& o) {
                           text = o ? std::to_string(*o) : code_of(o);
                       });
        io.run();
        return text;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(tables_blocking)

BOOST_AUTO_TEST_CASE(there_are_as_many_threads_as_there_is_work) {
    blocking_pool pool({.max_threads = 8, .max_queued = 8});
    BOOST_TEST(pool.threads() == 0u);
    std::latch all_there(8);
    for (int i = 0; i < 8; ++i) // none goes on before all have begun
        BOOST_TEST(pool.post([&] { all_there.arrive_and_wait(); }));
    pool.stop();
    BOOST_TEST(pool.threads() == 0u);
}

BOOST_AUTO_TEST_CASE(threads_and_what_waits_for_them_are_bounded) {
    blocking_pool pool({.max_threads = 1, .max_queued = 2});
    held_work first;
    std::string order;
    BOOST_TEST(pool.post(first.function()));
    first.begun.get_future().wait();
    BOOST_TEST(pool.post([&] { order += 'a'; }));
    BOOST_TEST(pool.post([&] { order += 'b'; }));
    BOOST_TEST(!pool.post([&] { order += 'c'; }));
    pool.post_always([&] { order += 'd'; }); // there is no other way for it
    BOOST_TEST(pool.threads() == 1u);
    first.released.set_value();
    pool.stop();
    BOOST_TEST(order == "abd");
    BOOST_TEST(!pool.post([] {}));
    pool.post_always([&] { order += 'e'; });
    BOOST_TEST(order == "abde");
}

BOOST_AUTO_TEST_CASE(idle_threads_end) {
    blocking_pool pool({.idle_time = 1ms});
    BOOST_TEST(pool.post([] {}));
    while (pool.threads() > 0)
        std::this_thread::yield();
    std::promise<void> done;
    BOOST_TEST(pool.post([&] { done.set_value(); }));
    done.get_future().wait();
}

BOOST_AUTO_TEST_CASE(work_is_done_at_its_time) {
    blocking_pool pool({.max_threads = 1, .idle_time = 0ms});
    std::string order;
    std::promise<void> done;
    auto const now = clock_type::now();
    pool.at(now + 20ms, [&] {
        order += clock_type::now() >= now + 20ms ? 'b' : '!';
        done.set_value();
    });
    pool.at(now + 10ms, [&] { order += 'a'; });
    pool.at(now + 1h, [&] { order += 'c'; });
    done.get_future().wait();
    pool.stop();
    BOOST_TEST(order == "ab");
}

BOOST_AUTO_TEST_CASE(a_call_that_waits_can_be_stopped_and_never_runs) {
    auto const threads = std::make_shared<blocking_pool>(blocking_pool::options{.max_threads = 1});
    held_work busy;
    BOOST_TEST(threads->post(busy.function()));
    busy.begun.get_future().wait();

    waiting_room room;
    bool ran = false;
    std::function<outcome<int>(work_control&)> const work = [&](work_control&) -> outcome<int> {
        ran = true;
        return 1;
    };
    auto const cancelled = within();
    room.spawn(await_blocking<int>(cancelled, work, submit_to(threads)));
    room.spawn(await_blocking<int>(within(1ms), work, submit_to(threads)));
    room.spawn(await_blocking<int>(within(-1ms), work, submit_to(threads)));
    room.io.poll();
    cancelled->cancel();
    room.spawn(await_blocking<int>(cancelled, work, submit_to(threads)));
    room.io.run(); // though the thread is as busy as before
    std::ranges::sort(room.ended);
    BOOST_TEST((room.ended ==
                std::vector<std::string>{"CANCELLED", "CANCELLED", "TIMED_OUT", "TIMED_OUT"}));
    busy.released.set_value();
    threads->stop();
    BOOST_TEST(!ran);
}

BOOST_AUTO_TEST_CASE(a_call_that_runs_is_interrupted) {
    auto const threads = std::make_shared<blocking_pool>(blocking_pool::options());
    for (bool const by_deadline : {true, false}) {
        waiting_room room;
        auto const op = within(by_deadline ? 5ms : 30'000ms);
        std::function<outcome<int>(work_control&)> const work =
            [&](work_control& control) -> outcome<int> {
            std::promise<void> interrupted;
            work_control::on_stop const on_stop(control, [&] { interrupted.set_value(); });
            if (!by_deadline) op->cancel();
            interrupted.get_future().wait();
            return stopped_failure(*control.stopped());
        };
        room.spawn(await_blocking<int>(op, work, submit_to(threads)));
        room.io.run();
        BOOST_TEST(room.ended.front() == (by_deadline ? "TIMED_OUT" : "CANCELLED"));
    }
    threads->stop();
}

BOOST_AUTO_TEST_CASE(what_a_call_throws_stays_within_it) {
    auto const threads = std::make_shared<blocking_pool>(blocking_pool::options());
    waiting_room room;
    std::function<outcome<int>(work_control&)> const work = [](work_control&) -> outcome<int> {
        throw std::bad_alloc();
    };
    room.spawn(await_blocking<int>(within(), work, submit_to(threads)));
    room.io.run();
    BOOST_TEST(room.ended.front() == "DATABASE_ERROR");
    threads->stop();
    room.spawn(await_blocking<int>(within(), work, submit_to(threads)));
    room.io.restart();
    room.io.run();
    BOOST_TEST(room.ended.back() == "OVERLOADED");
}

BOOST_FIXTURE_TEST_CASE(connections_are_used_again, pool_fixture) {
    BOOST_TEST(use("a") == "1");
    BOOST_TEST(use("a") == "1");
    BOOST_TEST(use("nowhere") == "NOT_FOUND");
    BOOST_TEST(use("b") == "2");
    BOOST_TEST(use("a") == "1");
    // There may be two, so that the one not used for longest makes room.
    BOOST_TEST(use("c") == "3");
    BOOST_TEST(use("a") == "1");
    BOOST_TEST(counts.closed == 1);
    connections->close_idle();
    BOOST_TEST(connections->idle() == 0u);
    threads->stop();
    BOOST_TEST(counts.closed == 3);
}

BOOST_FIXTURE_TEST_CASE(dead_connections_are_replaced, pool_fixture) {
    BOOST_TEST(use("a") == "1");
    counts.fresh = false; // one can tell before
    BOOST_TEST(use("a") == "2");
    counts.fresh = true;

    int tries = 0;
    work const dies_at_first = [&](fake_connection& c, work_control&) -> outcome<int> {
        if (++tries > 1) return c.number;
        c.usable = false;
        return failure{failure_code::unreachable, ""};
    };
    BOOST_TEST(use("a", dies_at_first) == "3");
    BOOST_TEST(tries == 2);

    // Not when something may have been done, nor more than once.
    work const dies_midway = [&](fake_connection& c, work_control&) -> outcome<int> {
        ++tries;
        c.begun = true;
        c.usable = false;
        return failure{failure_code::unreachable, ""};
    };
    tries = 0;
    BOOST_TEST(use("a", dies_midway) == "UNREACHABLE");
    BOOST_TEST(tries == 1);
    BOOST_TEST(use("a") == "4");
    work const dies_always = [&](fake_connection& c, work_control&) -> outcome<int> {
        ++tries;
        c.usable = false;
        return failure{failure_code::unreachable, ""};
    };
    tries = 0;
    BOOST_TEST(use("a", dies_always) == "UNREACHABLE");
    BOOST_TEST(tries == 2);
    BOOST_TEST(connections->idle() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_bounded_number_waits_for_a_connection, pool_fixture) {
    std::promise<void> released;
    auto const release = released.get_future().share();
    std::latch both_there(2);
    std::atomic<int> ran = 0;
    work const hold = [&](fake_connection& c, work_control&) -> outcome<int> {
        if (++ran <= 2) both_there.count_down();
        release.wait();
        return c.number;
    };
    waiting_room room;
    auto const cancelled = within();
    for (int i = 0; i < 4; ++i)
        room.spawn(connections->run<int>("a", within(), hold));
    room.spawn(connections->run<int>("a", cancelled, hold));
    room.spawn(connections->run<int>("a", within(), hold)); // one too many
    room.io.poll();
    both_there.wait();
    BOOST_TEST(ran == 2);
    cancelled->cancel();
    while (room.ended.size() < 2)
        room.io.run_one();
    std::ranges::sort(room.ended);
    BOOST_TEST((room.ended == std::vector<std::string>{"CANCELLED", "OVERLOADED"}));
    // There is room again for one that waits.
    room.spawn(connections->run<int>("a", within(), hold));
    room.io.poll();
    released.set_value();
    room.io.run();
    BOOST_TEST(std::ranges::count(room.ended, "success") == 5);
    BOOST_TEST(ran == 5);
    BOOST_TEST(counts.opened == 2);
}

BOOST_FIXTURE_TEST_CASE(idle_connections_are_closed_in_time, pool_fixture) {
    limits.idle_timeout = 1ms;
    connections = make();
    BOOST_TEST(use("a") == "1");
    while (counts.closed < 1)
        std::this_thread::yield();
    BOOST_TEST(use("a") == "2");
}

BOOST_FIXTURE_TEST_CASE(each_idle_connection_is_closed_in_its_own_time, pool_fixture) {
    threads = std::make_shared<blocking_pool>(blocking_pool::options{.max_threads = 1});
    limits.idle_timeout = 50ms;
    connections = make();
    auto const half = blocking_pool::clock::now() + limits.idle_timeout / 2;
    BOOST_TEST(use("a") == "1");
    while (blocking_pool::clock::now() < half)
        std::this_thread::yield();
    BOOST_TEST(use("b") == "2");
    std::promise<std::size_t> left; // the one thread does what is due in order
    threads->at(blocking_pool::clock::now() + limits.idle_timeout,
                [&] { left.set_value(connections->idle()); });
    BOOST_TEST(left.get_future().get() == 0u);
}

BOOST_FIXTURE_TEST_CASE(connections_outlive_nobody, pool_fixture) {
    std::promise<void> released;
    std::promise<void> begun;
    work const hold = [&](fake_connection& c, work_control&) -> outcome<int> {
        begun.set_value();
        released.get_future().wait();
        return c.number;
    };
    BOOST_TEST(use("a") == "1");
    waiting_room room;
    room.spawn(connections->run<int>("b", within(), hold));
    room.io.poll();
    begun.get_future().wait();
    connections.reset(); // as when a session ends
    BOOST_TEST(counts.closed == 0);
    released.set_value();
    room.io.run();
    threads->stop();
    BOOST_TEST(counts.closed == 2);
}

BOOST_AUTO_TEST_SUITE_END()
