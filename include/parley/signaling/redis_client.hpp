// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A Redis server that may go and come back: commands from any thread, and a subscription.

#include <parley/detail/alarm.hpp>
#include <parley/detail/completion.hpp>
#include <parley/detail/exception_text.hpp>
#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/random.hpp>
#include <parley/signaling/redis_address.hpp>
#include <parley/signaling/redis_line.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

/// Keeps two connections to a Redis server, one for commands and one for what is published; when
/// either is lost, both are made anew.
class redis_client : public std::enable_shared_from_this<redis_client> {
  public:
    struct options {
        redis_address address = {};
        std::chrono::milliseconds timeout = std::chrono::seconds(2); ///< of connecting, of answers
        std::size_t max_pending = 10'000; ///< commands that wait for answers
        /// Between two attempts to connect: at first, and at most; random, from half of it.
        std::chrono::milliseconds min_backoff = std::chrono::milliseconds(100);
        std::chrono::milliseconds max_backoff = std::chrono::seconds(3);
        /// Told when the connection is lost and when it is back; on the client's own thread.
        std::function<void(std::string_view)> log = {};
    };

    /// What is done with the connections. All is called on the client's executor.
    struct user {
        std::string pattern; ///< what is subscribed to (PSUBSCRIBE)
        std::function<void(std::string_view channel, std::string_view text)> told;
        /// Runs while there is a connection; returns soon after it is closed, or the client is to
        /// stop. Until it calls `admit`, commands of others are refused.
        std::function<task<>(redis_line&)> session;
    };

    explicit redis_client(options o) : options_(std::move(o)) {}

    /// True unless commands are being admitted. From any thread.
    [[nodiscard]] bool failing() const { return !admitting_; }

    /// Calls `begin(line, done)` on the client's executor, in the order of the calls of one thread,
    /// and waits until `done` has been called. `line` is null when no command can be sent. From any
    /// thread, before, while and after the client runs.
    template <class R, class Begin>
    task<R> perform(Begin begin) {
        using completion = parley::detail::completion<R>;
        auto start = [this, begin = std::move(begin)](completion given) mutable {
            auto const done = std::make_shared<completion>(std::move(given));
            std::scoped_lock const lock(mutex_);
            // It does not run: all that call then, do so one after the other under the lock.
            if (!home_) return begin(static_cast<redis_line*>(nullptr), done);
            asio::post(*home_, [self = shared_from_this(), begin = std::move(begin), done] {
                begin(self->admitting_ ? self->line_.get() : nullptr, done);
            });
        };
        co_return co_await parley::detail::await_completion<R>(std::move(start));
    }

    /// Works on the context's executor until the context says that it is time to stop.
    template <class Context>
    task<> run(Context& context, user with) {
        auto const self = shared_from_this();
        begin(context.get_executor());
        bool over = false;
        auto const ended = [this, &over](std::exception_ptr const& thrown) {
            over = true;
            if (thrown) log("the Redis client failed: " + text_of_exception(thrown));
            bell_->notify();
        };
        asio::co_spawn(context.get_executor(), keep_connected(with), ended);
        co_await context.wait_until(no_deadline);
        stop_->request_stop();
        bell_->notify();
        auto const is_over = [&over] { return over; };
        co_await bell_->wait_until(no_deadline, is_over);
        std::scoped_lock const lock(mutex_);
        bell_.reset(); // its timer is not to outlive the context
        home_.reset();
    }

    // ---- For the session ----

    /// From now on, commands of others are taken.
    void admit() {
        admitting_ = true;
        backoff_ = options_.min_backoff;
        known_.clear();
        log("Redis at " + options_.address.text() + " is connected");
    }

    [[nodiscard]] bool stopping() const { return stop_->stop_requested(); }

    /// Waits, but no longer than there is a connection and the client is to run.
    task<> pause(std::chrono::milliseconds time) {
        auto const self = shared_from_this();
        auto const cut_short = [this] { return stopping() || !line_ || !line_->is_open(); };
        co_await bell_->wait_until(std::chrono::steady_clock::now() + time, cut_short);
    }

