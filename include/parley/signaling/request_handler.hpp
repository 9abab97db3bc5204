// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What each request of voice signalling does (voice signalling specification, §2).

#include <parley/detail/ecmascript_json.hpp>
#include <parley/router.hpp>
#include <parley/signaling/hub.hpp>
#include <parley/signaling/messages.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value_from.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

/// The `data` of an answer, or why there is none.
using answer = result<boost::json::object, refusal>;

inline constexpr std::size_t max_transports = 4; ///< of a connection in a channel

/// Does a request of that type wait for the media server?
inline bool asks_media_server(std::string_view type) {
    constexpr std::array all{requests::get_router_capabilities::type,
                             requests::create_transport::type, requests::connect_transport::type,
                             requests::produce::type, requests::consume::type};
    return std::ranges::find(all, type) != all.end();
}

/// Used on the connection's executor, for at most one request to the media server and one other at
/// once.
template <class Hub, class Session>
class request_handler {
  public:
    using routes = router<task<answer>, requests::join_channel, requests::leave_channel,
                          requests::get_router_capabilities, requests::create_transport,
                          requests::connect_transport, requests::produce, requests::consume,
                          requests::ptt_start, requests::ptt_stop, requests::ping>;

    request_handler(Hub& all, Session& session, connection_ptr self)
        : hub_(all), session_(session), self_(std::move(self)) {}

    /// What one request comes to.
    task<answer> handle(std::string type, boost::json::value data) {
        co_return co_await routes::dispatch(type, data, *this);
    }

    // ---- One overload a request -----------------------------------------------------------------

    task<answer> operator()(requests::join_channel request) {
        if (!is_acceptable_id(request.channelId)) {
            co_return refusal{"channelId: expected 1 to " + std::to_string(max_id) +
                              " bytes without control characters, found " +
                              std::to_string(request.channelId.size()) + " bytes"};
        }
        if (!may_join(self_->who, request.channelId)) {
            co_return refusal{"the token does not allow the channel " + quoted(request.channelId)};
        }
        auto const joined = co_await hub_.join(self_, request.channelId);
        if (!joined) co_return joined.error();
        boost::json::object data{{"channelId", request.channelId},
                                 {"state", state_of(request.channelId, joined->holder)},
                                 {"userCount", joined->users}};
        // For whoever comes while somebody speaks.
        if (auto const producer = hub_.speaking_producer(request.channelId)) {
            data["producerId"] = *producer;
        }
        co_return data;
    }

    task<answer> operator()(requests::leave_channel request) {
        if (!co_await hub_.leave(self_, request.channelId)) co_return outside(request.channelId);
        boost::json::object answered{{"channelId", request.channelId}, {"success", true}};
        co_return answered;
    }

    task<answer> operator()(requests::get_router_capabilities request) {
        if (!hub_.is_in(*self_, request.channelId)) co_return outside(request.channelId);
        auto capabilities = co_await hub_.media.capabilities(request.channelId);
        if (!capabilities) co_return refusal{capabilities.error().message};
        boost::json::object answered{{"routerRtpCapabilities", *std::move(capabilities)}};
        co_return answered;
    }

    task<answer> operator()(requests::create_transport request) {
        bool const sends = request.direction == "send";
        if (!sends && request.direction != "recv") {
            co_return refusal{"direction: expected send or recv, found " +
                              quoted(request.direction)};
        }
        auto const& channel = request.channelId;
        std::size_t has = 0;
        std::uint64_t serial = 0;
        auto const look = [&](media_ledger const& mine) {
            has = mine.transports.size();
            serial = mine.serial;
        };
        if (!hub_.with_media(*self_, channel, look)) co_return outside(channel);
        if (has >= max_transports) {
            co_return refusal{"a connection may have " + std::to_string(max_transports) +
                              " transports in a channel"};
        }
        auto const direction = sends ? media_direction::send : media_direction::recv;
        auto made = co_await hub_.media.create_transport(channel, direction);
        if (!made) co_return refusal{made.error().message};
        bool kept = false;
        auto const keep = [&](media_ledger& mine) {
            kept = mine.serial == serial;
            if (!kept) return;
            mine.transports.emplace(made->id, direction);
            if (!sends) mine.receiver = made->id;
        };
        if (!hub_.with_media(*self_, channel, keep)) {
            hub_.media.close_transport(made->id);
            co_return outside(channel);
        }
        if (!kept) {
            hub_.media.close_transport(made->id);
            co_return refusal{"the transport has been lost: create it again"};
        }
        boost::json::object answered{{"id", made->id},
                                     {"iceParameters", std::move(made->iceParameters)},
                                     {"iceCandidates", std::move(made->iceCandidates)},
                                     {"dtlsParameters", std::move(made->dtlsParameters)}};
        co_return answered;
    }

