// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the commands share: how they end, how they are declared, and where the configuration is.

#include <parley/config_types.hpp>
#include <parley/consent/configuration.hpp>
#include <parley/error.hpp>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace consent_broker {

/// What the program ends with.
namespace exit_status {
inline constexpr int ok = 0;
inline constexpr int bad = 1;   ///< what was asked about is bad or not there, or cannot be done
inline constexpr int usage = 2; ///< the command line or the configuration is wrong
} // namespace exit_status

/// Why a command cannot go on, and what to do about it, in whole lines without the last newline.
class command_error : public std::runtime_error {
  public:
    command_error(int status, std::string const& text)
        : std::runtime_error(text), status_(status) {}

    [[nodiscard]] int status() const { return status_; }

  private:
    int status_;
};

/// Adds a command, whose `--help` ends with `examples` (command lines without the program's name,
/// one a line; a line that begins with a space continues the one before) and the exit statuses.
CLI::App& add_command(CLI::App& parent, std::string_view name, std::string_view description,
                      std::string_view examples);

/// Adds `--config FILE`, which every command has. `path` gets the default.
CLI::Option& add_config_option(CLI::App& command, std::string& path);

/// Adds `--json`, which every command has.
void add_json_flag(CLI::App& command, bool& json);

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
