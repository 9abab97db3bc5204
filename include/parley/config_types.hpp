// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What configuration structs are made of, and what loading one reports.

#include <parley/error.hpp>
#include <parley/json.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley {

/// A member that the configuration must give; every other one keeps its default when not given.
template <class T>
struct required {
    T value{};

    constexpr T const& operator*() const noexcept { return value; }
    constexpr T const* operator->() const noexcept { return &value; }
    friend bool operator==(required const&, required const&) = default;
};

/// A member that may hold anything, is not acted on, and is not written. A section that accepts any
/// other member in this way says `static constexpr parley::ignored other_members{};`.
struct ignored {
    bool present = false; ///< whether the file has it
};

/// What there is to say about a configuration.
struct config_report {
    std::vector<problem> problems;     ///< in the order of the members; with any, do not start
    std::vector<std::string> warnings; ///< sentences: unknown members and variables
    std::vector<std::string> ignored;  ///< paths, and names of variables, that are not acted on
};

/// A configuration, unless there are problems, and the report in any case.
template <class Config>
struct loaded_config {
    std::optional<Config> config; ///< has a value if and only if `report.problems` is empty
    config_report report;
};

} // namespace parley

template <class T>
struct parley::json::codec<parley::required<T>> {
    static result<required<T>, problem> decode(boost::json::value const& v) {
        auto decoded = codec<T>::decode(v);
        if (!decoded) return decoded.error();
        return required<T>{std::move(*decoded)};
    }
    static boost::json::value encode(required<T> const& v) { return codec<T>::encode(*v); }
};

template <>
struct parley::json::codec<parley::ignored> {
    static result<ignored, problem> decode(boost::json::value const& v) {
        return ignored{!v.is_null()};
    }
    static boost::json::value encode(ignored const&) { return {}; }
    static bool omitted(ignored const&) { return true; }
};
