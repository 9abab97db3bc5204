// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "setup.hpp"

#include <examples/shared/page.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serve.hpp>

#include <parley/config.hpp>
#include <parley/crypto/password_hash.hpp>
#include <parley/tables/allowed_servers.hpp>
#include <parley/trusted_proxies.hpp>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace table_editor {

namespace tables = parley::tables;
using shared::refuse;

namespace {

/// Checks a name and a password against the configuration. Takes as long for a name that is not
/// there.
auto user_check(std::vector<tables::user_section> users) {
    return [users = std::move(users), decoy = parley::hash_password("")](
               std::string_view username, std::string_view password) {
        auto const found = std::ranges::find(users, username, &tables::user_section::username);
        bool const known = found != users.end();
        return parley::matches_password(password, known ? found->passwordHash : decoy) && known;
    };
}

parley::tls_connector open_authorities(std::string const& file) {
    try {
        return parley::tls_connector({.authorities = file});
    } catch (boost::system::system_error const& e) {
        refuse("database.caFile: expected a PEM file with certificates: " + std::string(e.what()));
    }
}

any_backend make_backend(tables::database_section const& database) {
    if (database.type == "postgresql") {
        return any_backend(
            std::make_unique<tables::postgresql_backend>(tables::postgresql_backend::options{
                .servers = database.servers,
                .sslmode = database.sslMode,
                .connect_timeout = database.connectTimeoutMs,
                .max_connections = database.maxConnectionsPerSession,
                .idle_timeout = database.idleTimeoutMs}));
    }
    if (database.type == "iris") {
        parley::http_client_options http;
        http.max_connections = database.maxConnectionsPerSession;
        http.idle_timeout = database.idleTimeoutMs;
        return any_backend(std::make_unique<iris_backend>(
            tables::atelier_options{.servers = database.servers, .http = http},
            open_authorities(database.caFile)));
    }
    return any_backend(std::make_unique<tables::sqlite_backend>(
        tables::sqlite_backend::options{.folder = database.folder,
                                        .users = user_check(database.users),
                                        .max_connections = database.maxConnectionsPerSession,
                                        .idle_timeout = database.idleTimeoutMs}));
}

/// What no single member's rule can say.
void check(tables::configuration const& config) {
    auto const& database = config.database;
    if (database.type == "sqlite") {
        if (!std::filesystem::is_directory(database.folder)) {
            refuse("database.folder: expected a folder with SQLite databases, found nothing at " +
                   database.folder + ".\nMake it, or name another.");
        }
        if (database.users.empty()) {
            refuse("database.users: expected at least one user, found none.\nMake a hash with "
                   "`table-editor hash-password` and add "
                   R"({"username": "...", "passwordHash": "..."}.)");
        }
        for (std::size_t i = 0; i < database.users.size(); ++i) {
            if (parley::is_password_hash(database.users[i].passwordHash)) continue;
            refuse("database.users[" + std::to_string(i) +
                   "].passwordHash: expected what `table-editor hash-password` prints");
        }
    } else if (database.servers.empty()) {
        refuse("database.servers: expected at least one \"host:port\" that users may connect to, "
               "found none");
    } else {
        for (auto const& server : database.servers) {
            if (tables::names_allowed_server(server)) continue;
            refuse("database.servers: expected \"host:port\", with an IPv6 address in brackets, or "
                   "\"*\", found \"" +
                   server + "\"");
        }
    }
    if (auto const read = parley::trusted_proxies::of(config.server.trustedProxies); !read) {
        refuse("server.trustedProxies" + read.error().text());
    }
    for (auto const& mount : config.web.mounts) {
        if (mount.prefix.starts_with('/') && mount.prefix.size() > 1 &&
            !mount.prefix.ends_with('/')) {
            continue;
        }
        refuse("web.mounts: expected a prefix like \"/webview\", found \"" + mount.prefix + "\"");
    }
}

} // namespace

parley::loaded_config<tables::configuration> load_configuration(std::filesystem::path const& path) {
    auto environment = parley::environment();
    if (auto const* timeout = std::getenv("SESSION_TIMEOUT")) {
        environment.insert(environment.begin(),
                           "TABLE_EDITOR_SESSION__TIMEOUT=" + std::string(timeout));
    }
    auto loaded =
        parley::load_config_file<tables::configuration>(path, environment, tables::env_prefix);
    if (!loaded.config) shared::refuse_configuration(loaded.report, path, "table-editor");
    return loaded;
}

editor_parts make_parts(tables::configuration config, unsigned threads) {
    check(config);
    auto const policy = config.web.contentSecurityPolicy.empty()
                            ? std::string(shared::strict_policy)
                            : config.web.contentSecurityPolicy;
    auto page = shared::load_page("table-editor", TABLE_EDITOR_WEB, config.web.root, policy);
    std::vector<std::pair<std::string, parley::static_files>> mounts;
    mounts.reserve(config.web.mounts.size());
    for (auto const& mount : config.web.mounts)
        mounts.emplace_back(mount.prefix, shared::load_files(mount.root, policy, "web.mounts"));
    auto address = shared::resolve(config.server.host, config.server.port);
    auto backend = make_backend(config.database);
    return {std::move(config),
            std::move(address),
            std::move(backend),
            std::move(page),
            std::move(mounts),
            threads,
            shared::raise_file_limit(threads),
            std::chrono::seconds(5)};
}

} // namespace table_editor
