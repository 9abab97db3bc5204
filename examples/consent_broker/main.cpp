// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// The consent broker, and the commands to operate it.

#include "commands.hpp"
#include "output.hpp"
#include "support.hpp"
#include "usage.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <boost/json/string.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

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

/// Says why nothing came of the command: to people on standard error, and to machines that asked
/// for it as JSON on standard output.
int report(std::string_view text, int status, bool json) {
    std::cerr << "consent-broker: " << text << '\n';
    if (json) consent_broker::print_json({{"error", boost::json::string(text)}});
    return status;
}

} // namespace

int main(int argc, char** argv) {
    using namespace consent_broker;
    int status = exit_status::ok;
    auto const is_json = [](char const* argument) {
        return std::string_view(argument) == "--json";
    };
    bool const json = std::any_of(argv, argv + argc, is_json);
    CLI::App program(introduction, "consent-broker");
    try {
        program.footer(first_steps);
        program.set_version_flag("--version", CONSENT_BROKER_VERSION);
        program.require_subcommand(1);
        add_demo_command(program, status);
        add_init_command(program, status);
        add_serve_command(program, status);
        add_provider_command(program, status);
        add_relationship_command(program, status);
        add_audit_command(program, status);
        add_status_command(program, status);
        add_connect_command(program, status);
        program.parse(argc, argv);
        if (!std::cout.flush()) {
            throw command_error(exit_status::bad, "the output cannot be written");
        }
        return status;
    } catch (CLI::ParseError const& e) {
        if (e.get_exit_code() == 0) return program.exit(e); // help, or the version
        auto const mistake = explain_mistake(program, std::span(argv, argv + argc).subspan(1));
        return report((mistake.empty() ? e.what() : mistake) +
                          "\nRun with --help for more information.",
                      exit_status::usage, json);
    } catch (command_error const& e) {
        return report(e.what(), e.status(), json);
    } catch (std::exception const& e) {
        return report(e.what(), exit_status::bad, json);
    }
}
