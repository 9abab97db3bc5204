// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "control_server.hpp"

#include "support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <utility>

namespace consent_broker::control {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using parley::error_code;
using parley::task;
using parley::use_task;

namespace {

/// Removes the socket of a broker that is no more, and nothing else.
error_code remove_socket(std::filesystem::path const& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode)) return make_error_code(boost::system::errc::file_exists);
    return ::unlink(path.c_str()) == 0 ? error_code()
                                       : error_code(errno, boost::system::system_category());
}

task<> sleep(std::chrono::milliseconds time) {
    parley::steady_timer timer(co_await asio::this_coro::executor, time);
    auto [ignored] = co_await timer.async_wait(asio::as_tuple(use_task));
    static_cast<void>(ignored);
}

task<bool> is_cancelled() {
    auto const state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() != asio::cancellation_type::none;
}

/// A whole line; empty when none came in time, or a longer one than is allowed.
template <class Socket>
task<std::string> read_line(Socket& socket) {
    std::string text;
    auto const buffer = asio::dynamic_buffer(text, max_request);
    auto [ec, size] =
        co_await asio::async_read_until(socket, buffer, '\n', asio::as_tuple(use_task));
    text.resize(ec ? 0 : size);
    co_return text;
}

template <class Socket>
task<> write_line(Socket& socket, std::string text) {
    text += '\n';
    auto [ignored, size] =
        co_await asio::async_write(socket, asio::buffer(text), asio::as_tuple(use_task));
    static_cast<void>(ignored);
}

template <class Socket>
task<> serve_one(Socket socket, server::handler const& answer) {
    // Cancelling must not tear a request apart: it ends the waiting for one, and for its reader.
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const request = co_await (read_line(socket) || sleep(server_deadline));
    auto const* text = std::get_if<0>(&request);
    if (!text || text->empty()) co_return;
    auto parsed = parley::json::parse(*text);
    std::string reply;
    if (parsed) {
        reply = co_await answer(std::move(*parsed));
    } else {
        reply = parley::encode_message(refused{parsed.error().text()});
    }
    co_await (write_line(socket, std::move(reply)) || sleep(server_deadline));
}

} // namespace

server::server(parley::executor const& on, address at)
    : at_(std::move(at)), acceptor_(on), end_(on, parley::steady_timer::time_point::max()) {
    error_code ec = remove_socket(at_.path());
    auto const endpoint = at_.endpoint();
    if (!ec && !endpoint) ec = endpoint.error();
    if (!ec) acceptor_.open(protocol(), ec);
    // Linux makes the socket's file with the mode that the descriptor has when it is bound.
    if (!ec && ::fchmod(acceptor_.native_handle(), 0600) != 0) {
        ec = {errno, boost::system::system_category()};
    }
    if (!ec) acceptor_.bind(*endpoint, ec);
    if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
    if (!ec) return;
    throw command_error(exit_status::bad, at_.path().string() +
                                              ": expected a place for the control socket, found " +
                                              ec.message());
}

server::~server() {
    remove_socket(at_.path());
}

task<> server::serve(handler answer) {
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!co_await is_cancelled()) {
        if (clients_.size() >= max_clients) {
            co_await wait_for_an_end();
            continue;
        }
        socket_type socket(acceptor_.get_executor());
        auto [ec] = co_await acceptor_.async_accept(socket, asio::as_tuple(use_task));
        if (!ec) {
            begin(std::move(socket), answer);
        } else if (ec != asio::error::operation_aborted) {
            co_await sleep(std::chrono::milliseconds(100)); // out of descriptors, say
        }
    }
    for (auto& client : clients_)
        client.emit(asio::cancellation_type::terminal);
    while (!clients_.empty())
        co_await wait_for_an_end();
}

namespace {

/// What happened to one client is no reason to end the broker.
std::string text_of(std::exception_ptr const& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (std::exception const& e) {
        return e.what();
    } catch (...) {
        return "an unknown exception";
    }
}

} // namespace

void server::begin(socket_type socket, handler const& answer) {
    auto const client = clients_.emplace(clients_.end());
    auto const done = [this, client](std::exception_ptr const& failure) {
        clients_.erase(client);
        end_.cancel();
        if (failure) log::error("control_request_failed", {{"message", text_of(failure)}});
    };
    asio::co_spawn(acceptor_.get_executor(), serve_one(std::move(socket), answer),
                   asio::bind_cancellation_slot(client->slot(), done));
}

task<> server::wait_for_an_end() {
    auto [ignored] = co_await end_.async_wait(asio::as_tuple(use_task));
    static_cast<void>(ignored);
}

} // namespace consent_broker::control
