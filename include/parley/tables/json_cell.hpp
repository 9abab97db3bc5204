// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the pages of every database have in common (table editor specification, §2). Pure.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/tables/schema.hpp>

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace parley::tables {

/// A whole number: as a string when not every program could read it back.
inline void append_json_integer(std::string& out, std::int64_t number) {
    constexpr std::int64_t largest = (std::int64_t{1} << 53) - 1;
    bool const exact = -largest <= number && number <= largest;
    char digits[24];
    auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    if (!exact) out += '"';
    out.append(digits, end);
    if (!exact) out += '"';
}

/// Text that needs no escapes: digits, base64.
inline void append_plain_json_string(std::string& out, std::string_view text) {
    (out += '"').append(text) += '"';
}

/// The rows of a page in the making, as JSON text.
class json_rows {
  public:
    explicit json_rows(std::vector<column> const& columns) {
        text_.reserve(16 * 1024); // of a usual page
        members_.reserve(columns.size());
        for (auto const& c : columns) {
            auto& member = members_.emplace_back(members_.empty() ? "{" : ",");
            parley::detail::append_json_string(member, c.name);
            member += ':';
        }
    }

    void begin_row() { text_ += text_.size() == 1 ? "" : ","; }
    /// \return where to append the value of the i-th column.
    std::string& member(std::size_t i) { return text_ += members_[i]; }
    void end_row() { text_ += '}'; }

    [[nodiscard]] std::size_t size() const { return text_.size(); }

    /// All of the text.
    std::string take() { return std::move(text_ += ']'); }

  private:
    std::vector<std::string> members_;
    std::string text_ = "[";
};

} // namespace parley::tables
