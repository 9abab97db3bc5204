// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a verifier of signatures is given, and how it says no. Needs no cryptographic library.

#include <parley/error.hpp>

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace parley {

/// The raw 32 bytes of an Ed25519 public key (RFC 8032 §5.1.5).
using ed25519_public_key = std::array<std::uint8_t, 32>;

/// A claim, not yet checked, that the holder of `public_key` signed `message`. Any lengths; the
/// bytes belong to the caller.
struct signed_message {
    std::span<std::uint8_t const> public_key;
    std::span<std::uint8_t const> message;
    std::span<std::uint8_t const> signature;
};

/// Why a verifier of signatures refuses. A peer that presents an unacceptable key speaks no proper
/// protocol; one whose signature does not verify is not who it says.
enum class signature_errc {
    unacceptable_key =
        1,         ///< the key has the wrong length, is no canonical point, or of small order
    bad_signature, ///< the key is good, the signature is not its holder's
};

namespace detail {

class signature_errc_category final : public boost::system::error_category {
  public:
    [[nodiscard]] char const* name() const noexcept override { return "parley.signature"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<signature_errc>(value)) {
        case signature_errc::unacceptable_key:
            return "unacceptable public key";
        case signature_errc::bad_signature:
            return "bad signature";
        }
        return "unknown error";
    }
};

inline constexpr signature_errc_category signature_errc_category_instance{};

} // namespace detail

inline error_code make_error_code(signature_errc e) {
    return {static_cast<int>(e), detail::signature_errc_category_instance};
}

/// A verifier policy that the consent checks can use: `ed25519_verifier`, or a test's stand-in.
template <class V>
concept signature_verifier = std::same_as<typename V::credential, signed_message> &&
    requires(V const& verifier, signed_message const& m) {
    { verifier.verify(m) } -> std::same_as<result<typename V::identity>>;
};

} // namespace parley

template <>
struct boost::system::is_error_code_enum<parley::signature_errc> : std::true_type {};
