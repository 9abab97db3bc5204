// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The walk over a configuration struct that fills it from JSON and the environment.

#include <parley/config_types.hpp>
#include <parley/detail/nearest_name.hpp>
#include <parley/json.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace parley::detail {

template <class T>
inline constexpr bool is_required = false;
template <class T>
inline constexpr bool is_required<required<T>> = true;

template <class T>
inline constexpr bool is_optional_section = false;
template <json::reflected T>
inline constexpr bool is_optional_section<std::optional<T>> = true;

template <class T>
inline constexpr bool is_section_list = false;
template <json::reflected T>
inline constexpr bool is_section_list<std::vector<T>> = true;

/// Whether one variable can set the whole of a `T`.
template <class T>
inline constexpr bool is_settable = !std::is_same_v<T, ignored> && !is_optional_section<T> &&
                                    !is_section_list<T> && !json::reflected<T>;

/// One environment variable that begins with the prefix.
struct env_override {
    std::string name; ///< `NEURON_SERVER__PORT`
    std::string path; ///< `server.port`, in lower case
    std::string value;

    /// Whether it is about the member at `parent` (in lower case), or one inside that.
    [[nodiscard]] bool within(std::string_view parent) const {
        return path.starts_with(parent) &&
               (path.size() == parent.size() || path[parent.size()] == '.');
    }
};

/// The variables of `environment` (each `NAME=value`) whose names begin with `prefix`.
inline std::vector<env_override> overrides_of(std::span<std::string const> environment,
                                              std::string_view prefix) {
    std::vector<env_override> out;
    for (auto const& entry : environment) {
        auto const equals = entry.find('=');
        if (equals == std::string::npos || !entry.starts_with(prefix) || equals < prefix.size())
            continue;
        auto path = to_lower(entry.substr(prefix.size(), equals - prefix.size()));
        for (auto at = path.find("__"); at != std::string::npos; at = path.find("__", at))
            path.replace(at, 2, ".");
        out.push_back({entry.substr(0, equals), std::move(path), entry.substr(equals + 1)});
    }
    return out;
}

/// A variable's value as a `T`: a string where `T` can be one, else JSON.
template <class T>
result<T, problem> decode_variable(std::string const& text) {
    auto const as_string = json::encode(text);
    if (!json::parse(boost::json::serialize(as_string))) // a file's strings are UTF-8, too
        return problem{{}, "UTF-8 text", "other bytes"};
    auto decoded = json::decode<T>(as_string);
    if (decoded) return decoded;
    auto const parsed = json::parse(text);
    return parsed ? json::decode<T>(*parsed) : decoded;
}

class config_loader {
  public:
    config_loader(std::span<std::string const> environment, std::string_view prefix)
        : prefix_(prefix), overrides_(overrides_of(environment, prefix)) {}

    /// Fills `target`, whose members hold their defaults, from the value at `path` (null pointer:
    /// there is none).
    template <class T>
    void load(T& target, boost::json::value const* given, std::string const& path) {
        if constexpr (std::is_same_v<T, ignored>)
            load_ignored(target, given, path);
        else if constexpr (is_required<T>)
            load_required(target, given, path);
        else if constexpr (is_optional_section<T>)
            load_optional(target, given, path);
        else if constexpr (is_section_list<T>)
            load_list(target, given, path);
        else if constexpr (json::reflected<T>)
            load_section(target, given, path);
        else
            load_leaf(target, given, path);
    }

    /// What was found, once everything is loaded: accounts for the variables that set nothing.
    config_report finish() && {
        for (auto const& variable : overrides_) {
            auto const is_it = [&](auto const& path) { return to_lower(path) == variable.path; };
            auto const inside = [&](auto const& path) { return variable.within(path); };
            if (std::any_of(known_.begin(), known_.end(), is_it)) continue;
            if (std::any_of(ignored_.begin(), ignored_.end(), inside))
                report_.ignored.push_back(variable.name);
            else
                report_.warnings.push_back(variable.name +
                                           " is not a known variable; the nearest is " +
                                           variable_of(nearest_name(variable.path, known_)));
        }
        return std::move(report_);
    }

  private:
    void load_ignored(ignored& target, boost::json::value const* given, std::string const& path) {
        ignored_.push_back(to_lower(path));
        target.present = given != nullptr;
        if (given) report_.ignored.push_back(path);
    }

    template <class T>
    void load_required(required<T>& target, boost::json::value const* given,
                       std::string const& path) {
        static_assert(!json::reflected<T>, "require the members of a section, not the section");
        if (given || find_override(path)) return load(target.value, given, path);
        known_.push_back(path);
        auto const nothing = json::decode<T>(boost::json::value());
        report_.problems.push_back(
            {path, nothing ? "a value" : nothing.error().expected, "nothing"});
    }

    template <class T>
    void load_optional(std::optional<T>& target, boost::json::value const* given,
                       std::string const& path) {
        auto const lower = to_lower(path);
        bool const overridden = std::any_of(overrides_.begin(), overrides_.end(),
                                            [&](auto const& o) { return o.within(lower); });
        if (given && given->is_null()) given = nullptr;
        if (given || overridden) load_section(target.emplace(), given, path);
    }

