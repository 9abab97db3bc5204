// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// HMAC-SHA-256 (RFC 2104, by Crypto++). Pure.

#include <cryptopp/hmac.h>
#include <cryptopp/sha.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace parley {

using hmac_sha256_digest = std::array<std::uint8_t, CryptoPP::SHA256::DIGESTSIZE>;

/// The code of `message` under `key`, which may have any length; a good one has 32 random bytes.
inline hmac_sha256_digest hmac_sha256(std::string_view key, std::string_view message) {
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): Crypto++ takes bytes
    CryptoPP::HMAC<CryptoPP::SHA256> mac(reinterpret_cast<std::uint8_t const*>(key.data()),
                                         key.size());
    hmac_sha256_digest digest{};
    mac.CalculateDigest(digest.data(), reinterpret_cast<std::uint8_t const*>(message.data()),
                        message.size());
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    return digest;
}

} // namespace parley
