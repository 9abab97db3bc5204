// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Logging in and out over HTTP (table editor specification, §1).

#include <parley/attempt_limiter.hpp>
#include <parley/crypto/csrf_token.hpp>
#include <parley/detail/http_request_text.hpp>
#include <parley/http_fields.hpp>
#include <parley/json.hpp>
#include <parley/tables/conversation.hpp>
#include <parley/tables/login.hpp>
#include <parley/timestamp.hpp>
#include <parley/trusted_proxies.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// Read like a string, but never shown in a problem, whatever it is; and not written.
template <>
struct parley::json::codec<parley::tables::secret> {
    static result<tables::secret, problem> decode(boost::json::value const& v) {
        auto const* text = v.if_string();
        if (!text) return problem{{}, "a string", "something else"};
        return tables::secret(std::string_view(text->data(), text->size()));
    }
};

namespace parley::tables {

/// The body of `POST /api/connect` and `POST /api/test-connection`.
struct connect_request {
    std::string host;
    std::uint16_t port = 0;
    std::string namespace_;
    std::string username;
    secret password;
    std::optional<std::string> pathPrefix;
    std::optional<bool> useHTTPS;
};

} // namespace parley::tables

BOOST_HANA_ADAPT_STRUCT(parley::tables::connect_request, host, port, namespace_, username, password,
                        pathPrefix, useHTTPS);

namespace parley::tables {

/// The routes under `/api/`, and `/health`, of a table editor's server.
template <backend Backend>
class http_api {
  public:
    struct options {
        bool secure_cookies = false; ///< only over TLS: where the server, or a proxy, offers it
        bool csrf = true;            ///< POSTs carry the token of `/api/csrf-token`
        std::chrono::milliseconds connect_timeout{10'000}; ///< for the database to let somebody in
        attempt_limiter::options attempts = {};            ///< to connect, by address
        trusted_proxies proxies = {};                      ///< who may say what that address is
        std::string version = {};                          ///< of the program, for `/health`
    };

    /// Adds the routes to `server`, whose verifier is a `login_verifier<Backend>`; before it
    /// starts. The routes live as long as the server.
    template <class Server>
    static void add_to(Server& server, Backend& to, options o) {
        auto const api = std::make_shared<http_api>(to, server.policies().verifier, std::move(o));
        api->now_ = [&server] { return server.policies().transport.now(); };
        api->wall_time_ = [&server] { return server.policies().transport.wall_time(); };
        auto const started = api->wall_time_();
        auto const post = [&](std::string path, auto handle) {
            server.route(http::verb::post, std::move(path),
                         api->use_of_session(
                             [api, handle](http_request const& request, route_context context) {
                                 return api->guarded(request, context, handle);
                             }));
        };
        post("/api/connect", &http_api::connect);
        post("/api/test-connection", &http_api::test_connection);
        post("/api/disconnect", &http_api::disconnect);
        auto const get = [&](std::string path, auto handle) {
            server.route(
                http::verb::get, std::move(path),
                api->use_of_session([api, handle](http_request const& request, route_context) {
                    return ((*api).*handle)(request);
                }));
        };
        get("/api/session", &http_api::session);
        get("/api/csrf-token", &http_api::csrf_token);
        server.route(http::verb::get, "/health",
                     [api, &server, started](http_request const&, route_context) {
                         return api->health(api->wall_time_() - started, server.connections());
                     });
        for (auto const method : {http::verb::get, http::verb::post, http::verb::put,
                                  http::verb::patch, http::verb::delete_}) {
            server.route(method, "/api/*",
                         api->use_of_session([api](http_request const&, route_context) {
                             return api->unknown_path();
                         }));
        }
    }

    /// `answer`, for a route each request of which counts as use of the session whose cookie it
    /// carries.
    [[nodiscard]] static route_handler use_of_session(login_verifier<Backend> logins,
                                                      route_handler answer) {
        return [logins = std::move(logins), answer = std::move(answer)](http_request const& request,
                                                                        route_context context) {
            static_cast<void>(logins.verify(cookie(request, session_cookie).value_or("")));
            return answer(request, context);
        };
    }

    http_api(Backend& to, login_verifier<Backend> logins, options o)
        : backend_(to), logins_(std::move(logins)), options_(std::move(o)),
          attempts_(options_.attempts) {}

