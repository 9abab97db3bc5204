// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One connection: its stream, its one timer, and, after the upgrade, its text messages in and out.

#include <parley/detail/alarm.hpp>
#include <parley/detail/observed_stream.hpp>
#include <parley/error.hpp>
#include <parley/http.hpp>
#include <parley/peer.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley {

namespace websocket = boost::beast::websocket;

/// What a wait for a message ended with.
enum class receive_status {
    message,   ///< a text message came
    timed_out, ///< none came before the deadline
    binary,    ///< a binary message came, and binary is never meant
    too_big,   ///< a message over the limit came, and no other will; 1009 is the code to close with
    peer_closed, ///< the peer closed the line, or it broke
    stopping,    ///< the server is shutting down
    closing,     ///< somebody asked for this session to end (`session_handle::close`)
};

struct received {
    receive_status status = receive_status::message;
    std::string text; ///< the message, when there is one
};

/// The limits of one connection.
struct channel_limits {
    std::size_t max_message = 64 * 1024;             ///< bytes of one incoming message
    std::size_t max_waiting_in = 16;                 ///< messages read ahead of the conversation
    std::size_t max_waiting_out = 1024 * 1024;       ///< bytes waiting for a slow reader
    std::chrono::milliseconds write_timeout{10'000}; ///< how long the peer may take to read one
                                                     ///< message, or all that wait at the close
    std::chrono::milliseconds close_timeout{2'000};  ///< how long it may take to answer a close
    std::chrono::milliseconds ping_interval{0}; ///< 0: no pings; else a peer that does not answer
                                                ///< one before the next is gone
    bool discard_unexpected = false; ///< keep only one message for each `send` or `receive`, which
                                     ///< has come after it
};

/// A connection on its one executor. Nothing here is thread-safe except `post`, which runs a
/// function on the executor; it is kept alive by whoever still works on it.
template <class Transport>
class channel : public std::enable_shared_from_this<channel<Transport>> {
  public:
    using stream_type = typename Transport::stream_type;
    using timer_type = typename Transport::timer_type;

    /// \param home keeps the `io_context` of `stream` alive, and `owner` keeps `transport` and
    /// `limits` alive, for as long as anybody, on whatever thread, has this connection.
    channel(std::shared_ptr<void const> home, std::shared_ptr<void const> owner,
            Transport& transport, stream_type stream, channel_limits const& limits)
        : home_(std::move(home)), owner_(std::move(owner)), executor_(stream.get_executor()),
          transport_(transport), limits_(limits), address_(stream.peer_address()),
          alarm_(transport.make_timer(executor_)), written_alarm_(transport.make_timer(executor_)),
          write_timer_(transport.make_timer(executor_)), ws_(std::move(stream), [this] {
              if (hearing_out_) written_alarm_.notify();
          }) {}

    executor get_executor() const { return executor_; }
    stream_type& stream() { return ws_.next_layer(); }
    std::string const& peer_address() const { return address_; }
    channel_limits const& limits() const { return limits_; }
    time_point now() const { return transport_.now(); }

    /// Runs `f(channel&)` on this connection's executor, unless the connection has ended by then.
    /// Thread-safe.
    template <class F>
    void post(F f) {
        // What is posted does not keep the connection, which keeps the queue it is posted to.
        asio::post(executor_, [weak = this->weak_from_this(), call = std::move(f)]() mutable {
            if (auto const self = weak.lock()) call(*self);
        });
    }

    // ---- Waiting ------------------------------------------------------------------------------

    /// Closes the stream at `deadline` unless `disarm` is called first: a bound on any operation of
    /// the stream itself.
    void arm(time_point deadline) {
        disarm();
        alarm_.timer().expires_at(deadline);
        wait_armed(++arming_);
    }

    void disarm() {
        ++arming_;
        alarm_.notify();
    }

    /// Suspends until `ready()` holds or the deadline passes; false when it passed first. `ready`
    /// is looked at again whenever `notify` is called. One coroutine waits at a time.
    template <class Ready>
    task<bool> wait_until(time_point deadline, Ready ready) {
        return alarm_.wait_until(deadline, std::move(ready));
    }

    /// Makes whoever is in `wait_until` look again.
    void notify() { alarm_.notify(); }

    /// Watches for the peer to leave, or to speak out of turn, while it waits in a queue. What it
    /// says is lost, so that a peer that `spoke` cannot be served any more.
    void watch_peer() {
        watching_.running = true;
        auto noticed = [self = this->shared_from_this()](error_code ec, std::size_t n) {
            self->watching_.running = false;
            if (n > 0) self->spoke_ = true;
            if (ec && ec != asio::error::operation_aborted) self->departed_ = true;
            self->notify();
        };
        stream().async_read_some(
            asio::buffer(&first_word_, 1),
            asio::bind_cancellation_slot(watching_.cancellation.slot(),
                                         asio::bind_executor(executor_, std::move(noticed))));
    }

    /// Ends the watch. Until this has ended, nothing else may read from the stream.
    task<> stop_watching() {
        watching_.cancellation.emit(asio::cancellation_type::terminal);
        auto const ended = [this] { return !watching_.running; };
        co_await wait_until(no_deadline, ended);
    }

    [[nodiscard]] bool departed() const { return departed_; }
    [[nodiscard]] bool spoke() const { return spoke_; }

    // ---- Ending -------------------------------------------------------------------------------

    /// Asks the connection to end: a conversation gets `receive_status::stopping`, and a peer that
    /// is not yet in one is answered or dropped.
    void request_stop() {
        stopping_ = true;
        if (idle_) close_stream();
        notify();
    }

    [[nodiscard]] bool stopping() const { return stopping_; }

    /// True when the stream has been ended or has failed.
    [[nodiscard]] bool broken() const { return broken_; }

    /// While idle (no request has begun), a stop ends the connection at once.
    void set_idle(bool idle) {
        idle_ = idle;
        if (idle_ && stopping_) close_stream();
    }

    void request_close(close_reason reason) {
        if (!close_requested_) close_requested_ = std::move(reason);
        notify();
    }

    [[nodiscard]] std::optional<close_reason> const& close_requested() const {
        return close_requested_;
    }

    /// Ends the stream at once.
    void close_stream() {
        broken_ = true;
        stream().close();
        for (auto* task : {&reading_, &writing_, &pinging_, &exchanging_, &watching_})
            task->cancellation.emit(asio::cancellation_type::terminal);
        write_timer_.cancel();
        written_alarm_.notify();
        if (ping_timer_) ping_timer_->cancel();
        notify();
    }

    /// What `cut_off` cancels, if it is bound to the coroutine that serves this connection.
    asio::cancellation_slot cancellation_slot() { return cancellation_.slot(); }

    /// Ends the stream at once, and whatever else the coroutine is waiting for.
    void cut_off() {
        was_cut_off_ = true;
        close_stream();
        cancellation_.emit(asio::cancellation_type::terminal);
    }

    [[nodiscard]] bool was_cut_off() const { return was_cut_off_; }

    // ---- Messages -----------------------------------------------------------------------------

    /// Answers the upgrade. From here on the peer speaks WebSocket.
    task<error_code> accept_upgrade(http_request const& request, std::string subprotocol) {
        ws_.set_option(websocket::stream_base::timeout{websocket::stream_base::none(),
                                                       websocket::stream_base::none(), false});
        ws_.read_message_max(0); // `read_loop` counts itself: Beast would close the line at once
        ws_.text(true);
        ws_.auto_fragment(false); // one message, one frame, one write
        if (!subprotocol.empty()) {
            ws_.set_option(websocket::stream_base::decorator(
                [p = std::move(subprotocol)](websocket::response_type& response) {
                    response.set(http::field::sec_websocket_protocol, p);
                }));
        }
        arm(now() + limits_.write_timeout);
        auto [ec] = co_await ws_.async_accept(request, asio::as_tuple(use_task));
        disarm();
        if (ec) co_return ec;
        upgraded_ = true;
        read_on();
        if (limits_.ping_interval.count() > 0) start_heartbeat();
        co_return error_code{};
    }

    /// The next message, or why there is none.
    task<received> receive(time_point deadline) {
        receiving_ = inbox_.empty();
        auto const decided = [this] {
            return !inbox_.empty() || read_ended_ || broken_ || stopping_ || close_requested_;
        };
        co_await wait_until(deadline, decided);
        receiving_ = false;
        bool const ended = read_ended_ || broken_;
        if (stopping_ && !ended) co_return received{receive_status::stopping, {}};
        if (close_requested_ && !ended) co_return received{receive_status::closing, {}};
        if (!inbox_.empty()) {
            auto message = std::move(inbox_.front());
            inbox_.pop_front();
            read_on();
            co_return message;
        }
        if (ended) co_return received{end_status_, {}};
        co_return received{receive_status::timed_out, {}};
    }

    /// Suspends until `ready()` holds; false when before that the next `receive` has to say that
    /// the conversation is to end. `ready` is looked at again whenever `notify` is called.
    template <class Ready>
    task<bool> wait_unless_ended(Ready ready) {
        auto const decided = [this, &ready] {
            return ready() || read_ended_ || broken_ || stopping_ || close_requested_;
        };
        co_await wait_until(no_deadline, decided);
        co_return ready();
    }

    /// Sends one text message and waits until the transport has taken it. False when the line is
    /// broken, or the peer has not read for `write_timeout`; then the stream is closed.
    /// \param last no answer to it is expected
    task<bool> send(std::string text, bool last = false) {
        if (limits_.discard_unexpected && !last) co_await hear_out();
        if (!enqueue(std::make_shared<std::string const>(std::move(text)))) co_return false;
        // The answer may come before the transport has said that the question is gone.
        receiving_ = true;
        co_return co_await wait_until_written(no_deadline, enqueued_);
    }

    /// Puts a message behind those already waiting; messages may be shared among connections. False
    /// when the line is broken, or when too much waits for a peer that does not read: such a peer
    /// is disconnected rather than let it cost memory.
    bool enqueue(std::shared_ptr<std::string const> text) {
        if (broken_ || !upgraded_ || closing_) return false;
        if (waiting_out_ + text->size() > limits_.max_waiting_out) {
            close_stream();
            return false;
        }
        auto const size = text->size();
        try {
            outbox_.push_back(std::move(text));
        } catch (std::bad_alloc const&) {
            close_stream();
            return false;
        }
        waiting_out_ += size;
        ++enqueued_;
        if (!writing_.running) write_next();
        return !broken_;
    }

    /// Sends what waits to be sent, for at most `write_timeout` in all, then the close frame, and
    /// waits, for at most `close_timeout`, until the peer has answered.
    task<> close(close_reason reason) {
        closing_ = true; // nothing more is taken
        if (!co_await wait_until_written(now() + limits_.write_timeout, enqueued_)) close_stream();
        bool const peer_closed = read_ended_ && end_status_ == receive_status::peer_closed;
        if (!broken_ && !peer_closed) {
            spawn(&channel::exchanging_, exchange_close(std::move(reason)));
        }
        auto const at_rest = [this] {
            return !reading_.running && !writing_.running && !pinging_.running &&
                   !exchanging_.running;
        };
        while (!co_await wait_until(now() + limits_.close_timeout, at_rest))
            close_stream();
    }

  private:
    /// Bytes that an idle connection has ready for a message.
    static constexpr std::size_t first_room = 128;
    static constexpr std::size_t next_room = 2048;
    static constexpr std::size_t last_room = 64 * 1024;

    /// What goes on beside the conversation, at most once at a time.
    struct side_task {
        bool running = false;
        // The end of the stream is not enough: while one side closes and the other breaks the
        // protocol, Beast's reader and its closer wait for each other, and neither for the stream.
        asio::cancellation_signal cancellation;
    };

    void wait_armed(unsigned armed) {
        alarm_.timer().async_wait(
            asio::bind_executor(executor_, [self = this->shared_from_this(), armed](error_code ec) {
                if (armed != self->arming_) return;
                if (ec) return self->wait_armed(armed); // woken by `notify`: not yet
                self->close_stream();
            }));
    }

    // What has come before a question is no answer to it. Discards everything that has arrived by
    // now, wherever it is on its way; returns when it is certain that there is no more of it. A
    // peer that talks on for `write_timeout` is ended.
    task<> hear_out() {
        receiving_ = false;
        clear_inbox();
        auto const deadline = now() + limits_.write_timeout;
        auto const reading = [this] {
            return broken_ || read_ended_ || ws_.next_layer().reader_waits();
        };
        for (bool heard = false; !heard && !broken_ && !read_ended_;) {
            hearing_out_ = true;
            bool const in_time = co_await written_alarm_.wait_until(deadline, reading);
            hearing_out_ = false;
            if (!in_time || now() >= deadline) close_stream();
            // A read that waits may have its bytes already; then it completes before this goes on.
            bool const quiet = nothing_to_read();
            auto const reads = ws_.next_layer().reads();
            co_await asio::post(executor_, use_task);
            heard = quiet && nothing_to_read() && reads == ws_.next_layer().reads();
        }
    }

    bool nothing_to_read() { return ws_.next_layer().reader_waits() && stream().available() == 0; }

    // Until the transport has taken so many messages. `watch_writer` bounds the time of each.
    task<bool> wait_until_written(time_point deadline, std::uint64_t count) {
        auto const done = [this, count] { return broken_ || written_ >= count; };
        bool const in_time = co_await written_alarm_.wait_until(deadline, done);
        co_return in_time && !broken_;
    }

    // Runs `work` beside the conversation. If it fails, for want of memory, that ends the
    // connection and nothing else.
    void spawn(side_task channel::*which, task<> work) {
        auto& beside = this->*which;
        beside.running = true;
        auto ended = [self = this->shared_from_this(), which](std::exception_ptr const& failure) {
            ((*self).*which).running = false;
            if (failure) self->close_stream();
            self->notify();
        };
        try {
            asio::co_spawn(
                executor_, std::move(work),
                asio::bind_cancellation_slot(beside.cancellation.slot(), std::move(ended)));
        } catch (...) {
            beside.running = false; // it has not begun
            throw;
        }
    }

    // Starts the reader, or wakes it when there is room in the inbox again.
    void read_on() {
        if (reading_.running || read_ended_) return;
        ponged_ = true; // an answer may have waited while nobody read
        spawn(&channel::reading_, read_loop());
    }

    void clear_inbox() {
        inbox_.clear();
        read_on();
    }

    void start_heartbeat() {
        ws_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
            if (kind == websocket::frame_type::pong) ponged_ = true;
        });
        ping_timer_.emplace(transport_.make_timer(executor_));
        beat();
    }

