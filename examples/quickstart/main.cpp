// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A whole server: it welcomes whoever says {"type":"hello","name":"Ada"}, and hangs up.
#include <parley/server.hpp>

#include <boost/asio/signal_set.hpp>
#include <iostream>

using namespace std::chrono_literals;

struct hello { // a message is a struct that knows its members
    static constexpr std::string_view type = "hello";
    BOOST_HANA_DEFINE_STRUCT(hello, (std::string, name));
};
struct welcome {
    static constexpr std::string_view type = "welcome";
    BOOST_HANA_DEFINE_STRUCT(welcome, (std::string, text));
};

struct greeting { // a conversation reads as the protocol reads
    template <class Session>
    parley::task<parley::close_reason> operator()(Session& session) {
        auto const guest = co_await session.template receive<hello>(session.deadline_after(10s));
        if (!guest) co_return parley::close_reason(4000, "a hello was expected");
        welcome const answer{"Welcome, " + guest->name + "!"};
        co_await session.send(answer);
        co_return parley::close_reason(1000, "Goodbye");
    }
};

int main() {
    boost::asio::io_context io;                                     // outlives the server
    parley::queueing_admission ten_at_once({.max_concurrent = 10}); // the others wait in order
    parley::basic_handshake_server<greeting, parley::queueing_admission> server(
        {.path = "/hello"}, greeting(), ten_at_once);
    if (!server.start(io, {boost::asio::ip::address_v4::loopback(), 0})) return 1;
    std::cout << "ws://127.0.0.1:" << server.port() << "/hello" << std::endl;
    boost::asio::signal_set stop(io, SIGINT, SIGTERM);
    stop.async_wait([&](auto...) { co_spawn(io, server.async_stop(5s), parley::asio::detached); });
    io.run();
}
