// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a client says of its RTP and its DTLS, checked before anything of it reaches the worker:
/// the worker trusts whoever writes to it, and gives up on what it cannot read.

#include <parley/detail/ascii.hpp>
#include <parley/json.hpp>
#include <parley/signaling/mediasoup/limits.hpp>

#include <boost/hana/define_struct.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling::mediasoup {

using payload_type = whole<0, 127>;
using clock_rate = whole<1, 1'000'000>;
using channel_count = whole<1, 255>;
using mime_type = text<1, 64>;
using extension_id = whole<1, 255>;
using extension_uri = text<1, 256>;

struct rtcp_feedback {
    BOOST_HANA_DEFINE_STRUCT(rtcp_feedback, (text<1, 64>, type),
                             (std::optional<text<0, 64>>, parameter));
};
using feedback_list = list<rtcp_feedback, 0, 32>;

struct rtp_codec {
    BOOST_HANA_DEFINE_STRUCT(rtp_codec, (mime_type, mimeType), (payload_type, payloadType),
                             (clock_rate, clockRate), (std::optional<channel_count>, channels),
                             (std::optional<codec_parameters>, parameters),
                             (std::optional<feedback_list>, rtcpFeedback));
};

struct header_extension {
    BOOST_HANA_DEFINE_STRUCT(header_extension, (extension_uri, uri), (extension_id, id),
                             (std::optional<bool>, encrypt));
};

