// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "support.hpp"

#include <examples/shared/serve.hpp>

#include <parley/config.hpp>
#include <parley/consent/npi.hpp>
#include <parley/json.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <utility>

namespace consent_broker {

namespace consent = parley::consent;

CLI::Option& add_config_option(CLI::App& command, std::string& path) {
    path = "./neuron.config.json";
    return shared::add_config_option(command, path);
}

usable_configuration load_configuration(std::filesystem::path const& path) {
    auto loaded = parley::load_config_file<consent::configuration>(path, parley::environment(),
                                                                   consent::env_prefix);
    if (loaded.config) return {std::move(*loaded.config), std::move(loaded.report)};

    std::string text = "the configuration cannot be used:";
    for (auto const& wrong : loaded.report.problems)
        text += "\n  " + printable(wrong.text());
    for (auto const& warning : loaded.report.warnings) {
        text += "\n  warning: " + printable(warning);
    }
    std::error_code ignored;
    text += std::filesystem::exists(path, ignored)
                ? "\nCorrect " + path.string() + " (or the NEURON_... variables) and try again."
                : "\nMake one with `consent-broker init`, or name another with --config.";
    throw command_error(exit_status::usage, text);
}

consent::configuration read_configuration(std::filesystem::path const& path) {
    auto loaded = load_configuration(path);
    for (auto const& warning : loaded.report.warnings) {
        std::cerr << "warning: " << printable(warning) << '\n';
    }
    return std::move(loaded.config);
}

void require_npi(std::string_view npi) {
    if (consent::is_valid_npi(npi)) return;
    throw command_error(exit_status::usage,
                        "\"" + printable(npi) +
                            "\" is no National Provider Identifier: expected 10 digits, of which "
                            "the last is the check digit. Look for a mistyped digit.");
}

void require_text(std::string_view what, std::string_view text) {
    constexpr std::size_t max_size = 1000;
    auto const is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    auto const quoted = boost::json::serialize(boost::json::string_view(text.data(), text.size()));
    if (!text.empty() && text.size() <= max_size && !std::ranges::any_of(text, is_control) &&
        parley::json::parse(quoted)) { // only UTF-8 parses
        return;
    }
    throw command_error(exit_status::usage, std::string(what) + ": expected 1 to " +
                                                std::to_string(max_size) +
                                                " bytes of UTF-8 text without control characters");
}

} // namespace consent_broker
