// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A session as its conversation sees it: typed messages, the policies, and who the peer is.

#include <parley/channel.hpp>
#include <parley/message.hpp>
#include <parley/peer.hpp>
#include <parley/random.hpp>
#include <parley/registry.hpp>
#include <parley/task.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace parley {

/// Who a peer is, as a conversation's `identify` found out at the upgrade.
template <class Identity>
struct identified {
    Identity identity;
    std::string subprotocol; ///< the `Sec-WebSocket-Protocol` to answer with; empty for none
};

/// What `identify` may use.
template <class Policies>
struct upgrade_context {
    Policies& policies;
    std::string const& peer_address;
};

/// Why there is no message of the type asked for.
struct receive_failure {
    receive_status status; ///< `message` when one came but was not what was asked for
    problem what;          ///< then: the member at fault
};

namespace detail {

template <class Conversation>
struct identity_of {
    using type = std::monostate;
};

template <class Conversation>
requires requires {
    typename Conversation::identity;
}
struct identity_of<Conversation> {
    using type = typename Conversation::identity;
};

} // namespace detail

/// What a conversation knows of its peer, found out before admission.
template <class Conversation>
using identity_type = typename detail::identity_of<Conversation>::type;

/// One session. Lives as long as its conversation runs; used on its connection's executor only.
template <class Policies, class Identity>
class session {
  public:
    using policies_type = Policies;
    using channel_type = channel<typename Policies::transport_type>;

    /// \param who outlives this session.
    session(Policies& policies, registry<channel_type>& sessions,
            std::shared_ptr<channel_type> line, Identity const& who)
        : policies_(policies), sessions_(sessions), channel_(std::move(line)), identity_(who),
          id_(random_uuid()) {
        sessions_.begin_session(channel_.get(), {id_, {}, {}, wall_time()});
    }

    /// UUID v4.
    [[nodiscard]] std::string const& id() const { return id_; }
    [[nodiscard]] Identity const& identity() const { return identity_; }
    [[nodiscard]] std::string const& peer_address() const { return channel_->peer_address(); }

    auto& verifier() { return policies_.verifier; }
    auto& storage() { return policies_.storage; }
    auto& audit() { return policies_.audit; }

    /// Now on the calendar, by the transport's clock.
    [[nodiscard]] std::chrono::system_clock::time_point wall_time() const {
        return policies_.transport.wall_time();
    }

    /// Says whom this session is with and what it is about, for `active_sessions()`.
    void describe(std::string subject, std::string target) {
        sessions_.update_session(channel_.get(), [&](session_info& info) {
            info.subject = std::move(subject);
            info.target = std::move(target);
        });
    }

    /// Says that the session achieved what it was for.
    void complete() { set_status(session_status::completed); }

    void set_status(session_status status) {
        sessions_.update_session(channel_.get(), [&](session_info& info) { info.status = status; });
    }

    /// A way for others to reach this session.
    [[nodiscard]] session_handle<channel_type> handle() const {
        return session_handle<channel_type>(channel_);
    }

    /// How somebody asked this session to end, after `receive_status::closing`.
    [[nodiscard]] std::optional<close_reason> const& close_requested() const {
        return channel_->close_requested();
    }

    /// True once the server's grace is over: whatever this session waits for fails, and is to be
    /// given up.
    [[nodiscard]] bool was_cut_off() const { return channel_->was_cut_off(); }

    /// What everything of this session runs on.
    [[nodiscard]] executor get_executor() const { return channel_->get_executor(); }

    /// The point in time after which a wait of `timeout` from now is over.
    [[nodiscard]] time_point deadline_after(std::chrono::milliseconds timeout) const {
        return channel_->now() + timeout;
    }

    /// The next text message, or why there is none by the deadline.
    task<received> receive_text(time_point deadline) { return channel_->receive(deadline); }

    /// Suspends until `ready()` holds, which is looked at again whenever `notify` is called; false
    /// when before that the conversation is to end: `receive_text` then comes to say how. For a
    /// conversation that must wait for something of its own before it receives the next message.
    template <class Ready>
    task<bool> wait_unless_ended(Ready ready) {
        return channel_->wait_unless_ended(std::move(ready));
    }

    /// Makes whoever is in `wait_unless_ended` look again.
    void notify() { channel_->notify(); }

    /// The next message, which must be an `M`. Messages of the types `Ignored` are passed over.
    template <message M, message... Ignored>
    task<result<M, receive_failure>> receive(time_point deadline) {
        for (;;) {
            auto const next = co_await channel_->receive(deadline);
            if (next.status != receive_status::message) {
                co_return receive_failure{next.status, {}};
            }
            auto const value = json::parse(next.text);
            if (!value) co_return receive_failure{receive_status::message, value.error()};
            auto const type = type_of(*value);
            if (type && ((*type == Ignored::type) || ...)) continue;
            auto decoded = decode_message<M>(*value);
            if (!decoded) co_return receive_failure{receive_status::message, decoded.error()};
            co_return std::move(*decoded);
        }
    }

    /// Sends a message; false when the peer is gone or does not read.
    template <message M>
    task<bool> send(M const& m) {
        return channel_->send(encode_message(m));
    }

    /// As `send`, for what ends the conversation: what the peer says now matters to nobody, however
    /// much it is.
    template <message M>
    task<bool> send_last(M const& m) {
        return channel_->send(encode_message(m), true);
    }

    /// Sends a text message; false when the peer is gone or does not read.
    task<bool> send_text(std::string text) { return channel_->send(std::move(text)); }

  private:
    Policies& policies_;
    registry<channel_type>& sessions_;
    std::shared_ptr<channel_type> channel_;
    Identity const& identity_;
    std::string id_;
};

} // namespace parley
