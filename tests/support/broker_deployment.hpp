// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A consent broker of real parts, with its files in a directory, and the agents who come to it
/// over the loopback interface.

#include <parley/audit/audit_verify.hpp>
#include <parley/audit/hash_chain_audit.hpp>
#include <parley/consent/client.hpp>
#include <parley/consent/conversation.hpp>
#include <parley/consent/recovery.hpp>
#include <parley/consent/schema.hpp>
#include <parley/server.hpp>
#include <parley/transport/tcp_transport.hpp>
#include <parley/verifier/ed25519_verifier.hpp>
#include <tests/support/patient.hpp>
#include <tests/support/sqlite.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace parley::test {

inline asio::ip::tcp::endpoint loopback(std::uint16_t port = 0) {
    return {asio::ip::address_v4::loopback(), port};
}

struct deployment_options {
    unsigned threads = 1;
    std::size_t ceiling = 10;
    std::chrono::milliseconds queue_timeout{60'000};
    std::chrono::milliseconds head_timeout{10'000};
    std::chrono::milliseconds auth_timeout{10'000};
};

/// A running broker. Its audit log must verify whenever it ends.
template <class Transport = tcp_transport>
class deployment {
  public:
    using server_type = basic_handshake_server<consent::conversation, Transport, queueing_admission,
                                               ed25519_verifier, sqlite_storage, hash_chain_audit>;

    explicit deployment(std::filesystem::path directory, deployment_options const& o = {},
                        Transport transport = {})
        : directory_(std::move(directory)),
          server_(
              {.path = "/ws/handshake", .head_timeout = o.head_timeout},
              consent::conversation({.organization_npi = organization_npi,
                                     .endpoint_url = "https://broker.test",
                                     .auth_timeout = o.auth_timeout,
                                     .on_outcome = [this](auto const&) { note_crowd(); }}),
              std::move(transport),
              queueing_admission({.max_concurrent = o.ceiling, .queue_timeout = o.queue_timeout}),
              sqlite_storage(
                  {.path = database(directory_), .prepare_schema = consent::prepare_schema}),
              hash_chain_audit({.path = audit_log(directory_)})) {
        auto const add = [](auto& tx) {
            consent::add_provider(tx, {.npi = registered_npi}, "2026-01-01T00:00:00.000Z");
        };
        BOOST_REQUIRE(server_.policies().storage.write_now(add));
        auto& policies = server_.policies();
        BOOST_REQUIRE(
            run(consent::recover_outbox(policies.storage, policies.audit, audit_log(directory_))));
        if (o.threads > 0) BOOST_REQUIRE(server_.start(loopback(), o.threads));
    }

    ~deployment() { stop(); }

    /// Ends every session, and empties the outbox.
    void stop() {
        server_.stop(std::chrono::seconds{10});
        auto& policies = server_.policies();
        BOOST_TEST(run(server_.conversation().settle(policies.storage, policies.audit)));
        check_audit(directory_);
        BOOST_TEST(server_.connections() == 0u);
        BOOST_TEST(server_.policies().admission.active() == 0u);
    }

    server_type& server() { return server_; }
    [[nodiscard]] std::uint16_t port() const { return server_.port(); }

    /// The most conversations that were seen at once.
    [[nodiscard]] std::size_t crowd() const { return crowd_; }

    static std::filesystem::path database(std::filesystem::path const& directory) {
        return directory / "broker.db";
    }
    static std::filesystem::path audit_log(std::filesystem::path const& directory) {
        return directory / "audit.jsonl";
    }

    static void check_audit(std::filesystem::path const& directory) {
        auto const summary =
            verify_audit_log(audit_log(directory), [](auto line, auto const& faults) {
                BOOST_ERROR("audit log, line " << line << ": " << faults.front());
            });
        BOOST_TEST(summary.has_value());
    }

  private:
    template <class T>
    static T run(task<T> coroutine) {
        asio::io_context io(1);
        auto answer = asio::co_spawn(io, std::move(coroutine), asio::use_future);
        io.run();
        return answer.get();
    }

    void note_crowd() {
        auto const sessions = server_.active_sessions();
        auto const now = static_cast<std::size_t>(
            std::ranges::count(sessions, session_status::active, &session_info::status));
        auto most = crowd_.load();
        while (now > most && !crowd_.compare_exchange_weak(most, now)) {
        }
    }

    std::filesystem::path directory_;
    std::atomic<std::size_t> crowd_{0};
    server_type server_;
};

using handshake_outcome = consent::handshake_result::outcome;

/// What `who` asks of a broker.
inline consent::handshake_request request_of(patient const& who) {
    return {.host = "broker.test",
            .path = "/ws/handshake",
            .key = who.key,
            .claims = who.claims,
            .patient_endpoint = who.endpoint,
            .timeout = std::chrono::seconds{60}};
}

inline task<consent::handshake_result> shake_hands(std::uint16_t port, patient who) {
    tcp_stream::socket_type socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(loopback(port), use_task);
    tcp_transport clock;
    co_return co_await consent::perform_handshake(tcp_stream(std::move(socket)), clock,
                                                  request_of(who));
}

/// All of them at once, from one thread; the results are in the patients' order.
inline std::vector<consent::handshake_result> shake_hands(std::uint16_t port,
                                                          std::vector<patient> const& everybody) {
    asio::io_context io(1);
    std::vector<consent::handshake_result> results(everybody.size());
    for (std::size_t i = 0; i < everybody.size(); ++i) {
        asio::co_spawn(io, shake_hands(port, everybody[i]),
                       [&results, i](std::exception_ptr failure, consent::handshake_result r) {
                           if (failure) std::rethrow_exception(failure);
                           results[i] = std::move(r);
                       });
    }
    io.run();
    return results;
}

/// One handshake, which is expected to succeed.
inline consent::handshake_complete agree(std::uint16_t port, patient const& who) {
    auto const result = shake_hands(port, std::vector{who}).front();
    BOOST_REQUIRE_MESSAGE((result.how == handshake_outcome::completed),
                          "not completed: " << result.code << " " << result.message);
    return result.agreed;
}

} // namespace parley::test
