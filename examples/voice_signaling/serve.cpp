// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `serve` and `init`.

#include "commands.hpp"
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

namespace voice_signaling {

namespace log = shared::log;
using shared::command_error;

namespace {

struct serve_options {
    std::string config = default_config;
    unsigned threads = 1;
    unsigned grace = 5;
    std::string log_level = "info";
    std::string tls_certificate;
    std::string tls_key;
    bool json = false;
};

int serve(serve_options const& options) {
    std::signal(SIGPIPE, SIG_IGN);
    log::set_level(options.log_level);
    if (options.json) log::use_json();
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
    "worker": ")" +
           built_worker() + R"(",
    "listenAddress": "127.0.0.1",
    "announcedAddress": "",
    "minPort": 40000,
    "maxPort": 49999
  }
}
)";
}

int init(std::filesystem::path const& path) {
    // Not over one that is there.
    if (std::filesystem::exists(path)) {
        throw command_error(shared::exit_status::bad,
                            path.string() + " is there already; it has been left as it is");
    }
    std::ofstream file(path);
    file << starting_configuration();
    if (!file.flush()) {
        throw command_error(shared::exit_status::bad, path.string() + " cannot be written");
    }
    std::cout
        << "Wrote " << path.string()
        << ". Next:\n"
           "  1. set ROUTER_JWT_SECRET to what your tokens are signed with, 32 bytes or more\n"
           "  2. for audio, set media.worker (scripts/mediasoup-worker.sh builds it), and\n"
           "     media.listenAddress to an address that clients can reach\n"
           "  3. run `voice-signaling serve`, and try it with a token from\n"
           "     `voice-signaling token --user ada`\n";
    return shared::exit_status::ok;
}

} // namespace

void add_serve_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(program, "serve", "Run the server until SIGTERM or SIGINT",
                                        R"(serve
serve --config /etc/voice-signaling.json --threads 2
serve --tls-cert chain.pem --tls-key key.pem     # SIGHUP loads them again)");
    auto const options = std::make_shared<serve_options>();
    command.add_option("--config", options->config, "The configuration")
        ->type_name("FILE")
        ->capture_default_str();
    command.add_option("--threads", options->threads, "How many threads serve connections")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command
        .add_option("--grace", options->grace,
                    "How many seconds clients have to go, when the server stops")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    command.add_option("--log-level", options->log_level, "The least severe lines to log")
        ->check(CLI::IsMember(log::level_names))
        ->capture_default_str();
    command.add_flag("--json", options->json, "Log lines of JSON");
    auto* certificate = command.add_option("--tls-cert", options->tls_certificate,
                                           "Serve https with this certificate chain (PEM)");
    auto* key = command.add_option("--tls-key", options->tls_key, "The certificate's key (PEM)");
    certificate->type_name("FILE")->needs(key);
    key->type_name("FILE")->needs(certificate);
    command.callback([options, &status] { status = serve(*options); });
}

void add_init_command(CLI::App& program, int& status) {
    auto& command =
        shared::add_command(program, "init", "Write a configuration to begin with", "init");
    auto const path = std::make_shared<std::string>(default_config);
    command.add_option("--config", *path, "Where to")->type_name("FILE")->capture_default_str();
    command.callback([path, &status] { status = init(*path); });
}

} // namespace voice_signaling
