// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The challenge: a nonce, and the proof that the peer holds the key it presented (consent broker
/// specification, §2 and §3 step 6).

#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/random.hpp>
#include <parley/verifier/signed_message.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parley::consent {

inline constexpr std::size_t nonce_size = 32; ///< bytes

/// 32 random bytes as 64 lower-case hexadecimal digits. To be used once.
inline std::string make_nonce() {
    std::array<std::uint8_t, nonce_size> bytes{};
    fill_random(bytes);
    return to_hex(bytes);
}

/// Has the holder of `public_key` signed the bytes of this nonce? Pure; thread-safe. Every error is
/// a `CONSENT_FAILED`, and its text may be told to the peer.
/// \param nonce_hex is what `make_nonce` returned.
/// \param signed_nonce is as the peer sent it: base64url of 64 bytes, if it is honest.
template <signature_verifier Verifier>
result<void, problem> verify_challenge(std::string_view nonce_hex, std::string_view signed_nonce,
                                       ed25519_public_key const& public_key,
                                       Verifier const& verifier) {
    auto const nonce = from_hex(nonce_hex);
    auto const signature = from_base64url(signed_nonce);
    if (!signature) {
        return problem{"signed_nonce", "base64url without padding", "something else"};
    }
    if (!nonce || nonce->size() != nonce_size ||
        !verifier.verify(signed_message{public_key, *nonce, *signature})) {
        return problem{"signed_nonce", "the nonce's 32 bytes signed with the presented key",
                       "another signature"};
    }
    return {};
}

} // namespace parley::consent
