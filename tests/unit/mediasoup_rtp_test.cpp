// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What clients say of their media, and what the worker and other clients are told of it.

#include <tests/support/browser_parameters.hpp>
#include <tests/support/json_variations.hpp>

#include <parley/json.hpp>
#include <parley/signaling/mediasoup/rtp.hpp>

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace parley;
namespace ms = parley::signaling::mediasoup;
using boost::json::value;
using test::browser_dtls_parameters;
using test::browser_rtp_capabilities;
using test::browser_rtp_parameters;
using test::with_each_value_replaced;

namespace {

/// The value at a JSON pointer, to change it.
value& at(value& v, std::string_view pointer) {
    boost::json::error_code ec;
    auto* found = v.find_pointer({pointer.data(), pointer.size()}, ec);
    BOOST_REQUIRE(found != nullptr);
    return *found;
}

template <class Read>
std::string fault(Read read, value const& given) {
    auto const outcome = read(given);
    return outcome ? "accepted" : outcome.error().text();
}

std::string rtp_fault(value const& given) {
    return fault(ms::read_rtp_parameters, given);
}

/// A browser's parameters with one member set to something else, or removed.
std::string rtp_fault_with(std::string_view pointer, std::string_view replacement) {
    auto given = browser_rtp_parameters();
    if (replacement.empty()) {
        auto const slash = pointer.rfind('/');
        auto& parent = slash == 0 ? given : at(given, pointer.substr(0, slash));
        auto const name = pointer.substr(slash + 1);
        parent.as_object().erase({name.data(), name.size()});
    } else {
        at(given, pointer) = boost::json::parse({replacement.data(), replacement.size()});
    }
    return rtp_fault(given);
}

/// What the worker may be told: nothing long, deep or numerous.
void check_bounded(value const& told) {
    BOOST_TEST(boost::json::serialize(told).size() < 20'000U);
    BOOST_TEST(told.at("codecs").as_array().size() == 1U);
    BOOST_TEST(told.at("codecs").at(0).at("mimeType").as_string() == "audio/opus");
    BOOST_TEST(told.at("encodings").as_array().size() == 1U);
}

} // namespace

BOOST_AUTO_TEST_SUITE(mediasoup_rtp)

BOOST_AUTO_TEST_CASE(a_router_can_opus_and_nothing_else) {
    auto const router = ms::router_capabilities();
    BOOST_TEST(router.at("codecs") == boost::json::parse(R"([{
        "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 111,
        "clockRate": 48000, "channels": 2, "parameters": {},
        "rtcpFeedback": [{"type": "nack", "parameter": ""},
                         {"type": "transport-cc", "parameter": ""}]}])"));
    auto const& extensions = router.at("headerExtensions").as_array();
    BOOST_TEST(extensions.size() == 5U);
    BOOST_TEST(extensions.at(0) == boost::json::parse(R"({
        "kind": "audio", "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 1,
        "preferredEncrypt": false, "direction": "sendrecv"})"));
    // Bandwidth is estimated for what comes in only.
    BOOST_TEST(extensions.at(2).at("preferredId").as_int64() == 5);
    BOOST_TEST(extensions.at(2).at("direction").as_string() == "recvonly");
}

BOOST_AUTO_TEST_CASE(a_producer_is_mapped_to_what_the_router_has) {
    auto const given = ms::read_rtp_parameters(browser_rtp_parameters());
    BOOST_REQUIRE(given.has_value());
    auto const stream = ms::produced(*given, "name", 123456789);

    BOOST_TEST(value(stream.rtpMapping) == boost::json::parse(R"({
        "codecs": [{"payloadType": 109, "mappedPayloadType": 111}],
        "encodings": [{"mappedSsrc": 123456789, "ssrc": 3141592653}]})"));
    auto expected = browser_rtp_parameters();
    at(expected, "/rtcp/cname") = "name";
    BOOST_TEST(value(stream.rtpParameters) == expected);
    BOOST_TEST(value(stream.consumable) == boost::json::parse(R"({
        "codecs": [{"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000,
            "channels": 2,
            "parameters": {"minptime": 10, "useinbandfec": 1, "sprop-stereo": 1, "usedtx": 1},
            "rtcpFeedback": [{"type": "nack", "parameter": ""},
                             {"type": "transport-cc", "parameter": ""}]}],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1, "encrypt": false,
             "parameters": {}},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 4,
             "encrypt": false, "parameters": {}},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 10, "encrypt": false,
             "parameters": {}},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", "id": 13,
             "encrypt": false, "parameters": {}}],
        "encodings": [{"dtx": true, "ssrc": 123456789}],
        "rtcp": {"cname": "name", "reducedSize": true, "mux": true}})"));
}

