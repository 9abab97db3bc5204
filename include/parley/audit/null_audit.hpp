// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// No audit.

#include <parley/audit/audit_record.hpp>
#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <cstdint>
#include <vector>

namespace parley {

/// Forgets everything, at no cost.
class null_audit {
  public:
    using policy_kind = policy_kinds::audit;

    /// Entries are not kept.
    [[nodiscard]] static bool enabled() { return false; }

    void post(audit_record const&) {}

    /// Completes at once, with 0.
    task<result<std::uint64_t>> append(audit_record) { co_return std::uint64_t{0}; }
    task<result<std::uint64_t>> append(std::vector<audit_record>) { co_return std::uint64_t{0}; }
};

} // namespace parley
