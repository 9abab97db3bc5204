// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// The HTTP client, and servers that do it wrong.
#include <parley/http_client.hpp>
#include <parley/https_client.hpp>
#include <tests/support/certificate.hpp>
#include <tests/support/run_task.hpp>
#include <tests/support/scripted_server.hpp>
#include <tests/support/temporary_directory.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace parley::test {
namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
namespace data = boost::unit_test::data;
using answer = result<http_response>;

/// A client on the loopback, and the thread it lives on: the test's.
template <class Connector = plain_connector>
struct client_world {
    explicit client_world(http_origin origin, http_client_options const& o = {},
                          Connector connector = {})
        : client(std::make_unique<http_client<Connector>>(std::move(origin), o,
                                                          std::move(connector))) {}
    explicit client_world(scripted_server const& server, http_client_options const& o = {})
        : client_world(http_origin{"127.0.0.1", server.port()}, o) {}

    answer send(http_call call, std::chrono::milliseconds limit = 10s, std::stop_token stop = {}) {
        return run(io, client->send(std::move(call), clock_type::now() + limit, std::move(stop)));
    }

    std::shared_ptr<std::optional<answer>>
    begin(http_call call, std::chrono::milliseconds limit = 10s, std::stop_token stop = {}) {
        auto got = std::make_shared<std::optional<answer>>();
        asio::co_spawn(io,
                       client->send(std::move(call), clock_type::now() + limit, std::move(stop)),
                       [got](std::exception_ptr const& thrown, answer a) {
                           BOOST_TEST(!thrown);
                           *got = std::move(a);
                       });
        return got;
    }

    asio::io_context io;
    std::unique_ptr<http_client<Connector>> client;
};

http_call get(std::string target = "/") {
    http_call call;
    call.target = std::move(target);
    call.repeatable = true;
    return call;
}

http_call post(std::string body) {
    http_call call;
    call.method = http::verb::post;
    call.body = std::move(body);
    return call;
}

/// Answers every request with what it asked for.
void echo(scripted_line& line) {
    while (auto const request = line.read())
        line.answer(std::string(request->target()) + " " + request->body());
}

/// Reads one request and says this, however wrong.
scripted_server::script say(std::string text) {
    return [text = std::move(text)](scripted_line& line) {
        if (line.read()) line.write(text);
    };
}

#define CHECK_FAILS(answer, expected)                                                              \
    do {                                                                                           \
        auto const& a = (answer);                                                                  \
        BOOST_TEST_REQUIRE(a.has_error());                                                         \
        BOOST_TEST(a.error() == make_error_code(expected), a.error().message());                   \
    } while (false)

} // namespace

BOOST_AUTO_TEST_SUITE(http_client_requests)

BOOST_AUTO_TEST_CASE(a_request_is_answered) {
    std::string seen;
    scripted_server server([&](scripted_line& line) {
        auto const request = line.read();
        seen = std::string(request->method_string()) + " " + std::string(request->target()) + "|" +
               std::string((*request)[http::field::host]) + "|" +
               std::string((*request)[http::field::authorization]) + "|" +
               std::string((*request)["X-Colour"]) + "|" + request->body();
        line.answer("made", "201 Created", "X-Shape: round\r\n");
    });
    client_world world(server);
    auto call = post("{}");
    call.target = "/things?kind=%25";
    call.headers = {{"X-Colour", "blue"}};
    call.authorization = "Basic eHk=";
    auto const got = world.send(call);
    BOOST_TEST_REQUIRE(got.has_value());
    BOOST_TEST(got->result_int() == 201u);
    BOOST_TEST(got->body() == "made");
    BOOST_TEST((*got)["X-Shape"] == "round");
    BOOST_TEST(seen == "POST /things?kind=%25|127.0.0.1:" + std::to_string(server.port()) +
                           "|Basic eHk=|blue|{}");
}

BOOST_AUTO_TEST_CASE(chunked_answers_and_answers_up_to_the_end_are_taken) {
    scripted_server server([](scripted_line& line) {
        line.read();
        line.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
                   "chunked\r\n\r\n5\r\nhello\r\n");
        line.write("7\r\n, world\r\n0\r\n\r\n");
        line.read();
        line.write("HTTP/1.1 200 OK\r\n\r\nuntil I hang up");
    });
    client_world world(server);
    BOOST_TEST(world.send(get()).value().body() == "hello, world");
    BOOST_TEST(world.send(get()).value().body() == "until I hang up");
    BOOST_TEST(server.connections() == 1);
    BOOST_TEST(world.client->connections() == 0u);
}

