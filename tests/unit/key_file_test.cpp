// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/crypto/key_file.hpp>

#include "../support/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace {

namespace fs = std::filesystem;

struct scratch {
    parley::test::temporary_directory directory;
    fs::path file = directory / "agent.jwk";

    [[nodiscard]] std::string text() const {
        std::ifstream in(file);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    /// What is said of a file with this text, without the file's name.
    [[nodiscard]] std::string complaint(std::string_view text) const {
        std::ofstream(file) << text;
        auto const loaded = parley::load_key(file);
        BOOST_REQUIRE(loaded.has_error());
        auto const said = loaded.error().text();
        BOOST_TEST(said.starts_with(file.string() + ": "));
        return said.substr(file.string().size() + 2);
    }
};

// The first test vector of RFC 8032 as RFC 8037, appendix A.1, writes it.
constexpr std::string_view jwk =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})"
    "\n";

std::string jwk_with(std::string_view old, std::string_view replacement) {
    std::string text(jwk);
    return text.replace(text.find(old), old.size(), replacement);
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(key_file, scratch)

BOOST_AUTO_TEST_CASE(a_key_comes_back_as_it_was) {
    auto const key = parley::ed25519_key::generate();
    BOOST_REQUIRE(parley::save_key(file, key).has_value());
    auto const loaded = parley::load_key(file);
    BOOST_REQUIRE(loaded.has_value());
    BOOST_TEST((loaded->public_key() == key.public_key()));
    BOOST_TEST((loaded->sign({}) == key.sign({})));
}

BOOST_AUTO_TEST_CASE(a_key_file_is_a_json_web_key_that_only_its_owner_reads) {
    std::ofstream(file) << jwk;
    auto const loaded = parley::load_key(file);
    BOOST_REQUIRE(loaded.has_value());
    fs::remove(file);
    BOOST_REQUIRE(parley::save_key(file, *loaded).has_value());
    BOOST_TEST(text() == jwk);
    BOOST_TEST(
        (fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write)));
}

BOOST_AUTO_TEST_CASE(a_key_is_never_overwritten) {
    auto const first = parley::ed25519_key::generate();
    BOOST_REQUIRE(parley::save_key(file, first).has_value());
    auto const again = parley::save_key(file, parley::ed25519_key::generate());
    BOOST_REQUIRE(again.has_error());
    BOOST_TEST(again.error().text() ==
               file.string() + ": expected a place for a new key file, found File exists");
    BOOST_TEST((parley::load_key(file)->public_key() == first.public_key()));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_or_read_is_said) {
    auto const nowhere = directory.path() / "missing" / "agent.jwk";
    BOOST_TEST(parley::save_key(nowhere, parley::ed25519_key::generate()).error().found ==
               "No such file or directory");
    BOOST_TEST(parley::load_key(nowhere).error().text() ==
               nowhere.string() +
                   ": expected a readable key file, found No such file or directory");
    BOOST_TEST(parley::load_key(directory.path()).error().found == "Is a directory");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_key_file_is_said_without_its_secret) {
    BOOST_TEST(complaint("").starts_with("expected JSON, found "));
    BOOST_TEST(complaint(std::string(100'000, ' ')).starts_with("expected JSON, found "));
    BOOST_TEST(complaint("[]") == "expected an object, found an array");
    BOOST_TEST(complaint(jwk_with("OKP", "RSA")) ==
               "kty: expected the string \"OKP\", found another");
    BOOST_TEST(complaint(jwk_with("Ed25519", "X25519")) ==
               "crv: expected the string \"Ed25519\", found another");
    BOOST_TEST(complaint(jwk_with("11qY", "11qZ")) ==
               "x: expected the public key that belongs to d, found another");
    for (auto const& text : {jwk_with("yuf2A", "yuf2"), jwk_with("yuf2A", "yuf2AA"),
                             jwk_with("yuf2A", "yuf2B"), jwk_with("yuf2A", "yuf2=")}) {
        BOOST_TEST(complaint(text) == "d: expected 43 base64url characters, found something else");
    }
    BOOST_TEST(complaint(jwk_with("\"d\"", "\"D\"")) == "d: expected a string, found nothing");
}

BOOST_AUTO_TEST_SUITE_END()
