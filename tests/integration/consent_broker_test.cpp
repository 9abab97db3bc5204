// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// The consent broker of real parts: TCP, threads, SQLite and a hash-chained audit log.
#include <tests/support/broker_deployment.hpp>
#include <tests/support/frames.hpp>
#include <tests/support/temporary_directory.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace parley::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace data = boost::unit_test::data;
using asio::ip::tcp;
using clock_type = std::chrono::steady_clock;

/// A peer that does as it is told, and blocks; for at most ten seconds at a time.
class raw_peer {
  public:
    explicit raw_peer(std::uint16_t port) : ws_(io_) {
        socket().connect(loopback(port));
        timeval const limit{10, 0};
        ::setsockopt(socket().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(socket().native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }

    tcp::socket& socket() { return ws_.next_layer(); }

    raw_peer& upgrade() {
        ws_.handshake("broker.test", "/ws/handshake");
        return *this;
    }

    raw_peer& say(std::string const& text, bool binary = false) {
        ws_.binary(binary);
        ws_.write(asio::buffer(text));
        return *this;
    }

    std::string hear() {
        beast::flat_buffer buffer;
        ws_.read(buffer);
        return beast::buffers_to_string(buffer.data());
    }

    /// The code of the close frame that comes; 0 when there is none.
    std::uint16_t closed() {
        beast::flat_buffer buffer;
        boost::system::error_code ec;
        while (!ec)
            ws_.read(buffer, ec);
        return ws_.reason().code; // whether or not it could be answered
    }

    /// Writes bytes past the WebSocket.
    raw_peer& write(std::string_view bytes) {
        boost::system::error_code ignored; // the broker may have had enough of it
        asio::write(socket(), asio::buffer(bytes), ignored);
        return *this;
    }

    /// Writes bytes past the WebSocket, again and again, until something comes.
    raw_peer& write_until_answered(std::string_view bytes) {
        boost::system::error_code ec;
        while (!ec && socket().available(ec) == 0)
            asio::write(socket(), asio::buffer(bytes), ec);
        return *this;
    }

    /// All bytes until the broker closes; fails when it does not.
    std::string read_all() {
        std::string all;
        boost::system::error_code ec;
        asio::read(socket(), asio::dynamic_buffer(all), ec);
        was_reset_ = ec == asio::error::connection_reset;
        BOOST_TEST((ec == asio::error::eof || ec == asio::error::connection_reset), ec.message());
        return all;
    }

    /// After `read_all`: something may have been lost on the way.
    [[nodiscard]] bool was_reset() const { return was_reset_; }

    /// Cuts the line without a word: the broker sees a reset.
    void reset() {
        socket().set_option(asio::socket_base::linger(true, 0));
        socket().close();
    }

  private:
    asio::io_context io_;
    beast::websocket::stream<tcp::socket, false> ws_;
    bool was_reset_ = false;
};

/// Waits until `done()`, for at most ten seconds.
template <class Done>
bool eventually(Done done) {
    for (auto const end = clock_type::now() + 10s; clock_type::now() < end;) {
        if (done()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

std::vector<patient> crowd_of(std::size_t n) {
    std::vector<patient> everybody;
    for (std::size_t i = 0; i < n; ++i)
        everybody.push_back(patient_called("patient-" + std::to_string(i)));
    return everybody;
}

} // namespace

BOOST_AUTO_TEST_SUITE(consent_broker)

BOOST_DATA_TEST_CASE(a_patient_finds_a_provider, data::xrange(1U, 3U), threads) {
    temporary_directory const directory;
    patient const ann;
    parley::consent::handshake_complete first;
    {
        deployment broker(directory.path(), {.threads = threads});
        first = agree(broker.port(), ann);
        BOOST_TEST(first.status == "new");
        BOOST_TEST(first.provider_endpoint == "https://broker.test/ws/provider/1245319599");
        auto const second = agree(broker.port(), ann);
        BOOST_TEST(second.status == "existing");
        BOOST_TEST(second.relationship_id == first.relationship_id);
    }
    { // also after a restart
        deployment broker(directory.path(), {.threads = threads});
        auto const third = agree(broker.port(), ann);
        BOOST_TEST(third.status == "existing");
        BOOST_TEST(third.relationship_id == first.relationship_id);
    }
    raw_database database(directory / "broker.db");
    BOOST_TEST(database.query("SELECT relationship_id || ' ' || patient_agent_id || ' ' || status "
                              "FROM relationships") ==
               first.relationship_id + " patient-001 active\n");
    BOOST_TEST(database.number("SELECT count(*) FROM parley_audit_outbox") == 0);
}

BOOST_AUTO_TEST_CASE(a_listener_may_be_given_and_the_context_be_the_callers) {
    temporary_directory const directory;
    asio::io_context io(1);
    deployment broker(directory.path(), {.threads = 0});
    auto listener = parley::tcp_transport::listen(io.get_executor(), loopback());
    BOOST_REQUIRE(listener.has_value());
    auto const port = listener->port();
    raw_peer early(port); // before anyone accepts
    broker.server().start(io, std::move(*listener));
    BOOST_TEST(broker.port() == port);

    std::thread runner([&] { io.run(); });
    BOOST_TEST(agree(port, patient()).status == "new");
    early.upgrade();
    asio::co_spawn(io, broker.server().async_stop(10s), asio::detached);
    BOOST_TEST(early.closed() == 1001);
    runner.join(); // nothing is left to do
}

BOOST_DATA_TEST_CASE(a_crowd_is_served_though_few_are_let_in_at_once, data::xrange(1U, 3U),
                     threads) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.threads = threads, .ceiling = 10});
    auto const everybody = crowd_of(200);
    std::set<std::string> ids;
    for (auto const& result : shake_hands(broker.port(), everybody)) {
        BOOST_TEST((result.how == handshake_outcome::completed), result.code << result.message);
        BOOST_TEST(result.agreed.status == "new");
        BOOST_TEST(result.close_code.value_or(0) == 1000);
        ids.insert(result.agreed.relationship_id);
    }
    BOOST_TEST(ids.size() == everybody.size());
    BOOST_TEST(broker.crowd() <= 10u);
    BOOST_TEST(broker.server().conversation().statistics().completed == everybody.size());
}

BOOST_DATA_TEST_CASE(racing_handshakes_of_one_patient_make_one_relationship, data::xrange(1U, 3U),
                     threads) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.threads = threads});
    for (int round = 0; round < 40; ++round) {
        auto const ann = patient_called("patient-" + std::to_string(round));
        auto const results = shake_hands(broker.port(), std::vector(4, ann));
        std::set<std::string> ids;
        for (auto const& result : results) {
            BOOST_TEST((result.how == handshake_outcome::completed), result.code << result.message);
            ids.insert(result.agreed.relationship_id);
        }
        BOOST_TEST(ids.size() == 1u);
        BOOST_TEST(std::ranges::count_if(
                       results, [](auto const& r) { return r.agreed.status == "new"; }) == 1);
    }
    broker.stop();
    raw_database database(directory / "broker.db");
    BOOST_TEST(database.number("SELECT count(*) FROM relationships") == 40);
}

