// Distributed under the Boost Software License, Version 1.0. See LICENSE.

/// \file
/// Whatever peers send, and whatever happens in whatever order: the server neither falls over nor
/// keeps anything of a peer that is gone. Seeds are fixed, so a failure can be had again.

#include <tests/support/test_server.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace parley;
using namespace parley::test;

namespace {

class dice {
  public:
    explicit dice(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
    }
    bool one_in(std::size_t n) { return below(n) == 0; }

    template <class Range>
    auto& pick(Range& range) {
        return range[below(std::size(range))];
    }

    std::string bytes(std::size_t most) {
        std::string text(below(most + 1), ' ');
        for (char& c : text)
            c = static_cast<char>(below(256));
        return text;
    }

  private:
    std::mt19937_64 random_;
};

/// A client's end of a connection, on which anything may be sent.
class wire {
  public:
    explicit wire(memory_world& world)
        : world_(world),
          state_(std::make_shared<state>(world.transport.connect(world.io.get_executor()))) {}
    wire(wire&&) = default;
    wire& operator=(wire&&) = delete;
    ~wire() {
        if (state_) state_->stream.close();
    }

    /// Sends as much as the server takes, and the rest later.
    void send(std::string_view bytes) {
        state_->out += bytes;
        if (!std::exchange(state_->writing, true)) {
            asio::co_spawn(world_.io, write(state_), asio::detached);
        }
        world_.settle();
    }

    void read() {
        if (!std::exchange(state_->reading, true)) {
            asio::co_spawn(world_.io, read(state_), asio::detached);
        }
        world_.settle();
    }

    [[nodiscard]] std::string const& received() const { return state_->in; }

  private:
    struct state {
        explicit state(memory_stream s) : stream(std::move(s)) {}
        memory_stream stream;
        std::string out;
        std::string in;
        bool writing = false;
        bool reading = false;
    };

    static task<> write(std::shared_ptr<state> s) {
        while (!s->out.empty()) {
            auto const bytes = std::exchange(s->out, {});
            auto [ec, n] = co_await asio::async_write(s->stream, asio::buffer(bytes),
                                                      asio::as_tuple(use_task));
            if (ec) co_return;
        }
        s->writing = false;
    }

    static task<> read(std::shared_ptr<state> s) {
        std::array<char, 4096> some{};
        for (;;) {
            auto [ec, n] =
                co_await s->stream.async_read_some(asio::buffer(some), asio::as_tuple(use_task));
            if (ec) co_return;
            s->in.append(some.data(), n);
        }
    }

