// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The conversation of the table editor (table editor specification, §2).

#include <parley/detail/exact_json.hpp>
#include <parley/http_fields.hpp>
#include <parley/session.hpp>
#include <parley/tables/command_runner.hpp>
#include <parley/tables/login.hpp>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::tables {

inline constexpr std::string_view session_cookie = "iris_session";

namespace close_code {
inline constexpr std::uint16_t unauthorized = 4001;
inline constexpr std::uint16_t session_expired = 4002;
} // namespace close_code

/// Edits the tables of `Backend` for as long as the login lasts. Its server's verifier is a
/// `login_verifier<Backend>`.
template <backend Backend>
class conversation {
  public:
    struct options {
        /// Pages that may connect, as `https://app.example`; none: only the server's own.
        std::vector<std::string> allowed_origins = {};
        /// Without a login: accept, and close with 4001, rather than answer 401. For clients that
        /// cannot see an HTTP status.
        bool close_mode = false;
        /// How long a command may work in the database.
        std::chrono::milliseconds command_timeout{30'000};
        /// How many commands may wait behind the one that runs; beyond it the client does.
        std::size_t max_waiting = 32;
        /// Of their text, if it is more than one; parsed, it takes several times as much.
        std::size_t max_waiting_bytes = 1024 * 1024;
    };

    /// Null when the peer is only to be told that it is not logged in.
    using identity = std::shared_ptr<login_session<login<Backend>>>;

    explicit conversation(options o) : options_(std::move(o)) {}

    /// Who the peer is, by the cookie or, failing that, by `?token=`.
    template <class Context>
    task<result<identified<identity>, http_response>> identify(http_request const& request,
                                                               Context& context) {
        if (!is_allowed_origin(request, options_.allowed_origins)) {
            co_return make_error_response(http::status::forbidden,
                                          "pages of this origin may not connect");
        }
        auto& logins = context.policies.verifier;
        auto who = logins.verify(cookie(request, session_cookie).value_or(""));
        if (!who) who = logins.verify(query_parameter(request, "token").value_or(""));
        if (who) co_return identified<identity>{std::move(*who), {}};
        if (options_.close_mode) co_return identified<identity>{};
        co_return make_error_response(http::status::unauthorized, "not logged in");
    }

    template <class Session>
    task<close_reason> operator()(Session& session) {
        if (!session.identity()) co_return close_reason(close_code::unauthorized, "Unauthorized");
        using namespace asio::experimental::awaitable_operators;
        auto const expired = [handle = session.handle()] {
            handle.close({close_code::session_expired, "Session Expired"});
        };
        typename login_session<login<Backend>>::watch const watch(session.identity(), expired);
        describe(session);

        command_runner<Backend, Session> runner(session, options_.command_timeout);
        queue waiting(session.get_executor(), std::max<std::size_t>(options_.max_waiting, 1));
        std::exception_ptr failure;
        auto const end =
            co_await (read(session, runner, waiting) && work(session, runner, waiting, failure));
        if (failure) std::rethrow_exception(failure);
        if (end.code == close_code::session_expired) {
            co_await session.send_text(event_text("sessionExpired", "{}"));
        }
        co_return end;
    }

  private:
    /// A command, or what was wrong with what came in its place.
    struct incoming {
        std::string name;
        boost::json::value payload;
        std::optional<error_event> fault;
        std::size_t size = 0; ///< of its text
    };

    /// What waits for the command that runs.
    struct queue {
        queue(executor on, std::size_t most) : commands(std::move(on), most) {}

        asio::experimental::channel<executor, void(error_code, incoming)> commands;
        std::size_t count = 0;
        std::size_t bytes = 0;
    };

    template <class Session>
    static void describe(Session& session) {
        if (auto const login = session.identity()->data()) {
            session.describe(login->username, login->ns);
        }
    }

