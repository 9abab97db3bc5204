// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// Voice signalling from the client's side: voice signalling specification, §1 to §3.
#include <tests/support/frames.hpp>
#include <tests/support/voice_world.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace parley::test;
using namespace std::chrono_literals;
using boost::json::object;
using boost::json::value;

object channel(std::string const& id) {
    return {{"channelId", id}};
}

/// A new transport of a user; returns its id.
std::string transport_of(voice_user& user, std::string const& where, std::string const& direction) {
    auto const made =
        user.get("create-transport", {{"channelId", where}, {"direction", direction}});
    return std::string(made.at("id").as_string());
}

object consumption(std::string const& where, std::string const& producer) {
    return {{"channelId", where}, {"producerId", producer}, {"rtpCapabilities", object()}};
}

/// A transport, and with it a producer, of a user in a channel; returns the producer.
std::string speak_up(voice_user& user, std::string const& where) {
    auto const producer = user.get("produce", {{"transportId", transport_of(user, where, "send")},
                                               {"kind", "audio"},
                                               {"rtpParameters", object()},
                                               {"channelId", where}});
    return std::string(producer.at("id").as_string());
}

/// What a client begins with that does all by itself.
std::string upgrade_of(std::string const& user) {
    return "GET /ws?token=" + voice_token(user) +
           " HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

/// A store with work in the background, as one on the network has.
struct store_at_work : voice::memory_floor_store {
    explicit store_at_work(std::shared_ptr<bool> w)
        : memory_floor_store(options()), working(std::move(w)) {}

    template <class Context>
    parley::task<> run(Context& context) {
        *working = true;
        co_await context.wait_until(parley::no_deadline);
        *working = false;
    }

    std::shared_ptr<bool> working;
};

} // namespace

BOOST_AUTO_TEST_SUITE(signaling)

// ---- §1: connecting
// ------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_user_is_told_what_it_may_join) {
    voice_world world;
    auto ada = world.connect(voice_token(
        "ada", {{"channelIds", {"north", "south"}}, {"role", "driver"}, {"globalRole", "STAFF"}}));
    auto const told = ada.told();
    BOOST_TEST(told.at("type") == value("channel-list"));
    BOOST_TEST(
        told.at("data") ==
        value({{"channels", {"north", "south"}}, {"role", "driver"}, {"globalRole", "STAFF"}}));
    ada.join("north");
    BOOST_TEST(ada.refused("join-channel", channel("east")) ==
               "the token does not allow the channel \"east\"");
}

BOOST_AUTO_TEST_CASE(an_administrator_may_join_all_channels) {
    voice_world world;
    auto ada = world.connect(
        voice_token("ada", {{"channelIds", boost::json::array()}, {"globalRole", "ADMIN"}}));
    ada.join("north");
}

BOOST_AUTO_TEST_CASE(without_a_good_token_there_is_no_upgrade) {
    voice_world world;
    auto const now = std::chrono::duration_cast<std::chrono::seconds>(
                         world.transport.wall_time().time_since_epoch())
                         .count();
    for (auto const& token :
         {std::string(), std::string("no-token"), voice_token("ada", {{"exp", now}}),
          voice_token("ada", {{"nbf", now + 1}}), voice_token("ada", {{"userName", nullptr}}),
          voice_token(""), voice_token("a\nb")}) {
        BOOST_TEST(world.connect(token).peer.refused_with() == 401u, token);
    }
    BOOST_TEST(world.connect(voice_token("ada", {{"exp", now + 1}})).peer.upgraded());
}

BOOST_AUTO_TEST_CASE(an_address_that_tries_too_often_is_told_when_to_come_back) {
    voice_world world(1, {.attempts = {.max_attempts = 2}});
    world.connect("no-token");
    world.connect("no-token");
    auto const third = world.connect(voice_token("ada"));
    BOOST_TEST(third.peer.refused_with() == 429u);
    BOOST_TEST(third.peer.response()["Retry-After"] == "60");
    BOOST_TEST(world.connect(voice_token("ada"), 0, "192.0.2.2").peer.upgraded());
    world.advance(60s);
    BOOST_TEST(world.connect(voice_token("ada")).peer.upgraded());
}