    memory_world& world_;
    std::shared_ptr<state> state_;
};

/// What a conversation may come to do: each session does one of these things.
scripted_conversation unpredictable(dice& d, memory_world& world) {
    scripted_conversation conversation;
    conversation.script = [&](test_session& session) -> task<close_reason> {
        session.describe(d.one_in(2) ? "ann" : "bob", "");
        switch (d.below(8)) {
        case 0:
            throw std::runtime_error("a bug");
        case 1:
            throw 42;
        case 2:
            co_return close_reason(4000, std::string(d.below(200), 'x'));
        case 3: { // busy with something else
            auto timer = world.transport.make_timer(world.io.get_executor());
            timer.expires_at(world.transport.now() + std::chrono::milliseconds(d.below(40'000)));
            co_await timer.async_wait(asio::as_tuple(use_task));
            break;
        }
        case 4: // talks much
            for (int i = 0; i < 30; ++i) {
                if (!co_await session.send_text(d.bytes(20'000))) break;
            }
            break;
        case 5: { // asks, and waits for an answer
            co_await session.send_text("?");
            auto const deadline = session.deadline_after(std::chrono::milliseconds(d.below(9000)));
            co_await session.receive_text(deadline);
            session.complete();
            co_return close_reason();
        }
        default:
            break;
        }
        co_return co_await scripted_conversation::echo(session);
    };
    conversation.who = [&](http_request const&) -> scripted_conversation::identification {
        if (d.one_in(20)) throw std::runtime_error("a bug");
        if (d.one_in(20)) return make_error_response(http::status::unauthorized, "who are you?");
        return identified<std::string>{"ann", d.one_in(4) ? "v1" : ""};
    };
    return conversation;
}

/// A server of small limits, so that all of them are met.
struct arena {
    explicit arena(std::uint64_t seed) : d(seed), world(limits(), false) {
        world.server.route(http::verb::get, "/health",
                           [](auto const&, route_context) -> task<http_response> {
                               co_return make_response(http::status::ok, "text/plain", "well");
                           });
        world.server.route(http::verb::post, "/echo",
                           [](http_request const& request, route_context) -> task<http_response> {
                               co_return make_response(http::status::ok, "text/plain",
                                                       request.body());
                           });
        world.start();
    }

    dice d;
    test_server world;

    void check() {
        auto const active = world.admission().active();
        BOOST_TEST_REQUIRE(active <= ceiling);
        BOOST_TEST_REQUIRE(world.server.active_sessions().size() <= active);
        BOOST_TEST_REQUIRE(world.server.connections() <= most_connections);
    }

    /// Everybody has left; after a while nothing of them may be there.
    void check_empty() {
        world.advance_in_steps(2min, 5s);
        BOOST_TEST_REQUIRE(world.server.connections() == 0u);
        BOOST_TEST_REQUIRE(world.admission().active() == 0u);
        BOOST_TEST_REQUIRE(world.admission().queued() == 0u);
        world.logged.clear();
    }

    /// Sends it in pieces; the server may answer, or not be listened to.
    void send_in_pieces(std::string_view bytes) {
        wire peer(world);
        if (!d.one_in(4)) peer.read();
        while (!bytes.empty()) {
            auto const n = std::min(bytes.size(), 1 + d.below(d.one_in(3) ? 10 : 1000));
            peer.send(bytes.substr(0, n));
            bytes.remove_prefix(n);
            if (d.one_in(20)) world.advance(std::chrono::milliseconds(d.below(5000)));
        }
        auto const answer = std::string_view(peer.received()).substr(0, 7);
        BOOST_TEST_REQUIRE((answer.empty() || answer == "HTTP/1."));
        check();
    }

  private:
    static constexpr std::size_t ceiling = 3;
    static constexpr std::size_t most_connections = 8;

    test_server::options limits() {
        test_server::options o;
        o.server.max_head = 1024;
        o.server.max_body = 1024;
        o.server.max_connections = most_connections;
        o.server.limits = {.max_message = 1000,
                           .max_waiting_in = 1 + d.below(3),
                           .max_waiting_out = 50'000,
                           .ping_interval = d.one_in(2) ? 0s : 7s,
                           .discard_unexpected = d.one_in(2)};
        o.admission = {.max_concurrent = ceiling, .queue_timeout = 20s, .max_queued = 3};
        o.conversation = unpredictable(d, world);
        return o;
    }
};

/// Something like what a client sends: an upgrade and some frames, or a few plain requests.
std::string plausible(dice& d) {
    std::string bytes;
    while (d.one_in(3))
        bytes += d.one_in(2) ? "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
                             : "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    if (d.one_in(5))
        bytes += "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    return bytes + upgrade_request(d.one_in(10) ? "/elsewhere" : "/ws");
}

std::string some_frame(dice& d) {
    static constexpr std::array<std::uint8_t, 10> first_bytes{0x81, 0x81, 0x81, 0x82, 0x01,
                                                              0x80, 0x00, 0x89, 0x8A, 0x88};
    auto const first = d.pick(first_bytes);
    if (first == 0x88) return close_frame(static_cast<std::uint16_t>(1000 + d.below(20)));
    if (first >= 0x88) return client_frame(first, std::string(d.below(126), 'p'));
    return client_frame(first, std::string(d.below(d.one_in(10) ? 2000 : 200), 'x'));
}

/// Changes a few bytes, or doubles, drops or moves a piece.
void mutate(std::string& bytes, dice& d) {
    for (auto changes = 1 + d.below(4); changes > 0 && !bytes.empty(); --changes) {
        auto const at = d.below(bytes.size());
        auto const n = 1 + d.below(std::min<std::size_t>(bytes.size() - at, 40));
        switch (d.below(6)) {
        case 0:
            bytes[at] = static_cast<char>(d.below(256));
            break;
        case 1:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << d.below(8)));
            break;
        case 2:
            bytes.erase(at, n);
            break;
        case 3:
            bytes.insert(at, bytes.substr(at, n));
            break;
        case 4:
            bytes.insert(at, d.one_in(2) ? "\r\n" : d.bytes(20));
            break;
        default:
            bytes.resize(at);
            break;
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(server_fuzz)

BOOST_AUTO_TEST_CASE(garbage) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        arena a(seed);
        for (int i = 0; i < 500; ++i) {
            std::string bytes = a.d.bytes(2000);
            if (a.d.one_in(2)) { // of the kind that looks like text
                for (char& c : bytes)
                    c = "GET /ws: HTP1.\r\n\r\n"[static_cast<unsigned char>(c) % 18];
            }
            a.send_in_pieces(bytes);
        }
        a.check_empty();
    }
}

BOOST_AUTO_TEST_CASE(requests_that_were_tampered_with) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        arena a(seed);
        for (int i = 0; i < 1000; ++i) {
            auto bytes = plausible(a.d);
            mutate(bytes, a.d);
            a.send_in_pieces(bytes);
        }
        a.check_empty();
    }
}

BOOST_AUTO_TEST_CASE(frames_that_were_tampered_with) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        arena a(seed);
        for (int i = 0; i < 700; ++i) {
            wire peer(a.world);
            if (!a.d.one_in(5)) peer.read();
            peer.send(upgrade_request());
            std::string frames;
            for (auto n = a.d.below(8); n > 0; --n)
                frames += some_frame(a.d);
            if (!a.d.one_in(3)) mutate(frames, a.d);
            for (std::string_view left = frames; !left.empty();) {
                auto const n = std::min(left.size(), 1 + a.d.below(300));
                peer.send(left.substr(0, n));
                left.remove_prefix(n);
            }
            if (a.d.one_in(4)) a.world.advance(std::chrono::milliseconds(a.d.below(10'000)));
            a.check();
        }
        a.check_empty();
    }
}

BOOST_AUTO_TEST_CASE(events_in_any_order) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        arena a(seed);
        auto& d = a.d;
        std::vector<wire> peers;
        for (int i = 0; i < 150; ++i) {
            bool const anybody = !peers.empty();
            switch (d.below(12)) {
            case 0:
            case 1:
                if (peers.size() < 12) {
                    peers.emplace_back(a.world);
                    if (!d.one_in(6)) peers.back().read();
                    if (!d.one_in(8)) peers.back().send(plausible(d));
                }
                break;
            case 2:
            case 3:
            case 4:
                if (anybody) d.pick(peers).send(some_frame(d));
                break;
            case 5:
                if (anybody) d.pick(peers).read();
                break;
            case 6:
                if (anybody) d.pick(peers).send(pong_frame());
                break;
            case 7: {
                if (!anybody) break;
                std::vector<wire> rest; // one of them leaves
                auto const leaves = d.below(peers.size());
                for (std::size_t p = 0; p < peers.size(); ++p) {
                    if (p != leaves) rest.push_back(std::move(peers[p]));
                }
                peers.swap(rest);
                break;
            }
            case 8:
                a.world.advance(std::chrono::milliseconds(d.below(3000)));
                break;
            case 9:
                a.world.advance(std::chrono::seconds(d.below(15)));
                break;
            case 10:
                a.world.broadcast(d.bytes(3000));
                break;
            default: {
                auto const is_ann = [](session_info const& info) { return info.subject == "ann"; };
                for (auto const& handle : a.world.server.find_sessions(is_ann)) {
                    handle.send(std::make_shared<std::string>("psst"));
                    if (d.one_in(3)) handle.close({4001, "moderated"});
                }
                if (d.one_in(10)) { // shut down, in the middle of it all, and start again
                    auto const grace = std::chrono::seconds(d.below(5));
                    a.world.stop(grace);
                    a.world.advance(grace);
                    BOOST_TEST_REQUIRE(a.world.stopped);
                    a.world.start();
                }
            }
            }
            a.world.settle();
            a.check();
        }
        peers.clear();
        a.check_empty();
    }
}

BOOST_AUTO_TEST_SUITE_END()
