// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// The consent handshake from the patient's side: consent broker specification, §1 to §3 and §6.
#include <parley/consent/outbox.hpp>
#include <tests/support/consent_world.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_from.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace parley::consent;
using namespace parley::test;
using namespace std::chrono_literals;
using parley::session_status;

using lines = std::vector<std::string>;

// ---- What the audit log says (§6)
// ----------------------------------------------------------------

std::string const started = R"(connection.handshake_started patient-001 {"session_id":"#1"})";
std::string const timed_out = R"(connection.timeout - {"session_id":"#1"})";
std::string const established =
    R"(consent.relationship_established patient-001 {"relationship_id":"#2",)"
    R"("provider_npi":"1245319599","consented_actions":["office_visit","lab_results"]})";
std::string const completed_new =
    R"(connection.handshake_completed patient-001 {"session_id":"#1",)"
    R"("relationship_id":"#2","status":"new","provider_npi":"1245319599"})";

std::string failed(std::string const& error, std::string const& npi = registered_npi) {
    return R"(connection.handshake_failed patient-001 {"session_id":"#1","error":")" + error +
           R"(","provider_npi":")" + npi + "\"}";
}

void check_journal(consent_world const& world, lines const& expected) {
    auto const found = world.journal();
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

// ---- What the peer is told
// -----------------------------------------------------------------------

/// The peer has been told of one error and no more, and the line is closed. Returns the message.
std::string check_refused(memory_peer& peer, std::string const& code, std::uint16_t close) {
    auto const error = as<handshake_error>(peer.take());
    BOOST_TEST(error.code == code);
    BOOST_TEST(peer.take() == "");
    BOOST_TEST(peer.closed_with().value_or(0) == close);
    BOOST_TEST(peer.close_text() == code);
    return error.message;
}

/// The peer has been told that it is done, and the line is closed.
handshake_complete check_completed(memory_peer& peer, std::string const& status) {
    auto answer = as<handshake_complete>(peer.take());
    BOOST_TEST(answer.status == status);
    BOOST_TEST(peer.take() == "");
    BOOST_TEST(peer.closed_with().value_or(0) == 1000);
    BOOST_TEST(peer.close_text() == "Handshake complete");
    return answer;
}

/// The broker still waits for this peer.
void check_open(memory_peer const& peer) {
    BOOST_TEST(peer.upgraded());
    BOOST_TEST(!peer.closed_with());
}

// ---- What a peer may say
// -------------------------------------------------------------------------

/// A message with one member of another value,
template <class M, class V>
std::string with(M const& m, std::string const& member, V const& value) {
    auto object = boost::json::parse(parley::encode_message(m)).as_object();
    object[member] = boost::json::value_from(value);
    return boost::json::serialize(object);
}

/// or without it.
template <class M>
std::string without(M const& m, std::string const& member) {
    auto object = boost::json::parse(parley::encode_message(m)).as_object();
    object.erase(member);
    return boost::json::serialize(object);
}

/// The frame of a client whose mask is zero; of at most 65535 bytes.
std::string frame(std::uint8_t opcode, bool last, std::string_view payload) {
    auto const size = payload.size();
    std::string bytes{static_cast<char>(opcode | (last ? 0x80 : 0)),
                      static_cast<char>(0x80 | (size < 126 ? size : 126))};
    if (size >= 126) bytes += {static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
    return bytes.append(4, '\0').append(payload);
}
constexpr std::uint8_t continuation = 0, text = 1, ping = 9;

std::string const raw_upgrade =
    "GET /ws/handshake HTTP/1.1\r\nHost: broker.test\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

/// What came without a WebSocket around it has this in it.
bool has(memory_peer const& peer, std::string_view part) {
    return peer.raw().find(part) != std::string::npos;
}

auto const session_unavailable = make_error_code(parley::errc::storage_unavailable);

} // namespace

BOOST_AUTO_TEST_SUITE(consent_conversation)

// ---- The whole of it
// -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_patient_who_proves_consent_and_key_gets_a_relationship) {
    consent_world world;
    patient const ann;

    auto peer = world.introduce(ann);
    auto const challenge = peer.take();
    auto const question = as<handshake_challenge>(challenge);
    BOOST_TEST(question.nonce.size() == 64u);
    BOOST_TEST(question.nonce.find_first_not_of("0123456789abcdef") == std::string::npos);
    BOOST_TEST(question.provider_npi == registered_npi);
    BOOST_TEST(question.organization_npi == organization_npi);
    check_journal(world, {started});

    peer.send(ann.answer(challenge));
    auto const answer = check_completed(peer, "new");
    BOOST_TEST(is_uuid(answer.relationship_id));
    BOOST_TEST(answer.provider_endpoint == "http://localhost:3000/ws/provider/1245319599");
    check_journal(world, {started, established, completed_new});

    auto const rows = world.rows<relationship>();
    BOOST_REQUIRE(rows.size() == 1u);
    BOOST_TEST(rows[0].relationship_id == answer.relationship_id);
    BOOST_TEST(rows[0].patient_agent_id == "patient-001");
    BOOST_TEST(rows[0].provider_npi == registered_npi);
    BOOST_TEST(rows[0].status == "active");
    BOOST_TEST(rows[0].consented_actions.value() == R"(["office_visit","lab_results"])");
    BOOST_TEST(rows[0].patient_public_key == ann.public_key());
    BOOST_TEST(rows[0].created_at == "2026-01-01T00:00:00.000Z");
    BOOST_TEST(rows[0].updated_at == rows[0].created_at);
}

