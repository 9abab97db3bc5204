// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Instants as text: ISO 8601, UTC, milliseconds, `Z`, exactly as `2026-02-21T10:15:30.123Z`
/// (consent broker specification, §5 and §6). Pure functions.

#include <parley/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace parley {

/// A whole number of milliseconds since 1970 in UTC, without leap seconds.
using timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

namespace detail {

/// One number within the text of a timestamp.
struct timestamp_field {
    std::size_t offset, width;
};

inline constexpr std::string_view timestamp_pattern = "0000-00-00T00:00:00.000Z";
inline constexpr std::array<timestamp_field, 7> timestamp_fields{
    {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}, {20, 3}}};

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

inline bool matches_timestamp_pattern(std::string_view text) {
    return std::ranges::equal(text, timestamp_pattern, [](char c, char wanted) {
        return wanted == '0' ? is_digit(c) : c == wanted;
    });
}

} // namespace detail

/// `2026-02-21T10:15:30.123Z`. What is finer than a millisecond is cut off, towards the past.
inline std::string format_timestamp(std::chrono::system_clock::time_point instant) {
    auto const day = std::chrono::floor<std::chrono::days>(instant);
    std::chrono::year_month_day const date{day};
    std::chrono::hh_mm_ss const time{std::chrono::floor<std::chrono::milliseconds>(instant - day)};
    std::array<std::int64_t, 7> const values{static_cast<int>(date.year()),
                                             static_cast<unsigned>(date.month()),
                                             static_cast<unsigned>(date.day()),
                                             time.hours().count(),
                                             time.minutes().count(),
                                             time.seconds().count(),
                                             time.subseconds().count()};

    std::string text(detail::timestamp_pattern);
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto [offset, width] = detail::timestamp_fields[i];
        for (auto rest = values[i]; width-- > 0; rest /= 10) {
            text[offset + width] = static_cast<char>('0' + rest % 10);
        }
    }
    return text;
}

/// The inverse of `format_timestamp`. Strict: only that one form, only days that exist, no leap
/// second, no `24:00`.
inline result<timestamp, problem> parse_timestamp(std::string_view text) {
    auto const refuse = [&](std::string found) {
        return problem{"", "a time as in 2026-02-21T10:15:30.123Z", std::move(found)};
    };
    if (!detail::matches_timestamp_pattern(text)) return refuse("text of another form");

    std::array<unsigned, 7> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto [offset, width] = detail::timestamp_fields[i];
        for (char c : text.substr(offset, width)) {
            values[i] = values[i] * 10 + static_cast<unsigned>(c - '0');
        }
    }
    auto const [year, month, day, hour, minute, second, millisecond] = values;
    std::chrono::year_month_day const date{std::chrono::year(static_cast<int>(year)),
                                           std::chrono::month(month), std::chrono::day(day)};
    if (!date.ok() || hour > 23 || minute > 59 || second > 59) {
        return refuse("no such time: " + std::string(text));
    }
    return timestamp(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
           std::chrono::minutes(minute) + std::chrono::seconds(second) +
           std::chrono::milliseconds(millisecond);
}

} // namespace parley
