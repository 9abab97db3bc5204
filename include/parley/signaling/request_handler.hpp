// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What each request of voice signalling does (voice signalling specification, §2).

#include <parley/router.hpp>
#include <parley/signaling/answering.hpp>
#include <parley/signaling/hub.hpp>
#include <parley/signaling/messages.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_from.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

/// All but what waits for the media server (media_requests.hpp). Used on the connection's executor,
/// for one request at a time.
template <class Hub, class Session>
class request_handler {
  public:
    using routes = router<task<answer>, requests::join_channel, requests::leave_channel,
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
            co_return refusal{"the token does not allow the channel " +
                              parley::detail::quote_for_report(request.channelId)};
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
        if (!co_await hub_.leave(self_, request.channelId)) co_return not_joined(request.channelId);
        boost::json::object answered{{"channelId", request.channelId}, {"success", true}};
        co_return answered;
    }

    task<answer> operator()(requests::ptt_start request) {
        auto const& channel = request.channelId;
        if (!hub_.is_in(self_, channel)) co_return not_joined(channel);
        auto const won =
            co_await hub_.take_floor(self_, channel, wall_milliseconds(),
                                     session_.deadline_after(std::chrono::milliseconds{0}));
        if (won.granted) {
            // What was told before, perhaps by another thread, is on its way: it goes out first.
            auto const here = co_await asio::this_coro::executor;
            co_await asio::post(here, use_task);
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
        if (!hub_.is_in(self_, channel)) co_return not_joined(channel);
        auto const holder = co_await hub_.release_floor(self_, channel);
        boost::json::object answered{{"success", true}, {"state", state_of(channel, holder)}};
        co_return answered;
    }

    task<answer> operator()(requests::ping) { co_return boost::json::object(); }

    task<answer> operator()(unroutable why) { co_return refused(why); }

  private:
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
