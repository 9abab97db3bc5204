// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/consent/npi.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

using parley::consent::is_valid_npi;

BOOST_AUTO_TEST_SUITE(npi)

BOOST_AUTO_TEST_CASE(a_valid_npi_has_ten_digits_and_the_right_check_digit) {
    static_assert(is_valid_npi("1245319599"));
    static_assert(is_valid_npi("1234567893")); // the example of the NPI standard
    for (std::string_view refused :
         {"", "1", "1234567890", "123456789", "12345678930", "123456789O", " 234567893",
          "1234567893 ", "+234567893", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
        BOOST_TEST(!is_valid_npi(refused), "took " << refused);
    }
}

BOOST_AUTO_TEST_CASE(every_nine_digits_have_exactly_one_check_digit) {
    for (int i = 0; i < 2000; ++i) {
        auto const nine = std::to_string(100'000'000 + i * 449'777);
        int valid = 0;
        for (char check = '0'; check <= '9'; ++check)
            valid += is_valid_npi(nine + check);
        BOOST_REQUIRE_EQUAL(valid, 1);
    }
}

BOOST_AUTO_TEST_CASE(a_single_wrong_digit_is_noticed) {
    std::string const good = "1245319599";
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (char digit = '0'; digit <= '9'; ++digit) {
            auto changed = good;
            changed[i] = digit;
            BOOST_TEST(is_valid_npi(changed) == (changed == good));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
