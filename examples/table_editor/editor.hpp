// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The table editor while it runs: the server composed from its policies, and what is around it.

#include "editor_parts.hpp"

#include <examples/shared/serving.hpp>

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>

#include <parley/admission/per_address_admission.hpp>
#include <parley/admission/rejecting_admission.hpp>
#include <parley/server.hpp>
#include <parley/tables/conversation.hpp>
#include <parley/tables/http_api.hpp>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace table_editor {

namespace log = shared::log;

/// One run of a table editor.
template <class Transport>
class editor {
  public:
    using conversation_type = parley::tables::conversation<any_backend>;
    using verifier_type = parley::tables::login_verifier<any_backend>;
    using admission_type = parley::per_address_admission<parley::rejecting_admission>;
    using server_type =
        parley::basic_handshake_server<conversation_type, Transport, admission_type, verifier_type>;

    editor(editor_parts parts, Transport transport)
        : parts_(std::move(parts)),
          server_(server_options_of(parts_), conversation_of(parts_.config), std::move(transport),
                  admission_of(parts_), verifier_of(parts_.config)) {
        add_routes();
    }

    /// From start to stop. Returns the exit status.
    int run() { return shared::run(io_, live()); }

  private:
    template <class T = void>
    using task = parley::task<T>;

    static constexpr bool is_tls = !std::is_same_v<Transport, parley::tcp_transport>;

    /// Then the connections are those of the proxy, which has to limit its clients' own.
    static bool is_behind_proxy(editor_parts const& parts) {
        return !parts.config.server.trustedProxies.empty();
    }

    static parley::server_options server_options_of(editor_parts const& parts) {
        parley::server_options options;
        options.max_connections = parts.max_connections;
        if (is_behind_proxy(parts)) options.max_connections_per_address = 0;
        options.limits.max_message = 1024 * 1024;
        options.limits.max_waiting_out = 32 * 1024 * 1024; // a page of large rows
        options.limits.ping_interval = std::chrono::seconds(30);
        options.log = &shared::log_server;
        return options;
    }

    static conversation_type conversation_of(parley::tables::configuration const& config) {
        return conversation_type({.allowed_origins = config.session.allowedOrigins,
                                  .close_mode = config.session.closeMode,
                                  .command_timeout = config.database.commandTimeoutMs});
    }

    static admission_type admission_of(editor_parts const& parts) {
        return admission_type(
            {.max_per_address = is_behind_proxy(parts) ? parts.max_connections : 200},
            parley::rejecting_admission({.max_concurrent = parts.max_connections}));
    }

    static verifier_type verifier_of(parley::tables::configuration const& config) {
        return verifier_type({.timeout = std::chrono::seconds(config.session.timeout),
                              .max_sessions = config.session.maxSessions,
                              .log = [](std::string_view text) {
                                  shared::log_server(parley::severity::error, text);
                              }});
    }

    void add_routes() {
        using api = parley::tables::http_api<any_backend>;
        auto const& session = parts_.config.session;
        api::add_to(
            server_, parts_.backend,
            {.secure_cookies = is_tls || session.secureCookies,
             .csrf = session.csrf,
             .connect_timeout = parts_.config.database.connectTimeoutMs,
             .attempts = {.max_attempts = session.maxAttemptsPerMinute},
             .proxies = parley::trusted_proxies::of(parts_.config.server.trustedProxies).value(),
             .version = TABLE_EDITOR_VERSION});
        auto const get = [this](std::string path, parley::route_handler handler) {
            server_.route(parley::http::verb::get, std::move(path),
                          api::use_of_session(server_.policies().verifier, std::move(handler)));
        };
        get("/api/backend", [this](parley::http_request const&, parley::route_context) {
            return answer_backend();
        });
        get("/*", [this](parley::http_request const& request, parley::route_context) {
            return answer_file(request);
        });
    }

    // ---- Its life, on the main thread -----------------------------------------------------------

    task<int> live() {
        auto const& address = parts_.address;
        shared::start(server_, io_, address, parts_.threads);
        log::info("ready", {{"address", address.address().to_string()},
                            {"port", std::to_string(server_.port())},
                            {"backend", parts_.backend.type},
                            {"pid", std::to_string(::getpid())}});
        parts_.on_ready(server_.port());
        co_await shared::wait_for_stop(signals_, server_.policies().transport);
        co_await shared::stop(server_, parts_.threads, parts_.grace);
        log::info("stopped");
        co_return shared::exit_status::ok;
    }

    // ---- Routes ---------------------------------------------------------------------------------

    /// What the page needs to know before anybody has logged in.
    task<parley::http_response> answer_backend() {
        auto const& database = parts_.config.database;
        boost::json::array servers;
        for (auto const& server : database.servers) {
            if (server == "*") { // anywhere: there is nothing to choose from
                servers.clear();
                break;
            }
            servers.emplace_back(server);
        }
        if (database.type == "sqlite") {
            servers.clear(); // the databases are files: the only server there is, is this one
            servers.emplace_back(parts_.config.server.host + ":" + std::to_string(server_.port()));
        }
        boost::json::object const body{{"type", parts_.backend.type},
                                       {"servers", std::move(servers)},
                                       {"connectTimeoutMs", database.connectTimeoutMs.count()},
                                       {"commandTimeoutMs", database.commandTimeoutMs.count()}};
        co_return parley::make_response(parley::http::status::ok, "application/json",
                                        boost::json::serialize(body));
    }

    task<parley::http_response> answer_file(parley::http_request const& request) {
        auto const path = parley::path_of(request);
        if (path == "/ws") {
            auto response = parley::make_error_response(parley::http::status::upgrade_required,
                                                        "this is a WebSocket: upgrade to it");
            response.set(parley::http::field::upgrade, "websocket");
            co_return response;
        }
        if (path == "/api") {
            co_return parley::make_error_response(parley::http::status::not_found,
                                                  "nothing is served here");
        }
        for (auto const& [prefix, files] : parts_.mounts) {
            if (path == prefix) co_return redirect_to(prefix + "/");
            if (path.starts_with(prefix + "/")) {
                co_return files.respond(request, path.substr(prefix.size()));
            }
        }
        co_return parts_.page.respond(request, path);
    }

    static parley::http_response redirect_to(std::string const& where) {
        auto response =
            parley::make_response(parley::http::status::permanent_redirect, "text/plain", {});
        response.set(parley::http::field::location, where);
        return response;
    }

    editor_parts parts_;
    parley::asio::io_context io_{1};
    shared::signal_set signals_ = shared::serving_signals(io_.get_executor());
    server_type server_;
};

} // namespace table_editor
