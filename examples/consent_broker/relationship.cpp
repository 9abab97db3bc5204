// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `relationship`: what patients and providers agreed on, and its end.

#include "commands.hpp"
#include "control.hpp"
#include "database.hpp"
#include "support.hpp"
#include "terminate.hpp"

#include <parley/consent/relationships.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace consent_broker {

namespace consent = parley::consent;

namespace {

struct relationship_options {
    std::string config;
    bool json = false;
    std::string id;
    consent::relationship_filter filter;
    std::string provider;
    std::string reason;
};

/// The actions, which are a JSON array if the database is sound; else the text as it is.
boost::json::value actions_of(consent::relationship const& row) {
    if (!row.consented_actions) return boost::json::array();
    boost::json::error_code ec;
    auto actions = boost::json::parse(*row.consented_actions, ec);
    return ec ? boost::json::value(*row.consented_actions) : actions;
}

boost::json::object json_of(consent::relationship const& row) {
    auto out = parley::json::encode(row).as_object();
    out["consented_actions"] = actions_of(row);
    return out;
}

/// `office_visit, lab_results`
std::string actions_text(consent::relationship const& row) {
    auto const actions = actions_of(row);
    if (!actions.is_array()) return *row.consented_actions;
    std::string text;
    for (auto const& action : actions.get_array()) {
        if (!text.empty()) text += ", ";
        text += action.is_string() ? std::string(std::string_view(action.get_string()))
                                   : boost::json::serialize(action);
    }
    return text;
}

void list(relationship_options const& options) {
    if (options.filter.provider_npi) require_npi(*options.filter.provider_npi);
    auto storage = open_database_to_read(read_configuration(options.config));
    auto const found = value_of(storage.read_now(
        [&](auto& tx) { return consent::list_relationships(tx, options.filter); }));
    if (options.json) {
        boost::json::array out;
        for (auto const& row : found)
            out.push_back(json_of(row));
        print_json(out);
        return;
    }
    std::vector<std::vector<std::string>> rows;
    rows.reserve(found.size());
    for (auto const& row : found) {
        rows.push_back({row.relationship_id, row.patient_agent_id, row.provider_npi, row.status,
                        row.created_at});
    }
    print_table({"RELATIONSHIP", "PATIENT", "PROVIDER", "STATUS", "SINCE"}, rows,
                "There are no such relationships.");
}

command_error missing(std::string const& id) {
    return {exit_status::bad, "there is no relationship " + printable(id) +
                                  ". `consent-broker relationship list` shows those there are."};
}

void show(relationship_options const& options) {
    auto storage = open_database_to_read(read_configuration(options.config));
    auto const found = value_of(
        storage.read_now([&](auto& tx) { return consent::get_relationship(tx, options.id); }));
    if (!found) throw missing(options.id);
    auto const& row = found->now;
    auto const& end = found->termination;
    if (options.json) {
        auto out = json_of(row);
        if (end) out["termination"] = parley::json::encode(*end);
        print_json(out);
        return;
    }
    std::vector<std::vector<std::string>> lines{
        {"patient", row.patient_agent_id},   {"public key", row.patient_public_key},
        {"provider", row.provider_npi},      {"status", row.status},
        {"consented to", actions_text(row)}, {"created", row.created_at},
        {"updated", row.updated_at}};
    if (end) {
        lines.push_back({"terminated", end->terminated_at});
        lines.push_back({"reason", end->reason});
        if (end->audit_entry_sequence) {
            lines.push_back({"audit entry", std::to_string(*end->audit_entry_sequence)});
        }
    }
    print_table({"relationship", row.relationship_id}, lines, {});
}

/// Says why nothing was terminated.
int report_failure(relationship_options const& options, std::string_view outcome) {
    if (outcome == control::outcome::not_found) throw missing(options.id);
    std::cerr << "consent-broker: relationship " << printable(options.id);
    if (outcome == control::outcome::not_owner) {
        std::cerr << " is not one of provider " << options.provider
                  << ", and only its own provider can terminate it. `consent-broker relationship "
                     "show` tells whose it is.\n";
    } else {
        std::cerr << " is terminated already, which is for ever.\n";
    }
    return exit_status::bad;
}

int terminate(relationship_options const& options) {
    control::terminate const wanted{options.id, options.provider, options.reason};
    require_acceptable(wanted);
    auto const config = read_configuration(options.config);
    auto const done = terminate_from_outside(config, wanted);
    bool const terminated = done.outcome == control::outcome::terminated;
    if (options.json) {
        print_json(parley::json::encode(done));
    } else if (terminated) {
        std::cout << "Relationship " << options.id << " terminated.";
        if (done.audit_sequence) std::cout << " Audit entry: " << *done.audit_sequence << '.';
        std::cout << '\n';
    } else {
        return report_failure(options, done.outcome);
    }
    if (done.audit_failure) {
        std::cerr << "consent-broker: it is not in the audit log yet (" << *done.audit_failure
                  << "). Its entry is kept in the database, and is written when the broker starts "
                     "next: mend the log, then start it again.\n";
    }
    return terminated && !done.audit_failure ? exit_status::ok : exit_status::bad;
}

void add_list_command(CLI::App& parent, std::shared_ptr<relationship_options> const& options) {
    auto& command = add_command(parent, "list", "Print relationships, oldest first",
                                R"(relationship list
relationship list --provider 1245319599 --status active
relationship list --patient patient-001 --json)");
    add_config_option(command, options->config);
    command.add_option("--patient", options->filter.patient_agent_id, "Only of this patient agent");
    command.add_option("--provider", options->filter.provider_npi, "Only of this provider")
        ->type_name("NPI");
    command.add_option("--status", options->filter.status, "Only of this status")
        ->check(CLI::IsMember({std::string(consent::relationship_status::pending),
                               std::string(consent::relationship_status::active),
                               std::string(consent::relationship_status::suspended),
                               std::string(consent::relationship_status::terminated)}));
    add_json_flag(command, options->json);
    command.callback([options] { list(*options); });
}

void add_id(CLI::App& command, std::string& id) {
    command.add_option("ID", id, "The relationship's id, a UUID")->required()->type_name("");
}

} // namespace

void add_relationship_command(CLI::App& program, int& status) {
    auto& command =
        add_command(program, "relationship", "Look at relationships, and terminate them",
                    R"(relationship list
relationship show 0d3b7c1e-0d53-4a0e-8f5e-7d7d0f6f9b01)");
    command.require_subcommand(1);
    auto const options = std::make_shared<relationship_options>();
    add_list_command(command, options);

    auto& showing = add_command(command, "show", "Print all that is known of one relationship",
                                R"(relationship show 0d3b7c1e-0d53-4a0e-8f5e-7d7d0f6f9b01)");
    add_id(showing, options->id);
    add_config_option(showing, options->config);
    add_json_flag(showing, options->json);
    showing.callback([options] { show(*options); });

    auto& ending = add_command(
        command, "terminate",
        "End a relationship for ever, in the name of its provider. It is entered in the audit log",
        R"(relationship terminate 0d3b7c1e-0d53-4a0e-8f5e-7d7d0f6f9b01 \
      --provider 1245319599 --reason "Patient moved away")");
    add_id(ending, options->id);
    add_config_option(ending, options->config);
    ending.add_option("--provider", options->provider, "The relationship's own provider")
        ->required()
        ->type_name("NPI");
    ending.add_option("--reason", options->reason, "Why: it is recorded, and no clinical matter")
        ->required();
    add_json_flag(ending, options->json);
    ending.callback([options, &status] { status = terminate(*options); });
}

} // namespace consent_broker