// ---- Peers that do not behave
// --------------------------------------------------------------------

BOOST_DATA_TEST_CASE(half_a_head_holds_nobody_up, data::xrange(1U, 3U), threads) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.threads = threads, .head_timeout = 1s});
    auto const began = clock_type::now();
    std::vector<std::unique_ptr<raw_peer>> slow;
    for (int i = 0; i < 200; ++i) {
        slow.push_back(std::make_unique<raw_peer>(broker.port()));
        slow.back()->write("GET /ws/handshake HTTP/1.1\r\nHost: broker.test\r\nX-Slow: ");
    }
    BOOST_TEST(agree(broker.port(), patient()).status == "new");
    for (auto const& peer : slow)
        peer->write("still");
    for (auto const& peer : slow)
        BOOST_TEST(peer->read_all() == "");
    BOOST_TEST((clock_type::now() - began >= 1s));
    BOOST_TEST(eventually([&] { return broker.server().connections() == 0; }));
}

BOOST_AUTO_TEST_CASE(peers_that_say_nothing_give_their_places_up) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.ceiling = 3, .auth_timeout = 300ms});
    std::vector<std::unique_ptr<raw_peer>> silent;
    for (int i = 0; i < 3; ++i) {
        silent.push_back(std::make_unique<raw_peer>(broker.port()));
        silent.back()->upgrade();
    }
    BOOST_TEST(agree(broker.port(), patient()).status == "new");
    for (auto const& peer : silent) {
        BOOST_TEST(as<parley::consent::handshake_error>(peer->hear()).code == "AUTH_TIMEOUT");
        BOOST_TEST(peer->closed() == 4001);
    }
}

