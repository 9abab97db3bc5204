// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A table editor on either transport. Each is compiled in a file of its own: the server is a
/// template that takes its time.

#include <parley/https_client.hpp>
#include <parley/static_files.hpp>
#include <parley/tables/atelier_backend.hpp>
#include <parley/tables/configuration.hpp>
#include <parley/tables/postgresql_backend.hpp>
#include <parley/tables/sqlite_backend.hpp>
#include <parley/tables/variant_backend.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace table_editor {

using iris_backend = parley::tables::atelier_backend<parley::tls_connector>;
using any_backend =
    parley::tables::variant_backend<parley::tables::sqlite_backend,
                                    parley::tables::postgresql_backend, iris_backend>;

/// What a table editor is made of, once everything that can be wrong with it was found to be right.
struct editor_parts {
    parley::tables::configuration config;
    boost::asio::ip::tcp::endpoint address;
    any_backend backend;
    parley::static_files page;
    std::vector<std::pair<std::string, parley::static_files>> mounts; ///< by prefix
    unsigned threads;                                                 ///< at least 1
    std::size_t max_connections;                                      ///< at least 1
    std::chrono::milliseconds grace; ///< how long clients have to go, when it stops
    /// Called once it listens, with the port.
    std::function<void(std::uint16_t)> on_ready = [](std::uint16_t) {};
};

/// Serves until SIGTERM or SIGINT. Returns the exit status. \throws command_error when it cannot
/// start.
int run_tcp_editor(editor_parts parts);

/// As above, over TLS. SIGHUP loads the files again.
int run_tls_editor(editor_parts parts, std::filesystem::path certificate,
                   std::filesystem::path key);

} // namespace table_editor
