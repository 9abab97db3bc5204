// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Which servers clients may have this one connect to. Pure functions.

#include <parley/detail/ascii.hpp>
#include <parley/detail/http_request_text.hpp>
#include <parley/tables/failure.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace parley::tables {

/// Whether `host:port` is among the servers that the operator allows: each is `host:port`, with an
/// IPv6 address in brackets, or `*` for every server that this machine reaches, its own network
/// included; none at all allow none. Names and addresses are compared as they are spelt, case
/// aside. \param host is a name or an address without brackets; what is neither is never allowed.
inline bool is_allowed_server(std::span<std::string const> allowed, std::string_view host,
                              std::uint16_t port) {
    if (!parley::detail::is_host(host) || port == 0) return false;
    auto const asked = parley::detail::to_lower(parley::detail::host_and_port(host, port));
    return std::ranges::any_of(allowed, [&](std::string const& one) {
        return one == "*" || parley::detail::to_lower(one) == asked;
    });
}

/// Whether this is spelt as `is_allowed_server` compares it: what is not allows nobody anything.
inline bool names_allowed_server(std::string_view text) {
    if (text == "*") return true;
    auto const colon = std::min(text.rfind(':'), text.size());
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    std::uint16_t port = 0;
    auto const* const end = text.data() + text.size();
    std::from_chars(text.data() + std::min(colon + 1, text.size()), end, port);
    std::string const same[] = {std::string(text)};
    return is_allowed_server(same, host, port);
}

inline failure server_not_allowed() {
    return {failure_code::invalid_input,
            "The host and port are not those of a server that may be connected to"};
}

} // namespace parley::tables
