// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/signaling/redis_address.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>

using parley::signaling::parse_redis_address;

BOOST_AUTO_TEST_SUITE(redis_address)

BOOST_AUTO_TEST_CASE(a_url_says_where_redis_is) {
    auto const all = parse_redis_address("redis://ann:p%40ss%3a%2f@redis.example:7000/3").value();
    BOOST_TEST(all.host == "redis.example");
    BOOST_TEST(all.port == 7000);
    BOOST_TEST(all.path == "");
    BOOST_TEST(all.username == "ann");
    BOOST_TEST(all.password.view() == "p@ss:/");
    BOOST_TEST(all.database == 3u);
    BOOST_TEST(all.text() == "redis.example:7000, database 3");

    auto const least = parse_redis_address("redis://").value();
    BOOST_TEST(least.text() == "127.0.0.1:6379, database 0");
    BOOST_TEST(least.password.view() == "");

    auto const v6 = parse_redis_address("redis://:secret@[::1]:6380/").value();
    BOOST_TEST(v6.host == "::1");
    BOOST_TEST(v6.username == "");
    BOOST_TEST(v6.password.view() == "secret");
    BOOST_TEST(v6.text() == "[::1]:6380, database 0");
    BOOST_TEST(parse_redis_address("redis://[::1]").value().port == 6379);
}

BOOST_AUTO_TEST_CASE(it_may_be_a_unix_socket) {
    auto const plain = parse_redis_address("unix:///run/redis/redis.sock").value();
    BOOST_TEST(plain.path == "/run/redis/redis.sock");
    BOOST_TEST(plain.text() == "/run/redis/redis.sock, database 0");
    auto const all = parse_redis_address("unix://ann:pw@/run/a%20b@c?db=12").value();
    BOOST_TEST(all.path == "/run/a b@c");
    BOOST_TEST(all.username == "ann");
    BOOST_TEST(all.database == 12u);
}

BOOST_AUTO_TEST_CASE(anything_else_is_refused_without_repeating_it) {
    for (std::string const url : {"",
                                  "localhost",
                                  "http://secret",
                                  "rediss://secret",
                                  "REDIS://secret",
                                  "redis:/secret",
                                  "redis://secret:",
                                  "redis://secret:0",
                                  "redis://secret:65536",
                                  "redis://secret:6379x",
                                  "redis://secret:-1",
                                  "redis://secret/x",
                                  "redis://secret/1/2",
                                  "redis://secret/1?x=y",
                                  "redis://secret/99999999999",
                                  "redis://[secret",
                                  "redis://[]",
                                  "redis://[::1]secret",
                                  "redis://a secret",
                                  "redis://\x01secret",
                                  "redis://ann@secret",
                                  "redis://ann:@secret",
                                  "redis://ann:%4@secret",
                                  "redis://%zz:secret@host",
                                  "unix://",
                                  "unix://secret",
                                  "unix://ann:secret@",
                                  "unix:///secret?db=x",
                                  "unix:///secret?x=1",
                                  "unix:///secret%00",
                                  "unix:///secret%"}) {
        auto const read = parse_redis_address(url);
        BOOST_TEST_REQUIRE(read.has_error(), url);
        BOOST_TEST(read.error().text().find("secret") == std::string::npos, url);
        BOOST_TEST(read.error().text().starts_with("the Redis URL: expected "), url);
    }
    BOOST_TEST(parse_redis_address("redis://" + std::string(3000, 'x')).error().text() ==
               "the Redis URL: expected at most 2048 bytes, found 3008");
    BOOST_TEST(parse_redis_address("redis://" + std::string(254, 'x')).has_error());
    BOOST_TEST(parse_redis_address("unix:///" + std::string(107, 'x')).has_error());
    BOOST_TEST(parse_redis_address("rediss://host").error().text() ==
               "the Redis URL: expected redis:// or unix://, found rediss://: TLS is not "
               "supported; use a tunnel");
}

BOOST_AUTO_TEST_CASE(any_text_is_read_or_refused) {
    std::mt19937 random(8);
    std::string const alphabet = "redis://unix:/@[]?db=%41:0963.-a\xff ";
    for (int i = 0; i < 5000; ++i) {
        std::string text = i % 2 == 0 ? "redis://" : "unix://";
        for (auto size = random() % 20; size > 0; --size)
            text += alphabet[random() % alphabet.size()];
        auto const read = parse_redis_address(text);
        if (!read) continue;
        BOOST_TEST_REQUIRE(read->port != 0);
        BOOST_TEST_REQUIRE((read->path.empty() || read->path[0] == '/'));
        BOOST_TEST_REQUIRE(!read->host.empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()
