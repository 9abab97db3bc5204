// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/config.hpp>
#include <parley/consent/configuration.hpp>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace consent = parley::consent;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

/// Members for a file beside a valid `organization`.
auto load(std::string const& members = {}, strings const& environment = {}) {
    auto const organization =
        R"({"organization":{"npi":"1234567893","name":"Elm Street Practice","type":"practice"})";
    return parley::load_config<consent::configuration>(
        organization + (members.empty() ? "" : "," + members) + "}", environment,
        consent::env_prefix);
}

strings problems(parley::loaded_config<consent::configuration> const& loaded) {
    strings out;
    for (auto const& p : loaded.report.problems)
        out.push_back(p.text());
    return out;
}

void check_equal(strings const& found, strings const& expected) {
    BOOST_CHECK_EQUAL_COLLECTIONS(found.begin(), found.end(), expected.begin(), expected.end());
}

/// The one problem of a file with these members.
void check_problem(std::string const& members, std::string const& expected) {
    check_equal(problems(load(members)), {expected});
}

} // namespace

BOOST_AUTO_TEST_SUITE(consent_configuration)

BOOST_AUTO_TEST_CASE(the_defaults_are_the_specifications) {
    auto const loaded = load();
    BOOST_REQUIRE(loaded.config);
    auto const& c = *loaded.config;
    BOOST_TEST(*c.organization.npi == "1234567893");
    BOOST_TEST(*c.organization.name == "Elm Street Practice");
    BOOST_TEST(*c.organization.type == "practice");
    BOOST_TEST(c.server.port == 3000);
    BOOST_TEST(c.server.host == "0.0.0.0");
    BOOST_TEST(c.websocket.path == "/ws/handshake");
    BOOST_TEST(c.websocket.maxConcurrentHandshakes == 10u);
    BOOST_CHECK(c.websocket.authTimeoutMs == 10s);
    BOOST_CHECK(c.websocket.queueTimeoutMs == 30s);
    BOOST_TEST(c.websocket.maxPayloadBytes == 65536u);
    BOOST_TEST(c.storage.path == "./data/neuron.db");
    BOOST_TEST(c.audit.path == "./data/audit.jsonl");
    BOOST_TEST(c.audit.enabled);
    BOOST_TEST(c.axon.endpointUrl == "http://localhost:3000");
    BOOST_TEST(loaded.report.warnings.empty());
    BOOST_TEST(loaded.report.ignored.empty());
}

BOOST_AUTO_TEST_CASE(each_wrong_value_is_reported_with_what_is_allowed) {
    check_problem(R"("server":{"port":65536})",
                  "server.port: expected a whole number from 0 to 65535, found 65536");
    check_problem(R"("server":{"host":""})",
                  "server.host: expected a string that is not empty, found the string \"\"");
    for (std::string const wrong : {"ws", "/a?b", "/#", "/a b", "/\\u0007", "/\u00e4"})
        check_problem("\"websocket\":{\"path\":\"" + wrong + "\"}",
                      "websocket.path: expected a string that begins with \"/\", of visible ASCII "
                      "characters without \"?\" and \"#\", found the string \"" +
                          wrong + '"');
    for (std::string const wrong : {"0", "100001", "-1", "1.5"})
        check_problem(R"("websocket":{"maxConcurrentHandshakes":)" + wrong + "}",
                      "websocket.maxConcurrentHandshakes: expected a whole number from 1 to "
                      "100000, found " +
                          wrong);
    for (std::string const name : {"authTimeoutMs", "queueTimeoutMs"})
        for (std::string const wrong : {"0", "86400001", "-1"})
            check_problem("\"websocket\":{\"" + name + "\":" + wrong + "}",
                          "websocket." + name +
                              ": expected a whole number from 1 to 86400000, found " + wrong);
    for (std::string const wrong : {"0", "16777217"})
        check_problem(R"("websocket":{"maxPayloadBytes":)" + wrong + "}",
                      "websocket.maxPayloadBytes: expected a whole number from 1 to 16777216, "
                      "found " +
                          wrong);
    check_problem(R"("storage":{"path":5})",
                  "storage.path: expected a string that is not empty, found 5");
    check_problem(R"("audit":{"path":""})",
                  "audit.path: expected a string that is not empty, found the string \"\"");
    check_problem(R"("audit":{"enabled":"no"})",
                  "audit.enabled: expected true or false, found the string \"no\"");
    for (std::string const wrong :
         {"ftp://x", "http://", "wss:///x", "https://:80", "http://x?y", "http://x#y"})
        check_problem("\"axon\":{\"endpointUrl\":\"" + wrong + "\"}",
                      "axon.endpointUrl: expected a string that begins with \"http://\", "
                      "\"https://\", \"ws://\" or \"wss://\", then has a host, and no \"?\" or "
                      "\"#\", found the string \"" +
                          wrong + '"');
}

