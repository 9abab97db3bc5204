// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/consent/challenge.hpp>
#include <parley/consent/client_messages.hpp>
#include <parley/consent/token.hpp>
#include <parley/verifier/accept_all_verifier.hpp>
#include <parley/verifier/ed25519_verifier.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace parley::consent {

std::ostream& operator<<(std::ostream& out, failure why) {
    return out << wire_name(why);
}

} // namespace parley::consent

namespace {

using bytes = std::vector<std::uint8_t>;
using namespace parley::consent;
using parley::ed25519_key;
using parley::ed25519_verifier;

using outcome = parley::result<consent_token, rejection>;
using clock_type = std::chrono::system_clock;

constexpr std::string_view npi = "1245319599";
clock_type::time_point const now{std::chrono::seconds(1'800'000'000)};

boost::json::object const& vectors() {
    static auto const parsed = [] {
        std::ifstream in(PARLEY_TEST_VECTORS "/consent-tokens.json");
        return boost::json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
    }();
    return parsed.as_object();
}

std::string text(boost::json::object const& object, std::string_view member) {
    return std::string(object.at(member).as_string());
}

ed25519_key const& patient_key() {
    static ed25519_key const key(ed25519_key::seed_view(
        parley::from_base64url(text(vectors(), "patient_private_key_seed")).value()));
    return key;
}

/// What the patient agent of these tests asks for.
token_claims good_claims() {
    return {"patient-001", std::string(npi), {"office_visit", "lab_results"}, {1.7e9}, {1.9e9}, {}};
}

/// A first message around any payload, properly signed.
handshake_auth auth_with_payload(std::string_view payload) {
    bytes const raw(payload.begin(), payload.end());
    return {parley::to_base64url(raw), parley::to_base64url(patient_key().sign(raw)), "patient-001",
            parley::to_base64url(patient_key().public_key()), "https://agent.example/p1"};
}

outcome check(handshake_auth const& auth, clock_type::time_point at = now) {
    return check_token(auth, ed25519_verifier{}, at);
}

/// The good claims as JSON with one member replaced; an empty text removes it.
std::string claims_with(std::string_view member, std::string_view json) {
    auto claims = parley::json::encode(good_claims()).as_object();
    claims.erase(member);
    if (!json.empty()) claims[member] = boost::json::parse(json);
    return boost::json::serialize(claims);
}

/// Requires that `auth` is refused with this code and message, and what is then known of the NPI.
void expect_refusal(handshake_auth const& auth, failure code, std::string_view message,
                    std::string_view provider_npi = "unknown") {
    auto const checked = check(auth);
    BOOST_REQUIRE(checked.has_error());
    BOOST_TEST(checked.error().code == code);
    BOOST_TEST(checked.error().message == message);
    BOOST_TEST(checked.error().provider_npi == provider_npi);
}

/// Requires that a payload whose signature is good is an invalid message for this reason.
void expect_invalid(std::string_view payload, std::string_view reason) {
    expect_refusal(auth_with_payload(payload), failure::invalid_message,
                   "consent_token_payload" + std::string(reason));
}

} // namespace

BOOST_AUTO_TEST_SUITE(consent_token_checks)

BOOST_AUTO_TEST_CASE(a_good_token_says_who_consents_to_what) {
    auto claims = good_claims();
    claims.nonce = "n-1";
    auto const token = check(make_auth(patient_key(), claims, "https://agent.example/p1"));

    BOOST_REQUIRE(token.has_value());
    BOOST_TEST(token->patient_agent_id == "patient-001");
    BOOST_TEST(token->provider_npi == npi);
    BOOST_TEST(token->consented_actions == claims.consented_actions,
               boost::test_tools::per_element());
    BOOST_TEST(token->iat.value == 1.7e9);
    BOOST_TEST(token->exp.value == 1.9e9);
    BOOST_TEST(token->nonce.value() == "n-1");
    BOOST_TEST((token->patient_public_key == patient_key().public_key()));
}

BOOST_AUTO_TEST_CASE(the_original_and_this_agree_on_every_vector) {
    auto const& cases = vectors().at("cases").as_array();
    BOOST_TEST(cases.size() == 12U);
    for (auto const& item : cases) {
        auto const& c = item.as_object();
        BOOST_TEST_CONTEXT(text(c, "name")) {
            auto const checked =
                check({text(c, "payload"), text(c, "signature"), "patient-001",
                       text(vectors(), "patient_public_key"), "https://agent.example/p1"});
            auto const got = checked ? "ok" : wire_name(checked.error().code);
            BOOST_TEST(got == text(c, "expect"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_client_makes_the_same_token_as_the_original) {
    auto const& c = vectors().at("cases").as_array().at(1).as_object();
    token_claims const claims{"patient-001",   std::string(npi), {"office_visit", "lab_results"},
                              {1'767'225'600}, {4'102'444'800},  "n-1"};
    auto const auth = make_auth(patient_key(), claims, "https://agent.example/p1");
    BOOST_TEST(auth.consent_token_payload == text(c, "payload"));
    BOOST_TEST(auth.consent_token_signature == text(c, "signature"));
    BOOST_TEST(auth.patient_public_key == text(vectors(), "patient_public_key"));
    BOOST_TEST(auth.patient_agent_id == "patient-001");
    BOOST_TEST(auth.patient_endpoint == "https://agent.example/p1");
}

BOOST_AUTO_TEST_CASE(what_is_not_base64url_is_an_invalid_message) {
    auto const good = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    for (auto member : {&handshake_auth::patient_public_key, &handshake_auth::consent_token_payload,
                        &handshake_auth::consent_token_signature}) {
        for (std::string_view suffix : {"=", "+", "\n", "\xff"}) {
            auto auth = good;
            auth.*member += suffix;
            auto const checked = check(auth);
            BOOST_REQUIRE(checked.has_error());
            BOOST_TEST(checked.error().code == failure::invalid_message);
        }
    }
    auto auth = good;
    auth.consent_token_payload = "*";
    expect_refusal(
        auth, failure::invalid_message,
        "consent_token_payload: expected base64url without padding, found something else");
}

BOOST_AUTO_TEST_CASE(a_key_that_cannot_be_is_an_invalid_message) {
    auto auth = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    auth.patient_public_key = "AAAAAAAAAAAA";
    expect_refusal(auth, failure::invalid_message,
                   "patient_public_key: expected 43 base64url characters, found 12");

    auth.patient_public_key = std::string(43, 'A'); // zero: anyone can sign for it
    constexpr auto unacceptable = "patient_public_key: expected a canonical Ed25519 key that is "
                                  "not of small order, found another value";
    expect_refusal(auth, failure::invalid_message, unacceptable);

    auth.consent_token_signature = "AAAA"; // the key is looked at first
    expect_refusal(auth, failure::invalid_message, unacceptable);
}

BOOST_AUTO_TEST_CASE(a_signature_that_is_not_the_patients_proves_nothing) {
    constexpr auto refused = "consent_token_signature: does not verify under patient_public_key";
    auto auth = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    auth.patient_public_key = parley::to_base64url(ed25519_key::generate().public_key());
    expect_refusal(auth, failure::consent_failed, refused);

    auth = auth_with_payload("not JSON"); // not even looked at
    auth.consent_token_signature = "AAAA";
    expect_refusal(auth, failure::consent_failed, refused);
    auth.consent_token_signature = "";
    expect_refusal(auth, failure::consent_failed, refused);
}

BOOST_AUTO_TEST_CASE(the_payload_is_a_json_object) {
    expect_invalid("[1,2,3]", ": expected an object, found an array");
    expect_invalid("\"text\"", ": expected an object, found the string \"text\"");
    for (std::string const& payload :
         {std::string(), std::string("not json {{{"), std::string("{"), std::string("{}{}"),
          std::string("{\"patient_agent_id\":\"\xff\"}"), std::string(10'000, '[')}) {
        auto const checked = check(auth_with_payload(payload));
        BOOST_REQUIRE(checked.has_error());
        BOOST_TEST(checked.error().code == failure::invalid_message);
        BOOST_TEST(checked.error().message.size() < 200U);
    }
}

BOOST_AUTO_TEST_CASE(each_claim_is_there_and_of_its_type) {
    struct {
        std::string_view claim, wrong, reason;
    } constexpr cases[] = {
        {"patient_agent_id", "", "expected a string, found nothing"},
        {"patient_agent_id", "7", "expected a string, found 7"},
        {"provider_npi", "", "expected a string, found nothing"},
        {"provider_npi", "1245319599", "expected a string, found 1245319599"},
        {"provider_npi", "\"1234567890\"",
         "expected 10 digits with a valid check digit, found the string \"1234567890\""},
        {"consented_actions", "", "expected an array, found nothing"},
        {"consented_actions", "\"all\"", "expected an array, found the string \"all\""},
        {"consented_actions", "{}", "expected an array, found an object"},
        {"iat", "", "expected a number, found nothing"},
        {"iat", "\"now\"", "expected a number, found the string \"now\""},
        {"exp", "", "expected a number, found nothing"},
        {"exp", "\"1900000000\"", "expected a number, found the string \"1900000000\""},
        {"exp", "null", "expected a number, found null"},
        {"exp", "true", "expected a number, found true"},
        {"nonce", "1", "expected a string, found 1"},
    };
    for (auto const& c : cases) {
        expect_invalid(claims_with(c.claim, c.wrong),
                       "." + std::string(c.claim) + ": " + std::string(c.reason));
    }
    expect_invalid(claims_with("consented_actions", "[\"a\",1]"),
                   ".consented_actions[1]: expected a string, found 1");
}

BOOST_AUTO_TEST_CASE(a_number_must_be_finite) {
    auto payload = claims_with("exp", "7");
    payload.replace(payload.find(":7"), 2, ":1e999");
    auto const checked = check(auth_with_payload(payload));
    BOOST_REQUIRE(checked.has_error());
    BOOST_TEST(checked.error().code == failure::invalid_message);
}

BOOST_AUTO_TEST_CASE(unknown_claims_and_no_actions_are_fine) {
    BOOST_TEST(check(auth_with_payload(claims_with("extra", "[[[]]]"))).has_value());
    BOOST_TEST(check(auth_with_payload(claims_with("consented_actions", "[]"))).has_value());
}

BOOST_AUTO_TEST_CASE(consented_actions_are_bounded) {
    auto claims = good_claims();
    auto checked = [&] { return check(make_auth(patient_key(), claims, "wss://a.example")); };
    claims.consented_actions.assign(256, std::string(256, 'a'));
    BOOST_TEST(checked().has_value());

    claims.consented_actions.push_back("one more");
    BOOST_TEST(checked().error().message ==
               "consent_token_payload.consented_actions: expected at most 256 strings, found 257");
    claims.consented_actions = {"short", std::string(257, 'a')};
    BOOST_TEST(checked().error().message ==
               "consent_token_payload.consented_actions[1]: expected at most 256 bytes, found 257");
}

BOOST_AUTO_TEST_CASE(nobody_speaks_for_another_patient) {
    auto auth = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    auth.patient_agent_id = "patient-002";
    expect_refusal(auth, failure::consent_failed,
                   "patient_agent_id: is not the one in consent_token_payload", npi);
}

BOOST_AUTO_TEST_CASE(a_token_is_good_until_it_expires) {
    using namespace std::chrono_literals;
    auto claims = good_claims();
    claims.exp = {1'800'000'000};
    auto const auth = make_auth(patient_key(), claims, "https://agent.example/p1");
    BOOST_TEST(check(auth, now - 1ms).has_value());
    BOOST_TEST(check(auth, now).has_error());
    BOOST_TEST(check(auth, now + 1ms).has_error());
    expect_refusal(auth, failure::consent_failed, "consent_token_payload.exp: has passed", npi);

    claims.exp = {1'800'000'000.5};
    BOOST_TEST(!is_expired(claims, now + 499ms));
    BOOST_TEST(is_expired(claims, now + 500ms));
    for (double never_again : {0.0, -1.0, -1e300})
        BOOST_TEST(is_expired({{}, {}, {}, {}, {never_again}, {}}, now));
    BOOST_TEST(!is_expired({{}, {}, {}, {}, {1e300}, {}}, now));
}

BOOST_AUTO_TEST_CASE(any_verifier_of_signatures_will_do) {
    parley::accept_all_verifier<parley::signed_message, parley::ed25519_public_key> const trusting;
    auto auth = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    auth.consent_token_signature = "";
    auto const token = check_token(auth, trusting, now);
    BOOST_REQUIRE(token.has_value());
    BOOST_TEST((token->patient_public_key == patient_key().public_key()));
}

BOOST_AUTO_TEST_CASE(a_challenge_is_answered_with_the_key_in_hand) {
    auto const nonce = make_nonce();
    BOOST_TEST(nonce.size() == 64U);
    BOOST_TEST(nonce.find_first_not_of("0123456789abcdef") == std::string::npos);
    BOOST_TEST(nonce != make_nonce());

    auto const answer =
        answer_challenge(patient_key(), {nonce, std::string(npi), std::string(npi)});
    BOOST_REQUIRE(answer.has_value());
    auto proven = [&](std::string_view asked, std::string_view signed_nonce,
                      ed25519_key const& key) {
        return verify_challenge(asked, signed_nonce, key.public_key(), ed25519_verifier{})
            .has_value();
    };
    BOOST_TEST(proven(nonce, answer->signed_nonce, patient_key()));
    BOOST_TEST(!proven(make_nonce(), answer->signed_nonce, patient_key()));
    BOOST_TEST(!proven(nonce, answer->signed_nonce, ed25519_key::generate()));
    for (std::string_view wrong : {"", "AAAA", "*"}) {
        BOOST_TEST(!proven(nonce, wrong, patient_key()));
    }
    BOOST_TEST(!proven(nonce, answer->signed_nonce + "=", patient_key()));
}

BOOST_AUTO_TEST_CASE(the_originals_challenge_verifies) {
    auto const& challenge = vectors().at("challenge").as_object();
    auto const nonce = text(challenge, "nonce_hex");
    auto const signed_nonce = text(challenge, "signed_nonce");
    BOOST_TEST(verify_challenge(nonce, signed_nonce, patient_key().public_key(), ed25519_verifier{})
                   .has_value());
    BOOST_TEST(answer_challenge(patient_key(), {nonce, {}, {}})->signed_nonce == signed_nonce);
}

BOOST_AUTO_TEST_CASE(only_a_nonce_is_ever_signed) {
    for (std::string const& nonce : {std::string(), std::string(62, 'a'), std::string(66, 'a'),
                                     std::string(64, 'A'), std::string(64, 'g')}) {
        BOOST_TEST(answer_challenge(patient_key(), {nonce, {}, {}}).has_error());
        BOOST_TEST(verify_challenge(nonce, "", patient_key().public_key(), ed25519_verifier{})
                       .has_error());
    }
}

BOOST_AUTO_TEST_CASE(a_first_message_is_bounded_before_anything_is_recorded) {
    auto const good = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    BOOST_TEST(!find_problem(good));
    auto complaint = [&](std::string handshake_auth::*member, std::string value) {
        auto auth = good;
        auth.*member = std::move(value);
        auto const found = find_problem(auth);
        return found ? found->text() : "";
    };
    auto const id = &handshake_auth::patient_agent_id;
    auto const endpoint = &handshake_auth::patient_endpoint;
    BOOST_TEST(complaint(id, std::string(256, 'p')) == "");
    BOOST_TEST(complaint(id, "Zo\xc3\xab") == "");
    BOOST_TEST(complaint(endpoint, std::string(2048, 'e')) == "");
    BOOST_TEST(complaint(id, "") == "patient_agent_id: expected 1 to 256 bytes without control "
                                    "characters, found 0 bytes");
    BOOST_TEST(
        complaint(id, std::string(257, 'p')) ==
        "patient_agent_id: expected 1 to 256 bytes without control characters, found 257 bytes");
    BOOST_TEST(complaint(id, "a\nb") == "patient_agent_id: expected 1 to 256 bytes without control "
                                        "characters, found a control character");
    BOOST_TEST(complaint(endpoint, std::string(1, '\0')) != "");
    BOOST_TEST(complaint(endpoint, "https://\x7f") != "");
    BOOST_TEST(complaint(endpoint, std::string(2049, 'e')) != "");
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_is_refused) {
    auto const good = make_auth(patient_key(), good_claims(), "https://agent.example/p1");
    for (auto member : {&handshake_auth::patient_public_key, &handshake_auth::consent_token_payload,
                        &handshake_auth::consent_token_signature}) {
        auto const raw = parley::from_base64url(good.*member).value();
        for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
            auto flipped = raw;
            flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
            auto auth = good;
            auth.*member = parley::to_base64url(flipped);
            BOOST_REQUIRE(check(auth).has_error());
        }
    }
}

BOOST_AUTO_TEST_CASE(random_members_never_pass_nor_crash) {
    std::mt19937_64 random(4);
    auto draw = [&](std::size_t at_most) {
        std::string drawn(random() % (at_most + 1), '\0');
        for (char& c : drawn)
            c = static_cast<char>(random());
        return drawn;
    };
    for (int i = 0; i < 5000; ++i) {
        BOOST_REQUIRE(check({draw(100), draw(90), draw(10), draw(50), draw(10)}).has_error());
        // and in disguise: well-formed base64url, well-formed signature
        BOOST_REQUIRE(check(auth_with_payload(draw(60))).error().code == failure::invalid_message);
    }
}

BOOST_AUTO_TEST_SUITE_END()
