// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// How a stream's RTP is named by the client that sends it, inside the worker, and by each client
/// that receives it: the rules of mediasoup 3.12 for Opus. Pure functions.
///
/// A producer's payload type and SSRC are mapped to those that the router's capabilities give (its
/// *consumable* parameters); of these a consumer gets what its client is capable of.

#include <parley/random.hpp>
#include <parley/signaling/mediasoup/client_parameters.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling::mediasoup {

inline constexpr std::int64_t opus_payload_type = 111;

namespace detail {

inline boost::json::string_view view(std::string_view text) {
    return {text.data(), text.size()};
}

inline constexpr std::string_view abs_send_time_uri =
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";

/// A header extension of the router's; those that are not sent on are only for what comes in.
struct audio_extension {
    std::string_view uri;
    std::int64_t id;
    bool sent_on;
};
inline constexpr std::array<audio_extension, 5> audio_extensions{
    {{"urn:ietf:params:rtp-hdrext:sdes:mid", 1, true},
     {abs_send_time_uri, 4, true},
     {"http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", 5, false},
     {"urn:ietf:params:rtp-hdrext:ssrc-audio-level", 10, true},
     {"http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time", 13, true}}};

inline boost::json::array feedback_json(feedback_list const& feedback) {
    boost::json::array out;
    for (auto const& one : feedback.values) {
        out.push_back(
            {{"type", one.type.value}, {"parameter", one.parameter ? one.parameter->value : ""}});
    }
    return out;
}

/// Nine digits, as mediasoup draws them. Unguessable.
inline std::uint32_t random_ssrc() {
    std::array<std::uint8_t, sizeof(std::uint32_t)> bytes{};
    fill_random(bytes);
    std::uint32_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    return 100'000'000 + number % 900'000'000;
}

} // namespace detail

/// The RTP capabilities of every router.
inline boost::json::object router_capabilities() {
    boost::json::array extensions;
    for (auto const& one : detail::audio_extensions) {
        extensions.push_back({{"kind", "audio"},
                              {"uri", detail::view(one.uri)},
                              {"preferredId", one.id},
                              {"preferredEncrypt", false},
                              {"direction", one.sent_on ? "sendrecv" : "recvonly"}});
    }
    boost::json::object nack{{"type", "nack"}, {"parameter", ""}};
    boost::json::object transport_cc{{"type", "transport-cc"}, {"parameter", ""}};
    boost::json::array feedback;
    feedback.push_back(std::move(nack));
    feedback.push_back(std::move(transport_cc));
    boost::json::object opus{{"kind", "audio"},
                             {"mimeType", "audio/opus"},
                             {"preferredPayloadType", opus_payload_type},
                             {"clockRate", 48000},
                             {"channels", 2},
                             {"parameters", boost::json::object()},
                             {"rtcpFeedback", std::move(feedback)}};
    boost::json::array codecs;
    codecs.push_back(std::move(opus));
    return {{"codecs", std::move(codecs)}, {"headerExtensions", std::move(extensions)}};
}

/// A stream as the worker is told of it.
struct producer_parameters {
    boost::json::object rtpParameters; ///< as the client sends it
    boost::json::object rtpMapping;
    boost::json::object consumable; ///< as it is in the router
};

namespace detail {

/// The client's one encoding, if it gave any.
inline rtp_encoding encoding_of(rtp_parameters const& given) {
    if (!given.encodings || given.encodings->values.empty()) return {};
    return given.encodings->values.front();
}

/// What the encodings of a stream have in common, wherever they are named.
inline boost::json::object encoding_json(rtp_encoding const& encoding) {
    boost::json::object out{{"dtx", encoding.dtx.value_or(false)}};
    if (encoding.maxBitrate) out["maxBitrate"] = encoding.maxBitrate->value;
    return out;
}

inline boost::json::object parameters_of(rtp_codec const& codec) {
    return codec.parameters ? codec.parameters->values : boost::json::object();
}

/// The client's own parameters, of what was understood and nothing else.
inline boost::json::object sent_parameters(rtp_parameters const& given, std::string const& cname) {
    auto const& codec = given.codecs.values.front();
    boost::json::object opus{
        {"mimeType", "audio/opus"},
        {"payloadType", codec.payloadType.value},
        {"clockRate", 48000},
        {"channels", 2},
        {"parameters", parameters_of(codec)},
        {"rtcpFeedback", feedback_json(codec.rtcpFeedback.value_or(feedback_list()))}};
    boost::json::array extensions;
    for (auto const& one : given.headerExtensions.value_or(rtp_parameters::extensions()).values) {
        extensions.push_back({{"uri", one.uri.value},
                              {"id", one.id.value},
                              {"encrypt", one.encrypt.value_or(false)},
                              {"parameters", boost::json::object()}});
    }
    auto const encoding = encoding_of(given);
    auto encoded = encoding_json(encoding);
    if (encoding.ssrc) encoded["ssrc"] = encoding.ssrc->value;
    if (encoding.rid) encoded["rid"] = encoding.rid->value;
    bool const reduced = !given.rtcp || given.rtcp->reducedSize.value_or(true);
    boost::json::object out{{"codecs", boost::json::array(1, std::move(opus))},
                            {"headerExtensions", std::move(extensions)},
                            {"encodings", boost::json::array(1, std::move(encoded))},
                            {"rtcp", {{"cname", cname}, {"reducedSize", reduced}}}};
    if (given.mid && !given.mid->value.empty()) out["mid"] = given.mid->value;
    return out;
}

/// The stream as every consumer may have it.
inline boost::json::object consumable_parameters(rtp_parameters const& given,
                                                 std::string const& cname, std::uint32_t ssrc) {
    auto const router = router_capabilities();
    boost::json::object opus{{"mimeType", "audio/opus"},
                             {"payloadType", opus_payload_type},
                             {"clockRate", 48000},
                             {"channels", 2},
                             {"parameters", parameters_of(given.codecs.values.front())},
                             {"rtcpFeedback", router.at("codecs").at(0).at("rtcpFeedback")}};
    boost::json::array extensions;
    for (auto const& one : audio_extensions) {
        if (!one.sent_on) continue;
        extensions.push_back({{"uri", view(one.uri)},
                              {"id", one.id},
                              {"encrypt", false},
                              {"parameters", boost::json::object()}});
    }
    auto encoding = encoding_json(encoding_of(given));
    encoding["ssrc"] = ssrc;
    return {{"codecs", boost::json::array(1, std::move(opus))},
            {"headerExtensions", std::move(extensions)},
            {"encodings", boost::json::array(1, std::move(encoding))},
            {"rtcp", {{"cname", cname}, {"reducedSize", true}, {"mux", true}}}};
}

} // namespace detail

