// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <tests/support/gate.hpp>
#include <tests/support/test_server.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace parley;
using namespace parley::test;

namespace {

std::string const loopback = "192.0.2.1";

using script = std::function<task<close_reason>(test_session&)>;

test_server::options with(script conversation, channel_limits const& limits = {}) {
    return {.server = {.limits = limits}, .conversation = {.script = std::move(conversation)}};
}

test_server::options with(channel_limits const& limits) {
    return with(scripted_conversation::echo, limits);
}

test_server::options with(queueing_admission::options const& admission) {
    return {.admission = admission};
}

/// A server whose conversations wait at a gate until the test opens it.
struct gated_server {
    gate at;
    test_server world;

    explicit gated_server(std::function<script(gate)> const& conversation,
                          channel_limits const& limits = {})
        : world(with(conversation(at), limits)) {
        at.shut();
    }

    void open() {
        at.open();
        world.settle();
    }
};

/// A peer that speaks WebSocket by hand: it answers nothing by itself.
struct raw_peer : memory_peer {
    explicit raw_peer(memory_world& world, bool reading = true) : memory_peer(world) {
        if (reading) read_raw();
        send_raw(upgrade_request());
    }
    [[nodiscard]] std::vector<server_frame> frames() const { return frames_in(raw()); }
    [[nodiscard]] unsigned close_code() const {
        auto const all = frames();
        return all.empty() ? 0 : all.back().code();
    }
};

std::vector<std::string> statuses(test_server& world) {
    std::vector<std::string> all;
    for (auto const& info : world.server.active_sessions())
        all.emplace_back(to_string(info.status));
    return all;
}

using texts = std::vector<std::string>;

} // namespace

// ---- Admission ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_admission)

BOOST_AUTO_TEST_CASE(beyond_the_ceiling_upgrades_wait_unanswered_and_in_order) {
    test_server world(with({.max_concurrent = 2}));
    std::vector<std::unique_ptr<memory_peer>> peers;
    for (int i = 0; i < 6; ++i)
        peers.push_back(std::make_unique<memory_peer>(world, "/ws", loopback));
    for (std::size_t next = 2; next < 6; ++next) {
        BOOST_TEST(peers[next - 1]->upgraded());
        for (auto waiting = next; waiting < 6; ++waiting) {
            BOOST_TEST(!peers[waiting]->upgraded());
            BOOST_TEST(peers[waiting]->refused_with() == 0u);
        }
        BOOST_TEST(world.admission().active() == 2u);
        BOOST_TEST(world.admission().queued() == 6 - next);
        peers[next - 1]->close();
        BOOST_TEST(peers[next]->upgraded());
    }
    BOOST_TEST(world.server.connections() == 2u);
}

BOOST_AUTO_TEST_CASE(a_peer_that_waited_too_long_is_told_when_to_come_again) {
    test_server world(with({.max_concurrent = 1, .queue_timeout = 30s}));
    memory_peer const inside(world, "/ws", loopback);
    memory_peer const first(world, "/ws", loopback);
    world.advance(10s);
    memory_peer const second(world, "/ws", loopback);
    world.advance(20s - 1ms);
    BOOST_TEST(first.refused_with() == 0u);
    world.advance(1ms);
    BOOST_TEST(first.refused_with() == 503u);
    BOOST_TEST(first.response()["Retry-After"] == "30");
    BOOST_TEST(second.refused_with() == 0u);
    BOOST_TEST(world.admission().queued() == 1u);
    world.advance(10s);
    BOOST_TEST(second.refused_with() == 503u);
    world.advance(1s); // for the answer to arrive
    BOOST_TEST(world.server.connections() == 1u);
    BOOST_TEST(inside.upgraded());
}

BOOST_AUTO_TEST_CASE(a_peer_that_leaves_the_queue_is_noticed_at_once) {
    test_server world(with({.max_concurrent = 1}));
    memory_peer inside(world, "/ws", loopback);
    memory_peer impatient(world, "/ws", loopback);
    memory_peer const patient(world, "/ws", loopback);
    BOOST_TEST(world.admission().queued() == 2u);
    impatient.vanish();
    BOOST_TEST(world.admission().queued() == 1u);
    BOOST_TEST(world.server.connections() == 2u);
    inside.close();
    BOOST_TEST(patient.upgraded());
}

