// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The consent broker's configuration, `neuron.config.json` (consent broker specification, §7).
/// Members are named as in the file; a name that ends in `Ms` counts milliseconds. Load it with
/// `parley::load_config_file<parley::consent::configuration>(path, environment, env_prefix)`.

#include <parley/config_rules.hpp>
#include <parley/config_types.hpp>
#include <parley/consent/broker_url.hpp>
#include <parley/consent/npi.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

namespace parley::consent {

/// `NEURON_SERVER__PORT=8080` overrides `server.port`.
inline constexpr std::string_view env_prefix = "NEURON_";

/// Who runs this broker. The only section without defaults.
struct organization_section {
    required<std::string> npi; ///< ten digits with a valid check digit
    required<std::string> name;
    required<std::string> type; ///< a word of the operator's: `practice`, `laboratory`

    static constexpr auto rules() {
        return std::tuple(
            rule(&organization_section::npi,
                 satisfying(is_valid_npi, "a string of 10 digits with a valid NPI check digit")),
            rule(&organization_section::name, not_empty()),
            rule(&organization_section::type, not_empty()));
    }
};

/// Where the broker listens.
struct server_section {
    std::uint16_t port = 3000; ///< 0: any free one
    std::string host = "0.0.0.0";

    static constexpr auto rules() { return std::tuple(rule(&server_section::host, not_empty())); }
};

/// The limits of a handshake (§1).
struct websocket_section {
    std::string path = "/ws/handshake";
    std::size_t maxConcurrentHandshakes = 10;         ///< between admission and close; others wait
    std::chrono::milliseconds authTimeoutMs{10'000};  ///< from the 101 to a first message
    std::chrono::milliseconds queueTimeoutMs{30'000}; ///< how long a connection waits
    std::size_t maxPayloadBytes = 65'536;             ///< of one message

    static constexpr auto rules() {
        constexpr int one_day = 86'400'000;
        return std::tuple(
            rule(&websocket_section::path,
                 satisfying(is_request_path, "a string that begins with \"/\", of visible ASCII "
                                             "characters without \"?\" and \"#\"")),
            rule(&websocket_section::maxConcurrentHandshakes, between(1, 100'000)),
            rule(&websocket_section::authTimeoutMs, between(1, one_day)),
            rule(&websocket_section::queueTimeoutMs, between(1, one_day)),
            rule(&websocket_section::maxPayloadBytes, between(1, 16'777'216)));
    }
};

/// The database (§5).
struct storage_section {
    std::string path = "./data/neuron.db";

    static constexpr auto rules() { return std::tuple(rule(&storage_section::path, not_empty())); }
};

/// The audit log (§6).
struct audit_section {
    std::string path = "./data/audit.jsonl";
    bool enabled = true;

    static constexpr auto rules() { return std::tuple(rule(&audit_section::path, not_empty())); }
};

/// The network's directory. Only the address below which providers are found is used (§2).
struct axon_section {
    std::string endpointUrl = "http://localhost:3000";
    ignored registryUrl;
    ignored broadcastIntervalMs;
    ignored backoffCeilingMs;

    static constexpr ignored other_members{};
    static constexpr auto rules() {
        return std::tuple(rule(&axon_section::endpointUrl,
                               satisfying(is_endpoint_base,
                                          "a string that begins with \"http://\", \"https://\", "
                                          "\"ws://\" or \"wss://\", then has a host, and no \"?\" "
                                          "or \"#\"")));
    }
};

/// The whole file.
struct configuration {
    organization_section organization;
    server_section server;
    websocket_section websocket;
    storage_section storage;
    audit_section audit;
    axon_section axon;
    ignored localNetwork;
    ignored heartbeat;
    ignored api;
};

} // namespace parley::consent

BOOST_HANA_ADAPT_STRUCT(parley::consent::organization_section, npi, name, type);
BOOST_HANA_ADAPT_STRUCT(parley::consent::server_section, port, host);
BOOST_HANA_ADAPT_STRUCT(parley::consent::websocket_section, path, maxConcurrentHandshakes,
                        authTimeoutMs, queueTimeoutMs, maxPayloadBytes);
BOOST_HANA_ADAPT_STRUCT(parley::consent::storage_section, path);
BOOST_HANA_ADAPT_STRUCT(parley::consent::audit_section, path, enabled);
BOOST_HANA_ADAPT_STRUCT(parley::consent::axon_section, endpointUrl, registryUrl,
                        broadcastIntervalMs, backoffCeilingMs);
BOOST_HANA_ADAPT_STRUCT(parley::consent::configuration, organization, server, websocket, storage,
                        audit, axon, localNetwork, heartbeat, api);
