// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The consent broker while it runs: the server composed from its policies, and what is around it.

#include "broker_parts.hpp"
#include "control_server.hpp"
#include "support.hpp"
#include "terminate.hpp"

#include <examples/shared/serving.hpp>

#include <parley/admission/queueing_admission.hpp>
#include <parley/consent/audit_records.hpp>
#include <parley/consent/conversation.hpp>
#include <parley/consent/recovery.hpp>
#include <parley/server.hpp>
#include <parley/timestamp.hpp>
#include <parley/transport/tcp_transport.hpp>
#include <parley/verifier/ed25519_verifier.hpp>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace consent_broker {

/// One run of a broker.
template <class Transport>
class broker {
  public:
    using server_type =
        parley::basic_handshake_server<parley::consent::conversation, Transport,
                                       parley::queueing_admission, parley::ed25519_verifier,
                                       database, audit_log>;

    broker(broker_parts parts, Transport transport)
        : config_(std::move(parts.config)), address_(std::move(parts.address)),
          threads_(parts.threads), grace_(parts.grace), control_address_(std::move(parts.control)),
          server_(server_options_of(config_, parts.max_connections, parts.max_per_address),
                  conversation_of(config_), std::move(transport), admission_of(config_),
                  parley::ed25519_verifier(), std::move(parts.storage), std::move(parts.audit)) {}

    /// From start to stop. Returns the exit status.
    int run() { return shared::run(io_, live()); }

  private:
    template <class T = void>
    using task = parley::task<T>;

    static parley::server_options server_options_of(parley::consent::configuration const& config,
                                                    std::size_t max_connections,
                                                    std::size_t max_per_address) {
        parley::server_options options;
        options.path = config.websocket.path;
        options.max_connections = max_connections;
        options.max_connections_per_address = max_per_address;
        options.max_body = 1024; // no route takes one
        options.limits.max_message = config.websocket.maxPayloadBytes;
        options.log = &shared::log_server;
        return options;
    }

    static parley::consent::conversation
    conversation_of(parley::consent::configuration const& config) {
        return parley::consent::conversation({.organization_npi = *config.organization.npi,
                                              .endpoint_url = config.axon.endpointUrl,
                                              .auth_timeout = config.websocket.authTimeoutMs,
                                              .on_outcome = log_outcome});
    }

    static parley::queueing_admission admission_of(parley::consent::configuration const& config) {
        return parley::queueing_admission(
            {.max_concurrent = config.websocket.maxConcurrentHandshakes,
             .queue_timeout = config.websocket.queueTimeoutMs});
    }

    static void log_outcome(parley::consent::handshake_outcome const& how) {
        auto const level = how.relationship_id.empty() ? log::level::warning : log::level::info;
        // What a peer sent in place of what was expected may be anything, clinical data included.
        auto const detail = how.detail.substr(0, how.detail.find(", found "));
        log::write(level, "handshake",
                   {{"session", how.session_id},
                    {"provider", how.provider_npi},
                    {"result", how.result},
                    {"relationship", how.relationship_id},
                    {"detail", detail}});
    }

    // ---- The broker's life, on the main thread --------------------------------------------------

    task<int> live() {
        using parley::asio::experimental::awaitable_operators::operator||;
        co_await recover();
        control::server control(io_.get_executor(), std::move(control_address_));
        listen();
        if (!co_await record("neuron_start")) {
            co_await stop_server();
            throw command_error(exit_status::bad, "the audit log cannot be written: see above");
        }
        log::info("ready", {{"address", address_.address().to_string()},
                            {"port", std::to_string(server_.port())},
                            {"pid", std::to_string(::getpid())}});
        control::server::handler const answer = [this](boost::json::value request) {
            return answer_control(std::move(request));
        };
        co_await (control.serve(answer) ||
                  shared::wait_for_stop(signals_, server_.policies().transport) || keep_house());
        bool const clean = co_await stop();
        co_return clean ? exit_status::ok : exit_status::bad;
    }

    task<> recover() {
        auto& policies = server_.policies();
        if (!policies.audit.get()) co_return;
        auto const done = co_await parley::consent::recover_outbox(policies.storage, policies.audit,
                                                                   config_.audit.path);
        if (!done) {
            throw command_error(exit_status::bad,
                                "the audit entries of the last run cannot be completed: " +
                                    done.error().message());
        }
        if (done->found + done->appended == 0) co_return;
        log::warning("audit_recovered", {{"found", std::to_string(done->found)},
                                         {"appended", std::to_string(done->appended)}});
    }

    void listen() {
        server_.route(
            parley::http::verb::get, "/health",
            [this](parley::http_request const&, parley::route_context) { return answer_health(); });
        shared::start(server_, io_, address_, threads_);
    }

