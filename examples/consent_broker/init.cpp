// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `init`: writes a configuration to begin with.

#include "commands.hpp"
#include "support.hpp"

#include <parley/detail/posix_file.hpp>
#include <parley/json.hpp>

#include <boost/json/array.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace consent_broker {

namespace {

struct init_options {
    std::string config;
    bool json = false;
    std::string npi;
    std::string name;
    std::string type = "practice";
};

/// The file is there afterwards with all that is in it, or it is not there.
void write_new_file(std::filesystem::path const& path, std::string const& text) {
    auto file = parley::detail::posix_file::open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!file && file.error() == boost::system::errc::file_exists) {
        throw command_error(exit_status::bad,
                            path.string() + " is there already, and is left as it is.\nEdit it, or "
                                            "write another with --config.");
    }
    auto ec = file ? file->write(text) : file.error();
    if (!ec) ec = file->sync();
    if (!ec) return;
    if (file) ::unlink(path.c_str());
    throw command_error(exit_status::bad, "cannot write " + path.string() + ": " + ec.message());
}

void init(init_options const& options) {
    if (!options.npi.empty()) require_npi(options.npi);
    if (!options.name.empty()) require_text("--name", options.name);
    require_text("--type", options.type);
    parley::consent::configuration config;
    config.organization.npi.value = options.npi;
    config.organization.name.value = options.name;
    config.organization.type.value = options.type;
    write_new_file(options.config, pretty_json(parley::json::encode(config)));

    std::vector<std::pair<std::string, std::string>> to_edit{
        {"organization.type", "what it is: practice, laboratory, pharmacy..."},
        {"server.port", "where patients' agents connect"},
        {"storage.path", "the database, and"},
        {"audit.path", "the audit log: on a disk that is backed up"},
        {"axon.endpointUrl", "the address that patients are told for providers that have none of "
                             "their own"}};
    if (options.name.empty()) to_edit.insert(to_edit.begin(), {"organization.name", "its name"});
    if (options.npi.empty()) {
        to_edit.insert(to_edit.begin(),
                       {"organization.npi", "your organisation's NPI, ten digits"});
    }
    if (options.json) {
        boost::json::array members;
        for (auto const& [member, meaning] : to_edit)
            members.emplace_back(member);
        print_json({{"config", options.config}, {"edit", std::move(members)}});
        return;
    }
    std::cout << "Wrote " << options.config << ". Edit in it:\n";
    for (auto const& [member, meaning] : to_edit)
        std::cout << "  " << std::left << std::setw(20) << member << meaning << '\n';
    std::cout << "Then register a provider with `consent-broker provider add NPI`, and run "
                 "`consent-broker serve`.\n";
}

} // namespace

void add_init_command(CLI::App& program, int&) {
    auto& command = add_command(program, "init", "Write a configuration to begin with",
                                R"(init
init --npi 1234567893 --name "Example Practice"
init --config /etc/neuron/neuron.config.json)");
    auto const options = std::make_shared<init_options>();
    add_config_option(command, options->config);
    command.add_option("--npi", options->npi, "The organisation's NPI")->type_name("NPI");
    command.add_option("--name", options->name, "The organisation's name");
    command.add_option("--type", options->type, "What the organisation is")->capture_default_str();
    add_json_flag(command, options->json);
    command.callback([options] { init(*options); });
}

} // namespace consent_broker
