// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Servers of voice signalling that share a store, and their users, in a world without sockets.

#include <tests/support/memory_peer.hpp>

#include <parley/admission/unlimited_admission.hpp>
#include <parley/crypto/jwt.hpp>
#include <parley/server.hpp>
#include <parley/signaling/conversation.hpp>
#include <parley/signaling/memory_floor_store.hpp>
#include <parley/signaling/null_media.hpp>
#include <parley/verifier/jwt_verifier.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace parley::test {

namespace voice = parley::signaling;

inline std::string const voice_secret = "a secret of thirty-two bytes....";

/// One server, and what is behind it.
struct voice_server {
    using conversation_type = voice::conversation<voice::memory_floor_store, voice::null_media>;
    using server_type = basic_handshake_server<conversation_type, memory_transport,
                                               unlimited_admission, jwt_verifier>;

    voice_server(manual_clock const& clock, voice::memory_floor_store store,
                 conversation_type::options options)
        : transport(clock), floors(store),
          server({.limits = {.ping_interval = std::chrono::seconds(30)}},
                 conversation_type(std::move(options), std::move(store), media), transport,
                 jwt_verifier({.key = secret(voice_secret),
                               .now = [clock] { return clock.wall_time(); }})) {}

    memory_transport transport;
    voice::null_media media;
    voice::memory_floor_store floors;
    server_type server;
};

/// A token for a user; more claims replace those.
inline std::string voice_token(std::string const& user, boost::json::object const& more = {}) {
    boost::json::object claims{{"userId", user}, {"userName", user + "'s name"}};
    for (auto const& [name, value] : more)
        claims[name] = value;
    return make_jwt(claims, secret(voice_secret));
}

/// A client of one of the servers.
class voice_user {
  public:
    voice_user(memory_world& world, memory_transport& transport, std::string const& token,
               std::string address)
        : peer(world, transport, std::move(address)) {
        peer.upgrade("/ws?token=" + token);
    }

    /// Sends a request; returns its id.
    std::string begin(std::string const& type, boost::json::object const& data = {}) {
        auto id = std::to_string(++last_id_);
        peer.send(boost::json::serialize(
            boost::json::object{{"type", type}, {"id", id}, {"data", data}}));
        return id;
    }

    /// The answer to a request, empty while there is none; what else has come is kept.
    boost::json::object answer(std::string const& id) {
        collect();
        for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
            auto const* its = it->if_contains("id");
            if (!its || *its != boost::json::value(id)) continue;
            auto answer = std::move(*it);
            waiting_.erase(it);
            return answer;
        }
        return {};
    }

    /// Sends a request, and returns its answer.
    boost::json::object ask(std::string const& type, boost::json::object const& data = {}) {
        return answer(begin(type, data));
    }

    /// The `data` of a request's answer; fails when it is an error.
    boost::json::object get(std::string const& type, boost::json::object const& data = {}) {
        auto answer = ask(type, data);
        BOOST_TEST_CONTEXT(boost::json::serialize(answer)) {
            BOOST_REQUIRE(answer.contains("data"));
        }
        return answer.at("data").as_object();
    }

    /// The error that a request is refused with; empty when it is not.
    std::string refused(std::string const& type, boost::json::object const& data = {}) {
        auto const answer = ask(type, data);
        auto const* error = answer.if_contains("error");
        return error ? std::string(error->as_string()) : std::string();
    }

    boost::json::object join(std::string const& channel) {
        return get("join-channel", {{"channelId", channel}});
    }

    /// Whether it gets the floor.
    bool talk(std::string const& channel) {
        return get("ptt-start", {{"channelId", channel}}).at("success").as_bool();
    }

    void hush(std::string const& channel) { get("ptt-stop", {{"channelId", channel}}); }

    /// The oldest message that came without having been asked for; empty when there is none.
    boost::json::object told() {
        collect();
        if (waiting_.empty()) return {};
        auto first = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        return first;
    }

    /// The last of those of a type, all others being dropped; empty when there is none.
    boost::json::object last_told(std::string const& type) {
        boost::json::object last;
        for (auto one = told(); !one.empty(); one = told()) {
            if (one.at("type") == boost::json::value(type)) last = std::move(one);
        }
        return last;
    }

    memory_peer peer;

  private:
    void collect() {
        for (auto text = peer.take(); !text.empty(); text = peer.take())
            waiting_.push_back(boost::json::parse(text).as_object());
    }

    int last_id_ = 0;
    std::vector<boost::json::object> waiting_;
};

/// Servers that share a store.
class voice_world : public memory_world {
  public:
    /// Without the limit on attempts, which all come from one address here.
    static voice_server::conversation_type::options roomy() {
        voice_server::conversation_type::options options;
        options.attempts.max_attempts = 0;
        return options;
    }

    explicit voice_world(std::size_t count = 1,
                         voice_server::conversation_type::options const& options = roomy()) {
        voice::memory_floor_store first({.now = [t = transport] { return t.now(); }});
        for (std::size_t i = 0; i < count; ++i) {
            add(i == 0 ? first : first.for_another_server(), options);
        }
    }

    ~voice_world() {
        for (auto const& one : servers_)
            asio::co_spawn(io, one->server.async_stop(std::chrono::seconds{1}), asio::detached);
        settle();
        for (int i = 0; i < 5; ++i)
            advance(std::chrono::seconds{5});
        for (auto const& one : servers_) {
            BOOST_TEST(one->server.connections() == 0u);
            BOOST_TEST((one->media.counts() == voice::media_counts{}));
        }
    }

    voice_server& operator[](std::size_t i) { return *servers_.at(i); }

    /// A new user of a server.
    voice_user connect(std::string const& token, std::size_t server = 0,
                       std::string const& address = "192.0.2.1") {
        return voice_user(*this, servers_.at(server)->transport, token, address);
    }

  private:
    void add(voice::memory_floor_store store, voice_server::conversation_type::options options) {
        servers_.push_back(std::make_unique<voice_server>(transport.clock(), std::move(store),
                                                          std::move(options)));
        BOOST_REQUIRE(servers_.back()->server.start(io, {}));
        settle();
    }

    std::vector<std::unique_ptr<voice_server>> servers_;
};

} // namespace parley::test
