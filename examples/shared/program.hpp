// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the programs share: how they begin and end, and how their commands are declared.

#include <boost/asio/ip/tcp.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace CLI {
class App;
} // namespace CLI

namespace shared {

/// What a program ends with.
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

/// \throws command_error that says what is wrong with the command line or the configuration
[[noreturn]] inline void refuse(std::string const& text) {
    throw command_error(exit_status::usage, text);
}

/// A program, as its `--help` and `--version` tell.
struct program_description {
    std::string name;
    std::string version;
    std::string introduction;
    std::string first_steps; ///< after the list of commands
};

/// Runs the command that the command line names. \param add_commands adds them to the program; one
/// that is run sets the exit status. Errors go to standard error, and with `--json` as an object to
/// standard output too. Returns the exit status.
int run_program(program_description const& what, int argc, char** argv,
                std::function<void(CLI::App&, int& status)> const& add_commands);

/// Adds a command, whose `--help` ends with `examples` (command lines without the program's name,
/// one a line; a line that begins with a space continues the one before) and the exit statuses.
CLI::App& add_command(CLI::App& parent, std::string_view name, std::string_view description,
                      std::string_view examples);

/// Adds `--json`.
void add_json_flag(CLI::App& command, bool& json);

/// Where to listen: an address of this machine, or a name of one. \throws command_error that speaks
/// of the configuration's `server.host`.
boost::asio::ip::tcp::endpoint resolve(std::string const& host, std::uint16_t port);

/// Allows as many open files as the system lets this user have, and says how many connections that
/// is good for, with some left for everything else, of a server on so many threads.
std::size_t raise_file_limit(unsigned threads);

} // namespace shared
