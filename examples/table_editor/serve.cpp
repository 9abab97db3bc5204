// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `serve`, `init` and `hash-password`.

#include "commands.hpp"
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serve.hpp>

#include <parley/crypto/password_hash.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <termios.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>

namespace table_editor {

namespace log = shared::log;
using shared::command_error;

namespace {

int serve(shared::serve_options const& options) {
    shared::begin_log(options);
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

constexpr auto next_steps =
    R"(  1. put SQLite databases into ./databases, or change database.type and database.servers
  2. run `table-editor hash-password` and add to database.users
     {"username": "ada", "passwordHash": "scrypt$..."}
  3. run `table-editor serve`
)";

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
    auto const options = std::make_shared<shared::serve_options>();
    options->config = default_config;
    shared::add_config_option(command, options->config);
    shared::add_serve_options(command, *options);
    command.callback([options, &status] { status = serve(*options); });
}

void add_init_command(CLI::App& program, int& status) {
    shared::add_init_command(
        program, status, default_config, [] { return starting_configuration; }, next_steps);
}

void add_hash_password_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(program, "hash-password",
                                        "Print the hash of a password that is typed or piped",
                                        "hash-password\nhash-password < password.txt");
    command.callback([&status] { status = print_hash(); });
}

} // namespace table_editor
