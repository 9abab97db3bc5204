// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// `basic_handshake_server`: one connection's way from accept to close, composed from policies.
///
///     accept → transport handshake → HTTP head → route → identify → admission → 101
///            → conversation → close

#include <parley/background.hpp>
#include <parley/channel.hpp>
#include <parley/concepts.hpp>
#include <parley/detail/address_counts.hpp>
#include <parley/detail/alarm.hpp>
#include <parley/detail/exception_text.hpp>
#include <parley/http.hpp>
#include <parley/policy_set.hpp>
#include <parley/registry.hpp>
#include <parley/secret.hpp>
#include <parley/session.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/none.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace parley {

enum class severity { debug, info, warning, error };

/// What every server has, whatever its policies.
struct server_options {
    std::string path = "/ws"; ///< where the WebSocket is; upgrades elsewhere get 404
    std::chrono::milliseconds head_timeout{10'000}; ///< from accept to a complete request
    std::size_t max_head = 16 * 1024;               ///< bytes of a request's head
    std::size_t max_body = 64 * 1024;               ///< bytes of a request's body, for HTTP routes
    std::size_t max_connections = 10'000; ///< beyond it, peers wait in the kernel to be accepted
    /// Of one address, sessions or not; beyond it, a connection is closed as soon as it is
    /// accepted. An IPv6 network of 64 bits counts as one address. 0: no limit, as behind a proxy,
    /// where all peers have the proxy's address.
    std::size_t max_connections_per_address = 1'000;
    std::size_t max_requests = 1'000; ///< HTTP requests of one connection; 0: no limit
    channel_limits limits{};          ///< of each connection
    /// Called from any thread; must not throw; may be empty.
    std::function<void(severity, std::string_view)> log = {};
};

/// A server for `Conversation`, composed of policies of which there is at most one of each kind, in
/// any order (policy_set.hpp says what stands in for a missing one).
///
/// Start it on a caller's `io_context`, run by one thread, and end it with `async_stop`; or on
/// threads of its own, and end it with `stop` or the destructor.
template <class Conversation, class... Policies>
class basic_handshake_server {
  public:
    using policies_type = policy_set<Policies...>;
    using transport_type = typename policies_type::transport_type;
    using listener_type = typename transport_type::listener_type;
    using endpoint_type = typename transport_type::endpoint_type;
    using channel_type = channel<transport_type>;
    using session_type = session<policies_type, identity_type<Conversation>>;
    using handle_type = session_handle<channel_type>;

    /// \param policies the policies that are not to be made by default, in any order.
    template <class... Given>
    explicit basic_handshake_server(server_options options, Conversation conversation,
                                    Given... policies)
        : core_(std::make_shared<core>(std::move(options), std::move(conversation),
                                       std::make_tuple(std::move(policies)...))) {}

    basic_handshake_server(basic_handshake_server&&) = delete;

    /// Stops a server that runs on threads of its own; one on a caller's `io_context` must have
    /// been stopped.
    ~basic_handshake_server() { stop(std::chrono::seconds{0}); }

    /// Serves plain HTTP beside the WebSocket. Before `start` only.
    void route(http::verb method, std::string path, route_handler handler) {
        core_->routes.add(method, std::move(path), std::move(handler));
    }

    /// Starts on the caller's context, which one thread runs, and which outlives the use of session
    /// handles on other threads. Fails with the system's own error, or with `errc::already_started`
    /// where the server runs: once it has been stopped, it may be started again, here or there.
    result<void> start(asio::io_context& context, endpoint_type const& endpoint) {
        auto const turn = turn_to_start();
        if (!turn) return errc::already_started;
        auto listener = core_->policies.transport.listen(context.get_executor(), endpoint);
        if (!listener) return listener.error();
        run_on(context, std::move(*listener));
        return {};
    }

    /// Starts on the caller's context with a listener that is already listening.
    result<void> start(asio::io_context& context, listener_type listener) {
        auto const turn = turn_to_start();
        if (!turn) return errc::already_started;
        run_on(context, std::move(listener));
        return {};
    }

