// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// JSON to and from structs described once with `BOOST_HANA_DEFINE_STRUCT` (or
/// `BOOST_HANA_ADAPT_STRUCT`, for a struct whose members have initialisers).
///
///     struct greeting {
///         BOOST_HANA_DEFINE_STRUCT(greeting, (std::string, name), (std::optional<int>, age));
///     };
///     auto g = parley::json::decode<greeting>(R"({"name":"Ada"})"); // result<greeting, problem>
///
/// A member is a `std::string`, `bool`, integer, `double`, `std::chrono::milliseconds`, another
/// such struct, a `std::optional` or `std::vector` of these, an opaque `boost::json::value` or
/// `boost::json::object`, or any type with a `codec` of its own. Members of the JSON object that
/// the struct does not have are ignored. An underscore at the end of a member's name is not part of
/// its name in JSON, so that a keyword can be one: `namespace_`.

#include <parley/error.hpp>
#include <parley/secret.hpp>

#include <boost/hana/accessors.hpp>
#include <boost/hana/adapt_struct.hpp>
#include <boost/hana/concept/struct.hpp>
#include <boost/hana/define_struct.hpp>
#include <boost/hana/first.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/unpack.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace parley::json {

/// How deep arrays and objects may be nested in a text.
inline constexpr std::size_t max_depth = 32;

/// Memory that is overwritten when it is given back.
class wiping_resource final : public boost::json::memory_resource {
    void* do_allocate(std::size_t size, std::size_t alignment) override {
        return upstream_->allocate(size, alignment);
    }
    void do_deallocate(void* block, std::size_t size, std::size_t alignment) override {
        wipe(block, size);
        upstream_->deallocate(block, size, alignment);
    }
    bool do_is_equal(boost::json::memory_resource const& other) const noexcept override {
        return this == &other;
    }

    boost::json::storage_ptr upstream_;
};

/// How a `T` is read from and written to JSON. Specialise it for a type of your own:
///
///     static result<T, problem> decode(boost::json::value const&);
///     static boost::json::value encode(T const&);
///     static bool omitted(T const&);   // optional: true when a struct leaves the member out
///
/// The `path` of a problem is relative to the value, so it is usually empty. A member that is
/// missing is decoded as null; what `decode` then expects is reported, with `nothing` found.
template <class T>
struct codec;

/// A struct that Boost.Hana knows the members of.
template <class T>
concept reflected = boost::hana::Struct<T>::value;

