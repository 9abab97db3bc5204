// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the declared type of an SQLite column says. Pure.

#include <parley/detail/nearest_name.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/schema.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace parley::tables {

namespace detail {

/// The numbers in parentheses: `DECIMAL(10, 2)` has 10 and 2.
inline std::array<std::optional<std::int64_t>, 2> type_arguments(std::string_view type) {
    std::array<std::optional<std::int64_t>, 2> numbers;
    auto const open = type.find('(');
    auto const close = type.find(')', open == type.npos ? 0 : open);
    if (open == type.npos || close == type.npos) return numbers;
    auto text = type.substr(open + 1, close - open - 1);
    for (auto& number : numbers) {
        auto const comma = text.find(',');
        auto word = text.substr(0, comma);
        word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
        word = word.substr(0, word.find_last_not_of(' ') + 1);
        number = parse_number<std::int64_t>(word);
        if (comma == text.npos) break;
        text.remove_prefix(comma + 1);
    }
    return numbers;
}

inline value_kind sqlite_kind(std::string const& type) {
    auto const lower = to_lower(type);
    std::string_view name = lower;
    name = name.substr(0, name.find('('));
    name = name.substr(0, name.find_last_not_of(' ') + 1);
    auto const first_word = name.substr(0, name.find(' '));
    auto const is_one_of = [&](auto const& words) {
        return std::ranges::find(words, first_word) != std::end(words);
    };
    static constexpr std::string_view integers[] = {
        "int", "integer", "tinyint", "smallint", "mediumint", "bigint", "int2", "int4", "int8"};
    static constexpr std::string_view reals[] = {"real", "double", "float", "float4", "float8"};
    static constexpr std::string_view decimals[] = {"decimal", "numeric", "dec", "number"};
    static constexpr std::string_view binaries[] = {"blob", "binary", "varbinary", "bytea"};
    static constexpr std::string_view booleans[] = {"bool", "boolean"};
    if (is_one_of(integers) || name == "unsigned big int") return value_kind::integer;
    if (is_one_of(reals)) return value_kind::real;
    if (is_one_of(decimals)) return value_kind::decimal;
    if (is_one_of(binaries)) return value_kind::binary;
    if (is_one_of(booleans)) return value_kind::boolean;
    return value_kind::other;
}

} // namespace detail

/// Sets what follows from the declared type, which may be anything: `dataType` (`ANY` for none, as
/// in SQLite's strict tables), `kind`, `maxLength`, `precision` and `scale`.
inline void set_sqlite_type(column& c, std::string declared) {
    c.kind = detail::sqlite_kind(declared);
    auto const [first, second] = detail::type_arguments(declared);
    if (c.kind == value_kind::other || c.kind == value_kind::binary) {
        c.maxLength = first;
    } else {
        c.precision = first;
        c.scale = second;
    }
    c.dataType = declared.empty() ? "ANY" : std::move(declared);
}

} // namespace parley::tables