    void beat() {
        if (broken_ || read_ended_ || closing_) return;
        // While the inbox is full nobody reads, so an answer cannot be expected.
        bool const silent = !std::exchange(ponged_, false) && reading_.running;
        if (silent || pinging_.running) return close_stream();
        // Not waited for: a peer that does not read would hold the heartbeat itself up.
        spawn(&channel::pinging_, send_ping());
        ping_timer_->expires_at(now() + limits_.ping_interval);
        ping_timer_->async_wait(
            asio::bind_executor(executor_, [self = this->shared_from_this()](error_code ec) {
                if (ec) return;
                try {
                    self->beat();
                } catch (std::bad_alloc const&) {
                    self->close_stream();
                }
            }));
    }

    // Reads ahead, so that pings are answered and a departure is noticed whatever the conversation
    // is doing. Stops reading while the inbox is full: the peer's own flow control then holds it.
    task<> read_loop() {
        std::string text; // as much of a message as has come
        while (inbox_.size() < limits_.max_waiting_in) {
            auto const had = text.size();
            // What is left of the frame, once its size is known; but no more than has come already,
            // or a little: a peer that only promises much takes none.
            auto const room =
                std::min({ws_.read_size_hint(first_room), std::clamp(had, next_room, last_room),
                          limits_.max_message + 1 - had});
            text.resize(had + room);
            auto const into = asio::buffer(text) + had;
            auto [ec, n] = co_await ws_.async_read_some(into, asio::as_tuple(use_task));
            text.resize(had + n);
            if (ec || text.size() > limits_.max_message) {
                // Of too big a one the peer has not been told yet: the conversation may have
                // something to record first.
                end_status_ = ec ? receive_status::peer_closed : receive_status::too_big;
                read_ended_ = true;
                written_alarm_.notify();
                break;
            }
            if (ws_.is_message_done()) keep(std::exchange(text, {}));
        }
    }

