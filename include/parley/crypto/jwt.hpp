// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Makes JSON Web Tokens (RFC 7519, compact serialisation) for those who may sign them.

#include <parley/crypto/ed25519_key.hpp>
#include <parley/crypto/hmac_sha256.hpp>
#include <parley/encoding.hpp>
#include <parley/secret.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace parley {

/// What the secret of HS256 must have, in bytes (RFC 7518 §3.2).
inline constexpr std::size_t min_hs256_secret = 32;

namespace detail {

inline std::span<std::uint8_t const> bytes_of(std::string_view text) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the encoders take bytes
    return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

/// Throws std::invalid_argument for a secret that could be guessed.
inline void require_hs256_secret(std::string_view key) {
    if (key.size() >= min_hs256_secret) return;
    throw std::invalid_argument("the JWT secret has " + std::to_string(key.size()) +
                                " bytes; HS256 needs at least " + std::to_string(min_hs256_secret));
}

/// What is signed, for a header as it stands.
inline std::string jwt_signing_input(std::string_view header, boost::json::object const& claims) {
    return to_base64url(bytes_of(header)) + '.' +
           to_base64url(bytes_of(boost::json::serialize(claims)));
}

} // namespace detail

/// A token with these claims, signed by HS256. Throws std::invalid_argument when the secret has
/// fewer than `min_hs256_secret` bytes.
inline std::string make_jwt(boost::json::object const& claims, secret const& key) {
    detail::require_hs256_secret(key.view());
    auto const input = detail::jwt_signing_input(R"({"alg":"HS256","typ":"JWT"})", claims);
    return input + '.' + to_base64url(hmac_sha256(key.view(), input));
}

/// A token with these claims, signed by EdDSA (RFC 8037) with Ed25519.
inline std::string make_jwt(boost::json::object const& claims, ed25519_key const& key) {
    auto const input = detail::jwt_signing_input(R"({"alg":"EdDSA","typ":"JWT"})", claims);
    return input + '.' + to_base64url(key.sign(detail::bytes_of(input)));
}

} // namespace parley
