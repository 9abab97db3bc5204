// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/encoding.hpp>
#include <parley/random.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

using bytes = std::vector<std::uint8_t>;

bytes as_bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(encoding)

BOOST_AUTO_TEST_CASE(base64url_writes_the_vectors_of_rfc_4648_without_padding) {
    BOOST_TEST(parley::to_base64url(as_bytes("")) == "");
    BOOST_TEST(parley::to_base64url(as_bytes("f")) == "Zg");
    BOOST_TEST(parley::to_base64url(as_bytes("fo")) == "Zm8");
    BOOST_TEST(parley::to_base64url(as_bytes("foo")) == "Zm9v");
    BOOST_TEST(parley::to_base64url(as_bytes("foob")) == "Zm9vYg");
    BOOST_TEST(parley::to_base64url(as_bytes("fooba")) == "Zm9vYmE");
    BOOST_TEST(parley::to_base64url(as_bytes("foobar")) == "Zm9vYmFy");
    BOOST_TEST(parley::to_base64url(bytes{0xfb, 0xff, 0xbf}) == "-_-_");
}

BOOST_AUTO_TEST_CASE(base64url_reads_only_what_it_writes) {
    BOOST_TEST((parley::from_base64url("Zm9vYg") == as_bytes("foob")));
    BOOST_TEST((parley::from_base64url("") == bytes{}));
    for (std::string_view refused : {
             "Zg==",     // padding
             "Zm9v\n",   // white space
             "Zm 9",     //
             "Z",        // six bits are no byte
             "Zm9vY",    //
             "Zh",       // unused bits that are not zero
             "Zm9",      //
             "+/+/",     // the other alphabet
             "Zm9v\xff", // not ASCII
             "***",      //
         }) {
        BOOST_TEST(!parley::from_base64url(refused), "took " << refused);
    }
    BOOST_TEST(!parley::from_base64url(std::string_view("Zg\0", 3)));
}

BOOST_AUTO_TEST_CASE(hex_is_lower_case_pairs) {
    BOOST_TEST(parley::to_hex(bytes{0x00, 0x1f, 0xab, 0xff}) == "001fabff");
    BOOST_TEST((parley::from_hex("001fabff") == bytes{0x00, 0x1f, 0xab, 0xff}));
    BOOST_TEST((parley::from_hex("") == bytes{}));
    for (std::string_view refused : {"0", "abc", "AB", "0x", "g0", " 0", "0\xff"}) {
        BOOST_TEST(!parley::from_hex(refused), "took " << refused);
    }
}

BOOST_AUTO_TEST_CASE(any_bytes_survive_the_round_trip) {
    std::mt19937_64 random(1);
    for (std::size_t size = 0; size < 200; ++size) {
        bytes original(size);
        for (auto& byte : original)
            byte = static_cast<std::uint8_t>(random());
        BOOST_REQUIRE((parley::from_base64url(parley::to_base64url(original)) == original));
        BOOST_REQUIRE((parley::from_hex(parley::to_hex(original)) == original));
    }
}

BOOST_AUTO_TEST_CASE(no_two_texts_mean_the_same_bytes) {
    std::mt19937_64 random(2);
    constexpr std::string_view characters = "ABYZabyz0189-_+/= ";
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto n = random() % 8; n > 0; --n)
            text += characters[random() % characters.size()];
        if (auto decoded = parley::from_base64url(text)) {
            BOOST_REQUIRE_EQUAL(parley::to_base64url(*decoded), text);
        }
        if (auto decoded = parley::from_hex(text)) {
            BOOST_REQUIRE_EQUAL(parley::to_hex(*decoded), text);
        }
    }
}

BOOST_AUTO_TEST_CASE(random_uuids_are_version_4_and_differ) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        auto const uuid = parley::random_uuid();
        BOOST_REQUIRE_EQUAL(uuid.size(), 36U);
        for (std::size_t hyphen : {8U, 13U, 18U, 23U})
            BOOST_TEST(uuid[hyphen] == '-');
        BOOST_TEST(uuid[14] == '4');
        BOOST_TEST((std::string_view("89ab").find(uuid[19]) != std::string_view::npos));
        BOOST_TEST(uuid.find_first_not_of("0123456789abcdef-") == std::string::npos);
        seen.insert(uuid);
    }
    BOOST_TEST(seen.size() == 100U);
}

BOOST_AUTO_TEST_CASE(random_bytes_fill_the_whole_span) {
    bytes drawn(4096, 0);
    parley::fill_random(drawn);
    BOOST_TEST((std::set<std::uint8_t>(drawn.begin(), drawn.end()).size() > 200U));
    BOOST_TEST((std::set<std::uint8_t>(drawn.end() - 256, drawn.end()).size() > 64U));
    parley::fill_random({});
}

BOOST_AUTO_TEST_SUITE_END()
