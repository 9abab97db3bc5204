// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// Voice signalling: push-to-talk in a browser.

#include "commands.hpp"

#include <examples/shared/program.hpp>

namespace {

constexpr auto introduction = "Push-to-talk over WebRTC: channels, floors, and a mediasoup media "
                              "server behind them.";

constexpr auto first_steps = R"(To begin:
  voice-signaling demo           serves the page, with tokens for everybody
  voice-signaling init           writes ./voice-signaling.json, to be edited
  voice-signaling token          makes a token for trying a server out
  voice-signaling serve          serves what the configuration says

`voice-signaling COMMAND --help` explains a command, with examples.

Exit status: 0 done and well; 1 it cannot be done; 2 the command line or the
configuration is wrong.)";

} // namespace

int main(int argc, char** argv) {
    using namespace voice_signaling;
    return shared::run_program(
        {"voice-signaling", VOICE_SIGNALING_VERSION, introduction, first_steps}, argc, argv,
        [](CLI::App& program, int& status) {
            add_demo_command(program, status);
            add_init_command(program, status);
            add_serve_command(program, status);
            add_token_command(program, status);
        });
}