BOOST_AUTO_TEST_CASE(redirects_are_answers_like_others) {
    scripted_server other(echo);
    scripted_server server(say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" +
                               std::to_string(other.port()) + "/\r\nContent-Length: 0\r\n\r\n"));
    client_world world(server);
    BOOST_TEST(world.send(get()).value().result_int() == 302u);
    BOOST_TEST(other.connections() == 0);
}

BOOST_AUTO_TEST_CASE(a_name_is_resolved_and_its_addresses_tried) {
    scripted_server server(echo);
    client_world world(http_origin{"localhost", server.port()});
    BOOST_TEST(world.send(get("/x")).value().body() == "/x ");
    client_world nowhere(http_origin{"no-such-host.invalid", server.port()});
    CHECK_FAILS(nowhere.send(get()), http_errc::unreachable);
}

BOOST_AUTO_TEST_CASE(nobody_there_is_unreachable) {
    asio::io_context io;
    asio::ip::tcp::acceptor taken(io, {asio::ip::address_v4::loopback(), 0});
    auto const port = taken.local_endpoint().port();
    taken.close();
    client_world world(http_origin{"127.0.0.1", port});
    CHECK_FAILS(world.send(get()), http_errc::unreachable);
    BOOST_TEST(world.client->connections() == 0u);
}

