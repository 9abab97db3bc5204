// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The commands of the program, each in a file of its own.

namespace CLI {
class App;
}

namespace consent_broker {

/// Each of these adds one command to the program. When the command line names the command, it runs
/// as the last thing of the parsing, and leaves in `status`, which is `exit_status::ok` before,
/// what the program ends with. It may throw `command_error` or any other exception, which `main`
/// reports. `support.hpp` has what the commands share.
void add_init_command(CLI::App& program, int& status);
void add_serve_command(CLI::App& program, int& status);
void add_provider_command(CLI::App& program, int& status);
void add_relationship_command(CLI::App& program, int& status);
void add_audit_command(CLI::App& program, int& status);
void add_status_command(CLI::App& program, int& status);
void add_connect_command(CLI::App& program, int& status);
void add_demo_command(CLI::App& program, int& status);

} // namespace consent_broker
