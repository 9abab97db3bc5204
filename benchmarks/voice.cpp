// Distributed under the Boost Software License, Version 1.0. See LICENSE.

// Push-to-talk over loopback TCP: how long it takes from `ptt-start` until a listener is told
// `speaker-changed`, with many connections in many channels. Compared are, in turns:
//   voice     the voice-signaling program, signalling only, floors in memory;
//   peer      a Node.js server of the same protocol, floors in memory;
//   voice+r, peer+r    the same two with their floors in one Redis, which this starts;
//   ceiling   this library with a conversation that only passes messages on: no floors, no JSON.
// Ratios are printed, since machines differ and are noisy; and what an idle connection costs.

#include "child_process.hpp"
#include "support.hpp"

#include <tests/support/temporary_directory.hpp>

#include <parley/admission/unlimited_admission.hpp>
#include <parley/crypto/jwt.hpp>
#include <parley/server.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace parley;
using benchmarks::child_process;
using steady = std::chrono::steady_clock;

struct settings {
    std::string voice;
    std::string peer;
    std::string node = "node";
    std::string redis = "redis-server";
    std::size_t connections = 1'000;
    std::size_t channels = 100;
    double rate = 1'000;
    std::size_t turns = 3'000;
    std::size_t rounds = 5;
};

std::string const secret_text = "a secret for benchmarks, of 32 bytes";

std::string text_after(std::string_view text, std::string_view name) {
    auto const at = text.find(name);
    if (at == text.npos) return {};
    auto const begin = at + name.size();
    return std::string(text.substr(begin, text.find('"', begin) - begin));
}

// ---- The ceiling --------------------------------------------------------------------------------

/// Passes messages on within a channel, and does nothing else.
struct forwarding_conversation {
    using handles = std::map<std::string, std::function<void(std::shared_ptr<std::string const>)>>;

    struct state {
        std::mutex mutex;
        std::map<std::string, handles> channels;
    };

    std::shared_ptr<state> shared = std::make_shared<state>();

    template <class Session>
    task<close_reason> operator()(Session& session) const {
        std::string channel;
        for (;;) {
            auto const next = co_await session.receive_text(no_deadline);
            if (next.status != receive_status::message) break;
            if (channel.empty()) {
                channel = text_after(next.text, R"("channelId":")");
                std::scoped_lock lock(shared->mutex);
                shared->channels[channel][session.id()] = [handle = session.handle()](auto text) {
                    handle.send(std::move(text));
                };
            } else if (next.text.find("ptt-start") != next.text.npos) {
                auto const news = std::make_shared<std::string const>(
                    R"({"type":"speaker-changed","data":{"channelId":")" + channel + "\"}}");
                std::scoped_lock lock(shared->mutex);
                for (auto const& [id, send] : shared->channels[channel]) {
                    if (id != session.id()) send(news);
                }
            }
            auto reply = R"({"id":")" + text_after(next.text, R"("id":")") + "\"}";
            co_await session.send_text(std::move(reply));
        }
        std::scoped_lock lock(shared->mutex);
        shared->channels[channel].erase(session.id());
        co_return close_reason();
    }
};

int serve_ceiling() {
    asio::io_context io(1);
    basic_handshake_server<forwarding_conversation, unlimited_admission> server(
        {.max_connections_per_address = 0}, forwarding_conversation{});
    return benchmarks::serve(server, io);
}

// ---- The clients --------------------------------------------------------------------------------

struct measurement {
    double p50_ms = 0;
    double p99_ms = 0;
    double cpu_us = 0;     ///< of the server, a turn
    double memory_kib = 0; ///< of the server, a connection
};

/// Connections in channels, of which a few at a time have somebody who talks.
class crowd {
  public:
    crowd(settings const& s, std::uint16_t port, std::string run)
        : settings_(s), port_(port), run_(std::move(run)), random_(1) {}

    measurement measure(child_process const& server) {
        auto const memory = server.resident_kib();
        spawn(connect_all());
        io_.run();
        measurement all;
        all.memory_kib = static_cast<double>(server.resident_kib() - memory) /
                         static_cast<double>(settings_.connections);
        auto const cpu = server.cpu_seconds();
        spawn(begin_turns());
        for (auto& one : clients_)
            spawn(listen(*one));
        io_.restart();
        io_.run();
        all.cpu_us = (server.cpu_seconds() - cpu) * 1e6 / static_cast<double>(settings_.turns);
        all.p50_ms = benchmarks::percentile(latencies_, 0.50);
        all.p99_ms = benchmarks::percentile(latencies_, 0.99);
        return all;
    }

