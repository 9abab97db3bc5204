// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Bytes as text: base64url without padding (RFC 4648 §5) and lower-case hexadecimal. Decoding is
/// strict, so that one value has exactly one spelling. Pure functions.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace parley {

namespace detail {

inline constexpr std::string_view base64url_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
inline constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
inline constexpr std::string_view hex_digits = "0123456789abcdef";

inline constexpr std::uint8_t not_a_digit = 0xff;

/// The value of each character, or `not_a_digit`.
consteval std::array<std::uint8_t, 256> digit_values(std::string_view digits) {
    std::array<std::uint8_t, 256> values{};
    values.fill(not_a_digit);
    for (std::size_t i = 0; i < digits.size(); ++i) {
        values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}

inline constexpr auto base64url_values = digit_values(base64url_digits);
inline constexpr auto base64_values = digit_values(base64_digits);
inline constexpr auto hex_values = digit_values(hex_digits);

/// Regroups bits, most significant first, from items of `From` bits to items of `To` bits, which it
/// hands to `emit`. Returns what is left over: fewer than `To` bits, in the low `count` bits.
struct leftover {
    unsigned bits;
    unsigned count;
};

template <unsigned From, unsigned To, class Emit>
leftover regroup(std::span<std::uint8_t const> items, Emit emit) {
    leftover rest{0, 0};
    for (std::uint8_t item : items) {
        rest.bits = (rest.bits << From) | item;
        rest.count += From;
        while (rest.count >= To) {
            rest.count -= To;
            emit(static_cast<std::uint8_t>(rest.bits >> rest.count));
            rest.bits &= (1U << rest.count) - 1U;
        }
    }
    return rest;
}

/// The text's digits as values, or nothing when a character is no digit.
inline std::optional<std::vector<std::uint8_t>>
read_digits(std::string_view text, std::array<std::uint8_t, 256> const& values) {
    std::vector<std::uint8_t> digits;
    digits.reserve(text.size());
    for (char c : text) {
        auto value = values[static_cast<unsigned char>(c)];
        if (value == not_a_digit) return std::nullopt;
        digits.push_back(value);
    }
    return digits;
}

} // namespace detail

/// Base64url without padding.
inline std::string to_base64url(std::span<std::uint8_t const> bytes) {
    std::string text;
    text.reserve((bytes.size() * 4 + 2) / 3);
    auto rest = detail::regroup<8, 6>(
        bytes, [&](std::uint8_t digit) { text += detail::base64url_digits[digit]; });
    if (rest.count > 0) text += detail::base64url_digits[rest.bits << (6 - rest.count)];
    return text;
}

/// The bytes that `to_base64url` would write as `text`; nothing when there are none: a character
/// outside the alphabet (padding and white space included), an impossible length, or unused bits
/// that are not zero.
inline std::optional<std::vector<std::uint8_t>> from_base64url(std::string_view text) {
    auto digits = detail::read_digits(text, detail::base64url_values);
    if (!digits) return std::nullopt;
    std::vector<std::uint8_t> bytes;
    bytes.reserve(text.size() * 3 / 4);
    auto rest = detail::regroup<6, 8>(*digits, [&](std::uint8_t byte) { bytes.push_back(byte); });
    if (rest.count >= 6 || rest.bits != 0) return std::nullopt;
    return bytes;
}

/// Appends `bytes` to `out` as base64 with padding (RFC 4648 §4).
inline void append_base64(std::string& out, std::span<std::uint8_t const> bytes) {
    out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
    auto rest = detail::regroup<8, 6>(
        bytes, [&](std::uint8_t digit) { out += detail::base64_digits[digit]; });
    if (rest.count == 0) return;
    out += detail::base64_digits[rest.bits << (6 - rest.count)];
    out.append(rest.count == 4 ? 1 : 2, '=');
}

/// The bytes that `append_base64` would write as `text`; nothing when there are none: a character
/// outside the alphabet, padding that is missing or too much, or unused bits that are not zero.
inline std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && text.ends_with('=')) {
        text.remove_suffix(1);
        ++padding;
    }
    auto digits = detail::read_digits(text, detail::base64_values);
    if (!digits) return std::nullopt;
    std::vector<std::uint8_t> bytes;
    bytes.reserve(text.size() * 3 / 4);
    auto rest = detail::regroup<6, 8>(*digits, [&](std::uint8_t byte) { bytes.push_back(byte); });
    if (rest.count >= 6 || rest.bits != 0) return std::nullopt;
    return bytes;
}

/// Two lower-case hexadecimal digits per byte.
inline std::string to_hex(std::span<std::uint8_t const> bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (std::uint8_t byte : bytes) {
        text += detail::hex_digits[byte >> 4];
        text += detail::hex_digits[byte & 0x0f];
    }
    return text;
}

/// The bytes that `to_hex` would write as `text`; nothing when there are none: an odd length, or a
/// character that is no lower-case hexadecimal digit.
inline std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
    auto digits = detail::read_digits(text, detail::hex_values);
    if (!digits || digits->size() % 2 != 0) return std::nullopt;
    std::vector<std::uint8_t> bytes;
    bytes.reserve(text.size() / 2);
    detail::regroup<4, 8>(*digits, [&](std::uint8_t byte) { bytes.push_back(byte); });
    return bytes;
}

} // namespace parley