    template <class T>
    void load_list(std::vector<T>& target, boost::json::value const* given,
                   std::string const& path) {
        if (!given) return;
        auto const* elements = given->if_array();
        if (!elements) {
            report_.problems.push_back({path, "an array", json::describe(*given)});
            return;
        }
        target.assign(elements->size(), T{});
        for (std::size_t i = 0; i < target.size(); ++i)
            load_section(target[i], &(*elements)[i], path + "[" + std::to_string(i) + "]");
    }

    template <json::reflected T>
    void load_section(T& target, boost::json::value const* given, std::string const& path) {
        boost::json::object const* object = given ? given->if_object() : nullptr;
        if (given && !object)
            report_.problems.push_back({path, "an object", json::describe(*given)});
        std::vector<std::string> names;
        json::detail::all_members<T>([&](std::string_view name, auto accessor) {
            names.emplace_back(name);
            load_member(target, accessor(target), object ? object->if_contains(name) : nullptr,
                        below(path, name));
            return true;
        });
        if constexpr (requires { T::other_members; }) {
            static_assert(std::is_same_v<decltype(T::other_members), ignored const>);
            ignored_.push_back(to_lower(path));
        }
        if (object) note_others<T>(*object, names, path);
    }

    template <class T>
    void note_others(boost::json::object const& object, std::vector<std::string> const& names,
                     std::string const& path) {
        for (auto const& [key, value] : object) {
            std::string_view const name(key.data(), key.size());
            if (std::find(names.begin(), names.end(), name) != names.end()) continue;
            auto const at = below(path, name);
            if constexpr (requires { T::other_members; })
                report_.ignored.push_back(at);
            else
                report_.warnings.push_back(at + " is not a known member; the nearest is " +
                                           below(path, nearest_name(name, names)));
        }
    }

    template <class Section, class Member>
    void load_member(Section& section, Member& member, boost::json::value const* given,
                     std::string const& path) {
        auto const first = report_.problems.size();
        load(member, given, path);
        if constexpr (requires { Section::rules(); })
            std::apply(
                [&](auto const&... rules) {
                    return (... || apply_rule(rules, section, member, path, first));
                },
                Section::rules());
        if constexpr (is_settable<Member>)
            if (auto const* variable = find_override(path);
                variable && report_.problems.size() > first)
                report_.problems.back().found += " in " + variable->name;
    }

    /// If the rule is about this member, applies it and returns true. Problems from the `first` on
    /// are the member's.
    template <class Rule, class Section, class Member>
    bool apply_rule(Rule const& rule, Section& section, Member const& member,
                    std::string const& path, std::size_t first) {
        if constexpr (std::is_same_v<decltype(section.*rule.member), Member&>) {
            if (&(section.*rule.member) != &member) return false;
            auto& problems = report_.problems;
            if (problems.size() == first && !is_allowed(rule.allowed, member))
                problems.push_back({path, {}, json::describe(json::encode(member))});
            if (problems.size() > first && problems[first].path == path)
                problems[first].expected = expected_by<Member>(rule.allowed);
            return true;
        } else
            return false;
    }

    /// What the rule of a `Member` allows, which is more than its type says.
    template <class Member, class Allowed>
    static std::string expected_by(Allowed const& allowed) {
        if constexpr (requires { allowed.text(std::string_view()); }) {
            auto const nothing = json::decode<Member>(boost::json::value());
            return allowed.text(nothing ? "something" : nothing.error().expected);
        } else {
            return allowed.text();
        }
    }

    template <class Allowed, class T>
    static bool is_allowed(Allowed const& allowed, T const& v) {
        return allowed(v);
    }
    template <class Allowed, class T>
    static bool is_allowed(Allowed const& allowed, required<T> const& v) {
        return allowed(*v);
    }
    template <class Allowed, class T>
    static bool is_allowed(Allowed const& allowed, std::optional<T> const& v) {
        return !v || allowed(*v);
    }

    template <class T>
    void load_leaf(T& target, boost::json::value const* given, std::string const& path) {
        known_.push_back(path);
        auto const* variable = find_override(path);
        if (!given && !variable) return;
        auto decoded = variable ? decode_variable<T>(variable->value) : json::decode<T>(*given);
        if (decoded)
            target = std::move(*decoded);
        else
            report_.problems.push_back(json::detail::within(path, decoded.error()));
    }

    /// The last variable for the member at `path`, or a null pointer.
    [[nodiscard]] env_override const* find_override(std::string const& path) const {
        auto const found =
            std::find_if(overrides_.rbegin(), overrides_.rend(),
                         [lower = to_lower(path)](auto const& o) { return o.path == lower; });
        return found == overrides_.rend() ? nullptr : &*found;
    }

    [[nodiscard]] std::string variable_of(std::string_view path) const {
        std::string out = prefix_;
        for (char const c : path)
            if (c == '.')
                out += "__";
            else
                out += to_upper(c);
        return out;
    }

    static std::string below(std::string const& path, std::string_view name) {
        return path.empty() ? std::string(name) : path + "." + std::string(name);
    }

    std::string prefix_;
    std::vector<env_override> overrides_;
    std::vector<std::string> known_;   ///< paths that a variable can set
    std::vector<std::string> ignored_; ///< paths, in lower case, below which nothing is acted on
    config_report report_;
};

} // namespace parley::detail
