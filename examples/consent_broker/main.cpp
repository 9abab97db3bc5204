// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// The consent broker, and the commands to operate it.

#include "commands.hpp"

#include <examples/shared/program.hpp>

namespace {

constexpr auto introduction =
    R"(The front desk of an organisation on an agent network: patients' agents connect once for
each provider, prove their consent and their identity, and are told the provider's address.)";

constexpr auto first_steps = R"(To begin:
  consent-broker demo                    shows a handshake, from nothing
  consent-broker init                    writes ./neuron.config.json, to be edited
  consent-broker provider add NPI        registers a provider that patients may ask for
  consent-broker serve                   runs the broker

`consent-broker COMMAND --help` explains a command, with examples.

Exit status: 0 done and well; 1 what was asked about is bad or not there, or it cannot
be done; 2 the command line or the configuration is wrong.)";

} // namespace

int main(int argc, char** argv) {
    using namespace consent_broker;
    return shared::run_program(
        {"consent-broker", CONSENT_BROKER_VERSION, introduction, first_steps}, argc, argv,
        [](CLI::App& program, int& status) {
            add_demo_command(program, status);
            add_init_command(program, status);
            add_serve_command(program, status);
            add_provider_command(program, status);
            add_relationship_command(program, status);
            add_audit_command(program, status);
            add_status_command(program, status);
            add_connect_command(program, status);
        });
}
