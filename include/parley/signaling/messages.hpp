// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The messages of voice signalling, as on the wire (voice signalling specification, §2). A request
/// is `{"type":"…","id":"…"?,"data":{…}?}`; an answer has the request's `id`.

#include <parley/json.hpp>
#include <parley/message.hpp>
#include <parley/signaling/floor_store.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling {

/// A member that is there, if only as null.
template <class T>
struct nullable {
    std::optional<T> value = {};
};

} // namespace parley::signaling

template <class T>
struct parley::json::codec<parley::signaling::nullable<T>> {
    static boost::json::value encode(parley::signaling::nullable<T> const& v) {
        return codec<std::optional<T>>::encode(v.value);
    }
};

namespace parley::signaling::requests {

struct join_channel {
    static constexpr std::string_view type = "join-channel";
    std::string channelId;
};

struct leave_channel {
    static constexpr std::string_view type = "leave-channel";
    std::string channelId;
};

struct get_router_capabilities {
    static constexpr std::string_view type = "get-router-capabilities";
    std::string channelId;
};

struct create_transport {
    static constexpr std::string_view type = "create-transport";
    std::string channelId;
    std::string direction;
};

struct connect_transport {
    static constexpr std::string_view type = "connect-transport";
    std::string transportId;
    boost::json::value dtlsParameters;
};

struct produce {
    static constexpr std::string_view type = "produce";
    std::string transportId;
    std::string kind;
    boost::json::value rtpParameters;
    std::string channelId;
};

struct consume {
    static constexpr std::string_view type = "consume";
    std::string channelId;
    std::string producerId;
    boost::json::value rtpCapabilities;
};

struct ptt_start {
    static constexpr std::string_view type = "ptt-start";
    std::string channelId;
};

struct ptt_stop {
    static constexpr std::string_view type = "ptt-stop";
    std::string channelId;
};

struct ping {
    static constexpr std::string_view type = "ping";
};

} // namespace parley::signaling::requests

namespace parley::signaling {

/// Who speaks in a channel.
struct channel_state {
    std::string channelId;
    nullable<std::string> currentSpeaker;
    nullable<std::string> speakerName;
    bool isBusy = false;
    nullable<std::int64_t> lockTimestamp;
};

} // namespace parley::signaling

BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::join_channel, channelId);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::leave_channel, channelId);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::get_router_capabilities, channelId);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::create_transport, channelId, direction);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::connect_transport, transportId,
                        dtlsParameters);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::produce, transportId, kind, rtpParameters,
                        channelId);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::consume, channelId, producerId,
                        rtpCapabilities);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::ptt_start, channelId);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::ptt_stop, channelId);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::requests::ping);
BOOST_HANA_ADAPT_STRUCT(parley::signaling::channel_state, channelId, currentSpeaker, speakerName,
                        isBusy, lockTimestamp);

namespace parley::signaling {

/// The state of a channel of which `holder` has the floor.
inline boost::json::object state_of(std::string const& channel,
                                    std::optional<speaker> const& holder) {
    channel_state state{channel, {}, {}, holder.has_value(), {}};
    if (holder) {
        state.currentSpeaker.value = holder->userId;
        state.speakerName.value = holder->userName;
        state.lockTimestamp.value = holder->timestamp;
    }
    return json::encode(state).as_object();
}

/// `{"type":…,"data":…}`: what a client is told without having asked.
inline std::shared_ptr<std::string const> push_text(std::string_view type,
                                                    boost::json::object data) {
    boost::json::object const message{{"type", type}, {"data", std::move(data)}};
    return std::make_shared<std::string const>(boost::json::serialize(message));
}

/// To whoever listens, when the floor changes. \param producer of the speaker, if it has one.
inline std::shared_ptr<std::string const>
speaker_changed(std::string const& channel, std::optional<speaker> const& holder,
                std::optional<std::string> const& producer) {
    auto data = state_of(channel, holder);
    data["producerId"] = json::encode(nullable<std::string>{producer});
    return push_text("speaker-changed", std::move(data));
}

/// To whoever is in a channel, when others come and go. \param users how many are in it now
inline std::shared_ptr<std::string const> channel_changed(std::string const& channel,
                                                          std::optional<speaker> const& holder,
                                                          channel_news const& news,
                                                          std::size_t users) {
    auto data = state_of(channel, holder);
    data["action"] = news.action;
    if (!news.userId.empty()) {
        data["userId"] = news.userId;
        data["userName"] = news.userName;
    }
    data["userCount"] = users;
    return push_text("channel-state", std::move(data));
}

} // namespace parley::signaling
