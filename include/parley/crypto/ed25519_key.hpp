// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An Ed25519 key pair (RFC 8032, by Crypto++), for those who sign: a patient's agent.

#include <parley/random.hpp>
#include <parley/verifier/signed_message.hpp>

#include <cryptopp/donna.h>
#include <cryptopp/secblock.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace parley {

using ed25519_signature = std::array<std::uint8_t, 64>;

/// A key pair. The secret is wiped from memory when the object is destroyed. Const members may be
/// called from any thread.
class ed25519_key {
  public:
    static constexpr std::size_t seed_size = 32; ///< bytes
    using seed_view = std::span<std::uint8_t const, seed_size>;

    /// A new pair, from the kernel's randomness.
    static ed25519_key generate() {
        CryptoPP::SecByteBlock seed(seed_size);
        fill_random({seed.data(), seed.size()});
        return ed25519_key(seed_view(seed.data(), seed.size()));
    }

    /// The pair that RFC 8032 §5.1.5 derives from a secret seed, which is copied.
    explicit ed25519_key(seed_view seed) : seed_(seed.data(), seed.size()) {
        CryptoPP::Donna::ed25519_publickey(public_key_.data(), seed_.data());
    }

    [[nodiscard]] ed25519_public_key const& public_key() const noexcept { return public_key_; }

    /// The secret, to be stored by its owner; valid as long as this object.
    [[nodiscard]] seed_view seed() const { return seed_view(seed_.data(), seed_.size()); }

    /// Pure Ed25519: one message has one signature.
    [[nodiscard]] ed25519_signature sign(std::span<std::uint8_t const> message) const {
        ed25519_signature signature{};
        CryptoPP::Donna::ed25519_sign(message.data(), message.size(), seed_.data(),
                                      public_key_.data(), signature.data());
        return signature;
    }

  private:
    CryptoPP::SecByteBlock seed_;
    ed25519_public_key public_key_{};
};

} // namespace parley
