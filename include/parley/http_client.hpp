// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An HTTP/1.1 client of one known server, which it does not trust: nothing that the server sends,
/// or fails to send, can do more than fail a request.

#include <parley/detail/http_dial.hpp>
#include <parley/detail/http_pool.hpp>
#include <parley/detail/http_request_text.hpp>
#include <parley/detail/http_watch.hpp>
#include <parley/error.hpp>
#include <parley/http.hpp>
#include <parley/peer.hpp>
#include <parley/secret.hpp>
#include <parley/task.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace parley {

/// Why a request has no answer. Any answer, of whatever status, is none of these.
enum class http_errc {
    unreachable = 1, ///< no such name, nobody there, or the line broke before the answer was whole
    timed_out,       ///< one of the client's timeouts, or the request's own deadline
    cancelled,       ///< by the request's stop token
    too_large,       ///< the head or the body of the answer is over its limit
    malformed,       ///< the answer is not HTTP/1
    tls,             ///< no TLS, or not with the server that was meant
    overloaded,      ///< too many requests are waiting for a connection
    invalid_request, ///< the request has characters that HTTP does not allow where they stand
};

namespace detail {

class http_errc_category final : public boost::system::error_category {
  public:
    [[nodiscard]] char const* name() const noexcept override { return "parley.http"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<http_errc>(value)) {
        case http_errc::unreachable:
            return "the server cannot be reached";
        case http_errc::timed_out:
            return "the server took too long";
        case http_errc::cancelled:
            return "cancelled";
        case http_errc::too_large:
            return "the answer is too large";
        case http_errc::malformed:
            return "the answer is not HTTP";
        case http_errc::tls:
            return "no secure connection to the server";
        case http_errc::overloaded:
            return "too many requests are waiting";
        case http_errc::invalid_request:
            return "the request has characters that are not allowed";
        }
        return "unknown error";
    }
};

inline constexpr http_errc_category http_errc_category_instance{};

} // namespace detail

inline error_code make_error_code(http_errc e) {
    return {static_cast<int>(e), detail::http_errc_category_instance};
}

} // namespace parley

template <>
struct boost::system::is_error_code_enum<parley::http_errc> : std::true_type {};

namespace parley {

/// The server of a client.
struct http_origin {
    std::string host; ///< a name or an IP address, without brackets
    std::uint16_t port = 0;
    bool tls = false;
};

/// One request. `Host`, `Content-Length` and the like are the client's to set.
struct http_call {
    struct header {
        std::string name;
        std::string value;
    };