    void keep(std::string text) {
        if (closing_ || (limits_.discard_unexpected && !receiving_)) return;
        if (ws_.got_text()) {
            inbox_.push_back({receive_status::message, std::move(text)});
        } else {
            inbox_.push_back({receive_status::binary, {}});
        }
        // One message answers one receive: a second one that came with it is out of turn.
        if (limits_.discard_unexpected) receiving_ = false;
        notify();
    }

    // Not a coroutine, since one would be made for almost every message. Without the memory for it,
    // the line ends: Beast may take the write as begun.
    void write_next() try {
        write_deadline_ = now() + limits_.write_timeout;
        if (!write_watched_) watch_writer();
        auto written = [self = this->shared_from_this()](error_code ec, std::size_t) {
            self->writing_.running = false;
            self->note_written(ec);
        };
        ws_.async_write(
            asio::buffer(*outbox_.front()),
            asio::bind_cancellation_slot(writing_.cancellation.slot(),
                                         asio::bind_executor(executor_, std::move(written))));
        writing_.running = true;
    } catch (std::bad_alloc const&) {
        close_stream();
    }

    void note_written(error_code ec) {
        if (ec) return close_stream();
        waiting_out_ -= outbox_.front()->size();
        outbox_.pop_front();
        ++written_;
        written_alarm_.notify();
        if (closing_) notify();
        if (!outbox_.empty() && !broken_) write_next();
    }

