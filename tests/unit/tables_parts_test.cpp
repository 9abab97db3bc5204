// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/encoding.hpp>
#include <parley/tables/allowed_servers.hpp>
#include <parley/tables/json_cell.hpp>
#include <parley/tables/sqlite_types.hpp>
#include <parley/tables/wildcard.hpp>

#include <boost/test/unit_test.hpp>

#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace parley;
using namespace parley::tables;

namespace {

bool matches(char const* pattern, std::string_view text) {
    return wildcard_pattern(pattern).matches(text);
}

column of_type(std::string declared) {
    column c;
    set_sqlite_type(c, std::move(declared));
    return c;
}

std::string base64(std::string_view text) {
    std::string out;
    append_base64(out, {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()});
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tables_parts)

BOOST_AUTO_TEST_CASE(a_pattern_matches_the_whole_text_case_aside) {
    BOOST_TEST(matches("cat", "Cat"));
    BOOST_TEST(!matches("cat", "cats"));
    BOOST_TEST(!matches("cat", "ca"));
    BOOST_TEST(matches("", ""));
    BOOST_TEST(!matches("", "x"));
    BOOST_TEST(matches("ÄÖÜ straße", "äöü STRAßE"));
    BOOST_TEST(matches("ΣΑΣ", "σας"));
    BOOST_TEST(matches("ПРИВЕТ", "привет"));
}

BOOST_AUTO_TEST_CASE(wildcards_are_characters) {
    BOOST_TEST(matches("*", ""));
    BOOST_TEST(matches("**", "anything"));
    BOOST_TEST(matches("c*t", "ct"));
    BOOST_TEST(matches("c*t", "C at t"));
    BOOST_TEST(!matches("c*t", "cats"));
    BOOST_TEST(matches("*a*b*", "xxaxxbxx"));
    BOOST_TEST(!matches("*a*b*", "xxbxxaxx"));
    BOOST_TEST(matches("?", "表"));
    BOOST_TEST(matches("??", "🐈x"));
    BOOST_TEST(!matches("?", ""));
    BOOST_TEST(matches("a?c*", "abcdef"));
    BOOST_TEST(matches("*ab", "aab"));
    BOOST_TEST(matches("*aab", "aaaab"));
    BOOST_TEST(matches("?", "\xFF"));
}

BOOST_AUTO_TEST_CASE(all_else_is_literal) {
    BOOST_TEST(matches("100%", "100%"));
    BOOST_TEST(!matches("100%", "100 euros"));
    BOOST_TEST(!matches("a_c", "abc"));
    BOOST_TEST(matches("\\*", "\\anything"));
    BOOST_TEST(matches("[a]", "[a]"));
}

/// As the words say it, whatever time it takes.
bool matches_naively(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern.front() == '*')
        return matches_naively(pattern.substr(1), text) ||
               (!text.empty() && matches_naively(pattern, text.substr(1)));
    return !text.empty() && (pattern.front() == '?' || pattern.front() == text.front()) &&
           matches_naively(pattern.substr(1), text.substr(1));
}