    http::verb method = http::verb::get;
    std::string target = "/";         ///< path and query, percent-encoded
    std::vector<header> headers;      ///< as many as are needed; printable ASCII
    std::string_view authorization{}; ///< or empty; stays with the caller until the request ends,
                                      ///< and all copies that the client makes are overwritten
    std::string body;                 ///< sent if not empty, or if the method is POST or the like
    bool repeatable = false;          ///< asking twice does no harm, if the line broke the first
                                      ///< time without a byte of an answer
};

/// The limits of one client.
struct http_client_options {
    std::size_t max_connections = 4;  ///< open at a time
    std::size_t max_waiting = 128;    ///< requests that wait for one
    std::size_t max_head = 16 * 1024; ///< bytes of an answer before its body
    std::size_t max_body = 16 * 1024 * 1024;
    std::chrono::milliseconds resolve_timeout{5'000};
    std::chrono::milliseconds connect_timeout{5'000}; ///< for all of a name's addresses together
    std::chrono::milliseconds tls_timeout{5'000};
    std::chrono::milliseconds write_timeout{10'000};
    std::chrono::milliseconds read_timeout{60'000}; ///< from the last byte out to the last byte in
    std::chrono::milliseconds idle_timeout{30'000}; ///< an unused connection is closed after it
};

/// Makes a connected socket a stream to a server, and knows whether it can.
///
/// - `wrap`: fails when it cannot speak to this server as it should.
/// - `stream_type`: a stream of this library with `handshake`, `socket` and `close`, as
/// `tcp_stream`
///   is one.
template <class C>
concept http_connector = std::copy_constructible<C> &&
    requires(C const& c, tcp_stream stream, http_origin const& origin, typename C::stream_type& s) {
    { c.wrap(std::move(stream), origin) } -> std::same_as<result<typename C::stream_type>>;
    { s.handshake() } -> std::same_as<task<error_code>>;
    { s.socket() } -> std::same_as<tcp_stream::socket_type&>;
    s.close();
};

/// Plain HTTP only. For HTTPS there is `tls_connector` in `https_client.hpp`.
struct plain_connector {
    using stream_type = tcp_stream;

    result<stream_type> wrap(tcp_stream stream, http_origin const& origin) const {
        if (origin.tls) return make_error_code(http_errc::tls);
        return stream;
    }
};

/// Sends requests to one server, over connections that are kept alive in between. It follows no
/// redirects, keeps no cookies and knows no proxies: no byte goes to another server.
///
/// Thread-safe. A request runs on the executor of the coroutine that makes it, and so does its
/// connection; the bound on connections is one for all executors. When the client goes, its
/// unused connections are closed, without blocking, and requests that are under way go on.
/// Its `io_context`s must live as long as it does.
template <http_connector Connector = plain_connector>
class http_client {
    using stream_type = typename Connector::stream_type;
    using pool_type = detail::http_pool<stream_type>;
    using connection = detail::http_connection<stream_type>;

    struct state {
        state(http_origin o, http_client_options const& l, Connector c)
            : origin(std::move(o)), limits(l), connector(std::move(c)),
              pool(std::make_shared<pool_type>(
                  typename pool_type::options{l.max_connections, l.max_waiting, l.idle_timeout})) {}

        http_origin const origin;
        http_client_options const limits;
        Connector const connector;
        std::shared_ptr<pool_type> const pool;
    };

  public:
    explicit http_client(http_origin origin, http_client_options const& options = {},
                         Connector connector = {})
        : state_(std::make_shared<state>(std::move(origin), options, std::move(connector))) {}

    http_client(http_client const&) = delete;
    http_client& operator=(http_client const&) = delete;
    ~http_client() { state_->pool->shut(); }

    [[nodiscard]] http_origin const& origin() const { return state_->origin; }

    /// How many connections are open or being opened.
    [[nodiscard]] std::size_t connections() const { return state_->pool->open(); }

    /// The server's answer, or an `http_errc`. After a failure other than `overloaded` and
    /// `invalid_request` the server may have got the request, and may have acted on it.
    ///
    /// A kept connection that turns out to have been closed by the server is replaced once, if
    /// nothing of the request was sent on it, or the request is `repeatable` and no byte of an
    /// answer had come. \param deadline is on the steady clock.
    task<result<http_response>> send(http_call call, time_point deadline = no_deadline,
                                     std::stop_token stop = {}) const {
        return perform(state_, std::move(call), deadline, std::move(stop));
    }

  private:
    using state_ptr = std::shared_ptr<state const>;
    using clock = std::chrono::steady_clock;

    /// How an attempt on one connection ended.
    struct attempt {
        attempt(error_code why, bool may_repeat = false) : answer(why), repeat(may_repeat) {}
        attempt(http_response got, bool may_keep) : answer(std::move(got)), keep(may_keep) {}

        result<http_response> answer;
        bool keep = false;   ///< the connection can be used again
        bool repeat = false; ///< a second time does no harm, and no byte of an answer was seen
    };

    static task<result<http_response>> perform(state_ptr self, http_call call, time_point deadline,
                                               std::stop_token stop) {
        if (stop.stop_requested()) co_return error_code(http_errc::cancelled);
        auto const head = make_head(self->origin, call);
        if (!head) co_return head.error();
        executor const ex = co_await asio::this_coro::executor;
        auto const watch = detail::http_watch::make(ex, deadline, http_errc::timed_out, stop,
                                                    http_errc::cancelled);
        auto lease = co_await self->pool->take(ex, *watch, deadline, http_errc::overloaded);
        if (!lease) co_return lease.error();

        if (lease->held) {
            auto kept = co_await exchange(*self, *lease->held, *head, call, *watch);
            if (kept.keep) lease->keep();
            if (!kept.repeat) co_return std::move(kept.answer);
            lease->held->close();
        }
        auto fresh = co_await open(*self, ex, *watch);
        if (!fresh) co_return fresh.error();
        lease->held = std::move(*fresh);
        auto made = co_await exchange(*self, *lease->held, *head, call, *watch);
        if (made.keep) lease->keep();
        co_return std::move(made.answer);
    }

    static task<result<std::shared_ptr<connection>>> open(state const& self, executor ex,
                                                          detail::http_watch& watch) {
        auto const& limits = self.limits;
        auto const endpoints = co_await detail::resolve(
            ex, self.origin.host, self.origin.port, watch, clock::now() + limits.resolve_timeout);
        if (!endpoints) co_return explain(endpoints.error());
        auto socket =
            co_await detail::connect(ex, *endpoints, watch, clock::now() + limits.connect_timeout);
        if (!socket) co_return explain(socket.error());
        auto stream = self.connector.wrap(std::move(*socket), self.origin);
        if (!stream) co_return error_code(http_errc::tls);

        auto const made =
            std::make_shared<connection>(std::move(*stream), limits.max_head + read_ahead);
        watch.enter(clock::now() + limits.tls_timeout, [&made] { made->close(); });
        auto const refused = co_await made->stream.handshake();
        watch.leave();
        if (watch.why()) co_return watch.why();
        if (refused) co_return error_code(http_errc::tls);
        co_return made;
    }

    static task<attempt> exchange(state const& self, connection& line, secret const& head,
                                  http_call const& call, detail::http_watch& watch) {
        std::array<asio::const_buffer, 2> const request{
            asio::buffer(head.view().data(), head.view().size()), asio::buffer(call.body)};
        watch.enter(clock::now() + self.limits.write_timeout, [&line] { line.close(); });
        auto const [unsent, sent] =
            co_await asio::async_write(line.stream, request, asio::as_tuple(use_task));
        watch.leave();
        if (watch.why()) co_return attempt(watch.why());
        if (unsent) co_return attempt(explain(unsent), sent == 0 || call.repeatable);
        co_return co_await read_answer(self.limits, line, call, watch);
    }

    static task<attempt> read_answer(http_client_options const& limits, connection& line,
                                     http_call const& call, detail::http_watch& watch) {
        watch.enter(clock::now() + limits.read_timeout, [&line] { line.close(); });
        for (int i = 0; i < max_informational; ++i) {
            http::response_parser<http::string_body> parser;
            parser.header_limit(static_cast<std::uint32_t>(limits.max_head));
            parser.body_limit(limits.max_body);
            parser.skip(call.method == http::verb::head);
            auto const [ec, n] = co_await http::async_read(line.stream, line.buffer, parser,
                                                           asio::as_tuple(use_task));
            static_cast<void>(n);
            if (ec) {
                watch.leave();
                bool const silent = i == 0 && !parser.got_some() && line.buffer.size() == 0;
                if (watch.why()) co_return attempt(watch.why());
                co_return attempt(explain(ec), silent && call.repeatable);
            }
            if (parser.get().result_int() < 200 && parser.get().result_int() != 101) continue;
            watch.leave();
            bool const clean = line.buffer.size() == 0 && !watch.why();
            bool const keep = clean && parser.keep_alive() && parser.get().result_int() != 101;
            co_return attempt(parser.release(), keep);
        }
        watch.leave();
        co_return attempt(error_code(http_errc::malformed));
    }

    /// The request's head, to be overwritten when it has been sent.
    static result<secret> make_head(http_origin const& origin, http_call const& call) {
        if (!is_valid(origin, call)) return error_code(http_errc::invalid_request);
        auto const method = http::to_string(call.method);
        std::string text;
        text.reserve(head_size(call)); // so that nothing is left behind as it grows
        text.append(method.data(), method.size()).append(" ").append(call.target);
        text.append(" HTTP/1.1\r\nHost: ").append(detail::host_and_port(origin.host, origin.port));
        text.append("\r\nAccept-Encoding: identity\r\n");
        for (auto const& h : call.headers)
            text.append(h.name).append(": ").append(h.value).append("\r\n");
        if (!call.authorization.empty())
            text.append("Authorization: ").append(call.authorization).append("\r\n");
        if (!call.body.empty() || has_body(call.method))
            text.append("Content-Length: ").append(std::to_string(call.body.size())).append("\r\n");
        text.append("\r\n");
        secret head(text);
        wipe(text);
        return head;
    }

    static std::size_t head_size(http_call const& call) {
        std::size_t size = 512 + call.target.size() + call.authorization.size();
        for (auto const& h : call.headers)
            size += h.name.size() + h.value.size() + 4;
        return size;
    }

    static bool is_valid(http_origin const& origin, http_call const& call) {
        for (auto const& h : call.headers) {
            if (!detail::is_header_name(h.name) || !detail::is_header_value(h.value)) return false;
            if (is_ours(http::string_to_field({h.name.data(), h.name.size()}))) return false;
        }
        return detail::is_host(origin.host) && detail::is_request_target(call.target) &&
               detail::is_header_value(call.authorization) && call.method != http::verb::unknown &&
               call.method != http::verb::connect;
    }

    static bool is_ours(http::field name) {
        switch (name) {
        case http::field::host:
        case http::field::content_length:
        case http::field::transfer_encoding:
        case http::field::connection:
        case http::field::upgrade:
        case http::field::expect:
        case http::field::accept_encoding:
        case http::field::authorization:
            return true;
        default:
            return false;
        }
    }

    static bool has_body(http::verb method) {
        return method == http::verb::post || method == http::verb::put ||
               method == http::verb::patch;
    }

    static error_code explain(error_code ec) {
        if (ec.category() == detail::http_errc_category_instance) return ec;
        if (ec == http::error::header_limit || ec == http::error::body_limit ||
            ec == http::error::buffer_overflow)
            return http_errc::too_large;
        bool const of_http = ec.category() == make_error_code(http::error::bad_method).category();
        if (of_http && ec != http::error::end_of_stream && ec != http::error::partial_message)
            return http_errc::malformed;
        return http_errc::unreachable;
    }

    static constexpr std::size_t read_ahead = 64 * 1024;
    static constexpr int max_informational = 10; // answers of status 1xx before the real one

    std::shared_ptr<state const> const state_;
};

} // namespace parley
