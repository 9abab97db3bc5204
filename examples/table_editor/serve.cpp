// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `serve`, `init` and `hash-password`.

#include "commands.hpp"
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>

#include <parley/crypto/password_hash.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

namespace table_editor {

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
    auto parts = make_parts(std::move(*loaded.config), options.threads);
    parts.grace = std::chrono::seconds(options.grace);
    if (options.tls_certificate.empty()) return run_tcp_editor(std::move(parts));
    return run_tls_editor(std::move(parts), options.tls_certificate, options.tls_key);
}

constexpr auto starting_configuration = R"({
  "server": {"host": "127.0.0.1", "port": 8080},
  "session": {"timeout": 1800},
  "database": {
    "type": "sqlite",
    "folder": "./databases",
    "users": []
  }
}
)";

int init(std::filesystem::path const& path) {
    // Not over one that is there.
    if (std::filesystem::exists(path)) {
        throw command_error(shared::exit_status::bad,
                            path.string() + " is there already; it has been left as it is");
    }
    std::ofstream file(path);
    file << starting_configuration;
    if (!file.flush()) {
        throw command_error(shared::exit_status::bad, path.string() + " cannot be written");
    }
    std::cout << "Wrote " << path.string()
              << ". Next:\n"
                 "  1. put SQLite databases into ./databases, or change database.type and "
                 "database.servers\n"
                 "  2. run `table-editor hash-password` and add to database.users\n"
                 "     {\"username\": \"ada\", \"passwordHash\": \"scrypt$...\"}\n"
                 "  3. run `table-editor serve`\n";
    return shared::exit_status::ok;
}

/// A line of standard input, not shown while it is typed.
std::string read_password() {
    termios shown{};
    bool const terminal = ::tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        auto hidden = shown;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
        std::cerr << "Password: " << std::flush;
    }
    std::string password;
    std::getline(std::cin, password);
    if (terminal) {
        ::tcsetattr(STDIN_FILENO, TCSANOW, &shown);
        std::cerr << '\n';
    }
    return password;
}

int print_hash() {
    auto const password = read_password();
    if (password.empty()) {
        throw command_error(shared::exit_status::usage,
                            "expected a password on standard input, found nothing");
    }
    std::cout << parley::hash_password(password) << '\n';
    return shared::exit_status::ok;
}

} // namespace

void add_serve_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(program, "serve", "Run the editor until SIGTERM or SIGINT",
                                        R"(serve
serve --config /etc/table-editor.json --threads 2
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
                    "How many seconds clients have to go, when the editor stops")
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

void add_hash_password_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(program, "hash-password",
                                        "Print the hash of a password that is typed or piped",
                                        "hash-password\nhash-password < password.txt");
    command.callback([&status] { status = print_hash(); });
}

} // namespace table_editor
