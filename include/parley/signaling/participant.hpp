// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who takes part, by the claims of its token, and what it may do (voice signalling specification,
/// §1).

#include <parley/http_fields.hpp>
#include <parley/json.hpp>

#include <boost/json/object.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace parley::signaling {

/// The claims of a token; others are ignored.
struct participant {
    std::string userId;
    std::string userName;
    std::optional<std::string> eventId;
    std::optional<std::vector<std::string>> channelIds; ///< empty: any channel
    std::optional<std::string> globalRole;
    std::optional<std::string> role;
};

} // namespace parley::signaling

BOOST_HANA_ADAPT_STRUCT(parley::signaling::participant, userId, userName, eventId, channelIds,
                        globalRole, role);

namespace parley::signaling {

inline constexpr std::size_t max_id = 128; ///< bytes of a user's or a channel's id or name

/// Of printable characters, and not too long.
inline bool is_acceptable_id(std::string_view id) {
    return !id.empty() && id.size() <= max_id && std::ranges::none_of(id, [](char c) {
        auto const byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    });
}

/// The participant that the claims name, or the member at fault.
inline result<participant, problem> read_claims(boost::json::object const& claims) {
    auto who = json::decode<participant>(boost::json::value(claims));
    if (!who) return who;
    for (auto const* member : {"userId", "userName"}) {
        auto const& text = std::string_view(member) == "userId" ? who->userId : who->userName;
        if (is_acceptable_id(text)) continue;
        return problem{member,
                       "1 to " + std::to_string(max_id) + " bytes without control characters",
                       json::describe(claims.at(member))};
    }
    return who;
}

/// May `who` join `channel`?
inline bool may_join(participant const& who, std::string_view channel) {
    if (!who.channelIds || who.globalRole == "ADMIN") return true;
    return std::ranges::find(*who.channelIds, channel) != who.channelIds->end();
}

inline constexpr std::string_view subprotocol = "voiceping";

/// What a request to upgrade brings along.
struct offered_credential {
    std::string token;       ///< empty: none
    std::string subprotocol; ///< to answer with; never the token
};

/// Looks for the token where it may be, in the order of §1: `Authorization: Bearer`, `?token=`, and
/// the subprotocols, where it stands by itself or behind `token-`.
inline offered_credential find_credential(http_request const& request) {
    offered_credential found;
    std::string_view const bearer = "Bearer ";
    auto list = parley::detail::field_text(request, http::field::sec_websocket_protocol);
    std::string_view among_protocols;
    while (!list.empty()) {
        auto const one = parley::detail::trimmed(parley::detail::take_until(list, ','));
        if (one == subprotocol)
            found.subprotocol = one;
        else if (among_protocols.empty())
            among_protocols = one;
    }
    if (among_protocols.starts_with("token-")) among_protocols.remove_prefix(6);

    auto const authorization = parley::detail::field_text(request, http::field::authorization);
    if (parley::detail::equal_ignoring_case(authorization.substr(0, bearer.size()), bearer)) {
        found.token = parley::detail::trimmed(authorization.substr(bearer.size()));
    } else if (auto in_query = query_parameter(request, "token"); in_query && !in_query->empty()) {
        found.token = *std::move(in_query);
    } else {
        found.token = among_protocols;
    }
    return found;
}

} // namespace parley::signaling
