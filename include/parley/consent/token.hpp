// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The checks of a consent token, in the order of the consent broker specification, §3 step 3.
/// Pure: no I/O, no clock. Thread-safe.

#include <parley/consent/claims.hpp>
#include <parley/consent/messages.hpp>
#include <parley/consent/npi.hpp>
#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/verifier/signed_message.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace parley::consent {

/// Claims that are genuine, and the key they are signed with.
struct consent_token : token_claims {
    ed25519_public_key patient_public_key{};
};

inline constexpr std::size_t max_consented_actions = 256;
inline constexpr std::size_t max_consented_action_size = 256; ///< bytes

/// Why a token is refused.
struct rejection {
    failure code;                         ///< `invalid_message` or `consent_failed`
    std::string message;                  ///< fit to be told to the peer: bounded, no secrets
    std::string provider_npi = "unknown"; ///< for the audit entry; from a valid claim, if any
};

/// Is it over at `now`? At `exp` exactly, it is. To be asked again when the challenge is answered.
inline bool is_expired(token_claims const& claims, std::chrono::system_clock::time_point now) {
    return claims.exp.value <= std::chrono::duration<double>(now.time_since_epoch()).count();
}

namespace detail {

using byte_vector = std::vector<std::uint8_t>;

/// The binary members of a `handshake_auth`, decoded.
struct auth_bytes {
    byte_vector public_key;
    byte_vector payload;
    byte_vector signature;
};

inline problem not_base64url(std::string path) {
    return {std::move(path), "base64url without padding", "something else"};
}

inline result<auth_bytes, problem> decode_bytes(handshake_auth const& auth) {
    auto key = from_base64url(auth.patient_public_key);
    if (!key) return not_base64url("patient_public_key");
    if (key->size() != std::tuple_size_v<ed25519_public_key>) {
        return problem{"patient_public_key", "43 base64url characters",
                       std::to_string(auth.patient_public_key.size())};
    }
    auto payload = from_base64url(auth.consent_token_payload);
    if (!payload) return not_base64url("consent_token_payload");
    auto signature = from_base64url(auth.consent_token_signature);
    if (!signature) return not_base64url("consent_token_signature");
    return auth_bytes{std::move(*key), std::move(*payload), std::move(*signature)};
}

/// What is wrong with claims whose types are right, if anything.
inline std::optional<problem> find_problem(token_claims const& claims) {
    if (!is_valid_npi(claims.provider_npi)) {
        return problem{"provider_npi", "10 digits with a valid check digit",
                       json::describe(json::encode(claims.provider_npi))};
    }
    auto const& actions = claims.consented_actions;
    if (actions.size() > max_consented_actions) {
        return problem{"consented_actions",
                       "at most " + std::to_string(max_consented_actions) + " strings",
                       std::to_string(actions.size())};
    }
    auto const longest = std::ranges::max_element(actions, {}, &std::string::size);
    if (longest != actions.end() && longest->size() > max_consented_action_size) {
        return problem{"consented_actions[" + std::to_string(longest - actions.begin()) + "]",
                       "at most " + std::to_string(max_consented_action_size) + " bytes",
                       std::to_string(longest->size())};
    }
    return std::nullopt;
}

inline result<token_claims, problem> decode_claims(byte_vector const& payload) {
    auto claims = json::decode<token_claims>(
        std::string_view(reinterpret_cast<char const*>(payload.data()), payload.size()));
    auto wrong = claims ? find_problem(*claims) : std::optional(claims.error());
    if (!wrong) return claims;
    wrong->path = "consent_token_payload" + (wrong->path.empty() ? "" : "." + wrong->path);
    return *std::move(wrong);
}

inline rejection invalid(problem const& p) {
    return {failure::invalid_message, p.text()};
}

inline rejection refusal(error_code why) {
    if (why == signature_errc::unacceptable_key) {
        return invalid({"patient_public_key", "a canonical Ed25519 key that is not of small order",
                        "another value"});
    }
    return {failure::consent_failed,
            "consent_token_signature: does not verify under patient_public_key"};
}

} // namespace detail

/// Step 3: is this the consent of the patient who sends it, and still good at `now`? Assumes that
/// `find_problem(auth)` (step 1) found none. What the claims say is looked at only after they are
/// known to be genuine.
template <signature_verifier Verifier>
result<consent_token, rejection> check_token(handshake_auth const& auth, Verifier const& verifier,
                                             std::chrono::system_clock::time_point now) {
    auto const bytes = detail::decode_bytes(auth);
    if (!bytes) return detail::invalid(bytes.error());

    auto const signer =
        verifier.verify(signed_message{bytes->public_key, bytes->payload, bytes->signature});
    if (!signer) return detail::refusal(signer.error());

    auto claims = detail::decode_claims(bytes->payload);
    if (!claims) return detail::invalid(claims.error());

    if (claims->patient_agent_id != auth.patient_agent_id) {
        return rejection{failure::consent_failed,
                         "patient_agent_id: is not the one in consent_token_payload",
                         claims->provider_npi};
    }
    if (is_expired(*claims, now)) {
        return rejection{failure::consent_failed, "consent_token_payload.exp: has passed",
                         claims->provider_npi};
    }
    consent_token token{std::move(*claims), {}};
    std::ranges::copy(bytes->public_key, token.patient_public_key.begin());
    return token;
}

} // namespace parley::consent
