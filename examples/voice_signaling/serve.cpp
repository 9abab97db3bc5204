// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `serve` and `init`.

#include "commands.hpp"
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serve.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <boost/json/serialize.hpp>

#include <memory>
#include <string>

namespace voice_signaling {

namespace log = shared::log;

namespace {

int serve(shared::serve_options const& options) {
    shared::begin_log(options);
    auto loaded = load_configuration(options.config);
    for (auto const& text : loaded.report.warnings)
        log::warning("configuration", {{"message", text}});
    auto tokens = make_verifier(loaded.config->tokens);
    auto parts = make_parts(std::move(*loaded.config), std::move(tokens), options.threads);
    parts.grace = std::chrono::seconds(options.grace);
    if (parts.config.media.worker.empty()) {
        log::warning("media", {{"message", "signalling only: media.worker is empty"}});
    }
    if (options.tls_certificate.empty()) return run_tcp_voice(std::move(parts));
    return run_tls_voice(std::move(parts), options.tls_certificate, options.tls_key);
}

std::string starting_configuration() {
    return R"({
  "server": {"host": "127.0.0.1", "port": 8090},
  "tokens": {"algorithm": "HS256"},
  "floors": {"redis": ""},
  "media": {
    "worker": )" +
           boost::json::serialize(built_worker()) + R"(,
    "listenAddress": "127.0.0.1",
    "announcedAddress": "",
    "minPort": 40000,
    "maxPort": 49999
  }
}
)";
}

constexpr auto next_steps =
    R"(  1. set ROUTER_JWT_SECRET to what your tokens are signed with, 32 bytes or more
  2. for audio, set media.worker (scripts/mediasoup-worker.sh builds it), and
     media.listenAddress to an address that clients can reach
  3. run `voice-signaling serve`, and try it with a token from
     `voice-signaling token --user ada`
)";

} // namespace

void add_serve_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(program, "serve", "Run the server until SIGTERM or SIGINT",
                                        R"(serve
serve --config /etc/voice-signaling.json --threads 2
serve --tls-cert chain.pem --tls-key key.pem     # SIGHUP loads them again)");
    auto const options = std::make_shared<shared::serve_options>();
    options->config = default_config;
    shared::add_config_option(command, options->config);
    shared::add_serve_options(command, *options);
    command.callback([options, &status] { status = serve(*options); });
}

void add_init_command(CLI::App& program, int& status) {
    shared::add_init_command(program, status, default_config, starting_configuration, next_steps);
}

} // namespace voice_signaling
