// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Two audits at once.

#include <parley/audit/audit_record.hpp>
#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace parley {

/// Gives every record to both `A` and `B`, to `A` first. As thread-safe as both are.
template <class A, class B>
class tee_audit {
  public:
    using policy_kind = policy_kinds::audit;

    tee_audit(A first, B second) : first_(std::move(first)), second_(std::move(second)) {}

    void post(audit_record record) {
        first_.post(record);
        second_.post(std::move(record));
    }

    /// Appends to both, one after the other, whether or not the first fails. Completes with the
    /// sequence number of the first, or an error if either failed.
    task<result<std::uint64_t>> append(audit_record record) {
        result<std::uint64_t> const first = co_await first_.append(record);
        result<std::uint64_t> const second = co_await second_.append(std::move(record));
        co_return first && !second ? second : first;
    }

    /// As for one record; each of the two takes all of them, or none.
    task<result<std::uint64_t>> append(std::vector<audit_record> records) {
        result<std::uint64_t> const first = co_await first_.append(records);
        result<std::uint64_t> const second = co_await second_.append(std::move(records));
        co_return first && !second ? second : first;
    }

    [[nodiscard]] A& first() { return first_; }
    [[nodiscard]] B& second() { return second_; }

  private:
    A first_;
    B second_;
};

} // namespace parley