  private:
    using socket_type = tcp_stream::socket_type;
    using timer_type = asio::basic_waitable_timer<steady, asio::wait_traits<steady>, executor>;

    /// A WebSocket with as little to do as there can be, so that what is measured is the server:
    /// its frames are not masked (a mask of zeros), and only whole text frames are looked at.
    struct client {
        explicit client(socket_type s) : socket(std::move(s)) {}

        socket_type socket;
        std::array<char, 4096> buffer{};
        std::string incoming; ///< what is no whole frame yet
        std::size_t channel = 0;
        std::string answered; ///< the id of the last answer
        std::function<void()> on_answer = [] {};

        task<> send(std::string text) {
            std::string frame{'\x81'};
            if (text.size() < 126) {
                frame += static_cast<char>(0x80U | text.size());
            } else {
                frame += static_cast<char>(0x80U | 126U);
                frame += static_cast<char>(text.size() >> 8U);
                frame += static_cast<char>(text.size() & 0xFFU);
            }
            frame.append(4, '\0');
            frame += text;
            co_await asio::async_write(socket, asio::buffer(frame), use_task);
        }

        /// The next text; nothing when none is whole yet.
        std::optional<std::string> next() {
            auto const byte = [this](std::size_t i) {
                return static_cast<std::size_t>(static_cast<unsigned char>(incoming[i]));
            };
            while (incoming.size() >= 4) {
                auto const length = byte(1);
                if (length == 127) throw std::runtime_error("a message of more than 64 KiB");
                std::size_t const head = length == 126 ? 4 : 2;
                auto const size = length == 126 ? byte(2) * 256 + byte(3) : length;
                if (incoming.size() < head + size) break;
                bool const is_text = byte(0) == 0x81;
                auto text = incoming.substr(head, size);
                incoming.erase(0, head + size);
                if (is_text) return text;
            }
            return std::nullopt;
        }
    };

    /// A turn that goes on in a channel.
    struct turn {
        steady::time_point begin; ///< when it was to begin; none: all have been told
        std::size_t told = 0;
        bool is_taken = false;
        std::function<void()> on_all_told = [] {};
    };

