// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A transport without sockets and a clock that moves only when told to: for unit tests that are
/// deterministic and never sleep. Everything lives on one `io_context`, run by one thread.

#include <parley/detail/completion.hpp>
#include <parley/detail/teardown.hpp>
#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace parley {

namespace detail {

struct manual_timer_state {
    time_point deadline = no_deadline;
    std::vector<completion<error_code>> waiters;

    void complete(error_code ec) {
        for (auto& waiter : std::exchange(waiters, {}))
            waiter(ec);
    }
};

/// One direction of a connection: a bounded byte queue with at most one reader and one writer.
struct memory_pipe {
    static constexpr std::size_t capacity = 64 * 1024;

    std::string bytes;
    bool ended = false;     // the writer sends no more
    bool abandoned = false; // the reader reads no more
    asio::mutable_buffer read_into;
    completion<error_code, std::size_t> reader;
    asio::const_buffer write_from;
    completion<error_code, std::size_t> writer;

    void pump() {
        if (writer && abandoned) writer(asio::error::broken_pipe, 0);
        if (writer && bytes.size() < capacity) {
            auto const n = std::min(write_from.size(), capacity - bytes.size());
            bytes.append(static_cast<char const*>(write_from.data()), n);
            writer(error_code{}, n);
        }
        if (!reader) return;
        if (!bytes.empty()) {
            auto const n = asio::buffer_copy(read_into, asio::buffer(bytes));
            bytes.erase(0, n);
            reader(error_code{}, n);
            if (writer) pump();
        } else if (ended) {
            reader(asio::error::eof, 0);
        }
    }

    void end() {
        ended = true;
        if (writer) writer(asio::error::operation_aborted, 0);
        pump();
    }

    void cancel_read() {
        if (reader) reader(asio::error::operation_aborted, 0);
    }

    void abandon() {
        abandoned = true;
        bytes.clear();
        cancel_read();
        pump();
    }
};

/// The first buffer of a sequence that has any room: enough for an operation that moves "some".
template <class Buffer, class Buffers>
Buffer first_buffer(Buffers const& buffers) {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers);
         ++it) {
        if (Buffer const b(*it); b.size() > 0) return b;
    }
    return {};
}

struct not_cancellable {};

/// Starts an operation that `start(completion)` is told to complete, and which `cancel(type)` ends.
template <class... Rs, class Token, class Start, class Cancel = not_cancellable>
auto initiate_completion(executor ex, Token&& token, Start start, Cancel cancel = {}) {
    return asio::async_initiate<Token, void(Rs...)>(
        [ex](auto handler, Start begin, Cancel end) {
            auto const home = asio::get_associated_executor(handler, ex);
            auto work = asio::prefer(home, asio::execution::outstanding_work.tracked);
            if constexpr (!std::is_same_v<Cancel, not_cancellable>) {
                auto slot = asio::get_associated_cancellation_slot(handler);
                if (slot.is_connected()) slot.assign(std::move(end));
            }
            begin(completion<Rs...>(std::move(handler), std::move(work)));
        },
        token, std::move(start), std::move(cancel));
}

} // namespace detail

/// The time of a `memory_transport`; copies share it. Starts at 2026-01-01T00:00:00Z.
class manual_clock {
  public:
    [[nodiscard]] time_point now() const { return state_->now; }

    [[nodiscard]] std::chrono::system_clock::time_point wall_time() const {
        using namespace std::chrono;
        return sys_days{2026y / January / 1} +
               duration_cast<system_clock::duration>(state_->now.time_since_epoch());
    }

    /// Moves the time forward and completes every timer that is due, earliest first. The handlers
    /// run when the `io_context` is next polled.
    void advance(std::chrono::nanoseconds by) {
        state_->now += by;
        auto& all = state_->timers;
        std::erase_if(all, [](auto const& timer) { return timer.expired(); });
        std::vector<std::shared_ptr<detail::manual_timer_state>> due;
        for (auto const& weak : all) {
            auto timer = weak.lock();
            if (timer && timer->deadline <= state_->now) due.push_back(std::move(timer));
        }
        std::stable_sort(due.begin(), due.end(),
                         [](auto const& a, auto const& b) { return a->deadline < b->deadline; });
        for (auto const& timer : due)
            timer->complete({});
    }

  private:
    friend class manual_timer;

    struct state {
        time_point now{};
        std::vector<std::weak_ptr<detail::manual_timer_state>> timers;
    };

    std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// A timer on a `manual_clock`; the same interface as an Asio timer, as far as the library uses it.
class manual_timer {
  public:
    manual_timer(executor ex, manual_clock clock)
        : executor_(std::move(ex)), clock_(std::move(clock)),
          state_(std::make_shared<detail::manual_timer_state>()) {
        clock_.state_->timers.push_back(state_);
    }

    manual_timer(manual_timer&&) = default;
    manual_timer& operator=(manual_timer&&) = default;

    ~manual_timer() {
        if (state_) cancel();
    }

    void expires_at(time_point deadline) {
        cancel();
        state_->deadline = deadline;
    }

    void cancel() { state_->complete(asio::error::operation_aborted); }

    template <class Token>
    auto async_wait(Token&& token) {
        return detail::initiate_completion<error_code>(
            executor_, std::forward<Token>(token),
            [timer = state_, now = clock_.now()](detail::completion<error_code> done) {
                if (timer->deadline <= now) {
                    done({});
                } else {
                    timer->waiters.push_back(std::move(done));
                }
            },
            [timer = state_](asio::cancellation_type) {
                timer->complete(asio::error::operation_aborted);
            });
    }