    // Ends a line that does not take a message in time, though nobody may be waiting for it in
    // `send`. One wait outlasts many messages.
    void watch_writer() {
        write_watched_ = true;
        write_timer_.expires_at(write_deadline_);
        write_timer_.async_wait(
            asio::bind_executor(executor_, [self = this->shared_from_this()](error_code ec) {
                self->write_watched_ = false;
                if (ec || !self->writing_.running) return;
                if (self->now() < self->write_deadline_) return self->watch_writer();
                self->close_stream();
            }));
    }

    task<> exchange_close(close_reason reason) {
        clear_inbox(); // a paused reader would never see the peer's answer
        websocket::close_reason frame(reason.code);
        auto const text = close_text(reason.text);
        frame.reason.assign(text.data(), text.size());
        auto [ec] = co_await ws_.async_close(frame, asio::as_tuple(use_task));
        static_cast<void>(ec); // a peer that is gone already is as good as closed
    }

    // As much of `text` as fits, without cutting a character in two.
    static std::string_view close_text(std::string_view text) {
        constexpr std::size_t room = 123;
        if (text.size() <= room) return text;
        auto end = room;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
            --end;
        return text.substr(0, end);
    }

    task<> send_ping() { co_await ws_.async_ping({}, asio::as_tuple(use_task)); }

