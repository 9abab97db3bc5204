// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Work that goes on beside the connections of a server.

#include <tests/support/gate.hpp>
#include <tests/support/memory_peer.hpp>

#include <parley/admission/unlimited_admission.hpp>
#include <parley/server.hpp>
#include <parley/storage/memory_storage.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace parley;
using namespace std::chrono_literals;
using test::memory_peer;

namespace {

/// Listens to whatever it is told; at a stop it leaves when the test lets it.
struct listening {
    test::gate leaving;

    template <class Session>
    task<close_reason> operator()(Session& session) {
        for (;;) {
            auto const next = co_await session.receive_text(no_deadline);
            if (next.status == receive_status::message) continue;
            co_await leaving.pass();
            co_return close_reason(close_code::going_away);
        }
    }
};

/// A conversation with background work of its own.
struct keeping : listening {
    std::shared_ptr<int> steps = std::make_shared<int>(0);

    template <class Context>
    task<> run(Context& context) {
        ++*steps;
        co_await context.wait_until(no_deadline);
        ++*steps;
    }
};

/// An admission policy that writes down when its background work does something.
struct ticking_admission : unlimited_admission {
    struct diary {
        std::vector<std::string> entries;
        bool fails = false;
        std::chrono::milliseconds last_breath = 0ms;
    };
    std::shared_ptr<diary> told = std::make_shared<diary>();

    template <class Context>
    task<> run(Context& context) {
        auto const& clock = context.policies.transport;
        told->entries.push_back("begins");
        bool running = true;
        while (running) {
            running = co_await context.wait_until(clock.now() + 10s);
            if (running) told->entries.push_back("works");
            if (running && told->fails) throw std::runtime_error("no more");
        }
        told->entries.push_back("told");
        if (told->last_breath > 0ms) {
            auto timer = context.policies.transport.make_timer(context.get_executor());
            timer.expires_at(clock.now() + told->last_breath);
            co_await timer.async_wait(use_task);
        }
        told->entries.push_back("ended");
    }
};

/// A storage with background work of its own, so that a server has two.
struct busy_storage : memory_storage {
    explicit busy_storage(std::shared_ptr<int> count) : at_work(std::move(count)) {}

    template <class Context>
    task<> run(Context& context) {
        ++*at_work;
        co_await context.wait_until(no_deadline);
        --*at_work;
    }

    std::shared_ptr<int> at_work;
};

/// A server with background work, in a world whose clock the test moves.
struct fixture : test::memory_world {
    using server_type =
        basic_handshake_server<listening, memory_transport, ticking_admission, busy_storage>;

    listening conversation;
    ticking_admission ticking;
    std::shared_ptr<int> storages_at_work = std::make_shared<int>(0);
    std::vector<std::string> logged;
    server_type server{with_log(), conversation, transport, ticking,
                       busy_storage(storages_at_work)};
    bool stopped = false;

    ~fixture() {
        stop(0s);
        advance(10min);
        BOOST_TEST(stopped);
        BOOST_TEST(*storages_at_work == 0);
    }

    server_options with_log() {
        server_options options;
        options.log = [this](severity, std::string_view text) { logged.emplace_back(text); };
        return options;
    }

    void start() {
        BOOST_TEST_REQUIRE(server.start(io, memory_transport::endpoint_type{}).has_value());
        settle();
    }

    void stop(std::chrono::milliseconds grace) {
        stopped = false;
        asio::co_spawn(io, server.async_stop(grace), [this](std::exception_ptr const& e) {
            BOOST_TEST(!e);
            stopped = true;
        });
        settle();
    }