    void spawn(task<> work) {
        asio::co_spawn(io_, std::move(work), [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
    }

    task<> connect_all() {
        turns_.resize(settings_.channels);
        for (std::size_t i = 0; i < settings_.connections; ++i) {
            auto one = std::make_unique<client>(socket_type(io_));
            co_await one->socket.async_connect({asio::ip::address_v4::loopback(), port_}, use_task);
            one->socket.set_option(asio::ip::tcp::no_delay(true));
            one->channel = i % settings_.channels;
            auto const user = run_ + std::to_string(i);
            auto const token =
                make_jwt({{"userId", user}, {"userName", user}}, secret(secret_text));
            auto const upgrade = "GET /ws?token=" + token +
                                 " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            co_await asio::async_write(one->socket, asio::buffer(upgrade), use_task);
            auto const head = co_await asio::async_read_until(
                one->socket, asio::dynamic_buffer(one->incoming), "\r\n\r\n", use_task);
            if (!one->incoming.starts_with("HTTP/1.1 101"))
                throw std::runtime_error("no upgrade: " + one->incoming);
            one->incoming.erase(0, head);
            co_await one->send(message("join-channel", one->channel, "join"));
            std::string text;
            while (text.find(R"("id":"join")") == text.npos)
                text = co_await read(*one);
            clients_.push_back(std::move(one));
        }
    }

    [[nodiscard]] std::string message(std::string const& type, std::size_t channel,
                                      std::string const& id) const {
        return R"({"type":")" + type + R"(","id":")" + id + R"(","data":{"channelId":")" + run_ +
               "channel-" + std::to_string(channel) + "\"}}";
    }

    static task<std::string> read(client& one) {
        for (;;) {
            if (auto text = one.next()) co_return *std::move(text);
            auto const n = co_await one.socket.async_read_some(asio::buffer(one.buffer), use_task);
            one.incoming.append(one.buffer.data(), n);
        }
    }

    /// Until the last turn is over.
    task<> listen(client& one) {
        try {
            for (;;) {
                auto const text = co_await read(one);
                auto const id = text_after(text, R"("id":")");
                if (text.find(R"("success":false)") != text.npos ||
                    text.find(R"("error":)") != text.npos)
                    throw std::runtime_error("refused: " + text);
                if (!id.empty()) {
                    one.answered = id;
                    one.on_answer();
                } else if (text.find("speaker-changed") != text.npos) {
                    auto& now = turns_[one.channel];
                    bool const is_over = text.find(R"("isBusy":false)") != text.npos;
                    if (is_over || now.begin == steady::time_point{}) continue;
                    std::chrono::duration<double, std::milli> const took =
                        steady::now() - now.begin;
                    latencies_.push_back(took.count());
                    if (++now.told == settings_.connections / settings_.channels - 1) {
                        now.begin = {};
                        now.on_all_told();
                    }
                }
            }
        } catch (boost::system::system_error const&) {
            co_return; // closed below
        }
    }

    /// Turns begin at random times, whether or not others are over: a server that is slow for a
    /// while does not get fewer of them.
    task<> begin_turns() {
        std::exponential_distribution<> pause(settings_.rate);
        timer_type timer(io_.get_executor());
        auto next = steady::now();
        for (std::size_t n = 0; n < settings_.turns; ++n) {
            next += std::chrono::duration_cast<steady::duration>(
                std::chrono::duration<double>(pause(random_)));
            timer.expires_at(next);
            co_await timer.async_wait(use_task);
            auto const channel = idle_channel();
            turns_[channel] = {next, 0, false, [] {}};
            ++busy_;
            spawn(take_turn(channel, n));
        }
        all_begun_ = true;
    }

    std::size_t idle_channel() {
        for (std::size_t tries = 0; tries < 1000; ++tries) {
            auto const channel = random_() % settings_.channels;
            if (!turns_[channel].is_taken) return channel;
        }
        throw std::runtime_error("somebody talks in every channel: choose a lower --rate");
    }

    /// Somebody in the channel takes the floor, and lets go of it once all have been told.
    task<> take_turn(std::size_t channel, std::size_t n) {
        timer_type bell(io_.get_executor());
        auto const ring = [&bell] { bell.cancel(); };
        auto const members = settings_.connections / settings_.channels;
        auto& speaker = *clients_[channel + settings_.channels * (random_() % members)];
        turns_[channel].is_taken = true;
        turns_[channel].on_all_told = ring;
        co_await speaker.send(message("ptt-start", channel, "a" + std::to_string(n)));
        co_await wait(bell, [&] { return turns_[channel].begin == steady::time_point{}; });
        speaker.on_answer = ring;
        auto const id = "o" + std::to_string(n);
        co_await speaker.send(message("ptt-stop", channel, id));
        co_await wait(bell, [&] { return speaker.answered == id; });
        speaker.on_answer = [] {};
        turns_[channel] = {};
        if (--busy_ != 0 || !all_begun_) co_return;
        for (auto& one : clients_)
            one->socket.close();
    }

    template <class Done>
    static task<> wait(timer_type& bell, Done done) {
        while (!done()) {
            bell.expires_after(std::chrono::seconds(10));
            auto [ec] = co_await bell.async_wait(asio::as_tuple(use_task));
            if (!ec) throw std::runtime_error("a listener was not told within 10 s");
        }
    }

    settings const& settings_;
    std::uint16_t port_;
    std::string run_; ///< what this run's users and channels begin with
    std::minstd_rand random_;
    asio::io_context io_{1};
    std::vector<std::unique_ptr<client>> clients_;
    std::vector<turn> turns_; ///< by channel
    std::size_t busy_ = 0;
    bool all_begun_ = false;
    std::vector<double> latencies_;
};

// ---- The servers --------------------------------------------------------------------------------

std::uint16_t free_port() {
    asio::io_context io;
    asio::ip::tcp::acceptor const any(io, {asio::ip::address_v4::loopback(), 0});
    return any.local_endpoint().port();
}

child_process start_voice(settings const& s, std::string const& folder, std::string const& redis) {
    auto const path = folder + "/voice" + (redis.empty() ? "" : "-redis") + ".json";
    std::ofstream(path) << R"({"server":{"port":0},"limits":{"connectionsPerMinute":0},)"
                        << R"("floors":{"redis":")" << redis << "\"}}\n";
    return child_process({s.voice, "serve", "--config", path});
}

child_process start_peer(settings const& s, std::string const& redis) {
    std::vector<std::string> command{s.node, s.peer, "--connections-per-minute", "1000000"};
    if (!redis.empty()) {
        command.push_back("--redis");
        command.push_back(redis);
    }
    return child_process(command);
}

using runs = std::map<std::string, std::vector<measurement>>;

double median(runs const& all, std::string const& who, double measurement::*what) {
    return benchmarks::median(all.at(who), what);
}

