// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// The consent broker over TLS.
#include <parley/transport/tls_transport.hpp>
#include <tests/support/broker_deployment.hpp>
#include <tests/support/certificate.hpp>
#include <tests/support/temporary_directory.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace parley::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace ssl = asio::ssl;
namespace data = boost::unit_test::data;
using asio::ip::tcp;
using boost::system::error_code;
using clock_type = std::chrono::steady_clock;

/// A directory with a certificate, and a broker that uses it.
struct tls_deployment {
    explicit tls_deployment(deployment_options const& o = {})
        : transport((make_certificate(certificate(), key(), "first.test"),
                     parley::tls_transport({.certificate = certificate(), .key = key()}))),
          broker(directory.path(), o, transport) {}

    [[nodiscard]] std::filesystem::path certificate() const { return directory / "cert.pem"; }
    [[nodiscard]] std::filesystem::path key() const { return directory / "key.pem"; }

    temporary_directory directory;
    parley::tls_transport transport; ///< its copies share the certificate
    deployment<parley::tls_transport> broker;
};

/// A client's context for one version of TLS, however old.
ssl::context client_context(int version) {
    ssl::context context(ssl::context::tls_client);
    ::SSL_CTX_set_security_level(context.native_handle(), 0);
    ::SSL_CTX_set_min_proto_version(context.native_handle(), version);
    ::SSL_CTX_set_max_proto_version(context.native_handle(), version);
    return context;
}

/// A TLS client that blocks, for at most ten seconds at a time.
class tls_peer {
  public:
    explicit tls_peer(std::uint16_t port, int version = TLS1_3_VERSION)
        : context_(client_context(version)), ws_(io_, context_) {
        auto& socket = ws_.next_layer().next_layer();
        socket.connect(loopback(port));
        timeval const limit{10, 0};
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ws_.next_layer().handshake(ssl::stream_base::client, failure_);
    }

    /// Why there is no TLS, or no more of it.
    [[nodiscard]] error_code failure() const { return failure_; }

    /// The name in the broker's certificate.
    std::string name() {
        std::unique_ptr<X509, decltype(&X509_free)> const certificate(
            ::SSL_get1_peer_certificate(ws_.next_layer().native_handle()), &X509_free);
        std::string text(64, '\0');
        auto const size =
            ::X509_NAME_get_text_by_NID(::X509_get_subject_name(certificate.get()), NID_commonName,
                                        text.data(), static_cast<int>(text.size()));
        text.resize(static_cast<std::size_t>(std::max(size, 0)));
        return text;
    }

    tls_peer& say(std::string const& text) {
        if (!ws_.is_open()) ws_.handshake("broker.test", "/ws/handshake");
        ws_.write(asio::buffer(text));
        return *this;
    }

    /// Sends bytes without a WebSocket around them, as far as the broker lets it.
    tls_peer& write(std::string_view bytes) {
        asio::write(ws_.next_layer(), asio::buffer(bytes), failure_);
        return *this;
    }

    /// All that comes until the end of the line.
    std::string read_all() {
        std::string all;
        error_code ignored;
        asio::read(ws_.next_layer(), asio::dynamic_buffer(all), ignored);
        return all;
    }

    std::string hear() {
        boost::beast::flat_buffer buffer;
        ws_.read(buffer);
        return boost::beast::buffers_to_string(buffer.data());
    }

    std::uint16_t closed() {
        boost::beast::flat_buffer buffer;
        error_code ec;
        while (!ec)
            ws_.read(buffer, ec);
        return ws_.reason().code;
    }

  private:
    asio::io_context io_;
    ssl::context context_;
    boost::beast::websocket::stream<ssl::stream<tcp::socket>, false> ws_;
    error_code failure_;
};

/// The patient agent's own client, over TLS.
parley::task<parley::consent::handshake_result>
shake_hands_over_tls(std::uint16_t port, ssl::context& context, patient who) {
    parley::tcp_stream::socket_type socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(loopback(port), parley::use_task);
    parley::tls_stream stream(parley::tcp_stream(std::move(socket)), context);
    co_await stream.next().async_handshake(ssl::stream_base::client, parley::use_task);
    parley::tcp_transport clock;
    co_return co_await parley::consent::perform_handshake(std::move(stream), clock,
                                                          request_of(who));
}

} // namespace

BOOST_AUTO_TEST_SUITE(consent_broker_tls)

BOOST_DATA_TEST_CASE(a_patient_finds_a_provider_over_tls,
                     data::make({TLS1_2_VERSION, TLS1_3_VERSION}) * data::xrange(1U, 3U), version,
                     threads) {
    tls_deployment world({.threads = threads});
    patient const ann;
    tls_peer peer(world.broker.port(), version);
    BOOST_REQUIRE(!peer.failure());
    auto const challenge = peer.say(ann.auth_text()).hear();
    auto const told = peer.say(ann.answer(challenge)).hear();
    BOOST_TEST(as<parley::consent::handshake_complete>(told).status == "new");
    BOOST_TEST(peer.closed() == 1000);
}

BOOST_DATA_TEST_CASE(a_crowd_is_served_over_tls, data::xrange(1U, 3U), threads) {
    tls_deployment world({.threads = threads});
    auto context = client_context(TLS1_3_VERSION);
    asio::io_context io(1);
    int completed = 0;
    for (int i = 0; i < 50; ++i) {
        asio::co_spawn(io,
                       shake_hands_over_tls(world.broker.port(), context,
                                            patient_called("patient-" + std::to_string(i))),
                       [&](std::exception_ptr failure, parley::consent::handshake_result r) {
                           if (failure) std::rethrow_exception(failure);
                           completed += r.how == handshake_outcome::completed;
                           BOOST_TEST(r.close_code.value_or(0) == 1000);
                       });
    }
    io.run();
    BOOST_TEST(completed == 50);
    BOOST_TEST(world.broker.crowd() <= 10u);
}

