// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the commands `serve` and `init` of the programs share.

#include <parley/config_types.hpp>

#include <filesystem>
#include <functional>
#include <string>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace shared {

/// What a `serve` is told on the command line.
struct serve_options {
    std::string config;
    unsigned threads = 1;
    unsigned grace = 5; ///< seconds
    std::string log_level = "info";
    std::string tls_certificate;
    std::string tls_key;
    bool json = false;
};

/// Adds them, save `--config`, with what they are now as their defaults. They must live as long as
/// the command.
void add_serve_options(CLI::App& command, serve_options& options);

/// Adds `--config FILE`, with what `path` is now as its default.
CLI::Option& add_config_option(CLI::App& command, std::string& path,
                               std::string const& description = "The configuration");

/// Adds `--log-level`.
void add_log_level_option(CLI::App& command, std::string& level);

/// Has the process log as it was told, and outlive whoever reads its log.
void begin_log(serve_options const& options);

/// Adds `init`, which writes a configuration to begin with, unless there is a file already.
/// \param path where to, by default \param configuration makes its text \param next_steps what to
/// do then, in whole lines
void add_init_command(CLI::App& program, int& status, std::string path,
                      std::function<std::string()> configuration, std::string next_steps);

/// \throws command_error that has every problem of the configuration at `path`
[[noreturn]] void refuse_configuration(parley::config_report const& report,
                                       std::filesystem::path const& path,
                                       std::string const& program);

} // namespace shared
