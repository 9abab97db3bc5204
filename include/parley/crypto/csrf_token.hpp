// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Proof that a request comes from a page that could read an answer of ours: a token bound to a
/// cookie that pages cannot read (the signed double-submit pattern).

#include <parley/encoding.hpp>
#include <parley/random.hpp>

#include <cryptopp/hmac.h>
#include <cryptopp/misc.h>
#include <cryptopp/sha.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace parley {

/// Issues and checks tokens. The key is made anew with each object, so tokens do not outlive it.
/// Thread-safe; copies accept each other's tokens.
class csrf_tokens {
  public:
    csrf_tokens() { fill_random(key_); }

    /// A new value for the cookie: 43 base64url characters.
    static std::string new_cookie() {
        std::array<std::uint8_t, 32> bytes{};
        fill_random(bytes);
        return to_base64url(bytes);
    }

    /// Could `cookie` have come from `new_cookie`?
    static bool is_cookie(std::string_view cookie) {
        auto const bytes = from_base64url(cookie);
        return bytes && bytes->size() == 32;
    }

    /// The token that goes with a cookie: HMAC-SHA-256, in 43 base64url characters.
    [[nodiscard]] std::string token_for(std::string_view cookie) const {
        CryptoPP::HMAC<CryptoPP::SHA256> mac(key_.data(), key_.size());
        std::array<std::uint8_t, CryptoPP::SHA256::DIGESTSIZE> digest{};
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): Crypto++ takes bytes
        mac.CalculateDigest(digest.data(), reinterpret_cast<std::uint8_t const*>(cookie.data()),
                            cookie.size());
        return to_base64url(digest);
    }

    /// Does `token` go with `cookie`? Takes as long whatever the answer.
    [[nodiscard]] bool accepts(std::string_view cookie, std::string_view token) const {
        auto const right = token_for(cookie);
        if (!is_cookie(cookie) || token.size() != right.size()) return false;
        // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): Crypto++ takes bytes
        return CryptoPP::VerifyBufsEqual(reinterpret_cast<std::uint8_t const*>(token.data()),
                                         reinterpret_cast<std::uint8_t const*>(right.data()),
                                         right.size());
        // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    }

  private:
    std::array<std::uint8_t, 32> key_{};
};

} // namespace parley
