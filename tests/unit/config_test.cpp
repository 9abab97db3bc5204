// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/config.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;

namespace shop {

struct till {
    std::uint16_t port = 80;
    std::string host = "localhost";
    std::vector<std::string> tags = {"a"};
    bool open = true;

    static constexpr auto rules() {
        return std::tuple(parley::rule(&till::host, parley::not_empty()));
    }
};

constexpr bool has_even_length(std::string_view v) {
    return v.size() % 2 == 0;
}

struct limits {
    int guests = 10;
    std::chrono::milliseconds patience = 5s;
    double share = 0.5;
    std::optional<int> chairs;
    std::string colour = "red";
    std::string door = "/front";
    std::string code = "even";

    static constexpr auto rules() {
        return std::tuple(
            parley::rule(&limits::guests, parley::between(1, 100, "guests")),
            parley::rule(&limits::patience, parley::between(1, 86'400'000)),
            parley::rule(&limits::share, parley::between(0.0, 1.0)),
            parley::rule(&limits::chairs, parley::between(1, 4)),
            parley::rule(&limits::colour, parley::one_of("red", "green", "blue")),
            parley::rule(&limits::door, parley::begins_with("/", "./")),
            parley::rule(&limits::code,
                         parley::satisfying(has_even_length, "a string of even length")));
    }
};

struct mount {
    parley::required<std::string> folder;
    std::string prefix = "/";
};

struct tls {
    parley::required<std::string> certificate;
    int depth = 1;
};

struct partner {
    std::string url = "http://partner";
    parley::ignored interval;

    static constexpr parley::ignored other_members{};
};

struct config {
    parley::required<std::string> owner;
    till server;
    limits limit;
    std::vector<mount> mounts;
    std::optional<shop::tls> tls;
    shop::partner partner;
    parley::ignored heartbeat;
};

} // namespace shop

BOOST_HANA_ADAPT_STRUCT(shop::till, port, host, tags, open);
BOOST_HANA_ADAPT_STRUCT(shop::limits, guests, patience, share, chairs, colour, door, code);
BOOST_HANA_ADAPT_STRUCT(shop::mount, folder, prefix);
BOOST_HANA_ADAPT_STRUCT(shop::tls, certificate, depth);
BOOST_HANA_ADAPT_STRUCT(shop::partner, url, interval);
BOOST_HANA_ADAPT_STRUCT(shop::config, owner, server, limit, mounts, tls, partner, heartbeat);

namespace {

using strings = std::vector<std::string>;

auto load(std::string_view text, strings const& environment = {}) {
    return parley::load_config<shop::config>(text, environment, "SHOP_", "shop.json");
}

/// As `load`, of a text that leaves out the required `owner`.
auto load_members(std::string const& members, strings const& environment = {}) {
    return load("{\"owner\":\"Ada\"" + (members.empty() ? "" : "," + members) + "}", environment);
}

strings texts(parley::config_report const& report) {
    strings out;
    for (auto const& p : report.problems)
        out.push_back(p.text());
    return out;
}

void check_equal(strings const& found, strings const& expected) {
    BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

/// A file that is gone when the test is over.
class temporary_file {
  public:
    explicit temporary_file(std::string_view content) { std::ofstream(path_) << content; }
    temporary_file(temporary_file const&) = delete;
    temporary_file& operator=(temporary_file const&) = delete;
    ~temporary_file() { std::filesystem::remove(path_); }
    [[nodiscard]] std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                  ("parley-config-test-" + std::to_string(::getpid()) + ".json");
};

} // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(what_is_not_given_keeps_its_default) {
    auto const loaded = load(R"({"owner":"Ada","server":{"host":"::1"},"limit":{"patience":250}})");
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(*loaded.config->owner == "Ada");
    BOOST_TEST(loaded.config->server.host == "::1");
    BOOST_TEST(loaded.config->server.port == 80);
    BOOST_CHECK(loaded.config->limit.patience == 250ms);
    BOOST_TEST(loaded.config->limit.guests == 10);
    BOOST_CHECK(!loaded.config->tls);
    BOOST_TEST(loaded.report.warnings.empty());
    BOOST_TEST(loaded.report.ignored.empty());
}

