// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Voice signalling while it runs: the server composed from its policies, and what is around it.

#include "voice_parts.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serving.hpp>

#include <parley/admission/per_address_admission.hpp>
#include <parley/admission/rejecting_admission.hpp>
#include <parley/server.hpp>
#include <parley/signaling/conversation.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace voice_signaling {

namespace log = shared::log;

/// One run of a server.
template <class Transport>
class voice {
  public:
    using conversation_type = parley::signaling::conversation<any_floor_store, any_media>;
    using admission_type = parley::per_address_admission<parley::rejecting_admission>;
    using server_type = parley::basic_handshake_server<conversation_type, Transport, admission_type,
                                                       parley::jwt_verifier>;

    voice(voice_parts parts, Transport transport)
        : parts_(std::move(parts)),
          server_(server_options_of(parts_), conversation_of(parts_), std::move(transport),
                  admission_of(parts_), parts_.tokens) {
        add_routes();
    }

    /// From start to stop. Returns the exit status.
    int run() { return shared::run(io_, live()); }

  private:
    template <class T = void>
    using task = parley::task<T>;
    using response = parley::http_response;
    using request = parley::http_request;
    using status = parley::http::status;

    /// Then the connections are those of the proxy, which has to limit its clients' own.
    static bool is_behind_proxy(voice_parts const& parts) {
        return !parts.config.server.trustedProxies.empty();
    }

    static parley::server_options server_options_of(voice_parts const& parts) {
        parley::server_options options;
        options.max_connections = parts.max_connections;
        if (is_behind_proxy(parts)) options.max_connections_per_address = 0;
        options.limits.ping_interval = std::chrono::seconds(30);
        options.log = &shared::log_server;
        return options;
    }

    static conversation_type conversation_of(voice_parts& parts) {
        auto const& limits = parts.config.limits;
        typename conversation_type::options options;
        options.channels = {.max_channels = limits.channelsPerUser,
                            .max_users = limits.usersPerChannel,
                            .max_connections = limits.connectionsPerUser,
                            .log = [](std::string_view text) {
                                log::write(log::level::warning, "channels", {{"message", text}});
                            }};
        options.attempts.max_attempts = limits.connectionsPerMinute;
        options.proxies = parley::trusted_proxies::of(parts.config.server.trustedProxies).value();
        return conversation_type(std::move(options), std::move(parts.floors),
                                 std::move(parts.media));
    }

    static admission_type admission_of(voice_parts const& parts) {
        return admission_type(
            {.max_per_address = is_behind_proxy(parts) ? parts.max_connections : 1'000},
            parley::rejecting_admission({.max_concurrent = parts.max_connections}));
    }

    void add_routes() {
        using parley::http::verb;
        auto const get = [this](std::string path, auto answer) {
            server_.route(verb::get, std::move(path),
                          [this, answer](request const& asked, parley::route_context) {
                              return (this->*answer)(asked);
                          });
        };
        get("/health", &voice::answer_health);
        if (parts_.demo) {
            get("/api/demo", &voice::answer_demo);
            server_.route(verb::post, "/api/demo/token",
                          [this](request const& asked, parley::route_context) {
                              return answer_token(asked);
                          });
        }
        get("/*", &voice::answer_file);
    }

    // ---- Its life, on the main thread -----------------------------------------------------------

    task<int> live() {
        shared::start(server_, io_, parts_.address, parts_.threads);
        co_await wait_for_media();
        if (!is_stopping_) tell_ready();
        co_await shared::wait_for_stop(signals_, server_.policies().transport);
        co_await shared::stop(server_, parts_.threads, parts_.grace);
        log::info("stopped");
        co_return shared::exit_status::ok;
    }

    void tell_ready() {
        log::info("ready", {{"address", parts_.address.address().to_string()},
                            {"port", std::to_string(server_.port())},
                            {"pid", std::to_string(::getpid())}});
        parts_.on_ready(server_.port(), server_.conversation().channels().media.workers());
    }

    /// The workers take a moment to start; clients that came sooner would be told that there are
    /// none. Ends early when the server is to stop.
    task<> wait_for_media() {
        if (parts_.config.media.worker.empty()) co_return;
        auto& media = server_.conversation().channels().media;
        // `signals_` hears of a stop as well, and keeps it for whoever waits for it next.
        shared::signal_set stops(io_.get_executor(), SIGTERM, SIGINT);
        stops.async_wait([this](boost::system::error_code ec, int) {
            if (!ec) is_stopping_ = true;
        });
        parley::steady_timer timer(io_.get_executor());
        for (int tries = 0; media.workers() == 0 && !is_stopping_ && tries < 500; ++tries) {
            timer.expires_after(std::chrono::milliseconds(20));
            co_await timer.async_wait(parley::use_task);
        }
        if (media.workers() == 0 && !is_stopping_) {
            log::warning("media", {{"message", "no worker has started in 10 s: see above"}});
        }
    }

    // ---- Routes ---------------------------------------------------------------------------------

    static response json_response(status code, boost::json::object const& body) {
        return parley::make_response(code, "application/json", boost::json::serialize(body) + '\n');
    }

    task<response> answer_health(request const&) {
        auto& channels = server_.conversation().channels();
        auto const up = std::chrono::steady_clock::now() - started_at_;
        bool const failing = channels.store.failing();
        co_return json_response(
            failing ? status::service_unavailable : status::ok,
            {{"status", failing ? "degraded" : "ok"},
             {"uptime", std::chrono::duration_cast<std::chrono::seconds>(up).count()},
             {"workers", channels.media.workers()},
             {"connections", server_.active_sessions().size()},
             {"version", VOICE_SIGNALING_VERSION}});
    }

    task<response> answer_demo(request const&) {
        boost::json::array channels;
        for (auto const& channel : parts_.demo->channels)
            channels.emplace_back(channel);
        co_return json_response(
            status::ok, {{"channels", std::move(channels)},
                         {"audio", server_.conversation().channels().media.workers() != 0}});
    }

    struct token_request {
        BOOST_HANA_DEFINE_STRUCT(token_request, (std::string, userName));
    };

    task<response> answer_token(request const& asked) {
        auto const wanted = parley::json::decode<token_request>(asked.body());
        if (!wanted) {
            co_return json_response(status::bad_request, {{"error", wanted.error().text()}});
        }
        if (!parley::signaling::is_acceptable_id(wanted->userName)) {
            co_return json_response(status::bad_request,
                                    {{"error", "userName: expected 1 to 128 bytes"}});
        }
        co_return json_response(status::ok, {{"token", parts_.demo->make_token(wanted->userName)}});
    }

    task<response> answer_file(request const& asked) {
        auto const path = parley::path_of(asked);
        if (path.starts_with("/api/") || path == "/ws") {
            co_return parley::make_error_response(status::not_found, "nothing is served here");
        }
        co_return parts_.page.respond(asked, path);
    }

    std::chrono::steady_clock::time_point const started_at_ = std::chrono::steady_clock::now();
    voice_parts parts_;
    parley::asio::io_context io_{1};
    bool is_stopping_ = false; // before it was ready
    shared::signal_set signals_ = shared::serving_signals(io_.get_executor());
    server_type server_;
};

} // namespace voice_signaling
