// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// HTTP beside the WebSocket: routes, responses, and what makes an upgrade request a valid one.

#include <parley/task.hpp>

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include <concepts>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley {

namespace http = boost::beast::http;

using http_request = http::request<http::string_body>;
using http_response = http::response<http::string_body>;

/// A response with a body; length and connection fields are set when it is sent.
inline http_response make_response(http::status status, std::string_view content_type,
                                   std::string body) {
    http_response response(status, 11);
    response.set(http::field::content_type, {content_type.data(), content_type.size()});
    response.body() = std::move(body);
    return response;
}

/// `{"error":"…"}`. \param text has no characters that JSON would need escaped.
inline http_response make_error_response(http::status status, std::string_view text) {
    return make_response(status, "application/json",
                         std::string("{\"error\":\"").append(text).append("\"}\n"));
}

/// The path of a request target, without its query.
inline std::string_view path_of(http_request const& request) {
    std::string_view const target(request.target().data(), request.target().size());
    return target.substr(0, target.find('?'));
}

namespace detail {

inline bool is_base64_of_16_bytes(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return text.size() == 24 && text.ends_with("==") &&
           text.find_first_not_of(alphabet) == text.size() - 2;
}

} // namespace detail

/// What is wrong with an upgrade request (RFC 6455 §4.2.1), or nothing.
inline std::string_view upgrade_fault(http_request const& request) {
    if (request[http::field::sec_websocket_version] != "13") {
        return "Sec-WebSocket-Version must be 13";
    }
    auto const key = request[http::field::sec_websocket_key];
    if (!detail::is_base64_of_16_bytes({key.data(), key.size()})) {
        return "Sec-WebSocket-Key must be 16 bytes in base64";
    }
    if (request[http::field::host].empty()) return "Host is missing";
    return {};
}

/// What a route handler may know besides the request.
struct route_context {
    std::string const& peer_address;
};

using route_handler = std::function<task<http_response>(http_request const&, route_context)>;

/// Method and path → handler. Filled before the server starts, read by every I/O thread after.
class route_table {
  public:
    /// \param path is matched exactly, or, where it ends in `/*`, as a prefix.
    void add(http::verb method, std::string path, route_handler handler) {
        routes_.push_back({method, std::move(path), std::move(handler)});
    }

    struct match {
        route_handler const* handler = nullptr;
        bool path_known = false; ///< some method is served at this path
    };

    /// The first route added for the most specific of the paths that fit: an exact one before any
    /// prefix, a longer prefix before a shorter one. HEAD is served by a GET route.
    [[nodiscard]] match find(http::verb method, std::string_view path) const {
        match found;
        if (method == http::verb::head) method = http::verb::get;
        auto const* pattern = most_specific(path);
        for (auto const& r : routes_) {
            if (pattern == nullptr || r.path != *pattern) continue;
            found.path_known = true;
            if (r.method == method) {
                found.handler = &r.handler;
                break;
            }
        }
        return found;
    }

    /// The methods served at `path`, as an `Allow` header lists them.
    [[nodiscard]] std::string allowed(std::string_view path) const {
        std::string list;
        auto const* pattern = most_specific(path);
        for (auto const& r : routes_) {
            if (pattern == nullptr || r.path != *pattern) continue;
            auto const name = http::to_string(r.method);
            list.append(list.empty() ? "" : ", ").append(name.data(), name.size());
            if (r.method == http::verb::get) list.append(", HEAD");
        }
        return list;
    }

  private:
    struct route {
        http::verb method;
        std::string path;
        route_handler handler;
    };

    static bool fits(std::string_view pattern, std::string_view path) {
        if (pattern.ends_with("/*")) return path.starts_with(pattern.substr(0, pattern.size() - 1));
        return pattern == path;
    }

    /// Null where nothing is served.
    [[nodiscard]] std::string const* most_specific(std::string_view path) const {
        std::string const* best = nullptr;
        for (auto const& r : routes_) {
            if (!fits(r.path, path)) continue;
            if (!r.path.ends_with("/*")) return &r.path;
            if (best == nullptr || r.path.size() > best->size()) best = &r.path;
        }
        return best;
    }

    std::vector<route> routes_;
};

} // namespace parley
