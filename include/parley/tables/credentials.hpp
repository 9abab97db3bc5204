// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who wants to edit which database. Kept in memory only, and wiped.

#include <parley/secret.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace parley::tables {

using parley::secret;

/// What `POST /api/connect` gives (table editor specification, §1).
struct credentials {
    std::string host;
    std::uint16_t port = 0;
    std::string ns;
    std::string username;
    secret password;
    std::string path_prefix; ///< of the Atelier API; empty for its usual one
    bool use_https = false;
};

} // namespace parley::tables
