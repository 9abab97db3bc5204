// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/concepts.hpp>
#include <parley/crypto/jwt.hpp>
#include <parley/verifier/jwt_verifier.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace parley;
using namespace std::chrono_literals;

namespace {

static_assert(verifier_policy<jwt_verifier>);

/// The example of RFC 7515, Appendix A.1; it has line breaks in its header, and expired in 2011.
constexpr std::string_view rfc_token =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0"
    "dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr std::string_view rfc_secret =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// The example of RFC 8037, Appendix A.4. What it signs is no set of claims.
constexpr std::string_view eddsa_token =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-"
    "09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
constexpr std::string_view eddsa_seed = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

std::string text_of(std::string_view base64url) {
    auto const bytes = from_base64url(base64url).value();
    return {bytes.begin(), bytes.end()};
}

ed25519_key eddsa_key() {
    auto const seed = from_base64url(eddsa_seed).value();
    return ed25519_key(ed25519_key::seed_view(seed.data(), seed.size()));
}

std::string encoded(std::string_view text) {
    return to_base64url(detail::bytes_of(text));
}

/// A verifier of HS256, with a clock that the test moves, and its issuer.
struct fixture {
    secret const key{"0123456789abcdef0123456789abcdef"};
    std::chrono::sys_time<std::chrono::milliseconds> now{1'700'000'000s};
    jwt_verifier const verifier = make();

    jwt_verifier make(std::chrono::milliseconds leeway = 0ms) {
        return jwt_verifier({.key = key, .leeway = leeway, .now = [this] { return now; }});
    }

    /// Signed with the right key, whatever the parts are.
    [[nodiscard]] std::string sign(std::string_view header, std::string_view payload) const {
        return sign_raw(encoded(header) + '.' + encoded(payload));
    }
    [[nodiscard]] std::string sign_raw(std::string const& input) const {
        return input + '.' + to_base64url(hmac_sha256(key.view(), input));
    }
    /// Signed as it should be.
    [[nodiscard]] std::string sign(std::string_view payload) const {
        return sign(R"({"alg":"HS256"})", payload);
    }

    /// Why a token is refused; empty when it is not.
    [[nodiscard]] static std::string why_not(jwt_verifier const& by, std::string_view token) {
        auto const verified = by.verify(token);
        auto const checked = by.check(token);
        BOOST_TEST_REQUIRE(verified.has_value() == checked.has_value());
        if (verified) return "";
        BOOST_TEST((verified.error() == errc::credential_refused));
        return checked.error().why;
    }
    [[nodiscard]] std::string why_not(std::string_view token) const {
        return why_not(verifier, token);
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(jwt, fixture)

BOOST_AUTO_TEST_CASE(a_token_stands_for_its_claims) {
    boost::json::object const claims{{"userId", "u1"}, {"userName", "Ada"}, {"exp", 1'700'000'060}};
    auto const token = make_jwt(claims, key);
    BOOST_TEST((verifier.verify(token).value() == claims));
    jwt_verifier const other({.key = secret("another secret, of at least 32 bytes")});
    BOOST_TEST(why_not(other, token) == "the signature is not one of this server's HS256 key");
}

BOOST_AUTO_TEST_CASE(a_token_may_be_signed_with_ed25519) {
    auto const pair = eddsa_key();
    jwt_verifier const eddsa({.key = pair.public_key(), .now = [this] { return now; }});
    boost::json::object const claims{{"userId", "u1"}};
    BOOST_TEST((eddsa.verify(make_jwt(claims, pair)).value() == claims));
    BOOST_TEST(why_not(eddsa, make_jwt(claims, ed25519_key::generate())) ==
               "the signature is not one of this server's EdDSA key");
    BOOST_TEST(why_not(eddsa, make_jwt(claims, key)) != "");
    // A public key is no secret: who knows it must not be able to sign with it.
    std::string const known(pair.public_key().begin(), pair.public_key().end());
    BOOST_TEST(why_not(eddsa, make_jwt(claims, secret(known))) != "");
    BOOST_TEST(why_not(make_jwt(claims, pair)) != "");
}

BOOST_AUTO_TEST_CASE(the_example_of_rfc_7515_is_verified) {
    now = decltype(now)(1'300'819'379s);
    jwt_verifier const example({.key = secret(text_of(rfc_secret)), .now = [this] { return now; }});
    auto const claims = example.verify(rfc_token);
    BOOST_TEST_REQUIRE(claims.has_value());
    BOOST_TEST(boost::json::serialize(*claims) ==
               R"({"iss":"joe","exp":1300819380,"http://example.com/is_root":true})");
    now += 1s;
    BOOST_TEST(why_not(example, rfc_token) == "the token has expired (exp)");
}

BOOST_AUTO_TEST_CASE(the_example_of_rfc_8037_is_genuine) {
    jwt_verifier const example({.key = eddsa_key().public_key()});
    BOOST_TEST(why_not(example, eddsa_token).starts_with("the payload: expected JSON"));
    std::string forged(eddsa_token);
    forged[30] = forged[30] == 'A' ? 'B' : 'A';
    BOOST_TEST(why_not(example, forged) == "the signature is not one of this server's EdDSA key");
}

BOOST_AUTO_TEST_CASE(a_key_that_can_be_guessed_or_is_none_is_not_taken) {
    auto const too_short = [](std::invalid_argument const& e) {
        return std::string_view(e.what()) == "the JWT secret has 31 bytes; HS256 needs at least 32";
    };
    secret const short_secret(std::string(31, 'x'));
    BOOST_CHECK_EXCEPTION(jwt_verifier({.key = short_secret}), std::invalid_argument, too_short);
    BOOST_CHECK_EXCEPTION(make_jwt({}, short_secret), std::invalid_argument, too_short);
    BOOST_CHECK_THROW(jwt_verifier({.key = secret()}), std::invalid_argument);
    BOOST_CHECK_THROW(jwt_verifier({.key = ed25519_public_key{}}), std::invalid_argument);
}

// ---- Time ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(exp_and_nbf_are_seconds_that_may_have_fractions) {
    auto const exp = sign(R"({"exp":1700000000.5})"), nbf = sign(R"({"nbf":1700000000.5})");
    BOOST_TEST(why_not(exp) == "");
    BOOST_TEST(why_not(nbf) == "the token is not valid yet (nbf)");
    now += 499ms;
    BOOST_TEST(why_not(exp) == "");
    BOOST_TEST(why_not(nbf) != "");
    now += 1ms;
    BOOST_TEST(why_not(exp) == "the token has expired (exp)");
    BOOST_TEST(why_not(nbf) == "");
}

BOOST_AUTO_TEST_CASE(leeway_is_for_clocks_that_differ) {
    auto const lenient = make(5s);
    auto const exp = sign(R"({"exp":1700000000})"), nbf = sign(R"({"nbf":1700000005})");
    BOOST_TEST(why_not(exp) != "");
    BOOST_TEST(why_not(nbf) != "");
    BOOST_TEST(why_not(lenient, exp) == "");
    BOOST_TEST(why_not(lenient, nbf) == "");
    now += 4999ms;
    BOOST_TEST(why_not(lenient, exp) == "");
    now += 1ms;
    BOOST_TEST(why_not(lenient, exp) != "");
    now -= 5001ms;
    BOOST_TEST(why_not(lenient, nbf) != "");
}

BOOST_AUTO_TEST_CASE(a_time_that_is_no_number_is_no_time) {
    for (auto const* value : {R"("1800000000")", "null", "true", "[]", "{}", R"("")"}) {
        for (auto const* name : {"exp", "nbf"}) {
            auto const token = sign(std::string("{\"") + name + "\":" + value + '}');
            BOOST_TEST(why_not(token).starts_with(std::string(name) +
                                                  ": expected seconds since 1970, found "));
        }
    }
    BOOST_TEST(why_not(sign(R"({"exp":1e400})")) != "");
    BOOST_TEST(why_not(sign(R"({"exp":1e300,"nbf":-1e300})")) == "");
    BOOST_TEST(why_not(sign(R"({"exp":0})")) != "");
    BOOST_TEST(why_not(sign(R"({"exp":-1})")) != "");
    // When it says it was issued is believed by nobody, and stops nobody.
    BOOST_TEST(why_not(sign(R"({"iat":1800000000})")) == "");
    BOOST_TEST(why_not(sign(R"({"iat":"never"})")) == "");
}

// ---- What is signed, but not as it should be ----------------------------------------------------

BOOST_AUTO_TEST_CASE(only_the_configured_algorithm_is_accepted) {
    BOOST_TEST(why_not(sign(R"({"alg":"HS256"})", "{}")) == "");
    BOOST_TEST(why_not(sign(R"({"typ":"JWT","kid":"1","alg":"HS256"})", "{}")) == "");
    BOOST_TEST(why_not(sign(R"({"alg":"none"})", "{}")) ==
               R"(alg is the string "none", only HS256 is accepted)");
    BOOST_TEST(why_not(sign("{}", "{}")) == "alg is missing, only HS256 is accepted");
    for (auto const* alg : {R"("hs256")", R"("HS512")", R"("EdDSA")", R"("NONE")", R"("")", "null",
                            "256", R"(["HS256"])", R"({"HS256":1})", R"("HS256\u0000")"})
        BOOST_TEST(why_not(sign(std::string("{\"alg\":") + alg + '}', "{}")) != "", alg);
    // Without a signature at all, whatever it says of itself:
    auto const header = encoded(R"({"alg":"none"})");
    BOOST_TEST(why_not(header + '.' + encoded("{}") + '.') != "");
    BOOST_TEST(why_not(header + '.' + encoded("{}")) ==
               "the token has 2 parts, a signed one has 3");
}

BOOST_AUTO_TEST_CASE(extensions_and_tokens_in_tokens_are_refused) {
    BOOST_TEST(why_not(sign(R"({"alg":"HS256","crit":["exp"],"exp":1})", "{}")) ==
               "the header has extensions (crit), none is known");
    BOOST_TEST(why_not(sign(R"({"alg":"HS256","crit":[]})", "{}")) != "");
    BOOST_TEST(why_not(sign(R"({"alg":"HS256","cty":"JWT"})", make_jwt({}, key))) ==
               "the token is nested (cty), only plain ones are accepted");
    BOOST_TEST(why_not("a.b.c.d.e") ==
               "the token is encrypted (JWE); only signed ones are accepted");
}

BOOST_AUTO_TEST_CASE(what_can_be_read_in_two_ways_is_refused) {
    BOOST_TEST(why_not(sign(R"({"userId":"a","userId":"b"})")) ==
               "the payload: expected JSON without repeated members, found the member \"userId\" "
               "twice");
    BOOST_TEST(why_not(sign(R"({"alg":"HS256","alg":"HS256"})", "{}")) != "");
    BOOST_TEST(why_not(sign(R"({"a":{"b":1,"\u0062":2}})")) != "");
    for (auto const* payload : {"", "null", "[]", "1", "\"{}\"", "{} {}", "{}x", "{'a':1}",
                                "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}", "{\"a\":NaN}", "{\"a\":1,}"})
        BOOST_TEST(why_not(sign(payload)) != "", payload);
    BOOST_TEST(why_not(sign(std::string(1000, '[') + std::string(1000, ']'))) != "");
}

BOOST_AUTO_TEST_CASE(base64url_has_one_spelling) {
    // Signed over the parts as they stand, so that only the spelling is at fault.
    std::string const header = encoded(R"({"alg":"HS256"})"), payload = encoded(R"({"a":12})");
    BOOST_TEST(why_not(sign_raw(header + '.' + payload)) == "");
    BOOST_TEST_REQUIRE(payload.size() % 4 == 3u);
    BOOST_TEST(why_not(sign_raw(header + '.' + payload + '=')) ==
               "the payload is not base64url without padding");
    auto trailing = payload;
    ++trailing.back(); // two bits that no byte has
    BOOST_TEST(why_not(sign_raw(header + '.' + trailing)) != "");
    BOOST_TEST(why_not(sign_raw(header + '.' + payload + '\n')) != "");
    BOOST_TEST(why_not(sign_raw(' ' + header + '.' + payload)) ==
               "the header is not base64url without padding");
    BOOST_TEST(why_not(sign_raw(header + '.' + payload) + '=') != "");
    BOOST_TEST(why_not(sign_raw('.' + payload)) != "");
    BOOST_TEST(why_not(sign_raw(header + '.')) != "");
}

BOOST_AUTO_TEST_CASE(a_token_has_at_most_8_kib) {
    auto const of_size = [&](std::size_t filling) {
        return sign(R"({"a":")" + std::string(filling, 'x') + R"("})");
    };
    std::size_t fits = 6000;
    while (of_size(fits + 1).size() <= jwt_verifier::max_size)
        ++fits;
    BOOST_TEST(why_not(of_size(fits)) == "");
    BOOST_TEST(why_not(of_size(fits + 1)).starts_with("the token has 8193 bytes, at most 8192"));
    BOOST_TEST(why_not(std::string(50'000'000, '.')) != "");
}

// ---- Whatever comes -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(no_bit_of_a_token_can_be_changed) {
    auto const pair = eddsa_key();
    jwt_verifier const eddsa({.key = pair.public_key(), .now = [this] { return now; }});
    boost::json::object const claims{{"userId", "u1"}, {"exp", 1'700'000'060}};
    for (auto const& [by, token] :
         {std::pair(&verifier, make_jwt(claims, key)), std::pair(&eddsa, make_jwt(claims, pair))}) {
        BOOST_TEST_REQUIRE(why_not(*by, token) == "");
        // Each costs a verification of Ed25519: of its bits, every third.
        std::size_t const step = by == &eddsa ? 3 : 1;
        for (std::size_t bit = 0; bit < token.size() * 8; bit += step) {
            auto changed = token;
            changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
            BOOST_TEST_REQUIRE(by->verify(changed).has_error(), "bit " << bit);
        }
        for (std::size_t size = 0; size < token.size(); ++size)
            BOOST_TEST_REQUIRE(by->verify(token.substr(0, size)).has_error(), "size " << size);
        BOOST_TEST(by->verify(token + 'A').has_error());
    }
}

BOOST_AUTO_TEST_CASE(malformed_tokens_are_refused_with_words_that_do_not_repeat_them) {
    std::mt19937 random(5);
    auto const good = make_jwt({{"userId", "u1"}}, key);
    std::string_view const alphabet = "ABCabc019-_..=+/ {}\"\\\n";
    for (int i = 0; i < 5000; ++i) {
        std::string token;
        if (i % 2 == 0) { // anything
            token.resize(random() % 200);
            for (char& c : token)
                c = i % 4 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
        } else { // a good one with a few pieces moved, lost or doubled
            token = good;
            for (auto changes = 1 + random() % 3; changes > 0; --changes) {
                auto const from = random() % token.size(), count = 1 + random() % 8;
                auto const piece = token.substr(from, count);
                if (random() % 2 == 0) token.erase(from, count);
                if (random() % 2 == 0 || token.empty())
                    token.insert(random() % (token.size() + 1), piece);
            }
            if (token == good) continue;
        }
        auto const why = why_not(token);
        BOOST_TEST_REQUIRE(why != "", token);
        BOOST_TEST_REQUIRE(why.size() < 200u);
        if (token.size() > 20) BOOST_TEST_REQUIRE(why.find(token) == why.npos);
    }
}

BOOST_AUTO_TEST_CASE(signed_nonsense_is_refused_or_a_set_of_claims) {
    std::mt19937 random(6);
    std::string_view const alphabet = "{}[]\":,0123456789.eE+-nulltruefalsexpnbf \\u";
    for (int i = 0; i < 5000; ++i) {
        std::string payload(random() % 40, ' ');
        for (char& c : payload)
            c = alphabet[random() % alphabet.size()];
        if (i % 2 == 0) payload = "{\"exp\":" + payload + '}';
        auto const claims = verifier.verify(sign(payload));
        // Whoever is let in, has claims that Boost.JSON's own parser reads as an object too.
        if (claims) BOOST_TEST_REQUIRE(boost::json::parse(payload).is_object());
    }
}

BOOST_AUTO_TEST_SUITE_END()