  private:
    [[nodiscard]] route_handler use_of_session(route_handler answer) const {
        return use_of_session(logins_, std::move(answer));
    }

    using handler = task<http_response> (http_api::*)(http_request const&, std::string const&);

    // ---- POST -----------------------------------------------------------------------------------

    /// Nothing that changes anything is done for a page that could not read our token.
    task<http_response> guarded(http_request const& request, route_context context,
                                handler handle) {
        // The server's own request, which is not const and of no more use to it: a password is not
        // to stay in memory that is given back.
        auto& body = const_cast<std::string&>(request.body());
        auto const wiped = [](std::string* text) { wipe(*text); };
        std::unique_ptr<std::string, decltype(wiped)> const guard(&body, wiped);
        if (options_.csrf && !has_csrf_token(request)) {
            co_return json_response(http::status::forbidden,
                                    {{"error", "Invalid or missing CSRF token"}});
        }
        auto const address = options_.proxies.client_of(request, context.peer_address);
        co_return co_await (this->*handle)(request, address);
    }

    task<http_response> connect(http_request const& request, std::string const& address) {
        credentials who;
        auto opened = co_await open(request, address, who);
        if (!opened.database) co_return std::move(opened.refusal);
        // Should the client have gone meanwhile, nobody will know the token: no route learns that,
        // so the session goes like any other that is not used, by its timeout.
        login<Backend> made{parley::detail::host_and_port(who.host, who.port), who.ns, who.username,
                            wall_time_(), std::move(opened.database)};
        auto token = logins_.begin(std::move(made), cookie(request, session_cookie).value_or(""));
        if (!token) {
            co_return failure_response({failure_code::overloaded, "too many sessions"});
        }
        auto response = json_response(http::status::ok, {{"status", "connected"}});
        set_cookie(response, session_cookie, *token);
        co_return response;
    }

    task<http_response> test_connection(http_request const& request, std::string const& address) {
        credentials who;
        auto opened = co_await open(request, address, who);
        if (!opened.database) co_return std::move(opened.refusal);
        co_return json_response(http::status::ok,
                                {{"status", "success"}, {"version", opened.database->version()}});
    }

    task<http_response> disconnect(http_request const& request, std::string const&) {
        logins_.end(cookie(request, session_cookie).value_or(""));
        auto response = json_response(http::status::ok, {{"status", "disconnected"}});
        set_cookie(response, session_cookie, "", "; Max-Age=0");
        co_return response;
    }

    /// A database that let somebody in, or the answer to one who may not.
    struct opening {
        std::shared_ptr<typename Backend::database_type> database;
        http_response refusal;
    };

    task<opening> open(http_request const& request, std::string const& address, credentials& who) {
        opening out;
        if (auto const wait = attempts_.attempt(address, now_())) {
            out.refusal = json_response(
                http::status::too_many_requests,
                {{"error", "Too many attempts; try again later"}, {"code", "TOO_MANY_ATTEMPTS"}});
            out.refusal.set(http::field::retry_after, std::to_string(wait->count()));
            co_return out;
        }
        if (auto const wrong = read_credentials(request.body(), who)) {
            out.refusal = failure_response(*wrong);
            co_return out;
        }
        auto const op = std::make_shared<operation>(now_() + options_.connect_timeout);
        auto opened = co_await backend_.open(who, op);
        if (opened) {
            out.database = std::move(*opened);
        } else {
            out.refusal = failure_response(opened.error());
        }
        co_return out;
    }

    /// What is wrong with the body, without what was found in it: that may be the password.
    static std::optional<failure> read_credentials(std::string const& body, credentials& who) {
        auto wrong = [](std::string_view member, std::string_view expected) {
            return failure{failure_code::invalid_input,
                           std::string(member).append(": expected ").append(expected)};
        };
        auto read = json::decode_secret<connect_request>(body);
        auto const fault = read ? problem() : read.error();
        if (fault.path == "port" || (read && read->port == 0)) {
            return wrong("port", "a whole number from 1 to 65535");
        }
        if (!read) return wrong(fault.path.empty() ? "body" : fault.path, fault.expected);
        if (read->host.empty()) return wrong("host", "a name or an address");
        if (read->namespace_.empty()) return wrong("namespace", "a name");
        if (read->username.empty()) return wrong("username", "a name");
        who.host = std::move(read->host);
        who.port = read->port;
        who.ns = std::move(read->namespace_);
        who.username = std::move(read->username);
        who.password = std::move(read->password);
        who.path_prefix = read->pathPrefix.value_or("");
        who.use_https = read->useHTTPS.value_or(false);
        return std::nullopt;
    }

