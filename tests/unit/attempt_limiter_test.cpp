// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/attempt_limiter.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <string>

using namespace parley;
using namespace std::chrono_literals;

namespace {

constexpr time_point start = time_point(1h);

/// How long `address` has to wait; 0 when it need not.
std::chrono::seconds wait(attempt_limiter& limiter, std::string const& address, time_point now) {
    return limiter.attempt(address, now).value_or(0s);
}

} // namespace

BOOST_AUTO_TEST_SUITE(attempts)

BOOST_AUTO_TEST_CASE(so_many_attempts_are_allowed_and_then_none_until_the_window_is_over) {
    attempt_limiter limiter({.max_attempts = 3, .window = 1min});
    BOOST_TEST(!limiter.attempt("192.0.2.1", start));
    BOOST_TEST(!limiter.attempt("192.0.2.1", start + 10s));
    BOOST_TEST(!limiter.attempt("192.0.2.1", start + 20s));
    BOOST_TEST((wait(limiter, "192.0.2.1", start + 20s) == 40s));
    BOOST_TEST((wait(limiter, "192.0.2.1", start + 59s + 999ms) == 1s)); // a refusal counts nothing
    BOOST_TEST(!limiter.attempt("192.0.2.1", start + 60s));
}

BOOST_AUTO_TEST_CASE(the_wait_is_rounded_up_so_that_who_keeps_it_is_let_in) {
    attempt_limiter limiter({.max_attempts = 1, .window = 1500ms});
    BOOST_TEST(!limiter.attempt("a", start));
    BOOST_TEST((wait(limiter, "a", start) == 2s));
    BOOST_TEST(!limiter.attempt("a", start + 2s));
}

BOOST_AUTO_TEST_CASE(one_address_does_not_use_up_the_attempts_of_another) {
    attempt_limiter limiter({.max_attempts = 1});
    BOOST_TEST(!limiter.attempt("192.0.2.1", start));
    BOOST_TEST(!limiter.attempt("192.0.2.2", start));
    BOOST_TEST(limiter.attempt("192.0.2.1", start).has_value());
}

BOOST_AUTO_TEST_CASE(the_addresses_of_one_ipv6_network_are_one) {
    attempt_limiter limiter({.max_attempts = 1});
    BOOST_TEST(!limiter.attempt("2001:db8::1", start));
    BOOST_TEST(limiter.attempt("2001:db8::ffff:1", start).has_value());
    BOOST_TEST(!limiter.attempt("2001:db8:0:1::1", start));
    BOOST_TEST(!limiter.attempt("192.0.2.1", start));
    BOOST_TEST(limiter.attempt("::ffff:192.0.2.1", start).has_value());
}

BOOST_AUTO_TEST_CASE(copies_count_together) {
    attempt_limiter one({.max_attempts = 1});
    auto other = one;
    BOOST_TEST(!one.attempt("a", start));
    BOOST_TEST(other.attempt("a", start).has_value());
}

BOOST_AUTO_TEST_CASE(zero_is_no_limit) {
    attempt_limiter limiter({.max_attempts = 0});
    for (int i = 0; i < 1000; ++i)
        BOOST_TEST(!limiter.attempt("a", start));
}

BOOST_AUTO_TEST_CASE(beyond_max_addresses_the_oldest_is_forgotten_and_no_other) {
    attempt_limiter limiter({.max_attempts = 1, .max_addresses = 2});
    BOOST_TEST(!limiter.attempt("a", start));
    BOOST_TEST(!limiter.attempt("b", start + 1s));
    BOOST_TEST(!limiter.attempt("c", start + 2s)); // for a
    BOOST_TEST(limiter.attempt("b", start + 3s).has_value());
    BOOST_TEST(limiter.attempt("c", start + 3s).has_value());
    BOOST_TEST(!limiter.attempt("a", start + 3s));
}

BOOST_AUTO_TEST_CASE(what_is_over_makes_room_before_anybody_is_forgotten) {
    attempt_limiter limiter({.max_attempts = 1, .window = 1min, .max_addresses = 2});
    BOOST_TEST(!limiter.attempt("a", start));
    BOOST_TEST(!limiter.attempt("b", start + 30s));
    BOOST_TEST(!limiter.attempt("c", start + 60s)); // a's minute is over
    BOOST_TEST(limiter.attempt("b", start + 60s).has_value());
}

BOOST_AUTO_TEST_CASE(one_address_at_least_is_remembered) {
    attempt_limiter limiter({.max_attempts = 1, .max_addresses = 0});
    BOOST_TEST(!limiter.attempt("a", start));
    BOOST_TEST(limiter.attempt("a", start).has_value());
    BOOST_TEST(!limiter.attempt("b", start));
}

BOOST_AUTO_TEST_CASE(a_clock_read_a_little_late_by_another_thread_does_no_harm) {
    attempt_limiter limiter({.max_attempts = 1, .window = 1min});
    BOOST_TEST(!limiter.attempt("a", start + 1s));
    BOOST_TEST(!limiter.attempt("b", start)); // it asked first, and came to the lock second
    BOOST_TEST(limiter.attempt("b", start + 59s).has_value());
    BOOST_TEST(!limiter.attempt("b", start + 61s));
}

BOOST_AUTO_TEST_CASE(no_address_ever_gets_more_attempts_in_a_window_than_allowed) {
    std::mt19937 random(1);
    for (int round = 0; round < 20; ++round) {
        attempt_limiter limiter({.max_attempts = 5, .window = 10s});
        struct counted {
            time_point begin;
            int attempts = 0;
        };
        std::map<std::string, counted> model;
        auto now = start;
        for (int step = 0; step < 2000; ++step) {
            now += std::chrono::milliseconds(random() % 200);
            std::string const address(1, static_cast<char>('a' + random() % 8));
            auto& one = model.try_emplace(address, counted{now}).first->second;
            if (one.begin + 10s <= now) one = {now};
            bool const allowed = one.attempts < 5;
            if (allowed) ++one.attempts;
            auto const refused = limiter.attempt(address, now);
            BOOST_TEST_REQUIRE(refused.has_value() != allowed);
            if (refused) BOOST_TEST((now + *refused >= one.begin + 10s));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
