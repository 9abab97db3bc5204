// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Loads a configuration: a struct with a default for every member, overlaid with a JSON file,
/// overlaid with environment variables.
///
///     struct server_section {
///         std::uint16_t port = 3000;
///         std::string host = "0.0.0.0";
///     };
///     BOOST_HANA_ADAPT_STRUCT(server_section, port, host);   // in the global namespace
///     struct my_config { server_section server; };
///     BOOST_HANA_ADAPT_STRUCT(my_config, server);
///
///     auto loaded = parley::load_config_file<my_config>("my.json", parley::environment(), "MY_");
///     for (auto const& p : loaded.report.problems) std::cerr << p.text() << '\n';
///
/// `MY_SERVER__PORT=8080` sets `server.port`: the prefix, then the path in any case, `__` between
/// levels. A variable sets a plain member or a list of plain values (as JSON), also inside an
/// optional section, but no section as a whole and nothing in a list of sections; of several
/// variables for one member the last counts. A variable replaces what the file says, right or
/// wrong.
///
/// A section may limit its members (`config_rules.hpp`), require them (`required<T>`), or have
/// members that are not acted on (`ignored`).

#include <parley/config_rules.hpp>
#include <parley/config_types.hpp>
#include <parley/detail/config_loader.hpp>
#include <parley/json.hpp>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <unistd.h>

namespace parley {

/// The environment of this process, each variable as `NAME=value`. Not to be called while another
/// thread changes the environment.
inline std::vector<std::string> environment() {
    std::vector<std::string> out;
    for (char** entry = environ; entry && *entry; ++entry)
        out.emplace_back(*entry);
    return out;
}

/// Loads a configuration from a JSON text, which may begin with a byte order mark.
/// \param environment holds variables as `NAME=value`; those whose names begin with `prefix`
///        (`NEURON_`, say) override the text's members.
/// \param source names the text in problems with the text as a whole: the file's name.
template <json::reflected Config>
loaded_config<Config> load_config(std::string_view text, std::span<std::string const> environment,
                                  std::string_view prefix, std::string const& source = {}) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF"; // some editors begin with it
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    loaded_config<Config> out;
    auto const parsed = json::parse(text);
    if (!parsed) {
        out.report.problems.push_back(json::detail::within(source, parsed.error()));
        return out;
    }
    detail::config_loader loader(environment, prefix);
    Config config{};
    loader.load(config, &*parsed, {});
    out.report = std::move(loader).finish();
    for (auto& p : out.report.problems)
        if (p.path.empty()) p.path = source;
    if (out.report.problems.empty()) out.config = std::move(config);
    return out;
}

namespace detail {

/// The bytes of a file of at most 1 MiB.
inline result<std::string, problem> read_config_file(std::filesystem::path const& path) {
    constexpr std::size_t limit = 1U << 20;
    std::string text(limit + 1, '\0');
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.is_open() || file.bad())
        return problem{path.string(), "a file that can be read",
                       errno == ENOENT ? "nothing"
                                       : "an error: " + std::generic_category().message(errno)};
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > limit)
        return problem{path.string(), "a file of at most 1 MiB", "a larger one"};
    return result<std::string, problem>(boost::system::in_place_value, std::move(text));
}

} // namespace detail

/// Loads a configuration from a JSON file of at most 1 MiB; otherwise as `load_config`.
template <json::reflected Config>
loaded_config<Config> load_config_file(std::filesystem::path const& path,
                                       std::span<std::string const> environment,
                                       std::string_view prefix) {
    auto const text = detail::read_config_file(path);
    if (!text) return {std::nullopt, {{text.error()}, {}, {}}};
    return load_config<Config>(*text, environment, prefix, path.string());
}

} // namespace parley
