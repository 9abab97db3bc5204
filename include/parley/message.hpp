// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Typed messages: a Hana struct with a `static constexpr std::string_view type`, which on the wire
/// is a JSON object whose member `type` has that value, beside the struct's own members.

#include <parley/json.hpp>

#include <concepts>
#include <string>
#include <string_view>

namespace parley {

/// A struct that can be sent and received.
template <class M>
concept message = requires {
    { M::type } -> std::convertible_to<std::string_view>;
};

/// `{"type":"…", …members}`.
template <message M>
std::string encode_message(M const& m) {
    boost::json::object object;
    object.emplace("type", boost::json::string_view(M::type.data(), M::type.size()));
    auto members = json::encode(m);
    for (auto& member : members.as_object())
        object.insert(std::move(member));
    return boost::json::serialize(object);
}

/// The value of the member `type`, which a message must have.
inline result<std::string_view, problem> type_of(boost::json::value const& v) {
    auto const* object = v.if_object();
    if (object == nullptr) return problem{"", "a JSON object", json::describe(v)};
    auto const* type = object->if_contains("type");
    if (type == nullptr) return problem{"type", "a string", "nothing"};
    auto const* text = type->if_string();
    if (text == nullptr) return problem{"type", "a string", json::describe(*type)};
    return std::string_view(text->data(), text->size());
}

/// An `M`, or the exact member at fault.
template <message M>
result<M, problem> decode_message(boost::json::value const& v) {
    auto const type = type_of(v);
    if (!type) return type.error();
    if (*type != M::type) {
        return problem{"type", "\"" + std::string(M::type) + "\"",
                       json::describe(v.as_object().at("type"))};
    }
    return json::decode<M>(v);
}

} // namespace parley