    task<answer> operator()(requests::connect_transport request) {
        if (!hub_.channel_of(*self_, request.transportId)) {
            co_return not_own("transport", request.transportId);
        }
        auto const done =
            co_await hub_.media.connect_transport(request.transportId, request.dtlsParameters);
        if (!done) co_return refusal{done.error().message};
        co_return success();
    }

    task<answer> operator()(requests::produce request) {
        auto const channel = hub_.channel_of(*self_, request.transportId);
        if (!channel || *channel != request.channelId) {
            co_return not_own("transport", request.transportId);
        }
        auto producer =
            co_await hub_.media.produce(request.transportId, request.kind, request.rtpParameters);
        if (!producer) co_return refusal{producer.error().message};
        if (!co_await hub_.add_producer(self_, *channel, request.transportId, *producer)) {
            co_return refusal{"the transport has been closed"};
        }
        boost::json::object answered{{"id", *producer}};
        co_return answered;
    }

    task<answer> operator()(requests::consume request) {
        auto const& channel = request.channelId;
        std::optional<std::string> transport;
        auto const look = [&](media_ledger const& mine) { transport = mine.receiver; };
        if (!hub_.with_media(*self_, channel, look)) co_return outside(channel);
        if (!transport) co_return refusal{"create a transport of direction recv first"};
        auto made =
            co_await hub_.media.consume(*transport, request.producerId, request.rtpCapabilities);
        if (!made) co_return refusal{made.error().message};
        boost::json::object answered{{"id", made->id},
                                     {"producerId", made->producerId},
                                     {"kind", made->kind},
                                     {"rtpParameters", std::move(made->rtpParameters)}};
        co_return answered;
    }

    task<answer> operator()(requests::ptt_start request) {
        auto const& channel = request.channelId;
        if (!hub_.is_in(*self_, channel)) co_return outside(channel);
        auto const won =
            co_await hub_.take_floor(self_, channel, wall_milliseconds(),
                                     session_.deadline_after(std::chrono::milliseconds{0}));
        if (won.granted) {
            boost::json::object answered{{"success", true},
                                         {"state", state_of(channel, won.holder)}};
            co_return answered;
        }
        self_->send(push_text("ptt-denied", denial(channel, won.holder)));
        boost::json::object data{{"success", false}, {"denied", true}};
        name_speaker(data, won.holder);
        co_return data;
    }

    task<answer> operator()(requests::ptt_stop request) {
        auto const& channel = request.channelId;
        if (!hub_.is_in(*self_, channel)) co_return outside(channel);
        auto const holder = co_await hub_.release_floor(self_, channel);
        boost::json::object answered{{"success", true}, {"state", state_of(channel, holder)}};
        co_return answered;
    }

    task<answer> operator()(requests::ping) { co_return boost::json::object(); }

    task<answer> operator()(unroutable why) {
        if (why.what) co_return refusal{why.what->text()};
        co_return refusal{"unknown type " + quoted(why.name)};
    }

  private:
    static std::string quoted(std::string_view text) {
        return parley::detail::quote_for_report(text);
    }

    static boost::json::object success() { return {{"success", true}}; }

    static refusal outside(std::string_view channel) {
        return {"join the channel first: " + quoted(channel) + " is not one of yours"};
    }

    /// Whether it is somebody else's is not said.
    static refusal not_own(std::string_view what, std::string_view id) {
        return {"there is no " + std::string(what) + " " + quoted(id) + " of yours"};
    }

    static void name_speaker(boost::json::object& data, std::optional<speaker> const& who) {
        data["currentSpeaker"] = nullptr;
        data["currentSpeakerName"] = nullptr;
        if (!who) return;
        data["currentSpeaker"] = who->userId;
        data["currentSpeakerName"] = who->userName;
    }

    static boost::json::object denial(std::string const& channel,
                                      std::optional<speaker> const& who) {
        boost::json::object data{{"channelId", channel}};
        name_speaker(data, who);
        data["message"] = who ? who->userName + " is speaking"
                              : "the floor cannot be given to anybody now: try again";
        return data;
    }

    [[nodiscard]] std::int64_t wall_milliseconds() const {
        auto const since = session_.wall_time().time_since_epoch();
        return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    }

    Hub& hub_;
    Session& session_;
    connection_ptr self_;
};

} // namespace parley::signaling
