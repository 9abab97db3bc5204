// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/crypto/ed25519_key.hpp>
#include <parley/encoding.hpp>
#include <parley/verifier/ed25519_verifier.hpp>

#include <boost/test/unit_test.hpp>

#include <cryptopp/integer.h>
#include <cryptopp/sha.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace {

using bytes = std::vector<std::uint8_t>;
using parley::ed25519_key;
using parley::ed25519_verifier;
using parley::error_code;
using parley::signed_message;

error_code const unacceptable_key = parley::signature_errc::unacceptable_key;
error_code const bad_signature = parley::signature_errc::bad_signature;

bytes hex(std::string_view text) {
    return parley::from_hex(text).value();
}

bytes const group_order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");

/// Why the message is refused; no error when it is not.
error_code refusal(bytes const& key, bytes const& message, bytes const& signature) {
    auto const verified = ed25519_verifier{}.verify(signed_message{key, message, signature});
    return verified ? error_code() : verified.error();
}

bytes sign(ed25519_key const& key, bytes const& message) {
    auto const signature = key.sign(message);
    return {signature.begin(), signature.end()};
}

bytes public_bytes(ed25519_key const& key) {
    return {key.public_key().begin(), key.public_key().end()};
}

ed25519_key key_of(bytes const& seed) {
    return ed25519_key(ed25519_key::seed_view(seed));
}

/// 32 bytes, least significant first: small + 2^255 - 19.
bytes field_order_plus(std::uint8_t small) {
    bytes y(32, 0xff);
    y.front() = static_cast<std::uint8_t>(0xed + small);
    y.back() = 0x7f;
    return y;
}

/// `with_sign(y)` is the other point with that y.
bytes with_sign(bytes y) {
    y.back() |= 0x80;
    return y;
}

/// Adds the order of the group to S, the second half of a signature: the same number to whoever
/// computes with it, another to whoever reads it.
bytes with_group_order_added(bytes signature) {
    unsigned carry = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        carry += signature[32 + i] + group_order[i];
        signature[32 + i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    BOOST_REQUIRE_EQUAL(carry, 0U);
    return signature;
}

CryptoPP::Integer number(bytes const& b) {
    return {b.data(), b.size(), CryptoPP::Integer::UNSIGNED, CryptoPP::LITTLE_ENDIAN_ORDER};
}

bytes sha512(bytes const& message) {
    bytes digest(CryptoPP::SHA512::DIGESTSIZE);
    CryptoPP::SHA512().CalculateDigest(digest.data(), message.data(), message.size());
    return digest;
}

/// The signature of the empty message that a signer makes whose "random" R is the neutral point,
/// written as `r`: S is then the hash of R and the key, times the secret scalar.
bytes signature_with_neutral_r(ed25519_key const& key, bytes const& r) {
    auto scalar = sha512(bytes(key.seed().begin(), key.seed().end()));
    scalar.resize(32);
    scalar[0] &= 0xf8;
    scalar[31] = static_cast<std::uint8_t>((scalar[31] & 0x3f) | 0x40);
    auto hashed = r;
    hashed.insert(hashed.end(), key.public_key().begin(), key.public_key().end());
    auto const s = number(sha512(hashed)) * number(scalar) % number(group_order);
    bytes encoded(32);
    s.Encode(encoded.data(), encoded.size());
    auto signature = r;
    signature.insert(signature.end(), encoded.rbegin(), encoded.rend());
    return signature;
}

} // namespace

BOOST_AUTO_TEST_SUITE(ed25519)

BOOST_AUTO_TEST_CASE(a_signature_proves_whose_message_it_is) {
    auto const key = ed25519_key::generate();
    bytes const message{'h', 'e', 'l', 'l', 'o'};
    auto const signature = key.sign(message);

    auto const signer = ed25519_verifier{}.verify({key.public_key(), message, signature});

    BOOST_REQUIRE(signer.has_value());
    BOOST_TEST((*signer == key.public_key()));
}

BOOST_AUTO_TEST_CASE(the_vectors_of_rfc_8032_hold) {
    struct {
        std::string_view seed, public_key, message, signature;
    } constexpr vectors[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "cf9"
         "b46bd25bf5f0595bbe24655141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
         "0f1"
         "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "84d"
         "c6594a7c15e9716ed28dc027beceea1ec40a"},
        {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
         "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a"
         "3fe"
         "ebbd454d4423643ce80e2a9ac94fa54ca49f",
         "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66"
         "431"
         "e0303dca179c138ac17ad9bef1177331a704"},
    };
    for (auto const& v : vectors) {
        auto const key = key_of(hex(v.seed));
        BOOST_TEST(parley::to_hex(key.public_key()) == v.public_key);
        BOOST_TEST(parley::to_hex(key.sign(hex(v.message))) == v.signature);
        BOOST_TEST(!refusal(hex(v.public_key), hex(v.message), hex(v.signature)));
    }
}

BOOST_AUTO_TEST_CASE(anything_of_another_length_is_refused) {
    auto const key = ed25519_key::generate();
    auto const good_key = public_bytes(key);
    bytes const message{1, 2, 3};
    auto const good_signature = sign(key, message);
    for (std::size_t size : {0U, 1U, 31U, 33U, 64U}) {
        auto wrong_key = good_key;
        wrong_key.resize(size);
        BOOST_TEST(refusal(wrong_key, message, good_signature) == unacceptable_key);
    }
    for (std::size_t size : {0U, 1U, 32U, 63U, 65U, 128U}) {
        auto wrong_signature = good_signature;
        wrong_signature.resize(size);
        BOOST_TEST(refusal(good_key, message, wrong_signature) == bad_signature);
    }
    BOOST_TEST(refusal({}, {}, {}) == unacceptable_key);
}

