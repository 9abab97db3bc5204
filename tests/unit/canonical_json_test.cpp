// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/canonical_json.hpp>
#include <parley/detail/exact_json.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace json = boost::json;
using parley::canonical_json;

namespace {

json::value parse(std::string_view text) {
    return parley::detail::parse_exact_json(text, 32).value();
}

std::string canonical_text(std::string_view text) {
    return canonical_json(parse(text));
}

std::string number_text(std::uint64_t bits) {
    return canonical_json(std::bit_cast<double>(bits));
}

/// Makes JSON of every kind, at random but the same each time.
class json_maker {
  public:
    std::u32string characters() {
        // few of them, so that strings share beginnings, and from both sides of the surrogates
        constexpr std::array<char32_t, 18> some{0,      0x1F,   '"',    '\\',    '/',     'a',
                                                'z',    0x7F,   0x80,   0x7FF,   0x800,   0xD7FF,
                                                0xE000, 0xFB33, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF};
        std::u32string out(below(4), U'\0');
        std::ranges::generate(out, [&] { return some[below(some.size())]; });
        return out;
    }

    json::value value(int depth = 4) {
        switch (below(depth == 0 ? 5 : 7)) {
        case 0:
            return nullptr;
        case 1:
            return below(2) == 0;
        case 2:
            return std::bit_cast<double>(random_());
        case 3:
            return static_cast<std::int64_t>(random_() >> below(64));
        case 4:
            return json::string(utf8(characters()));
        case 5: {
            json::array array;
            for (auto count = below(4); count > 0; --count)
                array.push_back(value(depth - 1));
            return array;
        }
        default: {
            json::object object;
            for (auto count = below(6); count > 0; --count) {
                object.emplace(utf8(characters()), value(depth - 1));
            }
            return object;
        }
        }
    }

    static std::string utf8(std::u32string_view text) {
        std::string out;
        for (char32_t c : text) {
            auto const put = [&](char32_t byte) { out += static_cast<char>(byte); };
            if (c < 0x80) {
                put(c);
                continue;
            }
            if (c < 0x800) {
                put(0xC0 | c >> 6);
            } else if (c < 0x10000) {
                put(0xE0 | c >> 12);
                put(0x80 | (c >> 6 & 0x3F));
            } else {
                put(0xF0 | c >> 18);
                put(0x80 | (c >> 12 & 0x3F));
                put(0x80 | (c >> 6 & 0x3F));
            }
            put(0x80 | (c & 0x3F));
        }
        return out;
    }

    static std::u16string utf16(std::u32string_view text) {
        std::u16string out;
        for (char32_t c : text) {
            if (c < 0x10000) {
                out += static_cast<char16_t>(c);
            } else {
                out += static_cast<char16_t>(0xD7C0 + (c >> 10));
                out += static_cast<char16_t>(0xDC00 | (c & 0x3FF));
            }
        }
        return out;
    }

    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

  private:
    std::mt19937_64 random_{42};
};

} // namespace

BOOST_AUTO_TEST_SUITE(canonical_json_text)

BOOST_AUTO_TEST_CASE(the_example_of_the_rfc) {
    BOOST_TEST(
        canonical_text(R"({
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false] })") ==
        R"({"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],)"
        R"("string":"€$\u000f\nA'B\"\\\\\"/"})");
}