BOOST_AUTO_TEST_CASE(behind_a_proxy_attempts_are_counted_by_what_it_says_of_its_clients) {
    voice_world world(1, {.attempts = {.max_attempts = 1},
                          .proxies = parley::trusted_proxies::of({"192.0.2.1"}).value()});
    auto const knock = [&world](std::string const& client, std::string const& address) {
        memory_peer peer(world, world[0].transport, address);
        peer.read_raw();
        peer.send_raw("GET /ws HTTP/1.1\r\nHost: voice.test\r\nConnection: Upgrade\r\n"
                      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: " +
                      client + "\r\n\r\n");
        return peer.raw().substr(0, sizeof("HTTP/1.1 401") - 1);
    };
    BOOST_TEST(knock("198.51.100.1", "192.0.2.1") == "HTTP/1.1 401");
    BOOST_TEST(knock("198.51.100.1", "192.0.2.1") == "HTTP/1.1 429");
    BOOST_TEST(knock("198.51.100.2", "192.0.2.1") == "HTTP/1.1 401");
    BOOST_TEST(knock("198.51.100.3", "192.0.2.2") == "HTTP/1.1 401");
    BOOST_TEST(knock("198.51.100.4", "192.0.2.2") == "HTTP/1.1 429"); // anybody can write that
}

BOOST_AUTO_TEST_CASE(a_client_that_answers_no_ping_is_gone) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.join("north");
    memory_peer mute(world, world[0].transport, "192.0.2.9"); // it reads nothing
    mute.send_raw(upgrade_of("bob"));
    mute.send_raw(text_frame(R"({"type":"join-channel","data":{"channelId":"north"}})"));
    mute.send_raw(text_frame(R"({"type":"ptt-start","data":{"channelId":"north"}})"));
    BOOST_TEST(!ada.talk("north"));
    world.advance(30s); // asked
    world.advance(30s); // not answered
    auto const news = ada.last_told("channel-state");
    BOOST_TEST(news.at("data").at("action") == value("user-disconnected"));
    BOOST_TEST(news.at("data").at("userCount") == value(1));
    BOOST_TEST(ada.talk("north"));
}

// ---- §2: messages
// --------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_fault_of_a_message_is_named_and_the_connection_stays) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.told();
    auto const fault_of = [&](std::string const& text) {
        ada.peer.send(text);
        auto const told = ada.told();
        BOOST_TEST(told.at("type") == value("error"));
        return std::string(told.at("error").as_string());
    };
    BOOST_TEST(fault_of("{").starts_with("not JSON: "));
    BOOST_TEST(fault_of("[]") == "expected a JSON object, found an array");
    BOOST_TEST(fault_of("{}") == "type: expected a string, found nothing");
    BOOST_TEST(fault_of(R"({"type":"sing"})") == "unknown type \"sing\"");
    BOOST_TEST(fault_of(R"({"type":"ping","id":7})") ==
               "id: expected a string of at most 128 bytes, found 7");
    BOOST_TEST(fault_of(R"({"type":"join-channel"})") ==
               "channelId: expected a string, found nothing");
    BOOST_TEST(fault_of(R"({"type":"join-channel","data":{"channelId":""}})")
                   .starts_with("channelId: expected 1 to 128 bytes"));
    ada.peer.send_binary("{}");
    BOOST_TEST(ada.told().at("error") == value("expected a text frame, found binary"));
    BOOST_TEST(ada.ask("ping").at("type") == value("pong"));
}

