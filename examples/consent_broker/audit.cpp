// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `audit verify`: whether an audit log is what it was when it was written.

#include "commands.hpp"
#include "support.hpp"

#include <parley/audit/audit_verify.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace consent_broker {

namespace {

struct audit_options {
    std::string config;
    bool json = false;
    std::string file; // empty: the configured one
};

boost::json::object json_of(std::uint64_t line, std::vector<std::string> const& faults) {
    return {{"line", line}, {"faults", boost::json::array(faults.begin(), faults.end())}};
}

/// Prints what is wrong with a line, once it is found.
void print_bad_line(std::uint64_t line, std::vector<std::string> const& faults) {
    std::cout << "line " << line << ": ";
    for (std::size_t i = 0; i < faults.size(); ++i) {
        std::cout << (i == 0 ? "" : "; ") << printable(faults[i]);
    }
    std::cout << '\n';
}

int verify(audit_options const& options) {
    auto const path =
        options.file.empty() ? read_configuration(options.config).audit.path : options.file;
    boost::json::array bad_lines;
    auto const summary = parley::verify_audit_log(path, [&](auto line, auto const& faults) {
        if (options.json) {
            bad_lines.push_back(json_of(line, faults));
        } else {
            print_bad_line(line, faults);
        }
    });
    if (!summary) throw command_error(exit_status::bad, summary.error().text());
    bool const good = summary->bad_lines == 0;
    if (options.json) {
        print_json(
            {{"file", path},
             {"good", good},
             {"lines", summary->lines},
             {"bad_lines", std::move(bad_lines)},
             {"last", {{"sequence", summary->last.sequence}, {"hash", summary->last.hash}}}});
    } else if (good) {
        std::cout << path << ": all " << summary->lines << " entries are good. The last is "
                  << summary->last.sequence << ", with hash\n"
                  << summary->last.hash << ".\nKeep that elsewhere: it shows later whether entries "
                  << "were cut off at the end.\n";
    } else {
        std::cout << path << ": " << summary->bad_lines << " of " << summary->lines
                  << " lines are bad. Compare them with a backup, and find out who changed them.\n";
    }
    return good ? exit_status::ok : exit_status::bad;
}

} // namespace

void add_audit_command(CLI::App& program, int& status) {
    auto& command = add_command(program, "audit", "Check audit logs", "audit verify");
    command.require_subcommand(1);
    auto const options = std::make_shared<audit_options>();
    auto& verifying =
        add_command(command, "verify", "Print every bad line of an audit log; exit 1 if any",
                    R"(audit verify
audit verify /var/backups/audit.jsonl --json)");
    verifying.add_option("FILE", options->file, "The log; without it, the configured one")
        ->type_name("");
    add_config_option(verifying, options->config);
    add_json_flag(verifying, options->json);
    verifying.callback([options, &status] { status = verify(*options); });
}

} // namespace consent_broker