    void log(std::string_view text) const {
        if (options_.log) options_.log(text);
    }

  private:
    static std::string text_of_exception(std::exception_ptr const& thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (...) {
            return parley::detail::exception_text();
        }
    }

    void begin(executor ex) {
        std::scoped_lock const lock(mutex_);
        home_ = ex;
        bell_ = std::make_unique<parley::detail::alarm<steady_timer>>(steady_timer(ex));
        stop_.emplace();
    }

    task<> keep_connected(user with) {
        auto const self = shared_from_this();
        backoff_ = options_.min_backoff;
        while (!stopping()) {
            auto const why = co_await connect_and_serve(with);
            if (stopping()) break;
            if (why != std::exchange(known_, why))
                log("Redis at " + options_.address.text() + " is out of reach: " + why);
            co_await rest(backoff_);
            backoff_ = std::min(backoff_ * 2, options_.max_backoff);
        }
    }

    /// Why there is no connection any more.
    task<std::string> connect_and_serve(user const& with) {
        redis_line::limits const limits{options_.timeout, options_.max_pending};
        auto const commands = co_await redis_line::open(*home_, options_.address, limits, token());
        if (!commands) co_return commands.error().why;
        auto const lost = std::make_shared<std::string>(); // by whichever is closed first
        auto const events = co_await redis_line::open(*home_, options_.address, limits, token());
        if (!events) {
            (*commands)->close("");
            co_return events.error().why;
        }
        watch(**commands, **events, lost);
        bool const subscribed = co_await subscribe(**events, with);
        if (subscribed) {
            line_ = *commands;
            auto session = with.session(*line_);
            co_await std::move(session);
            admitting_ = false;
        }
        line_ = nullptr;
        (*commands)->close("it did not do as asked");
        (*events)->close("");
        co_return *lost;
    }

    /// Either is of no use without the other.
    void watch(redis_line& commands, redis_line& events, std::shared_ptr<std::string> const& lost) {
        auto const closed = [self = shared_from_this(), lost](redis_line& other) {
            return [self, lost, weak = other.weak_from_this()](std::string const& why) {
                if (lost->empty()) *lost = why;
                self->admitting_ = false;
                if (auto const line = weak.lock()) line->close(why);
                if (self->bell_) self->bell_->notify();
            };
        };
        commands.on_close(closed(events));
        events.on_close(closed(commands));
    }

    task<bool> subscribe(redis_line& events, user const& with) {
        events.on_message(with.told);
        redis_command command{"PSUBSCRIBE", with.pattern};
        auto const reply = co_await events.ask(std::move(command));
        co_return reply && reply->type == REDIS_REPLY_ARRAY;
    }

    /// From half of the time to all of it, so that servers that lost Redis together do not come
    /// back together.
    task<> rest(std::chrono::milliseconds time) {
        std::array<std::uint8_t, 2> random{};
        fill_random(random);
        auto const part = (random[0] * 256 + random[1]) / 65'536.0;
        auto const chosen = std::chrono::floor<std::chrono::milliseconds>(time * (1 + part) / 2);
        auto const cut_short = [this] { return stopping(); };
        co_await bell_->wait_until(std::chrono::steady_clock::now() + chosen, cut_short);
    }

    [[nodiscard]] std::stop_token token() const { return stop_->get_token(); }

    options const options_;
    std::atomic<bool> admitting_ = false;
    std::mutex mutex_; // guards `home_`: written on the client's executor, read on any thread
    std::optional<executor> home_;

    // On the client's executor:
    std::unique_ptr<parley::detail::alarm<steady_timer>> bell_;
    std::optional<std::stop_source> stop_;
    std::shared_ptr<redis_line> line_; // for commands, while there is a session
    std::chrono::milliseconds backoff_{};
    std::string known_; // why it is out of reach, as it has been logged
};

} // namespace parley::signaling
