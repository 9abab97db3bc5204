// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// WebSocket frames by hand, as they are on the wire.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parley::test {

/// A client's frame; the mask is all zeros, which is as good as any other.
inline std::string client_frame(std::uint8_t first_byte, std::string_view payload) {
    std::string frame(1, static_cast<char>(first_byte));
    if (payload.size() < 126) {
        frame += static_cast<char>(0x80U | payload.size());
    } else {
        frame += static_cast<char>(0x80U | 126U);
        frame += static_cast<char>(payload.size() >> 8U);
        frame += static_cast<char>(payload.size() & 0xFFU);
    }
    return frame.append(4, '\0').append(payload);
}

inline std::string text_frame(std::string_view payload) {
    return client_frame(0x81, payload);
}
inline std::string pong_frame() {
    return client_frame(0x8A, "");
}
inline std::string close_frame(std::uint16_t code) {
    return client_frame(0x88, std::string{static_cast<char>(code >> 8U), static_cast<char>(code)});
}

/// A frame from the server, as it was on the wire.
struct server_frame {
    std::uint8_t opcode;
    std::string payload;

    bool operator==(server_frame const&) const = default;
    /// The code of a close frame.
    [[nodiscard]] unsigned code() const {
        if (opcode != 8 || payload.size() < 2) return 0;
        return static_cast<unsigned char>(payload[0]) * 256U +
               static_cast<unsigned char>(payload[1]);
    }
};

/// The whole frames that follow the answer to an upgrade.
inline std::vector<server_frame> frames_in(std::string_view raw) {
    std::vector<server_frame> frames;
    auto const head = raw.find("\r\n\r\n");
    if (head == raw.npos) return frames;
    raw.remove_prefix(head + 4);
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(raw[i]); };
    while (raw.size() >= 2) {
        std::size_t const extra = byte(1) == 126 ? 2 : byte(1) == 127 ? 8 : 0;
        if (raw.size() < 2 + extra) break;
        std::size_t length = extra == 0 ? byte(1) : 0;
        for (std::size_t i = 0; i < extra; ++i)
            length = length * 256 + byte(2 + i);
        if (raw.size() < 2 + extra + length) break;
        frames.push_back({static_cast<std::uint8_t>(byte(0) & 0x0FU),
                          std::string(raw.substr(2 + extra, length))});
        raw.remove_prefix(2 + extra + length);
    }
    return frames;
}

} // namespace parley::test