BOOST_AUTO_TEST_CASE(the_bounds_themselves_are_allowed) {
    BOOST_CHECK(load(R"("server":{"port":0},"websocket":{"path":"/","maxConcurrentHandshakes":1,
                        "authTimeoutMs":1,"queueTimeoutMs":86400000,"maxPayloadBytes":1})")
                    .config);
    BOOST_CHECK(load(R"("server":{"port":65535},"axon":{"endpointUrl":"wss://x"},
                        "websocket":{"maxConcurrentHandshakes":100000,"authTimeoutMs":86400000,
                                     "queueTimeoutMs":1,"maxPayloadBytes":16777216})")
                    .config);
}

BOOST_AUTO_TEST_CASE(everything_wrong_is_reported_at_once) {
    auto const loaded = parley::load_config<consent::configuration>(
        R"({"organization":{"npi":"1234567890","type":""},"server":{"port":"x"},"audit":[]})",
        strings{"NEURON_WEBSOCKET__QUEUETIMEOUTMS=0"}, consent::env_prefix);
    check_equal(
        problems(loaded),
        {"organization.npi: expected a string of 10 digits with a valid NPI check digit, found the "
         "string \"1234567890\"",
         "organization.name: expected a string that is not empty, found nothing",
         "organization.type: expected a string that is not empty, found the string \"\"",
         "server.port: expected a whole number from 0 to 65535, found the string \"x\"",
         "websocket.queueTimeoutMs: expected a whole number from 1 to 86400000, found 0 in "
         "NEURON_WEBSOCKET__QUEUETIMEOUTMS",
         "audit: expected an object, found an array"});
}

BOOST_AUTO_TEST_CASE(the_organization_is_required) {
    auto const loaded =
        parley::load_config<consent::configuration>("{}", strings{}, consent::env_prefix);
    check_equal(problems(loaded),
                {"organization.npi: expected a string of 10 digits with a valid NPI check digit, "
                 "found nothing",
                 "organization.name: expected a string that is not empty, found nothing",
                 "organization.type: expected a string that is not empty, found nothing"});
}

BOOST_AUTO_TEST_CASE(members_of_the_original_that_are_not_acted_on_are_accepted_and_listed) {
    auto const loaded =
        load(R"("axon":{"registryUrl":"r","endpointUrl":"https://e","broadcastIntervalMs":1,
                        "backoffCeilingMs":2,"retries":3},
                "localNetwork":{"enabled":true},"heartbeat":{"intervalMs":1},"api":{"rate":{}})",
             {"NEURON_API__RATE=1"});
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->axon.endpointUrl == "https://e");
    BOOST_TEST(loaded.report.warnings.empty());
    check_equal(loaded.report.ignored,
                {"axon.registryUrl", "axon.broadcastIntervalMs", "axon.backoffCeilingMs",
                 "axon.retries", "localNetwork", "heartbeat", "api", "NEURON_API__RATE"});
}

BOOST_AUTO_TEST_CASE(unknown_members_are_warnings) {
    auto const loaded =
        load(R"("websocket":{"maxConcurrentHandshake":5},"sever":{})", {"NEURON_SERVER__PROT=1"});
    BOOST_REQUIRE(loaded.config);
    check_equal(loaded.report.warnings,
                {"websocket.maxConcurrentHandshake is not a known member; the nearest is "
                 "websocket.maxConcurrentHandshakes",
                 "sever is not a known member; the nearest is server",
                 "NEURON_SERVER__PROT is not a known variable; the nearest is "
                 "NEURON_SERVER__PORT"});
}

BOOST_AUTO_TEST_CASE(the_environment_overrides_members) {
    auto const loaded =
        load(R"("server":{"port":4000})",
             {"NEURON_SERVER__PORT=8080", "NEURON_websocket__maxConcurrentHandshakes=2",
              "NEURON_ORGANIZATION__NPI=1245319599", "NEURON_AUDIT__ENABLED=false"});
    BOOST_REQUIRE(loaded.config);
    BOOST_TEST(loaded.config->server.port == 8080);
    BOOST_TEST(loaded.config->websocket.maxConcurrentHandshakes == 2u);
    BOOST_TEST(*loaded.config->organization.npi == "1245319599");
    BOOST_TEST(!loaded.config->audit.enabled);
}

BOOST_AUTO_TEST_CASE(a_file_to_start_from_can_be_written) {
    BOOST_TEST(parley::json::encode_text(consent::configuration{}) ==
               R"({"organization":{"npi":"","name":"","type":""},)"
               R"("server":{"port":3000,"host":"0.0.0.0"},)"
               R"("websocket":{"path":"/ws/handshake","maxConcurrentHandshakes":10,)"
               R"("authTimeoutMs":10000,"queueTimeoutMs":30000,"maxPayloadBytes":65536},)"
               R"("storage":{"path":"./data/neuron.db"},)"
               R"("audit":{"path":"./data/audit.jsonl","enabled":true},)"
               R"("axon":{"endpointUrl":"http://localhost:3000"}})");
}

BOOST_AUTO_TEST_SUITE_END()
