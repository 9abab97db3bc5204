// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Values between the Atelier API and the wire of the table editor (its specification, §2 and §3).
/// Pure functions.
///
/// How IRIS writes a binary value is not specified; a string with a character for each byte,
/// U+0000 to U+00FF, is assumed.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/nearest_name.hpp>
#include <parley/detail/raw_json.hpp>
#include <parley/encoding.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/schema.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace parley::tables {

/// What is in a column of this type, as `INFORMATION_SCHEMA.COLUMNS` names it.
inline value_kind atelier_kind(std::string_view data_type) {
    auto const type = parley::detail::to_lower(std::string(data_type));
    auto const is_one_of = [&](std::initializer_list<std::string_view> names) {
        return std::ranges::find(names, type) != names.end();
    };
    if (is_one_of({"bigint", "integer", "int", "smallint", "tinyint"})) return value_kind::integer;
    if (is_one_of({"numeric", "decimal", "money", "smallmoney"})) return value_kind::decimal;
    if (is_one_of({"double", "float", "real"})) return value_kind::real;
    if (type == "bit") return value_kind::boolean;
    if (is_one_of({"binary", "varbinary", "longvarbinary"})) return value_kind::binary;
    return value_kind::other;
}

/// Whether values of this type are streams, of which a query sees the identifier only.
inline bool is_stream_type(std::string_view data_type) {
    auto const type = parley::detail::to_lower(std::string(data_type));
    return type == "longvarchar" || type == "longvarbinary";
}

/// A value as clients see it.
struct cell {
    enum class type {
        null,
        literal, ///< `text` as it is: a number, true, false
        string,
    };
    type is = type::null;
    std::string text;
};

namespace detail {

/// The bytes whose characters `text` is, or, when it is none of bytes, those of its UTF-8.
inline std::vector<std::uint8_t> bytes_of_characters(std::string_view text) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const lead = static_cast<unsigned char>(text[i]);
        if (lead < 0x80) {
            bytes.push_back(lead);
        } else if ((lead == 0xC2 || lead == 0xC3) && i + 1 < text.size()) {
            auto const low = static_cast<unsigned char>(text[++i]) & 0x3FU;
            bytes.push_back(static_cast<std::uint8_t>(((lead & 0x03U) << 6U) | low));
        } else {
            return {text.begin(), text.end()};
        }
    }
    return bytes;
}

/// The inverse: a character for each byte, in UTF-8.
inline std::string characters_of_bytes(std::string_view bytes) {
    std::string text;
    for (char c : bytes) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte >= 0x80) text += static_cast<char>(0xC0U | (byte >> 6U));
        text += static_cast<char>(byte < 0x80 ? byte : 0x80U | (byte & 0x3FU));
    }
    return text;
}

/// As a number if every client can read it back, else as a string of its digits.
inline cell integer_cell(std::string_view text) {
    constexpr std::int64_t exact = (std::int64_t{1} << 53) - 1;
    auto const number = parse_number<std::int64_t>(text);
    if (number && -exact <= *number && *number <= exact)
        return {cell::type::literal, std::to_string(*number)};
    return {cell::type::string, std::string(text)};
}

inline cell real_cell(std::string_view text) {
    auto const number = parse_number<double>(text);
    if (number && std::isfinite(*number)) return {cell::type::literal, to_text(*number)};
    return {cell::type::string, std::string(text)};
}

inline cell boolean_cell(std::string_view text) {
    if (text == "1" || text == "true") return {cell::type::literal, "true"};
    if (text == "0" || text == "false") return {cell::type::literal, "false"};
    return {cell::type::string, std::string(text)};
}

inline cell binary_cell(std::string_view text) {
    cell out{cell::type::string, {}};
    append_base64(out.text, bytes_of_characters(text));
    return out;
}

} // namespace detail

/// What clients see of a value of a column; nothing for an array or object, which no column holds.
/// An empty text in a column of numbers or bits can only be a NULL.
inline std::optional<cell> to_cell(value_kind kind, parley::detail::raw_json const& value) {
    using type = parley::detail::raw_json::type;
    if (value.is == type::array || value.is == type::object) return std::nullopt;
    bool const is_text = kind == value_kind::other || kind == value_kind::binary;
    if (value.is == type::null || (!is_text && value.text.empty())) return cell();
    switch (kind) {
    case value_kind::integer:
        return detail::integer_cell(value.text);
    case value_kind::real:
        return detail::real_cell(value.text);
    case value_kind::boolean:
        return detail::boolean_cell(value.text);
    case value_kind::binary:
        return detail::binary_cell(value.text);
    case value_kind::other: // a NUL alone is how IRIS writes an empty text
        if (value.text == std::string_view("\0", 1)) return cell{cell::type::string, {}};
        break;
    case value_kind::decimal:
        break;
    }
    return cell{cell::type::string, value.text};
}