/// The stream of a client, from its checked parameters.
/// \param cname the RTCP name of all streams of its transport.
/// \param ssrc what the stream's packets carry inside the router.
inline producer_parameters produced(rtp_parameters const& given, std::string const& cname,
                                    std::uint32_t ssrc = detail::random_ssrc()) {
    boost::json::object codec{{"payloadType", given.codecs.values.front().payloadType.value},
                              {"mappedPayloadType", opus_payload_type}};
    boost::json::object mapped{{"mappedSsrc", ssrc}};
    auto const encoding = detail::encoding_of(given);
    if (encoding.ssrc) mapped["ssrc"] = encoding.ssrc->value;
    if (encoding.rid) mapped["rid"] = encoding.rid->value;
    boost::json::object mapping{{"codecs", boost::json::array(1, std::move(codec))},
                                {"encodings", boost::json::array(1, std::move(mapped))}};
    return {detail::sent_parameters(given, cname), std::move(mapping),
            detail::consumable_parameters(given, cname, ssrc)};
}

namespace detail {

/// The client's Opus, if it is capable of the router's.
inline capable_codec const* find_opus(rtp_capabilities const& capabilities) {
    if (!capabilities.codecs) return nullptr;
    auto const found = std::ranges::find_if(capabilities.codecs->values, [](auto const& codec) {
        return parley::detail::equal_ignoring_case(codec.mimeType.value, "audio/opus") &&
               codec.clockRate.value == 48000 && codec.channels && codec.channels->value == 2;
    });
    return found == capabilities.codecs->values.end() ? nullptr : &*found;
}

inline bool has_extension(rtp_capabilities const& capabilities, boost::json::object const& one) {
    if (!capabilities.headerExtensions) return false;
    auto const same = [&](capable_extension const& known) {
        return known.preferredId.value == one.at("id").as_int64() &&
               known.uri.value == one.at("uri").as_string();
    };
    return std::ranges::any_of(capabilities.headerExtensions->values, same);
}

/// What the client reports back on a stream of audio: no retransmissions, and an estimate of the
/// bandwidth only in the way that the stream's header extensions allow.
inline boost::json::array consumer_feedback(capable_codec const& codec, bool has_send_time) {
    feedback_list kept;
    for (auto const& one : codec.rtcpFeedback.value_or(feedback_list()).values) {
        bool const retransmits =
            one.type.value == "nack" && (!one.parameter || one.parameter->value.empty());
        bool const estimates =
            one.type.value == "transport-cc" || (one.type.value == "goog-remb" && !has_send_time);
        if (!retransmits && !estimates) kept.values.push_back(one);
    }
    return feedback_json(kept);
}

} // namespace detail

/// The parameters of a consumer: a stream as one client gets it.
/// \param consumable the stream's parameters in the router.
/// \param mid tells the transport's consumers apart; at most 8 bytes.
/// \return a problem if the client is not capable of Opus.
inline result<boost::json::object, problem> consumed(boost::json::object const& consumable,
                                                     rtp_capabilities const& capabilities,
                                                     std::string const& mid,
                                                     std::uint32_t ssrc = detail::random_ssrc()) {
    auto const* codec = detail::find_opus(capabilities);
    if (codec == nullptr)
        return problem{"rtpCapabilities.codecs", "audio/opus of 48000 Hz and 2 channels", "none"};
    boost::json::array extensions;
    bool has_send_time = false;
    for (auto const& one : consumable.at("headerExtensions").as_array()) {
        if (!detail::has_extension(capabilities, one.as_object())) continue;
        has_send_time |= one.at("uri").as_string() == detail::view(detail::abs_send_time_uri);
        extensions.push_back(one);
    }
    auto opus = consumable.at("codecs").at(0).as_object();
    opus["rtcpFeedback"] = detail::consumer_feedback(*codec, has_send_time);
    boost::json::object encoding{{"ssrc", ssrc}};
    auto const& source = consumable.at("encodings").at(0).as_object();
    if (auto const* most = source.if_contains("maxBitrate")) encoding["maxBitrate"] = *most;
    return boost::json::object{{"codecs", boost::json::array(1, std::move(opus))},
                               {"headerExtensions", std::move(extensions)},
                               {"encodings", boost::json::array(1, std::move(encoding))},
                               {"rtcp", consumable.at("rtcp")},
                               {"mid", mid}};
}

} // namespace parley::signaling::mediasoup