BOOST_AUTO_TEST_CASE(what_would_inject_a_header_is_never_sent) {
    scripted_server server(echo);
    client_world world(server);
    std::vector<http_call> bad(8, get());
    bad[0].target = "/ HTTP/1.1\r\nX-Evil: yes\r\n\r\n";
    bad[1].target = "/a b";
    bad[2].target = "http://elsewhere/";
    bad[3].headers = {{"X-Good", "a\r\nX-Evil: yes"}};
    bad[4].headers = {{"X-Evil: yes\r\nX", "a"}};
    bad[5].headers = {{"transfer-encoding", "chunked"}};
    bad[6].authorization = "Basic eHk=\nX-Evil: yes";
    bad[7].headers = {{"X-Good", std::string("a\0b", 3)}};
    for (auto const& call : bad)
        CHECK_FAILS(world.send(call), http_errc::invalid_request);
    for (std::string const host : {"127.0.0.1\r\nX-Evil: yes", "a@127.0.0.1", "127.0.0.1/x", "",
                                   ".localhost", "::1%lo", "127.0.0.1:80"}) {
        client_world other(http_origin{host, server.port()});
        CHECK_FAILS(other.send(get()), http_errc::invalid_request);
    }
    BOOST_TEST(server.connections() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(http_client_connections)

BOOST_AUTO_TEST_CASE(a_connection_is_kept_for_the_next_request) {
    scripted_server server(echo);
    client_world world(server);
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(world.send(post(std::to_string(i))).value().body() == "/ " + std::to_string(i));
    BOOST_TEST(server.connections() == 1);
    BOOST_TEST(world.client->connections() == 1u);
}

BOOST_AUTO_TEST_CASE(a_connection_is_not_kept_when_the_server_says_so) {
    scripted_server server(
        say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
    client_world world(server);
    BOOST_TEST(world.send(post("a")).value().body() == "ok");
    BOOST_TEST(world.client->connections() == 0u);
    BOOST_TEST(world.send(post("b")).value().body() == "ok");
}

BOOST_AUTO_TEST_CASE(a_server_that_says_more_than_it_was_asked_is_not_believed) {
    scripted_server server([](scripted_line& line) {
        line.read();
        line.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 "
                   "OK\r\nContent-Length: 4\r\n\r\nevil");
        line.wait_for_end();
    });
    client_world world(server);
    BOOST_TEST(world.send(get()).value().body() == "one");
    BOOST_TEST(world.send(get()).value().body() == "one");
    BOOST_TEST(server.connections() == 2);
}

BOOST_AUTO_TEST_CASE(a_connection_that_was_closed_while_it_rested_is_replaced) {
    scripted_server server([](scripted_line& line) {
        auto const request = line.read();
        line.answer(request->body());
    });
    client_world world(server);
    for (std::string const body : {"one", "two", "three"}) {
        BOOST_TEST(world.send(post(body)).value().body() == body); // though not repeatable
        while (server.open() > 0)
            std::this_thread::yield();
    }
    BOOST_TEST(server.connections() == 3);
}

BOOST_AUTO_TEST_CASE(only_what_may_be_repeated_is_sent_a_second_time) {
    std::atomic<int> requests = 0;
    scripted_server server([&](scripted_line& line) {
        while (line.read()) {
            // Every second request gets no answer, only an end.
            if (++requests % 2 == 0) return;
            line.answer("ok");
        }
    });
    client_world world(server);
    BOOST_TEST(world.send(post("a")).has_value());
    CHECK_FAILS(world.send(post("b")), http_errc::unreachable);
    BOOST_TEST(requests == 2);

    BOOST_TEST(world.send(get()).has_value());
    BOOST_TEST(world.send(get()).has_value()); // the 4th went unanswered, the 5th did not
    BOOST_TEST(requests == 5);
    BOOST_TEST(server.connections() == 3);
}

BOOST_AUTO_TEST_CASE(nothing_is_repeated_twice_or_on_a_new_connection) {
    std::atomic<int> requests = 0;
    scripted_server server([&](scripted_line& line) {
        while (line.read())
            if (++requests > 1)
                return;
            else
                line.answer("ok");
    });
    client_world world(server);
    BOOST_TEST(world.send(get()).has_value());
    CHECK_FAILS(world.send(get()), http_errc::unreachable);
    BOOST_TEST(requests == 3); // on the kept connection, and on a new one
    CHECK_FAILS(world.send(get()), http_errc::unreachable);
    BOOST_TEST(requests == 4);
}

BOOST_AUTO_TEST_CASE(a_request_whose_answer_had_begun_is_not_repeated) {
    std::atomic<int> requests = 0;
    scripted_server server([&](scripted_line& line) {
        while (line.read()) {
            if (++requests == 2) {
                line.write("H");
                return;
            }
            line.answer("ok");
        }
    });
    client_world world(server);
    BOOST_TEST(world.send(get()).has_value());
    CHECK_FAILS(world.send(get()), http_errc::unreachable);
    BOOST_TEST(requests == 2);
}

BOOST_AUTO_TEST_CASE(an_idle_connection_is_closed_after_its_time) {
    scripted_server server(echo);
    client_world world(server, {.idle_timeout = 50ms});
    BOOST_TEST(world.send(get()).has_value());
    BOOST_TEST(world.client->connections() == 1u);
    run_until(world.io, [&] { return server.open() == 0; });
    BOOST_TEST(world.client->connections() == 0u);
}

BOOST_AUTO_TEST_CASE(idle_connections_go_with_the_client) {
    scripted_server server(echo);
    client_world world(server);
    BOOST_TEST(world.send(get()).has_value());
    std::thread([&] { world.client.reset(); }).join(); // from any thread
    run_until(world.io, [&] { return server.open() == 0; });
    world.io.run(); // and leave nothing to wait for
}

BOOST_AUTO_TEST_CASE(a_context_may_go_before_what_rests_on_it) {
    scripted_server server(echo);
    http_client client({"127.0.0.1", server.port()}, {.max_connections = 1});
    for (int i = 0; i < 3; ++i) {
        asio::io_context io;
        BOOST_TEST(run(io, client.send(get())).has_value());
    }
    BOOST_TEST(server.connections() == 3);
}

BOOST_AUTO_TEST_CASE(there_are_never_more_connections_than_allowed) {
    scripted_server server([](scripted_line& line) {
        while (line.read()) {
            std::this_thread::sleep_for(10ms);
            line.answer("ok");
        }
    });
    client_world world(server, {.max_connections = 2, .max_waiting = 8});
    std::vector<std::shared_ptr<std::optional<answer>>> all;
    for (int i = 0; i < 12; ++i)
        all.push_back(world.begin(post("x")));
    run_until(world.io, [&] {
        return std::ranges::all_of(all, [](auto const& a) { return a->has_value(); });
    });
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i < 10) {
            BOOST_TEST((*all[i])->has_value());
        } else {
            CHECK_FAILS(**all[i], http_errc::overloaded);
        }
    }
    BOOST_TEST(server.connections() == 2);
}

