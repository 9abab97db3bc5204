// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Ed25519 signatures, verified strictly (RFC 8032; consent broker specification, §2), by Crypto++.

#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/verifier/signed_message.hpp>

#include <cryptopp/donna.h>
#include <cryptopp/integer.h>
#include <cryptopp/nbtheory.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <tuple>

namespace parley {

namespace detail {

// Numbers as Ed25519 writes them: 32 bytes, least significant first.
using ed25519_number = std::array<std::uint8_t, 32>;

/// 2^255 - 19, the order of the field.
inline constexpr ed25519_number ed25519_field_order{
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};

/// 2^252 + 27742317777372353535851937790883648493, the order of the group.
inline constexpr ed25519_number ed25519_group_order{
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10};

/// The canonical y of the eight points whose order divides 8: x and -x share one.
inline constexpr std::array<ed25519_number, 5> ed25519_small_order_ys{{
    {0x00}, // order 4
    {0x01}, // order 1
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, // order 2
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, // order 8
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}, // order 8
}};

/// Both are 32 bytes long.
inline bool is_below(std::span<std::uint8_t const> number, ed25519_number const& limit) {
    return std::lexicographical_compare(number.rbegin(), number.rend(), limit.rbegin(),
                                        limit.rend());
}

/// The y coordinate in a public key of 32 bytes, whose top bit is the sign of x.
inline ed25519_number ed25519_y(std::span<std::uint8_t const> public_key) {
    ed25519_number y{};
    std::copy_n(public_key.begin(), y.size(), y.begin());
    y.back() &= 0x7f;
    return y;
}

/// Is there a point with this y? The curve is -x² + y² = 1 + d·x²y² with d = -121665/121666, hence
/// x² = (y² - 1) / (d·y² + 1), which is a square exactly when the product below is one.
inline bool is_on_ed25519_curve(ed25519_number const& y) {
    using CryptoPP::Integer;
    Integer const p(ed25519_field_order.data(), ed25519_field_order.size(), Integer::UNSIGNED,
                    CryptoPP::LITTLE_ENDIAN_ORDER);
    Integer const v(y.data(), y.size(), Integer::UNSIGNED, CryptoPP::LITTLE_ENDIAN_ORDER);
    Integer const y2 = v * v % p;
    return CryptoPP::Jacobi((y2 - 1) * (Integer(121666) - y2 * 121665) * 121666 % p, p) != -1;
}

/// The checks of a public key that cost next to nothing: 32 bytes, y canonical, not of small order.
/// A sign bit on x = 0, the other way not to be canonical, is of small order too.
inline bool is_plausible_ed25519_key(std::span<std::uint8_t const> public_key) {
    if (public_key.size() != std::tuple_size_v<ed25519_public_key>) return false;
    auto const y = ed25519_y(public_key);
    return is_below(y, ed25519_field_order) &&
           std::ranges::find(ed25519_small_order_ys, y) == ed25519_small_order_ys.end();
}

} // namespace detail

/// True for 32 bytes that are the canonical encoding of a point on the curve and not of small
/// order.
inline bool is_acceptable_ed25519_key(std::span<std::uint8_t const> public_key) {
    return detail::is_plausible_ed25519_key(public_key) &&
           detail::is_on_ed25519_curve(detail::ed25519_y(public_key));
}

/// A verifier policy: pure Ed25519 (RFC 8032 §5.1.7, without the cofactor) with the checks that
/// make a signature and a key unique: S below the group order, R and the key canonical, the key not
/// of small order. Thread-safe; tens of microseconds; does no I/O.
struct ed25519_verifier {
    using policy_kind = policy_kinds::verifier;
    using credential = signed_message;
    using identity = ed25519_public_key; ///< whoever holds the private half of this key

    /// Errors: `signature_errc`. Whether a key is on the curve is part of verifying, so it is asked
    /// again only to tell the two refusals apart.
    [[nodiscard]] result<identity> verify(credential const& c) const {
        if (is_genuine(c)) {
            identity key{};
            std::ranges::copy(c.public_key, key.begin());
            return key;
        }
        return is_acceptable_ed25519_key(c.public_key) ? signature_errc::bad_signature
                                                       : signature_errc::unacceptable_key;
    }

  private:
    /// Crypto++ looks only at the top three bits of S and ignores whether y is canonical, so these
    /// are checked here. It compares R as bytes with what it computed, so R is canonical.
    static bool is_genuine(credential const& c) {
        return c.signature.size() == 64 && detail::is_plausible_ed25519_key(c.public_key) &&
               detail::is_below(c.signature.subspan(32), detail::ed25519_group_order) &&
               CryptoPP::Donna::ed25519_sign_open(c.message.data(), c.message.size(),
                                                  c.public_key.data(), c.signature.data()) == 0;
    }
};

} // namespace parley
