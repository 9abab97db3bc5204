// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One connection to a Redis server: the protocol by hiredis, the bytes by Asio.

#include <parley/detail/completion.hpp>
#include <parley/detail/exception_text.hpp>
#include <parley/detail/http_dial.hpp>
#include <parley/detail/http_watch.hpp>
#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/signaling/redis_address.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling {

namespace detail {

struct free_redis_reply {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

struct free_redis_reader {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
};

} // namespace detail

/// What Redis has answered. Null: nothing, and whether the command was done is not known.
using redis_reply = std::unique_ptr<redisReply, detail::free_redis_reply>;

using redis_command = std::vector<std::string>;

/// The text of a reply, or of an element of one; empty when it is none.
inline std::string_view text_of(redisReply const& reply) {
    bool const has_text = reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS ||
                          reply.type == REDIS_REPLY_ERROR;
    return has_text ? std::string_view(reply.str, static_cast<std::size_t>(reply.len))
                    : std::string_view();
}

/// The elements of a reply; none when it is no array.
inline std::span<redisReply* const> elements_of(redisReply const& reply) {
    if (reply.type != REDIS_REPLY_ARRAY) return {};
    return {reply.element, reply.elements};
}

/// Why there is no connection, for the log; no password in it.
struct redis_failure {
    std::string why;
};

/// A connection. Commands are sent at once, without waiting for the answers to earlier ones. When
/// one is not answered in time, the connection is closed: whoever does not answer now is not waited
/// for again. When there is nothing to say, it is asked for a sign of life.
///
/// Used on its executor only. It is kept alive by its own pending operations until it is closed.
class redis_line : public std::enable_shared_from_this<redis_line> {
    using stream_protocol = asio::generic::stream_protocol;
    using socket_type = asio::basic_stream_socket<stream_protocol, executor>;
    struct only_open {};

  public:
    struct limits {
        std::chrono::milliseconds timeout; ///< for each answer, and for connecting
        std::size_t max_pending;           ///< commands that wait for their answers
    };

    static constexpr std::size_t max_reply = 64 * 1024 * 1024; ///< bytes

    /// Connects, and introduces itself. `stop` ends the attempt.
    static task<result<std::shared_ptr<redis_line>, redis_failure>>
    open(executor ex, redis_address const& address, limits l, std::stop_token stop) {
        auto const watch = parley::detail::http_watch::make(
            ex, std::chrono::steady_clock::now() + l.timeout, asio::error::timed_out, stop,
            asio::error::operation_aborted);
        auto const endpoints = co_await endpoints_of(ex, address, *watch);
        if (!endpoints) co_return redis_failure{endpoints.error().message()};
        error_code last = asio::error::host_not_found;
        for (auto const& endpoint : *endpoints) {
            auto const line = std::make_shared<redis_line>(only_open(), ex, l);
            last = co_await line->connect(endpoint, *watch);
            if (watch->why()) break;
            if (last) continue;
            line->start();
            auto const why = co_await line->introduce(address);
            if (why.empty()) co_return line;
            line->close(why);
            co_return redis_failure{why};
        }
        co_return redis_failure{(watch->why() ? watch->why() : last).message()};
    }

    redis_line(only_open, executor ex, limits l)
        : limits_(l), socket_(ex), timer_(ex), reader_(redisReaderCreate()) {
        if (!reader_) throw std::bad_alloc();
    }

    [[nodiscard]] bool is_open() const { return open_; }

    /// Sends a command; `answered` is called once, later, with the answer, or with null when the
    /// connection is closed before. False, and nothing is sent or called, when it is closed
    /// already, or too many wait.
    bool send(redis_command const& command, std::function<void(redis_reply)> answered) {
        if (!open_ || pending_.size() >= limits_.max_pending) return false;
        append(command);
        auto const due = std::chrono::steady_clock::now() + limits_.timeout;
        pending_.push_back({std::move(answered), due});
        if (writing_.empty()) write();
        return true;
    }

    /// Sends a command, and waits for the answer; null when there is none.
    task<redis_reply> ask(redis_command command) {
        using completion = parley::detail::completion<redis_reply>;
        auto start = [self = shared_from_this(), command = std::move(command)](completion done) {
            auto const shared = std::make_shared<completion>(std::move(done));
            auto const answered = [shared](redis_reply reply) { (*shared)(std::move(reply)); };
            if (!self->send(command, answered)) (*shared)(nullptr);
        };
        co_return co_await parley::detail::await_completion<redis_reply>(std::move(start));
    }

    /// To be called before a subscription by pattern: from then on, what is published comes here.
    void on_message(std::function<void(std::string_view channel, std::string_view text)> told) {
        told_ = std::move(told);
    }

    /// Called once when the connection is closed, with the reason.
    void on_close(std::function<void(std::string const&)> closed) { closed_ = std::move(closed); }

    void close(std::string const& why) {
        if (!std::exchange(open_, false)) return;
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
        for (auto const& one : std::exchange(pending_, {}))
            one.answered(nullptr);
        if (auto const closed = std::exchange(closed_, nullptr)) closed(why);
    }

  private:
    struct waiting {
        std::function<void(redis_reply)> answered;
        time_point due;
    };

    static task<result<std::vector<stream_protocol::endpoint>>>
    endpoints_of(executor ex, redis_address const& address, parley::detail::http_watch& watch) {
        std::vector<stream_protocol::endpoint> all;
        if (!address.path.empty()) {
            all.emplace_back(asio::local::stream_protocol::endpoint(address.path));
            co_return all;
        }
        auto const found =
            co_await parley::detail::resolve(ex, address.host, address.port, watch, no_deadline);
        if (!found) co_return found.error();
        all.assign(found->begin(), found->end());
        co_return all;
    }

