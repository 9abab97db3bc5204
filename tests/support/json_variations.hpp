// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// JSON with one thing wrong, in every place where something can be.

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace parley::test {

/// Every value within another.
inline void visit(boost::json::value& v, std::function<void(boost::json::value&)> const& seen) {
    seen(v);
    if (auto* members = v.if_object()) {
        for (auto& member : *members)
            visit(member.value(), seen);
    } else if (auto* elements = v.if_array()) {
        for (auto& element : *elements)
            visit(element, seen);
    }
}

inline std::size_t count(boost::json::value& v) {
    std::size_t all = 0;
    visit(v, [&](boost::json::value&) { ++all; });
    return all;
}

/// Calls `check` with `given` in which each value in turn is each of many others.
inline void with_each_value_replaced(boost::json::value const& given,
                                     std::function<void(boost::json::value const&)> const& check) {
    std::vector<boost::json::value> const others{nullptr,
                                                 true,
                                                 -1,
                                                 0,
                                                 256,
                                                 70'000,
                                                 4294967296,
                                                 1e300,
                                                 0.5,
                                                 "",
                                                 "x",
                                                 std::string(100'000, 'y').c_str(),
                                                 boost::json::array(),
                                                 boost::json::array(1000),
                                                 boost::json::object(),
                                                 boost::json::parse(R"({"a":{"b":[{}]}})")};
    auto copy = given;
    auto const all = count(copy);
    for (std::size_t place = 0; place < all; ++place) {
        for (auto const& other : others) {
            auto changed = given;
            std::size_t here = 0;
            boost::json::value* target = nullptr;
            visit(changed, [&](boost::json::value& v) {
                if (here++ == place) target = &v;
            });
            *target = other;
            check(changed);
        }
    }
}

} // namespace parley::test