BOOST_AUTO_TEST_CASE(a_patient_who_has_a_relationship_is_not_challenged) {
    consent_world world;
    patient const ann;
    auto const first = world.shake_hands(ann);

    auto peer = world.introduce(ann);
    auto const again = check_completed(peer, "existing");
    BOOST_TEST(again.relationship_id == first.relationship_id);
    BOOST_TEST(again.provider_endpoint == first.provider_endpoint);
    BOOST_TEST(world.rows<relationship>().size() == 1u);
    check_journal(world,
                  {started, established, completed_new,
                   R"(connection.handshake_started patient-001 {"session_id":"#3"})",
                   R"(connection.handshake_completed patient-001 {"session_id":"#3",)"
                   R"("relationship_id":"#2","status":"existing","provider_npi":"1245319599"})"});
}

// ---- §1: path and head
// ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_upgrade_elsewhere_is_not_found) {
    consent_world world;
    memory_peer const peer(world, "/ws/elsewhere", "192.0.2.1");
    BOOST_TEST(peer.refused_with() == 404u);
    memory_peer const with_query(world, "/ws/handshake?v=1", "192.0.2.1");
    BOOST_TEST(with_query.upgraded());
}

BOOST_AUTO_TEST_CASE(a_malformed_head_is_a_bad_request) {
    consent_world world;
    memory_peer peer(world);
    peer.read_raw();
    peer.send_raw("HELLO\r\n\r\n");
    BOOST_TEST(has(peer, "HTTP/1.1 400 "));
    BOOST_TEST(peer.closed_with().has_value());
}

BOOST_AUTO_TEST_CASE(a_head_has_ten_seconds_and_sixteen_kilobytes) {
    consent_world world;
    memory_peer slow(world);
    memory_peer large(world);
    slow.read_raw();
    large.read_raw();
    slow.send_raw("GET /ws/handshake HTTP/1.1\r\n");
    for (int second = 0; second < 9; ++second) {
        world.advance(1s);
        slow.send_raw("X-More: of this\r\n");
    }
    large.send_raw("GET / HTTP/1.1\r\nX: " + std::string(17 * 1024, 'x'));
    BOOST_TEST(has(large, "HTTP/1.1 431 "));
    BOOST_TEST(!slow.closed_with());
    world.advance(1s);
    BOOST_TEST(slow.closed_with().has_value());
    world.advance(1s);
    BOOST_TEST(world.broker().connections() == 0u);
}

// ---- §1: admission
// -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(beyond_the_ceiling_peers_wait_and_are_served_in_order) {
    consent_world world({.ceiling = 2});
    auto first = world.introduce(patient_called("a"));
    auto second = world.introduce(patient_called("b"));
    auto third = world.connect();
    auto fourth = world.connect();
    BOOST_TEST(world.admission().queued() == 2u);
    BOOST_TEST(!third.upgraded());
    BOOST_TEST(third.refused_with() == 0u);

    second.vanish();
    BOOST_TEST(third.upgraded());
    BOOST_TEST(!fourth.upgraded());
    first.send("nonsense");
    check_open(fourth);

    auto const bob = patient_called("b");
    third.send(bob.auth_text());
    third.send(bob.answer(third.take()));
    check_completed(third, "new");
}

BOOST_AUTO_TEST_CASE(a_peer_that_waited_too_long_is_told_to_come_again) {
    consent_world world({.ceiling = 1, .queue_timeout = 5s});
    auto const inside = world.introduce(patient());
    auto const waiting = world.connect();
    world.advance(4999ms);
    BOOST_TEST(waiting.refused_with() == 0u);
    BOOST_TEST(world.admission().queued() == 1u);
    world.advance(1ms);
    BOOST_TEST(waiting.refused_with() == 503u);
    BOOST_TEST(waiting.response()["Retry-After"] == "5");
    BOOST_TEST(world.admission().queued() == 0u);
    world.advance(2s);
    BOOST_TEST(world.broker().connections() == 1u);
    check_open(inside);
}

BOOST_AUTO_TEST_CASE(a_peer_that_leaves_the_queue_gives_its_place_up_at_once) {
    consent_world world({.ceiling = 1});
    auto inside = world.introduce(patient());
    auto leaver = world.connect();
    auto const next = world.connect();
    leaver.vanish();
    BOOST_TEST(world.admission().queued() == 1u);
    BOOST_TEST(world.broker().connections() == 2u);
    inside.vanish();
    check_open(next);
}

BOOST_AUTO_TEST_CASE(the_time_in_the_queue_does_not_count_for_the_first_message) {
    consent_world world({.ceiling = 1});
    auto inside = world.introduce(patient_called("b"));
    patient const ann;
    auto peer = world.connect();
    world.advance(25s);
    inside.vanish();
    world.advance(9999ms);
    peer.send(ann.auth_text());
    as<handshake_challenge>(peer.take());
}

// ---- §1: deadlines
// -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_peer_that_says_nothing_is_closed_after_ten_seconds) {
    consent_world world;
    auto peer = world.connect();
    world.advance(9999ms);
    check_open(peer);
    world.advance(1ms);
    BOOST_TEST(check_refused(peer, "AUTH_TIMEOUT", 4001) == "no message came in time");
    check_journal(world, {timed_out});
    BOOST_TEST(world.admission().active() == 0u);
}

BOOST_AUTO_TEST_CASE(a_first_message_just_in_time_is_in_time) {
    consent_world world;
    patient const ann;
    auto peer = world.connect();
    world.advance(10s - 1ns);
    peer.send(ann.auth_text());
    auto const challenge = peer.take();
    world.advance(30s - 1ns);
    peer.send(ann.answer(challenge));
    check_completed(peer, "new");
}

BOOST_AUTO_TEST_CASE(a_message_of_the_deadlines_own_instant_gets_one_answer) {
    consent_world world;
    auto peer = world.connect();
    world.transport.clock().advance(10s); // the timer is due, but nobody has been told yet
    peer.send(patient().auth_text());
    check_refused(peer, "AUTH_TIMEOUT", 4001);
    check_journal(world, {timed_out});
}

BOOST_AUTO_TEST_CASE(a_message_in_pieces_and_pings_do_not_move_the_deadline) {
    consent_world world;
    auto const auth = patient().auth_text();
    auto peer = world.connect();
    for (std::size_t i = 0; i < 9; ++i) {
        peer.send_raw(frame(i == 0 ? text : continuation, false, auth.substr(i, 1)));
        peer.send_raw(frame(ping, true, "still here"));
        world.advance(1s);
    }
    check_open(peer);
    world.advance(1s);
    check_refused(peer, "AUTH_TIMEOUT", 4001);
}

BOOST_AUTO_TEST_CASE(a_message_in_pieces_is_a_message) {
    consent_world world;
    auto const auth = patient().auth_text();
    auto peer = world.connect();
    peer.send_raw(frame(text, false, auth.substr(0, 10)));
    peer.send_raw(frame(ping, true, ""));
    for (char const c : auth.substr(10))
        peer.send_raw(frame(continuation, false, {&c, 1}));
    peer.send_raw(frame(continuation, true, ""));
    as<handshake_challenge>(peer.take());
}

BOOST_AUTO_TEST_CASE(a_challenge_is_to_be_answered_within_thirty_seconds) {
    consent_world world;
    patient const ann;
    auto peer = world.connect();
    world.advance(9s);
    peer.send(ann.auth_text());
    as<handshake_challenge>(peer.take());
    world.advance(29'999ms);
    peer.send(ann.auth_text()); // moves nothing
    check_open(peer);
    world.advance(1ms);
    check_refused(peer, "AUTH_TIMEOUT", 4001);
    check_journal(world, {started, timed_out});
    BOOST_TEST(world.rows<relationship>().empty());
}

// ---- §1: frames and sizes
// ------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_message_of_the_largest_size_is_read_and_a_larger_one_is_not) {
    consent_world world({.max_message = 2048});
    auto message = patient().auth_text();
    message.insert(1, 2048 - message.size(), ' ');
    auto peer = world.connect();
    peer.send(message);
    as<handshake_challenge>(peer.take());

    auto other = world.connect();
    other.send(message.insert(1, " "));
    BOOST_TEST(other.closed_with().value_or(0) == 1009);
    BOOST_TEST(other.take() == "");
}

