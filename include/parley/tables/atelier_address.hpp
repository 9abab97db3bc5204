// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Where the Atelier API of an InterSystems IRIS server is, from what clients say (table editor
/// specification, §3). A client names a server, and this server connects to it: so only servers
/// that the operator allows are ever asked (`allowed_servers.hpp`), and nothing that a client sends
/// gets into a request but what is spelt as it should be. Pure functions.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/http_request_text.hpp>
#include <parley/detail/nearest_name.hpp>
#include <parley/encoding.hpp>
#include <parley/secret.hpp>
#include <parley/tables/credentials.hpp>
#include <parley/tables/failure.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parley::tables {

namespace detail {

inline constexpr std::size_t max_path_prefix = 256;
inline constexpr std::size_t max_namespace = 255;

/// Segments of letters, digits and `-._~`, none of them `.` or `..`, each after one slash.
inline bool is_path_prefix(std::string_view path) {
    auto const fits = [](char c) {
        return parley::detail::is_alphanumeric(c) ||
               std::string_view("-._~/").find(c) != std::string_view::npos;
    };
    if (!path.starts_with('/') || path.size() > max_path_prefix || !std::ranges::all_of(path, fits))
        return false;
    auto const with_end = std::string(path) + (path.ends_with('/') ? "" : "/");
    return with_end.find("//") == std::string::npos && with_end.find("/./") == std::string::npos &&
           with_end.find("/../") == std::string::npos;
}

} // namespace detail

/// Where the API is on its server, with a slash at the end: `given`, or `usual` when that is empty.
inline outcome<std::string> atelier_base(std::string_view given, std::string_view usual) {
    auto const path = given.empty() ? usual : given;
    if (!detail::is_path_prefix(path))
        return failure{failure_code::invalid_input,
                       "pathPrefix: expected a path such as /api/atelier/ of letters, digits and "
                       "-._~ without .. in it, found " +
                           parley::detail::quote_for_report(path)};
    return std::string(path) + (path.ends_with('/') ? "" : "/");
}

/// Whether it can be the name of a namespace at all: a letter or `%`, then letters, digits, `-`
/// and `_`.
inline bool is_namespace(std::string_view ns) {
    auto const fits = [](char c) {
        return parley::detail::is_alphanumeric(c) || c == '-' || c == '_';
    };
    if (ns.empty() || ns.size() > detail::max_namespace) return false;
    bool const starts = ns.front() == '%' ? ns.size() > 1 : fits(ns.front()) && ns.front() > '9';
    return starts && std::ranges::all_of(ns.substr(1), fits);
}

/// Where queries of a namespace go. \pre `is_namespace(ns)`: of what it may hold, only `%` has a
/// meaning in a path.
inline std::string atelier_query_target(std::string_view base, std::string_view ns) {
    std::string target(base);
    target += "v1/";
    if (ns.starts_with('%')) {
        target += "%25";
        ns.remove_prefix(1);
    }
    return target.append(ns).append("/action/query");
}

/// The value of an `Authorization` header (RFC 7617), with the text in UTF-8.
inline outcome<secret> basic_authorization(std::string_view username, secret const& password) {
    constexpr std::size_t longest = 1000;
    auto const is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    if (username.empty() || username.size() > longest || username.find(':') != username.npos ||
        std::ranges::any_of(username, is_control))
        return failure{failure_code::invalid_input,
                       "username: expected 1 to " + std::to_string(longest) +
                           " bytes without a colon or control characters"};
    if (password.view().size() > longest || std::ranges::any_of(password.view(), is_control))
        return failure{failure_code::invalid_input, "password: expected at most " +
                                                        std::to_string(longest) +
                                                        " bytes without control characters"};
    std::vector<std::uint8_t> pair;
    pair.reserve(2 * longest + 1); // so that nothing is left behind as it grows
    pair.insert(pair.end(), username.begin(), username.end());
    pair.push_back(':');
    pair.insert(pair.end(), password.view().begin(), password.view().end());
    std::string text;
    text.reserve(3 * longest);
    text += "Basic ";
    append_base64(text, pair);
    secret value(text);
    wipe(text);
    for (std::uint8_t volatile& byte : pair)
        byte = 0;
    return value;
}

} // namespace parley::tables