BOOST_AUTO_TEST_CASE(others_hear_of_a_user_who_comes_and_goes) {
    voice_world world;
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"));
    ada.join("north");
    auto const joined = bob.join("north");
    BOOST_TEST(joined == value({{"channelId", "north"},
                                {"state",
                                 {{"channelId", "north"},
                                  {"currentSpeaker", nullptr},
                                  {"speakerName", nullptr},
                                  {"isBusy", false},
                                  {"lockTimestamp", nullptr}}},
                                {"userCount", 2}})
                             .as_object());
    auto news = ada.last_told("channel-state").at("data").as_object();
    BOOST_TEST(news.at("action") == value("user-joined"));
    BOOST_TEST(news.at("userId") == value("bob"));
    BOOST_TEST(news.at("userName") == value("bob's name"));
    BOOST_TEST(news.at("userCount") == value(2));

    BOOST_TEST(bob.get("leave-channel", channel("north")) ==
               object({{"channelId", "north"}, {"success", true}}));
    news = ada.last_told("channel-state").at("data").as_object();
    BOOST_TEST(news.at("action") == value("user-left"));
    BOOST_TEST(news.at("userCount") == value(1));
    BOOST_TEST(bob.last_told("channel-state").empty());
}

BOOST_AUTO_TEST_CASE(only_what_has_been_joined_may_be_acted_on) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    for (auto const* type : {"leave-channel", "get-router-capabilities", "ptt-start", "ptt-stop"}) {
        BOOST_TEST(ada.refused(type, channel("north")) ==
                   "join the channel first: \"north\" is not one of yours");
    }
    BOOST_TEST(
        !ada.refused("create-transport", {{"channelId", "north"}, {"direction", "send"}}).empty());
}

BOOST_AUTO_TEST_CASE(transports_are_their_owners) {
    voice_world world;
    auto ada = world.connect(voice_token("ada")), eve = world.connect(voice_token("eve"));
    ada.join("north");
    eve.join("north");
    auto const made = ada.get("create-transport", {{"channelId", "north"}, {"direction", "send"}});
    object const connecting{{"transportId", made.at("id")}, {"dtlsParameters", object()}};
    object const producing{{"transportId", made.at("id")},
                           {"kind", "audio"},
                           {"rtpParameters", object()},
                           {"channelId", "north"}};
    BOOST_TEST(eve.refused("connect-transport", connecting).starts_with("there is no transport"));
    BOOST_TEST(eve.refused("produce", producing).starts_with("there is no transport"));
    BOOST_TEST(ada.get("connect-transport", connecting).at("success") == value(true));
    BOOST_TEST(ada.get("produce", producing).contains("id"));
}

BOOST_AUTO_TEST_CASE(limits_are_named) {
    voice_world world(1, {.channels = {.max_channels = 2, .max_users = 2, .max_connections = 2},
                          .attempts = {.max_attempts = 0}});
    auto ada = world.connect(voice_token("ada")), other = world.connect(voice_token("ada"));
    ada.join("north");
    other.join("south");
    BOOST_TEST(ada.refused("join-channel", channel("east")) ==
               "a user may be in 2 channels at once: leave one first");
    auto third = world.connect(voice_token("ada"));
    BOOST_TEST(third.told().at("error") == value("a user may have 2 connections at once"));
    BOOST_TEST(third.peer.closed_with().value_or(0) == 1008);

    auto bob = world.connect(voice_token("bob")), eve = world.connect(voice_token("eve"));
    bob.join("north");
    BOOST_TEST(eve.refused("join-channel", channel("north")) ==
               "the channel is full: 2 users are allowed");
    bob.peer.vanish();
    eve.join("north");
}

BOOST_AUTO_TEST_CASE(a_client_may_hear_the_same_producers_again_and_again) {
    voice_world world;
    auto bob = world.connect(voice_token("bob"));
    bob.join("north");
    transport_of(bob, "north", "recv");
    std::vector<voice_user> speakers;
    std::vector<std::string> producers;
    for (auto const* name : {"ada", "eve", "joe"}) {
        speakers.push_back(world.connect(voice_token(name)));
        speakers.back().join("north");
        producers.push_back(speak_up(speakers.back(), "north"));
    }
    for (int i = 0; i < 100; ++i) {
        for (auto const& producer : producers)
            BOOST_REQUIRE(bob.refused("consume", consumption("north", producer)) == "");
    }
    BOOST_TEST(world[0].media.counts().consumers == 3U);
}

