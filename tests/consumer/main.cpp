// Distributed under the Boost Software License, Version 1.0. See LICENSE.

// A server and a mock of its conversation's peer, from the core's headers alone: it is built
// without OpenSSL, Crypto++, SOCI and SQLite. Exits with 0 when a message comes back as it should.

#include <parley/admission/unlimited_admission.hpp>
#include <parley/server.hpp>
#include <parley/transport/memory_transport.hpp>

#include <iostream>

struct echo {
    template <class Session>
    parley::task<parley::close_reason> operator()(Session& session) const {
        auto const heard = co_await session.receive_text(parley::no_deadline);
        co_await session.send_text(heard.text);
        co_return parley::close_reason();
    }
};

parley::task<> talk(parley::memory_stream stream, std::string& answer) {
    parley::websocket::stream<parley::memory_stream, false> socket(std::move(stream));
    co_await socket.async_handshake("consumer.test", "/ws", parley::use_task);
    std::string const question = "is anybody there?";
    co_await socket.async_write(boost::asio::buffer(question), parley::use_task);
    boost::beast::flat_buffer buffer;
    co_await socket.async_read(buffer, parley::use_task);
    answer.assign(static_cast<char const*>(buffer.data().data()), buffer.size());
}

int main() {
    boost::asio::io_context io;
    parley::memory_transport transport;
    parley::basic_handshake_server<echo, parley::memory_transport, parley::unlimited_admission>
        server({}, echo{}, transport);
    if (!server.start(io, {})) return 1;
    std::string answer;
    boost::asio::co_spawn(io, talk(transport.connect(io.get_executor()), answer),
                          boost::asio::detached);
    io.poll();
    std::cout << answer << '\n';
    return answer == "is anybody there?" ? 0 : 1;
}
