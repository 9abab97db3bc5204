// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/consent/broker_url.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

using parley::consent::parse_broker_url;

BOOST_AUTO_TEST_SUITE(broker_url)

BOOST_AUTO_TEST_CASE(a_url_is_taken_apart) {
    auto const url = parse_broker_url("ws://broker.test:3000/ws/handshake?v=1").value();
    BOOST_TEST(!url.secure);
    BOOST_TEST(url.host == "broker.test");
    BOOST_TEST(url.port == 3000);
    BOOST_TEST(url.path == "/ws/handshake?v=1");
    BOOST_TEST(url.authority() == "broker.test:3000");
}

BOOST_AUTO_TEST_CASE(what_is_left_out_has_a_default) {
    auto const plain = parse_broker_url("ws://127.0.0.1").value();
    BOOST_TEST(plain.port == 80);
    BOOST_TEST(plain.path == "/ws/handshake");
    BOOST_TEST(plain.authority() == "127.0.0.1");

    auto const secure = parse_broker_url("wss://broker.test/").value();
    BOOST_TEST(secure.secure);
    BOOST_TEST(secure.port == 443);
    BOOST_TEST(secure.path == "/");
    BOOST_TEST(secure.authority() == "broker.test");

    BOOST_TEST(parse_broker_url("ws://broker.test?v=1").value().path == "/?v=1");
}

BOOST_AUTO_TEST_CASE(an_ipv6_address_is_in_brackets) {
    auto const url = parse_broker_url("wss://[::1]:8443").value();
    BOOST_TEST(url.host == "::1");
    BOOST_TEST(url.port == 8443);
    BOOST_TEST(url.authority() == "[::1]:8443");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said) {
    auto const problem_of = [](std::string const& text) {
        return parse_broker_url(text).error().text();
    };
    BOOST_TEST(problem_of("http://broker.test") ==
               "http://broker.test: expected a URL that begins with ws:// or wss://, "
               "found \"http\"");
    BOOST_TEST(problem_of("ws://broker.test:0") ==
               "ws://broker.test:0: expected a port from 1 to 65535, found \":0\"");
    BOOST_TEST(problem_of("ws://") ==
               "ws://: expected the name or address of a host, found nothing");
    BOOST_TEST(problem_of("ws://broker.test/a b") ==
               "the URL: expected at most 2048 visible ASCII characters, found something else");
}

BOOST_AUTO_TEST_CASE(nothing_else_is_taken) {
    for (std::string const text : {"",
                                   "broker.test",
                                   "ws:",
                                   "ws:/",
                                   "ws:///path",
                                   "WS://broker.test",
                                   "ws://:3000",
                                   "ws://broker.test:",
                                   "ws://broker.test:65536",
                                   "ws://broker.test:+80",
                                   "ws://broker.test: 80",
                                   "ws://broker.test:80a",
                                   "ws://user@broker.test",
                                   "ws://user:secret@broker.test",
                                   "ws://[::1",
                                   "ws://[::1]x",
                                   "ws://[::1]80",
                                   "ws://[]",
                                   "ws://::1",
                                   "ws://broker.test/#part",
                                   "ws://broker.test#part",
                                   "ws://bro\\ker.test",
                                   "ws://broker.test/\r\nX: y",
                                   "ws://broker.test/\x7f"}) {
        BOOST_TEST(parse_broker_url(text).has_error(), "taken: " << text);
    }
    BOOST_TEST(parse_broker_url("ws://h/" + std::string(2048, 'x')).has_error());
    BOOST_TEST(parse_broker_url("ws://" + std::string(254, 'x')).has_error());
}

BOOST_AUTO_TEST_CASE(an_endpoint_has_a_scheme_and_a_host) {
    using parley::consent::is_endpoint_url;
    for (auto const* good :
         {"ws://a", "wss://a.example:8443/agent?x=1", "http://localhost:3000", "https://[::1]/"}) {
        BOOST_TEST(is_endpoint_url(good), good);
    }
    for (auto const* bad : {"", "a.example", "ftp://a", "http://", "https:///path", "ws://:80",
                            "http://a:0", "http://a b", "http://a\n", "wss://\xc3\xa4"}) {
        BOOST_TEST(!is_endpoint_url(bad), bad);
    }
    BOOST_TEST(parley::consent::is_endpoint_base("http://localhost:3000/below"));
    BOOST_TEST(!parley::consent::is_endpoint_base("http://localhost:3000?query"));
}

BOOST_AUTO_TEST_CASE(no_bytes_are_too_strange) {
    std::mt19937_64 random(7);
    std::string const seed = "wss://[::1]:8443/ws/handshake?a=b";
    for (int i = 0; i < 20'000; ++i) {
        auto text = seed.substr(0, random() % (seed.size() + 1));
        for (auto n = random() % 4; n > 0 && !text.empty(); --n)
            text[random() % text.size()] = static_cast<char>(random());
        auto const url = parse_broker_url(text);
        if (!url) continue;
        BOOST_REQUIRE(url->port != 0);
        BOOST_REQUIRE(url->path.front() == '/');
        auto const again =
            parse_broker_url((url->secure ? "wss://" : "ws://") + url->authority() + url->path);
        BOOST_REQUIRE(again.value().authority() == url->authority());
    }
}

BOOST_AUTO_TEST_SUITE_END()
