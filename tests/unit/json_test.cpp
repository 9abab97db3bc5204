// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/json.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace json = parley::json;
using namespace std::chrono_literals;

namespace {

/// A type with a codec of its own: written in one letter.
enum class suit { hearts, spades };

struct item {
    BOOST_HANA_DEFINE_STRUCT(item, (std::string, name), (double, weight));
    bool operator==(item const&) const = default;
};

struct everything {
    BOOST_HANA_DEFINE_STRUCT(everything, (std::string, text), (bool, flag), (std::int8_t, tiny),
                             (std::uint16_t, port), (std::int64_t, large), (std::uint64_t, huge),
                             (std::chrono::milliseconds, timeout),
                             (std::optional<std::string>, note), (std::vector<item>, items),
                             (item, main), (suit, card));
    bool operator==(everything const&) const = default;
};

struct one_text {
    BOOST_HANA_DEFINE_STRUCT(one_text, (std::string, v));
};
struct one_flag {
    BOOST_HANA_DEFINE_STRUCT(one_flag, (bool, v));
};
struct one_port {
    BOOST_HANA_DEFINE_STRUCT(one_port, (std::uint16_t, v));
};
struct one_timeout {
    BOOST_HANA_DEFINE_STRUCT(one_timeout, (std::chrono::milliseconds, v));
};
struct one_number {
    BOOST_HANA_DEFINE_STRUCT(one_number, (double, v));
};
struct one_note {
    BOOST_HANA_DEFINE_STRUCT(one_note, (std::optional<int>, v));
};
struct one_list {
    BOOST_HANA_DEFINE_STRUCT(one_list, (std::vector<std::vector<int>>, v));
};
struct one_item {
    BOOST_HANA_DEFINE_STRUCT(one_item, (item, v), (std::optional<std::vector<item>>, more));
};
struct opaque {
    BOOST_HANA_DEFINE_STRUCT(opaque, (boost::json::value, data), (boost::json::object, details));
};
struct keywords {
    BOOST_HANA_DEFINE_STRUCT(keywords, (std::string, namespace_), (std::optional<int>, class__),
                             (std::optional<int>, _), (std::optional<int>, in_the_middle));
};
struct hand {
    BOOST_HANA_DEFINE_STRUCT(hand, (std::vector<suit>, cards));
};

/// What is wrong with `text` as a `T`.
template <class T>
std::string fault(std::string_view text) {
    auto const decoded = json::decode<T>(text);
    return decoded ? "nothing wrong" : decoded.error().text();
}

template <class T>
auto decoded_v(std::string_view text) {
    return json::decode<T>(text).value().v;
}

} // namespace

template <>
struct parley::json::codec<suit> {
    static result<suit, problem> decode(boost::json::value const& v) {
        if (v == "H") return suit::hearts;
        if (v == "S") return suit::spades;
        return problem{{}, "H or S", describe(v)};
    }
    static boost::json::value encode(suit v) { return v == suit::hearts ? "H" : "S"; }
};

BOOST_AUTO_TEST_SUITE(json_struct)

BOOST_AUTO_TEST_CASE(a_struct_is_written_in_the_order_of_its_members_and_read_back) {
    everything const v{
        "hi",       true,        -5, 8080, -1, 1, 1500ms, std::nullopt, {{"nail", 0.5}},
        {"saw", 2}, suit::spades};
    auto const text = json::encode_text(v);
    BOOST_TEST(text == R"({"text":"hi","flag":true,"tiny":-5,"port":8080,"large":-1,"huge":1,)"
                       R"("timeout":1500,"items":[{"name":"nail","weight":5E-1}],)"
                       R"("main":{"name":"saw","weight":2E0},"card":"S"})");
    BOOST_CHECK(json::decode<everything>(text).value() == v);
}

BOOST_AUTO_TEST_CASE(a_literal_a_string_and_a_value_can_be_decoded) {
    std::string const text = R"({"v":"x"})";
    BOOST_TEST(json::decode<one_text>(R"({"v":"x"})").value().v == "x");
    BOOST_TEST(json::decode<one_text>(text).value().v == "x");
    BOOST_TEST(json::decode<one_text>(boost::json::value{{"v", "x"}}).value().v == "x");
    BOOST_TEST(json::decode<std::vector<int>>("[1,2]").value().size() == 2u);
}

