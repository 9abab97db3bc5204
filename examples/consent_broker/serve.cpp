// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `serve`: finds out all that can be wrong before the broker runs.

#include "broker_parts.hpp"
#include "commands.hpp"
#include "control.hpp"
#include "support.hpp"

#include <examples/shared/serve.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <malloc.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace consent_broker {

namespace consent = parley::consent;

namespace {

struct serve_options : shared::serve_options {
    std::size_t max_per_address = 0;
};

void report_configuration(parley::config_report const& report) {
    for (auto const& text : report.warnings)
        log::warning("configuration", {{"message", text}});
    for (auto const& member : report.ignored) {
        log::warning("configuration",
                     {{"member", member}, {"message", "accepted, but not acted on"}});
    }
}

void report_duplicates(std::vector<consent::duplicate_relationship> const& duplicates) {
    for (auto const& pair : duplicates) {
        std::string ids;
        for (auto const& id : pair.relationship_ids)
            ids += (ids.empty() ? "" : ",") + id;
        log::warning("duplicate_relationships",
                     {{"patient", pair.patient_agent_id},
                      {"provider", pair.provider_npi},
                      {"relationships", ids},
                      {"message", "more than one is active; the first is used; terminate the "
                                  "others"}});
    }
}

/// Logs what a part of the broker reports.
reporter reporter_for(std::string part) {
    return [part = std::move(part)](std::string_view text) {
        log::warning(part, {{"message", text}});
    };
}

int serve(serve_options const& options) {
    // The threads besides those that serve allocate little: they share one arena.
    ::mallopt(M_ARENA_MAX, static_cast<int>(options.threads) + 1);
    std::signal(SIGXFSZ, SIG_IGN); // a limit of its files is an error, as a full disk is
    auto loaded = load_configuration(options.config);
    auto& config = loaded.config;
    report_configuration(loaded.report);

    auto address = shared::resolve(config.server.host, config.server.port);
    auto control = control::address(config);
    auto const lock = try_lock_database(config);
    if (!lock) {
        throw command_error(exit_status::bad,
                            "another process already has the database " + config.storage.path +
                                ".\n`consent-broker status` shows the broker that runs; stop that "
                                "one, or change storage.path.");
    }
    std::vector<consent::duplicate_relationship> duplicates;
    auto storage = open_database(config, reporter_for("storage"), &duplicates);
    report_duplicates(duplicates);
    auto audit = open_audit(config, reporter_for("audit"));
    if (!config.audit.enabled) log::warning("audit", {{"message", "switched off"}});

    broker_parts parts{std::move(config),
                       std::move(address),
                       std::move(control),
                       std::move(storage),
                       std::move(audit),
                       options.threads,
                       shared::raise_file_limit(options.threads),
                       options.max_per_address,
                       std::chrono::seconds(options.grace)};
    if (options.tls_certificate.empty()) return run_tcp_broker(std::move(parts));
    return run_tls_broker(std::move(parts), options.tls_certificate, options.tls_key);
}

/// Whoever reads the log as JSON finds in it why there is no broker, too.
int serve_and_log(serve_options const& options) {
    shared::begin_log(options);
    if (!options.json) return serve(options);
    try {
        return serve(options);
    } catch (command_error const& e) {
        log::error("failed", {{"message", e.what()}});
        return e.status();
    } catch (std::exception const& e) {
        log::error("failed", {{"message", e.what()}});
        return exit_status::bad;
    }
}

} // namespace

void add_serve_command(CLI::App& program, int& status) {
    auto& command = add_command(program, "serve", "Run the broker until SIGTERM or SIGINT", R"(serve
serve --config /etc/neuron/neuron.config.json --threads 4
serve --tls-cert chain.pem --tls-key key.pem     # SIGHUP loads them again)");
    auto const options = std::make_shared<serve_options>();
    add_config_option(command, options->config);
    options->grace = 10;
    shared::add_serve_options(command, *options);
    command
        .add_option("--max-per-address", options->max_per_address,
                    "How many connections one address may have; 0 is no limit, as behind a proxy")
        ->capture_default_str();
    command.callback([options, &status] { status = serve_and_log(*options); });
}

} // namespace consent_broker