// ---- Floors
// --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(one_speaks_and_the_others_listen) {
    voice_world world;
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"));
    ada.join("north");
    bob.join("north");
    auto const producer = speak_up(ada, "north");
    BOOST_TEST(world[0].media.paused(producer).value()); // it starts so

    auto const won = ada.get("ptt-start", channel("north"));
    BOOST_TEST(won.at("success") == value(true));
    BOOST_TEST(won.at("state").at("currentSpeaker") == value("ada"));
    BOOST_TEST(won.at("state").at("isBusy") == value(true));
    BOOST_TEST(!world[0].media.paused(producer).value());
    auto changed = bob.last_told("speaker-changed").at("data").as_object();
    BOOST_TEST(changed.at("currentSpeaker") == value("ada"));
    BOOST_TEST(changed.at("speakerName") == value("ada's name"));
    BOOST_TEST(changed.at("producerId") == value(producer));
    BOOST_TEST(changed.at("lockTimestamp") == won.at("state").at("lockTimestamp"));

    BOOST_TEST(bob.get("ptt-start", channel("north")) ==
               object({{"success", false},
                       {"denied", true},
                       {"currentSpeaker", "ada"},
                       {"currentSpeakerName", "ada's name"}}));
    BOOST_TEST(bob.last_told("ptt-denied").at("data") ==
               value({{"channelId", "north"},
                      {"currentSpeaker", "ada"},
                      {"currentSpeakerName", "ada's name"},
                      {"message", "ada's name is speaking"}}));

    auto const done = ada.get("ptt-stop", channel("north"));
    BOOST_TEST(done.at("state").at("isBusy") == value(false));
    BOOST_TEST(world[0].media.paused(producer).value());
    changed = bob.last_told("speaker-changed").at("data").as_object();
    BOOST_TEST(changed.at("currentSpeaker").is_null());
    BOOST_TEST(bob.talk("north"));
    BOOST_TEST(ada.last_told("ptt-denied").empty());
}

BOOST_AUTO_TEST_CASE(whoever_comes_while_somebody_speaks_can_listen) {
    voice_world world;
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"));
    ada.join("north");
    auto const producer = speak_up(ada, "north");
    BOOST_TEST(ada.talk("north"));
    auto const joined = bob.join("north");
    BOOST_TEST(joined.at("state").at("currentSpeaker") == value("ada"));
    BOOST_TEST(joined.at("producerId") == value(producer));
    bob.get("create-transport", {{"channelId", "north"}, {"direction", "recv"}});
    auto const consumed =
        bob.get("consume",
                {{"channelId", "north"}, {"producerId", producer}, {"rtpCapabilities", object()}});
    BOOST_TEST(consumed.at("producerId") == value(producer));
    BOOST_TEST(consumed.at("kind") == value("audio"));
}

BOOST_AUTO_TEST_CASE(a_floor_is_kept_for_as_long_as_its_holder_talks) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    bob.join("north");
    BOOST_TEST(ada.talk("north"));
    for (int second = 0; second < 90; ++second) {
        ada.ask("ping"); // both answer the server's pings
        bob.ask("ping");
        world.advance(1s);
    }
    BOOST_TEST(!bob.talk("north"));
    ada.hush("north");
    BOOST_TEST(bob.talk("north"));
}