  private:
    executor executor_;
    manual_clock clock_;
    std::shared_ptr<detail::manual_timer_state> state_;
};

/// One end of an in-memory connection.
class memory_stream {
  public:
    using executor_type = executor;

    /// Two ends, connected.
    static std::pair<memory_stream, memory_stream> make_pair(executor ex, std::string a_address,
                                                             std::string b_address) {
        auto ab = std::make_shared<detail::memory_pipe>();
        auto ba = std::make_shared<detail::memory_pipe>();
        return {memory_stream(ex, ba, ab, std::move(b_address)),
                memory_stream(ex, ab, ba, std::move(a_address))};
    }

    memory_stream(memory_stream&&) = default;
    memory_stream& operator=(memory_stream&&) = delete;

    ~memory_stream() {
        if (in_) close();
    }

    executor_type get_executor() { return executor_; }

    template <class Buffers, class Token>
    auto async_read_some(Buffers const& buffers, Token&& token) {
        return detail::initiate_completion<error_code, std::size_t>(
            executor_, std::forward<Token>(token),
            [pipe = in_, into = detail::first_buffer<asio::mutable_buffer>(buffers)](
                detail::completion<error_code, std::size_t> done) {
                if (into.size() == 0) return done(error_code{}, 0);
                if (pipe->abandoned) return done(asio::error::bad_descriptor, 0);
                pipe->read_into = into;
                pipe->reader = std::move(done);
                pipe->pump();
            },
            [pipe = in_](asio::cancellation_type) { pipe->cancel_read(); });
    }

    template <class Buffers, class Token>
    auto async_write_some(Buffers const& buffers, Token&& token) {
        return detail::initiate_completion<error_code, std::size_t>(
            executor_, std::forward<Token>(token),
            [pipe = out_, from = detail::first_buffer<asio::const_buffer>(buffers)](
                detail::completion<error_code, std::size_t> done) {
                if (from.size() == 0) return done(error_code{}, 0);
                if (pipe->ended) return done(asio::error::bad_descriptor, 0);
                pipe->write_from = from;
                pipe->writer = std::move(done);
                pipe->pump();
            });
    }

    task<error_code> handshake() { co_return error_code{}; }

    task<> shutdown() {
        out_->end();
        co_return;
    }

    void close() {
        out_->end();
        in_->abandon();
    }

    [[nodiscard]] std::string peer_address() const { return peer_; }

  private:
    memory_stream(executor ex, std::shared_ptr<detail::memory_pipe> in,
                  std::shared_ptr<detail::memory_pipe> out, std::string peer)
        : executor_(std::move(ex)), in_(std::move(in)), out_(std::move(out)),
          peer_(std::move(peer)) {}

    executor executor_;
    std::shared_ptr<detail::memory_pipe> in_;
    std::shared_ptr<detail::memory_pipe> out_;
    std::string peer_;
};

/// Where a `memory_transport`'s connections come out.
class memory_listener {
  public:
    struct state {
        std::deque<memory_stream> backlog;
        detail::completion<bool> waiting;
        bool open = true;
    };

    memory_listener(executor ex, std::shared_ptr<state> shared)
        : executor_(std::move(ex)), state_(std::move(shared)) {}

    executor get_executor() { return executor_; }
    [[nodiscard]] std::uint16_t port() const { return 0; }

    /// The next connection. `home` must be the executor of the one `io_context` in use.
    task<result<memory_stream>> accept(executor) {
        while (state_->open && state_->backlog.empty()) {
            co_await detail::await_completion<bool>(
                [this](detail::completion<bool> done) { state_->waiting = std::move(done); });
        }
        if (!state_->open) co_return error_code(asio::error::operation_aborted);
        auto stream = std::move(state_->backlog.front());
        state_->backlog.pop_front();
        co_return std::move(stream);
    }

    void close() {
        state_->open = false;
        state_->backlog.clear();
        if (state_->waiting) state_->waiting(true);
    }

  private:
    executor executor_;
    std::shared_ptr<state> state_;
};

/// Transport policy for tests. Copies share their clock and their listener.
class memory_transport {
  public:
    using policy_kind = policy_kinds::transport;
    using stream_type = memory_stream;
    using timer_type = manual_timer;
    using listener_type = memory_listener;
    struct endpoint_type {};

    memory_transport() = default;
    explicit memory_transport(manual_clock clock) : clock_(std::move(clock)) {}

    result<listener_type> listen(executor ex, endpoint_type const&) {
        state_->open = true;
        return memory_listener(ex, state_);
    }

    static stream_type wrap(memory_stream stream) { return stream; }

    /// A client's end of a new connection, which the server will accept as coming from `address`.
    memory_stream connect(executor ex, std::string address = "192.0.2.1") {
        auto [client, server] = memory_stream::make_pair(ex, std::move(address), "server");
        if (state_->open) {
            state_->backlog.push_back(std::move(server));
            if (state_->waiting) state_->waiting(true);
        }
        return std::move(client);
    }

    timer_type make_timer(executor ex) { return {std::move(ex), clock_}; }
    [[nodiscard]] manual_clock clock() const { return clock_; }
    [[nodiscard]] time_point now() const { return clock_.now(); }
    [[nodiscard]] std::chrono::system_clock::time_point wall_time() const {
        return clock_.wall_time();
    }

  private:
    manual_clock clock_;
    std::shared_ptr<memory_listener::state> state_ = std::make_shared<memory_listener::state>();
};

} // namespace parley