BOOST_AUTO_TEST_CASE(every_problem_is_reported_at_once) {
    auto const loaded = load(R"({"server":{"port":70000,"host":"","tags":["a",2],"open":"yes"},
                                 "limit":{"guests":0,"patience":0,"share":1.5,"chairs":5,
                                          "colour":"mauve","door":"back","code":"odd"},
                                 "mounts":[{"folder":"x"},{"prefix":1}],
                                 "tls":{"depth":null},
                                 "partner":[]})");
    BOOST_CHECK(!loaded.config);
    check_equal(
        texts(loaded.report),
        {"owner: expected a string, found nothing",
         "server.port: expected a whole number from 0 to 65535, found 70000",
         "server.host: expected a string that is not empty, found the string \"\"",
         "server.tags[1]: expected a string, found 2",
         "server.open: expected true or false, found the string \"yes\"",
         "limit.guests: expected a whole number of guests from 1 to 100, found 0",
         "limit.patience: expected a whole number from 1 to 86400000, found 0",
         "limit.share: expected a number from 0 to 1, found 1.5",
         "limit.chairs: expected a whole number from 1 to 4, found 5",
         "limit.colour: expected \"red\", \"green\" or \"blue\", found the string \"mauve\"",
         "limit.door: expected a string that begins with \"/\" or \"./\", found the string "
         "\"back\"",
         "limit.code: expected a string of even length, found the string \"odd\"",
         "mounts[1].folder: expected a string, found nothing",
         "mounts[1].prefix: expected a string, found 1",
         "tls.certificate: expected a string, found nothing",
         "tls.depth: expected a whole number from -2147483648 to 2147483647, found null",
         "partner: expected an object, found an array"});
}

BOOST_AUTO_TEST_CASE(a_value_of_the_wrong_type_is_told_what_the_rule_allows) {
    check_equal(texts(load_members(R"("limit":{"patience":"5s","colour":3,"chairs":{}})").report),
                {"limit.patience: expected a whole number from 1 to 86400000, found the string "
                 "\"5s\"",
                 "limit.chairs: expected a whole number from 1 to 4, found an object",
                 "limit.colour: expected \"red\", \"green\" or \"blue\", found 3"});
}

BOOST_AUTO_TEST_CASE(an_optional_or_repeated_section_is_filled_over_its_defaults) {
    auto const loaded =
        load_members(R"("tls":{"certificate":"c"},"mounts":[{"folder":"f"}],"limit":{"chairs":4})");
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->tls->depth == 1);
    BOOST_TEST(loaded.config->mounts.at(0).prefix == "/");
    BOOST_CHECK(loaded.config->limit.chairs == 4);
    BOOST_CHECK(!load_members(R"("tls":null)").config->tls);
    check_equal(texts(load_members(R"("mounts":{})").report),
                {"mounts: expected an array, found an object"});
}

BOOST_AUTO_TEST_CASE(an_unknown_member_is_a_warning_with_the_nearest_known_name) {
    auto const loaded = load_members(
        R"("server":{"prot":1,"HOST":"x"},"limits":{},"mounts":[{"folder":"f","prefx":""}])");
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->server.host == "localhost");
    check_equal(loaded.report.warnings,
                {"server.prot is not a known member; the nearest is server.port",
                 "server.HOST is not a known member; the nearest is server.host",
                 "mounts[0].prefx is not a known member; the nearest is mounts[0].prefix",
                 "limits is not a known member; the nearest is limit"});
}

BOOST_AUTO_TEST_CASE(members_that_are_not_acted_on_are_listed) {
    auto const loaded =
        load_members(R"("heartbeat":{"any":[1]},"partner":{"interval":5,"url":"u","else":{}})",
                     {"SHOP_HEARTBEAT__EVERY=1", "SHOP_PARTNER__THING=1", "SHOP_heartbeat=1"});
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->heartbeat.present);
    BOOST_TEST(loaded.config->partner.url == "u");
    BOOST_TEST(loaded.report.warnings.empty());
    check_equal(loaded.report.ignored,
                {"partner.interval", "partner.else", "heartbeat", "SHOP_HEARTBEAT__EVERY",
                 "SHOP_PARTNER__THING", "SHOP_heartbeat"});
}