    // ---- GET ------------------------------------------------------------------------------------

    task<http_response> session(http_request const& request) {
        auto const who = logins_.verify(cookie(request, session_cookie).value_or(""));
        auto const login = who ? (*who)->data() : nullptr;
        if (!login) {
            co_return json_response(http::status::ok, {{"status", "disconnected"}});
        }
        auto const left =
            std::chrono::duration_cast<std::chrono::milliseconds>((*who)->expires_at() - now_());
        co_return json_response(
            http::status::ok,
            {{"status", "connected"},
             {"server", {{"namespace", login->ns}, {"username", login->username}}},
             {"createdAt", format_timestamp(login->created_at)},
             {"timeoutRemaining", left.count()}});
    }

    task<http_response> csrf_token(http_request const& request) {
        std::string bound(cookie(request, csrf_cookie).value_or(""));
        bool const fresh = !csrf_tokens::is_cookie(bound);
        if (fresh) bound = csrf_tokens::new_cookie();
        auto response = json_response(http::status::ok, {{"csrfToken", csrf_.token_for(bound)}});
        if (fresh) set_cookie(response, csrf_cookie, bound);
        co_return response;
    }

    task<http_response> health(std::chrono::system_clock::duration up, std::size_t connections) {
        co_return json_response(
            http::status::ok,
            {{"status", "ok"},
             {"version", options_.version},
             {"uptime", std::chrono::duration_cast<std::chrono::seconds>(up).count()},
             {"backend", backend_.type},
             {"sessions", logins_.size()},
             {"connections", connections}});
    }

    task<http_response> unknown_path() {
        co_return failure_response({failure_code::not_found, "nothing is served here"},
                                   http::status::not_found);
    }

    // ---- Pieces ---------------------------------------------------------------------------------

    static constexpr std::string_view csrf_cookie = "__csrf";

    bool has_csrf_token(http_request const& request) const {
        auto const token = request["X-CSRF-Token"];
        return csrf_.accepts(cookie(request, csrf_cookie).value_or(""),
                             {token.data(), token.size()});
    }

    void set_cookie(http_response& response, std::string_view name, std::string_view value,
                    std::string_view more = {}) const {
        std::string text;
        text.append(name).append("=").append(value).append("; HttpOnly; SameSite=Strict; Path=/");
        if (options_.secure_cookies) text += "; Secure";
        response.insert(http::field::set_cookie, text.append(more));
    }

    static http_response json_response(http::status status, boost::json::object const& body) {
        auto response = make_response(status, "application/json", boost::json::serialize(body));
        response.set(http::field::cache_control, "no-store");
        response.set("X-Content-Type-Options", "nosniff");
        return response;
    }

    static http_response failure_response(failure const& f) {
        return failure_response(f, status_of(f.code));
    }

    static http_response failure_response(failure const& f, http::status status) {
        return json_response(status, {{"error", f.message}, {"code", to_string(f.code)}});
    }

    static http::status status_of(failure_code code) {
        switch (code) {
        case failure_code::invalid_input:
        case failure_code::not_found:
        case failure_code::conflict:
        case failure_code::constraint_violated:
            return http::status::bad_request;
        case failure_code::permission_denied:
        case failure_code::wrong_credentials:
            return http::status::unauthorized;
        case failure_code::timed_out:
        case failure_code::cancelled:
            return http::status::gateway_timeout;
        case failure_code::overloaded:
            return http::status::service_unavailable;
        case failure_code::unreachable:
        case failure_code::database_error:
            break;
        }
        return http::status::bad_gateway;
    }

    Backend& backend_;
    login_verifier<Backend> logins_;
    options options_;
    attempt_limiter attempts_;
    csrf_tokens csrf_;
    std::function<time_point()> now_;
    std::function<std::chrono::system_clock::time_point()> wall_time_;
};

} // namespace parley::tables
