// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the Atelier API answers (table editor specification, §3): JSON from a server that is not
/// trusted. Pure functions.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/detail/http_request_text.hpp>
#include <parley/detail/nearest_name.hpp>
#include <parley/detail/raw_json.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/schema.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace parley::tables {

namespace detail {

/// The number that `text` begins with, after blanks and punctuation, if any.
inline std::optional<int> leading_number(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" :=<\t"), text.size()));
    int number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    return number;
}

/// The SQLCODE of one of `status.errors`: it is in the text (`ERROR #5540: SQLCODE: -30 Message:
/// …`), or the first of the parameters.
inline std::optional<int> sqlcode_of(parley::detail::raw_json const& error) {
    if (auto const* text = error.find("error")) {
        constexpr std::string_view word = "SQLCODE";
        auto const at = text->text.find(word);
        if (at != std::string::npos) {
            auto const code = leading_number(std::string_view(text->text).substr(at + word.size()));
            if (code) return code;
        }
    }
    auto const* parameters = error.find("params");
    if (parameters && parameters->is_array() && !parameters->items.empty()) {
        auto const code = leading_number(parameters->items.front().text);
        if (code && *code < 0) return code;
    }
    return std::nullopt;
}

/// Where `name` stands as a whole word in `text`, behind a point if there is such a place, as in
/// `'SQLUser.People.Name'`.
inline bool has_word(std::string_view text, std::string_view name, bool after_point) {
    auto const is_inside = [](char c) {
        return parley::detail::is_alphanumeric(c) || c == '_' || c == '%';
    };
    for (auto at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
        auto const behind = text.substr(at + name.size());
        bool const begins = at == 0 || !is_inside(text[at - 1]);
        bool const ends = behind.empty() || !is_inside(behind.front());
        bool const fits = !after_point || (at > 0 && text[at - 1] == '.');
        if (!name.empty() && begins && ends && fits) return true;
    }
    return false;
}

/// Which column an error's text is about; empty when it does not say. Nothing else of the text is
/// told to anybody.
inline std::string column_in(std::string_view text, std::span<column const> columns) {
    for (bool const after_point : {true, false})
        for (auto const& c : columns)
            if (has_word(text, c.name, after_point)) return c.name;
    return {};
}

/// What an SQLCODE means to the user (InterSystems SQL Error Reference). \param column it is about,
/// or empty.
inline failure failure_of_sqlcode(int code, std::string_view column = {}) {
    using enum failure_code;
    auto const about = [&](failure_code what, std::string const& text) {
        bool const names_column = what == constraint_violated && !column.empty();
        return failure{what, (names_column ? "Column " + quote_for_report(column) + ": " : "") +
                                 text + " (SQLCODE " + std::to_string(code) + ')'};
    };
    switch (code) {
    case -30:
        return about(not_found, "There is no such table in this namespace");
    case -106:
    case -109:
        return about(not_found, "There is no such row");
    case -99:
    case -112:
        return about(permission_denied, "These credentials do not give the right to do this");
    case -115:
        return about(permission_denied, "The table can be read only");
    case -104:
    case -105:
        return about(constraint_violated, "A value does not fit its column");
    case -107:
    case -111:
    case -138:
        return about(constraint_violated, "A column can be set by the database only");
    case -108:
        return about(constraint_violated, "A column that needs a value has none");
    case -119:
    case -120:
        return about(constraint_violated, "A value that must be unique is there already");
    case -121:
    case -122:
        return about(constraint_violated, "A value refers to a row that is not there");
    case -123:
    case -124:
        return about(constraint_violated, "Other rows refer to this one");
    case -130:
    case -131:
    case -132:
    case -133:
    case -134:
    case -135:
        return about(constraint_violated, "A trigger of the table does not allow it");
    case -146:
    case -147:
        return about(constraint_violated, "A value is no date or time as the column needs it");
    case -110:
    case -114:
        return about(database_error, "Somebody else has locked the row; try again");
    default:
        return about(database_error, "The database reports an error");
    }
}

} // namespace detail

/// A JSON answer without errors.
struct atelier_answer {
    parley::detail::raw_json content; ///< `result.content`; null when there is none
};

inline constexpr std::string_view not_understood =
    "The database's answer is not one of the Atelier API";

namespace detail {

/// `status.errors`; null when this is not an answer of the API.
inline parley::detail::raw_json const* errors_of(parley::detail::raw_json const& root) {
    auto const* status = root.find("status");
    auto const* errors = status ? status->find("errors") : nullptr;
    return errors && errors->is_array() ? errors : nullptr;
}

} // namespace detail

/// Whether the API says that it did not do what it was asked.
inline bool has_errors(std::string_view body) {
    auto const root = parley::detail::parse_raw_json(body);
    auto const* errors = root ? detail::errors_of(*root) : nullptr;
    return errors && !errors->items.empty();
}

/// The content of an answer, or its first error; `database_error`, with `not_understood`, when it
/// is not of the form that was agreed.
/// \param columns of the table that was asked for, to say which one an error is about.
inline outcome<atelier_answer> parse_atelier_answer(std::string_view body,
                                                    std::span<column const> columns = {}) {
    failure const unclear{failure_code::database_error, std::string(not_understood)};
    auto const root = parley::detail::parse_raw_json(body);
    auto const* errors = root ? detail::errors_of(*root) : nullptr;
    if (!errors) return unclear;
    if (!errors->items.empty()) {
        auto const& error = errors->items.front();
        auto const* text = error.find("error");
        auto const code = detail::sqlcode_of(error);
        if (code)
            return detail::failure_of_sqlcode(*code, text ? detail::column_in(text->text, columns)
                                                          : std::string());
        return failure{failure_code::database_error, "The database reports an error"};
    }
    auto const* found = root->find("result");
    auto const* content = found ? found->find("content") : nullptr;
    return atelier_answer{content ? *content : parley::detail::raw_json()};
}

/// Whether a `Content-Type` is that of JSON.
inline bool is_json_type(std::string_view content_type) {
    auto const type = content_type.substr(0, content_type.find_first_of("; \t"));
    return parley::detail::to_lower(std::string(type)) == "application/json";
}

/// The rows of a query; nothing when the content is not an array of objects.
inline std::optional<std::vector<parley::detail::raw_json>> take_rows(atelier_answer answer) {
    auto& content = answer.content;
    if (content.is == parley::detail::raw_json::type::null)
        return std::vector<parley::detail::raw_json>();
    if (!content.is_array() ||
        !std::ranges::all_of(content.items, &parley::detail::raw_json::is_object))
        return std::nullopt;
    return std::move(content.items);
}

} // namespace parley::tables
