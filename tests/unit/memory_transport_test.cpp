// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/detail/alarm.hpp>
#include <parley/transport/memory_transport.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using parley::error_code;
using parley::manual_clock;
using parley::manual_timer;
using parley::memory_stream;
using parley::memory_transport;

/// What an operation completed with, once it has.
struct outcome {
    std::optional<error_code> ec;
    std::size_t n = 0;

    [[nodiscard]] bool pending() const { return !ec; }
    [[nodiscard]] bool succeeded() const { return ec && !*ec; }
    [[nodiscard]] bool failed_with(error_code e) const { return ec && *ec == e; }
};
using outcome_ptr = std::shared_ptr<outcome>;

struct fixture {
    asio::io_context io{1};
    std::pair<memory_stream, memory_stream> ends =
        memory_stream::make_pair(io.get_executor(), "alice", "bob");
    memory_stream& alice = ends.first;
    memory_stream& bob = ends.second;

    void settle() {
        io.restart();
        io.poll();
    }

    static auto record(outcome_ptr const& out) {
        return [out](error_code ec, std::size_t n) {
            out->ec = ec;
            out->n = n;
        };
    }

    outcome_ptr write(memory_stream& to, std::string_view bytes) {
        auto const out = std::make_shared<outcome>();
        to.async_write_some(asio::buffer(bytes), record(out));
        settle();
        return out;
    }

    outcome_ptr read(memory_stream& from, std::string& into) {
        auto const out = std::make_shared<outcome>();
        from.async_read_some(asio::buffer(into), record(out));
        settle();
        return out;
    }

    outcome_ptr wait(manual_timer& timer) {
        auto const out = std::make_shared<outcome>();
        timer.async_wait([out](error_code ec) { out->ec = ec; });
        settle();
        return out;
    }

