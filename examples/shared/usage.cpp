// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "usage.hpp"

#include "output.hpp"

#include <parley/detail/nearest_name.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace shared {

namespace {

/// `unknown command 'provder'; did you mean 'provider'?`
std::string unknown(std::string_view what, std::string_view typed,
                    std::vector<std::string> const& known) {
    auto text = "unknown " + std::string(what) + " '" + printable(typed) + "'";
    auto const nearest = parley::detail::nearest_name(typed, known);
    return nearest.empty() ? text : text + "; did you mean '" + nearest + "'?";
}

std::vector<std::string> commands_of(CLI::App const& app) {
    std::vector<std::string> names;
    for (auto const* command : app.get_subcommands({}))
        names.push_back(command->get_name());
    return names;
}

std::vector<std::string> options_of(CLI::App const& app) {
    std::vector<std::string> names;
    for (auto const* option : app.get_options()) {
        if (option->nonpositional()) names.push_back(option->get_name());
    }
    return names;
}

} // namespace

std::string explain_mistake(CLI::App const& program, std::span<char const* const> words) {
    auto const* app = &program;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string const word = words[i];
        if (word == "--") break;
        if (word.size() > 1 && word.front() == '-') {
            auto const name = word.substr(0, word.find('='));
            auto const* option = app->get_option_no_throw(name);
            if (!option) return unknown("option", name, options_of(*app));
            bool const takes_next = option->get_items_expected_max() > 0 && name == word;
            if (takes_next) ++i;
            continue;
        }
        auto const commands = commands_of(*app);
        if (commands.empty()) continue; // an argument of the command
        if (std::ranges::find(commands, word) == commands.end()) {
            return unknown("command", word, commands);
        }
        app = app->get_subcommand(word);
    }
    return {};
}

} // namespace shared