BOOST_AUTO_TEST_CASE(a_challenge_response_that_is_too_large_is_not_read_either) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    peer.take();
    peer.send(std::string(65'537, ' '));
    BOOST_TEST(peer.closed_with().value_or(0) == 1009);
    BOOST_TEST(peer.take() == "");
    check_journal(world, {started, failed("MESSAGE_TOO_BIG")});
}

BOOST_AUTO_TEST_CASE(a_binary_message_is_invalid) {
    consent_world world;
    patient const ann;
    auto peer = world.connect();
    peer.send_binary(ann.auth_text());
    BOOST_TEST(check_refused(peer, "INVALID_MESSAGE", 4002) ==
               "expected a text message, found a binary one");
    check_journal(world, {});

    auto other = world.introduce(ann);
    other.send_binary(ann.answer(other.take()));
    check_refused(other, "INVALID_MESSAGE", 4002);
    check_journal(world, {started, failed("INVALID_MESSAGE")});
}

BOOST_AUTO_TEST_CASE(text_that_is_no_utf_8_ends_the_line) {
    consent_world world;
    auto peer = world.connect();
    peer.send("\xff\xfe");
    BOOST_TEST(peer.closed_with().value_or(0) == 1007);
    check_journal(world, {});
}

// ---- §1: messages out of turn
// --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_comes_before_the_challenge_is_ignored) {
    patient const ann;
    auto const signed_early = parley::encode_message(handshake_challenge_response{"c2lnbmVk"});
    for (std::string const& early : {ann.auth_text(), patient_called("b").auth_text(), signed_early,
                                     std::string("not JSON"), std::string()}) {
        consent_world world;
        world.storage.reads.shut(); // the broker is still looking Ann up
        auto peer = world.introduce(ann);
        for (int i = 0; i < 40; ++i)
            peer.send(early);
        peer.send_binary(early);
        world.storage.reads.open();
        world.settle();
        peer.send(ann.answer(peer.take()));
        check_completed(peer, "new");
        check_journal(world, {started, established, completed_new});
    }
}

BOOST_AUTO_TEST_CASE(a_second_introduction_after_the_challenge_is_ignored) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    auto const challenge = peer.take();
    peer.send(ann.auth_text());
    peer.send(patient_called("b").auth_text());
    peer.send(R"({"type":"handshake.auth"})");
    check_open(peer);
    BOOST_TEST(peer.take() == "");
    peer.send(ann.answer(challenge));
    check_completed(peer, "new");
    check_journal(world, {started, established, completed_new});
}

BOOST_AUTO_TEST_CASE(what_comes_after_the_answer_is_ignored) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    auto const answer = ann.answer(peer.take());
    world.audit.appends.shut(); // the broker is still writing it down
    peer.send(answer);
    peer.send(answer);
    peer.send(ann.auth_text());
    peer.send("not JSON");
    peer.send_binary("at all");
    BOOST_TEST(peer.take() == "");
    world.audit.appends.open();
    world.settle();
    check_completed(peer, "new");
    check_journal(world, {started, established, completed_new});
}

BOOST_AUTO_TEST_CASE(a_response_cannot_come_first) {
    consent_world world;
    auto peer = world.connect();
    peer.send(parley::encode_message(handshake_challenge_response{"AAAA"}));
    BOOST_TEST(
        check_refused(peer, "INVALID_MESSAGE", 4002) ==
        R"(type: expected "handshake.auth", found the string "handshake.challenge_response")");
    check_journal(world, {});
}

namespace {

/// A patient who answers a challenge in the moment of its arrival.
parley::task<> answer_at_once(parley::memory_stream line, patient ann, std::string& heard) {
    auto const say = [&line](std::string bytes) -> parley::task<> {
        co_await boost::asio::async_write(line, boost::asio::buffer(bytes), parley::use_task);
    };
    auto const hear = [&line, &heard](std::string_view part) -> parley::task<std::size_t> {
        std::array<char, 4096> some{};
        while (heard.find(part) == heard.npos) {
            auto const n =
                co_await line.async_read_some(boost::asio::buffer(some), parley::use_task);
            heard.append(some.data(), n);
        }
        co_return heard.find(part);
    };
    co_await say(raw_upgrade);
    co_await hear("\r\n\r\n");
    co_await say(frame(text, true, ann.auth_text()));
    auto const challenge = co_await hear("{\"type\":\"handshake.challenge\"");
    co_await say(frame(text, true, ann.answer(heard.substr(challenge))));
    co_await hear("handshake.complete");
}

} // namespace

BOOST_AUTO_TEST_CASE(an_answer_that_comes_at_once_is_not_out_of_turn) {
    std::string heard;
    boost::asio::io_context elsewhere;
    consent_world world;
    boost::asio::co_spawn(
        elsewhere,
        answer_at_once(world.transport.connect(world.io.get_executor()), patient(), heard),
        boost::asio::detached);
    // Whatever the patient can do is done before the broker learns that its message is sent.
    do {
        elsewhere.restart();
        elsewhere.poll();
        world.io.restart();
    } while (world.io.poll_one() != 0);
    BOOST_TEST(heard.find("handshake.complete") != heard.npos);
    elsewhere.restart();
    elsewhere.poll();
}

// ---- §1: shutdown
// --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_shutdown_ends_each_peer_where_it_is) {
    consent_world world({.ceiling = 2});
    patient const ann;
    auto challenged = world.introduce(ann);
    challenged.take();
    auto const silent = world.connect();
    auto const queued = world.connect();

    world.stop();
    BOOST_TEST(challenged.closed_with().value_or(0) == 1001);
    BOOST_TEST(challenged.take() == "");
    BOOST_TEST(silent.closed_with().value_or(0) == 1001);
    BOOST_TEST(queued.refused_with() == 503u);
    BOOST_TEST(!queued.response()["Retry-After"].empty());
    check_journal(world, {started, failed("SHUTTING_DOWN")});
    BOOST_TEST(world.rows<relationship>().empty());
    world.advance(2s);
    BOOST_TEST(world.broker().connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_shutdown_lets_a_relationship_in_the_making_be_made) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    world.storage.writes.shut();
    peer.send(ann.answer(peer.take()));
    world.stop();
    check_open(peer);
    world.storage.writes.open();
    world.settle();
    check_completed(peer, "new");
    check_journal(world, {started, established, completed_new});
}

BOOST_AUTO_TEST_CASE(a_shutdown_while_a_patient_is_looked_up) {
    consent_world world;
    world.storage.reads.shut();
    auto peer = world.introduce(patient());
    world.stop();
    world.storage.reads.open();
    world.settle();
    BOOST_TEST(peer.closed_with().value_or(0) == 1001);
    check_journal(world, {started, failed("SHUTTING_DOWN")});
}

