// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `provider`: whom patients may ask for. A running broker sees changes at once, since it looks
/// providers up for each handshake.

#include "commands.hpp"
#include "database.hpp"
#include "support.hpp"

#include <parley/consent/broker_url.hpp>
#include <parley/consent/messages.hpp>
#include <parley/consent/relationships.hpp>
#include <parley/timestamp.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace consent_broker {

namespace consent = parley::consent;

namespace {

struct provider_options {
    std::string config;
    bool json = false;
    std::string npi;
    std::optional<std::string> endpoint; // here and below: empty text takes away what is known
    std::optional<std::string> name;
    std::optional<std::string> specialty;
};

void require_endpoint(std::string const& url) {
    bool const fits = url.size() <= consent::max_endpoint_size;
    if (fits && consent::is_endpoint_url(url)) return;
    throw command_error(
        exit_status::usage,
        "--endpoint: expected a URL such as wss://provider.example/agent, of at "
        "most " +
            std::to_string(consent::max_endpoint_size) + " bytes, found " +
            (fits ? "\"" + printable(url) + "\"" : std::to_string(url.size()) + " bytes"));
}

/// Puts what was given in the place of what is known.
void replace(std::optional<std::string>& known, std::optional<std::string> const& given) {
    if (!given) return;
    known = given->empty() ? std::nullopt : given;
}

void add(provider_options const& options) {
    require_npi(options.npi);
    if (options.endpoint && !options.endpoint->empty()) require_endpoint(*options.endpoint);
    if (options.name && !options.name->empty()) require_text("--name", *options.name);
    if (options.specialty && !options.specialty->empty()) {
        require_text("--specialty", *options.specialty);
    }
    auto const config = read_configuration(options.config);
    auto storage = open_database(config, print_report, nullptr);
    bool const known = value_of(storage.write_now([&](auto& tx) {
        auto const before = consent::find_provider(tx, options.npi);
        auto provider = before.value_or(consent::provider{.npi = options.npi});
        replace(provider.endpoint_url, options.endpoint);
        replace(provider.name, options.name);
        replace(provider.specialty, options.specialty);
        consent::add_provider(tx, provider,
                              parley::format_timestamp(std::chrono::system_clock::now()));
        return before.has_value();
    }));
    if (options.json) {
        print_json({{"npi", options.npi}, {"outcome", known ? "updated" : "added"}});
    } else {
        std::cout << "Provider " << options.npi << (known ? " updated" : " added") << ".\n";
    }
}

/// What `types` holds, a JSON array if the database is sound.
boost::json::value types_of(consent::provider const& provider) {
    boost::json::error_code ec;
    auto types = boost::json::parse(provider.types.value_or("[]"), ec);
    return ec ? boost::json::value() : types;
}

void list(provider_options const& options) {
    auto storage = open_database_to_read(read_configuration(options.config));
    auto const all =
        value_of(storage.read_now([](auto& tx) { return consent::list_providers(tx); }));
    if (!options.json) {
        std::vector<std::vector<std::string>> rows;
        rows.reserve(all.size());
        for (auto const& p : all) {
            rows.push_back({p.npi, p.name.value_or("-"), p.specialty.value_or("-"),
                            p.endpoint_url.value_or("(default)")});
        }
        print_table({"NPI", "NAME", "SPECIALTY", "ENDPOINT"}, rows,
                    "No provider is registered: add one with `consent-broker provider add NPI`.");
        return;
    }
    boost::json::array out;
    for (auto const& p : all) {
        boost::json::object row{{"npi", p.npi}};
        if (p.name) row["name"] = *p.name;
        if (p.specialty) row["specialty"] = *p.specialty;
        if (p.endpoint_url) row["endpoint"] = *p.endpoint_url;
        row["types"] = types_of(p);
        out.push_back(std::move(row));
    }
    print_json(out);
}

int remove(provider_options const& options) {
    require_npi(options.npi);
    auto storage = open_existing_database(read_configuration(options.config));
    bool const removed = value_of(
        storage.write_now([&](auto& tx) { return consent::remove_provider(tx, options.npi); }));
    if (options.json) {
        print_json({{"npi", options.npi}, {"outcome", removed ? "removed" : "not_found"}});
    } else if (removed) {
        std::cout << "Provider " << options.npi << " removed. Its relationships stay.\n";
    } else {
        std::cerr << "consent-broker: provider " << options.npi
                  << " is not registered. `consent-broker provider list` shows who is.\n";
    }
    return removed ? exit_status::ok : exit_status::bad;
}

void add_npi(CLI::App& command, std::string& npi) {
    command.add_option("NPI", npi, "The provider's National Provider Identifier, ten digits")
        ->required()
        ->type_name("");
}

} // namespace

void add_provider_command(CLI::App& program, int& status) {
    auto& command = add_command(program, "provider", "Register providers that patients may ask for",
                                R"(provider add 1245319599 --name "Dr. Ada Example"
provider list
provider remove 1245319599)");
    command.require_subcommand(1);
    auto const options = std::make_shared<provider_options>();

    auto& adding = add_command(command, "add", "Register a provider, or change what is known of it",
                               R"(provider add 1245319599
provider add 1245319599 --name "Dr. Ada Example" --specialty Cardiology
provider add 1245319599 --endpoint wss://ada.example/agent
provider add 1245319599 --endpoint ""            # back to the default)");
    add_npi(adding, options->npi);
    add_config_option(adding, options->config);
    adding
        .add_option("--endpoint", options->endpoint,
                    "What patients are told to connect to; without it, an address below "
                    "axon.endpointUrl")
        ->type_name("URL");
    adding.add_option("--name", options->name, "The provider's name");
    adding.add_option("--specialty", options->specialty, "The provider's specialty");
    add_json_flag(adding, options->json);
    adding.callback([options] { add(*options); });

    auto& listing = add_command(command, "list", "Print the registered providers",
                                "provider list\nprovider list --json");
    add_config_option(listing, options->config);
    add_json_flag(listing, options->json);
    listing.callback([options] { list(*options); });

    auto& removing = add_command(command, "remove",
                                 "Take a provider's registration away; its relationships stay",
                                 "provider remove 1245319599");
    add_npi(removing, options->npi);
    add_config_option(removing, options->config);
    add_json_flag(removing, options->json);
    removing.callback([options, &status] { status = remove(*options); });
}

} // namespace consent_broker
