// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "output.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <iostream>

namespace consent_broker {

namespace {

/// How many terminal columns the text takes, near enough: one for each character of UTF-8.
std::size_t width_of(std::string_view text) {
    auto const begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
    return static_cast<std::size_t>(std::ranges::count_if(text, begins));
}

void print_row(std::vector<std::string> const& row, std::vector<std::size_t> const& widths) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
        line += row[i];
        if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    std::cout << line << '\n';
}

void append_pretty(std::string& out, boost::json::value const& value, std::string const& indent) {
    std::string const deeper = indent + "  ";
    std::string_view separator;
    if (auto const* object = value.if_object(); object && !object->empty()) {
        out += '{';
        for (auto const& member : *object) {
            out.append(separator).append(deeper);
            out.append(boost::json::serialize(member.key())).append(": ");
            append_pretty(out, member.value(), deeper);
            separator = ",";
        }
        out.append(indent).append(1, '}');
    } else if (auto const* array = value.if_array(); array && !array->empty()) {
        out += '[';
        for (auto const& element : *array) {
            out.append(separator).append(deeper);
            append_pretty(out, element, deeper);
            separator = ",";
        }
        out.append(indent).append(1, ']');
    } else {
        out += boost::json::serialize(value);
    }
}

} // namespace

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const byte = static_cast<unsigned char>(text[i]);
        // U+0080 to U+009F, which some terminals obey, are the bytes C2 80 to C2 9F.
        bool const c1 = byte >= 0x80 && byte <= 0x9F && i > 0 && text[i - 1] == '\xC2';
        if (byte >= 0x20 && byte != 0x7F && !c1) {
            out += text[i];
            continue;
        }
        if (c1) out.pop_back();
        std::array<char, 8> escaped{};
        std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned>(byte));
        out += escaped.data();
    }
    return out;
}

void print_table(std::vector<std::string> const& header,
                 std::vector<std::vector<std::string>> const& rows, std::string_view if_empty) {
    if (rows.empty()) {
        std::cout << if_empty << '\n';
        return;
    }
    std::vector<std::vector<std::string>> lines{header};
    for (auto const& row : rows) {
        std::ranges::transform(row, std::back_inserter(lines.emplace_back()), printable);
    }
    std::vector<std::size_t> widths(header.size());
    for (auto const& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(line[i]));
        }
    }
    for (auto const& line : lines)
        print_row(line, widths);
}

void print_json(boost::json::value const& value) {
    std::cout << boost::json::serialize(value) << '\n';
}

std::string pretty_json(boost::json::value const& value) {
    std::string out;
    append_pretty(out, value, "\n");
    return out + '\n';
}

} // namespace consent_broker