BOOST_AUTO_TEST_CASE(a_handshake_that_is_cut_off_has_failed_once) {
    consent_world world;
    auto const& statistics = world.broker().conversation().statistics();
    world.storage.reads.shut();
    auto const peer = world.introduce(patient());
    world.stop();
    world.advance(10s); // the grace
    world.storage.reads.open();
    world.settle();
    BOOST_TEST(peer.closed_with().value_or(0) == 1006);
    BOOST_TEST(statistics.failed == 1u);
    check_journal(world, {started, failed("SHUTTING_DOWN")});
}

// ---- §2 and §3, step 1: the schema
// ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_fault_of_a_first_message_is_named) {
    auto const auth = patient().auth();
    std::vector<std::pair<std::string, std::string>> const faults = {
        {"", "expected JSON, found incomplete JSON at line 1, column 1"},
        {"{", "expected JSON, found incomplete JSON at line 1, column 2"},
        {"[]", "expected a JSON object, found an array"},
        {"null", "expected a JSON object, found null"},
        {"{}", "type: expected a string, found nothing"},
        {R"({"type":1})", "type: expected a string, found 1"},
        {R"({"type":"hello"})", R"(type: expected "handshake.auth", found the string "hello")"},
        {without(auth, "consent_token_payload"),
         "consent_token_payload: expected a string, found nothing"},
        {with(auth, "consent_token_payload", 12),
         "consent_token_payload: expected a string, found 12"},
        {without(auth, "consent_token_signature"),
         "consent_token_signature: expected a string, found nothing"},
        {with(auth, "consent_token_signature", true),
         "consent_token_signature: expected a string, found true"},
        {without(auth, "patient_agent_id"), "patient_agent_id: expected a string, found nothing"},
        {with(auth, "patient_agent_id", ""),
         "patient_agent_id: expected 1 to 256 bytes without control characters, found 0 bytes"},
        {with(auth, "patient_agent_id", std::string(257, 'x')),
         "patient_agent_id: expected 1 to 256 bytes without control characters, found 257 bytes"},
        {with(auth, "patient_agent_id", "line\nbreak"),
         "patient_agent_id: expected 1 to 256 bytes without control characters, "
         "found a control character"},
        {without(auth, "patient_public_key"),
         "patient_public_key: expected a string, found nothing"},
        {with(auth, "patient_public_key", boost::json::array{}),
         "patient_public_key: expected a string, found an array"},
        {without(auth, "patient_endpoint"), "patient_endpoint: expected a string, found nothing"},
        {with(auth, "patient_endpoint", std::string(2049, 'x')),
         "patient_endpoint: expected at most 2048 bytes without control characters, found 2049 "
         "bytes"},
        {with(auth, "patient_endpoint", boost::json::object{}),
         "patient_endpoint: expected a string, found an object"},
    };
    consent_world world;
    for (auto const& [message, expected] : faults) {
        auto peer = world.connect();
        peer.send(message);
        BOOST_TEST(check_refused(peer, "INVALID_MESSAGE", 4002) == expected);
    }
    check_journal(world, {}); // a handshake starts with a first message that is one
    BOOST_TEST(world.broker().conversation().statistics().failed == faults.size());
}

BOOST_AUTO_TEST_CASE(each_fault_of_a_response_is_named) {
    patient const ann;
    std::vector<std::pair<std::string, std::string>> const faults = {
        {"]", "expected JSON, found syntax error at line 1, column 1"},
        {R"("signed_nonce")", R"(expected a JSON object, found the string "signed_nonce")"},
        {R"({"signed_nonce":"AAAA"})", "type: expected a string, found nothing"},
        {R"({"type":"handshake.complete"})",
         R"(type: expected "handshake.challenge_response", found the string "handshake.complete")"},
        {R"({"type":"handshake.challenge_response"})",
         "signed_nonce: expected a string, found nothing"},
        {R"({"type":"handshake.challenge_response","signed_nonce":[]})",
         "signed_nonce: expected a string, found an array"},
    };
    for (auto const& [message, expected] : faults) {
        consent_world world;
        auto peer = world.introduce(ann);
        peer.take();
        peer.send(message);
        BOOST_TEST(check_refused(peer, "INVALID_MESSAGE", 4002) == expected);
        check_journal(world, {started, failed("INVALID_MESSAGE")});
        BOOST_TEST(world.rows<relationship>().empty());
    }
}

BOOST_AUTO_TEST_CASE(other_members_are_ignored) {
    consent_world world;
    patient const ann;
    auto peer = world.connect();
    peer.send(with(ann.auth(), "version", boost::json::array{1, "two"}));
    auto const challenge = peer.take();
    auto answer = boost::json::parse(ann.answer(challenge)).as_object();
    answer["nonce"] = "ignored";
    peer.send(boost::json::serialize(answer));
    check_completed(peer, "new");
}

BOOST_AUTO_TEST_CASE(a_provider_is_found_where_it_registered_or_below_the_brokers_address) {
    patient const ann;
    auto const told = [&](std::string base, std::optional<std::string> registered) {
        consent_world world({.endpoint_url = std::move(base)});
        world.add_provider({.npi = registered_npi, .endpoint_url = std::move(registered)});
        auto const at_first = world.shake_hands(ann).provider_endpoint;
        BOOST_TEST(world.shake_hands(ann).provider_endpoint == at_first);
        return at_first;
    };
    BOOST_TEST(told("https://a.test", {}) == "https://a.test/ws/provider/1245319599");
    BOOST_TEST(told("https://a.test/b//", {}) == "https://a.test/b/ws/provider/1245319599");
    BOOST_TEST(told("https://a.test", "") == "https://a.test/ws/provider/1245319599");
    BOOST_TEST(told("https://a.test", "wss://p.test/x") == "wss://p.test/x");
}