    std::shared_ptr<void const> home_; // destroyed last
    std::shared_ptr<void const> owner_;
    executor executor_;
    Transport& transport_;
    channel_limits const& limits_;
    std::string address_;
    asio::cancellation_signal cancellation_;
    detail::alarm<timer_type> alarm_;
    detail::alarm<timer_type> written_alarm_; // apart, so that one may send while another receives
    timer_type write_timer_;
    time_point write_deadline_;
    std::optional<timer_type> ping_timer_;
    side_task reading_;
    side_task writing_;
    side_task pinging_;
    side_task exchanging_; // close frames
    side_task watching_;   // a peer in a queue
    websocket::stream<detail::observed_stream<stream_type>, false> ws_;
    // Lists: empty, as they are most of the time, they take no memory.
    std::list<received> inbox_;
    std::list<std::shared_ptr<std::string const>> outbox_;
    std::size_t waiting_out_ = 0;
    std::uint64_t enqueued_ = 0;
    std::uint64_t written_ = 0;
    std::optional<close_reason> close_requested_;
    receive_status end_status_ = receive_status::peer_closed;
    unsigned arming_ = 0;
    bool departed_ = false;
    bool spoke_ = false;
    char first_word_ = 0;
    bool upgraded_ = false;
    bool receiving_ = false;
    bool hearing_out_ = false;
    bool read_ended_ = false;
    bool write_watched_ = false;
    bool closing_ = false;
    bool broken_ = false;
    bool stopping_ = false;
    bool was_cut_off_ = false;
    bool idle_ = true;
    bool ponged_ = false;
};

} // namespace parley
