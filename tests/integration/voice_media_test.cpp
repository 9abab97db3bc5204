// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Voice signalling with mediasoup's real worker behind it: what clients leave there.

#include <tests/support/media_server.hpp>
#include <tests/support/voice_world.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>

using namespace parley;
using namespace parley::signaling;
using namespace parley::test;
using namespace std::chrono_literals;
using boost::json::object;

namespace {

/// A server, whose clients are in memory; its worker is a process as ever, which takes its time.
class media_world : public memory_world {
  public:
    media_world()
        : server_({}, conversation_type(roomy(), memory_floor_store(), media_), transport,
                  jwt_verifier({.key = secret(voice_secret)})) {
        BOOST_REQUIRE(server_.start(io, {}));
        wait_until([this] { return media_.workers() == 1; });
    }
    ~media_world() {
        bool over = false;
        asio::co_spawn(io, server_.async_stop(1s), [&over](std::exception_ptr) { over = true; });
        wait_until([&] {
            transport.clock().advance(100ms);
            return over;
        });
        BOOST_TEST(children_.pids().empty());
    }

    voice_user connect(std::string const& user) {
        return voice_user(*this, transport, voice_token(user), "192.0.2.1");
    }

    /// The answer to a request.
    object ask(voice_user& user, std::string const& type, object const& data) {
        auto const id = user.begin(type, data);
        object answer;
        wait_until([&] {
            if (answer.empty()) answer = user.answer(id);
            return !answer.empty();
        });
        return answer;
    }

    /// The id in the answer to a request; empty when it is refused.
    std::string made(voice_user& user, std::string const& type, object const& data) {
        auto const answer = ask(user, type, data);
        auto const* members = answer.if_contains("data");
        return members == nullptr ? std::string() : std::string(members->at("id").as_string());
    }

    /// Waits until something holds, which is soon.
    void wait_until(std::function<bool()> const& holds) {
        auto const deadline = std::chrono::steady_clock::now() + 60s;
        run_until(io, [&] { return holds() || std::chrono::steady_clock::now() > deadline; });
        BOOST_REQUIRE(holds());
    }

    /// What is in the worker, in its own words.
    media_counts counts() { return run(io, media_.counts()).value(); }

    std::size_t connections() { return server_.connections(); }
    std::size_t workers() { return media_.workers(); }

    void kill_worker() { ::kill(children_.pids().at(0), SIGKILL); }

  private:
    using conversation_type = conversation<memory_floor_store, mediasoup_media>;
    using server_type = basic_handshake_server<conversation_type, memory_transport,
                                               unlimited_admission, jwt_verifier>;

    static conversation_type::options roomy() {
        conversation_type::options options;
        options.attempts.max_attempts = 0;
        return options;
    }

    static mediasoup_options one_worker() {
        mediasoup_options options;
        options.worker.binary = mediasoup_worker();
        options.worker.request_timeout = 20s; // the machine may be busy
        options.worker.start_timeout = 30s;
        options.workers = 1;
        options.restart_pause = 10ms;
        return options;
    }

    new_children children_;
    mediasoup_media media_{one_worker()};
    server_type server_;
};

object in_channel(std::string const& where) {
    return {{"channelId", where}};
}

/// Comes into a channel and gets the floor there; returns the producer. All of it may be refused.
std::string join_and_talk(media_world& world, voice_user& user, std::string const& where) {
    world.ask(user, "join-channel", in_channel(where));
    auto const transport =
        world.made(user, "create-transport", {{"channelId", where}, {"direction", "send"}});
    world.ask(user, "connect-transport",
              {{"transportId", transport}, {"dtlsParameters", browser_dtls_parameters()}});
    auto producer = world.made(user, "produce",
                               {{"transportId", transport},
                                {"kind", "audio"},
                                {"rtpParameters", browser_rtp_parameters()},
                                {"channelId", where}});
    world.ask(user, "ptt-start", in_channel(where));
    return producer;
}

/// Hears a producer; returns the consumer. It may be refused.
std::string listen(media_world& world, voice_user& user, std::string const& where,
                   std::string const& producer) {
    return world.made(user, "consume",
                      {{"channelId", where},
                       {"producerId", producer},
                       {"rtpCapabilities", browser_rtp_capabilities()}});
}

/// One user's stay: it comes, talks, is heard by `listener`, and goes in one of several ways.
/// Returns whether it was heard.
bool stay(media_world& world, voice_user& listener, std::string const& where, int way) {
    auto user = world.connect("ada");
    auto const producer = join_and_talk(world, user, where);
    bool const heard = !listen(world, listener, where, producer).empty();
    object const receiving{{"channelId", where}, {"direction", "recv"}};
    switch (way % 4) {
    case 0: // properly
        world.ask(user, "ptt-stop", in_channel(where));
        world.ask(user, "leave-channel", in_channel(where));
        user.peer.close();
        break;
    case 1: // out of the channel, without letting go of the floor
        world.ask(user, "leave-channel", in_channel(where));
        break;
    case 2: // cut amid its talk
        break;
    default: // cut amid what it has asked for
        user.begin("create-transport", receiving);
    }
    user.peer.vanish();
    return heard;
}

} // namespace