// ---- §3, step 3: the token
// -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_vector_of_the_original_has_its_outcome) {
    std::ifstream in(PARLEY_TEST_VECTORS "/consent-tokens.json");
    auto const vectors = boost::json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
    auto const text_of = [](boost::json::value const& v, std::string_view member) {
        return std::string(v.at(member).as_string());
    };
    patient const ann{
        .key = parley::ed25519_key(parley::ed25519_key::seed_view(
            parley::from_base64url(text_of(vectors, "patient_private_key_seed")).value()))};

    for (auto const& vector : vectors.at("cases").as_array()) {
        BOOST_TEST_CONTEXT(text_of(vector, "name")) {
            consent_world world;
            world.advance(2s); // one of them expires after the first second
            auto const expected = text_of(vector, "expect");
            handshake_auth const auth{text_of(vector, "payload"), text_of(vector, "signature"),
                                      "patient-001", text_of(vectors, "patient_public_key"),
                                      ann.endpoint};
            auto peer = world.connect();
            peer.send(parley::encode_message(auth));
            if (expected == "ok") {
                peer.send(ann.answer(peer.take()));
                check_completed(peer, "new");
            } else {
                check_refused(peer, expected, 4003);
                auto const journal = world.journal();
                BOOST_TEST(journal.size() == 2u);
                BOOST_TEST(journal.front() == started);
                BOOST_TEST(journal.back().starts_with("connection.handshake_failed patient-001"));
                BOOST_TEST(world.rows<relationship>().empty());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_what_they_should_be_are_invalid) {
    auto const auth = patient().auth();
    std::string const zeros(43, 'A'); // the key under which anyone can sign
    std::vector<std::pair<std::string, std::string>> const faults = {
        {with(auth, "patient_public_key", "!"),
         "patient_public_key: expected base64url without padding, found something else"},
        {with(auth, "patient_public_key", "AAAA"),
         "patient_public_key: expected 43 base64url characters, found 4"},
        {with(auth, "patient_public_key", zeros),
         "patient_public_key: expected a canonical Ed25519 key that is not of small order, "
         "found another value"},
        {with(auth, "consent_token_payload", "e30="),
         "consent_token_payload: expected base64url without padding, found something else"},
        {with(auth, "consent_token_signature", "A+/A"),
         "consent_token_signature: expected base64url without padding, found something else"},
    };
    for (auto const& [message, expected] : faults) {
        consent_world world;
        auto peer = world.connect();
        peer.send(message);
        BOOST_TEST(check_refused(peer, "INVALID_MESSAGE", 4003) == expected);
        check_journal(world, {started, failed("INVALID_MESSAGE", "unknown")});
    }
}

BOOST_AUTO_TEST_CASE(a_token_speaks_for_its_own_patient_only) {
    consent_world world;
    patient const ann;
    auto peer = world.connect();
    peer.send(with(patient_called("patient-002").auth(), "patient_agent_id", "patient-001"));
    check_refused(peer, "CONSENT_FAILED", 4003);
    check_journal(world, {started, failed("CONSENT_FAILED")});
}

BOOST_AUTO_TEST_CASE(the_checks_come_in_their_order) {
    // Each first message has two faults; the earlier check decides.
    patient unknown_provider;
    unknown_provider.claims.provider_npi = unregistered_npi;
    patient expired;
    expired.claims.exp = {beginning};
    auto both = expired;
    both.claims.provider_npi = unregistered_npi;
    auto no_npi = expired;
    no_npi.claims.provider_npi = "1234567890";

    auto const forged = patient().auth().consent_token_signature;
    auto const other = std::string("patient-001");
    auto named_otherwise = expired;
    named_otherwise.claims.patient_agent_id = "patient-002";

    struct expectation {
        std::string message, code, npi, about;
    };
    std::vector<expectation> const expected = {
        {with(unknown_provider.auth(), "consent_token_signature", forged), "CONSENT_FAILED",
         "unknown", "consent_token_signature: does not verify under patient_public_key"},
        {with(expired.auth(), "consent_token_signature", forged), "CONSENT_FAILED", "unknown",
         "consent_token_signature: does not verify under patient_public_key"},
        {parley::encode_message(no_npi.auth()), "INVALID_MESSAGE", "unknown",
         "consent_token_payload.provider_npi: expected 10 digits with a valid check digit, "
         "found the string \"1234567890\""},
        {parley::encode_message(both.auth()), "CONSENT_FAILED", unregistered_npi,
         "consent_token_payload.exp: has passed"},
        {with(named_otherwise.auth(), "patient_agent_id", other), "CONSENT_FAILED", registered_npi,
         "patient_agent_id: is not the one in consent_token_payload"},
    };
    for (auto const& [message, code, npi, about] : expected) {
        consent_world world;
        auto peer = world.connect();
        peer.send(message);
        BOOST_TEST(check_refused(peer, code, 4003) == about);
        check_journal(world, {started, failed(code, npi)});
    }
}

// ---- §3, step 4: the provider
// --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_provider_that_is_not_registered_is_not_found) {
    consent_world world;
    patient ann;
    ann.claims.provider_npi = unregistered_npi;
    auto peer = world.introduce(ann);
    BOOST_TEST(check_refused(peer, "PROVIDER_NOT_FOUND", 4004) ==
               "provider 1234567893 is not registered here");
    check_journal(world, {started, failed("PROVIDER_NOT_FOUND", unregistered_npi)});
}

BOOST_AUTO_TEST_CASE(a_relationship_with_a_provider_that_has_gone_is_of_no_use) {
    consent_world world;
    patient const ann;
    world.shake_hands(ann);
    world.change([](auto& tx) { remove_provider(tx, registered_npi); });
    auto peer = world.introduce(ann);
    check_refused(peer, "PROVIDER_NOT_FOUND", 4004);
}

BOOST_AUTO_TEST_CASE(a_provider_that_goes_before_the_response_is_not_found) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    world.change([](auto& tx) { remove_provider(tx, registered_npi); });
    peer.send(ann.answer(peer.take()));
    check_refused(peer, "PROVIDER_NOT_FOUND", 4004);
    check_journal(world, {started, failed("PROVIDER_NOT_FOUND")});
    BOOST_TEST(world.rows<relationship>().empty());
    BOOST_TEST(world.rows<outbox_record>().empty());
}

// ---- §3, step 5: the relationship there is
// -------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_relationship_answers_to_the_key_that_made_it) {
    consent_world world;
    patient const ann;
    world.shake_hands(ann);
    auto peer = world.introduce(patient()); // the same name, another key
    BOOST_TEST(check_refused(peer, "CONSENT_FAILED", 4003) ==
               "patient_public_key: is not the key of the existing relationship");
    BOOST_TEST(world.rows<relationship>().size() == 1u);
    BOOST_TEST(world.shake_hands(ann).status == "existing");
}

BOOST_AUTO_TEST_CASE(another_patient_and_another_provider_are_other_relationships) {
    consent_world world;
    world.add_provider({.npi = unregistered_npi});
    patient ann;
    auto const first = world.shake_hands(ann);
    auto bob = ann; // who may use the same key
    bob.claims.patient_agent_id = "patient-002";
    auto const second = world.shake_hands(bob);
    ann.claims.provider_npi = unregistered_npi;
    auto const third = world.shake_hands(ann);
    BOOST_TEST(second.status == "new");
    BOOST_TEST(third.status == "new");
    BOOST_TEST(first.relationship_id != second.relationship_id);
    BOOST_TEST(first.relationship_id != third.relationship_id);
}

