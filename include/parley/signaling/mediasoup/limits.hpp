// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Members of a client's JSON that carry their limits in their types, so that a struct described
/// once says them too, and decoding names where one is exceeded.

#include <parley/json.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling::mediasoup {

/// A string of so many bytes.
template <std::size_t Least, std::size_t Most>
struct text {
    std::string value;
};

/// A whole number within bounds.
template <std::int64_t Low, std::int64_t High>
struct whole {
    std::int64_t value = Low;
};

/// An array of so many elements.
template <class T, std::size_t Least, std::size_t Most>
struct list {
    std::vector<T> values;
};

/// A codec's parameters: a few names with strings or numbers.
struct codec_parameters {
    boost::json::object values;
};

} // namespace parley::signaling::mediasoup

namespace parley::json {

template <std::size_t Least, std::size_t Most>
struct codec<signaling::mediasoup::text<Least, Most>> {
    static result<signaling::mediasoup::text<Least, Most>, problem>
    decode(boost::json::value const& v) {
        auto const* given = v.if_string();
        if (given != nullptr && given->size() >= Least && given->size() <= Most) {
            return signaling::mediasoup::text<Least, Most>{
                std::string(given->data(), given->size())};
        }
        return problem{{},
                       "a string of " + std::to_string(Least) + " to " + std::to_string(Most) +
                           " bytes",
                       describe(v)};
    }
};

template <std::int64_t Low, std::int64_t High>
struct codec<signaling::mediasoup::whole<Low, High>> {
    static result<signaling::mediasoup::whole<Low, High>, problem>
    decode(boost::json::value const& v) {
        auto const number = detail::decode_whole<std::int64_t>(v, Low, High);
        if (!number) return number.error();
        return signaling::mediasoup::whole<Low, High>{*number};
    }
};

template <class T, std::size_t Least, std::size_t Most>
struct codec<signaling::mediasoup::list<T, Least, Most>> {
    static result<signaling::mediasoup::list<T, Least, Most>, problem>
    decode(boost::json::value const& v) {
        auto const* elements = v.if_array();
        if (elements == nullptr || elements->size() < Least || elements->size() > Most) {
            auto range = std::to_string(Most);
            if (Least == 0) range.insert(0, "at most ");
            if (Least > 0 && Least < Most) range.insert(0, std::to_string(Least) + " to ");
            return problem{{},
                           "an array of " + range + (Most == 1 ? " element" : " elements"),
                           elements == nullptr ? describe(v)
                                               : "an array of " + std::to_string(elements->size())};
        }
        auto decoded = codec<std::vector<T>>::decode(v);
        if (!decoded) return decoded.error();
        return signaling::mediasoup::list<T, Least, Most>{std::move(*decoded)};
    }
};

template <>
struct codec<signaling::mediasoup::codec_parameters> {
    static constexpr std::size_t most = 32;
    static constexpr std::size_t longest_name = 64;
    static constexpr std::size_t longest_value = 256;

    static result<signaling::mediasoup::codec_parameters, problem>
    decode(boost::json::value const& v) {
        auto const* members = v.if_object();
        if (members == nullptr || members->size() > most) {
            return problem{{},
                           "an object of at most " + std::to_string(most) + " members",
                           members == nullptr ? describe(v)
                                              : "an object of " + std::to_string(members->size())};
        }
        signaling::mediasoup::codec_parameters out;
        for (auto const& [name, value] : *members) {
            if (name.empty() || name.size() > longest_name) {
                return problem{{},
                               "names of 1 to " + std::to_string(longest_name) + " bytes",
                               describe(boost::json::value(name))};
            }
            if (!acceptable(value))
                return problem{std::string(name.data(), name.size()),
                               "a string of at most " + std::to_string(longest_value) +
                                   " bytes, or a whole number of 32 bits",
                               describe(value)};
            out.values.emplace(name, value);
        }
        return out;
    }

  private:
    static bool acceptable(boost::json::value const& value) {
        if (auto const* string = value.if_string()) return string->size() <= longest_value;
        using limits = std::numeric_limits<std::int32_t>;
        return detail::decode_whole<std::int64_t>(value, limits::min(), limits::max()).has_value();
    }
};

} // namespace parley::json