BOOST_AUTO_TEST_CASE(the_environment_overrides_the_file_in_any_case) {
    auto const loaded =
        load(R"({"server":{"port":1,"open":"not even a bool"}})",
             {"SHOP_OWNER=8080", "SHOP_Server__pORT=8080", "SHOP_SERVER__OPEN=false",
              R"(SHOP_SERVER__TAGS=["x","y"])", "SHOP_LIMIT__SHARE=0.25", "SHOP_LIMIT__CHAIRS=2",
              "SHOP_limit__patience=7", "SHOP_TLS__CERTIFICATE=a=b", "PATH=/bin", "SHO", "SHOP_"});
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(*loaded.config->owner == "8080"); // a string because the member is one
    BOOST_TEST(loaded.config->server.port == 8080);
    BOOST_TEST(!loaded.config->server.open);
    BOOST_TEST(loaded.config->server.tags.size() == 2u);
    BOOST_TEST(loaded.config->limit.share == 0.25);
    BOOST_CHECK(loaded.config->limit.chairs == 2);
    BOOST_CHECK(loaded.config->limit.patience == 7ms);
    BOOST_TEST(*loaded.config->tls->certificate == "a=b");
}

BOOST_AUTO_TEST_CASE(a_problem_from_the_environment_names_the_variable) {
    auto const loaded =
        load("{}", {"SHOP_SERVER__PORT=eighty", "SHOP_SERVER__OPEN=\"true\"",
                    "SHOP_SERVER__HOST=", "SHOP_LIMIT__GUESTS=101", "SHOP_LIMIT__CODE=\xff\xff"});
    check_equal(texts(loaded.report),
                {"owner: expected a string, found nothing",
                 "server.port: expected a whole number from 0 to 65535, found the string "
                 "\"eighty\" in SHOP_SERVER__PORT",
                 "server.host: expected a string that is not empty, found the string \"\" in "
                 "SHOP_SERVER__HOST",
                 "server.open: expected true or false, found the string \"true\" in "
                 "SHOP_SERVER__OPEN",
                 "limit.guests: expected a whole number of guests from 1 to 100, found 101 in "
                 "SHOP_LIMIT__GUESTS",
                 "limit.code: expected a string of even length, found other bytes in "
                 "SHOP_LIMIT__CODE"});
}

BOOST_AUTO_TEST_CASE(an_unknown_variable_is_a_warning_with_the_nearest_known_name) {
    auto const loaded = load_members("", {"SHOP_SERVER__PROT=1", "SHOP_OWNR=x", "SHOP_SERVER={}",
                                          "shop_owner=x", "SHOP_SERVERPORT=1"});
    BOOST_REQUIRE(loaded.config);
    check_equal(loaded.report.warnings,
                {"SHOP_SERVER__PROT is not a known variable; the nearest is SHOP_SERVER__PORT",
                 "SHOP_OWNR is not a known variable; the nearest is SHOP_OWNER",
                 "SHOP_SERVER is not a known variable; the nearest is SHOP_OWNER",
                 "SHOP_SERVERPORT is not a known variable; the nearest is SHOP_SERVER__PORT"});
}

BOOST_AUTO_TEST_CASE(of_several_variables_for_a_member_the_last_counts) {
    auto const loaded = load_members("", {"SHOP_SERVER__PORT=1", "SHOP_server__port=2"});
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->server.port == 2);
    BOOST_TEST(loaded.report.warnings.empty());
}

BOOST_AUTO_TEST_CASE(a_text_that_is_no_configuration_is_named_and_located) {
    check_equal(texts(load("{\n \"owner\": }").report),
                {"shop.json: expected JSON, found syntax error at line 2, column 11"});
    check_equal(texts(load("[]").report), {"shop.json: expected an object, found an array",
                                           "owner: expected a string, found nothing"});
}

