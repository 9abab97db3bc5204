// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The log of a running server: lines of `key=value` (logfmt), or of JSON, on standard error, each
/// with `ts`, `level` and `event` first. Thread-safe. What a peer sent cannot begin a line or steer
/// a terminal.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shared::log {

enum class level { debug, info, warning, error };

/// The names of the levels, least severe first, as `set_level` takes them.
inline std::vector<std::string> const level_names{"debug", "info", "warning", "error"};

/// Nothing below this level is logged from now on. \param name is one of `level_names`.
void set_level(std::string const& name);

/// Each line is a JSON object from now on, all of whose members are strings.
void use_json();

using fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Writes one line. \param event says what happened, in `snake_case`.
void write(level severity, std::string_view event, fields values = {});

inline void debug(std::string_view event, fields values = {}) {
    write(level::debug, event, values);
}
inline void info(std::string_view event, fields values = {}) {
    write(level::info, event, values);
}
inline void warning(std::string_view event, fields values = {}) {
    write(level::warning, event, values);
}
inline void error(std::string_view event, fields values = {}) {
    write(level::error, event, values);
}

/// A value as it stands in a line: bare, or in quotes with everything but printable ASCII escaped.
std::string quoted(std::string_view value);

} // namespace shared::log
