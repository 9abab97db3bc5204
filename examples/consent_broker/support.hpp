// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the commands share: where the configuration is, and what they check.

#include <examples/shared/log.hpp>
#include <examples/shared/output.hpp>
#include <examples/shared/program.hpp>

#include <parley/config_types.hpp>
#include <parley/consent/configuration.hpp>
#include <parley/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace consent_broker {

namespace exit_status = shared::exit_status;
namespace log = shared::log;
using shared::add_command;
using shared::add_json_flag;
using shared::command_error;
using shared::pretty_json;
using shared::print_json;
using shared::print_table;
using shared::printable;

/// Adds `--config FILE`, which every command has. `path` gets the default.
CLI::Option& add_config_option(CLI::App& command, std::string& path);

/// A configuration that can be used, and what is to be said about it.
struct usable_configuration {
    parley::consent::configuration config;
    parley::config_report report; ///< without problems
};

/// The configuration in the file and the environment.
/// \throws command_error that has every problem.
usable_configuration load_configuration(std::filesystem::path const& path);

/// As above, for commands that only look something up in it: its warnings go to standard error.
parley::consent::configuration read_configuration(std::filesystem::path const& path);

/// \throws command_error with status `usage`, when that is no NPI.
void require_npi(std::string_view npi);

/// \throws command_error with status `usage`, when `text` is empty, longer than 1000 bytes, no
/// UTF-8, or has control characters: it is to be recorded. \param what it is, such as `--reason`.
void require_text(std::string_view what, std::string_view text);

} // namespace consent_broker