// ---- Ends
// ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_user_who_vanishes_leaves_nothing) {
    voice_world world;
    auto bob = world.connect(voice_token("bob"));
    bob.join("north");
    {
        auto ada = world.connect(voice_token("ada"));
        ada.join("north");
        ada.join("south");
        speak_up(ada, "north");
        BOOST_TEST(ada.talk("north"));
        ada.peer.vanish();
    }
    auto const news = bob.last_told("channel-state").at("data").as_object();
    BOOST_TEST(news.at("action") == value("user-disconnected"));
    BOOST_TEST(news.at("userId") == value("ada"));
    BOOST_TEST(news.at("isBusy") == value(false));
    parley::signaling::media_counts const left{.routers = 1}; // of the channel, where bob still is
    BOOST_TEST((world[0].media.counts() == left));
    BOOST_TEST(bob.talk("north"));
}

BOOST_AUTO_TEST_CASE(a_stop_closes_everybody_with_1001_and_frees_the_floors) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    bob.join("north");
    BOOST_TEST(ada.talk("north"));
    memory_peer mute(world, world[0].transport, "192.0.2.9"); // it reads nothing
    mute.send_raw(upgrade_of("eve"));
    parley::asio::co_spawn(world.io, world[0].server.async_stop(10s), parley::asio::detached);
    world.settle();
    BOOST_TEST(ada.peer.closed_with().value_or(0) == 1001);
    BOOST_TEST(!bob.talk("north")); // not before everybody is closed
    world.advance(10s);
    auto const news = bob.last_told("channel-state").at("data").as_object();
    BOOST_TEST(news.at("userId") == value("ada"));
    BOOST_TEST(bob.talk("north"));
}

BOOST_AUTO_TEST_CASE(members_are_told_when_their_media_are_gone) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.join("north");
    speak_up(ada, "north");
    world[0].media.restart();
    world.settle();
    auto const news = ada.last_told("channel-state").at("data").as_object();
    BOOST_TEST(news.at("action") == value("media-restarted"));
    BOOST_TEST(news.at("userCount") == value(1));
    speak_up(ada, "north"); // anew
}

BOOST_AUTO_TEST_CASE(a_client_hears_on_the_newest_of_its_transports) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.join("north");
    auto const producer = speak_up(ada, "north");
    for (int i = 0; i < 3; ++i) { // ids are in no order
        auto bob = world.connect(voice_token("bob"));
        bob.join("north");
        auto const old = transport_of(bob, "north", "recv");
        auto const current = transport_of(bob, "north", "recv");
        transport_of(bob, "north", "send");
        bob.get("consume", consumption("north", producer));
        world[0].media.close_transport(old);
        BOOST_TEST(world[0].media.counts().consumers == 1U);
        world[0].media.close_transport(current);
        BOOST_TEST(world[0].media.counts().consumers == 0U);
        bob.peer.vanish();
    }
}

BOOST_AUTO_TEST_CASE(a_transport_that_is_lost_before_it_is_answered_is_an_error) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.join("north");
    auto& media = world[0].media;
    media.hold();
    auto const asked =
        ada.begin("create-transport", {{"channelId", "north"}, {"direction", "recv"}});
    media.restart();
    media.let_go();
    world.settle();
    auto const refused = ada.answer(asked);
    BOOST_TEST(refused.at("error") == value("the transport has been lost: create it again"));
    BOOST_TEST(ada.refused("consume", consumption("north", "any")) ==
               "create a transport of direction recv first");
    transport_of(ada, "north", "recv");
}

// ---- A media server that is slow ----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(whoever_waits_for_the_media_server_can_use_the_floor_meanwhile) {
    voice_world world;
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"));
    ada.join("north");
    bob.join("north");
    world[0].media.hold();
    auto const asked =
        ada.begin("create-transport", {{"channelId", "north"}, {"direction", "send"}});
    BOOST_TEST(ada.talk("north"));
    ada.hush("north");
    BOOST_TEST(bob.talk("north"));
    BOOST_TEST(ada.answer(asked).empty());
    world[0].media.let_go();
    world.settle();
    BOOST_TEST(ada.answer(asked).contains("data"));
}