BOOST_AUTO_TEST_CASE(a_peer_that_speaks_while_it_waits_loses_its_place) {
    test_server world(with({.max_concurrent = 1}));
    memory_peer const inside(world, "/ws", loopback);
    memory_peer eager(world, "/ws", loopback);
    memory_peer abrupt(world, "/ws", loopback);
    eager.send_raw(text_frame("let me in"));
    BOOST_TEST(world.admission().queued() == 1u);
    BOOST_TEST(eager.refused_with() == 400u);
    abrupt.send_raw(text_frame("let me in"));
    abrupt.vanish();
    BOOST_TEST(world.admission().queued() == 0u);
    world.advance(1s); // for the answer to arrive
    BOOST_TEST(world.server.connections() == 1u);
}

BOOST_AUTO_TEST_CASE(nothing_is_lost_of_what_a_peer_says_as_its_turn_comes) {
    bool refused = false;
    bool served = false;
    for (int turns = 0; turns < 40; ++turns) {
        test_server world(with({.max_concurrent = 1}));
        memory_peer inside(world, "/ws", loopback);
        raw_peer eager(world);
        eager.send_raw_after(turns, client_frame(0x89, "now?"));
        inside.close();
        if (eager.raw().starts_with("HTTP/1.1 400 ")) {
            refused = true;
        } else {
            served = true;
            BOOST_TEST((eager.frames().at(0) == server_frame{0xA, "now?"}));
        }
    }
    BOOST_TEST(refused);
    BOOST_TEST(served);
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses_at_once) {
    test_server world(with({.max_concurrent = 1, .queue_timeout = 5s, .max_queued = 1}));
    memory_peer const inside(world, "/ws", loopback);
    memory_peer const waiting(world, "/ws", loopback);
    memory_peer const refused(world, "/ws", loopback);
    BOOST_TEST(refused.refused_with() == 503u);
    BOOST_TEST(refused.response()["Retry-After"] == "5");
    BOOST_TEST(waiting.refused_with() == 0u);
}

BOOST_AUTO_TEST_CASE(a_slot_is_free_only_when_the_connection_is_closed) {
    test_server world([] {
        auto o = with([](test_session&) -> task<close_reason> { co_return close_reason(); });
        o.admission.max_concurrent = 1;
        return o;
    }());
    raw_peer unanswering(world);
    memory_peer const next(world, "/ws", loopback);
    BOOST_TEST(unanswering.close_code() == 1000u);
    BOOST_TEST(!next.upgraded());
    unanswering.send_raw(close_frame(1000));
    BOOST_TEST(next.upgraded());
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Messages -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_messages)

BOOST_AUTO_TEST_CASE(messages_go_to_and_fro) {
    test_server world;
    memory_peer peer(world, "/ws", loopback);
    texts const sent{"hello", "", std::string(64 * 1024, 'x'), "\u00fc\u2603"};
    for (auto const& text : sent)
        peer.send(text);
    BOOST_TEST(peer.messages() == sent, boost::test_tools::per_element());
    peer.close(1000);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_message_may_come_in_frames_of_any_length) {
    test_server world;
    raw_peer peer(world);
    for (std::size_t const length : {0, 1, 127, 128, 129, 256, 1'500, 5'000}) {
        std::string const beginning(length, 'x');
        std::string const end(length + 1, 'y');
        peer.send_raw(client_frame(0x01, beginning) + client_frame(0x89, "ping") +
                      client_frame(0x80, end));
        BOOST_TEST(peer.frames().back().payload == beginning + end);
    }
}

BOOST_AUTO_TEST_CASE(a_message_over_the_limit_ends_the_session_with_1009) {
    test_server world(with({.max_message = 100}));
    memory_peer whole(world, "/ws", loopback);
    whole.send(std::string(100, 'x'));
    whole.send(std::string(101, 'x'));
    BOOST_TEST(whole.messages().size() == 1u);
    BOOST_TEST(whole.closed_with().value() == 1009u);

    raw_peer pieces(world);
    pieces.send_raw(client_frame(0x01, std::string(60, 'x'))); // a beginning
    pieces.send_raw(client_frame(0x80, std::string(60, 'x'))); // and an end
    BOOST_TEST(pieces.close_code() == 1009u);

    raw_peer announced(world);
    announced.send_raw("\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF" + std::string(4, '\0'));
    announced.send_raw(std::string(100, 'x'));
    BOOST_TEST(announced.frames().empty());
    announced.send_raw("x");
    BOOST_TEST(announced.close_code() == 1009u);
}

