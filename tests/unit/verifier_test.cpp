// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/verifier/accept_all_verifier.hpp>
#include <parley/verifier/refuse_all_verifier.hpp>
#include <parley/verifier/signed_message.hpp>

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdint>
#include <string>

BOOST_AUTO_TEST_SUITE(verifiers)

BOOST_AUTO_TEST_CASE(without_a_verifier_nobody_is_believed) {
    parley::refuse_all_verifier const verifier;
    for (auto credential : {"", "anything"}) {
        auto const verified = verifier.verify(credential);
        BOOST_REQUIRE(verified.has_error());
        BOOST_TEST((verified.error() == parley::errc::credential_refused));
    }
}

BOOST_AUTO_TEST_CASE(a_test_can_believe_everybody) {
    parley::accept_all_verifier<std::string, int> const verifier(42);
    BOOST_TEST(verifier.verify("anything").value() == 42);
}

BOOST_AUTO_TEST_CASE(an_accept_all_verifier_stands_in_for_one_of_signatures) {
    using stand_in =
        parley::accept_all_verifier<parley::signed_message, parley::ed25519_public_key>;
    static_assert(parley::signature_verifier<stand_in>);
    static_assert(!parley::signature_verifier<parley::refuse_all_verifier>);
    parley::ed25519_public_key const key{1, 2, 3};
    BOOST_TEST((stand_in(key).verify({}).value() == key));
}

BOOST_AUTO_TEST_CASE(refusals_have_words) {
    parley::error_code const key = parley::signature_errc::unacceptable_key;
    parley::error_code const signature = parley::signature_errc::bad_signature;
    BOOST_TEST(key.message() == "unacceptable public key");
    BOOST_TEST(signature.message() == "bad signature");
    BOOST_TEST((key != signature));
}

BOOST_AUTO_TEST_SUITE_END()