    /// Starts on `threads` threads of its own, each with its own `io_context`.
    result<void> start(endpoint_type const& endpoint, unsigned threads) {
        auto const turn = turn_to_start();
        if (!turn) return errc::already_started;
        make_contexts(threads);
        auto listener =
            core_->policies.transport.listen(contexts_.front()->get_executor(), endpoint);
        if (!listener) {
            contexts_.clear();
            return listener.error();
        }
        run(std::move(*listener));
        return {};
    }

    /// The port it listens on; 0 before the start, or where the transport has none.
    [[nodiscard]] std::uint16_t port() const { return core_->port; }

    /// The sessions between upgrade and close, oldest first. Thread-safe.
    [[nodiscard]] std::vector<session_info> active_sessions() const {
        return core_->sessions.sessions();
    }

    /// Handles of the sessions for which `wanted(session_info const&)` holds. Thread-safe; `wanted`
    /// is called on this thread, and may call the server.
    template <class Wanted>
    [[nodiscard]] std::vector<handle_type> find_sessions(Wanted wanted) const {
        return core_->sessions.find(std::move(wanted));
    }

    /// Sends one text to every session. Thread-safe.
    void broadcast(std::string text) const {
        auto const shared = std::make_shared<std::string const>(std::move(text));
        for (auto const& handle : core_->sessions.handles())
            handle.send(shared);
    }

    /// How many connections there are, sessions or not. Thread-safe.
    [[nodiscard]] std::size_t connections() const { return core_->sessions.connections(); }

    [[nodiscard]] Conversation& conversation() { return core_->conversation; }
    [[nodiscard]] policies_type& policies() { return core_->policies; }

    /// Accepts no more, ends waiting peers with 503 and sessions with 1001, and resumes when all
    /// have gone; those still there after `grace` are cut off, and whatever their coroutines wait
    /// for is cancelled. May be called again, also while an earlier call waits.
    task<> async_stop(std::chrono::milliseconds grace) { return core_->stop(core_, grace); }

    /// The same for a server on threads of its own; returns when they have ended. May be called
    /// again, and from any thread but the server's own. It can take longer than `grace` when a
    /// policy does: a wait for the storage or the audit log is not cut short.
    void stop(std::chrono::milliseconds grace) {
        std::scoped_lock lock(mutex_);
        if (threads_.empty()) return;
        asio::co_spawn(contexts_.front()->get_executor(), async_stop(grace), asio::use_future)
            .get();
        guards_.clear();
        for (auto& thread : threads_)
            thread.join();
        threads_.clear();
        core_->leave(); // before the contexts that the acceptor and the timers live on
        contexts_.clear();
    }

  private:
    struct core;

    /// Where connections live. Whoever still has a handle of one on another thread when the server
    /// has stopped needs the context as well: `context` is shared, but null where it is a caller's.
    struct home {
        executor ex;
        std::shared_ptr<asio::io_context> context;
    };

    /// Empty while the server runs.
    std::unique_lock<std::mutex> turn_to_start() {
        if (core_->started) return {};
        std::unique_lock lock(mutex_); // until a stop has ended
        if (core_->started || !threads_.empty()) return {};
        return lock;
    }

    void run_on(asio::io_context& context, listener_type listener) {
        core_->start({{context.get_executor(), nullptr}}, std::move(listener));
    }

    void make_contexts(unsigned threads) {
        for (unsigned i = 0; i < std::max(threads, 1U); ++i) {
            contexts_.push_back(std::make_shared<asio::io_context>(1));
        }
    }

    void run(listener_type listener) {
        std::vector<home> homes;
        for (auto const& context : contexts_) {
            homes.push_back({context->get_executor(), context});
            guards_.emplace_back(context->get_executor());
        }
        // Before the threads, which would already change what is still being set up.
        core_->start(std::move(homes), std::move(listener));
        for (auto const& context : contexts_) {
            threads_.emplace_back([&io = *context] { io.run(); });
        }
    }

