// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Audit that configuration can switch off (consent broker specification, §7, `audit.enabled`).

#include <parley/audit/audit_record.hpp>
#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace parley {

/// `A`, or nothing: decided when it is constructed. As thread-safe as `A`.
template <class A>
class optional_audit {
  public:
    using policy_kind = policy_kinds::audit;

    /// Switched off.
    optional_audit() = default;

    /// Switched on.
    explicit optional_audit(A audit) : audit_(std::move(audit)) {}

    /// Does nothing when switched off.
    void post(audit_record record) {
        if (audit_) audit_->post(std::move(record));
    }

    /// Completes at once with 0 when switched off.
    task<result<std::uint64_t>> append(audit_record record) {
        if (!audit_) co_return std::uint64_t{0};
        co_return co_await audit_->append(std::move(record));
    }

    /// Completes at once with 0 when switched off.
    task<result<std::uint64_t>> append(std::vector<audit_record> records) {
        if (!audit_) co_return std::uint64_t{0};
        co_return co_await audit_->append(std::move(records));
    }

    /// Whether entries are kept at all.
    [[nodiscard]] bool enabled() const { return audit_.has_value(); }

    /// The audit that is switched on, or null.
    [[nodiscard]] A* get() { return audit_ ? &*audit_ : nullptr; }

  private:
    std::optional<A> audit_;
};

} // namespace parley
