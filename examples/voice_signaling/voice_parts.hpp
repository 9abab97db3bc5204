// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Voice signalling on either transport. Each is compiled in a file of its own: the server is a
/// template that takes its time.

#include <parley/signaling/configuration.hpp>
#include <parley/signaling/mediasoup/mediasoup_media.hpp>
#include <parley/signaling/memory_floor_store.hpp>
#include <parley/signaling/null_media.hpp>
#include <parley/signaling/redis_floor_store.hpp>
#include <parley/signaling/variants.hpp>
#include <parley/static_files.hpp>
#include <parley/verifier/jwt_verifier.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace voice_signaling {

using any_floor_store =
    parley::signaling::variant_floor_store<parley::signaling::memory_floor_store,
                                           parley::signaling::redis_floor_store>;
using any_media = parley::signaling::variant_media<parley::signaling::null_media,
                                                   parley::signaling::mediasoup_media>;

/// What the demo serves besides: anybody gets a token.
struct demo_parts {
    std::vector<std::string> channels;
    /// The token of a user of that name.
    std::function<std::string(std::string const& name)> make_token;
};

/// What a server is made of, once everything that can be wrong with it was found to be right.
struct voice_parts {
    parley::signaling::configuration config;
    boost::asio::ip::tcp::endpoint address;
    any_floor_store floors;
    any_media media;
    parley::jwt_verifier tokens;
    parley::static_files page;
    unsigned threads = 1;                   ///< at least 1
    std::size_t max_connections = 1;        ///< at least 1
    std::chrono::milliseconds grace{5'000}; ///< how long clients have to go, when it stops
    std::optional<demo_parts> demo = {};
    /// Called once it listens, with the port, and the media workers that run by then.
    std::function<void(std::uint16_t port, std::size_t workers)> on_ready = [](std::uint16_t,
                                                                               std::size_t) {};
};

/// Serves until SIGTERM or SIGINT. Returns the exit status. \throws command_error when it cannot
/// start.
int run_tcp_voice(voice_parts parts);

/// As above, over TLS. SIGHUP loads the files again.
int run_tls_voice(voice_parts parts, std::filesystem::path certificate, std::filesystem::path key);

} // namespace voice_signaling