struct rtp_encoding {
    BOOST_HANA_DEFINE_STRUCT(rtp_encoding, (std::optional<whole<1, 0xFFFF'FFFF>>, ssrc),
                             (std::optional<text<1, 16>>, rid), (std::optional<bool>, dtx),
                             (std::optional<whole<0, 0xFFFF'FFFF>>, maxBitrate));
};

struct rtcp_parameters {
    BOOST_HANA_DEFINE_STRUCT(rtcp_parameters, (std::optional<text<0, 128>>, cname),
                             (std::optional<bool>, reducedSize));
};

/// How a client sends: one stream of one codec, which is all that a microphone needs.
struct rtp_parameters {
    using extensions = list<header_extension, 0, 32>;
    using one_encoding = list<rtp_encoding, 0, 1>;
    using one_codec = list<rtp_codec, 1, 1>;

    BOOST_HANA_DEFINE_STRUCT(rtp_parameters, (std::optional<text<0, 32>>, mid), (one_codec, codecs),
                             (std::optional<extensions>, headerExtensions),
                             (std::optional<one_encoding>, encodings),
                             (std::optional<rtcp_parameters>, rtcp));
};

struct capable_codec {
    BOOST_HANA_DEFINE_STRUCT(capable_codec, (mime_type, mimeType),
                             (std::optional<payload_type>, preferredPayloadType),
                             (clock_rate, clockRate), (std::optional<channel_count>, channels),
                             (std::optional<codec_parameters>, parameters),
                             (std::optional<feedback_list>, rtcpFeedback));
};

struct capable_extension {
    BOOST_HANA_DEFINE_STRUCT(capable_extension, (text<1, 16>, kind), (extension_uri, uri),
                             (extension_id, preferredId));
};

/// What a client can receive. A browser lists all its video codecs too.
struct rtp_capabilities {
    using codec_list = list<capable_codec, 0, 256>;
    using extension_list = list<capable_extension, 0, 256>;

    BOOST_HANA_DEFINE_STRUCT(rtp_capabilities, (std::optional<codec_list>, codecs),
                             (std::optional<extension_list>, headerExtensions));
};

struct dtls_fingerprint {
    BOOST_HANA_DEFINE_STRUCT(dtls_fingerprint, (text<1, 16>, algorithm), (text<1, 256>, value));
};

struct dtls_parameters {
    using fingerprint_list = list<dtls_fingerprint, 1, 16>;

    BOOST_HANA_DEFINE_STRUCT(dtls_parameters, (std::optional<text<1, 16>>, role),
                             (fingerprint_list, fingerprints));
};

namespace detail {

/// A string from a client as a value for a report.
inline std::string shown(std::string_view given) {
    return json::describe(boost::json::value(boost::json::string_view(given.data(), given.size())));
}

/// Decodes what a client gave as `name`, whose problems then begin with that.
template <class T>
result<T, problem> decode_named(std::string_view name, boost::json::value const& given) {
    auto decoded = json::decode<T>(given);
    if (!decoded) return json::detail::within(name, decoded.error());
    return decoded;
}

/// A hash that may identify a certificate: its name, and its size in bytes.
struct fingerprint_hash {
    std::string_view name;
    std::size_t size;
};
/// Those of the worker, the strongest last.
inline constexpr std::array<fingerprint_hash, 5> fingerprint_hashes{
    {{"sha-1", 20}, {"sha-224", 28}, {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}}};

/// Whether a value reads `AB:CD:…`, of so many bytes.
inline bool is_fingerprint(std::string_view value, std::size_t bytes) {
    constexpr std::string_view digits = "0123456789abcdefABCDEF";
    if (value.size() != 3 * bytes - 1) return false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        bool const separates = i % 3 == 2;
        if (separates ? value[i] != ':' : digits.find(value[i]) == std::string_view::npos)
            return false;
    }
    return true;
}

/// The place of a fingerprint's hash in `fingerprint_hashes`; a problem for one that is malformed.
inline result<std::size_t, problem> strength(dtls_fingerprint const& given) {
    auto const hash = std::ranges::find_if(fingerprint_hashes, [&](fingerprint_hash const& one) {
        return parley::detail::equal_ignoring_case(given.algorithm.value, one.name);
    });
    if (hash == fingerprint_hashes.end()) {
        return problem{"algorithm", R"("sha-1", "sha-224", "sha-256", "sha-384" or "sha-512")",
                       shown(given.algorithm.value)};
    }
    if (!is_fingerprint(given.value.value, hash->size)) {
        return problem{"value",
                       std::to_string(hash->size) + " bytes in hexadecimal with colons between",
                       shown(given.value.value)};
    }
    return static_cast<std::size_t>(hash - fingerprint_hashes.begin());
}

} // namespace detail

/// Checks a client's `rtpParameters`; its one codec is Opus.
inline result<rtp_parameters, problem> read_rtp_parameters(boost::json::value const& given) {
    auto decoded = detail::decode_named<rtp_parameters>("rtpParameters", given);
    if (!decoded) return decoded.error();
    auto const& codec = decoded->codecs.values.front();
    auto const fault = [](std::string member, std::string expected, std::string found) {
        return problem{"rtpParameters." + std::move(member), std::move(expected), std::move(found)};
    };
    if (!parley::detail::equal_ignoring_case(codec.mimeType.value, "audio/opus"))
        return fault("codecs[0].mimeType", R"("audio/opus")", detail::shown(codec.mimeType.value));
    if (codec.clockRate.value != 48000)
        return fault("codecs[0].clockRate", "48000", std::to_string(codec.clockRate.value));
    auto const channels = codec.channels.value_or(channel_count{1}).value;
    if (channels != 2) return fault("codecs[0].channels", "2", std::to_string(channels));

    auto const& encodings = decoded->encodings;
    bool const has_mid = decoded->mid && !decoded->mid->value.empty();
    bool const told_apart =
        has_mid ||
        (encodings && !encodings->values.empty() &&
         (encodings->values.front().ssrc.has_value() || encodings->values.front().rid.has_value()));
    if (!told_apart)
        return fault("mid", "a mid, or an encoding with an ssrc or a rid", "none of them");
    return decoded;
}

/// Checks a client's `rtpCapabilities`.
inline result<rtp_capabilities, problem> read_rtp_capabilities(boost::json::value const& given) {
    return detail::decode_named<rtp_capabilities>("rtpCapabilities", given);
}

/// Checks a client's `dtlsParameters`, and returns them as the worker takes them: with the
/// strongest of the fingerprints only, as the worker looks at one.
inline result<boost::json::object, problem> read_dtls_parameters(boost::json::value const& given) {
    auto const decoded = detail::decode_named<dtls_parameters>("dtlsParameters", given);
    if (!decoded) return decoded.error();
    auto const role = decoded->role ? decoded->role->value : "auto";
    if (role != "auto" && role != "client" && role != "server") {
        return problem{"dtlsParameters.role", R"("auto", "client" or "server")",
                       detail::shown(role)};
    }
    auto const& fingerprints = decoded->fingerprints.values;
    std::size_t best = 0;
    std::size_t strongest = 0; // the place of its hash
    for (std::size_t i = 0; i < fingerprints.size(); ++i) {
        auto const hash = detail::strength(fingerprints[i]);
        if (!hash) {
            auto const where = "dtlsParameters.fingerprints[" + std::to_string(i) + "]";
            return json::detail::within(where, hash.error());
        }
        if (*hash <= strongest) continue;
        strongest = *hash;
        best = i;
    }
    auto value = fingerprints[best].value.value; // the worker compares capital letters
    std::ranges::transform(value, value.begin(),
                           [](char c) { return parley::detail::to_upper(c); });
    std::string_view const algorithm = detail::fingerprint_hashes[strongest].name;
    boost::json::object fingerprint{
        {"algorithm", boost::json::string_view(algorithm.data(), algorithm.size())},
        {"value", value}};
    boost::json::array only;
    only.push_back(std::move(fingerprint));
    return boost::json::object{{"role", role}, {"fingerprints", std::move(only)}};
}

} // namespace parley::signaling::mediasoup
