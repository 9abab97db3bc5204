// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Passwords at rest: scrypt (RFC 7914) by Crypto++, as `scrypt$16384$8$1$salt$hash` with the last
/// two in base64url.

#include <parley/encoding.hpp>
#include <parley/random.hpp>

#include <cryptopp/misc.h>
#include <cryptopp/scrypt.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace parley {

namespace detail {

struct scrypt_cost {
    std::uint64_t n = 16'384; ///< a power of two
    std::uint64_t r = 8;
    std::uint64_t p = 1;

    /// Within what a server can bear: at most some 256 MiB, and not for ever.
    [[nodiscard]] constexpr bool is_bearable() const {
        return n >= 2 && n <= (1U << 20U) && (n & (n - 1)) == 0 && r >= 1 && r <= 32 && p >= 1 &&
               p <= 16 && n * r <= (1U << 21U);
    }
};

inline std::array<std::uint8_t, 32> scrypt(std::string_view password,
                                           std::span<std::uint8_t const> salt, scrypt_cost cost) {
    std::array<std::uint8_t, 32> key{};
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): Crypto++ takes bytes
    auto const* bytes = reinterpret_cast<std::uint8_t const*>(password.data());
    CryptoPP::Scrypt().DeriveKey(key.data(), key.size(), bytes, password.size(), salt.data(),
                                 salt.size(), cost.n, cost.r, cost.p);
    return key;
}

struct parsed_hash {
    scrypt_cost cost;
    std::vector<std::uint8_t> salt;
    std::vector<std::uint8_t> key;
};

inline std::optional<parsed_hash> parse_password_hash(std::string_view text) {
    std::array<std::string_view, 6> parts{};
    for (auto& part : parts) {
        auto const end = text.find('$');
        part = text.substr(0, end);
        text = end == text.npos ? std::string_view("$") : text.substr(end + 1);
    }
    if (text != "$" || parts[0] != "scrypt") return std::nullopt;
    parsed_hash out;
    std::uint64_t* const numbers[] = {&out.cost.n, &out.cost.r, &out.cost.p};
    for (std::size_t i = 0; i < 3; ++i) {
        auto const part = parts.at(i + 1);
        auto const [end, ec] = std::from_chars(part.data(), part.data() + part.size(), *numbers[i]);
        if (ec != std::errc() || end != part.data() + part.size()) return std::nullopt;
    }
    auto salt = from_base64url(parts[4]);
    auto key = from_base64url(parts[5]);
    if (!out.cost.is_bearable() || !salt || salt->empty() || !key || key->size() != 32) {
        return std::nullopt;
    }
    out.salt = std::move(*salt);
    out.key = std::move(*key);
    return out;
}

} // namespace detail

/// The hash of a password, with a new salt. Takes some 50 ms and 16 MiB, on purpose.
inline std::string hash_password(std::string_view password) {
    std::array<std::uint8_t, 16> salt{};
    fill_random(salt);
    detail::scrypt_cost const cost;
    return "scrypt$" + std::to_string(cost.n) + "$" + std::to_string(cost.r) + "$" +
           std::to_string(cost.p) + "$" + to_base64url(salt) + "$" +
           to_base64url(detail::scrypt(password, salt, cost));
}

/// Could `text` have come from `hash_password`, perhaps with another cost?
inline bool is_password_hash(std::string_view text) {
    return detail::parse_password_hash(text).has_value();
}

/// Is this the password? False for what is no hash. As slow as `hash_password`; not for I/O
/// threads.
inline bool matches_password(std::string_view password, std::string_view hash) {
    auto const parsed = detail::parse_password_hash(hash);
    if (!parsed) return false;
    auto const key = detail::scrypt(password, parsed->salt, parsed->cost);
    return CryptoPP::VerifyBufsEqual(key.data(), parsed->key.data(), key.size());
}

} // namespace parley
