// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/timestamp.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <random>
#include <string>

using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(timestamp)

BOOST_AUTO_TEST_CASE(is_written_in_utc_with_milliseconds) {
    auto const morning = std::chrono::sys_days(2026y / 2 / 21) + 10h + 15min + 30s;
    BOOST_TEST(parley::format_timestamp(morning + 123ms) == "2026-02-21T10:15:30.123Z");
    BOOST_TEST(parley::format_timestamp(morning + 7ms + 999us) == "2026-02-21T10:15:30.007Z");
    BOOST_TEST(parley::format_timestamp({}) == "1970-01-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(before_1970_is_cut_off_towards_the_past_too) {
    std::chrono::system_clock::time_point const epoch{};
    BOOST_TEST(parley::format_timestamp(epoch - 1us) == "1969-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(reads_what_it_writes) {
    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::int64_t> within(-9'000'000'000'000, 9'000'000'000'000);
    for (int i = 0; i < 5000; ++i) {
        parley::timestamp const instant{std::chrono::milliseconds(within(random))};
        auto const text = parley::format_timestamp(instant);
        BOOST_TEST_REQUIRE((parley::parse_timestamp(text).value() == instant), text);
    }
}

BOOST_AUTO_TEST_CASE(knows_leap_days) {
    BOOST_TEST(parley::parse_timestamp("2024-02-29T00:00:00.000Z").has_value());
    BOOST_TEST(parley::parse_timestamp("0000-02-29T00:00:00.000Z").has_value());
    BOOST_TEST(!parley::parse_timestamp("2026-02-29T00:00:00.000Z").has_value());
    BOOST_TEST(!parley::parse_timestamp("2100-02-29T00:00:00.000Z").has_value());
}

BOOST_AUTO_TEST_CASE(refuses_every_other_form) {
    for (std::string_view text : {"",
                                  "2026",
                                  "2026-02-21",
                                  "2026-02-21T10:15:30Z",
                                  "2026-02-21T10:15:30.12Z",
                                  "2026-02-21T10:15:30.1234Z",
                                  "2026-02-21T10:15:30.123",
                                  "2026-02-21T10:15:30.123+00:00",
                                  "2026-02-21 10:15:30.123Z",
                                  "2026-02-21t10:15:30.123z",
                                  "2026-02-21T10:15:30,123Z",
                                  "+026-02-21T10:15:30.123Z",
                                  "2026-13-01T00:00:00.000Z",
                                  "2026-00-01T00:00:00.000Z",
                                  "2026-04-31T00:00:00.000Z",
                                  "2026-04-00T00:00:00.000Z",
                                  "2026-02-21T24:00:00.000Z",
                                  "2026-02-21T10:60:00.000Z",
                                  "2026-12-31T23:59:60.000Z",
                                  "2026-02-21T10:15:30.123Z "}) {
        BOOST_TEST(!parley::parse_timestamp(text).has_value(), text);
    }
    BOOST_TEST(parley::parse_timestamp("2026-02-30T00:00:00.000Z").error().text() ==
               "expected a time as in 2026-02-21T10:15:30.123Z, "
               "found no such time: 2026-02-30T00:00:00.000Z");
}

BOOST_AUTO_TEST_SUITE_END()
