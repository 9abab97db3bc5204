// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// PostgreSQL's types, values and errors, in the terms of a table editor. Pure: no driver.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/encoding.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/json_cell.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/schema.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parley::tables {

/// Sets `kind`, `maxLength`, `precision` and `scale` by the number of a type in `pg_type`, which is
/// fixed for these, and by its modifier, -1 for none.
inline void set_postgresql_type(column& c, std::uint32_t type, std::int32_t modifier) {
    switch (type) {
    case 20: // int8
    case 21: // int2
    case 23: // int4
    case 26: // oid
        c.kind = value_kind::integer;
        break;
    case 700: // float4
    case 701: // float8
        c.kind = value_kind::real;
        break;
    case 1700: // numeric
        c.kind = value_kind::decimal;
        if (modifier >= 4) {
            c.precision = (modifier - 4) >> 16 & 0xFFFF;
            c.scale = (((modifier - 4) & 0x7FF) ^ 0x400) - 0x400; // from -1000 to 1000
        }
        break;
    case 16: // bool
        c.kind = value_kind::boolean;
        break;
    case 17: // bytea
        c.kind = value_kind::binary;
        break;
    case 1042: // bpchar
    case 1043: // varchar
        if (modifier >= 4) c.maxLength = modifier - 4;
        break;
    default: // domains, arrays, enumerations and whatever else there is
        break;
    }
}

/// The type whose own input says whether two texts are one value of the column, or nothing where
/// `is_same_value` does. Of no type that a modifier shortens text for.
inline std::optional<std::string> postgresql_comparison_type(column const& c) {
    if (c.dataType == "real") return c.dataType;
    auto type = c.dataType; // `timestamp(3) with time zone`: of any precision, so as not to round
    if (auto const open = type.find('('); open != type.npos)
        type.erase(open, type.find(')', open) + 1 - open);
    for (std::string_view known :
         {"date", "time without time zone", "time with time zone", "timestamp without time zone",
          "timestamp with time zone", "interval", "uuid"})
        if (type == known) return type;
    return std::nullopt;
}

namespace detail {

/// The bytes of a `bytea`, as `\x00ff` in base64.
inline void append_bytea(std::string& out, std::string_view text) {
    auto const bytes = from_hex(text.substr(text.starts_with("\\x") ? 2 : 0));
    if (bytes) append_base64(out, *bytes);
}

/// What `scalar_text` says of the same value when a client sends it back; it is not NULL.
inline std::string postgresql_cell_text(column const& c, std::string_view text) {
    std::string out;
    switch (c.kind) {
    case value_kind::real:
        return to_text(parse_real(text).value_or(0));
    case value_kind::boolean:
        return text == "t" ? "true" : "false";
    case value_kind::binary:
        append_bytea(out, text);
        return out;
    default:
        return to_well_formed(text);
    }
}

/// A value, which is not NULL, as JSON.
inline void append_postgresql_cell(std::string& out, column const& c, std::string_view text) {
    switch (c.kind) {
    case value_kind::integer:
        if (text.size() <= 15) // within ±(2^53-1), whatever the digits
            out += text;
        else
            append_json_integer(out, parse_number<std::int64_t>(text).value_or(0));
        return;
    case value_kind::decimal:
        return append_plain_json_string(out, text);
    case value_kind::real: {
        auto const number = parse_real(text).value_or(0);
        if (std::isfinite(number)) return append_json_number(out, number);
        return append_plain_json_string(out, to_text(number));
    }
    case value_kind::boolean:
        out += text == "t" ? "true" : "false";
        return;
    case value_kind::binary:
        out += '"';
        append_bytea(out, text);
        out += '"';
        return;
    case value_kind::other:
        return append_json_string(out, text);
    }
}

} // namespace detail

/// What a statement failed with. `message` is the server's, in its language; it is passed on where
/// it speaks of the user's data or rules.
inline failure postgresql_failure(std::string_view sqlstate, std::string_view message) {
    auto const is_of = [&](std::string_view prefix) { return sqlstate.starts_with(prefix); };
    constexpr std::size_t longest = 300;
    auto said = detail::to_well_formed(message.substr(0, longest));
    if (message.size() > longest) said += "...";

    if (is_of("23") || sqlstate == "44000" || sqlstate == "P0001")
        return {failure_code::constraint_violated, "The table refuses this: " + said};
    if (is_of("22") || sqlstate == "428C9")
        return {failure_code::invalid_input, "The value cannot be stored: " + said};
    if (sqlstate == "42501" || sqlstate == "25006")
        return {failure_code::permission_denied, "These credentials may not do this"};
    if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "3F000")
        return {failure_code::not_found,
                "The table or one of its columns is no longer as it was; select the table again"};
    if (sqlstate == "42883")
        return {failure_code::invalid_input,
                "Values of the column's type can be neither compared nor sorted"};
    if (sqlstate == "57014")
        return {failure_code::timed_out, "The database took longer than it may and stopped"};
    if (is_of("08") || is_of("57P")) return {failure_code::unreachable, "The database has gone"};
    if (is_of("40") || is_of("53") || sqlstate == "55P03")
        return {failure_code::overloaded, "Others are using the database; try again later"};
    return {failure_code::database_error, "The database cannot do this"};
}

/// What connecting failed with; an empty `sqlstate` when it was not the server that refused.
inline failure postgresql_connect_failure(std::string_view sqlstate) {
    if (sqlstate.starts_with("28"))
        return {failure_code::wrong_credentials, "The username or password is wrong"};
    if (sqlstate == "42501")
        return {failure_code::permission_denied, "These credentials may not use this database"};
    if (sqlstate == "3D000") return {failure_code::not_found, "There is no such database"};
    return {failure_code::unreachable, "The database server cannot be reached"};
}

} // namespace parley::tables
