// Distributed under the Boost Software License, Version 1.0. See LICENSE.

// Whole handshakes over loopback TCP, by the same client against three servers in turn:
//   broker   `consent-broker serve`: SQLite with synchronous=FULL, audit log synced
//   ceiling  the same framework, messages and signature checks, recording nothing
//   peer     the same handshake on Node.js with the `ws` package (peer/server.mjs)
// and, for the broker, the memory of a connection. One run measures all of them, round by round,
// and prints ratios, since machines differ and are noisy.

#include "child_process.hpp"
#include "support.hpp"

#include "tests/support/temporary_directory.hpp"

#include <parley/consent/challenge.hpp>
#include <parley/consent/client.hpp>
#include <parley/consent/token.hpp>
#include <parley/server.hpp>
#include <parley/verifier/ed25519_verifier.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/connect.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace parley;
namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

constexpr char const* provider = "1245319599";
constexpr char const* organization = "1234567893";

struct settings {
    std::string broker;
    std::string node = "node";
    std::string peer;
    std::size_t handshakes = 2000;
    std::size_t clients = 32;
    std::size_t rounds = 3;
    std::size_t idle = 1000;
};

// ---- The ceiling --------------------------------------------------------------------------------

/// The consent handshake with nothing recorded.
struct forgetful_conversation {
    template <class Session>
    task<close_reason> operator()(Session& session) {
        auto const deadline = session.deadline_after(std::chrono::seconds{10});
        auto const auth = co_await session.template receive<consent::handshake_auth>(deadline);
        if (!auth) co_return close_reason(4002);
        auto const token = consent::check_token(*auth, session.verifier(), session.wall_time());
        if (!token) co_return close_reason(4003);
        consent::handshake_challenge const question{consent::make_nonce(), provider, organization};
        co_await session.send(question);
        auto const answer =
            co_await session.template receive<consent::handshake_challenge_response>(deadline);
        if (!answer) co_return close_reason(4002);
        if (!consent::verify_challenge(question.nonce, answer->signed_nonce,
                                       token->patient_public_key, session.verifier())) {
            co_return close_reason(4003);
        }
        consent::handshake_complete const done{random_uuid(), "ws://localhost/", "new"};
        co_await session.send(done);
        co_return close_reason(1000, "Handshake complete");
    }
};