void print(runs const& all) {
    std::printf("%-10s %10s %10s %22s %22s\n", "server", "p50 ms", "p99 ms", "server CPU us a turn",
                "memory KiB a connection");
    for (auto const& [who, some] : all) {
        // Of the memory the first round tells most: later ones find it allocated.
        std::printf("%-10s %10.2f %10.2f %22.0f %22.1f\n", who.c_str(),
                    median(all, who, &measurement::p50_ms), median(all, who, &measurement::p99_ms),
                    median(all, who, &measurement::cpu_us), some.front().memory_kib);
    }
    auto const compare = [&all](std::string const& one, std::string const& other) {
        if (!all.contains(one) || !all.contains(other)) return;
        auto const ratio = [&](double measurement::*what) {
            return median(all, one, what) / median(all, other, what);
        };
        std::printf("%-8s / %-8s  p50 %.2f   p99 %.2f   CPU %.2f\n", one.c_str(), other.c_str(),
                    ratio(&measurement::p50_ms), ratio(&measurement::p99_ms),
                    ratio(&measurement::cpu_us));
    };
    compare("voice", "peer");
    compare("voice+r", "peer+r");
    compare("voice", "ceiling");
}

int compare(settings const& s, std::string const& self) {
    parley::test::temporary_directory const folder;
    ::setenv("ROUTER_JWT_SECRET", secret_text.c_str(), 1);
    std::map<std::string, child_process> servers;
    auto const port = std::to_string(free_port());
    std::string const redis_url = "redis://127.0.0.1:" + port;
    std::optional<child_process> redis;
    if (!s.redis.empty()) {
        redis.emplace(std::vector<std::string>{s.redis, "--port", port, "--bind", "127.0.0.1",
                                               "--save", "", "--dir", folder.path().string()});
        redis->wait_for_port();
    }
    servers.emplace("voice", start_voice(s, folder.path().string(), {}));
    if (redis) servers.emplace("voice+r", start_voice(s, folder.path().string(), redis_url));
    if (!s.peer.empty()) {
        servers.emplace("peer", start_peer(s, {}));
        if (redis) servers.emplace("peer+r", start_peer(s, redis_url));
    }
    servers.emplace("ceiling", child_process({self, "--serve-ceiling"}));
    std::map<std::string, std::uint16_t> ports;
    for (auto& [who, server] : servers)
        ports[who] = server.wait_for_port();
    runs all;
    for (std::size_t round = 0; round < s.rounds; ++round) {
        for (auto& [who, server] : servers) {
            crowd work(s, ports[who], "r" + std::to_string(round) + '-');
            all[who].push_back(work.measure(server));
            std::fprintf(stderr, "round %zu of %zu: %s done\n", round + 1, s.rounds, who.c_str());
        }
    }
    print(all);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    settings s;
    bool ceiling = false;
    CLI::App app("Push-to-talk: from ptt-start to speaker-changed, beside a peer and a ceiling");
    app.add_option("--voice", s.voice, "The voice-signaling program");
    app.add_option("--peer", s.peer, "benchmarks/peer/voice.mjs, after `npm ci` there");
    app.add_option("--node", s.node, "Node.js, for the peer")->capture_default_str();
    app.add_option("--redis", s.redis, "redis-server; empty: only with floors in memory")
        ->capture_default_str();
    app.add_option("--connections", s.connections, "Connections")
        ->capture_default_str()
        ->check(CLI::Range(2, 10'000));
    app.add_option("--channels", s.channels, "Channels that they are in")
        ->capture_default_str()
        ->check(CLI::Range(1, 5'000));
    app.add_option("--rate", s.rate, "Turns begun a second, at random times")
        ->capture_default_str()
        ->check(CLI::Range(1.0, 100'000.0));
    app.add_option("--turns", s.turns, "Turns a round and server")
        ->capture_default_str()
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("--rounds", s.rounds, "Rounds; medians are printed")
        ->capture_default_str()
        ->check(CLI::Range(1, 100));
    app.add_flag("--serve-ceiling", ceiling, "Be the ceiling (the benchmark starts itself so)");
    CLI11_PARSE(app, argc, argv);
    try {
        if (ceiling) return serve_ceiling();
        if (s.voice.empty()) throw std::runtime_error("--voice is missing; see --help");
        if (s.connections < 2 * s.channels)
            throw std::runtime_error("at least two connections a channel are needed");
        return compare(s, argv[0]);
    } catch (std::exception const& e) {
        std::cerr << "bench-voice: " << e.what() << '\n';
        return 1;
    }
}
