// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a server says happened, before an audit policy makes it provable.

#include <boost/json/object.hpp>

#include <optional>
#include <string>

namespace parley {

/// One thing that happened (consent broker specification, §6).
struct audit_record {
    std::string category;             ///< the kind of thing: `connection`
    std::string action;               ///< what was done: `connection.handshake_started`
    std::optional<std::string> actor; ///< who did it, where somebody did
    boost::json::object details;      ///< anything else; omitted when empty; at most 32 levels deep
};

} // namespace parley