BOOST_AUTO_TEST_CASE(only_an_active_relationship_counts) {
    for (auto const status : {relationship_status::pending, relationship_status::suspended,
                              relationship_status::terminated}) {
        consent_world world;
        patient const ann;
        auto const first = world.shake_hands(ann);
        world.change([&](auto& tx) {
            auto row = *tx.template find<relationship>();
            row.status = status;
            tx.update(row);
        });
        auto peer = world.introduce(ann);
        peer.send(ann.answer(peer.take()));
        auto const second = check_completed(peer, "new");
        BOOST_TEST(second.relationship_id != first.relationship_id);
        BOOST_TEST(world.rows<relationship>().size() == 2u);
    }
}

BOOST_AUTO_TEST_CASE(after_a_termination_another_key_may_begin_anew) {
    consent_world world;
    auto const first = world.shake_hands(patient());
    world.change([&](auto& tx) {
        return terminate_relationship(
            tx, {.relationship_id = first.relationship_id,
                 .provider_npi = registered_npi,
                 .reason = "moved",
                 .termination_id = parley::random_uuid(),
                 .now = "2026-01-01T00:00:00.000Z",
                 .audit = to_outbox(
                     relationship_terminated(registered_npi, first.relationship_id, "moved"),
                     "2026-01-01T00:00:00.000Z")});
    });
    BOOST_TEST(world.shake_hands(patient()).status == "new");
}

// ---- §3, step 6: the challenge
// -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(the_nonce_is_to_be_signed_with_the_key_presented) {
    patient const ann;
    auto const refused = [&](std::function<std::string(std::string const& challenge)> answer) {
        consent_world world;
        auto peer = world.introduce(ann);
        peer.send(answer(peer.take()));
        auto message = check_refused(peer, "CONSENT_FAILED", 4003);
        check_journal(world, {started, failed("CONSENT_FAILED")});
        BOOST_TEST(world.rows<relationship>().empty());
        return message;
    };
    std::string const another = "signed_nonce: expected the nonce's 32 bytes signed with the "
                                "presented key, found another signature";
    auto const response = [](std::string signed_nonce) {
        return parley::encode_message(handshake_challenge_response{std::move(signed_nonce)});
    };
    BOOST_TEST(refused([](auto& challenge) { return patient().answer(challenge); }) == another);
    BOOST_TEST(refused([&](auto& challenge) { // the digits, not the bytes
                   auto const digits = as<handshake_challenge>(challenge).nonce;
                   return response(parley::to_base64url(
                       ann.key.sign(std::vector<std::uint8_t>(digits.begin(), digits.end()))));
               }) == another);
    BOOST_TEST(refused([&](auto&) { return response(ann.auth().consent_token_signature); }) ==
               another);
    BOOST_TEST(refused([&](auto&) { return response("AAAA"); }) == another);
    BOOST_TEST(refused([&](auto&) { return response(""); }) == another);
    BOOST_TEST(refused([&](auto&) { return response("AAA="); }) ==
               "signed_nonce: expected base64url without padding, found something else");
}

BOOST_AUTO_TEST_CASE(a_signed_nonce_is_good_for_its_own_connection_only) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    auto thief = world.introduce(ann); // anyone who has seen Ann's first message can repeat it
    auto const own = peer.take();
    BOOST_TEST(own != thief.take());
    thief.send(ann.answer(own));
    check_refused(thief, "CONSENT_FAILED", 4003);
    peer.send(ann.answer(own));
    check_completed(peer, "new");
}

BOOST_AUTO_TEST_CASE(a_token_that_expires_before_the_response_has_expired) {
    patient ann;
    ann.claims.exp = {beginning + 20};
    for (auto const wait : {19'999ms, 20'000ms}) {
        consent_world world;
        auto peer = world.introduce(ann);
        world.advance(wait);
        peer.send(ann.answer(peer.take()));
        if (wait < 20s) {
            check_completed(peer, "new");
        } else {
            BOOST_TEST(check_refused(peer, "CONSENT_FAILED", 4003) ==
                       "consent_token_payload.exp: has passed");
            check_journal(world, {started, failed("CONSENT_FAILED")});
            BOOST_TEST(world.rows<relationship>().empty());
        }
    }
}

// ---- §3, step 7: races
// ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(racing_handshakes_of_one_patient_share_one_relationship) {
    consent_world world;
    patient const ann;
    auto first = world.introduce(ann);
    auto second = world.introduce(ann);
    world.storage.writes.shut(); // both answers are in before either is written
    second.send(ann.answer(second.take()));
    first.send(ann.answer(first.take()));
    BOOST_TEST(world.storage.writes.waiting() == 2u);
    world.storage.writes.open();
    world.settle();

    auto const made = check_completed(second, "new");
    auto const found = check_completed(first, "existing");
    BOOST_TEST(made.relationship_id == found.relationship_id);
    BOOST_TEST(world.rows<relationship>().size() == 1u);
    check_journal(
        world,
        {started, R"(connection.handshake_started patient-001 {"session_id":"#2"})",
         R"(consent.relationship_established patient-001 {"relationship_id":"#3",)"
         R"("provider_npi":"1245319599","consented_actions":["office_visit","lab_results"]})",
         R"(connection.handshake_completed patient-001 {"session_id":"#2",)"
         R"("relationship_id":"#3","status":"new","provider_npi":"1245319599"})",
         R"(connection.handshake_completed patient-001 {"session_id":"#1",)"
         R"("relationship_id":"#3","status":"existing","provider_npi":"1245319599"})"});
}

BOOST_AUTO_TEST_CASE(of_racing_handshakes_with_different_keys_the_first_answer_wins) {
    consent_world world;
    patient const ann;
    patient const other;
    auto first = world.introduce(ann);
    auto second = world.introduce(other);
    second.send(other.answer(second.take()));
    first.send(ann.answer(first.take()));
    check_completed(second, "new");
    check_refused(first, "CONSENT_FAILED", 4003);
    auto const rows = world.rows<relationship>();
    BOOST_TEST(rows.size() == 1u);
    BOOST_TEST(rows.front().patient_public_key == other.public_key());
}

// ---- §3, steps 7 and 8: durable first, and when that fails
// ---------------------------------------

BOOST_AUTO_TEST_CASE(a_relationship_is_told_only_once_it_and_its_audit_are_durable) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    world.storage.writes.shut();
    world.audit.appends.shut();
    peer.send(ann.answer(peer.take()));
    world.advance(1s);
    world.storage.writes.open();
    world.advance(1s);
    BOOST_TEST(world.rows<relationship>().size() == 1u);
    BOOST_TEST(peer.take() == "");
    check_open(peer);
    world.audit.appends.open();
    world.settle();
    check_completed(peer, "new");
}

