// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/consent/broker_answers.hpp>
#include <parley/consent/client.hpp>
#include <tests/support/consent_world.hpp>

#include <boost/asio/write.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace parley::consent {

static std::ostream& operator<<(std::ostream& out, handshake_result::outcome how) {
    constexpr char const* names[] = {"completed",  "refused",   "http_refused",
                                     "misbehaved", "timed_out", "disconnected"};
    return out << names[static_cast<int>(how)];
}

} // namespace parley::consent

namespace {

using namespace std::chrono_literals;
using namespace parley;
using namespace parley::consent;
using namespace parley::test;
using outcome = handshake_result::outcome;

constexpr char const* an_id = "0b0e7c2a-58a1-4a8e-9a53-6ef0b3f1d6a1";

/// A handshake under way: how it ended, once it has, and the steps so far.
struct visit {
    std::optional<handshake_result> end;
    std::vector<std::string> steps;
};

std::string to_text(handshake_step const& step) {
    if (step.what == handshake_step::kind::upgraded) return "upgraded";
    auto const* arrow = step.what == handshake_step::kind::sent ? "> " : "< ";
    return arrow + std::string(step.type) + " " + std::string(step.detail);
}

task<> pay(std::shared_ptr<visit> v, memory_world& world, memory_stream stream,
           handshake_request request) {
    v->end = co_await perform_handshake(std::move(stream), world.transport, std::move(request));
}

std::shared_ptr<visit> begin(memory_world& world, memory_stream stream, patient const& who,
                             std::string path = consent_world::path) {
    auto v = std::make_shared<visit>();
    handshake_request request{.host = "broker.test",
                              .path = std::move(path),
                              .key = who.key,
                              .claims = who.claims,
                              .patient_endpoint = who.endpoint,
                              .on_step = [v](auto const& s) { v->steps.push_back(to_text(s)); }};
    asio::co_spawn(world.io, pay(v, world, std::move(stream), std::move(request)), asio::detached);
    world.settle();
    return v;
}

std::shared_ptr<visit> begin(consent_world& world, patient const& who,
                             std::string path = consent_world::path) {
    return begin(world, world.transport.connect(world.io.get_executor()), who, std::move(path));
}

handshake_result visit_broker(consent_world& world, patient const& who) {
    auto const v = begin(world, who);
    BOOST_REQUIRE(v->end);
    return *v->end;
}

void check_refused(handshake_result const& end, std::string const& code, unsigned close) {
    BOOST_TEST(end.how == outcome::refused);
    BOOST_TEST(end.code == code);
    BOOST_TEST(!end.message.empty());
    BOOST_TEST(end.close_code.value_or(0) == close);
}

/// A broker that accepts the upgrade, and sends one text each time it has been sent one.
task<> play(memory_stream stream, std::vector<std::string> texts, bool as_text = true) {
    boost::beast::websocket::stream<memory_stream, false> ws(std::move(stream));
    co_await ws.async_accept(use_task);
    boost::beast::flat_buffer buffer;
    for (auto const& text : texts) {
        auto [gone, n] = co_await ws.async_read(buffer, asio::as_tuple(use_task));
        ws.text(as_text);
        auto [broken, m] = co_await ws.async_write(asio::buffer(text), asio::as_tuple(use_task));
        if (gone || broken) co_return;
    }
    for (boost::system::error_code ec; !ec;) {
        auto [gone, n] = co_await ws.async_read(buffer, asio::as_tuple(use_task));
        ec = gone;
    }
}

/// What a patient's agent makes of such a broker.
std::shared_ptr<visit> visit_stranger(std::vector<std::string> texts, bool as_text = true) {
    memory_world world;
    auto [ours, theirs] = memory_stream::make_pair(world.io.get_executor(), "patient", "stranger");
    asio::co_spawn(world.io, play(std::move(theirs), std::move(texts), as_text), asio::detached);
    auto v = begin(world, std::move(ours), patient());
    if (!v->end) world.advance(60s);
    if (!v->end) world.advance(2s);
    BOOST_REQUIRE(v->end);
    return v;
}

task<> send_raw(memory_stream& stream, std::string bytes) {
    co_await asio::async_write(stream, asio::buffer(bytes), asio::as_tuple(use_task));
}

std::string challenge(std::string const& nonce, std::string const& npi = registered_npi) {
    return encode_message(handshake_challenge{nonce, npi, organization_npi});
}

std::string complete(std::string const& id, std::string const& endpoint,
                     std::string const& status) {
    return encode_message(handshake_complete{id, endpoint, status});
}

std::string const good_nonce(64, '7');
std::string const good_end = complete(an_id, "wss://provider.test", "new");

} // namespace