BOOST_AUTO_TEST_CASE(a_consumer_gets_what_its_client_is_capable_of) {
    auto const given = ms::read_rtp_parameters(browser_rtp_parameters());
    auto const capabilities = ms::read_rtp_capabilities(browser_rtp_capabilities());
    BOOST_REQUIRE(capabilities.has_value());
    auto const stream = ms::produced(given.value(), "name", 123456789);
    auto const consumer = ms::consumed(stream.consumable, *capabilities, "7", 987654321);
    BOOST_REQUIRE(consumer.has_value());
    BOOST_TEST(value(*consumer) == boost::json::parse(R"({
        "codecs": [{"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000,
            "channels": 2,
            "parameters": {"minptime": 10, "useinbandfec": 1, "sprop-stereo": 1, "usedtx": 1},
            "rtcpFeedback": []}],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1, "encrypt": false,
             "parameters": {}},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 4,
             "encrypt": false, "parameters": {}},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 10, "encrypt": false,
             "parameters": {}}],
        "encodings": [{"ssrc": 987654321}],
        "rtcp": {"cname": "name", "reducedSize": true, "mux": true},
        "mid": "7"})"));
}

BOOST_AUTO_TEST_CASE(bandwidth_is_reported_as_the_header_extensions_allow) {
    auto const stream =
        ms::produced(ms::read_rtp_parameters(browser_rtp_parameters()).value(), "n");
    auto given = browser_rtp_capabilities();
    at(given, "/codecs/0/rtcpFeedback") = boost::json::parse(
        R"([{"type":"goog-remb"},{"type":"transport-cc"},{"type":"nack"},{"type":"ccm","parameter":"fir"}])");
    auto const feedback = [&] {
        auto const consumer =
            ms::consumed(stream.consumable, ms::read_rtp_capabilities(given).value(), "0");
        std::string types;
        for (auto const& one : consumer.value().at("codecs").at(0).at("rtcpFeedback").as_array())
            types.append(one.at("type").as_string()).append(" ");
        return types;
    };
    BOOST_TEST(feedback() == "goog-remb ccm ");
    at(given, "/headerExtensions/1/preferredId") = 9; // abs-send-time is another one there
    BOOST_TEST(feedback() == "ccm ");
}

BOOST_AUTO_TEST_CASE(a_client_that_cannot_opus_consumes_nothing) {
    auto const stream =
        ms::produced(ms::read_rtp_parameters(browser_rtp_parameters()).value(), "n");
    auto const consume = [&](std::string_view pointer, value replacement) {
        auto given = browser_rtp_capabilities();
        at(given, pointer) = std::move(replacement);
        auto const read = ms::read_rtp_capabilities(given);
        auto const outcome = ms::consumed(stream.consumable, read.value(), "0");
        return outcome ? "consumed" : outcome.error().text();
    };
    auto const refused = "rtpCapabilities.codecs: expected audio/opus of 48000 Hz and 2 channels, "
                         "found none";
    BOOST_TEST(consume("/codecs/0/mimeType", "audio/PCMU") == refused);
    BOOST_TEST(consume("/codecs/0/clockRate", 16000) == refused);
    BOOST_TEST(consume("/codecs/0/channels", 1) == refused);
    BOOST_TEST(consume("/codecs/0/channels", nullptr) == refused); // one, if it is not said
    BOOST_TEST(consume("/codecs", nullptr) == refused);
    BOOST_TEST(consume("/codecs/0/mimeType", "AUDIO/OPUS") == "consumed");
    BOOST_TEST(consume("/headerExtensions", nullptr) == "consumed");
}

BOOST_AUTO_TEST_CASE(what_may_be_left_out_may_be_left_out) {
    auto const given = boost::json::parse(R"({
        "codecs": [{"mimeType": "audio/OPUS", "payloadType": 0, "clockRate": 48000.0,
                    "channels": 2}],
        "encodings": [], "mid": "a"})");
    auto const read = ms::read_rtp_parameters(given);
    BOOST_REQUIRE(read.has_value());
    auto const stream = ms::produced(*read, "n");
    auto const mapped = stream.rtpMapping.at("encodings").at(0).at("mappedSsrc").to_number<long>();
    BOOST_TEST(mapped >= 100'000'000);
    BOOST_TEST(mapped <= 999'999'999);
    BOOST_TEST(stream.rtpParameters.at("encodings").at(0) ==
               boost::json::parse(R"({"dtx":false})"));
}

