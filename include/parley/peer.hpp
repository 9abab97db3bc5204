// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Small values that several policies speak in: deadlines, and how a connection is closed.

#include <chrono>
#include <cstdint>
#include <string>

namespace parley {

/// Deadlines are points on the transport's monotonic clock (`transport.now()`), which a test may
/// move by hand. `no_deadline` never comes.
using time_point = std::chrono::steady_clock::time_point;
inline constexpr time_point no_deadline = time_point::max();

/// The WebSocket close status codes that the library itself uses (RFC 6455 §7.4.1).
namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
inline constexpr std::uint16_t try_again_later = 1013;
} // namespace close_code

/// How a conversation ends: the code and the text (at most 123 bytes) of the close frame.
struct close_reason {
    std::uint16_t code = close_code::normal;
    std::string text;

    close_reason() = default;
    close_reason(std::uint16_t status, std::string why = {}) : code(status), text(std::move(why)) {}
};

} // namespace parley
