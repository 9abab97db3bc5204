// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The five messages of the consent handshake (consent broker specification, §2). Each says its
/// wire name in `type`; every member is a required string.

#include <parley/error.hpp>

#include <boost/hana/define_struct.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::consent {

/// Patient → broker, first: the consent token, and who and where the patient's agent is.
struct handshake_auth {
    static constexpr std::string_view type = "handshake.auth";
    BOOST_HANA_DEFINE_STRUCT(handshake_auth,
                             (std::string, consent_token_payload),   // base64url of JSON
                             (std::string, consent_token_signature), // base64url of 64 bytes
                             (std::string, patient_agent_id),
                             (std::string, patient_public_key), // base64url of 32 bytes
                             (std::string, patient_endpoint));
};

/// Broker → patient: sign this, to show that the key is yours.
struct handshake_challenge {
    static constexpr std::string_view type = "handshake.challenge";
    BOOST_HANA_DEFINE_STRUCT(handshake_challenge,
                             (std::string, nonce), // 64 lower-case hexadecimal digits
                             (std::string, provider_npi), (std::string, organization_npi));
};

/// Patient → broker: the signature of the nonce's 32 bytes.
struct handshake_challenge_response {
    static constexpr std::string_view type = "handshake.challenge_response";
    BOOST_HANA_DEFINE_STRUCT(handshake_challenge_response,
                             (std::string, signed_nonce)); // base64url of 64 bytes
};

/// Broker → patient, last: where to find the provider.
struct handshake_complete {
    static constexpr std::string_view type = "handshake.complete";
    BOOST_HANA_DEFINE_STRUCT(handshake_complete, (std::string, relationship_id), // UUID v4
                             (std::string, provider_endpoint),
                             (std::string, status)); // `new` or `existing`
};

/// Broker → patient, last: why there is no relationship.
struct handshake_error {
    static constexpr std::string_view type = "handshake.error";
    BOOST_HANA_DEFINE_STRUCT(handshake_error, (std::string, code), // see `wire_name`
                             (std::string, message));
};

/// Why a handshake fails (§3).
enum class failure {
    auth_timeout,
    invalid_message,
    consent_failed,
    provider_not_found,
    server_error,
};

/// The `code` of a `handshake_error`, which is also the `error` of the audit entry.
[[nodiscard]] constexpr std::string_view wire_name(failure why) noexcept {
    switch (why) {
    case failure::auth_timeout:
        return "AUTH_TIMEOUT";
    case failure::invalid_message:
        return "INVALID_MESSAGE";
    case failure::consent_failed:
        return "CONSENT_FAILED";
    case failure::provider_not_found:
        return "PROVIDER_NOT_FOUND";
    case failure::server_error:
        break;
    }
    return "SERVER_ERROR";
}

inline constexpr std::size_t max_agent_id_size = 256;  ///< bytes, of a patient agent's id
inline constexpr std::size_t max_endpoint_size = 2048; ///< bytes, of an agent's address

namespace detail {

/// What is wrong with a string that the broker is going to store, log and pass on.
inline std::optional<problem> find_problem(std::string_view path, std::string_view text,
                                           std::size_t min_size, std::size_t max_size) {
    auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    std::string found;
    if (text.size() < min_size || text.size() > max_size) {
        found = std::to_string(text.size()) + " bytes";
    } else if (std::ranges::any_of(text, is_control)) {
        found = "a control character";
    } else {
        return std::nullopt;
    }
    return problem{std::string(path),
                   (min_size == 0 ? "at most " : std::to_string(min_size) + " to ") +
                       std::to_string(max_size) + " bytes without control characters",
                   std::move(found)};
}

} // namespace detail

/// What is wrong with a first message whose members are all strings, if anything: the part of the
/// schema (§3, step 1) that its type cannot say. Comes before anything in it is recorded.
inline std::optional<problem> find_problem(handshake_auth const& auth) {
    auto found =
        detail::find_problem("patient_agent_id", auth.patient_agent_id, 1, max_agent_id_size);
    if (found) return found;
    return detail::find_problem("patient_endpoint", auth.patient_endpoint, 0, max_endpoint_size);
}

} // namespace parley::consent