BOOST_AUTO_TEST_SUITE(voice_media, *boost::unit_test::precondition(has_mediasoup_worker))

BOOST_AUTO_TEST_CASE(a_thousand_users_who_come_talk_and_go_leave_nothing_in_the_worker) {
    media_world world;
    BOOST_CHECK(world.counts() == media_counts());
    auto bob = world.connect("bob");
    std::array<std::string, 3> const channels{"north", "south", "east"};
    for (auto const& where : channels) {
        world.ask(bob, "join-channel", in_channel(where));
        world.made(bob, "create-transport", {{"channelId", where}, {"direction", "recv"}});
    }
    media_counts const before{3, 3, 0, 0};
    BOOST_CHECK(world.counts() == before);
    int heard = 0;
    for (int i = 0; i < 1000; ++i)
        heard += stay(world, bob, channels.at(static_cast<std::size_t>(i) % 3), i) ? 1 : 0;
    BOOST_TEST(heard == 1000);
    world.wait_until([&] { return world.connections() == 1; });
    world.wait_until([&] { return world.counts() == before; });
    world.ask(bob, "leave-channel", in_channel("south"));
    bob.peer.vanish();
    world.wait_until([&] { return world.counts() == media_counts(); });
}

BOOST_AUTO_TEST_CASE(channels_that_come_and_go_leave_nothing_in_the_worker) {
    media_world world;
    for (int i = 0; i < 40; ++i) {
        auto bob = world.connect("bob");
        auto const where = "channel " + std::to_string(i);
        world.ask(bob, "join-channel", in_channel(where));
        world.made(bob, "create-transport", {{"channelId", where}, {"direction", "recv"}});
        bob.begin("create-transport", {{"channelId", where}, {"direction", "send"}});
        bob.peer.vanish();
    }
    world.wait_until([&] { return world.counts() == media_counts(); });
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_killed_while_users_come_and_go_is_replaced) {
    media_world world;
    auto bob = world.connect("bob");
    world.ask(bob, "join-channel", in_channel("north"));
    object const receiving{{"channelId", "north"}, {"direction", "recv"}};
    for (int round = 0; round < 3; ++round) {
        world.made(bob, "create-transport", receiving);
        BOOST_TEST(stay(world, bob, "north", 0));
        world.kill_worker();
        for (int i = 0; i < 10; ++i) // while it is gone, and after that
            stay(world, bob, "north", i);
        bool told = false; // a client makes its transports anew then
        for (auto one = bob.told(); !one.empty(); one = bob.told()) {
            auto const* data = one.if_contains("data");
            auto const* action = data ? data->as_object().if_contains("action") : nullptr;
            told |= action && *action == boost::json::value("media-restarted");
        }
        BOOST_TEST(told);
        world.wait_until([&] { return world.workers() == 1; });
    }
    world.made(bob, "create-transport", receiving);
    BOOST_TEST(stay(world, bob, "north", 2));
    world.wait_until([&] { return world.counts() == (media_counts{1, 1, 0, 0}); });
    bob.peer.vanish();
    world.wait_until([&] { return world.counts() == media_counts(); });
}

BOOST_AUTO_TEST_SUITE_END()
