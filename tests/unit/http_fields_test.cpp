// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/http_fields.hpp>

#include <boost/test/unit_test.hpp>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

using namespace parley;

namespace {

http_request asking(std::string_view target) {
    http_request request(http::verb::get, {target.data(), target.size()}, 11);
    return request;
}

http_request with_fields(std::vector<std::pair<http::field, std::string>> const& fields) {
    auto request = asking("/");
    for (auto const& [name, value] : fields)
        request.insert(name, value);
    return request;
}

/// The cookie `id` of a request with these `Cookie` fields; "none" when it has none.
std::string id_in(std::vector<std::string> const& fields) {
    auto request = asking("/");
    for (auto const& one : fields)
        request.insert(http::field::cookie, one);
    return std::string(cookie(request, "id").value_or("none"));
}

std::string token_in(std::string_view target) {
    return query_parameter(asking(target), "token").value_or("none");
}

std::string any_text(std::mt19937& random, std::string_view alphabet, std::size_t most) {
    std::string text(random() % most, '\0');
    for (char& c : text)
        c = alphabet.empty() ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    return text;
}

/// The plainest way to write bytes with percent-encoding: all of them.
std::string percent_encoded(std::string_view bytes, std::string_view digits) {
    std::string text;
    for (char c : bytes) {
        auto const byte = static_cast<unsigned char>(c);
        text += '%';
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(http_fields)

// ---- Percent-encoding ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(percent_encoding_is_undone) {
    BOOST_TEST(percent_decoded("").value() == "");
    BOOST_TEST(percent_decoded("plain~text").value() == "plain~text");
    BOOST_TEST(percent_decoded("a%20b%2Fc%2fd").value() == "a b/c/d");
    BOOST_TEST(percent_decoded("%C3%A9").value() == "\xC3\xA9");
    BOOST_TEST(percent_decoded("%00").value() == std::string(1, '\0'));
    BOOST_TEST(percent_decoded("%2541").value() == "%41"); // once, not twice
    BOOST_TEST(percent_decoded("a+b").value() == "a+b");
}

BOOST_AUTO_TEST_CASE(malformed_percent_encoding_is_nothing) {
    for (auto const* text :
         {"%", "%2", "a%", "a%4", "%g0", "%0g", "%%41", "%-1", "% 1", "%\xff\xff"})
        BOOST_TEST(!percent_decoded(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(any_bytes_survive_the_round_trip_and_no_text_is_too_odd) {
    std::mt19937 random(1);
    for (int i = 0; i < 5000; ++i) {
        auto const bytes = any_text(random, "", 40);
        BOOST_TEST_REQUIRE(percent_decoded(percent_encoded(bytes, "0123456789abcdef")).value() ==
                           bytes);
        BOOST_TEST_REQUIRE(percent_decoded(percent_encoded(bytes, "0123456789ABCDEF")).value() ==
                           bytes);
        auto const odd = percent_decoded(any_text(random, "%%%0aF\xff", 20));
        if (odd) BOOST_TEST_REQUIRE(odd->size() < 20u);
    }
}

// ---- The query ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_parameter_of_the_query_is_found_and_decoded) {
    BOOST_TEST(token_in("/ws?token=abc") == "abc");
    BOOST_TEST(token_in("/ws?a=1&token=abc&b=2") == "abc");
    BOOST_TEST(token_in("/ws?token=a%3Db%26c") == "a=b&c");
    BOOST_TEST(token_in("/ws?token=a=b") == "a=b");
    BOOST_TEST(token_in("/ws?token=first&token=second") == "first");
    BOOST_TEST(token_in("/ws?token=abc#token=def") == "abc");
    BOOST_TEST(token_in("/ws?token=") == "");
    BOOST_TEST(token_in("/ws?token") == "");
    BOOST_TEST(token_in("/ws?&&=&token=abc") == "abc");
}

BOOST_AUTO_TEST_CASE(what_is_no_such_parameter_is_nothing) {
    for (auto const* target :
         {"", "?", "/ws", "/ws?", "/ws?&", "/ws?tok=abc", "/ws?tokens=abc", "/ws?Token=abc",
          "/token=abc", "/ws?a=token=abc", "/ws?a#?token=abc", "/ws#?token=abc", "/ws?token=%zz",
          "/ws?token=%zz&token=abc", "/ws? token=abc", "/ws?%74oken=abc"})
        BOOST_TEST(token_in(target) == "none", target);
}

BOOST_AUTO_TEST_CASE(any_target_may_come) {
    std::mt19937 random(2);
    for (int i = 0; i < 20'000; ++i) {
        auto const odd = any_text(random, i % 2 == 0 ? "?&=#%token4f" : "", 60);
        auto const value = query_parameter(asking(odd), "token");
        if (value) BOOST_TEST_REQUIRE(value->size() < odd.size());
        // A parameter in front of whatever follows is found.
        BOOST_TEST_REQUIRE(token_in("/ws?token=%61bc&" + odd) == "abc");
    }
}

// ---- Cookies ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_cookie_is_found_among_others_however_they_are_spaced) {
    BOOST_TEST(id_in({"id=abc"}) == "abc");
    BOOST_TEST(id_in({"a=1; id=abc; b=2"}) == "abc");
    BOOST_TEST(id_in({"a=1;id=abc;b=2"}) == "abc");
    BOOST_TEST(id_in({" \t id \t = \t abc \t ; b=2"}) == "abc");
    BOOST_TEST(id_in({"a=1", "id=abc"}) == "abc"); // in a field of its own, as over HTTP/2
    BOOST_TEST(id_in({"; ;; id=abc ;"}) == "abc");
    BOOST_TEST(id_in({"id=a=b"}) == "a=b");
    BOOST_TEST(id_in({"id=\"a b\""}) == "\"a b\""); // as it was sent
    BOOST_TEST(id_in({"id=%41"}) == "%41");
    BOOST_TEST(id_in({"id="}) == "");
    BOOST_TEST(id_in({"id"}) == "");
}

BOOST_AUTO_TEST_CASE(of_several_cookies_of_one_name_the_first_counts) {
    BOOST_TEST(id_in({"id=first; id=second"}) == "first");
    BOOST_TEST(id_in({"a=1; id=first", "id=second"}) == "first");
}

BOOST_AUTO_TEST_CASE(another_cookie_is_not_taken_for_it) {
    for (auto const* text : {"", "=", ";", "x=id", "xid=abc", "idx=abc", "ID=abc", "a=\"; b=1",
                             "a=id=abc", "i d=abc", "\"id\"=abc", "$id=abc"})
        BOOST_TEST(id_in({text}) == "none", text);
}

BOOST_AUTO_TEST_CASE(any_cookies_may_come) {
    std::mt19937 random(3);
    for (int i = 0; i < 20'000; ++i) {
        auto const odd = any_text(random, i % 2 == 0 ? " \t;=\"id" : "", 60);
        auto const request = with_fields({{http::field::cookie, odd}});
        if (auto const found = cookie(request, "id")) {
            // Within the request, and without the spaces around it.
            auto const whole = request[http::field::cookie];
            BOOST_TEST_REQUIRE(
                (found->empty() || (found->data() >= whole.data() &&
                                    found->data() + found->size() <= whole.data() + whole.size())));
            BOOST_TEST_REQUIRE(found->find(';') == found->npos);
        }
        if (odd.find("id") == odd.npos) BOOST_TEST_REQUIRE(id_in({odd + "; id=abc"}) == "abc");
    }
}

// ---- Origins ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_page_of_the_server_itself_may_connect_and_no_other) {
    for (auto const& [origin, host, allowed] :
         std::vector<std::tuple<std::string, std::string, bool>>{
             {"http://app.test", "app.test", true},
             {"https://app.test", "app.test", true},
             {"HTTPS://App.Test", "app.test", true},
             {"http://app.test:8080", "app.test:8080", true},
             {"http://[::1]:8080", "[::1]:8080", true},
             {"http://app.test:8080", "app.test", false},
             {"http://app.test", "app.test:8080", false},
             {"http://app.test.evil.test", "app.test", false},
             {"http://evil.test", "app.test", false},
             {"http://evil.test/app.test", "app.test", false},
             {"http://app.test/", "app.test", false},
             {"ftp://app.test", "app.test", false},
             {"app.test", "app.test", false},
             {"http://", "app.test", false},
             {"null", "app.test", false},
             {"", "app.test", false},
             {"*", "app.test", false}}) {
        auto const request =
            with_fields({{http::field::origin, origin}, {http::field::host, host}});
        BOOST_TEST(is_allowed_origin(request, {}) == allowed, origin + " at " + host);
    }
}

BOOST_AUTO_TEST_CASE(a_request_from_no_page_may_connect) {
    BOOST_TEST(is_allowed_origin(with_fields({{http::field::host, "app.test"}}), {}));
    BOOST_TEST(is_allowed_origin(asking("/"), {}));
    std::vector<std::string> const allowed{"https://app.test"};
    BOOST_TEST(is_allowed_origin(asking("/"), allowed));
}

BOOST_AUTO_TEST_CASE(where_origins_are_named_only_they_may_connect) {
    std::vector<std::string> const allowed{"https://one.test", "https://two.test:8443"};
    auto const may = [&](std::string const& origin) {
        return is_allowed_origin(
            with_fields({{http::field::origin, origin}, {http::field::host, "app.test"}}), allowed);
    };
    BOOST_TEST(may("https://one.test"));
    BOOST_TEST(may("https://TWO.test:8443"));
    BOOST_TEST(!may("http://one.test"));
    BOOST_TEST(!may("https://two.test"));
    BOOST_TEST(!may("https://app.test")); // its own neither, when it is not named
    BOOST_TEST(!may("null"));
    BOOST_TEST(!may(""));
}

BOOST_AUTO_TEST_CASE(what_is_said_twice_is_not_believed) {
    using http::field;
    std::string const good = "http://app.test", evil = "http://evil.test";
    BOOST_TEST(!is_allowed_origin(
        with_fields({{field::origin, good}, {field::origin, evil}, {field::host, "app.test"}}),
        {}));
    BOOST_TEST(!is_allowed_origin(
        with_fields({{field::origin, good}, {field::host, "app.test"}, {field::host, "evil.test"}}),
        {}));
    BOOST_TEST(!is_allowed_origin(with_fields({{field::origin, good}}), {})); // at which host?
}

BOOST_AUTO_TEST_SUITE_END()