    // Order matters: the contexts destroy suspended coroutines, which use the core.
    std::shared_ptr<core> core_;
    std::vector<std::shared_ptr<asio::io_context>> contexts_;
    std::vector<asio::executor_work_guard<executor>> guards_;
    std::vector<std::thread> threads_;
    std::mutex mutex_; // held to start, and while its own threads are being ended
};

/// Everything that a connection's coroutines use; they keep it alive.
template <class Conversation, class... Policies>
struct basic_handshake_server<Conversation, Policies...>::core
    : std::enable_shared_from_this<core> {
    using channel_ptr = std::shared_ptr<channel_type>;
    using core_ptr = std::shared_ptr<core>;
    using alarm_type = detail::alarm<typename transport_type::timer_type>;
    using buffer_type = boost::beast::basic_flat_buffer<wiping_allocator<char>>; // has secrets
    using place_type = detail::address_counts::place;
    using identity_result = result<identified<identity_type<Conversation>>, http_response>;

    /// A peer that has been let in: all that is kept of its request while the session lasts.
    struct admitted {
        typename policies_type::admission_type::ticket place;
        identity_type<Conversation> who;
    };

    template <class... Given>
    core(server_options o, Conversation c, std::tuple<Given...> given)
        : options(std::move(o)), conversation(std::move(c)), policies(std::move(given)) {
        if constexpr (requires { Conversation::discard_unexpected; }) {
            options.limits.discard_unexpected = Conversation::discard_unexpected;
        }
    }

    server_options options;
    Conversation conversation;
    policies_type policies;
    route_table routes;
    registry<channel_type> sessions;
    detail::address_counts addresses; // what connections count against the limit of an address

    std::vector<home> homes; // where connections live, in turn; the first has the acceptor
    std::optional<listener_type> listener;
    std::uint16_t port = 0;
    std::optional<alarm_type> accept_alarm; // room for one more connection, or a stop
    std::list<alarm_type> stop_alarms;      // everybody has gone; one for each who waits for it
    std::atomic<bool> started{false};       // and not yet stopped
    std::atomic<bool> awaited{false};       // somebody waits for connections to end
    std::list<background_context<policies_type>> background; // whatever runs beside connections
    unsigned starts = 0; // like the next two, used on the first home only
    bool accepting = false;
    bool stopping = false;

    void log(severity level, std::string_view text) const {
        if (options.log) options.log(level, text);
    }

    [[nodiscard]] time_point after(std::chrono::milliseconds timeout) const {
        return policies.transport.now() + timeout;
    }

    // ---- Starting, accepting, stopping: on the first home -------------------------------------

    void start(std::vector<home> on, listener_type from) {
        started = true;
        ++starts;
        homes = std::move(on);
        listener.emplace(std::move(from));
        port = listener->port();
        accept_alarm.emplace(policies.transport.make_timer(homes.front().ex));
        stopping = false;
        awaited = false;
        accepting = true;
        asio::co_spawn(homes.front().ex, accept_loop(this->shared_from_this()), asio::detached);
        asio::post(homes.front().ex, [self = this->shared_from_this()] {
            self->start_background(self->conversation);
            self->start_background(self->policies.transport);
            self->start_background(self->policies.admission);
            self->start_background(self->policies.verifier);
            self->start_background(self->policies.storage);
            self->start_background(self->policies.audit);
        });
    }

    /// Starts the background work of a policy that has any.
    template <class Policy>
    void start_background(Policy& policy) {
        if constexpr (works_in_background<Policy, policies_type>) {
            auto const& where = homes.front().ex;
            auto const context = background.emplace(background.end(), policies, where);
            asio::co_spawn(where, work(this->shared_from_this(), policy, context), asio::detached);
        }
    }

    template <class Policy, class Context>
    task<> work(core_ptr, Policy& policy, Context context) {
        try {
            co_await policy.run(*context);
        } catch (...) {
            log(severity::error, "background work failed: " + detail::exception_text());
        }
        background.erase(context);
        notify_stops();
    }

    /// Lets go of everything that lives on the homes, which have ended.
    void leave() {
        listener.reset();
        accept_alarm.reset();
        homes.clear();
    }

    task<> accept_loop(core_ptr) {
        for (std::size_t turn = 0; !stopping; ++turn) {
            if (!has_room()) co_await wait_for_room();
            if (stopping) break;
            auto const& next = homes[turn % homes.size()];
            auto stream = co_await listener->accept(next.ex);
            if (stopping) break;
            if (stream) {
                receive_connection(next, std::move(*stream));
            } else {
                // Out of descriptors or memory: what ends connections will mend it.
                log(severity::warning, "cannot accept: " + stream.error().message());
                auto const stopped = [this] { return stopping; };
                co_await accept_alarm->wait_until(after(std::chrono::milliseconds{100}), stopped);
            }
        }
        accepting = false;
        notify_stops();
    }

    [[nodiscard]] bool has_room() const { return sessions.connections() < options.max_connections; }

    task<> wait_for_room() {
        awaited = true;
        auto const decided = [this] { return stopping || has_room(); };
        co_await accept_alarm->wait_until(no_deadline, decided);
        awaited = stopping;
    }

    template <class Accepted>
    void receive_connection(home const& where, Accepted accepted) {
        channel_ptr line;
        try {
            line = std::make_shared<channel_type>(
                where.context, this->shared_from_this(), policies.transport,
                policies.transport.wrap(std::move(accepted)), options.limits);
            auto place = addresses.take(line->peer_address(), most_of_one_address());
            if (!place) return turn_away(*line);
            sessions.add(line);
            // The slot must outlive the coroutine.
            auto const ended = [line](std::exception_ptr const&) {};
            asio::co_spawn(line->get_executor(),
                           serve(this->shared_from_this(), line, *std::move(place)),
                           asio::bind_cancellation_slot(line->cancellation_slot(), ended));
        } catch (...) {
            log(severity::error, "cannot serve a connection: " + detail::exception_text());
            if (line) sessions.remove(line.get());
        }
    }

    [[nodiscard]] std::size_t most_of_one_address() const {
        auto const most = options.max_connections_per_address;
        return most != 0 ? most : std::numeric_limits<std::size_t>::max();
    }

    void turn_away(channel_type& line) const {
        log(severity::debug, "too many connections from " + line.peer_address() + ": " +
                                 std::to_string(options.max_connections_per_address) +
                                 " are allowed");
        line.close_stream();
    }

    task<> stop(core_ptr, std::chrono::milliseconds grace) {
        if (!listener) co_return;
        stopping = true;
        awaited = true;
        auto const start = starts;
        listener->close();
        accept_alarm->notify();
        sessions.post_to_all([](channel_type& line) { line.request_stop(); });
        auto const gone = [this, start] {
            return start != starts || (!accepting && sessions.connections() == 0);
        };
        auto const bell =
            stop_alarms.emplace(stop_alarms.end(), policies.transport.make_timer(homes.front().ex));
        if (!co_await bell->wait_until(after(grace), gone)) {
            sessions.post_to_all([](channel_type& line) { line.cut_off(); });
            co_await bell->wait_until(no_deadline, gone);
        }
        if (start == starts) {
            for (auto& context : background)
                context.stop();
        }
        auto const idle = [this, start] { return start != starts || background.empty(); };
        co_await bell->wait_until(no_deadline, idle);
        stop_alarms.erase(bell);
        if (stopping) started = false; // unless somebody has started it again meanwhile
    }

    void notify_stops() {
        for (auto& bell : stop_alarms)
            bell.notify();
    }

    void forget(channel_type const& line) {
        sessions.remove(&line);
        if (!awaited) return;
        asio::post(homes.front().ex, [self = this->shared_from_this()] {
            self->accept_alarm->notify();
            self->notify_stops();
        });
    }

    // ---- The line: on the connection's own home -----------------------------------------------

    task<> serve(core_ptr, channel_ptr line, place_type) {
        try {
            auto peer = co_await serve_requests(line);
            if (peer) co_await converse(line, peer->who);
            // A WebSocket's close has been answered, or has been waited for.
            bool const more = !peer || line->stream().available() != 0;
            peer.reset(); // the place is free, however long the goodbye takes
            if (!line->broken()) co_await say_goodbye(*line, more);
        } catch (...) {
            log_failure(*line, "connection");
        }
        line->disarm();
        line->close_stream();
        forget(*line);
    }

    /// Until the connection is a WebSocket; nothing when it ends without.
    task<std::optional<admitted>> serve_requests(channel_ptr line) {
        line->arm(after(options.head_timeout));
        if (co_await line->stream().handshake()) co_return std::nullopt;
        buffer_type buffer(options.max_head + options.max_body);
        for (std::size_t served = 1;; ++served) {
            auto request = co_await read_request(*line, buffer);
            if (!request) co_return std::nullopt;
            if (websocket::is_upgrade(*request)) {
                bool const spoke_early = buffer.size() != 0;
                buffer = buffer_type();
                co_return co_await serve_upgrade(line, std::move(*request), spoke_early);
            }
            if (served == options.max_requests) request->keep_alive(false);
            if (!co_await serve_route(*line, *request)) co_return std::nullopt;
            line->arm(after(options.head_timeout));
        }
    }

    /// Of the exception that is being handled. What was cut off by a stop has not failed.
    void log_failure(channel_type const& line, std::string_view what) const {
        bool const cut = line.was_cut_off();
        log(cut ? severity::debug : severity::error,
            std::string(what) + (cut ? " cut off: " : " failed: ") + detail::exception_text());
    }

    /// A whole request, or nothing after the peer has been told what was wrong, or has gone.
    task<std::optional<http_request>> read_request(channel_type& line, buffer_type& buffer) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(options.max_head));
        parser.body_limit(options.max_body);
        line.set_idle(true);
        auto [head_error, head_size] = co_await http::async_read_header(
            line.stream(), buffer, parser, asio::as_tuple(use_task));
        line.set_idle(false);
        error_code ec = head_error;
        // Beast bounds the request line and the fields each, not their sum.
        if (!ec && head_size > options.max_head) ec = http::error::header_limit;
        if (auto refusal = ec ? std::nullopt : fault_of_framing(parser.get())) {
            co_await refuse(line, {}, std::move(*refusal));
            co_return std::nullopt;
        }
        if (!ec && !parser.is_done()) {
            if (buffer.size() == 0 && expects_continue(parser.get())) ec = co_await go_on(line);
        }
        if (!ec && !parser.is_done()) {
            auto [body_error, body_size] =
                co_await http::async_read(line.stream(), buffer, parser, asio::as_tuple(use_task));
            ec = body_error;
        }
        line.disarm();
        if (buffer.size() == 0) buffer.shrink_to_fit(); // nothing is kept of what has been parsed
        if (!ec) co_return parser.release();
        if (auto refusal = refusal_of(ec)) co_await refuse(line, {}, std::move(*refusal));
        co_return std::nullopt;
    }

    /// What cannot be served although it is well-formed, found in the head alone. How long a body
    /// is must be beyond doubt, or a proxy in front may see other requests than this server does;
    /// so there are no transfer encodings, and with them no trailers that pose as headers.
    static std::optional<http_response> fault_of_framing(http_request const& head) {
        if (head.count(http::field::transfer_encoding) != 0) {
            return make_error_response(http::status::length_required,
                                       "send a Content-Length, not a Transfer-Encoding");
        }
        auto const length = head[http::field::content_length];
        if (websocket::is_upgrade(head) && !length.empty() && length != "0") {
            return make_error_response(http::status::bad_request, "an upgrade has no body");
        }
        bool const expects = head.count(http::field::expect) != 0 && head.version() >= 11;
        if (expects && !expects_continue(head)) {
            return make_error_response(http::status::expectation_failed,
                                       "of Expect, only 100-continue is known");
        }
        return std::nullopt;
    }

    /// Whether the client waits to be told that its body is wanted (RFC 9110 §10.1.1).
    static bool expects_continue(http_request const& head) {
        return boost::beast::iequals(head[http::field::expect], "100-continue") &&
               head.version() >= 11;
    }

    static task<error_code> go_on(channel_type& line) {
        static constexpr std::string_view go = "HTTP/1.1 100 Continue\r\n\r\n";
        auto [ec, n] =
            co_await asio::async_write(line.stream(), asio::buffer(go), asio::as_tuple(use_task));
        co_return ec;
    }

    static std::optional<http_response> refusal_of(error_code ec) {
        if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
            return make_error_response(http::status::request_header_fields_too_large,
                                       "the request's head is too large");
        }
        if (ec == http::error::body_limit) {
            return make_error_response(http::status::payload_too_large,
                                       "the request's body is too large");
        }
        bool const malformed = ec.category() == make_error_code(http::error::bad_method).category();
        if (!malformed || ec == http::error::end_of_stream || ec == http::error::partial_message) {
            return std::nullopt;
        }
        return make_error_response(http::status::bad_request, "malformed request");
    }

    /// Answers a plain request; false when the connection ends with it.
    task<bool> serve_route(channel_type& line, http_request const& request) {
        auto const found = routes.find(request.method(), path_of(request));
        http_response response;
        if (found.handler != nullptr) {
            response = co_await call(*found.handler, line, request);
        } else if (found.path_known) {
            response = make_error_response(http::status::method_not_allowed,
                                           "this method is not served here");
            response.set(http::field::allow, routes.allowed(path_of(request)));
        } else if (path_of(request) == options.path) {
            response = make_error_response(http::status::upgrade_required,
                                           "this is a WebSocket: upgrade to it");
            response.set(http::field::upgrade, "websocket");
        } else {
            response = make_error_response(http::status::not_found, "nothing is served here");
        }
        co_return co_await respond(line, request, std::move(response));
    }

    task<http_response> call(route_handler const& handler, channel_type& line,
                             http_request const& request) {
        route_context const context{line.peer_address()};
        try {
            co_return co_await handler(request, context);
        } catch (...) {
            log_failure(line, "route");
        }
        co_return make_error_response(http::status::internal_server_error, "internal error");
    }

    /// False when the connection ends with this response.
    task<bool> respond(channel_type& line, http_request const& request, http_response response) {
        bool const keep = request.keep_alive() && !line.stopping();
        response.version(request.version());
        response.keep_alive(keep);
        response.prepare_payload();
        if (response.result() == http::status::not_modified) response.content_length(boost::none);
        if (request.method() == http::verb::head) response.body().clear();
        line.arm(after(options.limits.write_timeout));
        auto [ec, n] =
            co_await http::async_write(line.stream(), response, asio::as_tuple(use_task));
        co_return !ec && keep;
    }

    /// Answers as the last thing of this connection.
    task<> refuse(channel_type& line, http_request request, http_response response) {
        request.keep_alive(false);
        co_await respond(line, request, std::move(response));
    }

    /// Ends the stream. \param more the peer may be sending: what was said to it last is to arrive
    /// even so. For at most a second.
    task<> say_goodbye(channel_type& line, bool more) {
        line.arm(after(std::chrono::seconds{1}));
        co_await line.stream().shutdown();
        if (!more) co_return;
        line.set_idle(true);
        co_await line.stream().linger();
    }

    /// From a request to upgrade to the 101; nothing when the peer is not let in, or has gone.
    task<std::optional<admitted>> serve_upgrade(channel_ptr line, http_request request,
                                                bool spoke_early) {
        if (auto refusal = fault_of(request, spoke_early)) {
            co_await refuse(*line, std::move(request), std::move(*refusal));
            co_return std::nullopt;
        }
        auto who = co_await identify(*line, request);
        if (!who) {
            co_await refuse(*line, std::move(request), std::move(who.error()));
            co_return std::nullopt;
        }
        auto ticket = std::optional(policies.admission.enter(
            {line->peer_address(), policies.transport.now(), bell_of(line)}));
        if (ticket->state() == admission_state::queued) co_await wait_for_turn(*line, *ticket);
        if (line->departed()) co_return std::nullopt;
        if (auto refusal = refusal_at_the_door(*line, *ticket)) {
            ticket.reset(); // the place is free, however long the peer takes to read this
            co_await refuse(*line, std::move(request), std::move(*refusal));
            co_return std::nullopt;
        }
        if (co_await line->accept_upgrade(request, std::move(who->subprotocol))) {
            co_return std::nullopt;
        }
        co_return admitted{*std::move(ticket), std::move(who->identity)};
    }

    std::optional<http_response> fault_of(http_request const& request, bool spoke_early) const {
        if (path_of(request) != options.path) {
            return make_error_response(http::status::not_found, "no WebSocket is served here");
        }
        if (auto const fault = upgrade_fault(request); !fault.empty()) {
            auto response = make_error_response(http::status::bad_request, fault);
            response.set(http::field::sec_websocket_version, "13");
            return response;
        }
        if (spoke_early) return spoke_too_early();
        return std::nullopt;
    }

    static http_response spoke_too_early() {
        return make_error_response(http::status::bad_request,
                                   "data before the upgrade was answered");
    }

    template <class Ticket>
    static std::optional<http_response> refusal_at_the_door(channel_type const& line,
                                                            Ticket const& ticket) {
        if (line.spoke()) return spoke_too_early();
        if (!line.stopping() && ticket.state() == admission_state::admitted) return std::nullopt;
        auto later = make_error_response(http::status::service_unavailable,
                                         line.stopping() ? "shutting down" : "busy");
        later.set(http::field::retry_after, std::to_string(ticket.retry_after().count()));
        return later;
    }

    task<identity_result> identify(channel_type& line, http_request const& request) {
        if constexpr (requires { typename Conversation::identity; }) {
            upgrade_context<policies_type> context{policies, line.peer_address()};
            try {
                co_return co_await conversation.identify(request, context);
            } catch (...) {
                log_failure(line, "identification");
            }
            co_return make_error_response(http::status::internal_server_error, "internal error");
        } else {
            co_return identified<identity_type<Conversation>>{};
        }
    }

    static std::function<void()> bell_of(channel_ptr const& line) {
        return [weak = std::weak_ptr<channel_type>(line)] {
            if (auto const l = weak.lock()) l->post([](channel_type& c) { c.notify(); });
        };
    }

    template <class Ticket>
    task<> wait_for_turn(channel_type& line, Ticket const& ticket) {
        line.watch_peer();
        auto const decided = [&line, &ticket] {
            return line.departed() || line.spoke() || line.stopping() ||
                   ticket.state() == admission_state::admitted;
        };
        co_await line.wait_until(after(ticket.wait_limit()), decided);
        co_await line.stop_watching();
    }

    /// From the 101 to the close frame.
    task<> converse(channel_ptr line, identity_type<Conversation> const& who) {
        static_assert(offers_call_operator());
        close_reason end(close_code::internal_error, "internal error");
        {
            session_type session(policies, sessions, line, who);
            try {
                end = co_await conversation(session);
            } catch (...) {
                log_failure(*line, "session " + session.id());
            }
        }
        sessions.update_session(line.get(), [](session_info& info) {
            if (info.status == session_status::active) info.status = session_status::terminated;
        });
        co_await line->close(std::move(end));
        sessions.end_session(line.get());
    }

    static constexpr bool offers_call_operator() {
        if constexpr (!conversation_policy<Conversation, session_type>) {
            return sizeof(errors::conversation_lacks_call_operator<Conversation>) != 0;
        }
        return true;
    }
};

} // namespace parley