inline void append_cell(std::string& out, cell const& c) {
    if (c.is == cell::type::null) {
        out += "null";
    } else if (c.is == cell::type::literal) {
        out += c.text;
    } else {
        parley::detail::append_json_string(out, c.text);
    }
}

/// The value of a column in a row; null when the row does not have it. IRIS may spell a name in
/// another case than its schema does.
inline parley::detail::raw_json const* find_member(parley::detail::raw_json const& row,
                                                   std::string_view name, std::size_t likely = 0) {
    if (likely < row.names.size() && row.names[likely] == name) return &row.items[likely];
    if (auto const* exact = row.find(name)) return exact;
    auto const wanted = parley::detail::to_lower(std::string(name));
    for (std::size_t i = 0; i < row.names.size(); ++i)
        if (parley::detail::to_lower(row.names[i]) == wanted) return &row.items[i];
    return nullptr;
}

/// The rows of a page as JSON text; nothing when they do not have the columns of the table.
inline std::optional<std::string> atelier_rows(std::span<column const> columns,
                                               std::span<parley::detail::raw_json const> rows) {
    std::string out = "[";
    for (auto const& row : rows) {
        out += out.size() > 1 ? ",{" : "{";
        for (std::size_t i = 0; i < columns.size(); ++i) {
            auto const* value = find_member(row, columns[i].name, i);
            auto const shown = value ? to_cell(columns[i].kind, *value) : std::nullopt;
            if (!shown) return std::nullopt;
            if (i > 0) out += ',';
            parley::detail::append_json_string(out, columns[i].name);
            out += ':';
            append_cell(out, *shown);
        }
        out += '}';
    }
    return out += ']';
}

/// A bound value as JSON. Bits are 1 and 0, and whole numbers that a double cannot hold are
/// strings, which IRIS converts.
inline void append_parameter(std::string& out, parameter const& value) {
    if (std::holds_alternative<std::nullptr_t>(value)) {
        out += "null";
    } else if (auto const* truth = std::get_if<bool>(&value)) {
        out += *truth ? '1' : '0';
    } else if (auto const* number = std::get_if<std::int64_t>(&value)) {
        append_cell(out, detail::integer_cell(std::to_string(*number)));
    } else if (auto const* real = std::get_if<double>(&value)) {
        append_cell(out, detail::real_cell(detail::to_text(*real)));
    } else if (auto const* bytes = std::get_if<byte_string>(&value)) {
        parley::detail::append_json_string(out, detail::characters_of_bytes(bytes->bytes));
    } else {
        parley::detail::append_json_string(out, std::get<std::string>(value));
    }
}

/// `{"query":…,"parameters":[…]}`
inline std::string atelier_query(std::string_view text, std::span<parameter const> parameters) {
    std::string out = "{\"query\":";
    parley::detail::append_json_string(out, text);
    out += ",\"parameters\":[";
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (i > 0) out += ',';
        append_parameter(out, parameters[i]);
    }
    return out += "]}";
}

/// Whether a client means by `given` what a cell of a column of this kind holds.
inline bool holds(value_kind kind, cell const& stored, boost::json::value const& given) {
    bool const is_null = stored.is == cell::type::null;
    return is_same_value(kind, is_null ? std::nullopt : std::optional(stored.text), given);
}

namespace detail {

/// Whether one may be the other, rounded to the digits that the column keeps, or that the database
/// shows of a double.
inline bool may_be_rounded(column const& c, std::string_view stored, std::string_view given) {
    auto const x = parse_real(stored);
    auto const y = parse_real(given);
    if (!x || !y || (c.kind == value_kind::decimal && !c.scale)) return false;
    auto const unit =
        c.kind == value_kind::decimal ? std::pow(10.0, -static_cast<double>(*c.scale)) : 0.0;
    return std::abs(*x - *y) <= unit / 2 + std::abs(*y) * 1e-14;
}

/// Without the blanks at its end.
inline std::string_view trimmed(std::string_view text) {
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

} // namespace detail

/// Whether the database may keep `given` as what is `stored` now: a number rounded, text with fewer
/// or more blanks at its end, an empty text as NULL. Of dates and times, whose spelling is not
/// known, anything but the old value may be.
inline bool may_be_form_of(column const& c, cell const& stored, boost::json::value const& given,
                           cell const& old) {
    if (holds(c.kind, stored, given)) return true;
    auto const text = scalar_text(given).value_or("");
    if (c.kind == value_kind::decimal || c.kind == value_kind::real)
        return detail::may_be_rounded(c, stored.text, text);
    if (c.kind != value_kind::other) return false;
    auto const type = parley::detail::to_lower(c.dataType);
    bool const is_time = type.find("date") != type.npos || type.find("time") != type.npos;
    if (is_time) return stored.is != old.is || stored.text != old.text;
    return detail::trimmed(stored.text) == detail::trimmed(text);
}

} // namespace parley::tables
