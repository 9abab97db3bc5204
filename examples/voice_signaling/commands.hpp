// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

namespace CLI {
class App;
}

namespace voice_signaling {

/// Each adds one command to the program; when it is run, `status` gets the exit status.
void add_demo_command(CLI::App& program, int& status);
void add_init_command(CLI::App& program, int& status);
void add_serve_command(CLI::App& program, int& status);
void add_token_command(CLI::App& program, int& status);

} // namespace voice_signaling
