// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// From a configuration to the parts of a server.

#include "voice_parts.hpp"

#include <parley/config.hpp>

#include <filesystem>

namespace voice_signaling {

inline constexpr auto default_config = "voice-signaling.json";
inline constexpr auto secret_variable = "ROUTER_JWT_SECRET";

/// \throws command_error that says everything that is wrong
parley::loaded_config<parley::signaling::configuration>
load_configuration(std::filesystem::path const& path);

/// The key of the tokens, as the configuration and the environment have it. \throws command_error
parley::jwt_verifier make_verifier(parley::signaling::token_section const& tokens);

/// For tokens that are signed with this secret. \throws command_error
parley::jwt_verifier make_verifier(std::string const& secret);

/// \param threads that will serve \throws command_error that says what is wrong
voice_parts make_parts(parley::signaling::configuration config, parley::jwt_verifier tokens,
                       unsigned threads);

/// The mediasoup worker that `PARLEY_MEDIASOUP_WORKER` names, or the last that
/// scripts/mediasoup-worker.sh has left in this user's cache; empty when there is none.
std::string built_worker();

} // namespace voice_signaling