BOOST_AUTO_TEST_CASE(who_waits_in_vain_gives_up_in_time_or_when_told) {
    scripted_server server([](scripted_line& line) {
        line.read();
        line.wait_for_end();
    });
    client_world world(server, {.max_connections = 1});
    std::stop_source stop;
    auto const first = world.begin(get());
    auto const late = world.begin(get(), 50ms);
    auto const told = world.begin(get(), 10s, stop.get_token());
    run_until(world.io, [&] { return late->has_value(); });
    CHECK_FAILS(**late, http_errc::timed_out);
    BOOST_TEST(!told->has_value());
    std::thread([&] { stop.request_stop(); }).join();
    run_until(world.io, [&] { return told->has_value(); });
    CHECK_FAILS(**told, http_errc::cancelled);
    BOOST_TEST(!first->has_value());
    BOOST_TEST(server.connections() == 1);
}

BOOST_AUTO_TEST_CASE(one_client_serves_many_threads) {
    scripted_server server(echo);
    http_client client({"127.0.0.1", server.port()}, {.max_connections = 3});
    constexpr int threads = 4;
    constexpr int each = 50;
    std::vector<std::unique_ptr<asio::io_context>> contexts;
    std::vector<std::jthread> workers;
    std::atomic<int> good = 0;
    for (int t = 0; t < threads; ++t) {
        auto& io = *contexts.emplace_back(std::make_unique<asio::io_context>());
        workers.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                auto const mine = std::to_string(t * each + i);
                auto const got = run(io, client.send(post(mine)));
                if (got && got->body() == "/ " + mine) ++good;
            }
        });
    }
    workers.clear();
    BOOST_TEST(good == threads * each);
    BOOST_TEST(client.connections() <= 3u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(http_client_limits)

namespace {

http_client_options const short_times{.max_head = 1024,
                                      .max_body = 10'000,
                                      .connect_timeout = 100ms,
                                      .tls_timeout = 100ms,
                                      .write_timeout = 100ms,
                                      .read_timeout = 100ms};

/// A server's way to do it wrong, and what the client says of it.
struct misdeed {
    std::string name;
    std::string said;
    http_errc expected;
    friend std::ostream& operator<<(std::ostream& out, misdeed const& m) { return out << m.name; }
};

std::string const ok = "HTTP/1.1 200 OK\r\n";

std::vector<misdeed> const misdeeds{
    {"nothing", "", http_errc::unreachable},
    {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", http_errc::malformed},
    {"another version", "HTTP/2.0 200 OK\r\n\r\n", http_errc::malformed},
    {"no status", "HTTP/1.1 OK\r\n\r\n", http_errc::malformed},
    {"half a head", ok + "Content-Le", http_errc::unreachable},
    {"half a body", ok + "Content-Length: 10\r\n\r\nhalf", http_errc::unreachable},
    {"half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n8\r\nhalf", http_errc::unreachable},
    {"no chunk", ok + "Transfer-Encoding: chunked\r\n\r\nzebra\r\n", http_errc::malformed},
    {"a huge chunk", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
     http_errc::malformed},
    {"two lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", http_errc::malformed},
    {"a negative length", ok + "Content-Length: -1\r\n\r\nab", http_errc::malformed},
    {"a long body", ok + "Content-Length: 10001\r\n\r\n", http_errc::too_large},
    {"a huge body", ok + "Content-Length: 18446744073709551615\r\n\r\n", http_errc::too_large},
    {"many chunks",
     ok + "Transfer-Encoding: chunked\r\n\r\n2000\r\n" + std::string(0x2000, 'x') + "\r\n2000\r\n" +
         std::string(0x2000, 'x') + "\r\n0\r\n\r\n",
     http_errc::too_large},
    {"a body without an end", ok + "\r\n" + std::string(20'000, 'x'), http_errc::too_large},
    {"a long head", ok + "X: " + std::string(2000, 'x') + "\r\n\r\n", http_errc::too_large},
    {"many headers",
     ok +
         [] {
             std::string lines;
             for (int i = 0; i < 500; ++i)
                 lines += "X: y\r\n";
             return lines;
         }() +
         "\r\n",
     http_errc::too_large},
    {"a switch", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 1", http_errc::unreachable},
    {"only promises",
     [] {
         std::string lines;
         for (int i = 0; i < 20; ++i)
             lines += "HTTP/1.1 102 Processing\r\n\r\n";
         return lines;
     }(),
     http_errc::malformed},
};

} // namespace

BOOST_DATA_TEST_CASE(a_bad_answer_fails_its_request_and_no_other, data::make(misdeeds), wrong) {
    scripted_server server([&](scripted_line& line) {
        if (!line.read()) return;
        if (line.nth > 1) {
            line.answer("ok");
        } else {
            line.write(wrong.said);
        }
    });
    client_world world(server, short_times);
    CHECK_FAILS(world.send(post("x")), wrong.expected);
    BOOST_TEST(world.client->connections() == 0u);
    BOOST_TEST(world.send(post("x")).value().body() == "ok");
}

BOOST_AUTO_TEST_CASE(a_silent_server_is_given_up) {
    scripted_server server([](scripted_line& line) { line.wait_for_end(); });
    client_world world(server, short_times);
    auto const began = clock_type::now();
    CHECK_FAILS(world.send(get()), http_errc::timed_out);
    BOOST_TEST((clock_type::now() - began < 2s));
    // The request's own deadline, when it is earlier.
    client_world patient(server);
    CHECK_FAILS(patient.send(get(), 50ms), http_errc::timed_out);
    BOOST_TEST((clock_type::now() - began < 4s));
}

BOOST_AUTO_TEST_CASE(a_server_that_drips_is_given_up) {
    scripted_server server([](scripted_line& line) {
        line.read();
        line.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while (line.write("x"))
            std::this_thread::sleep_for(5ms);
    });
    client_world world(server, short_times);
    CHECK_FAILS(world.send(get()), http_errc::timed_out);
}

BOOST_AUTO_TEST_CASE(a_server_that_does_not_read_is_given_up) {
    std::promise<void> done;
    scripted_server server([&](scripted_line&) { done.get_future().wait(); });
    client_world world(server, short_times);
    CHECK_FAILS(world.send(post(std::string(64 << 20, 'x'))), http_errc::timed_out);
    done.set_value();
}

BOOST_AUTO_TEST_CASE(a_server_that_does_not_accept_is_given_up) {
    // The kernel accepts on its behalf until the backlog is full.
    asio::io_context io;
    asio::ip::tcp::acceptor busy(io);
    busy.open(asio::ip::tcp::v4());
    busy.bind({asio::ip::address_v4::loopback(), 0});
    busy.listen(0);
    auto const port = busy.local_endpoint().port();
    asio::ip::tcp::socket filler(io);
    filler.connect({asio::ip::address_v4::loopback(), port});
    client_world world(http_origin{"127.0.0.1", port}, short_times);
    CHECK_FAILS(world.send(get()), http_errc::timed_out);
}

BOOST_AUTO_TEST_CASE(a_request_whose_time_is_over_connects_to_nobody) {
    scripted_server server(echo);
    client_world world(server);
    CHECK_FAILS(world.send(get(), -1ms), http_errc::timed_out);
    CHECK_FAILS(world.send(get(), 0ms), http_errc::timed_out);
    BOOST_TEST(world.send(get()).has_value());
    BOOST_TEST(server.connections() == 1);
}

BOOST_AUTO_TEST_CASE(a_request_is_cancelled_from_another_thread) {
    std::stop_source stop;
    std::promise<void> asked;
    std::promise<void> ended;
    scripted_server server([&](scripted_line& line) {
        line.read();
        asked.set_value();
        line.wait_for_end();
        ended.set_value();
    });
    client_world world(server);
    std::jthread canceller([&] {
        asked.get_future().wait();
        stop.request_stop();
    });
    CHECK_FAILS(world.send(get(), 10s, stop.get_token()), http_errc::cancelled);
    BOOST_TEST((ended.get_future().wait_for(5s) == std::future_status::ready));
    // Before it has begun, too: then nothing is sent.
    CHECK_FAILS(world.send(get(), 10s, stop.get_token()), http_errc::cancelled);
    BOOST_TEST(server.connections() == 1);
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_is_ended_lets_go_of_its_connection) {
    scripted_server server([](scripted_line& line) {
        line.read();
        line.wait_for_end();
    });
    client_world world(server, {.max_connections = 1});
    asio::cancellation_signal cut;
    bool over = false;
    asio::co_spawn(world.io, world.client->send(get()),
                   asio::bind_cancellation_slot(
                       cut.slot(), [&](std::exception_ptr const&, answer const&) { over = true; }));
    run_until(world.io, [&] { return server.open() == 1; });
    cut.emit(asio::cancellation_type::terminal);
    run_until(world.io, [&] { return over && server.open() == 0; });
    BOOST_TEST(world.client->connections() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(http_client_over_tls)

namespace {

/// A certificate of its own for `localhost`.
struct certified {
    explicit certified(std::string const& name = "localhost") {
        make_certificate(files.certificate, files.key, name);
    }
    temporary_directory directory;
    server_certificate files{directory / "cert.pem", directory / "key.pem"};
};

tls_connector trusting(certified const& whom) {
    return tls_connector({.authorities = whom.files.certificate});
}

using tls_world = client_world<tls_connector>;

} // namespace

BOOST_AUTO_TEST_CASE(a_server_that_proves_its_name_is_talked_to) {
    certified const us;
    std::string asked;
    scripted_server server(
        [&](scripted_line& line) {
            asked = line.server_name();
            echo(line);
        },
        us.files);
    tls_world world({"localhost", server.port(), true}, {}, trusting(us));
    BOOST_TEST(world.send(get("/a")).value().body() == "/a ");
    BOOST_TEST(world.send(post("b")).value().body() == "/ b");
    BOOST_TEST(server.connections() == 1);
    BOOST_TEST(asked == "localhost");
}

BOOST_AUTO_TEST_CASE(a_server_that_does_not_is_not) {
    certified const us;
    certified const them("elsewhere.test");
    std::atomic<int> asked = 0;
    auto const count = [&](scripted_line& line) {
        if (line.read()) ++asked;
    };
    scripted_server impostor(count, them.files);
    tls_world wrong_name({"localhost", impostor.port(), true}, {}, trusting(them));
    CHECK_FAILS(wrong_name.send(get()), http_errc::tls);
    tls_world unknown({"localhost", impostor.port(), true}, {}, trusting(us));
    CHECK_FAILS(unknown.send(get()), http_errc::tls);

    scripted_server real(count, us.files);
    tls_world by_address({"127.0.0.1", real.port(), true}, {}, trusting(us));
    CHECK_FAILS(by_address.send(get()), http_errc::tls);
    tls_world whom_the_system_trusts({"localhost", real.port(), true});
    CHECK_FAILS(whom_the_system_trusts.send(get()), http_errc::tls);
    BOOST_TEST(asked == 0);
}

BOOST_AUTO_TEST_CASE(a_server_without_tls_gets_no_request) {
    certified const us;
    scripted_server server(say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    tls_world world({"localhost", server.port(), true}, {.tls_timeout = 200ms}, trusting(us));
    auto const got = world.send(get());
    BOOST_TEST_REQUIRE(got.has_error());
    // It may answer what it takes for a request, or wait for the rest of one.
    BOOST_TEST((got.error() == http_errc::tls || got.error() == http_errc::timed_out));

    // A client without OpenSSL does not fall back to plain HTTP.
    client_world plain(http_origin{"localhost", server.port(), true});
    CHECK_FAILS(plain.send(get()), http_errc::tls);
}

BOOST_AUTO_TEST_CASE(a_tls_client_speaks_plain_http_where_it_is_told_to) {
    scripted_server server(echo);
    tls_world world({"127.0.0.1", server.port(), false});
    BOOST_TEST(world.send(get("/a")).value().body() == "/a ");
}

BOOST_AUTO_TEST_CASE(a_tls_connection_that_was_closed_while_it_rested_is_replaced) {
    certified const us;
    scripted_server server([](scripted_line& line) { line.answer(line.read()->body()); }, us.files);
    tls_world world({"localhost", server.port(), true}, {}, trusting(us));
    for (std::string const body : {"one", "two"}) {
        BOOST_TEST(world.send(post(body)).value().body() == body);
        while (server.open() > 0)
            std::this_thread::yield();
    }
    BOOST_TEST(server.connections() == 2);
}

BOOST_AUTO_TEST_CASE(a_silent_tls_server_is_given_up) {
    asio::io_context io;
    asio::ip::tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
    tls_world world({"127.0.0.1", silent.local_endpoint().port(), true}, {.tls_timeout = 100ms});
    CHECK_FAILS(world.send(get()), http_errc::timed_out);
}

BOOST_AUTO_TEST_CASE(authorities_that_cannot_be_read_are_named) {
    temporary_directory const directory;
    auto const missing = directory / "missing.pem";
    BOOST_CHECK_EXCEPTION(tls_connector({.authorities = missing}), boost::system::system_error,
                          [&](boost::system::system_error const& e) {
                              return std::string(e.what()).find(missing.string()) !=
                                     std::string::npos;
                          });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace parley::test
