// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "output.hpp"

#include <parley/detail/ecmascript_json.hpp>
#include <parley/encoding.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <utility>

#include <locale.h>
#include <wchar.h>

namespace shared {

namespace {

/// A character, and how many bytes of UTF-8 it is; one that is 0 bytes long is no UTF-8.
struct character {
    char32_t code;
    std::size_t size;
};

/// What `text`, which is not empty, begins with.
character first_of(std::string_view text) {
    auto const size = parley::detail::utf8_sequence_length(text);
    auto const first = static_cast<unsigned char>(text.front());
    if (size <= 1) return {first, size};
    char32_t code = first & (0xFFU >> (size + 1));
    for (char const c : text.substr(1, size - 1))
        code = (code << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
    return {code, size};
}

/// Does it steer the terminal, turn the direction of writing, or is it not seen?
bool is_deceptive(char32_t c) {
    constexpr std::pair<char32_t, char32_t> ranges[] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x61C, 0x61C},   {0x200B, 0x200F},
        {0x2028, 0x202E}, {0x2060, 0x2069}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}};
    return std::ranges::any_of(ranges,
                               [c](auto const& r) { return r.first <= c && c <= r.second; });
}

/// How many columns a terminal shows the text in.
std::size_t width_of(std::string_view text) {
    static auto const utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    auto const before = ::uselocale(utf8); // what wcwidth goes by
    std::size_t width = 0;
    while (!text.empty()) {
        auto const [code, size] = first_of(text);
        auto const columns = utf8 ? ::wcwidth(static_cast<wchar_t>(code)) : 1;
        width += static_cast<std::size_t>(std::max(columns, 0));
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    ::uselocale(before);
    return width;
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
    while (!text.empty()) {
        auto const [code, size] = first_of(text);
        auto const bytes = text.substr(0, std::max<std::size_t>(size, 1));
        text.remove_prefix(bytes.size());
        if (size != 0 && !is_deceptive(code)) {
            out += bytes;
            continue;
        }
        auto const high = static_cast<std::uint8_t>(code >> 8U);
        auto const low = static_cast<std::uint8_t>(code);
        out += high == 0 ? "\\x" : "\\u" + parley::to_hex(std::array{high});
        out += parley::to_hex(std::array{low});
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

} // namespace shared