BOOST_AUTO_TEST_CASE(s_must_be_below_the_group_order) {
    bytes const message{1, 2, 3};
    // S + L is below 2^253 for every S, where Crypto++ alone takes it: a second signature of the
    // same message, made without the key.
    for (std::uint8_t i = 0; i < 32; ++i) {
        auto const key = key_of(bytes(32, i));
        auto const malleated = with_group_order_added(sign(key, message));
        BOOST_TEST(CryptoPP::Donna::ed25519_sign_open(message.data(), message.size(),
                                                      key.public_key().data(),
                                                      malleated.data()) == 0);
        BOOST_TEST(refusal(public_bytes(key), message, malleated) == bad_signature);
    }
}

BOOST_AUTO_TEST_CASE(keys_of_small_order_are_refused_however_they_are_written) {
    bytes zero(32, 0), one(32, 0);
    one[0] = 1;
    std::vector<bytes> keys{
        zero,
        one,
        field_order_plus(0),
        field_order_plus(1),
        hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")};
    for (std::size_t i = 0, unsigned_keys = keys.size(); i < unsigned_keys; ++i) {
        keys.push_back(with_sign(keys[i]));
    }

    // With R the neutral point and S zero, one message in eight or fewer is "signed" by nobody.
    bytes forged(64, 0);
    forged[0] = 1;
    for (auto const& key : keys) {
        int taken_by_the_library = 0;
        for (std::uint8_t m = 0; m < 100; ++m) {
            bytes const message{m};
            taken_by_the_library += CryptoPP::Donna::ed25519_sign_open(
                                        message.data(), 1, key.data(), forged.data()) == 0;
            BOOST_TEST(refusal(key, message, forged) == unacceptable_key);
        }
        BOOST_TEST(taken_by_the_library > 0, parley::to_hex(key) << " is not of small order");
        BOOST_TEST(!parley::is_acceptable_ed25519_key(key));
    }
}

BOOST_AUTO_TEST_CASE(a_key_must_be_canonical) {
    for (std::uint8_t small = 0; small < 19; ++small) {
        auto const y = field_order_plus(small);
        BOOST_TEST(!parley::is_acceptable_ed25519_key(y));
        BOOST_TEST(!parley::is_acceptable_ed25519_key(with_sign(y)));
    }
    // p + 3 names the point of y = 3, which is a good key when written as 3.
    bytes three(32, 0);
    three[0] = 3;
    BOOST_TEST(parley::is_acceptable_ed25519_key(three));
    BOOST_TEST(refusal(field_order_plus(3), {}, bytes(64, 0)) == unacceptable_key);
    BOOST_TEST(refusal(three, {}, bytes(64, 0)) == bad_signature);
}

BOOST_AUTO_TEST_CASE(a_key_must_be_a_point_of_the_curve) {
    for (std::uint8_t y : bytes{2, 7, 8, 11, 12, 13, 17}) { // x² would be no square
        bytes key(32, 0);
        key[0] = y;
        BOOST_TEST(refusal(key, {}, bytes(64, 0)) == unacceptable_key);
        BOOST_TEST(refusal(with_sign(key), {}, bytes(64, 0)) == unacceptable_key);
    }
    for (std::uint8_t y : bytes{3, 4, 5, 6, 9, 10, 14, 15, 16, 18}) {
        bytes key(32, 0);
        key[0] = y;
        BOOST_TEST(refusal(key, {}, bytes(64, 0)) == bad_signature);
    }
}

BOOST_AUTO_TEST_CASE(every_generated_key_is_acceptable) {
    for (int i = 0; i < 200; ++i) {
        BOOST_TEST(parley::is_acceptable_ed25519_key(ed25519_key::generate().public_key()));
    }
}

BOOST_AUTO_TEST_CASE(r_must_be_canonical) {
    auto const key = key_of(bytes(32, 9));
    bytes neutral(32, 0);
    neutral[0] = 1;
    BOOST_TEST(!refusal(public_bytes(key), {}, signature_with_neutral_r(key, neutral)));
    BOOST_TEST(refusal(public_bytes(key), {}, signature_with_neutral_r(key, field_order_plus(1))) ==
               bad_signature);
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_is_noticed) {
    auto const key = key_of(bytes(32, 7));
    auto const public_key = public_bytes(key);
    bytes const message{'c', 'o', 'n', 's', 'e', 'n', 't'};
    auto const signature = sign(key, message);
    auto flipped = [](bytes b, std::size_t bit) {
        b[bit / 8] = static_cast<std::uint8_t>(b[bit / 8] ^ (1U << (bit % 8)));
        return b;
    };
    for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
        BOOST_TEST(refusal(public_key, message, flipped(signature, bit)) == bad_signature);
    }
    for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
        BOOST_TEST(refusal(public_key, flipped(message, bit), signature) == bad_signature);
    }
    for (std::size_t bit = 0; bit < public_key.size() * 8; ++bit) {
        BOOST_TEST(refusal(flipped(public_key, bit), message, signature).failed());
    }
}

BOOST_AUTO_TEST_CASE(random_bytes_are_refused_and_half_the_keys_are_points) {
    std::mt19937_64 random(3);
    auto draw = [&](std::size_t size) {
        bytes drawn(size);
        for (auto& byte : drawn)
            byte = static_cast<std::uint8_t>(random());
        return drawn;
    };
    int points = 0;
    for (int i = 0; i < 1000; ++i) {
        auto const why = refusal(draw(32), draw(random() % 100), draw(64));
        BOOST_REQUIRE(why.failed());
        points += why == bad_signature;
    }
    BOOST_TEST(points > 400);
    BOOST_TEST(points < 600);
}

BOOST_AUTO_TEST_SUITE_END()
