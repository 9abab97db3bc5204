// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The table editor's configuration, `table-editor.json`. Members are named as in the file; a name
/// that ends in `Ms` counts milliseconds. Load it with
/// `parley::load_config_file<parley::tables::configuration>(path, environment, env_prefix)`.

#include <parley/config_rules.hpp>
#include <parley/config_types.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace parley::tables {

/// `TABLE_EDITOR_SERVER__PORT=8080` overrides `server.port`.
inline constexpr std::string_view env_prefix = "TABLE_EDITOR_";

/// Where the table editor listens.
struct server_section {
    std::string host = "127.0.0.1";
    std::uint16_t port = 8080; ///< 0: any free one
    /// Addresses and networks of reverse proxies whose `X-Forwarded-For` is believed.
    std::vector<std::string> trustedProxies;

    static constexpr auto rules() { return std::tuple(rule(&server_section::host, not_empty())); }
};

/// Another page, served below a prefix.
struct mount_section {
    std::string prefix; ///< `/webview`
    std::string root;   ///< a folder
};

/// The page.
struct web_section {
    std::string root; ///< a folder; empty: the page that comes with the program
    std::vector<mount_section> mounts;
    /// What pages may load; empty: only what the server itself has, and no inline script.
    std::string contentSecurityPolicy;
};

/// Logins (table editor specification, §1).
struct session_section {
    std::uint32_t timeout = 1800; ///< seconds without a request or message; SESSION_TIMEOUT
    std::size_t maxSessions = 1000;
    bool csrf = true;           ///< POSTs need the token of /api/csrf-token
    bool closeMode = false;     ///< no login: close with 4001 rather than answer 401
    bool secureCookies = false; ///< also set with --tls-cert; for a proxy that speaks TLS
    std::vector<std::string> allowedOrigins; ///< empty: only the server's own
    std::size_t maxAttemptsPerMinute = 30;   ///< to connect, for one address; 0: no limit

    static constexpr auto rules() {
        return std::tuple(rule(&session_section::timeout, between(1, 604'800, "seconds")),
                          rule(&session_section::maxSessions, between(1, 100'000)));
    }
};

/// Who may edit SQLite databases, which know no users of their own.
struct user_section {
    std::string username;
    std::string passwordHash; ///< from `table-editor hash-password`
};

/// What is edited (table editor specification, §3).
struct database_section {
    std::string type = "sqlite";
    std::string folder = "./databases"; ///< sqlite: each file in it is a namespace
    std::vector<user_section> users;    ///< sqlite
    /// postgresql, iris: where users may connect to, as `host:port` or `[::1]:port`; `*` is
    /// anywhere. Compared as they are spelt, case aside.
    std::vector<std::string> servers;
    std::string sslMode = "prefer"; ///< postgresql: as for libpq
    std::string caFile;             ///< iris: whom to trust; empty: whom the system does
    std::chrono::milliseconds connectTimeoutMs{10'000};
    std::chrono::milliseconds commandTimeoutMs{30'000};
    std::chrono::milliseconds idleTimeoutMs{60'000}; ///< of a connection to the database
    std::size_t maxConnectionsPerSession = 4;

    static constexpr auto rules() {
        constexpr int one_hour = 3'600'000;
        return std::tuple(
            rule(&database_section::type, one_of("sqlite", "postgresql", "iris")),
            rule(&database_section::folder, not_empty()),
            rule(&database_section::sslMode,
                 one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full")),
            rule(&database_section::connectTimeoutMs, between(100, one_hour)),
            rule(&database_section::commandTimeoutMs, between(100, one_hour)),
            rule(&database_section::idleTimeoutMs, between(100, one_hour)),
            rule(&database_section::maxConnectionsPerSession, between(1, 100)));
    }
};

/// The whole file.
struct configuration {
    server_section server;
    web_section web;
    session_section session;
    database_section database;
};

} // namespace parley::tables

BOOST_HANA_ADAPT_STRUCT(parley::tables::server_section, host, port, trustedProxies);
BOOST_HANA_ADAPT_STRUCT(parley::tables::mount_section, prefix, root);
BOOST_HANA_ADAPT_STRUCT(parley::tables::web_section, root, mounts, contentSecurityPolicy);
BOOST_HANA_ADAPT_STRUCT(parley::tables::session_section, timeout, maxSessions, csrf, closeMode,
                        secureCookies, allowedOrigins, maxAttemptsPerMinute);
BOOST_HANA_ADAPT_STRUCT(parley::tables::user_section, username, passwordHash);
BOOST_HANA_ADAPT_STRUCT(parley::tables::database_section, type, folder, users, servers, sslMode,
                        caFile, connectTimeoutMs, commandTimeoutMs, idleTimeoutMs,
                        maxConnectionsPerSession);
BOOST_HANA_ADAPT_STRUCT(parley::tables::configuration, server, web, session, database);
