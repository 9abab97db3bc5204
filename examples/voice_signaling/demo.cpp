// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `demo`: everything, from nothing.

#include "commands.hpp"
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serve.hpp>

#include <parley/crypto/jwt.hpp>
#include <parley/encoding.hpp>
#include <parley/random.hpp>
#include <parley/signaling/participant.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <boost/json/serialize.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace voice_signaling {

namespace log = shared::log;

namespace {

struct demo_options {
    std::uint16_t port = 8090;
    std::string worker = built_worker();
    bool silent = false;
    std::string redis;
    std::string log_level = "warning";
    bool json = false;
};

std::vector<std::string> const demo_channels{"north", "south", "kitchen"};

/// That of the environment, so that tokens made elsewhere are good as well; else one of its own.
std::string key_of_tokens() {
    if (auto const* given = std::getenv(secret_variable)) return given;
    std::array<std::uint8_t, 32> random{};
    parley::fill_random(random);
    return parley::to_base64url(random);
}

/// Whoever asks gets one, as a user of its own.
std::string make_token(std::string const& key, std::string const& name) {
    std::array<std::uint8_t, 6> unique{};
    parley::fill_random(unique);
    parley::signaling::participant who;
    who.userId = "demo-" + parley::to_base64url(unique);
    who.userName = name;
    who.channelIds = demo_channels;
    auto claims = parley::json::encode(who).as_object();
    auto const until = std::chrono::system_clock::now() + std::chrono::hours(12);
    claims["exp"] =
        std::chrono::duration_cast<std::chrono::seconds>(until.time_since_epoch()).count();
    return parley::make_jwt(claims, parley::secret(key));
}

std::string audio_text(std::string const& worker, bool audio) {
    if (audio) return "yes, by " + worker;
    if (!worker.empty()) return "no: the worker " + worker + " did not start, see above";
    return "no: signalling only. scripts/setup.sh worker and then\n"
           "             scripts/mediasoup-worker.sh build the media server";
}

void announce(demo_options const& options, std::uint16_t port, bool audio) {
    std::string const url = "http://127.0.0.1:" + std::to_string(port) + "/";
    if (options.json) {
        boost::json::object const line{{"url", url}, {"port", port}, {"audio", audio}};
        std::cout << boost::json::serialize(line) << std::endl;
        return;
    }
    std::cout << "Push-to-talk is being served.\n\n  Open       " << url
              << "   in two windows, or more\n  Audio      "
              << audio_text(options.silent ? "" : options.worker, audio) << "\n\nCtrl+C ends it."
              << std::endl;
}

int demo(demo_options const& options) {
    std::signal(SIGPIPE, SIG_IGN);
    log::set_level(options.log_level);
    auto const key = key_of_tokens();
    parley::signaling::configuration config;
    config.server.port = options.port;
    config.floors.redis = options.redis;
    config.limits.connectionsPerMinute = 600; // everybody comes from this machine
    if (!options.silent) config.media.worker = options.worker;
    auto verifier = make_verifier(key);
    auto parts = make_parts(std::move(config), std::move(verifier), 1);
    parts.grace = std::chrono::seconds(1);
    parts.demo =
        demo_parts{demo_channels, [key](std::string const& name) { return make_token(key, name); }};
    parts.on_ready = [&](std::uint16_t port, std::size_t workers) {
        announce(options, port, workers != 0);
    };
    return run_tcp_voice(std::move(parts));
}

} // namespace

void add_demo_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(
        program, "demo", "Serve the page to this machine until Ctrl+C, with tokens for everybody",
        "demo\ndemo --port 9000 --signalling-only");
    auto const options = std::make_shared<demo_options>();
    command.add_option("--port", options->port, "Where to listen; 0 is any free port")
        ->capture_default_str();
    command.add_option("--worker", options->worker, "The mediasoup worker's program")
        ->type_name("FILE")
        ->capture_default_str();
    command.add_flag("--signalling-only", options->silent, "Without a media server");
    command.add_option("--redis", options->redis, "Keep the floors there, not in this process")
        ->type_name("URL");
    shared::add_log_level_option(command, options->log_level);
    command.add_flag("--json", options->json, "Where it is, in one line of JSON");
    command.callback([options, &status] { status = demo(*options); });
}

} // namespace voice_signaling