BOOST_AUTO_TEST_CASE(requests_for_the_media_server_are_done_in_order) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.join("north");
    auto const transport = transport_of(ada, "north", "send");
    auto& media = world[0].media;
    media.hold();
    auto const connecting =
        ada.begin("connect-transport", {{"transportId", transport}, {"dtlsParameters", object()}});
    auto const producing = ada.begin("produce", {{"transportId", transport},
                                                 {"kind", "audio"},
                                                 {"rtpParameters", object()},
                                                 {"channelId", "north"}});
    std::vector<std::string> more;
    for (int i = 0; i < 40; ++i)
        more.push_back(ada.begin("get-router-capabilities", channel("north")));
    BOOST_TEST(media.counts().producers == 0U); // before the transport is connected
    media.let_go();
    world.settle();
    BOOST_TEST(ada.answer(connecting).contains("data"));
    BOOST_TEST(ada.answer(producing).contains("data"));
    int answered = 0; // more than may wait have been asked for
    for (auto const& one : more) {
        auto const got = ada.answer(one);
        answered += got.contains("data") ? 1 : 0;
        if (got.contains("error"))
            BOOST_TEST(got.at("error") ==
                       value("at most 32 requests may wait for the media server"));
    }
    BOOST_TEST(answered == 31); // behind the one that was being done
    BOOST_TEST(media.counts().producers == 1U);
}

BOOST_AUTO_TEST_CASE(a_user_who_vanishes_while_the_media_server_works_leaves_nothing) {
    voice_world world;
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"));
    ada.join("north");
    ada.join("south");
    bob.join("south");
    BOOST_TEST(ada.talk("south"));
    world[0].media.hold();
    for (auto const* where : {"north", "south", "south"}) {
        ada.begin("create-transport", {{"channelId", where}, {"direction", "send"}});
    }
    ada.peer.vanish();
    BOOST_TEST(bob.talk("south")); // at once
    world[0].media.let_go();
    world.settle();
    parley::signaling::media_counts const left{.routers = 0};
    BOOST_TEST((world[0].media.counts() == left));
    BOOST_TEST(world[0].server.connections() == 1U);
}

BOOST_AUTO_TEST_CASE(a_channel_that_is_left_while_the_media_server_works_keeps_nothing) {
    voice_world world;
    auto ada = world.connect(voice_token("ada"));
    ada.join("north");
    world[0].media.hold();
    auto const asked =
        ada.begin("create-transport", {{"channelId", "north"}, {"direction", "send"}});
    ada.get("leave-channel", channel("north"));
    auto const joining = ada.begin("join-channel", channel("north"));
    world[0].media.let_go();
    world.settle();
    BOOST_TEST(ada.answer(asked).contains("error"));
    BOOST_TEST(ada.answer(joining).contains("data"));
    BOOST_TEST(world[0].media.counts().transports == 0U);
    speak_up(ada, "north");
}

// ---- §3: several servers on one store
// ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_store_is_at_work_until_the_server_stops) {
    memory_world world;
    auto const working = std::make_shared<bool>(false);
    using conversation_type = voice::conversation<store_at_work, voice::null_media>;
    conversation_type silent({}, store_at_work(working), voice::null_media());
    parley::basic_handshake_server<conversation_type, parley::memory_transport,
                                   parley::unlimited_admission, parley::jwt_verifier>
        server({}, std::move(silent), world.transport,
               parley::jwt_verifier({.key = parley::secret(voice_secret)}));
    BOOST_REQUIRE(server.start(world.io, {}));
    world.advance(60s);
    BOOST_TEST(*working);
    parley::asio::co_spawn(world.io, server.async_stop(1s), parley::asio::detached);
    world.advance(1s);
    BOOST_TEST(!*working);
}

