// Distributed under the Boost Software License, Version 1.0. See LICENSE.
/// \file
/// `demo`: everything, from nothing.

#include "commands.hpp"
#include "sample.hpp"
#include "setup.hpp"

#include <examples/shared/log.hpp>
#include <examples/shared/program.hpp>
#include <examples/shared/serve.hpp>

#include <parley/crypto/password_hash.hpp>
#include <parley/encoding.hpp>
#include <parley/random.hpp>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <boost/json/serialize.hpp>

#include <stdlib.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace table_editor {

namespace log = shared::log;
namespace fs = std::filesystem;
using shared::command_error;

namespace {

struct demo_options {
    std::uint16_t port = 8080;
    std::string data;
    std::uint32_t session_timeout = 1800;
    std::string log_level = "warning";
    bool json = false;
};

/// A folder that goes with the demo.
class temporary_folder {
  public:
    temporary_folder() {
        auto pattern = (fs::temp_directory_path() / "table-editor-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) {
            throw command_error(shared::exit_status::bad,
                                "cannot make a folder in " + fs::temp_directory_path().string());
        }
        path_ = pattern;
    }
    temporary_folder(temporary_folder const&) = delete;
    temporary_folder& operator=(temporary_folder const&) = delete;
    ~temporary_folder() {
        std::error_code ec;
        fs::remove_all(path_, ec);
    }

    [[nodiscard]] fs::path const& path() const { return path_; }

  private:
    fs::path path_;
};

std::string make_password() {
    std::array<std::uint8_t, 9> bytes{};
    parley::fill_random(bytes);
    return parley::to_base64url(bytes);
}

void announce(demo_options const& options, std::uint16_t port, std::string const& password) {
    std::string const url = "http://127.0.0.1:" + std::to_string(port) + "/";
    if (options.json) {
        boost::json::object const line{{"url", url},         {"host", "127.0.0.1"},
                                       {"port", port},       {"namespace", "demo.db"},
                                       {"username", "demo"}, {"password", password}};
        std::cout << boost::json::serialize(line) << std::endl;
        return;
    }
    std::cout << "The sample database is being served.\n\n"
                 "  Open       "
              << url << "#namespace=demo.db&username=demo\n  User       demo\n  Password   "
              << password << "\n\nCtrl+C ends it." << std::endl;
}

int demo(demo_options const& options) {
    std::signal(SIGPIPE, SIG_IGN);
    log::set_level(options.log_level);
    std::optional<temporary_folder> temporary;
    if (options.data.empty()) temporary.emplace();
    fs::path const folder = temporary ? temporary->path() : fs::path(options.data);
    fs::create_directories(folder);
    auto const file = folder / "demo.db";
    if (!fs::exists(file)) {
        if (!options.json)
            std::cout << "Making a sample database with 100,000 rows ..." << std::endl;
        make_sample(file);
    }

    auto const password = make_password();
    parley::tables::configuration config;
    config.server.port = options.port;
    config.session.timeout = options.session_timeout;
    config.database.folder = folder.string();
    config.database.users = {{"demo", parley::hash_password(password)}};
    auto parts = make_parts(std::move(config), 1);
    parts.grace = std::chrono::seconds(1);
    parts.on_ready = [&](std::uint16_t port) { announce(options, port, password); };
    return run_tcp_editor(std::move(parts));
}

} // namespace

void add_demo_command(CLI::App& program, int& status) {
    auto& command = shared::add_command(
        program, "demo", "Make a sample database, and serve it to this machine until Ctrl+C",
        "demo\ndemo --port 9000 --data ./sample      # kept, and used again");
    auto const options = std::make_shared<demo_options>();
    command.add_option("--port", options->port, "Where to listen; 0 is any free port")
        ->capture_default_str();
    command
        .add_option("--data", options->data,
                    "Where to keep the sample; without it, it goes with the demo")
        ->type_name("FOLDER");
    command
        .add_option("--session-timeout", options->session_timeout,
                    "How many seconds a session lasts without activity")
        ->check(CLI::Range(1, 604'800))
        ->capture_default_str();
    shared::add_log_level_option(command, options->log_level);
    command.add_flag("--json", options->json, "Print where it is as one line of JSON");
    command.callback([options, &status] { status = demo(*options); });
}

} // namespace table_editor