    task<error_code> connect(stream_protocol::endpoint const& to,
                             parley::detail::http_watch& watch) {
        watch.enter(no_deadline, [this] {
            error_code ignored;
            socket_.close(ignored);
        });
        if (watch.why()) co_return watch.why(); // a closed socket would be opened again
        auto const [ec] = co_await socket_.async_connect(to, asio::as_tuple(use_task));
        watch.leave();
        if (!ec && to.protocol().family() != AF_UNIX) {
            error_code ignored;
            socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
        }
        co_return ec;
    }

    void start() {
        open_ = true;
        asio::co_spawn(socket_.get_executor(), read(shared_from_this()), asio::detached);
        watch_over();
    }

    /// Says who it is and which database it wants; why not, when that is refused.
    task<std::string> introduce(redis_address const& address) {
        std::vector<redis_command> commands;
        if (!address.password.view().empty()) {
            commands.push_back({"AUTH"});
            if (!address.username.empty()) commands.back().push_back(address.username);
            commands.back().emplace_back(address.password.view());
        }
        if (address.database != 0) commands.push_back({"SELECT", std::to_string(address.database)});
        commands.push_back({"PING"}); // which a server that wants a password refuses
        for (auto& command : commands) {
            auto const name = command.front();
            auto const reply = co_await ask(std::move(command));
            if (!reply) co_return "no answer to " + name;
            if (reply->type != REDIS_REPLY_ERROR) continue;
            auto why = text_of(*reply);
            // A Redis that does not know the command repeats it, and so the password.
            if (name == "AUTH") why = why.substr(0, why.find(' '));
            co_return name + " was refused: " + std::string(why);
        }
        co_return std::string();
    }

    void append(redis_command const& command) {
        std::vector<char const*> texts;
        std::vector<std::size_t> sizes;
        for (auto const& argument : command) {
            texts.push_back(argument.data());
            sizes.push_back(argument.size());
        }
        char* formatted = nullptr;
        auto const size = redisFormatCommandArgv(&formatted, static_cast<int>(command.size()),
                                                 texts.data(), sizes.data());
        if (size < 0) throw std::bad_alloc();
        outgoing_.append(formatted, static_cast<std::size_t>(size));
        redisFreeCommand(formatted);
    }

    void write() {
        writing_.swap(outgoing_);
        auto const written = [self = shared_from_this()](error_code ec, std::size_t) {
            wipe(self->writing_); // there may have been a password in it
            if (ec) self->close(ec.message());
            if (self->open_ && !self->outgoing_.empty()) self->write();
        };
        asio::async_write(socket_, asio::buffer(writing_), written);
    }

    static task<> read(std::shared_ptr<redis_line> self) {
        std::array<char, 16 * 1024>
            buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): read into
        try {
            while (self->open_) {
                auto const [ec, size] = co_await self->socket_.async_read_some(
                    asio::buffer(buffer), asio::as_tuple(use_task));
                if (ec) self->close(ec.message());
                if (self->open_) self->take({buffer.data(), size});
            }
        } catch (...) {
            self->close(parley::detail::exception_text()); // nobody would read on
        }
    }

    void take(std::string_view bytes) {
        redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
        unfinished_ += bytes.size();
        while (open_) {
            void* reply = nullptr;
            if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK)
                return close("no Redis protocol: " + std::string(reader_->errstr));
            if (!reply) break;
            unfinished_ = 0;
            dispatch(redis_reply(static_cast<redisReply*>(reply)));
        }
        if (unfinished_ > max_reply) close("an answer of more than 64 MiB");
    }

    void dispatch(redis_reply reply) {
        auto const parts = elements_of(*reply);
        if (told_ && parts.size() == 4 && text_of(*parts[0]) == "pmessage")
            return told_(text_of(*parts[2]), text_of(*parts[3]));
        if (pending_.empty()) return close("an answer to nothing");
        auto const answered = std::move(pending_.front().answered);
        pending_.pop_front();
        answered(std::move(reply));
    }

    /// The first to wait is the first to be due. With nobody waiting, Redis is to say that it is
    /// there.
    void watch_over() {
        auto const now = std::chrono::steady_clock::now();
        auto const due = pending_.empty() ? now + limits_.timeout : pending_.front().due;
        timer_.expires_at(std::max(due, now + std::chrono::milliseconds(1)));
        timer_.async_wait([self = shared_from_this()](error_code) {
            if (!self->open_) return;
            if (self->pending_.empty()) {
                self->send({"PING"}, [](redis_reply const&) {});
            } else if (self->pending_.front().due <= std::chrono::steady_clock::now() &&
                       !self->is_behind()) {
                return self->close("no answer within " +
                                   std::to_string(self->limits_.timeout.count()) + " ms");
            }
            self->watch_over();
        });
    }

    /// Has Redis said something that has not been read? Then it is this server that is late.
    [[nodiscard]] bool is_behind() const {
        error_code failed;
        return socket_.available(failed) > 0;
    }

    limits const limits_;
    socket_type socket_;
    steady_timer timer_;
    std::unique_ptr<redisReader, detail::free_redis_reader> reader_;
    bool open_ = false;
    std::deque<waiting> pending_;
    std::string outgoing_, writing_; // what is to be sent, and what is being sent
    std::size_t unfinished_ = 0;     // bytes since the last whole reply
    std::function<void(std::string_view, std::string_view)> told_;
    std::function<void(std::string const&)> closed_;
};

} // namespace parley::signaling
