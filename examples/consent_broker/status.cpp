// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `status`: how the running broker is.

#include "commands.hpp"
#include "control.hpp"
#include "database.hpp"
#include "support.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace consent_broker {

namespace {

struct status_options {
    std::string config;
    bool json = false;
};

void print(control::running const& broker, row_counts const& rows) {
    auto const text = [](auto number) { return std::to_string(number); };
    print_table({"broker", "running"},
                {{"version", broker.version},
                 {"pid", text(broker.pid)},
                 {"uptime", text(broker.uptime) + " s"},
                 {"address", broker.address},
                 {"port", text(broker.port) + (broker.tls ? " (TLS)" : "")},
                 {"in handshake", text(broker.active)},
                 {"queued", text(broker.queued)},
                 {"completed", text(broker.completed)},
                 {"failed", text(broker.failed)},
                 {"providers", text(rows.providers)},
                 {"relationships",
                  text(rows.relationships) + ", " + text(rows.active_relationships) + " active"}},
                {});
    if (broker.sessions.empty()) return;
    std::cout << '\n';
    std::vector<std::vector<std::string>> sessions;
    sessions.reserve(broker.sessions.size());
    for (auto const& s : broker.sessions) {
        sessions.push_back({s.id, s.subject.empty() ? "-" : s.subject,
                            s.target.empty() ? "-" : s.target, s.started_at, s.status});
    }
    print_table({"SESSION", "PATIENT", "PROVIDER", "SINCE", "STATUS"}, sessions, {});
}

int show_status(status_options const& options) {
    auto const config = read_configuration(options.config);
    control::address address(config);
    auto const answer = control::ask(address, parley::encode_message(control::status{}));
    if (!answer) {
        if (options.json) {
            print_json({{"running", false}});
        } else {
            std::cout << "No broker is running on "
                      << std::filesystem::absolute(config.storage.path).string()
                      << ". Start one with `consent-broker serve`.\n";
        }
        return exit_status::bad;
    }
    auto const broker = parley::decode_message<control::running>(*answer);
    if (!broker) {
        throw command_error(exit_status::bad,
                            "the broker's answer is not understood: " + broker.error().text());
    }
    auto const rows = count_rows(config);
    if (!options.json) {
        print(*broker, rows);
        return exit_status::ok;
    }
    boost::json::object out{{"running", true}};
    auto members = parley::json::encode(*broker);
    for (auto& member : members.as_object())
        out.insert(std::move(member));
    out["providers"] = rows.providers;
    out["relationships"] = rows.relationships;
    out["active_relationships"] = rows.active_relationships;
    print_json(out);
    return exit_status::ok;
}

} // namespace

void add_status_command(CLI::App& program, int& status) {
    auto& command =
        add_command(program, "status", "Show how the running broker is; exit 1 if none is running",
                    "status\nstatus --json");
    auto const options = std::make_shared<status_options>();
    add_config_option(command, options->config);
    add_json_flag(command, options->json);
    command.callback([options, &status] { status = show_status(*options); });
}

} // namespace consent_broker
