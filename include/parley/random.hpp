// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Randomness from the kernel, fit for nonces, keys and identifiers. Thread-safe.

#include <parley/encoding.hpp>

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace parley {

/// Fills `bytes` from getrandom(2), which may block once, soon after the machine's start.
/// Throws `std::system_error` where the kernel has no getrandom(2): nothing can go on without it.
inline void fill_random(std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
        auto got = ::getrandom(bytes.data(), bytes.size(), 0);
        if (got >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(got));
        } else if (errno != EINTR) {
            throw std::system_error(errno, std::system_category(), "getrandom");
        }
    }
}

/// A random (version 4) UUID in its usual lower-case form (RFC 9562 §5.4).
inline std::string random_uuid() {
    std::array<std::uint8_t, 16> bytes{};
    fill_random(bytes);
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40); // version 4
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80); // the RFC's variant
    auto text = to_hex(bytes);
    for (std::size_t position : {8U, 13U, 18U, 23U})
        text.insert(position, 1, '-');
    return text;
}

} // namespace parley
