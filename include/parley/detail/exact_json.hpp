// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A JSON parser for texts that are hashed. Boost.JSON's own rounds some numbers to a neighbour of
/// the nearest double, and keeps the last of two members with one name without a word.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/error.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value.hpp>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::detail {

/// Builds a value from the events of `boost::json::basic_parser`, which fixes the names.
class exact_json_handler {
    using string_view = boost::json::string_view;
    using error_code = boost::json::error_code;

  public:
    static constexpr std::size_t max_object_size = boost::json::object::max_size();
    static constexpr std::size_t max_array_size = boost::json::array::max_size();
    static constexpr std::size_t max_key_size = boost::json::string::max_size();
    static constexpr std::size_t max_string_size = boost::json::string::max_size();

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }
    bool on_object_begin(error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }

    bool on_object_end(std::size_t count, error_code& ec) {
        auto const first_name = names_.end() - static_cast<std::ptrdiff_t>(count);
        auto const first_value = values_.end() - static_cast<std::ptrdiff_t>(count);
        boost::json::object object;
        object.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            auto const at = static_cast<std::ptrdiff_t>(i);
            if (!object.emplace(first_name[at], std::move(first_value[at])).second) {
                repeated_name_ = first_name[at];
                ec = make_error_code(boost::system::errc::invalid_argument);
                return false;
            }
        }
        names_.erase(first_name, names_.end());
        values_.erase(first_value, values_.end());
        return push(std::move(object));
    }

    bool on_array_end(std::size_t count, error_code&) {
        auto const first = values_.end() - static_cast<std::ptrdiff_t>(count);
        boost::json::array array(std::make_move_iterator(first),
                                 std::make_move_iterator(values_.end()));
        values_.erase(first, values_.end());
        return push(std::move(array));
    }

    bool on_key_part(string_view part, std::size_t, error_code&) { return gather(part); }
    bool on_key(string_view part, std::size_t, error_code&) {
        gather(part);
        names_.push_back(std::exchange(text_, {}));
        return true;
    }

    bool on_string_part(string_view part, std::size_t, error_code&) { return gather(part); }
    bool on_string(string_view part, std::size_t, error_code&) {
        gather(part);
        return push(boost::json::string(std::exchange(text_, {})));
    }

    bool on_number_part(string_view part, error_code&) { return gather(part); }
    bool on_int64(std::int64_t number, string_view, error_code&) { return push_number(number); }
    bool on_uint64(std::uint64_t number, string_view, error_code&) { return push_number(number); }
    bool on_double(double nearly, string_view part, error_code& ec) {
        gather(part);
        double exact = 0;
        if (std::from_chars(text_.data(), text_.data() + text_.size(), exact).ec != std::errc()) {
            // out of the range of doubles: towards zero is zero, the other way is no number
            if (std::abs(nearly) > 1) ec = boost::json::error::exponent_overflow;
            exact = 0;
        }
        return !ec && push_number(exact);
    }

    bool on_bool(bool value, error_code&) { return push(value); }
    bool on_null(error_code&) { return push(nullptr); }

    [[nodiscard]] boost::json::value take() { return std::move(values_.back()); }

    /// The name that some object has twice, when that was the error.
    [[nodiscard]] std::string const& repeated_name() const { return repeated_name_; }

  private:
    bool gather(string_view part) {
        text_ += as_std(part);
        return true;
    }

    template <class Number>
    bool push_number(Number number) {
        text_.clear();
        return push(number);
    }

    bool push(boost::json::value value) {
        values_.push_back(std::move(value));
        return true;
    }

    std::vector<boost::json::value>
        values_;                     // of every unfinished object and array, outermost first
    std::vector<std::string> names_; // likewise, of objects
    std::string text_;               // of the unfinished name, string or number
    std::string repeated_name_;
};

/// Parses `text`, strictly: every number is the nearest double as in ECMAScript, no object has a
/// name twice, well-formed UTF-8 without lone surrogates, at most `max_depth` levels.
inline result<boost::json::value, problem> parse_exact_json(std::string_view text,
                                                            std::size_t max_depth) {
    boost::json::parse_options options;
    options.max_depth = max_depth;
    boost::json::basic_parser<exact_json_handler> parser(options);
    boost::json::error_code ec;
    std::size_t const used = parser.write_some(false, text.data(), text.size(), ec);
    if (!ec && used < text.size()) ec = boost::json::error::extra_data;
    if (!ec) return parser.handler().take();

    auto const& name = parser.handler().repeated_name();
    bool const repeated = ec == boost::system::errc::invalid_argument;
    return problem{"", "JSON without repeated members",
                   repeated ? "the member " + quote_for_report(name) + " twice" : ec.message()};
}

} // namespace parley::detail