BOOST_AUTO_TEST_CASE(the_numbers_of_the_rfc) {
    for (auto const& [bits, text] : std::vector<std::pair<std::uint64_t, std::string_view>>{
             {0x0000000000000000, "0"},
             {0x8000000000000000, "0"},
             {0x0000000000000001, "5e-324"},
             {0x8000000000000001, "-5e-324"},
             {0x7fefffffffffffff, "1.7976931348623157e+308"},
             {0xffefffffffffffff, "-1.7976931348623157e+308"},
             {0x4340000000000000, "9007199254740992"},
             {0xc340000000000000, "-9007199254740992"},
             {0x4430000000000000, "295147905179352830000"},
             {0x44b52d02c7e14af5, "9.999999999999997e+22"},
             {0x44b52d02c7e14af6, "1e+23"},
             {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
             {0x444b1ae4d6e2ef4e, "999999999999999700000"},
             {0x444b1ae4d6e2ef4f, "999999999999999900000"},
             {0x444b1ae4d6e2ef50, "1e+21"},
             {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
             {0x3eb0c6f7a0b5ed8d, "0.000001"},
             {0x41b3de4355555553, "333333333.3333332"},
             {0x41b3de4355555554, "333333333.33333325"},
             {0x41b3de4355555555, "333333333.3333333"},
             {0x41b3de4355555556, "333333333.3333334"},
             {0x41b3de4355555557, "333333333.33333343"},
             {0xbecbf647612f3696, "-0.0000033333333333333333"},
             {0x43143ff3c1cb0959, "1424953923781206.2"}}) {
        BOOST_TEST(number_text(bits) == text);
    }
}

BOOST_AUTO_TEST_CASE(integers_are_the_doubles_they_would_be_in_ecmascript) {
    BOOST_TEST(canonical_json(std::int64_t{9007199254740993}) == "9007199254740992");
    BOOST_TEST(canonical_json(std::numeric_limits<std::int64_t>::min()) == "-9223372036854776000");
    BOOST_TEST(canonical_json(std::numeric_limits<std::uint64_t>::max()) == "18446744073709552000");
    BOOST_TEST(canonical_text("[123456789012345678901234567890,-0,-0.0,100,1.0,-7]") ==
               "[1.2345678901234568e+29,0,0,100,1,-7]");
}

BOOST_AUTO_TEST_CASE(what_json_cannot_say_is_null) {
    BOOST_TEST(canonical_json(std::numeric_limits<double>::infinity()) == "null");
    BOOST_TEST(canonical_json(std::numeric_limits<double>::quiet_NaN()) == "null");
}

BOOST_AUTO_TEST_CASE(strings_are_escaped_only_where_they_must_be) {
    BOOST_TEST(canonical_json(json::string("\b\t\n\f\r\"\\/\x01\x1f\x7f")) ==
               "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0001\\u001f\x7f\"");
    BOOST_TEST(canonical_json(json::string(1, '\0')) == R"("\u0000")");
    BOOST_TEST(canonical_json(json::string("é\u2028😀")) == "\"é\u2028😀\"");
}

BOOST_AUTO_TEST_CASE(ill_formed_utf8_is_replaced_byte_by_byte) {
    constexpr std::string_view bad = "\uFFFD";
    for (std::string_view bytes : {"\x80", "\xC0\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF5\x80",
                                   "\xF4\x90\x80\x80", "\xE2\x82", "\xF0\x9F\x98", "\xFF"}) {
        std::string wanted = "\"a";
        for (std::size_t i = 0; i < bytes.size(); ++i)
            wanted += bad;
        wanted += "z\"";
        BOOST_TEST(canonical_json(json::string("a" + std::string(bytes) + "z")) == wanted);
    }
}

BOOST_AUTO_TEST_CASE(members_are_sorted_by_utf16_at_every_level) {
    // U+1F600 comes before U+FB33: its first UTF-16 code unit is D83D; in UTF-8 it comes after
    BOOST_TEST(canonical_text(R"({"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,
                                  "\u00f6":[{"b":1,"":0,"a":2,"B":3,"aa":4}]})") ==
               "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":[{\"\":0,\"B\":3,\"a\":2,\"aa\":4,\"b\":1}],"
               "\"€\":1,\"😀\":5,\"\uFB33\":3}");
    BOOST_TEST(canonical_text("[{},[]]") == "[{},[]]");
}

BOOST_AUTO_TEST_CASE(the_order_of_names_is_that_of_utf16_for_any_two) {
    json_maker make;
    for (int i = 0; i < 10000; ++i) {
        auto const a = make.characters();
        auto const b = make.characters();
        BOOST_TEST_REQUIRE(parley::detail::utf16_less(make.utf8(a), make.utf8(b)) ==
                           (make.utf16(a) < make.utf16(b)));
    }
}

BOOST_AUTO_TEST_CASE(a_canonical_text_is_its_own_canonical_text) {
    json_maker make;
    for (int i = 0; i < 5000; ++i) {
        std::string const once = canonical_json(make.value());
        BOOST_TEST_REQUIRE(canonical_text(once) == once);
    }
}

BOOST_AUTO_TEST_CASE(every_double_survives) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 20000; ++i) {
        auto const number = std::bit_cast<double>(random());
        if (number - number != 0) continue; // infinite or NaN
        BOOST_TEST_REQUIRE((parse(canonical_json(number)).to_number<double>() == number));
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(exact_json)

using parley::detail::parse_exact_json;

BOOST_AUTO_TEST_CASE(numbers_are_the_nearest_doubles) {
    BOOST_TEST(
        (parse("1.7976931348623157e308").get_double() == std::numeric_limits<double>::max()));
    BOOST_TEST((parse("0.30000000000000004").get_double() == 0.1 + 0.2));
    BOOST_TEST(
        (parse("9007199254740993.0000000000000000000000001").get_double() == 9007199254740994.0));
    BOOST_TEST((parse("[1e-400,-1e-400,0e400]") == json::value{0.0, -0.0, 0.0}));
    BOOST_TEST(!parse_exact_json("1e400", 32).has_value());
    BOOST_TEST(!parse_exact_json("-1e309", 32).has_value());
}

BOOST_AUTO_TEST_CASE(members_may_not_be_repeated) {
    BOOST_TEST(parse_exact_json(R"({"a":{"b":1,"c":[{"b":2}]},"b":3})", 32).has_value());
    BOOST_TEST(parse_exact_json(R"([{"a":1,"b":{"x\n":1,"x\u000a":2}}])", 32).error().found ==
               R"(the member "x\n" twice)");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_is_refused) {
    for (std::string_view text : {"", " ", "{", "{}x", "{} {}", "nul", "01", "1.", "+1", "NaN",
                                  "'a'", "[1,]", "{\"a\":1,}", "\"\\ud800\"", "\"\xED\xA0\x80\"",
                                  "\"\xFF\"", "\"\n\"", "// comment\n1", "\xEF\xBB\xBF{}"}) {
        BOOST_TEST(!parse_exact_json(text, 32).has_value(), text);
    }
    BOOST_TEST(!parse_exact_json(std::string_view("{}\0", 3), 32).has_value());
}

BOOST_AUTO_TEST_CASE(depth_is_bounded) {
    auto const nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    BOOST_TEST(parse_exact_json(nested(32), 32).has_value());
    BOOST_TEST(!parse_exact_json(nested(33), 32).has_value());
    BOOST_TEST(!parse_exact_json(nested(1'000'000), 32).has_value());
    BOOST_TEST(!parse_exact_json(std::string(1'000'000, '['), 32).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
