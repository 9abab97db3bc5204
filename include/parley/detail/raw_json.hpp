// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// JSON whose numbers keep the digits that they were sent with.

#include <parley/detail/ecmascript_json.hpp>
#include <parley/error.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::detail {

/// A JSON value.
struct raw_json {
    enum class type { null, boolean, number, string, array, object };

    type is = type::null;
    std::string text;               ///< of a string; else as it was written
    std::vector<raw_json> items;    ///< of an array, and the values of an object
    std::vector<std::string> names; ///< of an object, as many

    /// The member of this name of an object; null when there is none, or this is no object.
    [[nodiscard]] raw_json const* find(std::string_view name) const {
        auto const at = std::ranges::find(names, name);
        return at == names.end() ? nullptr : &items[static_cast<std::size_t>(at - names.begin())];
    }

    [[nodiscard]] bool is_array() const { return is == type::array; }
    [[nodiscard]] bool is_object() const { return is == type::object; }
};

/// What bounds a text beyond its size: a value costs up to some hundred bytes of memory.
struct raw_json_limits {
    std::size_t max_depth = 32;
    std::size_t max_values = 500'000;
};

/// Builds a value from the events of `boost::json::basic_parser`, which fixes the names.
class raw_json_handler {
    using string_view = boost::json::string_view;
    using error_code = boost::json::error_code;
    using type = raw_json::type;

  public:
    static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

    explicit raw_json_handler(std::size_t max_values) : max_values_(max_values) {}

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }
    bool on_object_begin(error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }

    bool on_object_end(std::size_t count, error_code& ec) {
        raw_json object;
        object.is = type::object;
        object.items = take_last(values_, count);
        object.names = take_last(names_, count);
        std::set<std::string_view> const distinct(object.names.begin(), object.names.end());
        if (distinct.size() < count) {
            repeats_name_ = true;
            ec = make_error_code(boost::system::errc::invalid_argument);
            return false;
        }
        return push(std::move(object), ec);
    }

    bool on_array_end(std::size_t count, error_code& ec) {
        raw_json array;
        array.is = type::array;
        array.items = take_last(values_, count);
        return push(std::move(array), ec);
    }

    bool on_key_part(string_view part, std::size_t, error_code&) { return gather(part); }
    bool on_key(string_view part, std::size_t, error_code&) {
        gather(part);
        names_.push_back(std::exchange(text_, {}));
        return true;
    }

    bool on_string_part(string_view part, std::size_t, error_code&) { return gather(part); }
    bool on_string(string_view part, std::size_t, error_code& ec) {
        return push_text(type::string, part, ec);
    }

    bool on_number_part(string_view part, error_code&) { return gather(part); }
    bool on_int64(std::int64_t, string_view part, error_code& ec) {
        return push_text(type::number, part, ec);
    }
    bool on_uint64(std::uint64_t, string_view part, error_code& ec) {
        return push_text(type::number, part, ec);
    }
    bool on_double(double, string_view part, error_code& ec) {
        return push_text(type::number, part, ec);
    }

    bool on_bool(bool value, error_code& ec) {
        return push_text(type::boolean, value ? "true" : "false", ec);
    }
    bool on_null(error_code& ec) { return push(raw_json(), ec); }

    [[nodiscard]] raw_json take() { return std::move(values_.back()); }
    [[nodiscard]] bool repeats_name() const { return repeats_name_; }
    [[nodiscard]] bool has_too_many() const { return count_ > max_values_; }

  private:
    template <class T>
    static std::vector<T> take_last(std::vector<T>& all, std::size_t count) {
        auto const first = all.end() - static_cast<std::ptrdiff_t>(count);
        std::vector<T> last(std::make_move_iterator(first), std::make_move_iterator(all.end()));
        all.erase(first, all.end());
        return last;
    }

    bool gather(string_view part) {
        text_ += as_std(part);
        return true;
    }

    bool push_text(type is, string_view part, error_code& ec) {
        gather(part);
        raw_json scalar;
        scalar.is = is;
        scalar.text = std::exchange(text_, {});
        return push(std::move(scalar), ec);
    }

    bool push(raw_json value, error_code& ec) {
        if (++count_ > max_values_) {
            ec = make_error_code(boost::system::errc::value_too_large);
            return false;
        }
        values_.push_back(std::move(value));
        return true;
    }

    std::size_t const max_values_;
    std::size_t count_ = 0;
    std::vector<raw_json> values_;   // of every unfinished object and array, outermost first
    std::vector<std::string> names_; // likewise, of objects
    std::string text_;               // of the unfinished name, string or number
    bool repeats_name_ = false;
};

/// Parses `text`, strictly: no object has a name twice, well-formed UTF-8 without lone surrogates,
/// and no more than the limits allow.
inline result<raw_json, problem> parse_raw_json(std::string_view text,
                                                raw_json_limits const& limits = {}) {
    boost::json::parse_options options;
    options.max_depth = limits.max_depth;
    boost::json::basic_parser<raw_json_handler> parser(options, limits.max_values);
    boost::json::error_code ec;
    std::size_t const used = parser.write_some(false, text.data(), text.size(), ec);
    if (!ec && used < text.size()) ec = boost::json::error::extra_data;
    if (!ec) return parser.handler().take();
    return problem{"", "JSON without repeated members",
                   parser.handler().repeats_name() ? "a member twice"
                   : parser.handler().has_too_many()
                       ? "more than " + std::to_string(limits.max_values) + " values"
                       : ec.message()};
}

} // namespace parley::detail