BOOST_AUTO_TEST_SUITE(consent_client)

BOOST_AUTO_TEST_CASE(a_new_relationship_takes_a_challenge_and_the_next_visit_none) {
    consent_world world;
    patient const alice;

    auto const first = begin(world, alice);
    BOOST_REQUIRE(first->end);
    BOOST_TEST(first->end->how == outcome::completed);
    BOOST_TEST(first->end->agreed.status == "new");
    BOOST_TEST(first->end->agreed.provider_endpoint ==
               "http://localhost:3000/ws/provider/" + registered_npi);
    BOOST_TEST(first->end->close_code.value_or(0) == 1000u);
    BOOST_REQUIRE(first->steps.size() == 5u);
    BOOST_TEST(first->steps[0] == "upgraded");
    BOOST_TEST(first->steps[1] == "> handshake.auth patient-001");
    BOOST_TEST(first->steps[2].starts_with("< handshake.challenge "));
    BOOST_TEST(first->steps[3] == "> handshake.challenge_response ");
    BOOST_TEST(first->steps[4] == "< handshake.complete new");

    auto const second = begin(world, alice);
    BOOST_REQUIRE(second->end);
    BOOST_TEST(second->end->agreed.status == "existing");
    BOOST_TEST(second->end->agreed.relationship_id == first->end->agreed.relationship_id);
    BOOST_TEST(second->steps.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_refusal_comes_with_its_code_and_reason) {
    consent_world world;
    visit_broker(world, patient());
    check_refused(visit_broker(world, patient()), "CONSENT_FAILED", 4003); // another key

    patient late;
    late.claims.exp = {beginning};
    check_refused(visit_broker(world, late), "CONSENT_FAILED", 4003);

    patient lost;
    lost.claims.provider_npi = unregistered_npi;
    check_refused(visit_broker(world, lost), "PROVIDER_NOT_FOUND", 4004);

    patient nobody;
    nobody.claims.patient_agent_id = "";
    check_refused(visit_broker(world, nobody), "INVALID_MESSAGE", 4002);
}

BOOST_AUTO_TEST_CASE(whoever_waits_in_the_queue_gets_in_or_is_told) {
    consent_world world({.ceiling = 1, .queue_timeout = 5s});
    auto holder = world.connect();
    auto const patience = begin(world, patient());
    world.advance(4s);
    BOOST_TEST(!patience->end);
    BOOST_TEST(patience->steps.empty());
    holder.vanish();
    BOOST_REQUIRE(patience->end);
    BOOST_TEST(patience->end->how == outcome::completed);

    auto const next_holder = world.connect();
    auto const too_long = begin(world, patient_called("patient-002"));
    world.advance(5s);
    BOOST_REQUIRE(too_long->end);
    BOOST_TEST(too_long->end->how == outcome::http_refused);
    BOOST_TEST(too_long->end->http_status == 503u);
}

BOOST_AUTO_TEST_CASE(a_wrong_path_is_told) {
    consent_world world;
    auto const v = begin(world, patient(), "/elsewhere");
    BOOST_REQUIRE(v->end);
    BOOST_TEST(v->end->how == outcome::http_refused);
    BOOST_TEST(v->end->http_status == 404u);
    BOOST_TEST(v->end->message == "404 Not Found");
}

BOOST_AUTO_TEST_CASE(nothing_takes_longer_than_the_timeout) {
    // Silence: at the connection, after the upgrade, after the answer, after the outcome.
    memory_world silence;
    auto [ours, theirs] = memory_stream::make_pair(silence.io.get_executor(), "patient", "nobody");
    auto const alone = begin(silence, std::move(ours), patient());
    silence.advance(59s);
    BOOST_TEST(!alone->end);
    silence.advance(1s);
    BOOST_REQUIRE(alone->end);
    BOOST_TEST(alone->end->how == outcome::timed_out);

    BOOST_TEST(visit_stranger({})->end->how == outcome::timed_out);
    BOOST_TEST(visit_stranger({challenge(good_nonce)})->end->how == outcome::timed_out);
    auto const unclosed = visit_stranger({good_end});
    BOOST_TEST(unclosed->end->how == outcome::completed);
    BOOST_TEST(!unclosed->end->close_code);
}

BOOST_AUTO_TEST_CASE(a_broker_that_stops_is_told_from_one_that_refuses) {
    consent_world world;
    world.storage.reads.shut();
    auto const v = begin(world, patient());
    world.stop();
    world.storage.reads.open();
    world.settle();
    BOOST_REQUIRE(v->end);
    BOOST_TEST(v->end->how == outcome::disconnected);
    BOOST_TEST(v->end->close_code.value_or(0) == 1001u);
}

BOOST_AUTO_TEST_CASE(a_line_that_breaks_is_no_answer) {
    memory_world world;
    auto [ours, theirs] = memory_stream::make_pair(world.io.get_executor(), "patient", "nobody");
    auto const v = begin(world, std::move(ours), patient());
    theirs.close();
    world.settle();
    BOOST_REQUIRE(v->end);
    BOOST_TEST(v->end->how == outcome::disconnected);
}

BOOST_AUTO_TEST_CASE(only_a_nonce_of_32_bytes_for_the_own_provider_is_signed) {
    std::vector<std::string> const traps{challenge(std::string(62, '7')),
                                         challenge(std::string(66, '7')),
                                         challenge(""),
                                         challenge(std::string(64, 'F')),
                                         challenge(std::string(64, 'x')),
                                         challenge(good_nonce, unregistered_npi)};
    for (auto const& trap : traps) {
        auto const v = visit_stranger({trap, good_end});
        BOOST_TEST(v->end->how == outcome::misbehaved);
        BOOST_TEST(v->steps.size() == 3u); // upgraded, the first message, the challenge
    }
    BOOST_TEST(visit_stranger({challenge(good_nonce), good_end})->end->how == outcome::completed);
    auto const again = visit_stranger({challenge(good_nonce), challenge(good_nonce)});
    BOOST_TEST(again->end->how == outcome::misbehaved);
    BOOST_TEST(again->end->message == "a second challenge");
}

BOOST_AUTO_TEST_CASE(what_is_no_message_of_a_broker_is_refused) {
    std::vector<std::string> const strange{
        "",
        "hello",
        "[]",
        "{}",
        R"({"type":7})",
        R"({"type":"handshake.auth"})",
        R"({"type":"handshake.challenge"})",
        R"({"type":"handshake.complete","relationship_id":1})",
        R"({"type":"handshake.error","code":"X"})",
        std::string(40, '['),
        std::string(20'000, ' '), // more than any answer has
        complete("x", "wss://provider.test", "new"),
        complete(std::string(36, '-'), "wss://provider.test", "new"),
        complete(an_id, "", "new"),
        complete(an_id, std::string(3000, 'x'), "new"),
        complete(an_id, "wss://\x1b]0;owned\a", "new"),
        complete(an_id, "wss://provider.test", "old"),
    };
    for (auto const& text : strange) {
        auto const v = visit_stranger({text});
        BOOST_TEST(v->end->how == outcome::misbehaved, "taken: " << text);
        BOOST_TEST(v->end->message == printable(v->end->message));
    }
    BOOST_TEST(visit_stranger({good_end}, false)->end->how == outcome::misbehaved); // binary
}

BOOST_AUTO_TEST_CASE(what_is_no_websocket_server_is_told) {
    memory_world world;
    auto [ours, theirs] = memory_stream::make_pair(world.io.get_executor(), "patient", "mail");
    auto const v = begin(world, std::move(ours), patient());
    asio::co_spawn(world.io, send_raw(theirs, "220 mail.test ESMTP\r\n\r\n"), asio::detached);
    world.settle();
    BOOST_REQUIRE(v->end);
    BOOST_TEST(v->end->how == outcome::misbehaved);
}

BOOST_AUTO_TEST_CASE(a_stranger_cannot_write_to_the_terminal) {
    auto const rude = "one\ntwo\u009b2J \u202e " + std::string(5000, '!');
    auto const v = visit_stranger({encode_message(handshake_error{"\x1b[31mNO", rude})});
    BOOST_TEST(v->end->how == outcome::refused);
    BOOST_TEST(v->end->code == "?[31mNO");
    BOOST_TEST(v->end->message.starts_with("one?two??2J ??? !!!"));
    BOOST_TEST(v->end->message.size() < 400u);
}

BOOST_AUTO_TEST_CASE(no_bytes_are_too_strange_to_decode) {
    std::mt19937_64 random(20260221);
    std::string const seeds[] = {challenge(good_nonce), good_end,
                                 encode_message(handshake_error{"CONSENT_FAILED", "no"})};
    for (int i = 0; i < 20'000; ++i) {
        auto text = seeds[random() % 3];
        for (auto n = random() % 8; n > 0; --n)
            text[random() % text.size()] = static_cast<char>(random());
        auto const message = decode_broker_message(text);
        if (!message) continue;
        if (auto const* end = std::get_if<handshake_complete>(&*message)) {
            BOOST_REQUIRE(end->provider_endpoint == printable(end->provider_endpoint, 2048));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
