// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Values from clients as values to bind. Pure.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/nearest_name.hpp>
#include <parley/encoding.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/schema.hpp>

#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace parley::tables {

/// The bytes of a binary value.
struct byte_string {
    std::string bytes;

    friend bool operator==(byte_string const&, byte_string const&) = default;
};

/// A value to bind. A decimal is text, so that no digit is lost.
using parameter =
    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, byte_string>;

namespace detail {

using namespace parley::detail;

/// All of `text` as a number of type `N`, if that is what it is and `N` can hold it.
template <class N>
std::optional<N> parse_number(std::string_view text) {
    N number{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// The decimal number `text` taken apart: two texts of the same number give the same parts.
struct decimal_parts {
    bool negative = false;
    std::string digits;        ///< without zeros at either end; empty for zero
    std::int64_t exponent = 0; ///< where the point is, counted from the start of the digits

    friend bool operator==(decimal_parts const&, decimal_parts const&) = default;
};

/// Nothing for what is not of the form `-1.5e10`, or out of all proportion.
inline std::optional<decimal_parts> parse_decimal(std::string_view text) {
    decimal_parts parts;
    if (text.starts_with('-') || text.starts_with('+')) {
        parts.negative = text.front() == '-';
        text.remove_prefix(1);
    }
    if (auto const e = text.find_first_of("eE"); e != text.npos) {
        auto power = text.substr(e + 1);
        if (power.starts_with('+') && !power.starts_with("+-")) power.remove_prefix(1);
        auto const exponent = parse_number<std::int32_t>(power);
        if (!exponent) return std::nullopt;
        parts.exponent = *exponent;
        text = text.substr(0, e);
    }
    auto const point = text.find('.');
    parts.digits = text.substr(0, point);
    parts.exponent += static_cast<std::int64_t>(parts.digits.size());
    if (point != text.npos) parts.digits += text.substr(point + 1);
    if (parts.digits.empty() || parts.digits.find_first_not_of("0123456789") != std::string::npos)
        return std::nullopt;

    auto const first = std::min(parts.digits.find_first_not_of('0'), parts.digits.size());
    parts.digits.erase(0, first);
    parts.digits.erase(parts.digits.find_last_not_of('0') + 1);
    parts.exponent -= static_cast<std::int64_t>(first);
    return parts.digits.empty() ? decimal_parts{} : parts;
}

/// As `JSON.stringify` would write it.
inline std::string to_text(double number) {
    std::string out;
    if (std::isfinite(number))
        append_json_number(out, number);
    else
        out = std::isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity";
    return out;
}

inline std::optional<double> parse_real(std::string_view text) {
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    return parse_decimal(text) ? parse_number<double>(text.substr(text.starts_with('+') ? 1 : 0))
                               : std::nullopt;
}

/// The double that is exactly what `text` says when written with the fewest digits.
inline std::optional<double> parse_lossless_real(std::string_view text) {
    auto const number = parse_real(text);
    if (!number || !std::isfinite(*number)) return number;
    return parse_decimal(text) == parse_decimal(to_text(*number)) ? number : std::nullopt;
}

/// `value`, cut when long, for a report.
inline std::string describe(boost::json::value const& value) {
    switch (value.kind()) {
    case boost::json::kind::object:
        return "an object";
    case boost::json::kind::array:
        return "an array";
    case boost::json::kind::string:
        return quote_for_report(as_std(value.get_string()));
    default:
        std::string text;
        append_json(text, value, member_order::as_stored);
        return text;
    }
}

inline failure unfit(column const& c, std::string_view expected, boost::json::value const& found) {
    return {failure_code::invalid_input, "Column " + quote_for_report(c.name) + ": expected " +
                                             std::string(expected) + ", found " + describe(found)};
}

inline outcome<parameter> to_integer(column const& c, boost::json::value const& value) {
    if (auto const* number = value.if_int64()) return parameter(*number);
    if (auto const* number = value.if_double()) {
        if (std::trunc(*number) == *number && std::abs(*number) < 0x1p63)
            return parameter(static_cast<std::int64_t>(*number));
    }
    if (auto const* text = value.if_string()) {
        if (auto const number = parse_number<std::int64_t>(as_std(*text)))
            return parameter(*number);
    }
    return unfit(c, "a whole number of at most 64 bits", value);
}

inline outcome<parameter> to_real(column const& c, boost::json::value const& value) {
    if (auto const* number = value.if_int64()) return parameter(static_cast<double>(*number));
    if (auto const* number = value.if_uint64()) return parameter(static_cast<double>(*number));
    if (auto const* number = value.if_double()) return parameter(*number);
    if (auto const* text = value.if_string()) {
        if (auto const number = parse_real(as_std(*text))) return parameter(*number);
    }
    return unfit(c, "a number", value);
}

inline std::optional<bool> parse_boolean(std::string_view text) {
    auto const word = to_lower(std::string(text));
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
    return std::nullopt;
}

inline outcome<parameter> to_boolean(column const& c, boost::json::value const& value) {
    if (auto const* truth = value.if_bool()) return parameter(*truth);
    if (auto const* number = value.if_int64(); number && (*number == 0 || *number == 1))
        return parameter(*number == 1);
    if (auto const* text = value.if_string()) {
        if (auto const truth = parse_boolean(as_std(*text))) return parameter(*truth);
    }
    return unfit(c, "true or false", value);
}

inline outcome<parameter> to_bytes(column const& c, boost::json::value const& value) {
    if (auto const* text = value.if_string()) {
        if (auto const bytes = from_base64(as_std(*text)))
            return parameter(byte_string{{bytes->begin(), bytes->end()}});
    }
    return unfit(c, "a string of base64 with padding", value);
}

} // namespace detail

/// The text of a scalar: of a string itself, of a number as `JSON.stringify` has it; nothing for
/// null, and for what is no scalar. What a client was sent and what it sends back have equal texts.
inline std::optional<std::string> scalar_text(boost::json::value const& value) {
    switch (value.kind()) {
    case boost::json::kind::string:
        return detail::to_well_formed(detail::as_std(value.get_string()));
    case boost::json::kind::bool_:
        return value.get_bool() ? "true" : "false";
    case boost::json::kind::int64:
        return std::to_string(value.get_int64());
    case boost::json::kind::uint64:
        return std::to_string(value.get_uint64());
    case boost::json::kind::double_:
        return detail::to_text(value.get_double());
    default:
        return std::nullopt;
    }
}

/// Whether `value` is, in a client's spelling, what is stored in a column of this kind: `stored` is
/// its `scalar_text`, or nothing for NULL. Numbers are compared as numbers, digit by digit (`1.50`
/// is `1.5`, `007` is `7`), but what is stored as a double as the double that `value` is read as;
/// truth values as such; and all else byte for byte.
inline bool is_same_value(value_kind kind, std::optional<std::string> const& stored,
                          boost::json::value const& value) {
    if (!stored || value.is_null()) return !stored && value.is_null();
    auto const text = scalar_text(value);
    if (!text || *text == *stored) return text.has_value();
    auto const both = [&](auto const& parse) {
        auto const parsed = parse(*text);
        return parsed && parsed == parse(*stored);
    };
    switch (kind) {
    case value_kind::integer:
    case value_kind::decimal:
        return both(detail::parse_decimal);
    case value_kind::real:
        return both(detail::parse_real);
    case value_kind::boolean:
        return both(detail::parse_boolean);
    default:
        return false;
    }
}

/// What is to be stored in a column: `invalid_input` unless `value` is of the column's kind.
/// \tparam Dialect says whether decimals become doubles, which some do not survive: those are
/// refused; and whether text may hold U+0000.
template <class Dialect>
outcome<parameter> to_new_value(column const& c, boost::json::value const& value) {
    if (value.is_null()) return parameter(nullptr);
    if (c.kind == value_kind::integer) return detail::to_integer(c, value);
    if (c.kind == value_kind::real) return detail::to_real(c, value);
    if (c.kind == value_kind::boolean) return detail::to_boolean(c, value);
    if (c.kind == value_kind::binary) return detail::to_bytes(c, value);

    // SQLite's columns without a type, where a number stays one.
    if (c.dataType == "ANY" && value.is_int64()) return parameter(value.get_int64());
    if (c.dataType == "ANY" && value.is_double()) return parameter(value.get_double());
    auto text = scalar_text(value);
    if (c.kind == value_kind::decimal) {
        if (!text || value.is_bool() ||
            (!detail::parse_decimal(*text) && !detail::parse_real(*text)))
            return detail::unfit(c, "a decimal number", value);
        if constexpr (Dialect::decimals_are_doubles) {
            if (auto const whole = detail::parse_number<std::int64_t>(*text))
                return parameter(*whole);
            if (auto const number = detail::parse_lossless_real(*text)) return parameter(*number);
            return detail::unfit(c, "a number with fewer digits, which the database can keep",
                                 value);
        }
    }
    if (!text) return detail::unfit(c, "a string", value);
    if (!Dialect::allows_nul && text->find('\0') != std::string::npos)
        return detail::unfit(c, "text without U+0000", value);
    return parameter(std::move(*text));
}

/// What is to be compared with a column. A database may hold values that are not of their column's
/// kind, so that only what no column could hold is `invalid_input`.
template <class Dialect>
outcome<parameter> to_key(column const& c, boost::json::value const& value) {
    if (value.is_bool()) return parameter(value.get_bool());
    if (value.is_int64()) return parameter(value.get_int64());
    if (value.is_double() && std::isfinite(value.get_double()))
        return parameter(value.get_double());
    auto const fitting = to_new_value<Dialect>(c, value);
    if (fitting) return fitting;
    auto text = scalar_text(value);
    if (!text || (!Dialect::allows_nul && text->find('\0') != std::string::npos)) return fitting;
    return parameter(std::move(*text));
}

} // namespace parley::tables
