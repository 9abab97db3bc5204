// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The patient agent's half of the handshake: what it signs and says (consent broker specification,
/// §2). Pure; thread-safe.

#include <parley/consent/challenge.hpp>
#include <parley/consent/claims.hpp>
#include <parley/consent/messages.hpp>
#include <parley/crypto/ed25519_key.hpp>
#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace parley::consent {

/// The first message: `claims` signed with `key`, and where the agent can be reached.
inline handshake_auth make_auth(ed25519_key const& key, token_claims const& claims,
                                std::string patient_endpoint) {
    auto const text = json::encode_text(claims);
    std::vector<std::uint8_t> const payload(text.begin(), text.end());
    return {to_base64url(payload), to_base64url(key.sign(payload)), claims.patient_agent_id,
            to_base64url(key.public_key()), std::move(patient_endpoint)};
}

/// The answer to a challenge. Anything but a nonce of 32 bytes is not signed: the broker is a
/// stranger too, and a signature given away is good for whatever was signed.
inline result<handshake_challenge_response, problem>
answer_challenge(ed25519_key const& key, handshake_challenge const& challenge) {
    auto const nonce = from_hex(challenge.nonce);
    if (!nonce || nonce->size() != nonce_size) {
        return problem{"nonce", "64 lower-case hexadecimal digits",
                       json::describe(json::encode(challenge.nonce))};
    }
    return handshake_challenge_response{to_base64url(key.sign(*nonce))};
}

} // namespace parley::consent
