// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The messages on the worker's channel: each is its length, 32 bits little-endian, and its text.
/// Sans-I/O.

#include <parley/error.hpp>
#include <parley/json.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace parley::signaling::mediasoup {

/// The longest text of a message, both ways; the worker's own limit.
inline constexpr std::size_t max_message = 4'194'304;

namespace detail {
inline constexpr std::size_t length_size = 4;
} // namespace detail

/// A text with its length before it; the text is at most `max_message` bytes.
inline std::string framed(std::string_view text) {
    std::string out;
    out.reserve(detail::length_size + text.size());
    for (std::size_t i = 0; i < detail::length_size; ++i)
        out.push_back(static_cast<char>((text.size() >> (8 * i)) & 0xFF));
    return out.append(text);
}

/// The text of a request.
/// \param handler the id of what is to do it; empty: the worker.
/// \param data empty: none.
inline std::string request_text(std::uint32_t id, std::string_view method, std::string_view handler,
                                boost::json::object const& data) {
    constexpr std::string_view none = "undefined";
    std::string out = std::to_string(id);
    out.append(":").append(method).append(":").append(handler.empty() ? none : handler).append(":");
    return data.empty() ? out.append(none) : out.append(boost::json::serialize(data));
}

/// Cuts what is read into messages.
class message_splitter {
  public:
    void feed(std::string_view bytes) { buffer_.append(bytes); }

    /// The next whole message; nothing until more has been fed; a problem for a length that no
    /// message has, after which nothing more can be read. The text is valid until the next call.
    result<std::optional<std::string_view>, problem> next() {
        buffer_.erase(0, std::exchange(taken_, 0));
        if (buffer_.size() < detail::length_size) return std::optional<std::string_view>();
        std::size_t length = 0;
        for (std::size_t i = 0; i < detail::length_size; ++i)
            length |= std::size_t{static_cast<unsigned char>(buffer_[i])} << (8 * i);
        if (length > max_message) {
            return problem{{},
                           "a message of at most " + std::to_string(max_message) + " bytes",
                           "one of " + std::to_string(length)};
        }
        if (buffer_.size() - detail::length_size < length) return std::optional<std::string_view>();
        taken_ = detail::length_size + length;
        return std::optional(std::string_view(buffer_).substr(detail::length_size, length));
    }

  private:
    std::string buffer_;
    std::size_t taken_ = 0; // of the buffer, for the message returned last
};

/// What the worker says to a request.
struct answer {
    std::uint32_t id = 0;
    std::optional<std::string> failure; ///< why it was not done
    boost::json::value data;            ///< null where there is none
};

/// What the worker says by itself of something that it has.
struct notification {
    std::string target; ///< an id
    std::string event;
    boost::json::value data;
};

enum class log_level { debug, warning, error };

/// A line of the worker's log.
struct log_line {
    log_level level = log_level::debug;
    std::string text;
};

/// What cannot be read.
struct unreadable {
    std::string text;
};

using message = std::variant<answer, notification, log_line, unreadable>;

namespace detail {

inline std::string text_of(boost::json::value const& v) {
    auto const* string = v.if_string();
    return string != nullptr ? std::string(string->data(), string->size())
                             : boost::json::serialize(v);
}

inline message read_json(std::string_view text) {
    auto parsed = json::parse(text);
    auto* members = parsed ? parsed->if_object() : nullptr;
    if (members == nullptr) return unreadable{"a message that is no JSON"};
    auto const take = [&](std::string_view name) {
        auto* member = members->if_contains(boost::json::string_view(name.data(), name.size()));
        return member != nullptr ? std::move(*member) : boost::json::value();
    };
    if (members->contains("id")) {
        auto const id = json::decode<std::uint32_t>(take("id"));
        if (!id) return unreadable{"an answer without an id"};
        answer out{*id, std::nullopt, take("data")};
        if (take("accepted") != boost::json::value(true)) {
            auto const reason = take("reason");
            out.failure = text_of(reason.is_null() ? take("error") : reason);
        }
        return out;
    }
    if (members->contains("targetId") && members->contains("event"))
        return notification{text_of(take("targetId")), text_of(take("event")), take("data")};
    return unreadable{"a message that is neither an answer nor a notification"};
}

} // namespace detail

/// Reads the text of a message from the worker.
inline message read_message(std::string_view text) {
    auto const line = [&](log_level level) { return log_line{level, std::string(text.substr(1))}; };
    switch (text.empty() ? '\0' : text.front()) {
    case '{':
        return detail::read_json(text);
    case 'D':
    case 'X': // a dump, for whoever debugs the worker
        return line(log_level::debug);
    case 'W':
        return line(log_level::warning);
    case 'E':
        return line(log_level::error);
    default:
        return unreadable{"a message of " + std::to_string(text.size()) +
                          " bytes of no known kind"};
    }
}

} // namespace parley::signaling::mediasoup