BOOST_AUTO_TEST_CASE(a_conversation_may_do_something_before_it_closes_on_a_message_too_big) {
    gated_server house(
        [](auto at) {
            return [at](test_session& session) mutable -> task<close_reason> {
                for (auto status = receive_status::message; status != receive_status::too_big;) {
                    auto const next = co_await session.receive_text(no_deadline);
                    status = next.status;
                }
                co_await at.pass(); // to record it, say
                co_return close_reason(close_code::too_big, "100 bytes are allowed");
            };
        },
        {.max_message = 100});
    raw_peer peer(house.world);
    peer.send_raw(text_frame("x") + text_frame(std::string(1'000, 'x')) + text_frame("more"));
    BOOST_TEST(peer.frames().empty());
    house.open();
    BOOST_TEST(peer.close_code() == 1009u);
    BOOST_TEST(peer.frames().back().payload.substr(2) == "100 bytes are allowed");
    peer.send_raw(close_frame(1009)); // is found behind what nobody read
    BOOST_TEST(house.world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_binary_message_is_told_apart) {
    test_server world;
    memory_peer peer(world, "/ws", loopback);
    peer.send_binary("hello");
    BOOST_TEST(peer.closed_with().value() == 1003u);
}

BOOST_AUTO_TEST_CASE(frames_against_the_protocol_end_the_session) {
    struct {
        std::string bytes;
        unsigned code;
    } const cases[] = {
        {text_frame("\xC0\xAF"), 1007},                    // not UTF-8
        {std::string("\x81\x01x"), 1002},                  // not masked
        {client_frame(0xF1, "x"), 1002},                   // reserved bits
        {client_frame(0x83, "x"), 1002},                   // reserved opcode
        {client_frame(0x80, "x"), 1002},                   // a continuation of nothing
        {client_frame(0x09, "x"), 1002},                   // a ping in pieces
        {client_frame(0x89, std::string(126, 'x')), 1002}, // a ping too long
        {client_frame(0x88, "x"), 1002},                   // half a close code
        {close_frame(1005), 1002},                         // a code not for the wire
    };
    test_server world;
    for (auto const& c : cases) {
        raw_peer peer(world);
        peer.send_raw(c.bytes);
        BOOST_TEST(peer.close_code() == c.code);
        BOOST_TEST(world.server.connections() == 0u);
    }
}

BOOST_AUTO_TEST_CASE(pings_are_answered_whatever_the_conversation_does) {
    gated_server house([](auto at) {
        return [at](test_session&) mutable -> task<close_reason> {
            co_await at.pass();
            co_return close_reason();
        };
    });
    raw_peer peer(house.world);
    peer.send_raw(client_frame(0x89, "are you there?"));
    BOOST_TEST_REQUIRE(peer.frames().size() == 1u);
    BOOST_TEST((peer.frames()[0] == server_frame{0xA, "are you there?"}));
    house.open();
    BOOST_TEST(peer.close_code() == 1000u);
}

/// Takes one message, is busy until the gate opens, and then reports what else it gets in a second.
script busy_after_the_first(gate at) {
    return [at](test_session& session) mutable -> task<close_reason> {
        co_await session.receive_text(no_deadline);
        co_await at.pass();
        auto const deadline = session.deadline_after(1s);
        std::string all;
        for (;;) {
            auto const next = co_await session.receive_text(deadline);
            if (next.status != receive_status::message) break;
            all += next.text + " ";
        }
        co_return close_reason(1000, all);
    };
}

BOOST_AUTO_TEST_CASE(messages_before_their_turn_are_kept) {
    gated_server house(busy_after_the_first);
    memory_peer peer(house.world, "/ws", loopback);
    for (auto const* text : {"first", "second", "third"})
        peer.send(text);
    house.open();
    peer.send("fourth");
    house.world.advance(1s);
    BOOST_TEST(peer.close_text() == "second third fourth ");
}

BOOST_AUTO_TEST_CASE(or_are_discarded_where_a_protocol_has_it_so) {
    gated_server house(busy_after_the_first, {.discard_unexpected = true});
    memory_peer peer(house.world, "/ws", loopback);
    for (auto const* text : {"first", "second", "third"})
        peer.send(text);
    house.open();
    peer.send("fourth");
    house.world.advance(1s);
    BOOST_TEST(peer.close_text() == "fourth ");
}

BOOST_AUTO_TEST_CASE(of_messages_that_come_together_one_is_received) {
    gated_server house(busy_after_the_first, {.discard_unexpected = true});
    raw_peer peer(house.world);
    peer.send_raw(text_frame("first") + text_frame("second") + text_frame("third"));
    house.open();
    house.world.advance(1s);
    BOOST_TEST(peer.frames().back().payload.substr(2) == "");
}

/// Takes a message, asks a question at once, and reports what it was answered.
task<close_reason> question(test_session& session) {
    co_await session.receive_text(no_deadline);
    co_await session.send_text("what?");
    auto const answer = co_await session.receive_text(session.deadline_after(1s));
    co_return close_reason(1000, answer.text);
}

BOOST_AUTO_TEST_CASE(what_has_come_before_a_question_is_no_answer_to_it) {
    auto const ping = client_frame(0x89, "are you there?");
    std::string much;
    for (int i = 0; i < 60; ++i) // in many reads
        much += text_frame(std::string(1000, 'x')) + (i % 7 == 0 ? ping : std::string());
    for (auto const& out_of_turn :
         {text_frame("hello") + text_frame("garbage"), text_frame("hello") + ping + text_frame("x"),
          ping + client_frame(0x01, "in ") + ping + client_frame(0x80, "pieces"), much}) {
        test_server world(with(question, {.discard_unexpected = true}));
        raw_peer peer(world);
        peer.send_raw(text_frame("hello") + out_of_turn);
        BOOST_TEST((peer.frames().back() == server_frame{1, "what?"}));
        peer.send_raw(text_frame("that"));
        BOOST_TEST(peer.close_code() == 1000u);
        BOOST_TEST(peer.frames().back().payload.substr(2) == "that");
    }
}

BOOST_AUTO_TEST_CASE(a_peer_is_held_up_by_a_busy_conversation) {
    gated_server house(
        [](auto at) {
            return [at](test_session& session) mutable -> task<close_reason> {
                co_await at.pass();
                co_return co_await scripted_conversation::echo(session);
            };
        },
        {.max_waiting_in = 4});
    memory_peer peer(house.world, "/ws", loopback);
    std::string many;
    texts expected;
    for (int i = 0; i < 50; ++i) {
        expected.push_back(std::to_string(i) + std::string(8000, 'x'));
        many += text_frame(expected.back());
    }
    bool sent = false;
    // 400 kB, of which the transport takes 64 kB and the server a handful of messages.
    peer.send_raw(many + text_frame("end"));
    expected.push_back("end");
    sent = true;
    BOOST_TEST(peer.messages().empty());
    house.open();
    BOOST_TEST(sent);
    BOOST_TEST(peer.messages() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_deadline_ends_a_receive) {
    test_server world(with([](test_session& session) -> task<close_reason> {
        auto const next = co_await session.receive_text(session.deadline_after(10s));
        co_return close_reason(next.status == receive_status::timed_out ? 4001 : 1000);
    }));
    memory_peer const silent(world, "/ws", loopback);
    raw_peer trickling(world);
    trickling.send_raw(text_frame("half a message").substr(0, 10));
    world.advance(9'999ms);
    BOOST_TEST(!silent.closed_with());
    world.advance(1ms);
    BOOST_TEST(silent.closed_with().value() == 4001u);
    BOOST_TEST(trickling.close_code() == 4001u);
    world.advance(2s);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Peers that do not read ---------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_slow_readers)

BOOST_AUTO_TEST_CASE(a_send_that_is_not_read_fails_in_time) {
    std::optional<bool> sent;
    test_server world(with(
        [&](test_session& session) -> task<close_reason> {
            do {
                sent = co_await session.send_text(std::string(10'000, 'x'));
            } while (*sent);
            co_return close_reason();
        },
        {.write_timeout = 3s}));
    raw_peer const peer(world, false);
    world.advance(3s - 1ms);
    BOOST_TEST(sent.value());
    world.advance(1ms);
    BOOST_TEST(!sent.value());
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_reader_that_catches_up_in_time_gets_everything) {
    test_server world(with([](test_session& session) -> task<close_reason> {
        for (int i = 0; i < 40; ++i)
            co_await session.send_text(std::string(10'000, 'x'));
        co_return close_reason();
    }));
    raw_peer peer(world, false);
    world.advance(9s);
    peer.read_raw();
    BOOST_TEST(peer.frames().size() == 41u);
    BOOST_TEST(peer.close_code() == 1000u);
}

BOOST_AUTO_TEST_CASE(what_others_send_is_bounded_in_bytes) {
    test_server world(with({.max_waiting_out = 100'000}));
    raw_peer const deaf(world, false);
    memory_peer const good(world, "/ws", loopback);
    for (int i = 0; i < 16; ++i) {
        world.broadcast(std::string(10'000, 'x'));
        BOOST_TEST(world.server.connections() == 2u);
    }
    world.broadcast(std::string(10'000, 'x'));
    BOOST_TEST(world.server.connections() == 1u);
    BOOST_TEST(good.messages().size() == 17u);
}

BOOST_AUTO_TEST_CASE(what_others_send_is_bounded_in_time) {
    test_server world;
    raw_peer const deaf(world, false);
    memory_peer const good(world, "/ws", loopback);
    world.broadcast(std::string(100'000, 'x'));
    world.advance(10s - 1ms);
    BOOST_TEST(world.server.connections() == 2u);
    world.advance(1ms);
    BOOST_TEST(world.server.connections() == 1u);

    // And a writer that makes progress is let be, however long it takes in all.
    for (int i = 0; i < 100; ++i) {
        world.broadcast("news");
        world.advance(1s);
    }
    BOOST_TEST(good.messages().size() == 101u);
}

BOOST_AUTO_TEST_CASE(a_peer_that_neither_reads_nor_answers_the_close_is_gone_in_time) {
    test_server world(with(
        [](test_session& session) -> task<close_reason> {
            session.handle().send(std::make_shared<std::string>(100'000, 'x'));
            co_await session.receive_text(session.deadline_after(1s));
            co_return close_reason();
        },
        {.write_timeout = 5s, .close_timeout = 2s}));
    raw_peer const deaf(world, false);
    world.advance(1s);
    world.advance(4s);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_peer_that_reads_slowly_does_not_hold_the_close_up) {
    auto o = with({.write_timeout = 5s, .close_timeout = 2s});
    o.admission.max_concurrent = 1;
    test_server world(std::move(o));
    raw_peer slow(world, false);
    memory_peer const next(world, "/ws", loopback);
    for (int i = 0; i < 10; ++i)
        world.broadcast(std::string(90'000, 'x'));
    world.server.find_sessions([](auto const&) { return true; }).at(0).close({});
    world.settle();
    // One message in four seconds is in time for each of them, but not for all.
    slow.read_raw(90'000);
    world.advance(4s);
    slow.read_raw(90'000);
    world.advance(1s - 1ms);
    BOOST_TEST(world.admission().active() == 1u);
    BOOST_TEST(!next.upgraded());
    world.advance(1ms);
    BOOST_TEST(next.upgraded());
    BOOST_TEST(world.server.connections() == 1u);
}

BOOST_AUTO_TEST_CASE(what_waits_at_the_close_is_sent_to_a_peer_that_reads) {
    test_server world(with({.write_timeout = 5s, .close_timeout = 2s}));
    raw_peer slow(world, false);
    for (int i = 0; i < 10; ++i)
        world.broadcast(std::string(90'000, 'x'));
    world.server.find_sessions([](auto const&) { return true; }).at(0).close(4010);
    world.advance(5s - 1ms);
    slow.read_raw();
    BOOST_TEST(slow.frames().size() == 11u);
    BOOST_TEST(slow.close_code() == 4010u);
    world.advance(2s);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Endings ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_endings)

BOOST_AUTO_TEST_CASE(a_conversation_says_how_it_ends) {
    test_server world(with([](test_session& session) -> task<close_reason> {
        co_await session.send_text("goodbye");
        co_return close_reason(4004, "provider not found");
    }));
    memory_peer peer(world, "/ws", loopback);
    BOOST_TEST(peer.take() == "goodbye");
    BOOST_TEST(peer.closed_with().value() == 4004u);
    BOOST_TEST(peer.close_text() == "provider not found");
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_long_reason_is_cut_between_characters) {
    std::string text = "x";
    while (text.size() < 200)
        text += "\u2603"; // three bytes each
    test_server world(
        with([=](test_session&) -> task<close_reason> { co_return close_reason(4000, text); }));
    memory_peer const peer(world, "/ws", loopback);
    BOOST_TEST(peer.close_text() == text.substr(0, 121));
}

BOOST_AUTO_TEST_CASE(a_conversation_that_throws_ends_with_1011_and_says_nothing_of_why) {
    for (bool standard : {true, false}) {
        test_server world(with([standard](test_session& session) -> task<close_reason> {
            co_await session.receive_text(no_deadline);
            if (standard) throw std::runtime_error("the cause");
            throw 42;
        }));
        memory_peer peer(world, "/ws", loopback);
        peer.send("x");
        BOOST_TEST(peer.closed_with().value() == 1011u);
        BOOST_TEST(peer.close_text() == "internal error");
        BOOST_TEST(world.server.connections() == 0u);
        BOOST_TEST_REQUIRE(world.logged.size() == 1u);
        BOOST_TEST(world.logged[0].find(standard ? "the cause" : "unknown") != std::string::npos);
        BOOST_TEST((world.severities[0] == severity::error));
    }
}

BOOST_AUTO_TEST_CASE(a_peer_that_never_answers_the_close_is_gone_in_time) {
    test_server world(with([](test_session&) -> task<close_reason> { co_return close_reason(); }));
    raw_peer peer(world);
    BOOST_TEST(peer.close_code() == 1000u);
    world.advance(2s - 1ms);
    BOOST_TEST(world.server.connections() == 1u);
    peer.send_raw(text_frame("I go on"));
    world.advance(1ms);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_full_inbox_does_not_hide_the_answer_to_the_close) {
    gated_server house(
        [](auto at) {
            return [at](test_session&) mutable -> task<close_reason> {
                co_await at.pass();
                co_return close_reason();
            };
        },
        {.max_waiting_in = 2});
    memory_peer peer(house.world, "/ws", loopback);
    for (int i = 0; i < 5; ++i)
        peer.send("x");
    house.open();
    BOOST_TEST(peer.closed_with().value() == 1000u);
    BOOST_TEST(house.world.server.connections() == 0u);
}

/// A dialogue of three questions and answers.
task<close_reason> dialogue(test_session& session) {
    for (int i = 0; i < 3; ++i) {
        if (!co_await session.send_text("question")) co_return close_reason(4000);
        auto const answer = co_await session.receive_text(session.deadline_after(5s));
        if (answer.status != receive_status::message) co_return close_reason(4001);
    }
    co_return close_reason();
}

BOOST_AUTO_TEST_CASE(a_peer_may_leave_at_any_byte_of_a_dialogue) {
    test_server world(with(dialogue));
    auto const whole =
        upgrade_request() + text_frame("a") + text_frame("b") + text_frame("c") + close_frame(1000);
    for (std::size_t n = 0; n <= whole.size(); ++n) {
        memory_peer peer(world);
        peer.read_raw();
        // The answers come one by one, so that none of them is data before the upgrade.
        peer.send_raw(whole.substr(0, std::min(n, upgrade_request().size())));
        if (n > upgrade_request().size()) {
            peer.send_raw(whole.substr(upgrade_request().size(), n - upgrade_request().size()));
        }
        peer.vanish();
        BOOST_TEST(world.server.connections() == 0u);
        BOOST_TEST(world.admission().active() == 0u);
    }
    BOOST_TEST(world.logged.empty());
}

BOOST_AUTO_TEST_CASE(a_peer_may_close_at_any_point_of_a_dialogue) {
    test_server world(with(dialogue));
    for (int answers = 0; answers < 3; ++answers) {
        memory_peer peer(world, "/ws", loopback);
        for (int i = 0; i < answers; ++i)
            peer.send("answer");
        peer.close(4321);
        BOOST_TEST(peer.messages().size() == static_cast<std::size_t>(answers) + 1);
        BOOST_TEST(world.server.connections() == 0u);
    }
}

BOOST_AUTO_TEST_CASE(what_a_peer_said_before_it_left_is_heard) {
    std::string heard;
    gated_server house([&heard](auto at) {
        return [at, &heard](test_session& session) mutable -> task<close_reason> {
            co_await at.pass();
            for (;;) {
                auto const next = co_await session.receive_text(no_deadline);
                if (next.status != receive_status::message) break;
                heard += next.text;
            }
            co_return close_reason();
        };
    });
    memory_peer peer(house.world, "/ws", loopback);
    peer.send("last ");
    peer.send("words");
    peer.vanish();
    house.open();
    BOOST_TEST(heard == "last words");
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Heartbeat ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_heartbeat)

BOOST_AUTO_TEST_CASE(a_peer_that_answers_lives_for_hours) {
    test_server world(with({.ping_interval = 30s}));
    memory_peer peer(world, "/ws", loopback);
    world.advance_in_steps(5h, 10s);
    peer.send("still here");
    BOOST_TEST(peer.take() == "still here");
    BOOST_TEST(!peer.closed_with());
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_answer_is_ended) {
    test_server world(with({.ping_interval = 30s}));
    raw_peer silent(world);
    BOOST_TEST(silent.frames().size() == 1u);
    BOOST_TEST((silent.frames().at(0) == server_frame{9, ""}));
    silent.send_raw(pong_frame());
    world.advance(30s);
    BOOST_TEST(silent.frames().size() == 2u);
    world.advance(30s - 1ms);
    BOOST_TEST(world.server.connections() == 1u);
    world.advance(1ms);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(without_a_heartbeat_silence_is_no_offence) {
    test_server world;
    raw_peer const silent(world);
    world.advance_in_steps(24h, 10min);
    BOOST_TEST(world.server.connections() == 1u);
    BOOST_TEST(silent.frames().empty());
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_even_read_the_ping_is_ended) {
    test_server world(with({.write_timeout = 24h, .ping_interval = 30s}));
    raw_peer deaf(world, false);
    deaf.send_raw(pong_frame());
    world.broadcast(std::string(100'000, 'x')); // the ping waits behind it
    world.advance(30s);
    deaf.send_raw(pong_frame()); // a pong may come unasked
    BOOST_TEST(world.server.connections() == 1u);
    world.advance(30s);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_peer_whose_answer_nobody_reads_is_not_blamed) {
    gated_server house(
        [](auto at) {
            return [at](test_session& session) mutable -> task<close_reason> {
                co_await at.pass();
                co_return co_await scripted_conversation::echo(session);
            };
        },
        {.max_waiting_in = 2, .ping_interval = 30s});
    memory_peer peer(house.world, "/ws", loopback);
    house.world.advance(45s);
    for (int i = 0; i < 4; ++i)
        peer.send("x");
    house.world.advance_in_steps(10min, 15s);
    house.open();
    BOOST_TEST(peer.messages().size() == 4u);
    house.world.advance_in_steps(10min, 15s);
    BOOST_TEST(!peer.closed_with());
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Stopping -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_stopping)

BOOST_AUTO_TEST_CASE(a_stop_says_goodbye_to_everybody) {
    test_server world(with({.max_concurrent = 1}));
    memory_peer idle(world);
    memory_peer const inside(world, "/ws", loopback);
    memory_peer const waiting(world, "/ws", loopback);
    world.stop(5s);
    BOOST_TEST(world.stopped);
    BOOST_TEST(inside.closed_with().value() == 1001u);
    BOOST_TEST(waiting.refused_with() == 503u);
    BOOST_TEST(waiting.response()["Retry-After"] == "30");
    BOOST_TEST(world.server.connections() == 0u);
    memory_peer const late(world, "/ws", loopback);
    BOOST_TEST(!late.upgraded());
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_answer_the_goodbye_is_not_waited_for_long) {
    test_server world;
    raw_peer const silent(world);
    world.stop(1min);
    BOOST_TEST(silent.close_code() == 1001u);
    BOOST_TEST(!world.stopped);
    world.advance(2s);
    BOOST_TEST(world.stopped);
}

BOOST_AUTO_TEST_CASE(a_stubborn_conversation_is_cut_off_after_the_grace) {
    test_server world(with([](test_session& session) -> task<close_reason> {
        for (;;) {
            auto const next = co_await session.receive_text(session.deadline_after(1s));
            if (next.status == receive_status::peer_closed) co_return close_reason();
            co_await session.send_text("no");
        }
    }));
    // It talks for as long as somebody listens; here nobody does.
    raw_peer const deaf(world, false);
    world.stop(5s);
    world.advance(5s - 1ms);
    BOOST_TEST(!world.stopped);
    world.advance(1ms);
    BOOST_TEST(world.stopped);
}

BOOST_AUTO_TEST_CASE(a_conversation_that_waits_for_something_else_is_cut_off_too) {
    test_server world(with([](test_session&) -> task<close_reason> {
        asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
        co_await timer.async_wait(use_task);
        co_return close_reason();
    }));
    memory_peer const peer(world, "/ws", loopback);
    memory_peer gone(world, "/ws", loopback);
    gone.vanish();
    BOOST_TEST(world.server.connections() == 2u);
    world.stop(5s);
    world.advance(5s - 1ms);
    BOOST_TEST(!world.stopped);
    world.advance(1ms);
    BOOST_TEST(world.stopped);
    BOOST_TEST(world.server.connections() == 0u);
    BOOST_TEST(peer.closed_with().value() == 1006u);
    BOOST_TEST(!world.logged.empty());
    for (std::size_t i = 0; i < world.logged.size(); ++i) {
        BOOST_TEST((world.severities[i] == severity::debug), world.logged[i]);
        BOOST_TEST(world.logged[i].find(" cut off: ") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(several_stops_end_together) {
    test_server world;
    raw_peer const silent(world);
    int ended = 0;
    for (auto grace : {1s, 60s}) {
        asio::co_spawn(world.io, world.server.async_stop(grace),
                       [&](std::exception_ptr const&) { ++ended; });
    }
    world.settle();
    BOOST_TEST(ended == 0);
    world.advance(1s); // the less patient one cuts off
    BOOST_TEST(ended == 2);
    world.stop(1s); // nothing to do
    BOOST_TEST(world.stopped);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Reaching sessions --------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(server_registry)

/// Says who it is in its first message, and is then an echo.
task<close_reason> introduced(test_session& session) {
    auto const name = co_await session.receive_text(no_deadline);
    session.describe(name.text, "room");
    co_return co_await scripted_conversation::echo(session);
}

BOOST_AUTO_TEST_CASE(sessions_can_be_found_and_spoken_to) {
    test_server world(with(introduced));
    memory_peer ann(world, "/ws", loopback);
    memory_peer bob(world, "/ws", loopback);
    ann.send("ann");
    bob.send("bob");
    auto const found = world.server.find_sessions([&](session_info const& info) {
        // Whoever looks for a session may look at the server.
        return info.subject == "ann" && world.server.active_sessions().size() == 2;
    });
    BOOST_TEST_REQUIRE(found.size() == 1u);
    found[0].send(std::make_shared<std::string>("for your ears only"));
    world.settle();
    BOOST_TEST(ann.take() == "for your ears only");
    BOOST_TEST(bob.messages().empty());

    world.broadcast("for all");
    BOOST_TEST(ann.take() == "for all");
    BOOST_TEST(bob.take() == "for all");

    found[0].close({4010, "moderated"});
    found[0].close({4011, "again"});
    world.settle();
    BOOST_TEST(ann.closed_with().value() == 4010u);
    BOOST_TEST(ann.close_text() == "moderated");
    BOOST_TEST(!bob.closed_with());
    found[0].send(std::make_shared<std::string>("to nobody"));
    found[0].close({});
    world.settle();
}

BOOST_AUTO_TEST_CASE(sessions_are_listed_oldest_first_with_how_they_are_doing) {
    test_server world(with([](test_session& session) -> task<close_reason> {
        auto const first = co_await session.receive_text(no_deadline);
        session.describe("subject " + first.text, "target");
        if (first.text == "good") session.complete();
        if (first.text == "wait") co_await session.receive_text(no_deadline);
        co_return close_reason();
    }));
    std::vector<std::unique_ptr<raw_peer>> peers;
    for (int i = 0; i < 4; ++i) {
        peers.push_back(std::make_unique<raw_peer>(world));
        world.advance(100ms);
    }
    peers[1]->send_raw(text_frame("good"));
    peers[2]->send_raw(text_frame("bad"));
    peers[3]->send_raw(text_frame("wait"));
    texts const expected{"active", "completed", "terminated", "active"};
    BOOST_TEST(statuses(world) == expected, boost::test_tools::per_element());
    auto const sessions = world.server.active_sessions();
    BOOST_TEST(sessions[0].subject == "");
    BOOST_TEST(sessions[1].subject == "subject good");
    BOOST_TEST(sessions[1].target == "target");
    BOOST_TEST(sessions[0].id.size() == 36u);
    BOOST_TEST(sessions[0].id != sessions[1].id);
    BOOST_TEST((sessions[3].started_at - sessions[0].started_at == 300ms));
    BOOST_TEST((sessions[0].started_at == manual_clock().wall_time()));
    world.advance(2s);
    BOOST_TEST(statuses(world) == (texts{"active", "active"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(who_a_peer_is_is_found_out_at_the_upgrade) {
    auto o = with([](test_session& session) -> task<close_reason> {
        co_await session.send_text(session.identity() + " from " + session.peer_address());
        co_return close_reason();
    });
    o.conversation.who = [](http_request const& request) -> scripted_conversation::identification {
        std::string const name(request["Authorization"]);
        if (name == "fail") throw std::runtime_error("the cause");
        if (name.empty()) {
            auto response = make_error_response(http::status::unauthorized, "who are you?");
            response.set(http::field::www_authenticate, "Bearer");
            return response;
        }
        return identified<std::string>{name, "parley.v1"};
    };
    test_server world(std::move(o));
    auto const asked = [&](std::string const& header) {
        memory_peer peer(world);
        peer.read_raw();
        peer.send_raw(upgrade_request("/ws", header));
        peer.send_raw(close_frame(1000));
        return peer.raw();
    };
    auto const welcome = asked("Authorization: ann\r\n");
    BOOST_TEST(welcome.starts_with("HTTP/1.1 101 "));
    BOOST_TEST(welcome.find("Sec-WebSocket-Protocol: parley.v1\r\n") != welcome.npos);
    BOOST_TEST(frames_in(welcome).at(0).payload == "ann from 192.0.2.1");

    auto const refused = asked("");
    BOOST_TEST(refused.starts_with("HTTP/1.1 401 "));
    BOOST_TEST(refused.find("WWW-Authenticate: Bearer\r\n") != refused.npos);
    BOOST_TEST(refused.ends_with("{\"error\":\"who are you?\"}\n"));

    auto const failed = asked("Authorization: fail\r\n");
    BOOST_TEST(failed.starts_with("HTTP/1.1 500 "));
    BOOST_TEST(failed.find("cause") == failed.npos);
    world.advance(1s);
    BOOST_TEST(world.server.connections() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
