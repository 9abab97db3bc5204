// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// Whatever users and servers do, in whatever order: one speaks in a channel at most, no floor is
// stranded, nobody is left behind (voice signalling specification, §3).
#include <tests/support/voice_world.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace parley::test;
using namespace std::chrono_literals;
using boost::json::object;
using boost::json::value;

constexpr std::size_t servers = 3;
std::array<std::string, 2> const channels{"north", "south"};

/// Users who do as they please, on servers that lose their store now and then.
class commotion {
  public:
    explicit commotion(unsigned seed) : random_(seed) {}

    void step() {
        switch (below(10)) {
        case 0:
        case 1:
            return come();
        case 2:
            return go();
        case 3:
        case 4:
        case 5:
            return talk();
        case 6:
            return hush();
        case 7:
            return move();
        case 8:
            world_[below(servers)].floors.set_reachable(below(3) != 0);
            return world_.settle();
        default:
            for (auto left = below(15); left > 0; --left)
                world_.advance(1s);
        }
    }

    void check() {
        for (auto const& channel : channels) {
            std::size_t speaking = 0;
            for (auto const& producer : producers_[channel]) {
                for (std::size_t i = 0; i < servers; ++i)
                    speaking += world_[i].media.paused(producer) == false ? 1 : 0;
            }
            BOOST_REQUIRE_LE(speaking, 1u);
        }
    }

    /// Everybody goes; then there is nothing left of anybody.
    void end() {
        for (std::size_t i = 0; i < servers; ++i)
            world_[i].floors.set_reachable(true);
        while (!users_.empty())
            go();
        for (int second = 0; second < 31; ++second)
            world_.advance(1s);
        for (std::size_t i = 0; i < servers; ++i) {
            auto late = world_.connect(voice_token("late"), i);
            for (auto const& channel : channels) {
                BOOST_TEST(late.join(channel).at("userCount") == value(1));
                BOOST_TEST(late.talk(channel));
            }
            late.peer.vanish();
        }
    }

  private:
    struct somebody {
        somebody(voice_world& world, std::string const& token, std::size_t server)
            : user(world.connect(token, server)) {}

        voice_user user;
    };

    std::size_t below(std::size_t n) { return random_() % n; }
    std::string const& any_channel() { return channels[below(channels.size())]; }
    voice_user& anybody() { return users_[below(users_.size())]->user; }

    void come() {
        if (users_.size() > 12) return;
        users_.push_back(std::make_unique<somebody>(
            world_, voice_token("user-" + std::to_string(below(8))), below(servers)));
        move();
    }

    void go() {
        if (users_.empty()) return;
        auto const which = users_.begin() + static_cast<std::ptrdiff_t>(below(users_.size()));
        if (below(2) == 0)
            (*which)->user.peer.vanish();
        else
            (*which)->user.peer.close();
        users_.erase(which);
        world_.settle();
    }

    /// Joins a channel, with a producer, or leaves it.
    void move() {
        if (users_.empty()) return;
        auto& user = anybody();
        object const channel{{"channelId", any_channel()}};
        if (below(4) == 0) {
            user.ask("leave-channel", channel);
            return;
        }
        user.ask("join-channel", channel);
        auto const made = user.ask("create-transport",
                                   {{"channelId", channel.at("channelId")}, {"direction", "send"}});
        if (!made.contains("data")) return;
        auto const produced = user.ask("produce", {{"transportId", made.at("data").at("id")},
                                                   {"kind", "audio"},
                                                   {"rtpParameters", object()},
                                                   {"channelId", channel.at("channelId")}});
        if (!produced.contains("data")) return;
        producers_[std::string(channel.at("channelId").as_string())].emplace_back(
            produced.at("data").at("id").as_string());
    }

    void talk() {
        if (!users_.empty()) anybody().ask("ptt-start", {{"channelId", any_channel()}});
    }

    void hush() {
        if (!users_.empty()) anybody().ask("ptt-stop", {{"channelId", any_channel()}});
    }

    std::minstd_rand random_;
    voice_world world_{servers};
    std::map<std::string, std::vector<std::string>> producers_; // by channel
    std::vector<std::unique_ptr<somebody>> users_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(signaling_property)

BOOST_AUTO_TEST_CASE(one_speaks_at_most_and_nothing_is_left_behind) {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            commotion all(seed);
            for (int i = 0; i < 80; ++i) {
                all.step();
                all.check();
            }
            all.end();
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