    /// After a rush of peers the allocator keeps what they needed: gives it back to the system as
    /// soon as nobody is there, which holds up nobody then. And finds out whether a database that
    /// failed works again, though nobody writes to it. Ends by being cancelled.
    task<> keep_house() {
        parley::steady_timer timer(io_.get_executor());
        std::uint64_t seen = 0;
        bool rush = false;
        for (;;) {
            timer.expires_after(std::chrono::seconds(5));
            co_await timer.async_wait(parley::use_task);
            auto& storage = server_.policies().storage;
            if (storage.failing()) co_await storage.write(parley::consent::try_writing());
            auto const& counts = server_.conversation().statistics();
            auto const handshakes = counts.completed + counts.failed;
            rush = rush || server_.connections() != 0 || handshakes != seen;
            seen = handshakes;
            if (!rush || server_.connections() != 0) continue;
            rush = false;
#ifdef __GLIBC__
            ::malloc_trim(0);
#endif
        }
    }

    task<> stop_server() {
        return shared::stop(server_, threads_, grace_);
    }

    /// False when something could not be written down that should have been.
    task<bool> stop() {
        co_await stop_server();
        auto& policies = server_.policies();
        bool const settled =
            co_await server_.conversation().settle(policies.storage, policies.audit);
        bool const recorded = co_await record("neuron_stop");
        bool const clean = settled && recorded;
        auto const& counts = server_.conversation().statistics();
        log::info("stopped", {{"completed", std::to_string(counts.completed)},
                              {"failed", std::to_string(counts.failed)}});
        co_return clean;
    }

    /// Enters a start or a stop in the audit log, and waits until that is durable.
    task<bool> record(std::string action) {
        std::vector<parley::audit_record> entries;
        entries.push_back(
            parley::consent::admin_record(std::move(action), *config_.organization.npi));
        auto const written = co_await server_.policies().audit.append(std::move(entries));
        co_return written.has_value();
    }

    // ---- Questions ------------------------------------------------------------------------------

    [[nodiscard]] std::int64_t uptime() const {
        auto const up = std::chrono::steady_clock::now() - started_at_;
        return std::chrono::duration_cast<std::chrono::seconds>(up).count();
    }

    task<parley::http_response> answer_health() {
        auto& policies = server_.policies();
        auto const& admission = policies.admission;
        auto const& counts = server_.conversation().statistics();
        boost::json::array failing;
        if (policies.storage.failing()) failing.emplace_back("storage");
        if (policies.audit.get() && policies.audit.get()->failing()) failing.emplace_back("audit");
        boost::json::object health{
            {"status", failing.empty() ? "ok" : "degraded"},
            {"version", CONSENT_BROKER_VERSION},
            {"uptime", uptime()},
            {"active", admission.active()},
            {"queued", admission.queued()},
            {"handshakes",
             {{"completed", counts.completed.load()}, {"failed", counts.failed.load()}}}};
        auto const status =
            failing.empty() ? parley::http::status::ok : parley::http::status::service_unavailable;
        if (!failing.empty()) health["failing"] = std::move(failing);
        co_return parley::make_response(status, "application/json",
                                        boost::json::serialize(health) + '\n');
    }

    task<std::string> answer_control(boost::json::value request) {
        if (parley::decode_message<control::status>(request)) {
            co_return parley::encode_message(describe());
        }
        auto const wanted = parley::decode_message<control::terminate>(request);
        if (!wanted) co_return parley::encode_message(control::refused{wanted.error().text()});
        try {
            require_acceptable(*wanted);
        } catch (command_error const& e) {
            co_return parley::encode_message(control::refused{e.what()});
        }
        auto const done =
            co_await terminate(server_.policies().storage, server_.policies().audit, *wanted);
        log::info("terminate", {{"relationship", wanted->relationship_id},
                                {"provider", wanted->provider_npi},
                                {"outcome", done ? done->outcome : done.error().message()}});
        if (!done) co_return parley::encode_message(control::refused{done.error().message()});
        co_return parley::encode_message(*done);
    }

    [[nodiscard]] control::running describe() {
        auto const& admission = server_.policies().admission;
        auto const& counts = server_.conversation().statistics();
        control::running answer{CONSENT_BROKER_VERSION,
                                ::getpid(),
                                uptime(),
                                address_.address().to_string(),
                                server_.port(),
                                !std::is_same_v<Transport, parley::tcp_transport>,
                                admission.active(),
                                admission.queued(),
                                counts.completed,
                                counts.failed,
                                {}};
        for (auto& info : server_.active_sessions()) {
            if (answer.sessions.size() == control::max_sessions) break;
            answer.sessions.push_back({std::move(info.id), std::move(info.subject),
                                       std::move(info.target),
                                       parley::format_timestamp(info.started_at),
                                       std::string(parley::to_string(info.status))});
        }
        return answer;
    }

    std::chrono::steady_clock::time_point const started_at_ = std::chrono::steady_clock::now();
    parley::consent::configuration config_;
    boost::asio::ip::tcp::endpoint address_;
    unsigned threads_;
    std::chrono::milliseconds grace_;
    control::address control_address_;
    // It outlives the server, whose policies answer on it.
    parley::asio::io_context io_{1};
    shared::signal_set signals_ = shared::serving_signals(io_.get_executor());
    server_type server_;
};

} // namespace consent_broker
