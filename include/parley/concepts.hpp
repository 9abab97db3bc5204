// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What each kind of policy must offer. A policy states its kind by a member alias `policy_kind`
/// (policy_kinds.hpp), must be move constructible, and lives inside the server.
///
/// Each concept is the conjunction of the small `has_…` concepts above it, one an operation, so
/// that a policy that lacks one can be told which (policy_set.hpp).

#include <parley/admission/admission.hpp>
#include <parley/audit/audit_record.hpp>
#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace parley {

// ---- Transport ----------------------------------------------------------------------------------

template <class P>
concept has_stream_type = requires(typename P::stream_type& stream) {
    { stream.get_executor() } -> std::same_as<executor>;
    { stream.handshake() } -> std::same_as<task<error_code>>;
    { stream.shutdown() } -> std::same_as<task<>>;
    { stream.peer_address() } -> std::convertible_to<std::string>;
    stream.close();
};

template <class P>
concept has_timer_type = requires(P& policy, executor ex, typename P::timer_type& timer) {
    { policy.make_timer(ex) } -> std::same_as<typename P::timer_type>;
    timer.expires_at(time_point{});
    timer.cancel();
};

template <class P>
concept has_listen = requires(P& policy, executor ex, typename P::endpoint_type const& endpoint) {
    { policy.listen(ex, endpoint) } -> std::same_as<result<typename P::listener_type>>;
};

template <class P>
concept has_now = requires(P const& policy) {
    { policy.now() } -> std::same_as<time_point>;
};

template <class P>
concept has_wall_time = requires(P const& policy) {
    { policy.wall_time() } -> std::same_as<std::chrono::system_clock::time_point>;
};

/// How bytes arrive, and what time it is. `listen` gives a listener whose `accept(executor)` yields
/// connections that `wrap` turns into a `stream_type`; a stream is an Asio stream whose `handshake`
/// agrees on whatever comes before the first byte (TLS), `shutdown` ends the sending side, and
/// `close` ends everything at once so that pending operations fail. A read can be cancelled through
/// its cancellation slot, and then has taken nothing. `now` is monotonic and is what deadlines are
/// measured on; `wall_time` is the calendar's. `now`, `wall_time` and `make_timer` are called from
/// every I/O thread.
template <class P>
concept transport_policy =
    has_stream_type<P> && has_timer_type<P> && has_listen<P> && has_now<P> && has_wall_time<P>;

// ---- Admission ----------------------------------------------------------------------------------

template <class P>
concept has_enter = requires(P& policy, admission_request const& request) {
    { policy.enter(request) } -> std::same_as<typename P::ticket>;
};

template <class P>
concept has_ticket = requires(typename P::ticket const& ticket) {
    { ticket.state() } -> std::same_as<admission_state>;
    { ticket.wait_limit() } -> std::convertible_to<std::chrono::milliseconds>;
    { ticket.retry_after() } -> std::convertible_to<std::chrono::seconds>;
};

/// May this peer in now, later, or not? `enter` answers at once, with a ticket: the peer's place
/// inside or in the queue for exactly as long as the ticket lives. A queued ticket's `state`
/// becomes `admitted` before the request's `on_admitted` is called. Called from every I/O thread;
/// holds a lock for a few instructions at most.
template <class P>
concept admission_policy = has_ticket<P> && has_enter<P>;

// ---- Verifier -----------------------------------------------------------------------------------

template <class P>
concept has_credential = requires {
    typename P::credential;
};

template <class P>
concept has_identity = requires {
    typename P::identity;
};

template <class P>
concept has_verify = requires(P const& policy, typename P::credential const& credential) {
    { policy.verify(credential) } -> std::same_as<result<typename P::identity>>;
};

/// Is this credential genuine, and whose is it? `verify` computes only: no I/O, no waiting. Called
/// from every I/O thread.
template <class P>
concept verifier_policy = has_credential<P> && has_identity<P> && has_verify<P>;

// ---- Storage ------------------------------------------------------------------------------------

namespace detail {

struct any_unit_of_work {
    template <class Transaction>
    int operator()(Transaction&) const {
        return 0;
    }
};

} // namespace detail

template <class P>
concept has_read = requires(P& policy, detail::any_unit_of_work work) {
    { policy.read(work) } -> std::same_as<task<result<int>>>;
};

template <class P>
concept has_write = requires(P& policy, detail::any_unit_of_work work) {
    { policy.write(work) } -> std::same_as<task<result<int>>>;
};

/// What is known already, and what must be remembered. `read(f)` calls `f(transaction&)` on a
/// consistent snapshot; `write(f)` does so atomically and resumes only when the outcome is durable.
/// Either may run `f` on another thread, and never blocks the calling one. If `f` throws, its own
/// changes are undone; a `system_error` is returned as its code, anything else is thrown on. Called
/// from every I/O thread.
template <class P>
concept storage_policy = has_read<P> && has_write<P>;

// ---- Audit --------------------------------------------------------------------------------------

template <class P>
concept has_post = requires(P& policy, audit_record record) {
    { policy.post(std::move(record)) } -> std::same_as<void>;
};

template <class P>
concept has_append = requires(P& policy, std::vector<audit_record> records) {
    { policy.append(std::move(records)) } -> std::same_as<task<result<std::uint64_t>>>;
};

/// What happened, provably. Records are kept in the order of the calls. `post` does not wait;
/// `append` adds all its records or none, and resumes when they, and every earlier one, are
/// durable, with the sequence number of the last. Called from every I/O thread; never blocks it.
template <class P>
concept audit_policy = has_post<P> && has_append<P>;

// ---- Conversation -------------------------------------------------------------------------------

/// What is said between the upgrade and the close: a coroutine `task<close_reason>
/// operator()(Session&)` that returns how to close. One object serves every session, from every I/O
/// thread. It may have, besides:
/// - `static constexpr bool discard_unexpected = true`: a message is kept only if the conversation
///   receives, or the last thing it did was to send, and no other has come since;
/// - `using identity = …` and `task<result<identified<identity>, http_response>>
///   identify(http_request const&, Context&)`: who the peer is, found out before admission; an
///   `http_response` turns it away.
template <class C, class Session>
concept conversation_policy = requires(C& conversation, Session& session) {
    { conversation(session) } -> std::same_as<task<close_reason>>;
};

} // namespace parley
