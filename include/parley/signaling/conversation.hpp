// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The conversation of voice signalling (voice signalling specification, §1 and §2).

#include <parley/attempt_limiter.hpp>
#include <parley/background.hpp>
#include <parley/detail/exception_text.hpp>
#include <parley/random.hpp>
#include <parley/session.hpp>
#include <parley/signaling/hub.hpp>
#include <parley/signaling/participant.hpp>
#include <parley/signaling/request_handler.hpp>
#include <parley/trusted_proxies.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
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
    using identity = participant;

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
        co_return identified<identity>{*std::move(who), std::move(offered.subprotocol)};
    }

    template <class Session>
    task<close_reason> operator()(Session& session) {
        auto const self = std::make_shared<connection>();
        self->who = session.identity();
        self->id = self->who.userId + ':' + session.id();
        self->send = [handle = session.handle()](auto const& text) { handle.send(text); };
        session.describe(self->who.userId, self->who.eventId.value_or(""));
        if (!hub_->add(self)) {
            co_await session.send_text(too_many_connections());
            co_return close_reason(close_code::policy_violation, "too many connections");
        }
        // However this ends, what the connection has is cleared up.
        std::shared_ptr<void> membership(self.get(),
                                         [hub = hub_, self](void*) { hub->remove(self); });
        co_await session.send_text(channel_list(self->who));
        using namespace asio::experimental::awaitable_operators;
        request_handler<hub_type, Session> handler(*hub_, session, self);
        lane media(session.get_executor());
        std::exception_ptr failure;
        auto const end = co_await (converse(session, handler, media, membership) &&
                                   serve_media(session, handler, media, *self, failure));
        if (failure) std::rethrow_exception(failure);
        co_return end;
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

    /// \param id of the request; null when it has none.
    static std::string failure_text(boost::json::value id, std::string_view why) {
        boost::json::object message{{"type", "error"}};
        if (!id.is_null()) message["id"] = std::move(id);
        message["error"] = why;
        return boost::json::serialize(message);
    }

    /// A request that could be read.
    struct incoming {
        std::string type;
        boost::json::value id; ///< null: none
        boost::json::value data;
    };

    /// Requests that wait for the media server, which may be slow: they are done one after the
    /// other beside what else the client asks for.
    struct lane {
        static constexpr std::size_t most = 8;

        explicit lane(executor on) : requests(std::move(on), most) {}

        asio::experimental::channel<executor, void(error_code, incoming)> requests;
        std::size_t count = 0; ///< the one that is being done among them
        bool over = false;
    };

    /// Reads on while the media server works, so that a floor is let go of, and a client that
    /// leaves is cleared up after, without a wait for it. Returns how to close.
    template <class Session, class Handler>
    task<close_reason> converse(Session& session, Handler& handler, lane& media,
                                std::shared_ptr<void>& membership) {
        auto const finish = [&membership](lane* all) {
            membership.reset();
            all->over = true;
            all->requests.close();
        };
        std::unique_ptr<lane, decltype(finish)> const ending(&media, finish);
        for (;;) {
            auto next = co_await session.receive_text(no_deadline);
            std::string reply;
            switch (next.status) {
            case receive_status::message:
                reply = co_await take(next.text, session, handler, media);
                break;
            case receive_status::binary:
                reply = failure_text({}, "expected a text frame, found binary");
                break;
            case receive_status::too_big:
                co_return close_reason(parley::close_code::too_big, "message too big");
            case receive_status::stopping:
                co_return close_reason(parley::close_code::going_away, "shutting down");
            case receive_status::closing:
                co_return session.close_requested().value();
            case receive_status::timed_out:
            case receive_status::peer_closed:
                co_return close_reason();
            }
            if (!reply.empty()) co_await session.send_text(std::move(reply));
        }
    }

    /// Answers a message, or leaves it to `serve_media`; empty when nothing is to be said yet.
    template <class Session, class Handler>
    static task<std::string> take(std::string_view text, Session& session, Handler& handler,
                                  lane& media) {
        auto request = read(text);
        if (!request) co_return std::move(request.error().message);
        bool const is_media = asks_media_server(request->type);
        bool const is_join = request->type == requests::join_channel::type;
        // What was asked of a channel before it is joined, is done before.
        std::size_t const most = is_media ? lane::most - 1 : is_join ? 0 : lane::most;
        auto const has_room = [&media, most] { return media.count <= most; };
        if (!co_await session.wait_unless_ended(has_room)) co_return std::string();
        if (!is_media) co_return co_await answer_to(*std::move(request), handler);
        ++media.count;
        media.requests.try_send(error_code(), *std::move(request));
        co_return std::string();
    }

    /// Does one request after the other. An exception, which only a bug throws, ends the
    /// conversation and is kept in `failure`: two that end each other would hide the cause.
    template <class Session, class Handler>
    static task<> serve_media(Session& session, Handler& handler, lane& media,
                              connection const& self, std::exception_ptr& failure) {
        try {
            for (;;) {
                auto [ec, request] =
                    co_await media.requests.async_receive(asio::as_tuple(use_task));
                if (ec || media.over) co_return;
                auto reply = co_await answer_to(std::move(request), handler);
                --media.count;
                session.notify();
                if (reply.empty()) continue;
                // Not waited for: others may be waiting for what they send.
                self.send(std::make_shared<std::string const>(std::move(reply)));
            }
        } catch (...) {
            failure = std::current_exception();
            session.handle().close({parley::close_code::internal_error, "internal error"});
        }
    }

    /// A request, or what to answer to what is none.
    static result<incoming, refusal> read(std::string_view text) {
        auto const message = json::parse(text);
        if (!message) return refusal{failure_text({}, "not JSON: " + message.error().text())};
        auto const type = type_of(*message);
        auto const* members = message->if_object();
        auto const* id = members != nullptr ? members->if_contains("id") : nullptr;
        bool const has_id = id != nullptr && !id->is_null();
        if (has_id && (!id->is_string() || id->as_string().size() > max_id)) {
            return refusal{failure_text({}, "id: expected a string of at most " +
                                                std::to_string(max_id) + " bytes, found " +
                                                json::describe(*id))};
        }
        auto key = has_id ? *id : boost::json::value();
        if (!type) return refusal{failure_text(std::move(key), type.error().text())};
        auto const* given = members->if_contains("data");
        boost::json::value data = boost::json::object();
        if (given != nullptr && !given->is_null()) data = *given;
        return incoming{std::string(*type), std::move(key), std::move(data)};
    }

    /// Empty when nobody waits for an answer.
    template <class Handler>
    static task<std::string> answer_to(incoming request, Handler& handler) {
        auto outcome = co_await handler.handle(request.type, std::move(request.data));
        if (!outcome) co_return failure_text(request.id, outcome.error().message);
        bool const is_ping = request.type == requests::ping::type;
        bool const has_id = !request.id.is_null();
        if (!has_id && !is_ping) co_return std::string();
        boost::json::object reply{{"type", is_ping ? std::string("pong") : request.type}};
        if (has_id) reply["id"] = std::move(request.id);
        if (!is_ping) reply["data"] = *std::move(outcome);
        co_return boost::json::serialize(reply);
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