BOOST_AUTO_TEST_CASE(servers_serve_one_channel_together) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    BOOST_TEST(bob.join("north").at("userCount") == value(2));
    BOOST_TEST(ada.last_told("channel-state").at("data").at("userId") == value("bob"));
    BOOST_TEST(ada.talk("north"));
    BOOST_TEST(bob.last_told("speaker-changed").at("data").at("currentSpeaker") == value("ada"));
    BOOST_TEST(!bob.talk("north"));
    ada.peer.vanish();
    BOOST_TEST(bob.talk("north"));
}

BOOST_AUTO_TEST_CASE(a_server_whose_last_user_leaves_says_who_speaks_elsewhere) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    bob.join("north");
    BOOST_TEST(bob.talk("north"));
    ada.get("leave-channel", channel("north"));
    auto const told = bob.last_told("channel-state").at("data").as_object();
    BOOST_TEST(told.at("action") == value("user-left"));
    BOOST_TEST(told.at("currentSpeaker") == value("bob"));
    BOOST_TEST(told.at("userCount") == value(1));
}

BOOST_AUTO_TEST_CASE(a_user_who_goes_on_by_another_server_has_not_left) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    bob.join("north");
    auto again = world.connect(voice_token("ada"), 1);
    again.join("north");
    bob.last_told("channel-state");
    ada.peer.vanish();
    BOOST_TEST(bob.last_told("channel-state").empty());
    again.peer.vanish();
    auto const told = bob.last_told("channel-state").at("data").as_object();
    BOOST_TEST(told.at("action") == value("user-disconnected"));
    BOOST_TEST(told.at("userCount") == value(1));
}

BOOST_AUTO_TEST_CASE(while_the_store_is_out_of_reach_nobody_is_given_a_floor) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    bob.join("north");
    world[0].floors.set_reachable(false);
    auto const denied = ada.get("ptt-start", channel("north"));
    BOOST_TEST(denied.at("denied") == value(true));
    BOOST_TEST(denied.at("currentSpeaker").is_null());
    BOOST_TEST(ada.last_told("ptt-denied").at("data").at("message") ==
               value("the floor cannot be given to anybody now: try again"));
    BOOST_TEST(!ada.refused("join-channel", channel("south")).empty());
    BOOST_TEST(bob.talk("north"));
    bob.hush("north");
    world[0].floors.set_reachable(true);
    world.advance(1s);
    BOOST_TEST(ada.talk("north"));
}

BOOST_AUTO_TEST_CASE(a_speaker_who_cannot_keep_the_floor_is_silenced_before_another_gets_it) {
    voice_world world(2);
    auto ada = world.connect(voice_token("ada")), bob = world.connect(voice_token("bob"), 1);
    ada.join("north");
    bob.join("north");
    auto const producer = speak_up(ada, "north");
    BOOST_TEST(ada.talk("north"));
    world[0].floors.set_reachable(false);
    bool silenced = false;
    for (int second = 0; second < 40 && !bob.talk("north"); ++second) {
        ada.ask("ping");
        silenced = world[0].media.paused(producer).value();
        world.advance(1s);
    }
    BOOST_TEST(silenced);
    BOOST_TEST(ada.last_told("speaker-changed").at("data").at("currentSpeaker").is_null());
    world[0].floors.set_reachable(true);
    world.advance(1s);
    BOOST_TEST(ada.last_told("speaker-changed").at("data").at("currentSpeaker") == value("bob"));
}

BOOST_AUTO_TEST_CASE(a_server_that_vanishes_holds_nobody_up) {
    voice_world world(2);
    auto bob = world.connect(voice_token("bob"), 1);
    {
        auto ada = world.connect(voice_token("ada"));
        ada.join("north");
        bob.join("north");
        BOOST_TEST(ada.talk("north"));
        world[0].floors.vanish();
        world.settle();
    }
    BOOST_TEST(bob.last_told("channel-state").at("data").at("action") ==
               value("user-disconnected"));
    BOOST_TEST(bob.talk("north"));
}

BOOST_AUTO_TEST_SUITE_END()
