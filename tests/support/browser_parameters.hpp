// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a browser's mediasoup-client says of its media: the parameters of Chromium's microphone.

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace parley::test {

inline boost::json::value browser_rtp_parameters() {
    return boost::json::parse(R"({
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 109, "clockRate": 48000, "channels": 2,
            "parameters": {"minptime": 10, "useinbandfec": 1, "sprop-stereo": 1, "usedtx": 1},
            "rtcpFeedback": [{"type": "transport-cc", "parameter": ""}]
        }],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4, "encrypt": false,
             "parameters": {}},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 2,
             "encrypt": false, "parameters": {}},
            {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
             "id": 3, "encrypt": false, "parameters": {}},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 1, "encrypt": false,
             "parameters": {}}
        ],
        "encodings": [{"ssrc": 3141592653, "dtx": true}],
        "rtcp": {"cname": "Zb3JlZm9yZQ", "reducedSize": true},
        "mid": "0"
    })");
}

inline boost::json::value browser_rtp_capabilities() {
    return boost::json::parse(R"({
        "codecs": [
            {"mimeType": "audio/opus", "kind": "audio", "preferredPayloadType": 111,
             "clockRate": 48000, "channels": 2, "parameters": {"minptime": 10, "useinbandfec": 1},
             "rtcpFeedback": [{"type": "transport-cc", "parameter": ""},
                              {"type": "nack", "parameter": ""}]},
            {"mimeType": "video/VP8", "kind": "video", "preferredPayloadType": 96,
             "clockRate": 90000, "parameters": {},
             "rtcpFeedback": [{"type": "nack", "parameter": "pli"}]}
        ],
        "headerExtensions": [
            {"kind": "audio", "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 1,
             "preferredEncrypt": false, "direction": "sendrecv"},
            {"kind": "audio", "preferredId": 4, "preferredEncrypt": false, "direction": "sendrecv",
             "uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"},
            {"kind": "audio", "uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
             "preferredId": 10, "preferredEncrypt": false, "direction": "sendrecv"},
            {"kind": "video", "uri": "urn:3gpp:video-orientation", "preferredId": 11,
             "preferredEncrypt": false, "direction": "sendrecv"}
        ]
    })");
}

inline boost::json::value browser_dtls_parameters() {
    return boost::json::parse(R"({
        "role": "client",
        "fingerprints": [{"algorithm": "sha-256", "value":
            "5f:0C:74:A3:5A:2B:2E:DA:2A:77:05:2A:5D:D4:D5:CB:7F:6E:7C:2B:5C:5C:D1:11:BB:23:8A:4B:52:0A:21:42"}]
    })");
}

} // namespace parley::test