BOOST_AUTO_TEST_CASE(members_that_the_struct_does_not_have_are_ignored) {
    BOOST_TEST(decoded_v<one_text>(R"({"w":{"deep":[1]},"v":"x","":null})") == "x");
}

BOOST_AUTO_TEST_CASE(of_duplicate_members_the_last_counts) {
    BOOST_TEST(decoded_v<one_text>(R"({"v":1,"v":"x"})") == "x");
    BOOST_TEST(fault<one_text>(R"({"v":"x","v":1})") == "v: expected a string, found 1");
}

BOOST_AUTO_TEST_CASE(a_missing_member_is_found_to_be_nothing) {
    BOOST_TEST(fault<one_text>("{}") == "v: expected a string, found nothing");
    BOOST_TEST(fault<one_flag>("{}") == "v: expected true or false, found nothing");
    BOOST_TEST(fault<one_port>("{}") ==
               "v: expected a whole number from 0 to 65535, found nothing");
    BOOST_TEST(fault<one_number>("{}") == "v: expected a number, found nothing");
    BOOST_TEST(fault<one_list>("{}") == "v: expected an array, found nothing");
    BOOST_TEST(fault<one_item>("{}") == "v: expected an object, found nothing");
    BOOST_TEST(fault<opaque>("{}") == "details: expected an object, found nothing");
    BOOST_TEST(fault<one_item>(R"({"v":{"name":"x"}})") ==
               "v.weight: expected a number, found nothing");
}

BOOST_AUTO_TEST_CASE(a_wrong_member_is_described) {
    BOOST_TEST(fault<one_text>(R"({"v":null})") == "v: expected a string, found null");
    BOOST_TEST(fault<one_text>(R"({"v":[]})") == "v: expected a string, found an array");
    BOOST_TEST(fault<one_text>(R"({"v":{}})") == "v: expected a string, found an object");
    BOOST_TEST(fault<one_text>(R"({"v":true})") == "v: expected a string, found true");
    BOOST_TEST(fault<one_text>(R"({"v":-7})") == "v: expected a string, found -7");
    BOOST_TEST(fault<one_text>(R"({"v":1.5})") == "v: expected a string, found 1.5");
    BOOST_TEST(fault<one_flag>(R"({"v":"true"})") ==
               "v: expected true or false, found the string \"true\"");
    BOOST_TEST(fault<one_text>("[]") == "expected an object, found an array");
}

BOOST_AUTO_TEST_CASE(a_path_leads_through_members_and_elements) {
    BOOST_TEST(fault<one_list>(R"({"v":[[1],[2,3,"x"]]})") ==
               "v[1][2]: expected a whole number from -2147483648 to 2147483647, "
               "found the string \"x\"");
    BOOST_TEST(fault<one_item>(R"({"v":{"name":"a","weight":1},"more":[{"name":"b"}]})") ==
               "more[0].weight: expected a number, found nothing");
    BOOST_TEST(fault<std::vector<item>>("[7]") == "[0]: expected an object, found 7");
}

BOOST_AUTO_TEST_CASE(a_string_is_shown_escaped_and_cut_at_a_whole_character) {
    BOOST_TEST(json::describe("a\"\n") == R"(the string "a\"\n")");
    BOOST_TEST(json::describe(std::string(40, 'a').c_str()) ==
               "the string \"" + std::string(40, 'a') + "\"");
    BOOST_TEST(json::describe(std::string(41, 'a').c_str()) ==
               "the string \"" + std::string(40, 'a') + "\"...");
    BOOST_TEST(json::describe((std::string(39, 'a') + "\u00e9").c_str()) ==
               "the string \"" + std::string(39, 'a') + "\"...");
}

BOOST_AUTO_TEST_CASE(integers_are_range_checked_and_3_0_is_3) {
    BOOST_TEST(decoded_v<one_port>(R"({"v":65535})") == 65535);
    BOOST_TEST(decoded_v<one_port>(R"({"v":3.0})") == 3);
    BOOST_TEST(decoded_v<one_port>(R"({"v":3e2})") == 300);
    BOOST_TEST(decoded_v<one_port>(R"({"v":-0.0})") == 0);
    auto const expected = std::string("v: expected a whole number from 0 to 65535, found ");
    BOOST_TEST(fault<one_port>(R"({"v":65536})") == expected + "65536");
    BOOST_TEST(fault<one_port>(R"({"v":-1})") == expected + "-1");
    BOOST_TEST(fault<one_port>(R"({"v":-1.0})") == expected + "-1");
    BOOST_TEST(fault<one_port>(R"({"v":1.5})") == expected + "1.5");
    BOOST_TEST(fault<one_port>(R"({"v":18446744073709551615})") ==
               expected + "18446744073709551615");
    BOOST_TEST(fault<one_port>(R"({"v":1e30})") == expected + "1e+30");
    BOOST_TEST(fault<one_port>(R"({"v":1e400})") == expected + "inf");
}