int serve_ceiling() {
    asio::io_context io(1);
    basic_handshake_server<forgetful_conversation, ed25519_verifier, queueing_admission> server(
        {.path = "/ws/handshake"}, forgetful_conversation{},
        queueing_admission({.max_concurrent = 100'000}));
    return benchmarks::serve(server, io);
}

// ---- The client ---------------------------------------------------------------------------------

using benchmarks::child_process;

task<tcp_stream> connect(std::uint16_t port) {
    tcp_stream::socket_type socket(co_await asio::this_coro::executor);
    co_await socket.async_connect({asio::ip::address_v4::loopback(), port}, use_task);
    socket.set_option(asio::ip::tcp::no_delay(true));
    co_return tcp_stream(std::move(socket));
}

struct measurement {
    double per_second = 0;
    double cpu_us = 0; ///< of the server, a handshake
    double p50_ms = 0;
    double p99_ms = 0;
};

/// `clients` connections at a time, until `handshakes` are done, each of a new patient.
class load {
  public:
    load(settings const& s, std::uint16_t port, std::string patients)
        : settings_(s), port_(port), patients_(std::move(patients)) {}

    measurement run(child_process const& server) {
        auto const cpu_before = server.cpu_seconds();
        auto const start = steady::now();
        for (std::size_t i = 0; i < settings_.clients; ++i) {
            asio::co_spawn(io_, client(), [](std::exception_ptr e) {
                if (e) std::rethrow_exception(e);
            });
        }
        io_.run();
        std::chrono::duration<double> const elapsed = steady::now() - start;
        auto const n = static_cast<double>(settings_.handshakes);
        return {n / elapsed.count(), (server.cpu_seconds() - cpu_before) * 1e6 / n,
                benchmarks::percentile(latencies_, 0.50), benchmarks::percentile(latencies_, 0.99)};
    }

  private:
    task<> client() {
        while (next_ < settings_.handshakes) {
            auto const patient = patients_ + std::to_string(next_++);
            auto const start = steady::now();
            auto stream = co_await connect(port_);
            consent::handshake_request request{
                "127.0.0.1",
                "/ws/handshake",
                key_,
                {patient, provider, {"office_visit"}, {1767225600}, {4102444800}, {}},
                "https://patient.example/agent"};
            auto const result = co_await consent::perform_handshake(std::move(stream), transport_,
                                                                    std::move(request));
            if (result.how != consent::handshake_result::outcome::completed) {
                throw std::runtime_error("a handshake failed: " + result.code + result.message);
            }
            std::chrono::duration<double, std::milli> const took = steady::now() - start;
            latencies_.push_back(took.count());
        }
    }

    settings const& settings_;
    std::uint16_t port_;
    std::string patients_;
    ed25519_key key_ = ed25519_key::generate();
    asio::io_context io_{1};
    tcp_transport transport_;
    std::size_t next_ = 0;
    std::vector<double> latencies_;
};

/// Opens connections that are upgraded and then say nothing, and reads the server's memory.
double memory_per_connection_kib(settings const& s, child_process const& server,
                                 std::uint16_t port) {
    asio::io_context io(1);
    std::vector<std::unique_ptr<websocket::stream<tcp_stream, false>>> idle;
    auto const before = server.resident_kib();
    asio::co_spawn(
        io,
        [&]() -> task<> {
            for (std::size_t i = 0; i < s.idle; ++i) {
                auto stream = co_await connect(port);
                idle.push_back(
                    std::make_unique<websocket::stream<tcp_stream, false>>(std::move(stream)));
                co_await idle.back()->async_handshake("127.0.0.1", "/ws/handshake", use_task);
            }
        },
        [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
    io.run();
    return static_cast<double>(server.resident_kib() - before) / static_cast<double>(s.idle);
}

// ---- The servers --------------------------------------------------------------------------------

fs::path write_configuration(settings const& s, fs::path const& folder) {
    auto const path = folder / "neuron.config.json";
    std::ofstream(path) << R"({"organization":{"npi":")" << organization
                        << R"(","name":"Benchmark","type":"practice"},)"
                        << R"("server":{"host":"127.0.0.1","port":0},)"
                        << R"("websocket":{"authTimeoutMs":60000,"maxConcurrentHandshakes":)"
                        << std::max(s.clients, s.idle) + 1 << R"(},"storage":{"path":)"
                        << folder / "neuron.db"
                        << R"(},"audit":{"path":)" << folder / "audit.jsonl"
                        << "}}\n";
    return path;
}

child_process start_broker(settings const& s, fs::path const& folder) {
    auto const config = write_configuration(s, folder).string();
    child_process::run({s.broker, "provider", "add", provider, "--config", config});
    return child_process({s.broker, "serve", "--config", config});
}

void print(std::map<std::string, std::vector<measurement>> const& all) {
    auto const median = [&](std::string const& who, double measurement::*what) {
        return benchmarks::median(all.at(who), what);
    };
    std::printf("%-10s %14s %18s %10s %10s\n", "server", "handshakes/s", "server CPU us each",
                "p50 ms", "p99 ms");
    for (auto const& [who, runs] : all) {
        std::printf("%-10s %14.0f %18.0f %10.2f %10.2f\n", who.c_str(),
                    median(who, &measurement::per_second), median(who, &measurement::cpu_us),
                    median(who, &measurement::p50_ms), median(who, &measurement::p99_ms));
    }
    for (std::string const other : {"peer", "ceiling"}) {
        if (!all.contains(other)) continue;
        std::printf("broker / %-7s  handshakes/s %.2f   CPU %.2f   p99 %.2f\n", other.c_str(),
                    median("broker", &measurement::per_second) /
                        median(other, &measurement::per_second),
                    median("broker", &measurement::cpu_us) / median(other, &measurement::cpu_us),
                    median("broker", &measurement::p99_ms) / median(other, &measurement::p99_ms));
    }
}

int compare(settings const& s, std::string const& self) {
    parley::test::temporary_directory const folder;
    std::map<std::string, child_process> servers;
    servers.emplace("broker", start_broker(s, folder.path()));
    servers.emplace("ceiling", child_process({self, "--serve-ceiling"}));
    if (!s.peer.empty()) {
        servers.emplace("peer", child_process({s.node, s.peer, folder.path().string(), provider}));
    }
    std::map<std::string, std::uint16_t> ports;
    for (auto& [who, server] : servers)
        ports[who] = server.wait_for_port();

    std::map<std::string, std::vector<measurement>> all;
    for (std::size_t round = 0; round < s.rounds; ++round) {
        for (auto& [who, server] : servers) {
            load work(s, ports[who], "patient-" + std::to_string(round) + "-");
            all[who].push_back(work.run(server));
            std::fprintf(stderr, "round %zu of %zu: %s done\n", round + 1, s.rounds, who.c_str());
        }
    }
    print(all);
    std::printf("broker: %.1f KiB of memory a connection (%zu upgraded and idle)\n",
                memory_per_connection_kib(s, servers.at("broker"), ports["broker"]), s.idle);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    settings s;
    bool ceiling = false;
    CLI::App app("Whole handshakes: the broker beside a peer and a ceiling");
    app.add_option("--broker", s.broker, "The consent-broker program");
    app.add_option("--peer", s.peer, "benchmarks/peer/server.mjs, after `npm ci` there");
    app.add_option("--node", s.node, "Node.js, for the peer")->capture_default_str();
    app.add_option("--handshakes", s.handshakes, "Handshakes a round and server")
        ->capture_default_str()
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("--clients", s.clients, "Connections at a time")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    app.add_option("--rounds", s.rounds, "Rounds; medians are printed")
        ->capture_default_str()
        ->check(CLI::Range(1, 100));
    app.add_option("--idle", s.idle, "Idle connections for the memory of one")
        ->capture_default_str()
        ->check(CLI::Range(1, 10'000));
    app.add_flag("--serve-ceiling", ceiling, "Be the ceiling (the benchmark starts itself so)");
    CLI11_PARSE(app, argc, argv);
    try {
        if (ceiling) return serve_ceiling();
        if (s.broker.empty()) throw std::runtime_error("--broker is missing; see --help");
        return compare(s, argv[0]);
    } catch (std::exception const& e) {
        std::cerr << "bench-handshake: " << e.what() << '\n';
        return 1;
    }
}
