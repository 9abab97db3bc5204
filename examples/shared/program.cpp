// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "program.hpp"

#include "output.hpp"
#include "usage.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json/string.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <iostream>
#include <span>
#include <sstream>

namespace shared {

namespace {

/// Says why nothing came of the command: to people on standard error, and to machines that asked
/// for it as JSON on standard output.
int report(std::string_view program, std::string_view text, int status, bool json) {
    std::cerr << program << ": " << text << '\n';
    if (json) print_json({{"error", boost::json::string(text)}});
    return status;
}

} // namespace

int run_program(program_description const& what, int argc, char** argv,
                std::function<void(CLI::App&, int&)> const& add_commands) {
    int status = exit_status::ok;
    auto const is_json = [](char const* argument) {
        return std::string_view(argument) == "--json";
    };
    bool const json = std::any_of(argv, argv + argc, is_json);
    CLI::App program(what.introduction, what.name);
    try {
        program.footer(what.first_steps);
        program.set_version_flag("--version", what.version);
        program.require_subcommand(1);
        add_commands(program, status);
        program.parse(argc, argv);
        if (!std::cout.flush()) {
            throw command_error(exit_status::bad, "the output cannot be written");
        }
        return status;
    } catch (CLI::ParseError const& e) {
        if (e.get_exit_code() == 0) return program.exit(e); // help, or the version
        auto const mistake = explain_mistake(program, std::span(argv, argv + argc).subspan(1));
        return report(what.name,
                      (mistake.empty() ? e.what() : mistake) +
                          "\nRun with --help for more information.",
                      exit_status::usage, json);
    } catch (command_error const& e) {
        return report(what.name, e.what(), e.status(), json);
    } catch (std::exception const& e) {
        return report(what.name, e.what(), exit_status::bad, json);
    }
}

CLI::App& add_command(CLI::App& parent, std::string_view name, std::string_view description,
                      std::string_view examples) {
    auto const* program = &parent;
    while (program->get_parent() != nullptr)
        program = program->get_parent();
    std::string footer = "Examples:\n";
    std::istringstream lines{std::string(examples)};
    for (std::string line; std::getline(lines, line);) {
        footer += (line.starts_with(' ') ? "" : "  " + program->get_name() + ' ') + line + '\n';
    }
    footer += "\nExit status: 0 done and well; 1 what was asked about is bad or not there, or it "
              "cannot\nbe done; 2 the command line or the configuration is wrong.";
    return *parent.add_subcommand(std::string(name), std::string(description))->footer(footer);
}

void add_json_flag(CLI::App& command, bool& json) {
    command.add_flag("--json", json, "Print JSON, for machines");
}

boost::asio::ip::tcp::endpoint resolve(std::string const& host, std::uint16_t port) {
    namespace ip = boost::asio::ip;
    boost::system::error_code ec;
    auto const address = ip::make_address(host, ec);
    if (!ec) return {address, port};
    boost::asio::io_context io;
    auto const found = ip::tcp::resolver(io).resolve(host, std::to_string(port), ec);
    if (!ec && !found.empty()) return found.begin()->endpoint();
    throw command_error(exit_status::usage,
                        "server.host: expected an IP address of this machine, or a name of one, "
                        "found \"" +
                            host + "\": " + ec.message());
}

std::size_t raise_file_limit(unsigned threads) {
    constexpr rlim_t most_connections = 10'000;
    rlim_t const others = 64 + rlim_t{4} * threads; // each has an io_context, of three
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur > 2 * others ? std::min(files.rlim_cur - others, most_connections)
                                       : others;
}

} // namespace shared
