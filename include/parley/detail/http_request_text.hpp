// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The head of an HTTP/1.1 request as text (RFC 9112), from parts that may come from strangers.
/// Pure functions.

#include <boost/asio/ip/address_v6.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace parley::detail {

inline bool is_visible_ascii(char c) {
    return c > 0x20 && c < 0x7f;
}

inline bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// A name or an address, as it stands in a `Host` header, but without brackets.
inline bool is_host(std::string_view text) {
    constexpr std::size_t longest_name = 253; // RFC 1035 §2.3.4
    if (text.empty() || text.size() > longest_name) return false;
    if (text.find(':') != std::string_view::npos) {
        auto const fits = [](char c) { return is_alphanumeric(c) || c == ':' || c == '.'; };
        boost::system::error_code not_ipv6;
        static_cast<void>(boost::asio::ip::make_address_v6(std::string(text), not_ipv6));
        return !not_ipv6 && std::ranges::all_of(text, fits);
    }
    auto const fits = [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; };
    // After a dot, certificates are matched for whatever is under it.
    return text.front() != '.' && std::ranges::all_of(text, fits);
}

/// An absolute path, and perhaps a query, in which all else is percent-encoded.
inline bool is_request_target(std::string_view text) {
    constexpr std::size_t longest = 8000; // RFC 9112 §3
    auto const fits = [](char c) { return is_visible_ascii(c) && c != '#'; };
    return text.starts_with('/') && text.size() <= longest && std::ranges::all_of(text, fits);
}

/// A token (RFC 9110 §5.6.2).
inline bool is_header_name(std::string_view text) {
    auto const fits = [](char c) {
        return is_alphanumeric(c) ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    };
    return !text.empty() && std::ranges::all_of(text, fits);
}

/// A value that neither ends its line nor hides in it (RFC 9110 §5.5).
inline bool is_header_value(std::string_view text) {
    auto const fits = [](char c) { return is_visible_ascii(c) || c == ' ' || c == '\t'; };
    return std::ranges::all_of(text, fits);
}

/// `name:port`, or `[address]:port` for IPv6.
inline std::string host_and_port(std::string_view host, std::uint16_t port) {
    bool const ipv6 = host.find(':') != std::string_view::npos;
    std::string out(ipv6 ? "[" : "");
    return out.append(host).append(ipv6 ? "]:" : ":").append(std::to_string(port));
}

} // namespace parley::detail
