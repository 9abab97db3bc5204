// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What requests say outside their bodies: the query, cookies, and the page that they come from.
/// Pure functions; every byte may be hostile.

#include <parley/detail/ascii.hpp>
#include <parley/encoding.hpp>
#include <parley/http.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace parley {

namespace detail {

inline std::string_view field_text(http_request const& request, http::field name) {
    auto const text = request[name];
    return {text.data(), text.size()};
}

inline std::string_view trimmed(std::string_view text) {
    auto const first = text.find_first_not_of(" \t");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes what is before the next `separator` off the front of `text`.
inline std::string_view take_until(std::string_view& text, char separator) {
    auto const end = std::min(text.find(separator), text.size());
    auto const part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

} // namespace detail

/// `text` without its percent-encoding (RFC 3986 §2.1); nothing when that is malformed. A `+` is a
/// plus.
inline std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        auto const value = [&](std::size_t at) -> unsigned {
            if (at >= text.size()) return detail::not_a_digit;
            return detail::hex_values[static_cast<unsigned char>(detail::to_lower(text[at]))];
        };
        auto const high = value(i + 1), low = value(i + 2);
        if (high == detail::not_a_digit || low == detail::not_a_digit) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

/// The first parameter `name` of the request's query, decoded; nothing when there is none, or when
/// it is malformed.
inline std::optional<std::string> query_parameter(http_request const& request,
                                                  std::string_view name) {
    std::string_view query(request.target().data(), request.target().size());
    query = query.substr(0, query.find('#'));
    auto const mark = query.find('?');
    if (mark == query.npos) return std::nullopt;
    query.remove_prefix(mark + 1);
    while (!query.empty()) {
        auto value = detail::take_until(query, '&');
        if (detail::take_until(value, '=') == name) return percent_decoded(value);
    }
    return std::nullopt;
}

/// The first cookie `name` of the request (RFC 6265 §5.4), as it was sent; valid as long as the
/// request.
inline std::optional<std::string_view> cookie(http_request const& request, std::string_view name) {
    auto const range = request.equal_range(http::field::cookie);
    for (auto field = range.first; field != range.second; ++field) {
        std::string_view cookies(field->value().data(), field->value().size());
        while (!cookies.empty()) {
            auto value = detail::take_until(cookies, ';');
            if (detail::trimmed(detail::take_until(value, '=')) == name) {
                return detail::trimmed(value);
            }
        }
    }
    return std::nullopt;
}

/// May a page of the request's `Origin` talk to this server? Without an `Origin` the request comes
/// from no browser, and may. Otherwise it must be one of `allowed` (as `https://app.example:8443`),
/// or, when there are none, be the server itself: the `Host` that was asked for, by http or https,
/// since a proxy may have ended the TLS.
inline bool is_allowed_origin(http_request const& request, std::span<std::string const> allowed) {
    if (request.count(http::field::origin) == 0) return true;
    if (request.count(http::field::origin) > 1 || request.count(http::field::host) != 1) {
        return false;
    }
    auto const origin = detail::field_text(request, http::field::origin);
    auto const same = [origin](std::string_view one) {
        return detail::equal_ignoring_case(origin, one);
    };
    if (!allowed.empty()) return std::ranges::any_of(allowed, same);
    std::string const host(detail::field_text(request, http::field::host));
    return same("http://" + host) || same("https://" + host);
}

} // namespace parley
