// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "log.hpp"

#include "output.hpp"

#include <parley/encoding.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

namespace shared::log {

namespace {

spdlog::level::level_enum to_spdlog(level severity) {
    switch (severity) {
    case level::debug:
        return spdlog::level::debug;
    case level::info:
        return spdlog::level::info;
    case level::warning:
        return spdlog::level::warn;
    case level::error:
        break;
    }
    return spdlog::level::err;
}

constexpr auto logfmt = "ts=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v";
constexpr auto json_lines = R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

bool is_json = false;

auto make_formatter(char const* pattern) {
    return std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc);
}

/// Not one of spdlog's registry, which would make a second one besides.
spdlog::logger& logger() {
    static auto const instance = [] {
        auto made = std::make_unique<spdlog::logger>(
            "server", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_formatter(make_formatter(logfmt));
        return made;
    }();
    return *instance;
}

/// `name=value` or `"name":"value"`, after what separates it from the one before.
void append_field(std::string& line, std::string_view name, std::string_view value) {
    if (is_json) {
        if (!line.empty()) line += ',';
        line.append(1, '"').append(name).append("\":");
        line += boost::json::serialize(boost::json::string(printable(value)));
    } else {
        if (!line.empty()) line += ' ';
        line.append(name).append(1, '=').append(quoted(value));
    }
}

} // namespace

void use_json() {
    is_json = true;
    logger().set_formatter(make_formatter(json_lines));
}

void set_level(std::string const& name) {
    auto const found = std::ranges::find(level_names, name);
    logger().set_level(to_spdlog(static_cast<level>(found - level_names.begin())));
}

std::string quoted(std::string_view value) {
    auto const is_bare = [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '='; };
    if (!value.empty() && std::ranges::all_of(value, is_bare)) return std::string(value);
    std::string out = "\"";
    for (char const c : value) {
        if (c == '"' || c == '\\') {
            out.append(1, '\\').append(1, c);
        } else if (c >= ' ' && c < '\x7f') {
            out += c;
        } else {
            out += "\\x" + parley::to_hex(std::array{static_cast<std::uint8_t>(c)});
        }
    }
    return out + '"';
}

void write(level severity, std::string_view event, fields values) {
    auto const wanted = to_spdlog(severity);
    if (!logger().should_log(wanted)) return;
    std::string line;
    append_field(line, "event", event);
    for (auto const& [name, value] : values)
        append_field(line, name, value);
    logger().log(wanted, spdlog::string_view_t(line.data(), line.size()));
}

} // namespace shared::log
