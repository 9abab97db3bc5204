// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `token`: for trying a server out.

#include "commands.hpp"
#include "setup.hpp"

#include <examples/shared/program.hpp>

#include <parley/crypto/jwt.hpp>
#include <parley/signaling/participant.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace voice_signaling {

using shared::command_error;

namespace {

struct token_options {
    std::string user;
    std::string name;
    std::string role;
    std::vector<std::string> channels;
    std::uint32_t minutes = 60;
};

int print_token(token_options const& options) {
    auto const* key = std::getenv(secret_variable);
    if (key == nullptr) {
        throw command_error(shared::exit_status::usage,
                            std::string(secret_variable) +
                                ": expected the secret that the server has, found nothing");
    }
    auto const now = std::chrono::system_clock::now() + std::chrono::minutes(options.minutes);
    auto const until = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
    parley::signaling::participant who;
    who.userId = options.user;
    who.userName = options.name.empty() ? options.user : options.name;
    if (!options.channels.empty()) who.channelIds = options.channels;
    if (!options.role.empty()) who.globalRole = options.role;
    auto claims = parley::json::encode(who).as_object();
    claims["exp"] = until.count();
    if (auto const bad = parley::signaling::read_claims(claims); !bad) {
        throw command_error(shared::exit_status::usage, bad.error().text());
    }
    try {
        std::cout << parley::make_jwt(claims, parley::secret(std::string(key))) << '\n';
    } catch (std::invalid_argument const& e) {
        throw command_error(shared::exit_status::usage,
                            std::string(secret_variable) + ": " + e.what());
    }
    return shared::exit_status::ok;
}

} // namespace

void add_token_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(
        program, "token", "Print a token, signed with ROUTER_JWT_SECRET, for trying a server out",
        "token --user ada\ntoken --user ada --name \"Ada L.\" --channel north --channel south");
    auto const options = std::make_shared<token_options>();
    command.add_option("--user", options->user, "The user's id")->required()->type_name("ID");
    command.add_option("--name", options->name, "The user's name; the id if it is not given")
        ->type_name("NAME");
    command
        .add_option("--channel", options->channels,
                    "A channel that may be joined; may be repeated; none: any channel")
        ->type_name("ID");
    command.add_option("--role", options->role, "The global role; ADMIN may join all channels")
        ->type_name("ROLE");
    command.add_option("--minutes", options->minutes, "How long it is good")
        ->check(CLI::Range(1, 525'600))
        ->capture_default_str();
    command.callback([options, &status] { status = print_token(*options); });
}

} // namespace voice_signaling
