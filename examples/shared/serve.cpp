// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "serve.hpp"

#include "log.hpp"
#include "program.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>
#include <utility>

namespace shared {

void add_serve_options(CLI::App& command, serve_options& options) {
    command.add_option("--threads", options.threads, "How many threads serve connections")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    command
        .add_option("--grace", options.grace,
                    "How many seconds clients have to go, when the server stops")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    add_log_level_option(command, options.log_level);
    command.add_flag("--json", options.json, "Log lines of JSON, for machines");
    auto* certificate = command.add_option("--tls-cert", options.tls_certificate,
                                           "Serve wss and https with this certificate chain (PEM)");
    auto* key = command.add_option("--tls-key", options.tls_key, "The certificate's key (PEM)");
    certificate->type_name("FILE")->needs(key);
    key->type_name("FILE")->needs(certificate);
}

CLI::Option& add_config_option(CLI::App& command, std::string& path,
                               std::string const& description) {
    return *command.add_option("--config", path, description)
                ->type_name("FILE")
                ->capture_default_str();
}

void add_log_level_option(CLI::App& command, std::string& level) {
    command.add_option("--log-level", level, "The least severe lines to log")
        ->check(CLI::IsMember(log::level_names))
        ->capture_default_str();
}

void begin_log(serve_options const& options) {
    std::signal(SIGPIPE, SIG_IGN);
    log::set_level(options.log_level);
    if (options.json) log::use_json();
}

void add_init_command(CLI::App& program, int& status, std::string path,
                      std::function<std::string()> configuration, std::string next_steps) {
    auto& command = add_command(program, "init", "Write a configuration to begin with", "init");
    auto const where = std::make_shared<std::string>(std::move(path));
    add_config_option(command, *where, "Where to");
    command.callback(
        [where, make = std::move(configuration), next = std::move(next_steps), &status] {
            // Not over one that is there.
            if (std::filesystem::exists(*where)) {
                throw command_error(exit_status::bad,
                                    *where + " is there already; it has been left as it is");
            }
            std::ofstream file(*where);
            file << make();
            if (!file.flush()) throw command_error(exit_status::bad, *where + " cannot be written");
            std::cout << "Wrote " << *where << ". Next:\n" << next;
            status = exit_status::ok;
        });
}

void refuse_configuration(parley::config_report const& report, std::filesystem::path const& path,
                          std::string const& program) {
    std::string text;
    for (auto const& problem : report.problems)
        text += (text.empty() ? "" : "\n") + problem.text();
    if (!std::filesystem::exists(path)) {
        text += "\n`" + program + " init` writes a configuration to begin with.";
    }
    throw command_error(exit_status::usage, text);
}

} // namespace shared
