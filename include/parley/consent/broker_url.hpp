// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The address of a broker, as a patient's agent is given it: `ws://host:port/path` or `wss://…`;
/// and other addresses that agents are told. Pure.

#include <parley/error.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace parley::consent {

/// A broker's address in its parts.
struct broker_url {
    bool secure = false;    ///< `wss`: over TLS
    std::string host;       ///< a name or an IP address, without the brackets of an IPv6 address
    std::uint16_t port = 0; ///< 80 or 443 where the URL has none
    std::string path;       ///< with the query; `/ws/handshake` where the URL has none (§1)

    /// The value of the request's `Host`.
    [[nodiscard]] std::string authority() const {
        auto text = host.find(':') == std::string::npos ? host : "[" + host + "]";
        return port == (secure ? 443 : 80) ? text : text + ":" + std::to_string(port);
    }
};

namespace detail {

inline bool is_visible_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

inline bool is_host(std::string_view host, bool bracketed) {
    auto const is_allowed = [bracketed](char c) {
        bool const alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return alphanumeric || c == '.' || (bracketed ? c == ':' : c == '-' || c == '_');
    };
    return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, is_allowed);
}

/// 1 to 65535, or 0 for anything else.
inline std::uint16_t read_port(std::string_view digits) {
    std::uint16_t port = 0;
    auto const [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    return ec == std::errc() && end == digits.data() + digits.size() ? port : std::uint16_t{0};
}

} // namespace detail

/// Reads `ws://host[:port][/path]` or `wss://…`; nothing else is taken, neither a user's name nor a
/// fragment.
inline result<broker_url, problem> parse_broker_url(std::string_view text) {
    auto const wrong = [text](std::string expected, std::string_view found) {
        bool const shown = text.size() <= 200 && detail::is_visible_ascii(text);
        return problem{shown ? std::string(text) : "the URL", std::move(expected),
                       found.empty() ? "nothing" : "\"" + std::string(found) + "\""};
    };
    if (!detail::is_visible_ascii(text) || text.size() > 2048) {
        return problem{"the URL", "at most 2048 visible ASCII characters", "something else"};
    }
    broker_url url;
    if (text.starts_with("wss://")) {
        url.secure = true;
    } else if (!text.starts_with("ws://")) {
        return wrong("a URL that begins with ws:// or wss://", text.substr(0, text.find(':')));
    }
    auto const rest = text.substr(text.find("://") + 3);
    auto const path_at = std::min(rest.find_first_of("/?#"), rest.size());
    auto const authority = rest.substr(0, path_at);
    auto const path = rest.substr(path_at);

    bool const bracketed = authority.starts_with('[');
    auto const host_end = bracketed ? authority.find(']') : authority.find(':');
    auto const host = authority.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
    if (!detail::is_host(host, bracketed) || (bracketed && host_end == std::string_view::npos)) {
        return wrong("the name or address of a host", authority);
    }
    url.host = host;

    auto const after_host = host_end == std::string_view::npos
                                ? std::string_view()
                                : authority.substr(host_end + (bracketed ? 1 : 0));
    url.port = url.secure ? 443 : 80;
    if (!after_host.empty()) {
        url.port =
            after_host.front() == ':' ? detail::read_port(after_host.substr(1)) : std::uint16_t{0};
        if (url.port == 0) return wrong("a port from 1 to 65535", after_host);
    }

    if (path.find('#') != std::string_view::npos) {
        return wrong("no fragment", path.substr(path.find('#')));
    }
    url.path = path.empty() ? "/ws/handshake" : path;
    if (url.path.front() == '?') url.path.insert(0, "/");
    return url;
}

/// Is this an address that an agent can be told: `ws`, `wss`, `http` or `https`, with a host, and
/// otherwise as `parse_broker_url` wants it?
inline bool is_endpoint_url(std::string_view text) {
    for (std::string_view const scheme : {"ws://", "wss://", "http://", "https://"}) {
        if (!text.starts_with(scheme)) continue;
        auto const rest = text.substr(scheme.size());
        return parse_broker_url("ws://" + std::string(rest)).has_value();
    }
    return false;
}

/// Is it such an address, to which a path can be added?
inline bool is_endpoint_base(std::string_view text) {
    return is_endpoint_url(text) && text.find('?') == std::string_view::npos;
}

/// Is this what a request asks for, without its query? At most 2048 bytes.
inline bool is_request_path(std::string_view text) {
    return text.starts_with('/') && text.size() <= 2048 && detail::is_visible_ascii(text) &&
           text.find_first_of("?#") == std::string_view::npos;
}

} // namespace parley::consent