BOOST_AUTO_TEST_CASE(a_configuration_is_loaded_from_a_file) {
    temporary_file const file(R"({"owner":"Ada"})");
    auto const loaded = parley::load_config_file<shop::config>(
        file.path(), strings{"SHOP_SERVER__PORT=5"}, "SHOP_");
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->server.port == 5);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_used_is_named) {
    auto const fault = [](std::string const& path) {
        return texts(parley::load_config_file<shop::config>(path, strings{}, "SHOP_").report);
    };
    check_equal(fault("/no/such/file.json"),
                {"/no/such/file.json: expected a file that can be read, found nothing"});
    check_equal(fault("/"),
                {"/: expected a file that can be read, found an error: Is a directory"});
    temporary_file const large(std::string((1U << 20) + 1, ' '));
    check_equal(fault(large.path()),
                {large.path() + ": expected a file of at most 1 MiB, found a larger one"});
    temporary_file const torn("{\"owner\":\n\"A");
    check_equal(fault(torn.path()),
                {torn.path() + ": expected JSON, found incomplete JSON at line 2, column 3"});
}

BOOST_AUTO_TEST_CASE(the_environment_of_this_process_can_be_given) {
    auto const variables = parley::environment();
    BOOST_TEST(std::all_of(variables.begin(), variables.end(), [](std::string const& variable) {
        return variable.find('=') != std::string::npos;
    }));
    BOOST_TEST(!variables.empty());
}

BOOST_AUTO_TEST_CASE(the_defaults_can_be_written_as_a_file_to_start_from) {
    shop::config start;
    start.owner.value = "Ada";
    auto const text = parley::json::encode_text(start);
    BOOST_TEST(text ==
               R"({"owner":"Ada","server":{"port":80,"host":"localhost","tags":["a"],"open":true},)"
               R"("limit":{"guests":10,"patience":5000,"share":5E-1,"colour":"red",)"
               R"("door":"/front","code":"even"},"mounts":[],"partner":{"url":"http://partner"}})");
    auto const loaded = load(text);
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.report.warnings.empty());
    BOOST_TEST(parley::json::encode_text(*loaded.config) == text);
}

BOOST_AUTO_TEST_CASE(marked_members_work_in_plain_decoding_as_well) {
    auto const decoded = parley::json::decode<shop::mount>(R"({"folder":"f","prefix":"p"})");
    BOOST_TEST(*decoded.value().folder == "f");
    BOOST_TEST(parley::json::decode<shop::mount>("{}").error().text() ==
               "folder: expected a string, found nothing");
    BOOST_TEST(parley::json::decode<shop::partner>(R"({"url":"u"})").has_value());
}

BOOST_AUTO_TEST_CASE(damaged_texts_and_variables_are_reported_never_thrown) {
    std::mt19937_64 random(3);
    auto const whole = parley::json::encode_text(shop::config{});
    for (int i = 0; i < 3000; ++i) {
        auto text = whole;
        for (auto n = random() % 4; n > 0; --n)
            text[random() % text.size()] = static_cast<char>(random());
        if (random() % 4 == 0) text.resize(random() % text.size());
        std::string variable = "SHOP_SERVER__PORT=1";
        for (auto n = random() % 6; n > 0; --n)
            variable[5 + random() % (variable.size() - 5)] = static_cast<char>(random());
        BOOST_REQUIRE_NO_THROW({
            auto const loaded = load(text, {variable});
            BOOST_REQUIRE(loaded.config.has_value() == loaded.report.problems.empty());
        });
    }
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_passed_over) {
    BOOST_TEST(load("\xEF\xBB\xBF{\"owner\":\"Ada\"}").config.has_value());
    BOOST_TEST(!load("\xEF\xBB\xBF\xEF\xBB\xBF{\"owner\":\"Ada\"}").config.has_value());
}

BOOST_AUTO_TEST_SUITE_END()
