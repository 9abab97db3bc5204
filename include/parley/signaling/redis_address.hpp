// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Where a Redis server is, as operators write it. Pure.

#include <parley/error.hpp>
#include <parley/http_fields.hpp>
#include <parley/secret.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace parley::signaling {

/// A Redis server, and the database there.
struct redis_address {
    std::string host = "127.0.0.1"; ///< a name or an IP address, without an IPv6 address's brackets
    std::uint16_t port = 6379;
    std::string path;     ///< of a unix socket; then `host` and `port` are not used
    std::string username; ///< empty: Redis's `default`
    secret password;      ///< empty: none is asked for
    unsigned database = 0;

    /// For logs: without the password.
    [[nodiscard]] std::string text() const {
        auto const where = !path.empty()                 ? path
                           : host.find(':') == host.npos ? host + ":" + std::to_string(port)
                                                         : "[" + host + "]:" + std::to_string(port);
        return where + ", database " + std::to_string(database);
    }
};

namespace detail {

/// A whole number up to `most`, in digits only.
inline std::optional<unsigned> read_number(std::string_view digits, unsigned most) {
    unsigned number = 0;
    auto const [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    bool const whole = ec == std::errc() && end == digits.data() + digits.size();
    return whole && number <= most ? std::optional(number) : std::nullopt;
}

/// `[user][:password]`, percent-encoded; false when that is malformed.
inline bool read_redis_user(std::string_view text, redis_address& into) {
    auto const colon = std::min(text.find(':'), text.size());
    auto user = percent_decoded(text.substr(0, colon));
    auto password = percent_decoded(colon < text.size() ? text.substr(colon + 1) : "");
    if (!user || !password || (!user->empty() && password->empty())) return false;
    into.username = std::move(*user);
    into.password = secret(*password);
    wipe(*password);
    return true;
}

/// `host[:port]`, with an IPv6 address in brackets; nothing stands for this machine.
inline bool read_redis_host(std::string_view text, redis_address& into) {
    bool const bracketed = text.starts_with('[');
    auto const end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
    if (end == text.npos) return false;
    auto const host = text.substr(bracketed ? 1 : 0, end - (bracketed ? 1 : 0));
    auto const rest = text.substr(end + (bracketed ? 1 : 0));
    bool const visible = std::ranges::all_of(host, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!visible || host.size() > 253 || (bracketed && host.empty())) return false;
    if (!host.empty()) into.host = host;
    if (rest.empty()) return true;
    auto const port = rest.starts_with(':') ? read_number(rest.substr(1), 65'535) : std::nullopt;
    into.port = static_cast<std::uint16_t>(port.value_or(0));
    return into.port != 0;
}

} // namespace detail

/// Reads `redis://[[user]:password@]host[:port][/database]` or
/// `unix://[[user]:password@]/path[?db=database]`. A problem does not repeat the URL, which may
/// have a password in it.
inline result<redis_address, problem> parse_redis_address(std::string_view url) {
    auto const wrong = [](std::string expected, std::string found) {
        return problem{"the Redis URL", std::move(expected), std::move(found)};
    };
    if (url.size() > 2048) return wrong("at most 2048 bytes", std::to_string(url.size()));
    bool const is_unix = url.starts_with("unix://");
    if (url.starts_with("rediss://"))
        return wrong("redis:// or unix://", "rediss://: TLS is not supported; use a tunnel");
    if (!is_unix && !url.starts_with("redis://"))
        return wrong("a URL that begins with redis:// or unix://", "another beginning");

    redis_address address;
    auto rest = url.substr(url.find("://") + 3);
    // In a path there may be an @; what is before the path may have none but the last.
    auto const authority = rest.substr(0, rest.find('/'));
    if (auto const at = authority.rfind('@'); at != authority.npos) {
        if (!detail::read_redis_user(authority.substr(0, at), address))
            return wrong("user:password or :password, percent-encoded, before the @",
                         "something else");
        rest.remove_prefix(at + 1);
    }
    auto const end = std::min(rest.find(is_unix ? "?db=" : "/"), rest.size());
    auto const place = rest.substr(0, end);
    auto database = rest.substr(std::min(end + (is_unix ? 4 : 1), rest.size()));
    if (is_unix) {
        auto const path = percent_decoded(place);
        if (!path || !path->starts_with('/') || path->size() > 107 ||
            path->find('\0') != path->npos || place.find('?') != place.npos)
            return wrong("the absolute path of a unix socket, of at most 107 bytes",
                         "something else");
        address.path = *path;
    } else if (!detail::read_redis_host(place, address)) {
        return wrong("host or host:port", "something else");
    }
    auto const number = database.empty() ? 0U : detail::read_number(database, 1'000'000);
    if (!number) return wrong("the number of a database at the end", "something else");
    address.database = *number;
    return address;
}

} // namespace parley::signaling
