// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a session of the table editor stands for.

#include <parley/tables/backend.hpp>
#include <parley/verifier/session_verifier.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace parley::tables {

/// A user who has shown the database its password; the database keeps that, for its connections.
template <backend Backend>
struct login {
    std::string server_name; ///< as `host:port`
    std::string ns;          ///< the namespace asked for
    std::string username;
    std::chrono::system_clock::time_point created_at;
    std::shared_ptr<typename Backend::database_type> database;
};

/// The verifier policy of a table editor.
template <backend Backend>
using login_verifier = session_verifier<login<Backend>>;

} // namespace parley::tables