BOOST_AUTO_TEST_CASE(faults_in_a_producers_parameters_are_named_where_they_are) {
    struct expectation {
        std::string_view pointer, replacement, fault;
    };
    for (auto const& [pointer, replacement, fault] : std::vector<expectation>{
             {"/codecs", "", "rtpParameters.codecs: expected an array of 1 element, found nothing"},
             {"/codecs", "[{},{}]",
              "rtpParameters.codecs: expected an array of 1 element, found an array of 2"},
             {"/codecs/0/mimeType", "\"audio/PCMU\"",
              "rtpParameters.codecs[0].mimeType: expected \"audio/opus\", found the string "
              "\"audio/PCMU\""},
             {"/codecs/0/clockRate", "16000",
              "rtpParameters.codecs[0].clockRate: expected 48000, found 16000"},
             {"/codecs/0/channels", "", "rtpParameters.codecs[0].channels: expected 2, found 1"},
             {"/codecs/0/payloadType", "128",
              "rtpParameters.codecs[0].payloadType: expected a whole number from 0 to 127, found "
              "128"},
             {"/codecs/0/parameters/usedtx", "[1]",
              "rtpParameters.codecs[0].parameters.usedtx: expected a string of at most 256 bytes, "
              "or "
              "a whole number of 32 bits, found an array"},
             {"/codecs/0/rtcpFeedback/0/type", "7",
              "rtpParameters.codecs[0].rtcpFeedback[0].type: expected a string of 1 to 64 bytes, "
              "found 7"},
             {"/headerExtensions/2/id", "0",
              "rtpParameters.headerExtensions[2].id: expected a whole number from 1 to 255, found "
              "0"},
             {"/headerExtensions/0/uri", "",
              "rtpParameters.headerExtensions[0].uri: expected a string of 1 to 256 bytes, found "
              "nothing"},
             {"/encodings", "[{},{}]",
              "rtpParameters.encodings: expected an array of at most 1 element, found an array of "
              "2"},
             {"/encodings/0/ssrc", "4294967296",
              "rtpParameters.encodings[0].ssrc: expected a whole number from 1 to 4294967295, "
              "found "
              "4294967296"},
             {"/rtcp/cname", "true",
              "rtpParameters.rtcp.cname: expected a string of 0 to 128 bytes, found true"},
             {"/mid", "0", "rtpParameters.mid: expected a string of 0 to 32 bytes, found 0"}}) {
        BOOST_TEST(rtp_fault_with(pointer, replacement) == fault);
    }
    BOOST_TEST(rtp_fault(nullptr) == "rtpParameters: expected an object, found null");

    auto anonymous = browser_rtp_parameters();
    anonymous.as_object().erase("mid");
    BOOST_TEST(rtp_fault(anonymous) == "accepted"); // it has an ssrc
    at(anonymous, "/encodings") = boost::json::array();
    BOOST_TEST(
        rtp_fault(anonymous) ==
        "rtpParameters.mid: expected a mid, or an encoding with an ssrc or a rid, found none "
        "of them");
}

BOOST_AUTO_TEST_CASE(faults_in_capabilities_are_named_where_they_are) {
    auto const faulty = [](std::string_view pointer, value replacement) {
        auto given = browser_rtp_capabilities();
        at(given, pointer) = std::move(replacement);
        return fault(ms::read_rtp_capabilities, given);
    };
    BOOST_TEST(
        faulty("/codecs", boost::json::array(257)) ==
        "rtpCapabilities.codecs: expected an array of at most 256 elements, found an array of "
        "257");
    BOOST_TEST(faulty("/codecs/1/clockRate", "fast") ==
               "rtpCapabilities.codecs[1].clockRate: expected a whole number from 1 to 1000000, "
               "found the string \"fast\"");
    BOOST_TEST(faulty("/headerExtensions/3/preferredId", nullptr) ==
               "rtpCapabilities.headerExtensions[3].preferredId: expected a whole number from 1 to "
               "255, found null");
    BOOST_TEST(fault(ms::read_rtp_capabilities, "all") ==
               "rtpCapabilities: expected an object, found the string \"all\"");
}

