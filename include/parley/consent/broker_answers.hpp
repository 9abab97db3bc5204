// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a patient's agent takes from a broker, which is a stranger to it: three messages, strictly
/// (consent broker specification, §2). Pure; thread-safe.

#include <parley/consent/messages.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/message.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace parley::consent {

/// Whatever a broker may say.
using broker_message = std::variant<handshake_challenge, handshake_complete, handshake_error>;

/// A stranger's text, fit for a terminal or a log: what is not printable ASCII becomes `?`, and
/// what is longer than `max_size` bytes is cut.
inline std::string printable(std::string_view text, std::size_t max_size = 300) {
    std::string shown(text.substr(0, max_size));
    std::ranges::replace_if(
        shown, [](char c) { return c < ' ' || c > '~'; }, '?');
    if (text.size() > max_size) shown += "...";
    return shown;
}

namespace detail {

/// Five groups of hexadecimal digits.
inline bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        bool const dash = i == 8 || i == 13 || i == 18 || i == 23;
        char const c = text[i];
        bool const digit =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !digit) return false;
    }
    return true;
}

inline std::optional<problem> find_problem(handshake_complete const& answer) {
    auto const& [id, endpoint, status] = answer;
    auto const found = [](std::string const& text) { return json::describe(json::encode(text)); };
    if (!is_uuid(id)) return problem{"relationship_id", "a UUID", found(id)};
    if (endpoint.empty() || endpoint.size() > max_endpoint_size ||
        printable(endpoint, max_endpoint_size) != endpoint) {
        return problem{"provider_endpoint", "1 to 2048 printable ASCII characters",
                       found(endpoint)};
    }
    if (status != "new" && status != "existing") {
        return problem{"status", "\"new\" or \"existing\"", found(status)};
    }
    return std::nullopt;
}

} // namespace detail

/// The message in `text`, or what is wrong with it; the problem's text may hold what the broker
/// sent, so it is for `printable`. Of a `handshake_complete` every member is as the specification
/// has it; the texts of a `handshake_error` are made printable; a challenge's nonce is looked at by
/// `answer_challenge`.
inline result<broker_message, problem> decode_broker_message(std::string_view text) {
    auto const value = json::parse(text);
    if (!value) return value.error();
    auto const type = type_of(*value);
    if (!type) return type.error();
    if (*type == handshake_challenge::type) {
        auto challenge = decode_message<handshake_challenge>(*value);
        if (!challenge) return challenge.error();
        return broker_message(std::move(*challenge));
    }
    if (*type == handshake_complete::type) {
        auto answer = decode_message<handshake_complete>(*value);
        if (!answer) return answer.error();
        if (auto wrong = detail::find_problem(*answer)) return *std::move(wrong);
        return broker_message(std::move(*answer));
    }
    if (*type != handshake_error::type) {
        return problem{"type", "a message of the handshake",
                       json::describe(value->as_object().at("type"))};
    }
    auto error = decode_message<handshake_error>(*value);
    if (!error) return error.error();
    return broker_message(handshake_error{printable(error->code, 64), printable(error->message)});
}

} // namespace parley::consent
