// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/crypto/csrf_token.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

using namespace parley;

BOOST_AUTO_TEST_SUITE(csrf_token)

BOOST_AUTO_TEST_CASE(a_token_goes_with_its_cookie_and_with_no_other) {
    csrf_tokens const tokens;
    auto const cookie = csrf_tokens::new_cookie(), other = csrf_tokens::new_cookie();
    auto const token = tokens.token_for(cookie);
    BOOST_TEST(cookie != other);
    BOOST_TEST(token != cookie);
    BOOST_TEST(token.size() == 43u);
    BOOST_TEST(tokens.accepts(cookie, token));
    BOOST_TEST(!tokens.accepts(other, token));
    BOOST_TEST(!tokens.accepts(cookie, tokens.token_for(other)));
    BOOST_TEST(!tokens.accepts(cookie, cookie));
    BOOST_TEST(!tokens.accepts(token, token));
}

BOOST_AUTO_TEST_CASE(a_copy_accepts_a_token_and_a_new_object_does_not) {
    csrf_tokens const tokens;
    auto const copy = tokens;
    csrf_tokens const others;
    auto const cookie = csrf_tokens::new_cookie();
    BOOST_TEST(copy.accepts(cookie, tokens.token_for(cookie)));
    BOOST_TEST(!others.accepts(cookie, tokens.token_for(cookie)));
}

BOOST_AUTO_TEST_CASE(a_token_with_any_character_changed_is_refused) {
    csrf_tokens const tokens;
    auto const cookie = csrf_tokens::new_cookie();
    auto const token = tokens.token_for(cookie);
    for (std::size_t i = 0; i < token.size(); ++i) {
        auto changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        BOOST_TEST(!tokens.accepts(cookie, changed), "character " << i);
    }
    BOOST_TEST(!tokens.accepts(cookie, ""));
    BOOST_TEST(!tokens.accepts(cookie, token + "A"));
    BOOST_TEST(!tokens.accepts(cookie, token.substr(1)));
}

BOOST_AUTO_TEST_CASE(no_token_goes_with_what_is_no_cookie_of_ours) {
    csrf_tokens const tokens;
    auto const good = csrf_tokens::new_cookie();
    BOOST_TEST(csrf_tokens::is_cookie(good));
    for (auto const& cookie : std::vector<std::string>{
             "", "x", good + "A", good.substr(1), "\"" + good + "\"", std::string(43, '='),
             std::string(43, '\0'), std::string(100'000, 'A')}) {
        BOOST_TEST(!csrf_tokens::is_cookie(cookie));
        BOOST_TEST(!tokens.accepts(cookie, tokens.token_for(cookie)), cookie.substr(0, 60));
    }
}

BOOST_AUTO_TEST_CASE(any_bytes_may_come_as_cookie_and_token) {
    csrf_tokens const tokens;
    std::mt19937 random(3);
    auto const bytes = [&] {
        std::string text(random() % 90, '\0');
        for (char& c : text)
            c = static_cast<char>(random());
        return text;
    };
    for (int i = 0; i < 5000; ++i)
        BOOST_TEST_REQUIRE(!tokens.accepts(bytes(), bytes()));
}

BOOST_AUTO_TEST_SUITE_END()
