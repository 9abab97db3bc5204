// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The conversation of voice signalling (voice signalling specification, §1 and §2).

#include <parley/attempt_limiter.hpp>
#include <parley/background.hpp>
#include <parley/detail/exception_text.hpp>
#include <parley/random.hpp>
#include <parley/session.hpp>
#include <parley/signaling/answering.hpp>
#include <parley/signaling/hub.hpp>
#include <parley/signaling/media_requests.hpp>
#include <parley/signaling/participant.hpp>
#include <parley/signaling/request_handler.hpp>
#include <parley/trusted_proxies.hpp>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

namespace close_code {
inline constexpr std::uint16_t policy_violation = 1008;
}

/// Push-to-talk for whoever has a token. Its server's verifier has tokens (`std::string_view`) as
/// credentials and their claims (`boost::json::object`) as identities, as `jwt_verifier`. Floors
/// are kept in `Store`, media go through `Media`.
template <floor_store Store, media_server Media>
class conversation {
  public:
    using hub_type = hub<Store, Media>;
    using identity = connection_ptr; ///< with `who`, and without a session yet

    struct options {
        hub_options channels = {};
        attempt_limiter::options attempts = {.max_attempts = 60}; ///< to connect, of an address
        trusted_proxies proxies = {}; ///< who may say what that address is
    };

    conversation(options o, Store floors, Media media)
        : hub_(std::make_shared<hub_type>(std::move(o.channels), std::move(floors),
                                          std::move(media))),
          attempts_(o.attempts), proxies_(std::move(o.proxies)) {
        hub_->prepare();
    }

    [[nodiscard]] hub_type& channels() { return *hub_; }

    /// Who the peer is, by its token (§1).
    template <class Context>
    task<result<identified<identity>, http_response>> identify(http_request const& request,
                                                               Context& context) {
        auto const now = context.policies.transport.now();
        auto const address = proxies_.client_of(request, context.peer_address);
        if (auto const wait = attempts_.attempt(address, now)) {
            auto refused = make_error_response(http::status::too_many_requests,
                                               "too many connections from this address");
            refused.set(http::field::retry_after, std::to_string(wait->count()));
            co_return refused;
        }
        auto offered = find_credential(request);
        if (offered.token.empty()) co_return unauthorized("a token is required");
        auto const claims = context.policies.verifier.verify(offered.token);
        if (!claims) co_return unauthorized("the token is not valid, or not any more");
        auto who = read_claims(*claims);
        if (!who) co_return unauthorized("the token's claim " + who.error().path + " is none");
        auto self = std::make_shared<connection>();
        self->who = *std::move(who);
        co_return identified<identity>{std::move(self), std::move(offered.subprotocol)};
    }

    template <class Session>
    task<close_reason> operator()(Session& session) {
        auto const& self = session.identity();
        self->id = self->who.userId + ':' + session.id();
        self->send = [handle = session.handle()](auto const& text) { handle.send(text); };
        session.describe(self->who.userId, self->who.eventId.value_or(""));
        if (!hub_->add(self)) {
            co_await session.send_text(too_many_connections());
            co_return close_reason(close_code::policy_violation, "too many connections");
        }
        // However this ends, what the connection has is cleared up.
        auto const leave = [hub = hub_, self](void*) { hub->remove(self); };
        std::unique_ptr<void, decltype(leave)> const membership(self.get(), leave);
        co_await session.send_text(channel_list(self->who));
        request_handler<hub_type, Session> handler(*hub_, session, self);
        std::shared_ptr<lane> media; // once it is asked for
        for (;;) {
            auto const next = co_await session.receive_text(no_deadline);
            std::string reply;
            if (next.status == receive_status::message) {
                reply = co_await take(next.text, session, handler, media);
            } else if (next.status == receive_status::binary) {
                reply = failure_text({}, "expected a text frame, found binary");
            } else {
                co_return end_of(next.status, session);
            }
            if (!reply.empty()) co_await session.send_text(std::move(reply));
        }
    }

    /// Floors, departures, the store and the media server. At the stop, when all connections have
    /// been closed: floors and memberships are let go of, the media server ends, then the store.
    template <class Context>
    task<> run(Context& context) {
        using namespace asio::experimental::awaitable_operators;
        Context store_context(context.policies, context.get_executor());
        Context media_context(context.policies, context.get_executor());
        co_await (run_hub(context, media_context) && run_media(media_context, store_context) &&
                  run_part(hub_->store, store_context));
    }

  private:
    using lane = media_lane<hub_type>;

    static http_response unauthorized(std::string_view why) {
        return make_error_response(http::status::unauthorized, why);
    }

    [[nodiscard]] std::string too_many_connections() const {
        return failure_text({}, "a user may have " +
                                    std::to_string(hub_->options().max_connections) +
                                    " connections at once");
    }

    static std::string channel_list(participant const& who) {
        boost::json::array channels;
        for (auto const& channel : who.channelIds.value_or(std::vector<std::string>()))
            channels.emplace_back(channel);
        return *push_text("channel-list",
                          {{"channels", std::move(channels)},
                           {"role", json::encode(nullable<std::string>{who.role})},
                           {"globalRole", json::encode(nullable<std::string>{who.globalRole})}});
    }

    /// How to close when no message will come.
    template <class Session>
    close_reason end_of(receive_status status, Session const& session) const {
        switch (status) {
        case receive_status::too_big:
            return close_reason(parley::close_code::too_big, "message too big");
        case receive_status::stopping:
            hub_->stop();
            return close_reason(parley::close_code::going_away, "shutting down");
        case receive_status::closing:
            return session.close_requested().value();
        default:
            return close_reason();
        }
    }

    /// Answers a message, or leaves it to the lane; empty when nothing is to be said yet.
    template <class Session, class Handler>
    task<std::string> take(std::string_view text, Session& session, Handler& handler,
                           std::shared_ptr<lane>& media) {
        auto asked = read_request(text);
        if (!asked) co_return std::move(asked.error().message);
        if (!lane::takes(asked->type)) co_return co_await answer_to(*std::move(asked), handler);
        if (!media)
            media = std::make_shared<lane>(session.get_executor(), hub_, session.identity());
        auto const id = asked->id;
        if (media->add(*std::move(asked))) co_return std::string();
        co_return failure_text(id, "at most " + std::to_string(lane::most) +
                                       " requests may wait for the media server");
    }

    // ---- Background -----------------------------------------------------------------------------

    template <class Context>
    task<> run_hub(Context& context, Context& next) {
        try {
            co_await hub_->run(context);
        } catch (...) {
            log("channels: " + parley::detail::exception_text());
        }
        next.stop();
    }

    template <class Context>
    task<> run_media(Context& context, Context& next) {
        co_await run_part(hub_->media, context);
        co_await context.wait_until(no_deadline); // a media server without work is over at once
        next.stop();
    }

    template <class Part, class Context>
    task<> run_part(Part& part, Context& context) {
        if constexpr (requires { part.run(context); }) {
            try {
                co_await part.run(context);
            } catch (...) {
                log("background work failed: " + parley::detail::exception_text());
            }
        }
        co_return;
    }

    void log(std::string const& text) const {
        if (hub_->options().log) hub_->options().log(text);
    }

    std::shared_ptr<hub_type> hub_;
    attempt_limiter attempts_;
    trusted_proxies proxies_;
};

} // namespace parley::signaling
