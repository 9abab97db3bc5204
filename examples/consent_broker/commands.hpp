// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The commands of the program, each in a file of its own.

namespace CLI {
class App;
}

namespace consent_broker {

/// What the program ends with.
namespace exit_status {
inline constexpr int ok = 0;
inline constexpr int bad = 1;   ///< the thing asked about is bad, or is not there
inline constexpr int usage = 2; ///< the command line or the configuration is wrong
} // namespace exit_status

/// Each of these adds one command to the program. A command that the command line names runs as the
/// last thing of parsing it, and leaves in `status` what the program is to end with. It may throw
/// `command_error` (support.hpp), or any `std::exception`, for `main` to print.
///
/// \param program outlives nothing: it and `status` live as long as `main`.
void add_init_command(CLI::App& program, int& status);
void add_serve_command(CLI::App& program, int& status);
void add_provider_command(CLI::App& program, int& status);
void add_relationship_command(CLI::App& program, int& status);
void add_audit_command(CLI::App& program, int& status);
void add_status_command(CLI::App& program, int& status);
void add_connect_command(CLI::App& program, int& status);
void add_demo_command(CLI::App& program, int& status);

} // namespace consent_broker