    void run(parley::task<> coroutine) {
        asio::co_spawn(io, std::move(coroutine), asio::detached);
        settle();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(memory_transport_, fixture)

BOOST_AUTO_TEST_CASE(bytes_written_at_one_end_are_read_at_the_other) {
    BOOST_TEST(alice.peer_address() == "bob");
    BOOST_TEST(bob.peer_address() == "alice");

    std::string into(4, ' ');
    auto const early = read(bob, into);
    BOOST_TEST(early->pending());
    BOOST_TEST(write(alice, "hello")->n == 5u);
    BOOST_TEST(early->n == 4u);
    BOOST_TEST(into == "hell");
    BOOST_TEST(read(bob, into)->n == 1u);
    BOOST_TEST(into[0] == 'o');
    BOOST_TEST(write(bob, "!")->n == 1u);
    BOOST_TEST(read(alice, into)->n == 1u);
}

BOOST_AUTO_TEST_CASE(operations_without_room_complete_at_once) {
    std::string nothing;
    BOOST_TEST(read(alice, nothing)->succeeded());
    BOOST_TEST(write(alice, "")->succeeded());
}

BOOST_AUTO_TEST_CASE(operations_never_complete_before_they_return) {
    bool completed = false;
    alice.async_write_some(asio::buffer("x", 1),
                           [&](error_code, std::size_t) { completed = true; });
    BOOST_TEST(!completed);
    settle();
    BOOST_TEST(completed);
}

BOOST_AUTO_TEST_CASE(a_reader_that_does_not_read_holds_the_writer_up) {
    std::string const much(100'000, 'x');
    auto const first = write(alice, much);
    BOOST_TEST(first->n == 64 * 1024u);
    auto const second = write(alice, std::string_view(much).substr(first->n));
    BOOST_TEST(second->pending());

    std::string into(1000, ' ');
    BOOST_TEST(read(bob, into)->n == 1000u);
    BOOST_TEST(second->n == 1000u);
}

BOOST_AUTO_TEST_CASE(shutdown_ends_one_direction_and_loses_nothing) {
    write(alice, "bye");
    run(alice.shutdown());
    BOOST_TEST(write(alice, "more")->failed_with(asio::error::bad_descriptor));

    std::string into(10, ' ');
    BOOST_TEST(read(bob, into)->n == 3u);
    BOOST_TEST(read(bob, into)->failed_with(asio::error::eof));
    BOOST_TEST(write(bob, "goodbye")->succeeded());
    BOOST_TEST(read(alice, into)->n == 7u);
}

BOOST_AUTO_TEST_CASE(close_ends_everything_that_is_pending) {
    std::string alices(10, ' ');
    std::string bobs(10, ' ');
    std::string const much(100'000, 'x');
    auto const reading = read(alice, alices);
    write(alice, much);
    auto const writing = write(alice, much);
    auto const answering = write(bob, "");
    alice.close();
    settle();
    BOOST_TEST(reading->failed_with(asio::error::operation_aborted));
    BOOST_TEST(writing->failed_with(asio::error::operation_aborted));
    BOOST_TEST(read(alice, alices)->failed_with(asio::error::bad_descriptor));
    BOOST_TEST(write(alice, "x")->failed_with(asio::error::bad_descriptor));

    // What was sent before still arrives; what is sent back does not.
    BOOST_TEST(read(bob, bobs)->n == 10u);
    BOOST_TEST(write(bob, "x")->failed_with(asio::error::broken_pipe));
    alice.close(); // again: nothing more
    settle();
}

BOOST_AUTO_TEST_CASE(an_end_that_is_destroyed_is_closed) {
    std::string into(10, ' ');
    auto const reading = read(bob, into);
    { auto const gone = std::move(alice); }
    settle();
    BOOST_TEST(reading->failed_with(asio::error::eof));
}

BOOST_AUTO_TEST_CASE(a_read_that_is_cancelled_takes_nothing) {
    asio::cancellation_signal enough;
    auto const out = std::make_shared<outcome>();
    std::string into(10, ' ');
    bob.async_read_some(asio::buffer(into),
                        asio::bind_cancellation_slot(enough.slot(), record(out)));
    enough.emit(asio::cancellation_type::terminal);
    settle();
    BOOST_TEST(out->failed_with(asio::error::operation_aborted));
    write(alice, "x");
    enough.emit(asio::cancellation_type::terminal); // too late for anything
    BOOST_TEST(read(bob, into)->n == 1u);
}

/// A stream written and read in pieces of random sizes arrives as it was sent.
BOOST_AUTO_TEST_CASE(whatever_the_sizes_nothing_is_lost_or_reordered) {
    std::mt19937_64 random(1);
    std::string sent(1'000'000, ' ');
    std::generate(sent.begin(), sent.end(), [&] { return static_cast<char>(random()); });
    std::string received;

    auto const sends = [&]() -> parley::task<> {
        for (std::string_view left = sent; !left.empty();) {
            auto const piece = left.substr(0, 1 + random() % 100'000);
            left.remove_prefix(
                co_await alice.async_write_some(asio::buffer(piece), parley::use_task));
        }
        alice.close();
    };
    auto const receives = [&]() -> parley::task<> {
        for (std::string into;;) {
            into.resize(1 + random() % 30'000);
            auto [ec, n] =
                co_await bob.async_read_some(asio::buffer(into), asio::as_tuple(parley::use_task));
            if (ec) co_return;
            received.append(into, 0, n);
        }
    };
    run(sends());
    run(receives());
    BOOST_TEST((received == sent));
}

// ---- The clock ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(time_passes_only_when_told) {
    manual_clock clock;
    auto const start = clock.now();
    manual_timer timer(io.get_executor(), clock);
    timer.expires_at(start + 10s);
    auto const waiting = wait(timer);
    clock.advance(9'999ms);
    settle();
    BOOST_TEST(waiting->pending());
    clock.advance(1ms);
    settle();
    BOOST_TEST(waiting->succeeded());
    BOOST_TEST(wait(timer)->succeeded()); // due already
    BOOST_TEST((clock.now() - start == 10s));
    BOOST_TEST((clock.wall_time() == std::chrono::sys_days{std::chrono::year{2026} / 1 / 1} + 10s));
}

BOOST_AUTO_TEST_CASE(a_new_deadline_or_a_cancellation_ends_a_wait) {
    manual_clock clock;
    manual_timer timer(io.get_executor(), clock);
    timer.expires_at(clock.now() + 10s);
    auto const first = wait(timer);
    timer.expires_at(clock.now() + 20s);
    settle();
    BOOST_TEST(first->failed_with(asio::error::operation_aborted));

    auto const second = wait(timer);
    timer.cancel();
    settle();
    BOOST_TEST(second->failed_with(asio::error::operation_aborted));

    auto const third = wait(timer); // the deadline stands
    clock.advance(20s);
    timer.cancel(); // too late
    settle();
    BOOST_TEST(third->succeeded());

    auto last = std::make_optional<manual_timer>(io.get_executor(), clock);
    last->expires_at(parley::no_deadline);
    auto const fourth = wait(*last);
    clock.advance(24h * 365);
    settle();
    BOOST_TEST(fourth->pending());
    last.reset();
    settle();
    BOOST_TEST(fourth->failed_with(asio::error::operation_aborted));
}

BOOST_AUTO_TEST_CASE(timers_that_are_due_together_complete_earliest_first) {
    manual_clock clock;
    std::string order;
    std::vector<manual_timer> timers;
    for (auto const& [name, delay] : {std::pair{'c', 3s}, {'a', 1s}, {'b', 2s}, {'z', 9s}}) {
        auto& timer = timers.emplace_back(io.get_executor(), clock);
        timer.expires_at(clock.now() + delay);
        timer.async_wait([&order, n = name](error_code ec) {
            if (!ec) order += n;
        });
    }
    clock.advance(5s);
    settle();
    BOOST_TEST(order == "abc");
}

BOOST_AUTO_TEST_CASE(an_alarm_is_a_deadline_and_a_bell) {
    manual_clock clock;
    parley::detail::alarm alarm(manual_timer(io.get_executor(), clock));
    bool ready = false;
    std::optional<bool> held;
    auto const waits = [&](parley::time_point deadline) -> parley::task<> {
        held.reset();
        held = co_await alarm.wait_until(deadline, [&] { return ready; });
    };
    run(waits(clock.now() + 5s));
    alarm.notify(); // nothing has changed
    settle();
    BOOST_TEST(!held);
    ready = true;
    settle();
    BOOST_TEST(!held); // nobody rang
    alarm.notify();
    settle();
    BOOST_TEST(held.value());

    ready = false;
    run(waits(clock.now() + 5s));
    clock.advance(5s);
    settle();
    BOOST_TEST(!held.value());

    run(waits(clock.now() - 1s)); // a deadline that has passed
    BOOST_TEST(!held.value());
    ready = true;
    run(waits(clock.now() - 1s));
    BOOST_TEST(held.value());
}

// ---- The listener -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(connections_come_out_in_order) {
    memory_transport transport;
    auto early = transport.connect(io.get_executor()); // nobody listens yet, but it may
    auto listener = transport.listen(io.get_executor(), {}).value();
    std::string accepted;
    auto const accepts = [&]() -> parley::task<> {
        for (;;) {
            auto stream = co_await listener.accept(io.get_executor());
            if (!stream) {
                accepted += stream.error() == asio::error::operation_aborted ? "closed" : "failed";
                co_return;
            }
            accepted += stream->peer_address() + " ";
        }
    };
    run(accepts());
    auto const a = transport.connect(io.get_executor(), "198.51.100.1");
    auto const b = transport.connect(io.get_executor(), "198.51.100.2");
    settle();
    BOOST_TEST(accepted == "192.0.2.1 198.51.100.1 198.51.100.2 ");

    listener.close();
    settle();
    BOOST_TEST(accepted.ends_with("closed"));
    auto late = transport.connect(io.get_executor());
    std::string into(1, ' ');
    BOOST_TEST(read(late, into)->failed_with(asio::error::eof));
}

BOOST_AUTO_TEST_SUITE_END()
