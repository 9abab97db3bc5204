// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Boost.JSON values as text, spelt as ECMAScript's `JSON.stringify` spells them, so that both
/// sides of a hash agree on every byte.

#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::detail {

/// In which order the members of objects are written.
enum class member_order {
    as_stored,
    canonical, ///< by the UTF-16 code units of their names, at every level (RFC 8785 §3.2.3)
};

inline std::string_view as_std(boost::json::string_view text) {
    return {text.data(), text.size()};
}

/// The length of the well-formed UTF-8 sequence that `text` begins with (Unicode, table 3-7), or 0
/// when there is none.
inline std::size_t utf8_sequence_length(std::string_view text) {
    auto const within = [&](std::size_t i, unsigned low, unsigned high) {
        return i < text.size() && static_cast<unsigned char>(text[i]) >= low &&
               static_cast<unsigned char>(text[i]) <= high;
    };
    auto const continues = [&](std::size_t i) { return within(i, 0x80, 0xBF); };

    if (within(0, 0x00, 0x7F)) return 1;
    if (within(0, 0xC2, 0xDF)) return continues(1) ? 2 : 0;
    if (within(0, 0xE0, 0xEF)) {
        bool const second =
            within(1, text[0] == '\xE0' ? 0xA0 : 0x80, text[0] == '\xED' ? 0x9F : 0xBF);
        return second && continues(2) ? 3 : 0;
    }
    if (within(0, 0xF0, 0xF4)) {
        bool const second =
            within(1, text[0] == '\xF0' ? 0x90 : 0x80, text[0] == '\xF4' ? 0x8F : 0xBF);
        return second && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

/// `text` with U+FFFD for each byte that is not part of well-formed UTF-8, as decoders put it.
inline std::string to_well_formed(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::size_t const length = utf8_sequence_length(text);
        if (length == 0)
            out += "\xEF\xBF\xBD";
        else
            out += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

inline void append_escape(std::string& out, char c) {
    constexpr std::string_view named = "\"\\\b\t\n\f\r", names = "\"\\btnfr",
                               digits = "0123456789abcdef";
    out += '\\';
    if (auto const i = named.find(c); i != named.npos) {
        out += names[i];
    } else {
        out += "u00";
        out += digits[static_cast<unsigned char>(c) >> 4U];
        out += digits[static_cast<unsigned char>(c) & 0xFU];
    }
}

/// Which bytes stand for themselves in a JSON string, whatever is beside them.
inline constexpr auto plain_in_json = [] {
    std::array<bool, 256> is_plain{};
    for (std::size_t c = 0x20; c <= 0x7E; ++c)
        is_plain[c] = c != '"' && c != '\\';
    return is_plain;
}();

/// Appends `text` as a JSON string, made well-formed as by `to_well_formed`.
inline void append_json_string(std::string& out, std::string_view text) {
    auto const is_plain = [](char c) { return plain_in_json[static_cast<unsigned char>(c)]; };
    out += '"';
    while (!text.empty()) {
        auto const plain = static_cast<std::size_t>(
            std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        std::size_t const length = utf8_sequence_length(text);
        if (length == 0)
            out += "\xEF\xBF\xBD";
        else if (length > 1 || text.front() == '\x7F')
            out.append(text.substr(0, length));
        else
            append_escape(out, text.front());
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    out += '"';
}

/// `text`, which may come from anywhere, quoted so that it does no harm in a report; cut when long.
inline std::string quote_for_report(std::string_view text) {
    constexpr std::size_t longest = 40;
    std::string out;
    append_json_string(out, text.substr(0, longest));
    if (text.size() > longest) out += "...";
    return out;
}

/// `Number.prototype.toString`: the fewest digits that read back as `value`; plain up to 21 digits
/// before the point and 6 zeros after it, else with an exponent. Infinities and NaN, which JSON has
/// not, are `null`; so does `JSON.stringify`.
inline void append_json_number(std::string& out, double value) {
    if (!std::isfinite(value)) out += "null";
    if (value == 0) out += '0'; // -0 too
    if (!std::isfinite(value) || value == 0) return;
    if (value < 0) out += '-';

    char buffer[32]; // 0.00000ddddddddddddddddd or d.ddddddddddddddddde-ddd
    // Here the fewest digits are those of the plain form; further up it has all digits.
    if (1e-6 <= std::abs(value) && std::abs(value) < 0x1p53) {
        auto const fixed = std::to_chars(buffer, buffer + sizeof buffer, std::abs(value),
                                         std::chars_format::fixed);
        out.append(buffer, fixed.ptr);
        return;
    }
    auto const end = std::to_chars(buffer, buffer + sizeof buffer, std::abs(value),
                                   std::chars_format::scientific)
                         .ptr;
    char* const e = std::find(buffer, end, 'e');
    int exponent = 0;
    std::from_chars(e[1] == '+' ? e + 2 : e + 1, end, exponent);
    std::string digits(buffer, e);
    if (digits.size() > 1) digits.erase(1, 1);

    int const count = static_cast<int>(digits.size());
    int const point = exponent + 1; // where in the digits the decimal point is
    if (count <= point && point <= 21) {
        out += digits.append(static_cast<std::size_t>(point - count), '0');
    } else if (0 < point && point <= 21) {
        out += digits.insert(static_cast<std::size_t>(point), 1, '.');
    } else if (-6 < point && point <= 0) {
        out += "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
    } else {
        if (count > 1) digits.insert(1, 1, '.');
        out += digits + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
    }
}

/// Is `a` before `b` when both are compared as UTF-16? Both are well-formed UTF-8, whose byte order
/// is the same but for the characters beyond U+FFFF (lead bytes F0 to F4): their surrogates come
/// before U+E000 to U+FFFF (lead bytes EE and EF).
inline bool utf16_less(std::string_view a, std::string_view b) {
    auto const rank = [](char c) {
        unsigned const byte = static_cast<unsigned char>(c);
        return byte == 0xEE || byte == 0xEF ? byte + 0x10 : byte;
    };
    return std::ranges::lexicographical_compare(a, b, {}, rank, rank);
}

void append_json(std::string& out, boost::json::value const& value, member_order order);

inline void append_json(std::string& out, boost::json::array const& array, member_order order) {
    char separator = '[';
    for (auto const& item : array) {
        out += separator;
        append_json(out, item, order);
        separator = ',';
    }
    out += array.empty() ? "[]" : "]";
}

inline void append_json(std::string& out, boost::json::object const& object, member_order order) {
    std::vector<std::pair<std::string, boost::json::value const*>> members;
    members.reserve(object.size());
    for (auto const& member : object) {
        members.emplace_back(to_well_formed(as_std(member.key())), &member.value());
    }
    if (order == member_order::canonical) {
        std::ranges::stable_sort(members, utf16_less, &decltype(members)::value_type::first);
    }
    char separator = '{';
    for (auto const& [name, value] : members) {
        out += separator;
        append_json_string(out, name);
        out += ':';
        append_json(out, *value, order);
        separator = ',';
    }
    out += members.empty() ? "{}" : "}";
}

/// Appends `value` to `out` without white space. Recurses as deep as `value` is nested.
inline void append_json(std::string& out, boost::json::value const& value, member_order order) {
    switch (value.kind()) {
    case boost::json::kind::null:
        out += "null";
        return;
    case boost::json::kind::bool_:
        out += value.get_bool() ? "true" : "false";
        return;
    // ECMAScript knows no integers; as a double, each is as exact as it is there
    case boost::json::kind::int64:
        return append_json_number(out, static_cast<double>(value.get_int64()));
    case boost::json::kind::uint64:
        return append_json_number(out, static_cast<double>(value.get_uint64()));
    case boost::json::kind::double_:
        return append_json_number(out, value.get_double());
    case boost::json::kind::string:
        return append_json_string(out, as_std(value.get_string()));
    case boost::json::kind::array:
        return append_json(out, value.get_array(), order);
    case boost::json::kind::object:
        return append_json(out, value.get_object(), order);
    }
}

} // namespace parley::detail
