// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Admission that refuses at once beyond a ceiling.

#include <parley/admission/queueing_admission.hpp>

namespace parley {

/// At most `max_concurrent` peers are in at once; the others are told to come back later.
/// Thread-safe; copies share one ceiling.
class rejecting_admission {
  public:
    using policy_kind = policy_kinds::admission;
    using ticket = queueing_admission::ticket;

    struct options {
        std::size_t max_concurrent = 10;     ///< at least 1
        std::chrono::seconds retry_after{5}; ///< what a refused peer is told
    };

    rejecting_admission() : rejecting_admission(options{}) {}
    explicit rejecting_admission(options const& limits)
        : gate_(queueing_admission::options{.max_concurrent = limits.max_concurrent,
                                            .queue_timeout = limits.retry_after,
                                            .max_queued = 0}) {}

    [[nodiscard]] ticket enter(admission_request const& request) { return gate_.enter(request); }

    /// How many are in now.
    [[nodiscard]] std::size_t active() const { return gate_.active(); }

    /// Nobody ever waits.
    [[nodiscard]] static std::size_t queued() { return 0; }

  private:
    queueing_admission gate_; // a queue without places
};

} // namespace parley