BOOST_AUTO_TEST_CASE(a_failure_is_in_the_audit_log_before_it_is_told) {
    consent_world world;
    world.audit.appends.shut();
    patient ann;
    ann.claims.provider_npi = unregistered_npi;
    auto refused = world.introduce(ann);
    auto const silent = world.connect();
    world.advance(10s);
    BOOST_TEST(refused.take() == "");
    check_open(refused);
    check_open(silent);
    check_journal(world, {started});
    world.audit.appends.open();
    world.settle();
    check_refused(refused, "PROVIDER_NOT_FOUND", 4004);
    BOOST_TEST(silent.closed_with().value_or(0) == 4001);
}

BOOST_AUTO_TEST_CASE(a_storage_that_fails_is_a_server_error) {
    patient const ann;
    for (bool const at_the_lookup : {true, false}) {
        consent_world world;
        auto peer = world.connect();
        if (at_the_lookup) world.storage.memory->fail_with(session_unavailable);
        peer.send(ann.auth_text());
        if (!at_the_lookup) {
            auto const challenge = peer.take();
            world.storage.memory->fail_with(session_unavailable);
            peer.send(ann.answer(challenge));
        }
        BOOST_TEST(check_refused(peer, "SERVER_ERROR", 1011) == "internal error");
        BOOST_TEST(world.details == lines{"storage unavailable"}); // for the operator
        check_journal(world, {started, failed("SERVER_ERROR")});

        world.storage.memory->fail_with({});
        BOOST_TEST(world.rows<relationship>().empty());
        BOOST_TEST(world.shake_hands(ann).status == "new");
    }
}

BOOST_AUTO_TEST_CASE(a_defect_of_a_policy_is_a_server_error_too) {
    patient const ann;
    for (bool const at_the_lookup : {true, false}) {
        consent_world world;
        auto peer = world.connect();
        *world.storage.defect = at_the_lookup;
        peer.send(ann.auth_text());
        if (!at_the_lookup) {
            *world.storage.defect = true;
            peer.send(ann.answer(peer.take()));
        }
        BOOST_TEST(check_refused(peer, "SERVER_ERROR", 1011) == "internal error");
        BOOST_TEST(world.details == lines{"secret-of-the-storage"});
        check_journal(world, {started, failed("SERVER_ERROR")});
        BOOST_TEST(world.admission().active() == 0u);
        *world.storage.defect = false;
    }
}

BOOST_AUTO_TEST_CASE(without_its_audit_entries_a_relationship_is_not_told) {
    consent_world world;
    patient const ann;
    auto peer = world.introduce(ann);
    world.audit.memory.fail();
    peer.send(ann.answer(peer.take()));
    BOOST_TEST(check_refused(peer, "SERVER_ERROR", 1011) == "internal error");
    BOOST_TEST(world.details == lines{"audit log unavailable"});

    auto again = world.introduce(ann); // as long as it fails
    check_refused(again, "SERVER_ERROR", 1011);
    world.audit.memory.fail(false);
    check_journal(world, {started});

    // and then its own entry comes first.
    auto third = world.introduce(ann);
    check_completed(third, "existing");
    auto const entries = world.audit.memory.entries();
    auto const established = std::ranges::find(entries, "consent.relationship_established",
                                               &parley::audit_record::action);
    auto const completed =
        std::ranges::find(entries, "connection.handshake_completed", &parley::audit_record::action);
    BOOST_TEST((established < completed && completed != entries.end()));
}

BOOST_AUTO_TEST_CASE(a_refusal_stands_even_if_it_cannot_be_written_down) {
    consent_world world;
    world.audit.memory.fail();
    patient ann;
    ann.claims.provider_npi = unregistered_npi;
    auto peer = world.introduce(ann);
    check_refused(peer, "PROVIDER_NOT_FOUND", 4004);
    auto silent = world.connect();
    world.advance(10s);
    check_refused(silent, "AUTH_TIMEOUT", 4001);
}

namespace {

/// A world in which the relationship of patient-001 was made, but the audit log failed.
struct indebted_world : consent_world {
    indebted_world() {
        auto peer = introduce(ann);
        audit.memory.fail();
        peer.send(ann.answer(peer.take()));
        check_refused(peer, "SERVER_ERROR", 1011);
    }

    patient const ann;
};

std::string const owed =
    R"(consent.relationship_established patient-001 {"relationship_id":"#3",)"
    R"("provider_npi":"1245319599","consented_actions":["office_visit","lab_results"]})";

} // namespace

BOOST_AUTO_TEST_CASE(an_entry_that_the_audit_log_did_not_take_is_in_the_outbox) {
    indebted_world world;
    auto const waiting = world.rows<outbox_record>();
    BOOST_REQUIRE(waiting.size() == 1u);
    auto const entry = from_outbox(waiting[0]);
    auto const wanted =
        relationship_established("patient-001", world.rows<relationship>().front().relationship_id,
                                 registered_npi, world.ann.claims.consented_actions);
    BOOST_TEST(entry.category == wanted.category);
    BOOST_TEST(entry.action == wanted.action);
    BOOST_TEST((entry.actor == wanted.actor));
    BOOST_TEST(entry.details == wanted.details);
}