BOOST_AUTO_TEST_CASE(of_several_fingerprints_the_strongest_is_taken) {
    auto const only = ms::read_dtls_parameters(browser_dtls_parameters());
    BOOST_REQUIRE(only.has_value());
    BOOST_TEST(only->at("role").as_string() == "client");
    BOOST_TEST(only->at("fingerprints").as_array().size() == 1U);
    BOOST_TEST(only->at("fingerprints").at(0).at("value").as_string().starts_with("5F:0C:74"));

    auto given = browser_dtls_parameters();
    given.as_object().erase("role");
    std::string sha1 = "00";
    for (int i = 1; i < 20; ++i)
        sha1 += ":00";
    auto& fingerprints = given.at("fingerprints").as_array();
    fingerprints.insert(fingerprints.begin(),
                        value({{"algorithm", "SHA-1"}, {"value", sha1.c_str()}}));
    auto const best = ms::read_dtls_parameters(given);
    BOOST_REQUIRE(best.has_value());
    BOOST_TEST(best->at("role").as_string() == "auto");
    BOOST_TEST(best->at("fingerprints").at(0).at("algorithm").as_string() == "sha-256");

    fingerprints.pop_back();
    auto const weak = ms::read_dtls_parameters(given);
    BOOST_TEST(weak.value().at("fingerprints").at(0).at("algorithm").as_string() == "sha-1");
    BOOST_TEST(weak->at("fingerprints").at(0).at("value").as_string() == sha1.c_str());
}

BOOST_AUTO_TEST_CASE(faults_in_dtls_parameters_are_named_where_they_are) {
    auto const faulty = [](std::string_view pointer, value replacement) {
        auto given = browser_dtls_parameters();
        at(given, pointer) = std::move(replacement);
        return fault(ms::read_dtls_parameters, given);
    };
    BOOST_TEST(faulty("/role", "both") == "dtlsParameters.role: expected \"auto\", \"client\" or "
                                          "\"server\", found the string \"both\"");
    BOOST_TEST(faulty("/fingerprints", boost::json::array()) ==
               "dtlsParameters.fingerprints: expected an array of 1 to 16 elements, found an array "
               "of 0");
    BOOST_TEST(faulty("/fingerprints/0/algorithm", "md5") ==
               "dtlsParameters.fingerprints[0].algorithm: expected \"sha-1\", \"sha-224\", "
               "\"sha-256\", \"sha-384\" or \"sha-512\", found the string \"md5\"");
    for (value const& wrong : {value("5F:0C"), value("G"), value(std::string(95, '0').c_str())}) {
        BOOST_TEST(faulty("/fingerprints/0/value", wrong)
                       .starts_with("dtlsParameters.fingerprints[0].value: expected 32 bytes in "
                                    "hexadecimal with colons "
                                    "between, found "));
    }
}

BOOST_AUTO_TEST_CASE(whatever_is_accepted_is_small_and_opus) {
    auto const capabilities = ms::read_rtp_capabilities(browser_rtp_capabilities()).value();
    std::size_t accepted = 0;
    with_each_value_replaced(browser_rtp_parameters(), [&](value const& given) {
        auto const read = ms::read_rtp_parameters(given);
        if (!read) {
            BOOST_TEST(read.error().path.starts_with("rtpParameters"));
            BOOST_TEST(read.error().text().size() < 1000U);
            return;
        }
        ++accepted;
        auto const stream = ms::produced(*read, "n");
        check_bounded(stream.rtpParameters);
        check_bounded(stream.consumable);
        BOOST_TEST(ms::consumed(stream.consumable, capabilities, "0").has_value());
    });
    BOOST_TEST(accepted > 50U);
}

BOOST_AUTO_TEST_CASE(no_capabilities_throw) {
    auto const stream =
        ms::produced(ms::read_rtp_parameters(browser_rtp_parameters()).value(), "n");
    std::size_t accepted = 0;
    with_each_value_replaced(browser_rtp_capabilities(), [&](value const& given) {
        auto const read = ms::read_rtp_capabilities(given);
        if (!read) return;
        auto const consumer = ms::consumed(stream.consumable, *read, "0");
        if (!consumer) return;
        ++accepted;
        check_bounded(*consumer);
    });
    BOOST_TEST(accepted > 50U);
}

BOOST_AUTO_TEST_CASE(no_dtls_parameters_throw) {
    with_each_value_replaced(browser_dtls_parameters(), [&](value const& given) {
        auto const read = ms::read_dtls_parameters(given);
        if (read) BOOST_TEST(boost::json::serialize(*read).size() < 400U);
    });
}

BOOST_AUTO_TEST_SUITE_END()
