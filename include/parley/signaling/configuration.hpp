// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The configuration of voice signalling, `voice-signaling.json`. Members are named as in the file.
/// Load it with
/// `parley::load_config_file<parley::signaling::configuration>(path, environment, env_prefix)`.

#include <parley/config_rules.hpp>
#include <parley/config_types.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace parley::signaling {

/// `VOICE_SIGNALING_SERVER__PORT=8090` overrides `server.port`.
inline constexpr std::string_view env_prefix = "VOICE_SIGNALING_";

/// Where the server listens.
struct server_section {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8090; ///< 0: any free one
    /// Addresses and networks of reverse proxies whose `X-Forwarded-For` is believed.
    std::vector<std::string> trustedProxies;

    static constexpr auto rules() { return std::tuple(rule(&server_section::host, not_empty())); }
};

/// Whose tokens are good. The key itself is not in the file.
struct token_section {
    std::string algorithm = "HS256"; ///< HS256: the secret is in ROUTER_JWT_SECRET
    std::string publicKey;           ///< EdDSA: the public key, 43 base64url characters
    std::uint32_t leewaySeconds = 0; ///< by which clocks may differ

    static constexpr auto rules() {
        return std::tuple(rule(&token_section::algorithm, one_of("HS256", "EdDSA")),
                          rule(&token_section::leewaySeconds, between(0, 300, "seconds")));
    }
};

/// Voice signalling specification, §2.
struct limits_section {
    std::size_t channelsPerUser = 10;
    std::size_t usersPerChannel = 100;
    std::size_t connectionsPerUser = 20;
    std::size_t connectionsPerMinute = 60; ///< of an address; 0: no limit

    static constexpr auto rules() {
        return std::tuple(rule(&limits_section::channelsPerUser, between(1, 1'000)),
                          rule(&limits_section::usersPerChannel, between(2, 10'000)),
                          rule(&limits_section::connectionsPerUser, between(1, 1'000)));
    }
};

/// Where floors and members are kept (§3).
struct floors_section {
    std::string redis; ///< `redis://user:password@host:6379/0`; empty: in this process
};

/// The media server (§4).
struct media_section {
    std::string worker;      ///< the mediasoup worker's program; empty: signalling only
    std::size_t workers = 0; ///< processes; 0: one a core
    std::string listenAddress = "127.0.0.1"; ///< where they send and receive
    std::string announcedAddress; ///< what clients are told instead; empty: listenAddress
    std::uint16_t minPort = 40000;
    std::uint16_t maxPort = 49999;

    static constexpr auto rules() {
        return std::tuple(rule(&media_section::workers, between(0, 256)),
                          rule(&media_section::listenAddress, not_empty()),
                          rule(&media_section::minPort, between(1024, 65'535)),
                          rule(&media_section::maxPort, between(1024, 65'535)));
    }
};

/// The page.
struct web_section {
    std::string root; ///< a folder; empty: the page that comes with the program
};

/// The whole file.
struct configuration {
    server_section server;
    token_section tokens;
    limits_section limits;
    floors_section floors;
    media_section media;
    web_section web;
};

} // namespace parley::signaling

BOOST_HANA_ADAPT_STRUCT(parley::signaling::server_section, host, port, trustedProxies);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::token_section, algorithm, publicKey, leewaySeconds);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::limits_section, channelsPerUser, usersPerChannel,
                        connectionsPerUser, connectionsPerMinute);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::floors_section, redis);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::media_section, worker, workers, listenAddress,
                        announcedAddress, minPort, maxPort);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::web_section, root);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::configuration, server, tokens, limits, floors, media,
                        web);
