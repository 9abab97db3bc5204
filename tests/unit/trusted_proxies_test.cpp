// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/trusted_proxies.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace parley;

namespace {

/// Whom a server with these proxies takes for the client.
std::string client_of(std::vector<std::string> const& proxies, std::string const& peer,
                      std::vector<std::string> const& forwarded) {
    http_request request(http::verb::get, "/", 11);
    for (auto const& one : forwarded)
        request.insert("X-Forwarded-For", one);
    return trusted_proxies::of(proxies).value().client_of(request, peer);
}

std::vector<std::string> const near{"10.0.0.1", "10.1.0.0/16", "fd00::/8"};

} // namespace

BOOST_AUTO_TEST_SUITE(trusted_proxies_)

BOOST_AUTO_TEST_CASE(whoever_is_no_proxy_is_the_client_whatever_is_said) {
    for (auto const* peer : {"192.0.2.1", "10.0.0.2", "10.2.0.1", "2001:db8::1", "memory", ""}) {
        BOOST_TEST(client_of(near, peer, {"198.51.100.7"}) == peer);
        BOOST_TEST(client_of(near, peer, {}) == peer);
        BOOST_TEST(client_of({}, peer, {"198.51.100.7"}) == peer);
    }
    BOOST_TEST(client_of({}, "10.0.0.1", {"198.51.100.7"}) == "10.0.0.1");
}

BOOST_AUTO_TEST_CASE(of_several_hops_the_last_that_is_no_proxy_is_the_client) {
    BOOST_TEST(client_of(near, "10.0.0.1", {"198.51.100.7"}) == "198.51.100.7");
    BOOST_TEST(client_of(near, "10.0.0.1", {"203.0.113.1, 198.51.100.7"}) == "198.51.100.7");
    BOOST_TEST(client_of(near, "10.0.0.1", {"203.0.113.1,198.51.100.7, 10.1.2.3\t, 10.1.9.9"}) ==
               "198.51.100.7");
    BOOST_TEST(client_of(near, "10.0.0.1", {"203.0.113.1", "198.51.100.7", "10.1.2.3"}) ==
               "198.51.100.7"); // in fields of their own
    BOOST_TEST(client_of(near, "10.0.0.1", {"10.1.0.7, 10.1.0.8"}) == "10.1.0.7"); // from inside
    BOOST_TEST(client_of(near, "10.0.0.1", {}) == "10.0.0.1"); // the proxy's own request
}

BOOST_AUTO_TEST_CASE(addresses_may_be_ipv6_and_have_ports) {
    for (auto const& [said, client] : std::vector<std::pair<std::string, std::string>>{
             {"2001:DB8:0::1", "2001:db8::1"},
             {"[2001:db8::1]", "2001:db8::1"},
             {"[2001:db8::1]:443", "2001:db8::1"},
             {"198.51.100.7:65535", "198.51.100.7"},
             {"::ffff:198.51.100.7", "198.51.100.7"},
             {"2001:db8::1, [fd00::9]:80, ::ffff:10.1.0.1", "2001:db8::1"}})
        BOOST_TEST(client_of(near, "fd12::1", {said}) == client, said);
    BOOST_TEST(client_of(near, "::ffff:10.0.0.1", {"198.51.100.7"}) == "198.51.100.7");
    BOOST_TEST(client_of({"fe80::1"}, "fe80::1%lo", {"198.51.100.7"}) == "198.51.100.7");
}

BOOST_AUTO_TEST_CASE(behind_what_is_malformed_nobody_is_looked_for) {
    for (auto const* said :
         {"", ",", "unknown", "_hidden", "198.51.100", "198.51.100.7:", "198.51.100.7:http",
          "198.51.100.7:123456", "[198.51.100.7]", "[2001:db8::1", "[2001:db8::1]443",
          "2001:db8::1]", "fe80::1%lo", "\"198.51.100.7\"", "for=198.51.100.7", "198.51.100.7 x",
          "0x7f.1", "\xff"}) {
        BOOST_TEST(client_of(near, "10.0.0.1", {said}) == "10.0.0.1", said);
        BOOST_TEST(client_of(near, "10.0.0.1",
                             {"203.0.113.1, " + std::string(said) + ", 10.1.0.2"}) == "10.1.0.2",
                   said);
    }
}

BOOST_AUTO_TEST_CASE(networks_are_told_apart_by_their_first_bits) {
    for (auto const& [network, in, out] :
         std::vector<std::tuple<std::string, std::string, std::string>>{
             {"192.0.2.0/25", "192.0.2.127", "192.0.2.128"},
             {"192.0.2.77/24", "192.0.2.1", "192.0.3.1"},
             {"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
             {"0.0.0.0/0", "203.0.113.5", "2001:db8::1"},
             {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
             {"::1", "::1", "::2"}}) {
        BOOST_TEST(client_of({network}, in, {"198.51.100.7"}) == "198.51.100.7", network);
        BOOST_TEST(client_of({network}, out, {"198.51.100.7"}) == out, network);
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_network_is_named) {
    for (auto const* wrong :
         {"", "localhost", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0/8",
          "::/129", "[::1]", "10.0.0.1:80", "fe80::1%lo", "*"}) {
        auto const read = trusted_proxies::of({"10.0.0.1", wrong});
        BOOST_TEST_REQUIRE(!read.has_value(), wrong);
        BOOST_TEST(read.error().text() ==
                   "[1]: expected an IP address or a network like \"10.0.0.0/8\", found the "
                   "string \"" +
                       std::string(wrong) + "\"");
    }
}

BOOST_AUTO_TEST_CASE(any_header_may_come) {
    std::mt19937 random(1);
    std::string const alphabet = "0123456789abcdf.:,[]% \t";
    for (int i = 0; i < 20'000; ++i) {
        std::string odd(random() % 40, ' ');
        for (char& c : odd)
            c = alphabet[random() % alphabet.size()];
        BOOST_TEST_REQUIRE(client_of(near, "192.0.2.1", {odd}) == "192.0.2.1");
        // Whatever stands before it, what the proxy itself has added counts.
        BOOST_TEST_REQUIRE(client_of(near, "10.0.0.1", {odd + ",198.51.100.7"}) == "198.51.100.7");
    }
}

BOOST_AUTO_TEST_SUITE_END()