BOOST_AUTO_TEST_CASE(the_widest_integers_keep_every_digit) {
    using i64 = std::numeric_limits<std::int64_t>;
    using u64 = std::numeric_limits<std::uint64_t>;
    BOOST_TEST(json::decode<std::int64_t>("-9223372036854775808").value() == i64::min());
    BOOST_TEST(json::decode<std::int64_t>("9223372036854775807").value() == i64::max());
    BOOST_TEST(json::decode<std::uint64_t>("18446744073709551615").value() == u64::max());
    BOOST_TEST(json::decode<std::int64_t>("-9223372036854775808.0").value() == i64::min());
    BOOST_TEST(fault<std::int64_t>("9223372036854775808.0").ends_with("found 9223372036854775808"));
    BOOST_TEST(
        fault<std::uint64_t>("18446744073709551616") ==
        "expected a whole number from 0 to 18446744073709551615, found 18446744073709551616");
}

BOOST_AUTO_TEST_CASE(a_double_is_any_finite_number) {
    BOOST_TEST(decoded_v<one_number>(R"({"v":-3})") == -3);
    BOOST_TEST(decoded_v<one_number>(R"({"v":18446744073709551615})") == 0x1p64);
    BOOST_TEST(fault<one_number>(R"({"v":1e400})") == "v: expected a number, found inf");
    BOOST_TEST(json::encode_text(one_number{std::numeric_limits<double>::quiet_NaN()}) ==
               R"({"v":null})");
}

BOOST_AUTO_TEST_CASE(a_duration_is_a_whole_number_of_milliseconds_up_to_a_century) {
    BOOST_CHECK(decoded_v<one_timeout>(R"({"v":3153600000000})") == 24h * 365 * 100);
    auto const expected = std::string("v: expected a whole number from 0 to 3153600000000, found ");
    BOOST_TEST(fault<one_timeout>(R"({"v":3153600000001})") == expected + "3153600000001");
    BOOST_TEST(fault<one_timeout>(R"({"v":-1})") == expected + "-1");
    BOOST_TEST(fault<one_timeout>(R"({"v":"10s"})") == expected + "the string \"10s\"");
}

BOOST_AUTO_TEST_CASE(an_optional_member_may_be_absent_or_null_and_is_then_not_written) {
    BOOST_CHECK(!decoded_v<one_note>("{}"));
    BOOST_CHECK(!decoded_v<one_note>(R"({"v":null})"));
    BOOST_CHECK(decoded_v<one_note>(R"({"v":4})") == 4);
    BOOST_TEST(json::encode_text(one_note{}) == "{}");
    BOOST_TEST(json::encode_text(one_note{4}) == R"({"v":4})");
    BOOST_TEST(json::encode_text(std::vector<std::optional<int>>{1, std::nullopt}) == "[1,null]");
    BOOST_TEST(fault<one_note>(R"({"v":"x"})") ==
               "v: expected a whole number from -2147483648 to 2147483647, found the string \"x\"");
}

BOOST_AUTO_TEST_CASE(opaque_members_outlive_the_text_they_came_from) {
    auto const text =
        R"({"data":[1,{"long enough to need memory of its own":"x"}],"details":{"a":[]}})";
    auto const v = json::decode<opaque>(text).value();
    BOOST_TEST(json::encode_text(v) == text);
    BOOST_CHECK(json::decode<opaque>(R"({"details":{}})").value().data.is_null());
}

BOOST_AUTO_TEST_CASE(a_type_may_have_a_codec_of_its_own) {
    BOOST_CHECK(json::decode<hand>(R"({"cards":["S","H"]})").value().cards[0] == suit::spades);
    BOOST_TEST(fault<hand>(R"({"cards":["S","X"]})") ==
               "cards[1]: expected H or S, found the string \"X\"");
    BOOST_TEST(json::encode_text(hand{{suit::hearts}}) == R"({"cards":["H"]})");
}

