// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What every admission policy is asked, and how it answers.

#include <parley/peer.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace parley {

/// A peer at the door.
struct admission_request {
    std::string address;               ///< its network address, as the transport names it
    time_point now;                    ///< on the transport's clock
    std::function<void()> on_admitted; ///< called once, from any thread, if a queued peer's turn
                                       ///< comes; it must not call back into the policy
};

enum class admission_state {
    admitted, ///< come in
    queued,   ///< wait; `on_admitted` tells when
    refused,  ///< not now: try again after `retry_after`
};

} // namespace parley