BOOST_AUTO_TEST_CASE(while_an_entry_is_owed_no_relationship_is_made_or_told) {
    indebted_world world;
    auto const bob = patient_called("b");
    auto stranger = world.introduce(bob);
    stranger.send(bob.answer(stranger.take()));
    check_refused(stranger, "SERVER_ERROR", 1011);
    auto known = world.introduce(world.ann);
    check_refused(known, "SERVER_ERROR", 1011);
    BOOST_TEST(world.rows<relationship>().size() == 1u);
    BOOST_TEST(world.rows<outbox_record>().size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_owed_comes_before_the_next_that_is_told) {
    indebted_world world;
    world.audit.memory.fail(false);
    auto peer = world.introduce(world.ann);
    check_completed(peer, "existing");
    check_journal(world,
                  {started, R"(connection.handshake_started patient-001 {"session_id":"#2"})", owed,
                   R"(connection.handshake_completed patient-001 {"session_id":"#2",)"
                   R"("relationship_id":"#3","status":"existing","provider_npi":"1245319599"})"});
    auto const paid = world.rows<outbox_record>().front();
    world.shake_hands(patient_called("b"));
    auto const left = world.rows<outbox_record>();
    BOOST_REQUIRE(left.size() == 1u);
    BOOST_TEST(left.front().outbox_id != paid.outbox_id);
}

BOOST_AUTO_TEST_CASE(what_is_owed_is_paid_before_a_new_relationship_is_made) {
    indebted_world world;
    world.audit.memory.fail(false);
    world.shake_hands(patient_called("b"));
    auto const journal = world.journal();
    BOOST_REQUIRE(journal.size() == 5u);
    BOOST_TEST(journal[2] == owed);
    BOOST_TEST(journal[3].starts_with("consent.relationship_established b "));
    auto const left = world.rows<outbox_record>();
    BOOST_REQUIRE(left.size() == 1u);
    BOOST_TEST(left.front().actor.value_or("") == "b");
}

BOOST_AUTO_TEST_CASE(whoever_stops_the_broker_pays_what_is_owed) {
    indebted_world world;
    auto const settle = [&] {
        std::optional<bool> done;
        auto& broker = world.broker();
        boost::asio::co_spawn(
            world.io,
            broker.conversation().settle(broker.policies().storage, broker.policies().audit),
            [&](std::exception_ptr const&, bool everything) { done = everything; });
        world.settle();
        return done.value();
    };
    BOOST_TEST(!settle()); // the log still fails
    BOOST_TEST(world.rows<outbox_record>().size() == 1u);
    world.audit.memory.fail(false);
    BOOST_TEST(settle());
    BOOST_TEST(world.rows<outbox_record>().empty());
    BOOST_TEST(world.journal().size() == 2u);
    BOOST_TEST(settle());
    BOOST_TEST(world.journal().size() == 2u);
}

BOOST_AUTO_TEST_CASE(an_entry_in_the_audit_log_leaves_the_outbox_with_the_next_change) {
    consent_world world;
    world.shake_hands(patient_called("a"));
    auto const first = world.rows<outbox_record>();
    BOOST_REQUIRE(first.size() == 1u);

    // A change that fails takes nothing away,
    auto const bob = patient_called("b");
    auto peer = world.introduce(bob);
    auto const answer = bob.answer(peer.take());
    world.storage.memory->fail_with(session_unavailable);
    peer.send(answer);
    check_refused(peer, "SERVER_ERROR", 1011);
    world.storage.memory->fail_with({});
    BOOST_TEST(world.rows<outbox_record>().size() == 1u);

    // the next one that succeeds does,
    world.shake_hands(bob);
    auto const second = world.rows<outbox_record>();
    BOOST_REQUIRE(second.size() == 1u);
    BOOST_TEST(second[0].outbox_id != first[0].outbox_id);

    // and the last ones are for whoever stops the broker.
    auto const settled = world.broker().conversation().settled().take();
    BOOST_REQUIRE(settled.size() == 1u);
    BOOST_TEST(settled[0].outbox_id == second[0].outbox_id);
    world.change([&](auto& tx) { settle_outbox(tx, settled); });
    BOOST_TEST(world.rows<outbox_record>().empty());
}

// ---- Peers that leave
// ----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_peer_that_leaves_before_it_says_anything_leaves_no_trace) {
    consent_world world;
    auto vanished = world.connect();
    auto polite = world.connect();
    vanished.vanish();
    polite.close();
    BOOST_TEST(world.admission().active() == 0u);
    check_journal(world, {});
}

BOOST_AUTO_TEST_CASE(a_peer_that_leaves_instead_of_answering_has_failed) {
    for (bool const politely : {false, true}) {
        consent_world world;
        auto peer = world.introduce(patient());
        politely ? peer.close() : peer.vanish();
        BOOST_TEST(world.admission().active() == 0u);
        check_journal(world, {started, failed("PEER_DISCONNECTED")});
    }
}

BOOST_AUTO_TEST_CASE(a_peer_that_leaves_while_it_is_looked_up_has_failed) {
    consent_world world;
    world.storage.reads.shut();
    auto peer = world.introduce(patient());
    peer.vanish();
    world.storage.reads.open();
    world.settle();
    BOOST_TEST(world.admission().active() == 0u);
    check_journal(world, {started, failed("PEER_DISCONNECTED")});
}

BOOST_AUTO_TEST_CASE(a_peer_that_leaves_after_its_answer_has_its_relationship) {
    for (bool const before_the_write : {true, false}) {
        consent_world world;
        patient const ann;
        auto peer = world.introduce(ann);
        (before_the_write ? world.storage.writes : world.audit.appends).shut();
        peer.send(ann.answer(peer.take()));
        peer.vanish();
        (before_the_write ? world.storage.writes : world.audit.appends).open();
        world.settle();
        BOOST_TEST(world.admission().active() == 0u);
        check_journal(world, {started, established, completed_new});
        BOOST_TEST(world.shake_hands(ann).status == "existing");
    }
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_answer_the_close_holds_its_place_for_two_seconds) {
    consent_world world({.ceiling = 1});
    memory_peer peer(world);
    peer.read_raw();
    peer.send_raw(raw_upgrade);
    BOOST_TEST(has(peer, "101 Switching Protocols"));
    peer.send_raw(frame(text, true, "nonsense"));
    BOOST_TEST(has(peer, "INVALID_MESSAGE"));
    auto const next = world.connect();
    world.advance(1999ms);
    BOOST_TEST(!next.upgraded());
    world.advance(1ms);
    BOOST_TEST(next.upgraded());
}

// ---- What an operator sees
// -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(sessions_can_be_listed_with_their_parties) {
    consent_world world;
    patient const ann;
    memory_peer peer(world);
    peer.read_raw();
    peer.send_raw(raw_upgrade);

    auto sessions = world.broker().active_sessions();
    BOOST_REQUIRE(sessions.size() == 1u);
    BOOST_TEST(is_uuid(sessions[0].id));
    BOOST_TEST(sessions[0].subject == "");
    BOOST_TEST(sessions[0].target == "");
    BOOST_TEST((sessions[0].status == session_status::active));

    peer.send_raw(frame(text, true, ann.auth_text()));
    sessions = world.broker().active_sessions();
    BOOST_TEST(sessions[0].subject == "patient-001");
    BOOST_TEST(sessions[0].target == registered_npi);
    BOOST_TEST((sessions[0].status == session_status::active));

    // The close frame of the broker is left unanswered.
    peer.send_raw(frame(text, true, ann.answer(peer.raw().substr(peer.raw().find('{')))));
    sessions = world.broker().active_sessions();
    BOOST_TEST((sessions[0].status == session_status::completed));
    world.advance(2s);
    BOOST_TEST(world.broker().active_sessions().empty());

    memory_peer refused(world);
    refused.send_raw(raw_upgrade);
    refused.send_raw(frame(text, true, "nonsense"));
    sessions = world.broker().active_sessions();
    BOOST_TEST((sessions[0].status == session_status::terminated));
}

BOOST_AUTO_TEST_CASE(outcomes_are_counted) {
    consent_world world;
    auto const& statistics = world.broker().conversation().statistics();
    patient const ann;
    world.shake_hands(ann);
    world.shake_hands(ann);
    BOOST_TEST(statistics.completed == 2u);
    BOOST_TEST(statistics.failed == 0u);
    world.introduce(patient());                    // another key
    world.introduce(patient_called("b")).vanish(); // gone
    auto const silent = world.connect();           // too late
    world.advance(10s);
    BOOST_TEST(statistics.completed == 2u);
    BOOST_TEST(statistics.failed == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