BOOST_AUTO_TEST_CASE(an_underscore_at_the_end_of_a_name_is_not_in_the_json) {
    auto const text = R"({"namespace":"clinic","class_":1,"_":2,"in_the_middle":3})";
    auto const v = json::decode<keywords>(text).value();
    BOOST_TEST(v.namespace_ == "clinic");
    BOOST_TEST(v.class__.value() == 1); // only the last one
    BOOST_TEST(v._.value() == 2);       // a name has to be left
    BOOST_TEST(json::encode_text(v) == text);
    BOOST_TEST(fault<keywords>(R"({"namespace_":"clinic"})") ==
               "namespace: expected a string, found nothing");
}

BOOST_AUTO_TEST_CASE(what_is_not_json_is_located) {
    BOOST_TEST(fault<one_text>("") == "expected JSON, found incomplete JSON at line 1, column 1");
    BOOST_TEST(fault<one_text>("{\n  \"v\": \"\u00e9\", x\n}") ==
               "expected JSON, found syntax error at line 2, column 13");
    BOOST_TEST(fault<one_text>("{} {}") == "expected JSON, found extra data at line 1, column 4");
    BOOST_TEST(fault<one_text>("{\"v\":\"\xff\"}") ==
               "expected JSON, found syntax error at line 1, column 7");
    BOOST_TEST(fault<one_text>("\xef\xbb\xbf{}") ==
               "expected JSON, found syntax error at line 1, column 1");
    BOOST_TEST(fault<one_text>("1e999999999999").starts_with("expected JSON, found exponent"));
}

BOOST_AUTO_TEST_CASE(nesting_is_bounded) {
    auto const nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    BOOST_TEST(json::parse(nested(json::max_depth)).has_value());
    BOOST_TEST(fault<one_text>(nested(json::max_depth + 1)) ==
               "expected JSON, found too deep at line 1, column 33");
    BOOST_TEST(
        fault<one_text>(std::string(1'000'000, '[')).starts_with("expected JSON, found too"));
}

namespace {

using random_source = std::mt19937_64;

template <class T>
T any(random_source& random) {
    return static_cast<T>(random());
}

std::string any_text(random_source& random) {
    static constexpr std::string_view pieces[] = {"a",      "\"",         "\\", "\n",
                                                  "\u00e9", "\U0001f600", "/"};
    std::string out;
    for (auto n = random() % 8; n > 0; --n)
        out += pieces[random() % std::size(pieces)];
    return out;
}

item any_item(random_source& random) {
    return {any_text(random), any<std::int32_t>(random) / 4.0}; // read back to the last bit
}

everything any_everything(random_source& random) {
    everything v{any_text(random),
                 any<std::uint8_t>(random) % 2 == 0,
                 any<std::int8_t>(random),
                 any<std::uint16_t>(random),
                 any<std::int64_t>(random),
                 any<std::uint64_t>(random),
                 std::chrono::milliseconds(any<std::uint32_t>(random)),
                 std::nullopt,
                 {},
                 any_item(random),
                 random() % 2 == 0 ? suit::hearts : suit::spades};
    if (random() % 2 == 0) v.note = any_text(random);
    for (auto n = random() % 4; n > 0; --n)
        v.items.push_back(any_item(random));
    return v;
}

} // namespace

BOOST_AUTO_TEST_CASE(any_struct_survives_the_round_trip) {
    random_source random(1);
    for (int i = 0; i < 2000; ++i) {
        auto const v = any_everything(random);
        BOOST_REQUIRE(json::decode<everything>(json::encode(v)).value() == v);
        BOOST_REQUIRE(json::decode<everything>(json::encode_text(v)).value() == v);
    }
}

BOOST_AUTO_TEST_CASE(damaged_texts_are_values_or_problems_never_exceptions) {
    random_source random(2);
    for (int i = 0; i < 10000; ++i) {
        auto text = json::encode_text(any_everything(random));
        for (auto n = random() % 4; n > 0; --n)
            text[random() % text.size()] = any<char>(random);
        if (random() % 4 == 0) text.resize(random() % text.size());
        std::string reason;
        BOOST_REQUIRE_NO_THROW(reason = fault<everything>(text));
        BOOST_REQUIRE(reason == "nothing wrong" || reason.find("expected ") != std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()