/// What was found, for a person: `the string "abc"` (cut at some 40 bytes), `12`, `true`, `null`,
/// `an array`, `an object`.
inline std::string describe(boost::json::value const& v) {
    constexpr std::size_t shown = 40;
    switch (v.kind()) {
    case boost::json::kind::array:
        return "an array";
    case boost::json::kind::object:
        return "an object";
    case boost::json::kind::double_: { // the serializer would write 1.5E0
        std::array<char, 32> digits{};
        auto const end =
            std::to_chars(digits.data(), digits.data() + digits.size(), v.get_double()).ptr;
        return {digits.data(), end};
    }
    case boost::json::kind::string: {
        auto const& text = v.get_string();
        auto size = std::min(shown, text.size());
        auto const inside = [&] { return (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80; };
        while (size > 0 && size < text.size() && inside())
            --size; // whole UTF-8 characters
        boost::json::value const cut(boost::json::string_view(text.data(), size));
        return "the string " + boost::json::serialize(cut) + (size < text.size() ? "..." : "");
    }
    default:
        return boost::json::serialize(v);
    }
}

namespace detail {

inline boost::json::parse_options options_to_parse() {
    boost::json::parse_options options;
    options.max_depth = max_depth;
    return options;
}

inline result<boost::json::value, problem> parse_with(boost::json::parser& parser,
                                                      std::string_view text) {
    boost::json::error_code ec;
    auto const consumed = text.substr(0, parser.write(text.data(), text.size(), ec));
    if (!ec) return parser.release();

    auto const last_line = consumed.substr(consumed.rfind('\n') + 1); // npos + 1 is 0
    auto const line = 1 + std::count(consumed.begin(), consumed.end(), '\n');
    auto const column = 1 + std::count_if(last_line.begin(), last_line.end(), [](char c) {
                            return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
                        });
    return problem{{},
                   "JSON",
                   ec.message() + " at line " + std::to_string(line) + ", column " +
                       std::to_string(column)};
}

} // namespace detail

/// Parses one JSON text: UTF-8 without a byte order mark, nested at most `max_depth` deep; of
/// duplicate members the last counts. Never throws, save `std::bad_alloc`.
inline result<boost::json::value, problem> parse(std::string_view text,
                                                 boost::json::storage_ptr storage = {}) {
    unsigned char scratch[2048]; // spares the parser its first allocations
    boost::json::parser parser({}, detail::options_to_parse(), scratch, sizeof scratch);
    parser.reset(std::move(storage));
    return detail::parse_with(parser, text);
}

/// Decodes a value. The problem says where, as in `items[3].name`, what was expected and what was
/// found; it is the first one in the order of the struct's members.
template <class T>
result<T, problem> decode(boost::json::value const& v) {
    return codec<T>::decode(v);
}

/// Parses a text of any bytes and decodes it. Nothing is kept of `text`, and the value it is parsed
/// into is gone on return: a `codec` of your own must not decode to what only refers to that value,
/// such as a `std::string_view`. The caller bounds the size.
template <class T>
result<T, problem> decode(std::string_view text) {
    unsigned char buffer[4096]; // a handshake's messages fit, so that nothing is allocated for them
    boost::json::monotonic_resource arena(buffer, sizeof buffer);
    auto const parsed = parse(text, &arena);
    if (!parsed) return parsed.error();
    return codec<T>::decode(*parsed);
}

/// As above, for a text with a secret in it: whatever memory was allocated for the parsing is
/// overwritten before it is given back.
template <class T>
result<T, problem> decode_secret(std::string_view text) {
    wiping_resource memory;
    boost::json::parser parser(&memory, detail::options_to_parse());
    parser.reset(&memory);
    auto const parsed = detail::parse_with(parser, text);
    if (!parsed) return parsed.error();
    return codec<T>::decode(*parsed);
}

/// As `decode` of a text; without it a literal could be a `boost::json::value` just as well.
template <class T>
result<T, problem> decode(char const* text) {
    return decode<T>(std::string_view(text));
}

/// The JSON of `v`; members in the order of their declaration, empty optionals left out.
template <class T>
boost::json::value encode(T const& v) {
    return codec<T>::encode(v);
}

/// The JSON text of `v`, without white space.
template <class T>
std::string encode_text(T const& v) {
    return boost::json::serialize(encode(v));
}

namespace detail {

/// Puts `segment` (a member's name, or an index as in `[3]`) before the path of `p`.
inline problem within(std::string_view segment, problem p) {
    if (!p.path.empty() && p.path.front() != '[') p.path.insert(0, 1, '.');
    p.path.insert(0, segment);
    return p;
}

/// The name in JSON of a struct's member.
constexpr std::string_view json_name(std::string_view member) {
    if (member.size() > 1 && member.ends_with('_')) member.remove_suffix(1);
    return member;
}

/// Calls `visit(name, accessor)` for the members of `T` in order, until one returns false.
template <reflected T, class Visit>
constexpr bool all_members(Visit visit) {
    return boost::hana::unpack(boost::hana::accessors<T>(), [&](auto... members) {
        return (... && visit(json_name(boost::hana::first(members).c_str()),
                             boost::hana::second(members)));
    });
}

template <class T>
bool omitted(T const& member) {
    if constexpr (requires { codec<T>::omitted(member); })
        return codec<T>::omitted(member);
    else
        return false;
}

/// Decodes the member `name` of `object` into `member`.
template <class T>
std::optional<problem> decode_member(boost::json::object const& object, std::string_view name,
                                     T& member) {
    boost::json::value const null;
    auto const* given = object.if_contains(name);
    auto decoded = codec<T>::decode(given ? *given : null);
    if (decoded) {
        member = std::move(*decoded);
        return std::nullopt;
    }
    auto wrong = decoded.error();
    if (!given) wrong.found = "nothing";
    return within(name, std::move(wrong));
}

/// A number that is whole and within bounds. ECMAScript does not tell 3 from 3.0, so neither does
/// this.
template <class Integer>
result<Integer, problem> decode_whole(boost::json::value const& v, Integer low, Integer high) {
    std::optional<Integer> out;
    auto const accept = [&](auto n) {
        if (std::cmp_less_equal(low, n) && std::cmp_less_equal(n, high))
            out = static_cast<Integer>(n);
    };
    if (auto const* i = v.if_int64()) accept(*i);
    if (auto const* u = v.if_uint64()) accept(*u);
    if (auto const* d = v.if_double(); d && std::trunc(*d) == *d) {
        if (*d >= -0x1p63 && *d < 0) accept(static_cast<std::int64_t>(*d));
        if (*d >= 0 && *d < 0x1p64) accept(static_cast<std::uint64_t>(*d));
    }
    if (out) return *out;
    return problem{{},
                   "a whole number from " + std::to_string(low) + " to " + std::to_string(high),
                   describe(v)};
}

} // namespace detail

template <>
struct codec<std::string> {
    static result<std::string, problem> decode(boost::json::value const& v) {
        auto const* text = v.if_string();
        if (!text) return problem{{}, "a string", describe(v)};
        // said outright: a string could also begin a problem
        return result<std::string, problem>(boost::system::in_place_value, text->data(),
                                            text->size());
    }
    static boost::json::value encode(std::string const& v) {
        return boost::json::string_view(v.data(), v.size());
    }
};

template <>
struct codec<bool> {
    static result<bool, problem> decode(boost::json::value const& v) {
        auto const* flag = v.if_bool();
        if (!flag) return problem{{}, "true or false", describe(v)};
        return *flag;
    }
    static boost::json::value encode(bool v) { return v; }
};

/// Any other integral type, range checked.
template <std::integral T>
struct codec<T> {
    static result<T, problem> decode(boost::json::value const& v) {
        return detail::decode_whole(v, std::numeric_limits<T>::min(),
                                    std::numeric_limits<T>::max());
    }
    static boost::json::value encode(T v) { return v; }
};

/// A finite number; one that is not is written as null, as ECMAScript does. From a text, a fraction
/// may differ from the nearest double in its last bit: Boost.JSON's parser rounds more than once.
template <>
struct codec<double> {
    static result<double, problem> decode(boost::json::value const& v) {
        if (auto const* i = v.if_int64()) return static_cast<double>(*i);
        if (auto const* u = v.if_uint64()) return static_cast<double>(*u);
        if (auto const* d = v.if_double(); d && std::isfinite(*d)) return *d;
        return problem{{}, "a number", describe(v)};
    }
    static boost::json::value encode(double v) {
        return std::isfinite(v) ? boost::json::value(v) : boost::json::value();
    }
};

/// A whole number of milliseconds from 0 to a century: no clock overflows when it is added.
template <>
struct codec<std::chrono::milliseconds> {
    using milliseconds = std::chrono::milliseconds;
    static constexpr std::int64_t century =
        milliseconds(std::chrono::hours(24 * 365 * 100)).count();

    static result<milliseconds, problem> decode(boost::json::value const& v) {
        auto const count = detail::decode_whole<std::int64_t>(v, 0, century);
        if (!count) return count.error();
        return milliseconds(*count);
    }
    static boost::json::value encode(milliseconds v) { return std::int64_t{v.count()}; }
};

/// Empty when absent or null, and then left out of the struct it is a member of.
template <class T>
struct codec<std::optional<T>> {
    static result<std::optional<T>, problem> decode(boost::json::value const& v) {
        if (v.is_null()) return std::optional<T>();
        auto decoded = codec<T>::decode(v);
        if (!decoded) return decoded.error();
        return std::optional<T>(std::move(*decoded));
    }
    static boost::json::value encode(std::optional<T> const& v) {
        return v ? codec<T>::encode(*v) : boost::json::value();
    }
    static bool omitted(std::optional<T> const& v) { return !v; }
};

template <class T>
struct codec<std::vector<T>> {
    static result<std::vector<T>, problem> decode(boost::json::value const& v) {
        auto const* elements = v.if_array();
        if (!elements) return problem{{}, "an array", describe(v)};
        std::vector<T> out;
        out.reserve(elements->size());
        for (auto const& element : *elements) {
            auto decoded = codec<T>::decode(element);
            if (!decoded)
                return detail::within("[" + std::to_string(out.size()) + "]", decoded.error());
            out.push_back(std::move(*decoded));
        }
        return out;
    }
    static boost::json::value encode(std::vector<T> const& v) {
        boost::json::array out;
        out.reserve(v.size());
        for (T const& element : v)
            out.push_back(codec<T>::encode(element));
        return out;
    }
};

/// Any value, passed on as it is; null when the member is missing.
template <>
struct codec<boost::json::value> {
    static result<boost::json::value, problem> decode(boost::json::value const& v) {
        return boost::json::value(v,
                                  boost::json::storage_ptr()); // a plain copy would use v's arena
    }
    static boost::json::value encode(boost::json::value const& v) { return v; }
};

/// Any object, passed on as it is.
template <>
struct codec<boost::json::object> {
    static result<boost::json::object, problem> decode(boost::json::value const& v) {
        auto const* object = v.if_object();
        if (!object) return problem{{}, "an object", describe(v)};
        return boost::json::object(*object, boost::json::storage_ptr());
    }
    static boost::json::value encode(boost::json::object const& v) { return v; }
};

template <reflected T>
struct codec<T> {
    static result<T, problem> decode(boost::json::value const& v) {
        auto const* object = v.if_object();
        if (!object) return problem{{}, "an object", describe(v)};
        T out{};
        std::optional<problem> wrong;
        detail::all_members<T>([&](std::string_view name, auto member) {
            wrong = detail::decode_member(*object, name, member(out));
            return !wrong;
        });
        if (wrong) return *std::move(wrong);
        return out;
    }
    static boost::json::value encode(T const& v) {
        boost::json::object out;
        detail::all_members<T>([&](std::string_view name, auto member) {
            auto const& m = member(v);
            using member_type = std::remove_cvref_t<decltype(m)>;
            if (!detail::omitted(m)) out.emplace(name, codec<member_type>::encode(m));
            return true;
        });
        return out;
    }
};

} // namespace parley::json
