// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The handshake as a patient's agent speaks it (consent broker specification, §1 to §3), over any
/// stream of this library: TCP, TLS, memory. The broker is a stranger: nothing that it sends, or
/// fails to send, can do more than end the handshake.

#include <parley/consent/broker_answers.hpp>
#include <parley/consent/client_messages.hpp>
#include <parley/crypto/ed25519_key.hpp>
#include <parley/peer.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace parley::consent {

/// Something that happened on the way. Valid during the call only; its texts are printable ASCII.
struct handshake_step {
    enum class kind {
        upgraded, ///< the broker has let us in
        sent,     ///< a message to the broker
        received, ///< a message from the broker
    };
    kind what;
    std::string_view type;   ///< of the message
    std::string_view detail; ///< what matters in it: an id, the nonce, a status, an error's code
};

/// What a patient's agent asks for, and of whom.
struct handshake_request {
    std::string host; ///< for the HTTP request's `Host`
    std::string path; ///< where the broker's WebSocket is
    ed25519_key key;  ///< the patient's
    token_claims claims;
    std::string patient_endpoint;              ///< where the patient's agent can be reached
    std::chrono::milliseconds timeout{60'000}; ///< for all of it, the broker's queue included
    std::function<void(handshake_step const&)> on_step = {}; ///< may be empty
};

/// How a handshake ended. Every text in it is printable ASCII of bounded length.
struct handshake_result {
    enum class outcome {
        completed,    ///< there is a relationship
        refused,      ///< the broker said no, by a `handshake.error`
        http_refused, ///< it did not upgrade: 503 after too long a wait, 404 off its path
        misbehaved,   ///< it does not speak this protocol
        timed_out,    ///< not done within `timeout`
        disconnected, ///< the line broke, or was closed without an answer
    };
    outcome how = outcome::disconnected;
    handshake_complete agreed;               ///< when `completed`
    std::string code;                        ///< when `refused`: `CONSENT_FAILED`, …
    std::string message;                     ///< unless `completed`: why
    unsigned http_status = 0;                ///< when `http_refused`
    std::optional<std::uint16_t> close_code; ///< of the broker's close frame, if one came
};

namespace detail {

/// One handshake. What bounds its waits is one timer that closes the stream.
template <class Stream, class Transport>
class handshake_client : public std::enable_shared_from_this<handshake_client<Stream, Transport>> {
  public:
    handshake_client(Stream stream, Transport& transport, handshake_request request)
        : transport_(transport), request_(std::move(request)),
          timer_(transport.make_timer(stream.get_executor())), ws_(std::move(stream)) {}

    task<handshake_result> run() {
        close_after(request_.timeout);
        co_await converse();
        close_after(close_timeout);
        co_await close();
        timer_.cancel();
        ws_.next_layer().close();
        co_return std::move(result_);
    }

  private:
    using outcome = handshake_result::outcome;
    using ws_error = boost::beast::websocket::error;