BOOST_AUTO_TEST_CASE(matches_as_a_naive_matcher_does) {
    std::minstd_rand random(1);
    auto const make = [&](std::string_view letters, std::size_t longest) {
        std::string text(random() % (longest + 1), ' ');
        for (char& c : text)
            c = letters[random() % letters.size()];
        return text;
    };
    int matched = 0;
    for (int i = 0; i < 50'000; ++i) {
        auto const pattern = make(i % 2 == 0 ? "aab*" : "aab*?", 8);
        auto const text = make("ab", 12);
        bool const expected = matches_naively(pattern, text);
        matched += expected ? 1 : 0;
        if (matches(pattern.c_str(), text) != expected) BOOST_ERROR(pattern + " on " + text);
    }
    BOOST_TEST(matched > 5'000);
}

BOOST_AUTO_TEST_CASE(a_hostile_pattern_takes_little_longer_than_the_text_is) {
    std::string const text(200'000, 'a');
    auto const steps = [&](std::string const& pattern) {
        std::size_t checks = 0;
        auto const count = [&] { return ++checks == 0; };
        BOOST_TEST(!wildcard_pattern(pattern).matches(text, count).value());
        return checks * wildcard_pattern::steps_between_checks;
    };
    BOOST_TEST(steps('*' + std::string(5'000, 'a') + 'b') < 3 * text.size());
    BOOST_TEST(steps('*' + std::string(5'000, 'a') + "b*") < 3 * text.size());
    std::string many;
    for (int i = 0; i < 2'000; ++i)
        many += "*a";
    BOOST_TEST(steps(many + 'b') < 3 * text.size());
}

BOOST_AUTO_TEST_CASE(a_match_is_stopped) {
    // With `?`, what has been seen must be looked at again: this would take minutes.
    wildcard_pattern const slow("*?" + std::string(5'000, 'a') + 'b');
    int checks = 0;
    auto const third = [&] { return ++checks == 3; };
    BOOST_TEST(!slow.matches(std::string(10'000'000, 'a'), third).has_value());
    BOOST_TEST(checks == 3);
}

BOOST_AUTO_TEST_CASE(declared_types_have_kinds) {
    for (auto type : {"INTEGER", "int", "BIGINT(20)", "UNSIGNED BIG INT", "Int8"})
        BOOST_TEST((of_type(type).kind == value_kind::integer), type);
    for (auto type : {"REAL", "DOUBLE PRECISION", "float(24)"})
        BOOST_TEST((of_type(type).kind == value_kind::real), type);
    for (auto type : {"DECIMAL(10,2)", "numeric"})
        BOOST_TEST((of_type(type).kind == value_kind::decimal), type);
    for (auto type : {"BOOLEAN", "bool"})
        BOOST_TEST((of_type(type).kind == value_kind::boolean), type);
    for (auto type : {"BLOB", "varbinary(16)"})
        BOOST_TEST((of_type(type).kind == value_kind::binary), type);
    // What SQLite takes for whole numbers, since "INT" is in their names, and what is anything.
    for (auto type : {"POINT", "INTERVAL", "TEXT", "VARCHAR(20)", "DATE", "JSON", "", "weird ("})
        BOOST_TEST((of_type(type).kind == value_kind::other), type);
    BOOST_TEST(of_type("").dataType == "ANY");
    BOOST_TEST(of_type("VARCHAR(20)").dataType == "VARCHAR(20)");
}

BOOST_AUTO_TEST_CASE(declared_types_have_sizes) {
    BOOST_TEST((of_type("VARCHAR( 20 )").maxLength == 20));
    BOOST_TEST(!of_type("VARCHAR(20)").precision.has_value());
    BOOST_TEST((of_type("DECIMAL(10, 2)").precision == 10));
    BOOST_TEST((of_type("DECIMAL(10, 2)").scale == 2));
    BOOST_TEST((of_type("DECIMAL(10)").precision == 10));
    BOOST_TEST(!of_type("DECIMAL(10)").scale.has_value());
    for (auto type : {"TEXT", "VARCHAR", "VARCHAR()", "VARCHAR(x)", "VARCHAR(", "VARCHAR)("})
        BOOST_TEST(!of_type(type).maxLength.has_value(), type);
}

BOOST_AUTO_TEST_CASE(integers_that_doubles_cannot_hold_are_strings) {
    auto const json = [](std::int64_t number) {
        std::string out;
        append_json_integer(out, number);
        return out;
    };
    BOOST_TEST(json(0) == "0");
    BOOST_TEST(json(9007199254740991) == "9007199254740991");
    BOOST_TEST(json(-9007199254740991) == "-9007199254740991");
    BOOST_TEST(json(9007199254740992) == "\"9007199254740992\"");
    BOOST_TEST(json(-9007199254740992) == "\"-9007199254740992\"");
    BOOST_TEST(json(std::numeric_limits<std::int64_t>::min()) == "\"-9223372036854775808\"");
}

BOOST_AUTO_TEST_CASE(rows_become_json) {
    std::vector<column> columns(2);
    columns[0].name = "id";
    columns[1].name = "a\"b";
    json_rows rows(columns);
    for (int i = 0; i < 2; ++i) {
        rows.begin_row();
        rows.member(0) += std::to_string(i);
        rows.member(1) += "null";
        rows.end_row();
    }
    BOOST_TEST(rows.take() == R"([{"id":0,"a\"b":null},{"id":1,"a\"b":null}])");
    BOOST_TEST(json_rows(columns).take() == "[]");
}

BOOST_AUTO_TEST_CASE(base64_has_padding) {
    // RFC 4648 §10
    for (auto [text, encoded] : {std::pair{"", ""},
                                 {"f", "Zg=="},
                                 {"fo", "Zm8="},
                                 {"foo", "Zm9v"},
                                 {"foob", "Zm9vYg=="}}) {
        BOOST_TEST(base64(text) == encoded);
        auto const bytes = from_base64(encoded);
        BOOST_TEST_REQUIRE(bytes.has_value());
        BOOST_TEST(std::string(bytes->begin(), bytes->end()) == text);
    }
    BOOST_TEST(base64("\xFB\xFF") == "+/8=");
    for (auto wrong : {"Zg", "Zg=", "Zh==", "Zg===", "====", "Zg==Zg==", "Zm9-", "Z g=", "="})
        BOOST_TEST(!from_base64(wrong).has_value(), wrong);
}

BOOST_AUTO_TEST_CASE(only_servers_that_the_operator_names_are_allowed) {
    std::vector<std::string> const some{"db.test:52773", "[::1]:80", "10.0.0.5:443"};
    BOOST_TEST(is_allowed_server(some, "db.test", 52773));
    BOOST_TEST(is_allowed_server(some, "DB.Test", 52773));
    BOOST_TEST(is_allowed_server(some, "::1", 80));
    BOOST_TEST(!is_allowed_server(some, "db.test", 80));
    BOOST_TEST(!is_allowed_server(some, "db.test.", 52773));
    BOOST_TEST(!is_allowed_server(some, "evil.test", 52773));
    BOOST_TEST(!is_allowed_server(some, "[::1]", 80));
    // Other spellings of an address are other servers, for all we know.
    BOOST_TEST(!is_allowed_server(some, "10.5", 443));
    BOOST_TEST(!is_allowed_server(some, "167772165", 443));
    BOOST_TEST(!is_allowed_server(some, "::ffff:10.0.0.5", 443));
    BOOST_TEST(!is_allowed_server({}, "db.test", 52773));
}

BOOST_AUTO_TEST_CASE(a_server_that_no_login_could_name_is_noticed) {
    for (auto right : {"*", "db.test:5432", "DB.test:1", "[::1]:65535", "10.0.0.5:443"})
        BOOST_TEST(names_allowed_server(right), right);
    for (auto wrong : {"", ":", ":5432", "db.test", "db.test:", "db.test:0", "db.test:65536",
                       "db.test:05432", "db.test:+1", "db.test:54 ", "db.test:5432/x", "::1:5432",
                       "[::1]", "[db.test]:5432", "[::1:5432", "*:5432", "https://db.test:443"})
        BOOST_TEST(!names_allowed_server(wrong), wrong);
}

BOOST_AUTO_TEST_CASE(any_server_still_has_a_proper_name) {
    std::vector<std::string> const any{"*"};
    BOOST_TEST(is_allowed_server(any, "db.test", 1));
    BOOST_TEST(!is_allowed_server(any, "db.test", 0));
    for (std::string const host : {"", "db.test\r\nX: y", "db.test/x", "me@db.test", "*", "db test",
                                   "db.test:80", ".test", "a\xC3\xBC.test", "[::1]"})
        BOOST_TEST(!is_allowed_server(any, host, 80), host);
    BOOST_TEST(!is_allowed_server(any, std::string("db\0test", 7), 80));
    BOOST_TEST(!is_allowed_server(any, std::string(300, 'a'), 80));
}

BOOST_AUTO_TEST_SUITE_END()
