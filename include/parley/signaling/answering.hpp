// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Requests as they are read, and their answers as they are written (voice signalling
/// specification, §2).

#include <parley/detail/ecmascript_json.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/message.hpp>
#include <parley/router.hpp>
#include <parley/signaling/connection.hpp>
#include <parley/signaling/messages.hpp>
#include <parley/signaling/participant.hpp>
#include <parley/task.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

/// The `data` of an answer, or why there is none.
using answer = result<boost::json::object, refusal>;

/// A request that could be read.
struct request {
    std::string type;
    boost::json::value id; ///< a string; null: nobody waits for the answer
    boost::json::value data;
};

/// \param id of the request; null when it has none.
inline std::string failure_text(boost::json::value id, std::string_view why) {
    boost::json::object message{{"type", "error"}};
    if (!id.is_null()) message["id"] = std::move(id);
    message["error"] = why;
    return boost::json::serialize(message);
}

/// What a message asks for; or, as a refusal, the whole text of the answer to what is no request.
inline result<request, refusal> read_request(std::string_view text) {
    auto const message = json::parse(text);
    if (!message) return refusal{failure_text({}, "not JSON: " + message.error().text())};
    auto const type = type_of(*message);
    auto const* members = message->if_object();
    auto const* id = members != nullptr ? members->if_contains("id") : nullptr;
    bool const has_id = id != nullptr && !id->is_null();
    if (has_id && (!id->is_string() || id->as_string().size() > max_id)) {
        return refusal{failure_text({}, "id: expected a string of at most " +
                                            std::to_string(max_id) + " bytes, found " +
                                            json::describe(*id))};
    }
    auto key = has_id ? *id : boost::json::value();
    if (!type) return refusal{failure_text(std::move(key), type.error().text())};
    auto const* given = members->if_contains("data");
    boost::json::value data = boost::json::object();
    if (given != nullptr && !given->is_null()) data = *given;
    return request{std::string(*type), std::move(key), std::move(data)};
}

/// Has the handler do it; empty when nobody waits for an answer.
template <class Handler>
task<std::string> answer_to(request asked, Handler& handler) {
    auto outcome = co_await handler.handle(asked.type, std::move(asked.data));
    if (!outcome) co_return failure_text(asked.id, outcome.error().message);
    bool const is_ping = asked.type == requests::ping::type;
    bool const has_id = !asked.id.is_null();
    if (!has_id && !is_ping) co_return std::string();
    boost::json::object reply{{"type", is_ping ? std::string("pong") : asked.type}};
    if (has_id) reply["id"] = std::move(asked.id);
    if (!is_ping) reply["data"] = *std::move(outcome);
    co_return boost::json::serialize(reply);
}

// ---- Refusals that several requests have in common ----------------------------------------------

inline refusal not_joined(std::string_view channel) {
    return {"join the channel first: " + parley::detail::quote_for_report(channel) +
            " is not one of yours"};
}

/// Of a request whose data is not as it must be, or that nobody knows.
inline refusal refused(unroutable const& why) {
    if (why.what) return {why.what->text()};
    return {"unknown type " + parley::detail::quote_for_report(why.name)};
}

} // namespace parley::signaling