BOOST_AUTO_TEST_CASE(peers_that_vanish_give_their_places_up) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.ceiling = 1});
    auto& admission = broker.server().policies().admission;
    patient const ann;

    raw_peer inside(broker.port());
    inside.upgrade();
    raw_peer queued(broker.port());
    queued.write("GET /ws/handshake HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n");
    BOOST_TEST(eventually([&] { return admission.queued() == 1; }));
    queued.reset();
    BOOST_TEST(eventually([&] { return admission.queued() == 0; }));
    inside.reset();
    BOOST_TEST(eventually([&] { return admission.active() == 0; }));

    raw_peer challenged(broker.port());
    as<parley::consent::handshake_challenge>(challenged.upgrade().say(ann.auth_text()).hear());
    challenged.reset();
    BOOST_TEST(eventually([&] { return admission.active() == 0; }));

    raw_peer half_open(broker.port()); // sends no more, but would listen
    half_open.upgrade().socket().shutdown(tcp::socket::shutdown_send);
    BOOST_TEST(eventually([&] { return admission.active() == 0; }));

    BOOST_TEST(agree(broker.port(), ann).status == "new");
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused_and_harms_nobody) {
    temporary_directory const directory;
    deployment broker(directory.path());
    auto const port = broker.port();
    BOOST_TEST(raw_peer(port).write("NONSENSE\r\n\r\n").read_all().starts_with("HTTP/1.1 400 "));
    BOOST_TEST(raw_peer(port)
                   .write("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n")
                   .read_all()
                   .starts_with("HTTP/1.1 431 "));
    BOOST_TEST(raw_peer(port)
                   .write("GET /nowhere HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
                   .read_all()
                   .starts_with("HTTP/1.1 404 "));
    raw_peer(port).write(std::string_view("\x16\x03\x01\0\xff", 5)).reset();

    raw_peer oversized(port);
    oversized.upgrade().say(std::string(65'537, ' '));
    BOOST_TEST(oversized.closed() == 1009);

    raw_peer binary(port);
    auto const told = binary.upgrade().say(patient().auth_text(), true).hear();
    BOOST_TEST(as<parley::consent::handshake_error>(told).code == "INVALID_MESSAGE");
    BOOST_TEST(binary.closed() == 4002);

    raw_peer not_json(port);
    not_json.upgrade().say("{").hear();
    BOOST_TEST(not_json.closed() == 4002);

    raw_peer no_frame(port);
    no_frame.upgrade().write(std::string(64, '\xff'));
    BOOST_TEST(no_frame.closed() == 1002);

    BOOST_TEST(agree(port, patient()).status == "new");
}

BOOST_AUTO_TEST_CASE(an_answer_arrives_though_more_is_sent_than_is_read) {
    temporary_directory const directory;
    deployment broker(directory.path());
    raw_peer peer(broker.port());
    peer.write("GET /nowhere HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n" +
               std::string(500'000, 'x'));
    BOOST_TEST(peer.read_all().starts_with("HTTP/1.1 404 "));
    BOOST_TEST(!peer.was_reset());
}

BOOST_AUTO_TEST_CASE(a_peer_that_talks_on_is_told_what_was_wrong) {
    temporary_directory const directory;
    deployment broker(directory.path());
    std::string burst;
    for (int i = 0; i < 1'000; ++i)
        burst += text_frame("garbage");
    raw_peer peer(broker.port());
    auto const told = peer.upgrade().write_until_answered(burst).hear();
    BOOST_TEST(as<parley::consent::handshake_error>(told).code == "INVALID_MESSAGE");
}

BOOST_AUTO_TEST_CASE(what_comes_before_its_turn_is_discarded) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.threads = 2});
    for (auto const& who : crowd_of(200)) {
        raw_peer peer(broker.port());
        auto const auth = text_frame(who.auth_text());
        peer.upgrade().write(auth + auth + text_frame("garbage")); // in one segment
        auto const told = peer.say(who.answer(peer.hear())).hear();
        BOOST_TEST(as<parley::consent::handshake_complete>(told).status == "new");
        BOOST_TEST(peer.closed() == 1000);
    }
}

// ---- Ends
// ----------------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(a_stop_ends_each_peer_where_it_is, data::xrange(1U, 3U), threads) {
    temporary_directory const directory;
    deployment broker(directory.path(), {.threads = threads, .ceiling = 2});
    patient const ann;
    raw_peer silent(broker.port());
    silent.upgrade();
    raw_peer challenged(broker.port());
    challenged.upgrade().say(ann.auth_text()).hear();
    raw_peer queued(broker.port());
    queued.write("GET /ws/handshake HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Version: 13\r\n\r\n");
    raw_peer idle(broker.port());
    BOOST_TEST(eventually([&] {
        return broker.server().policies().admission.queued() == 1 &&
               broker.server().connections() == 4;
    }));

    std::thread stopper([&] { broker.server().stop(10s); });
    BOOST_TEST(silent.closed() == 1001);
    BOOST_TEST(challenged.closed() == 1001);
    auto const answer = queued.read_all();
    BOOST_TEST(answer.starts_with("HTTP/1.1 503 "));
    BOOST_TEST(answer.find("Retry-After: ") != answer.npos);
    BOOST_TEST(idle.read_all() == "");
    stopper.join();
}

BOOST_AUTO_TEST_CASE(what_was_told_is_kept_though_the_broker_is_killed) {
    temporary_directory const directory;
    std::array<int, 2> pipe{};
    BOOST_REQUIRE(::pipe(pipe.data()) == 0);
    auto const child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) { // is the broker, until it is killed
        deployment broker(directory.path(), {.threads = 2});
        auto const port = broker.port();
        if (::write(pipe[1], &port, sizeof port) != sizeof port) ::_exit(1);
        for (;;)
            ::pause();
    }
    std::uint16_t port = 0;
    BOOST_REQUIRE(::read(pipe[0], &port, sizeof port) == sizeof port);

    auto const everybody = crowd_of(100);
    asio::io_context io(1);
    std::vector<std::string> told(everybody.size());
    std::size_t completed = 0;
    for (std::size_t i = 0; i < everybody.size(); ++i) {
        asio::co_spawn(io, shake_hands(port, everybody[i]),
                       [&, i](std::exception_ptr, parley::consent::handshake_result r) {
                           if (r.how != handshake_outcome::completed) return;
                           told[i] = r.agreed.relationship_id;
                           if (++completed == 40) ::kill(child, SIGKILL);
                       });
    }
    io.run();
    ::waitpid(child, nullptr, 0);
    ::close(pipe[0]);
    ::close(pipe[1]);
    BOOST_TEST(completed >= 40u);

    deployment broker(directory.path());
    std::size_t kept = 0;
    auto const results = shake_hands(broker.port(), everybody);
    for (std::size_t i = 0; i < everybody.size(); ++i) {
        BOOST_TEST((results[i].how == handshake_outcome::completed));
        if (results[i].agreed.status == "existing") ++kept;
        if (told[i].empty()) continue;
        BOOST_TEST(results[i].agreed.status == "existing");
        BOOST_TEST(results[i].agreed.relationship_id == told[i]);
    }
    BOOST_TEST(kept >= completed);
    broker.stop();

    // Each relationship is in the audit log once, whether the broker could tell it or not.
    raw_database database(directory / "broker.db");
    BOOST_TEST(database.number("SELECT count(*) FROM parley_audit_outbox") == 0);
    std::ifstream log(directory / "audit.jsonl");
    std::multiset<std::string> established;
    for (std::string line; std::getline(log, line);) {
        auto const entry = boost::json::parse(line).as_object();
        if (entry.at("action") != "consent.relationship_established") continue;
        established.emplace(entry.at("details").at("relationship_id").as_string());
    }
    BOOST_TEST(established.size() == everybody.size());
    for (auto const& result : results)
        BOOST_TEST(established.count(result.agreed.relationship_id) == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