    /// What is new in the diary, with spaces between.
    std::string diary() {
        std::string all;
        for (auto const& one : std::exchange(ticking.told->entries, {}))
            all += (all.empty() ? "" : " ") + one;
        return all;
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(background, fixture)

BOOST_AUTO_TEST_CASE(it_begins_with_the_server_works_on_time_and_ends_with_it) {
    BOOST_TEST(diary() == "");
    start();
    BOOST_TEST(diary() == "begins");
    BOOST_TEST(*storages_at_work == 1);
    advance(9s + 999ms);
    BOOST_TEST(diary() == "");
    advance(1ms);
    BOOST_TEST(diary() == "works");
    advance(10s);
    BOOST_TEST(diary() == "works");
    stop(1s);
    BOOST_TEST(stopped);
    BOOST_TEST(diary() == "told ended");
    BOOST_TEST(*storages_at_work == 0);
    advance(1h);
    BOOST_TEST(diary() == "");
    BOOST_TEST(logged.empty());
}

BOOST_AUTO_TEST_CASE(it_is_told_of_the_stop_only_after_the_last_connection_is_gone) {
    start();
    memory_peer peer(*this, "/ws", "192.0.2.1");
    BOOST_TEST(peer.upgraded());
    conversation.leaving.shut();
    diary();
    stop(1min);
    BOOST_TEST(server.connections() == 1u);
    BOOST_TEST(diary() == "");
    advance(10s);
    BOOST_TEST(diary() == "works"); // as long as there is somebody to work for
    BOOST_TEST(!stopped);
    conversation.leaving.open();
    settle();
    BOOST_TEST(peer.closed_with().value() == 1001);
    BOOST_TEST(server.connections() == 0u);
    BOOST_TEST(diary() == "told ended");
    BOOST_TEST(stopped);
}

BOOST_AUTO_TEST_CASE(a_stop_waits_until_it_has_ended) {
    ticking.told->last_breath = 5s;
    start();
    stop(0s);
    BOOST_TEST(diary() == "begins told");
    advance(4s + 999ms);
    BOOST_TEST(!stopped);
    advance(1ms);
    BOOST_TEST(diary() == "ended");
    BOOST_TEST(stopped);
}

BOOST_AUTO_TEST_CASE(two_stops_wait_for_it_both) {
    ticking.told->last_breath = 5s;
    start();
    bool other = false;
    asio::co_spawn(io, server.async_stop(0s), [&](std::exception_ptr const&) { other = true; });
    stop(0s);
    advance(4s);
    BOOST_TEST(!other);
    BOOST_TEST(!stopped);
    advance(1s);
    BOOST_TEST(other);
    BOOST_TEST(stopped);
}

BOOST_AUTO_TEST_CASE(an_exception_is_logged_and_ends_nothing_else) {
    ticking.told->fails = true;
    start();
    advance(10s);
    BOOST_TEST(diary() == "begins works");
    BOOST_TEST_REQUIRE(logged.size() == 1u);
    BOOST_TEST(logged[0] == "background work failed: no more");
    memory_peer const peer(*this, "/ws", "192.0.2.1");
    BOOST_TEST(peer.upgraded());
    BOOST_TEST(*storages_at_work == 1);
    stop(0s);
    advance(10s);
    BOOST_TEST(stopped);
    BOOST_TEST(*storages_at_work == 0);
}

BOOST_AUTO_TEST_CASE(a_server_that_is_started_again_runs_it_again) {
    for (int i = 0; i < 3; ++i) {
        start();
        BOOST_TEST(*storages_at_work == 1);
        advance(10s);
        stop(0s);
        BOOST_TEST(diary() == "begins works told ended");
    }
}

BOOST_AUTO_TEST_CASE(a_conversation_may_have_background_work_too) {
    keeping const keeper;
    basic_handshake_server<keeping, memory_transport> other({}, keeper, transport);
    BOOST_TEST_REQUIRE(other.start(io, memory_transport::endpoint_type{}).has_value());
    settle();
    BOOST_TEST(*keeper.steps == 1);
    asio::co_spawn(io, other.async_stop(0s), asio::detached);
    settle();
    BOOST_TEST(*keeper.steps == 2);
}

BOOST_AUTO_TEST_SUITE_END()