BOOST_AUTO_TEST_CASE(older_versions_are_refused) {
    tls_deployment world;
    for (int const version : {TLS1_VERSION, TLS1_1_VERSION}) {
        tls_peer const old(world.broker.port(), version);
        BOOST_TEST(ERR_GET_REASON(static_cast<unsigned long>(old.failure().value())) ==
                   SSL_R_TLSV1_ALERT_PROTOCOL_VERSION); // said by the broker
    }
    BOOST_TEST(!tls_peer(world.broker.port()).failure());
}

BOOST_AUTO_TEST_CASE(a_certificate_can_be_changed_while_the_broker_runs) {
    tls_deployment world;
    patient const ann;
    tls_peer before(world.broker.port());
    BOOST_TEST(before.name() == "first.test");
    auto const challenge = before.say(ann.auth_text()).hear();

    make_certificate(world.certificate(), world.key(), "second.test");
    world.transport.reload();
    tls_peer after(world.broker.port());
    BOOST_TEST(after.name() == "second.test");

    // Files that do not belong together change nothing.
    make_certificate(world.certificate(), world.directory / "other.pem", "third.test");
    BOOST_CHECK_THROW(world.transport.reload(), boost::system::system_error);
    BOOST_TEST(tls_peer(world.broker.port()).name() == "second.test");

    // Whoever was connected already goes on as before.
    auto const told = before.say(ann.answer(challenge)).hear();
    BOOST_TEST(as<parley::consent::handshake_complete>(told).status == "new");
    BOOST_TEST(before.closed() == 1000);
}

BOOST_AUTO_TEST_CASE(peers_that_do_not_finish_the_tls_handshake_hold_nobody_up) {
    tls_deployment world({.head_timeout = 1s});
    auto const began = clock_type::now();
    asio::io_context io;
    std::vector<tcp::socket> slow;
    for (int i = 0; i < 50; ++i) {
        slow.emplace_back(io).connect(loopback(world.broker.port()));
        // The beginning of a ClientHello, or no TLS at all.
        asio::write(slow.back(), asio::buffer(std::string(i % 2 == 0 ? "\x16\x03\x01" : "GET ")));
    }
    tls_peer peer(world.broker.port());
    as<parley::consent::handshake_challenge>(peer.say(patient().auth_text()).hear());
    BOOST_TEST((clock_type::now() - began < 1s));
    for (auto& socket : slow) {
        std::string said;
        error_code ec;
        asio::read(socket, asio::dynamic_buffer(said), ec);
        BOOST_TEST((ec == asio::error::eof || ec == asio::error::connection_reset), ec.message());
    }
}

BOOST_AUTO_TEST_CASE(peers_are_watched_in_the_queue_and_served_after_it) {
    tls_deployment world({.ceiling = 1});
    auto const& admission = world.broker.server().policies().admission;
    auto const queued = [&](std::size_t n) {
        for (auto const end = clock_type::now() + 10s; clock_type::now() < end;) {
            if (admission.queued() == n) return true;
            std::this_thread::sleep_for(1ms);
        }
        return false;
    };
    std::string const request = "GET /ws/handshake HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    patient const ann;
    tls_peer inside(world.broker.port());
    auto const challenge = inside.say(ann.auth_text()).hear();

    tls_peer eager(world.broker.port());
    eager.write(request);
    BOOST_TEST(queued(1));
    eager.write("let me in");
    BOOST_TEST(eager.read_all().starts_with("HTTP/1.1 400 "));
    BOOST_TEST(queued(0));
    {
        tls_peer leaving(world.broker.port());
        leaving.write(request);
        BOOST_TEST(queued(1));
    }
    BOOST_TEST(queued(0));

    std::string told;
    tls_peer waiting(world.broker.port());
    std::thread waiter([&] { told = waiting.say(patient_called("patient-2").auth_text()).hear(); });
    BOOST_TEST(queued(1));
    inside.say(ann.answer(challenge)).hear();
    BOOST_TEST(inside.closed() == 1000);
    waiter.join();
    as<parley::consent::handshake_challenge>(told);
}

BOOST_AUTO_TEST_CASE(a_stop_says_so_over_tls) {
    tls_deployment world;
    tls_peer peer(world.broker.port());
    as<parley::consent::handshake_challenge>(peer.say(patient().auth_text()).hear());
    std::thread stopper([&] { world.broker.server().stop(10s); });
    BOOST_TEST(peer.closed() == 1001);
    stopper.join();
}

BOOST_AUTO_TEST_CASE(a_refusal_arrives_though_the_peer_is_still_sending) {
    tls_deployment world;
    for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (auto const pause : {0ms, 2ms}) {
            tls_peer peer(world.broker.port(), version);
            peer.write("POST / HTTP/1.1\r\nHost: broker.test\r\nContent-Length: 500000\r\n\r\n");
            for (int i = 0; i < 50; ++i) {
                peer.write(std::string(10'000, 'x'));
                std::this_thread::sleep_for(pause);
            }
            BOOST_TEST(!peer.failure(), peer.failure().message());
            BOOST_TEST(peer.read_all().starts_with("HTTP/1.1 413 Payload Too Large\r\n"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_certificate_that_cannot_be_used_is_named) {
    temporary_directory const directory;
    auto const missing = directory / "missing.pem";
    BOOST_CHECK_EXCEPTION(parley::tls_transport({.certificate = missing, .key = missing}),
                          boost::system::system_error, [&](boost::system::system_error const& e) {
                              return std::string(e.what()).find(missing.string()) !=
                                     std::string::npos;
                          });
}

BOOST_AUTO_TEST_SUITE_END()