    static constexpr std::size_t max_message = 16 * 1024; // an answer has a few hundred bytes
    static constexpr std::chrono::milliseconds close_timeout{2'000};

    void close_after(std::chrono::milliseconds timeout) {
        timer_.expires_at(transport_.now() + timeout);
        timer_.async_wait(
            asio::bind_executor(ws_.get_executor(), [weak = this->weak_from_this()](error_code ec) {
                auto const self = weak.lock();
                if (ec || !self) return;
                self->expired_ = true;
                self->ws_.next_layer().close();
            }));
    }

    // A step that returns nothing, or false, has said in `result_` why.
    task<> converse() {
        if (!co_await upgrade()) co_return;
        auto const auth = make_auth(request_.key, request_.claims, request_.patient_endpoint);
        auto const who = printable(auth.patient_agent_id);
        if (!co_await send(auth, who)) co_return;
        auto answer = co_await receive();
        if (!answer) co_return;
        if (auto const* challenge = std::get_if<handshake_challenge>(&*answer)) {
            if (!co_await respond(*challenge)) co_return;
            answer = co_await receive();
            if (!answer) co_return;
        }
        std::visit([this](auto& last) { this->conclude(last); }, *answer);
    }

    task<bool> upgrade() {
        boost::beast::websocket::response_type response;
        auto [ec] = co_await ws_.async_handshake(response, request_.host, request_.path,
                                                 asio::as_tuple(use_task));
        if (ec == ws_error::upgrade_declined) {
            result_.http_status = response.result_int();
            end(outcome::http_refused,
                std::to_string(response.result_int()) + " " + std::string(response.reason()));
        } else if (ec) {
            end_broken(ec);
        } else {
            ws_.read_message_max(max_message);
            ws_.text(true);
            report(handshake_step::kind::upgraded, {}, {});
        }
        co_return !ec;
    }

    template <message M>
    task<bool> send(M const& m, std::string_view detail) {
        auto const text = encode_message(m);
        auto [ec, n] = co_await ws_.async_write(asio::buffer(text), asio::as_tuple(use_task));
        if (ec) {
            end_broken(ec);
        } else {
            report(handshake_step::kind::sent, M::type, detail);
        }
        co_return !ec;
    }

    task<std::optional<broker_message>> receive() {
        boost::beast::flat_buffer buffer;
        auto [ec, n] = co_await ws_.async_read(buffer, asio::as_tuple(use_task));
        if (ec) {
            end_broken(ec);
            co_return std::nullopt;
        }
        if (!ws_.got_text()) {
            end(outcome::misbehaved, "expected a text message, found a binary one");
            co_return std::nullopt;
        }
        auto message = decode_broker_message({static_cast<char const*>(buffer.data().data()), n});
        if (!message) {
            end(outcome::misbehaved, message.error().text());
            co_return std::nullopt;
        }
        std::visit([this](auto const& m) { this->report_received(m); }, *message);
        co_return std::move(*message);
    }

    task<bool> respond(handshake_challenge const& challenge) {
        if (challenge.provider_npi != request_.claims.provider_npi) {
            end(outcome::misbehaved, "the challenge is for another provider");
            co_return false;
        }
        auto const response = answer_challenge(request_.key, challenge);
        if (!response) {
            end(outcome::misbehaved, response.error().text());
            co_return false;
        }
        co_return co_await send(*response, {});
    }

    void conclude(handshake_challenge const&) { end(outcome::misbehaved, "a second challenge"); }

    void conclude(handshake_complete& answer) {
        result_.how = outcome::completed;
        result_.agreed = std::move(answer);
    }

    void conclude(handshake_error& answer) {
        result_.code = std::move(answer.code);
        end(outcome::refused, answer.message);
    }

    /// Waits for the broker to close the line, or tells it that it misbehaved.
    task<> close() {
        if (!ws_.is_open()) co_return;
        if (result_.how == outcome::misbehaved) {
            boost::beast::websocket::close_reason const reason(
                boost::beast::websocket::close_code::protocol_error);
            auto [ignored] = co_await ws_.async_close(reason, asio::as_tuple(use_task));
            static_cast<void>(ignored);
            co_return;
        }
        boost::beast::flat_buffer buffer;
        for (;;) {
            auto [ec, n] = co_await ws_.async_read(buffer, asio::as_tuple(use_task));
            if (ec) co_return note_close(ec);
            buffer.clear();
        }
    }

    void note_close(error_code ec) {
        if (ec == ws_error::closed) result_.close_code = ws_.reason().code;
    }

    void end(outcome how, std::string_view why) {
        result_.how = how;
        result_.message = printable(why);
    }

    void end_broken(error_code why) {
        note_close(why);
        if (expired_) {
            end(outcome::timed_out, "the broker took too long");
        } else if (why == ws_error::closed) {
            end(outcome::disconnected, "the broker closed the line without an answer");
        } else if (breaks_protocol(why)) {
            end(outcome::misbehaved, why.message());
        } else {
            end(outcome::disconnected, why.message());
        }
    }

    /// Did it send what is not HTTP or WebSocket, or too much of it?
    static bool breaks_protocol(error_code why) {
        namespace http = boost::beast::http;
        return why.category() == make_error_code(ws_error::closed).category() ||
               (why.category() == make_error_code(http::error::bad_method).category() &&
                why != http::error::end_of_stream && why != http::error::partial_message);
    }

    void report_received(handshake_challenge const& m) {
        report(handshake_step::kind::received, m.type, printable(m.nonce, 64));
    }
    void report_received(handshake_complete const& m) {
        report(handshake_step::kind::received, m.type, m.status);
    }
    void report_received(handshake_error const& m) {
        report(handshake_step::kind::received, m.type, m.code);
    }

    void report(handshake_step::kind what, std::string_view type, std::string_view detail) {
        if (request_.on_step) request_.on_step({what, type, detail});
    }

    Transport& transport_;
    handshake_request request_;
    handshake_result result_;
    bool expired_ = false;
    typename Transport::timer_type timer_;
    boost::beast::websocket::stream<Stream, false> ws_;
};

} // namespace detail

/// Does the whole handshake over a stream that is connected (and, for TLS, has shaken hands), and
/// closes it. Never fails but by what it returns; returns within `request.timeout` and two seconds
/// more.
/// \param transport tells the time and makes timers; it must outlive the task. A `tcp_transport`
/// does for TLS too.
template <class Stream, class Transport>
task<handshake_result> perform_handshake(Stream stream, Transport& transport,
                                         handshake_request request) {
    auto const client = std::make_shared<detail::handshake_client<Stream, Transport>>(
        std::move(stream), transport, std::move(request));
    co_return co_await client->run();
}

} // namespace parley::consent