    /// Reads ahead of the commands that run, so that a client that leaves, cancels or is logged out
    /// does not wait for them. Returns how to close.
    template <class Session, class Runner>
    task<close_reason> read(Session& session, Runner& runner, queue& waiting) {
        close_reason end;
        // However this ends: else who runs the commands would not notice.
        auto const finish = [&waiting](Runner* all) {
            all->cancel_all();
            waiting.commands.close();
        };
        std::unique_ptr<Runner, decltype(finish)> const ending(&runner, finish);
        for (;;) {
            auto next = co_await session.receive_text(no_deadline);
            if (ends(next.status, session, end)) break;
            session.identity()->touch(session.deadline_after(std::chrono::milliseconds{0}));
            auto command = next.status == receive_status::binary
                               ? fault("INVALID_MESSAGE", "expected a text frame, found binary")
                               : parse(next.text);
            if (command.name == commands::cancel_connection::type) runner.cancel();
            command.size = next.text.size();
            // Not in the queue's own way, which would not notice that the conversation is to end.
            auto const has_room = [&] { return fits(waiting, command.size); };
            if (!co_await session.wait_unless_ended(has_room)) continue;
            ++waiting.count;
            waiting.bytes += command.size;
            waiting.commands.try_send(error_code(), std::move(command));
        }
        co_return end;
    }

    [[nodiscard]] bool fits(queue const& waiting, std::size_t size) const {
        if (waiting.count == 0) return true;
        return waiting.count < options_.max_waiting &&
               waiting.bytes + size <= options_.max_waiting_bytes;
    }

    /// Does `status` end the conversation? Then `end` says how.
    template <class Session>
    static bool ends(receive_status status, Session& session, close_reason& end) {
        switch (status) {
        case receive_status::message:
        case receive_status::binary:
            return false;
        case receive_status::too_big:
            end = close_reason(parley::close_code::too_big, "message too big");
            break;
        case receive_status::stopping:
            end = close_reason(parley::close_code::going_away, "shutting down");
            break;
        case receive_status::closing:
            end = session.close_requested().value();
            break;
        case receive_status::timed_out:
        case receive_status::peer_closed:
            break;
        }
        return true;
    }

    static incoming fault(std::string code, std::string message) {
        return {{}, {}, error_event{std::move(message), std::move(code), true, {}}, 0};
    }

    static incoming parse(std::string_view text) {
        // Exact: a number that was read from a table must still equal what is stored there.
        auto value = parley::detail::parse_exact_json(text, 16);
        if (!value) return fault("INVALID_JSON", value.error().text());
        auto* const object = value->if_object();
        if (!object) {
            return fault("INVALID_MESSAGE",
                         "expected a JSON object, found " + json::describe(*value));
        }
        auto const* command = object->if_contains("command");
        auto const* name = command ? command->if_string() : nullptr;
        if (!name) {
            return fault("INVALID_MESSAGE",
                         "command: expected a string, found " +
                             (command ? json::describe(*command) : std::string("nothing")));
        }
        auto* const payload = object->if_contains("payload");
        return {std::string(name->data(), name->size()),
                payload ? std::move(*payload) : boost::json::value(), std::nullopt, 0};
    }

    /// Runs one command after the other. An exception, which only a bug throws, ends the reading
    /// and is kept in `failure`: two that end each other would hide the cause.
    template <class Session, class Runner>
    static task<> work(Session& session, Runner& runner, queue& waiting,
                       std::exception_ptr& failure) {
        try {
            for (;;) {
                auto [ec, command] =
                    co_await waiting.commands.async_receive(asio::as_tuple(use_task));
                if (ec) co_return;
                --waiting.count;
                waiting.bytes -= command.size;
                session.notify();
                if (command.fault) {
                    co_await runner.refuse(std::move(*command.fault));
                } else {
                    co_await runner.run(std::move(command.name), std::move(command.payload));
                }
            }
        } catch (...) {
            failure = std::current_exception();
            session.handle().close({parley::close_code::internal_error, "internal error"});
        }
    }

    options options_;
};

} // namespace parley::tables
