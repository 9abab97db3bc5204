// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Audit for tests: nothing is written, everything can be asked for.

#include <parley/audit/audit_record.hpp>
#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace parley {

/// Keeps all records in memory. Thread-safe. Copies share one log, so a test can keep one and give
/// the other to a server.
class memory_audit {
  public:
    using policy_kind = policy_kinds::audit;

    /// Adds a record, unless told to fail.
    void post(audit_record record) { static_cast<void>(add(std::move(record))); }

    /// Adds a record and completes at once with its number from 1, or `errc::audit_unavailable`.
    task<result<std::uint64_t>> append(audit_record record) { co_return add(std::move(record)); }

    /// Adds all records, or none, and completes at once with the number of the last.
    task<result<std::uint64_t>> append(std::vector<audit_record> records) {
        std::scoped_lock lock(log_->mutex);
        if (log_->failing) co_return errc::audit_unavailable;
        for (auto& record : records)
            log_->records.push_back(std::move(record));
        co_return log_->records.size();
    }

    /// All records so far, in order: the one with number n is at n - 1.
    [[nodiscard]] std::vector<audit_record> entries() const {
        std::scoped_lock lock(log_->mutex);
        return log_->records;
    }

    /// From now on, fail (or, with false, work again).
    void fail(bool failing = true) {
        std::scoped_lock lock(log_->mutex);
        log_->failing = failing;
    }

  private:
    result<std::uint64_t> add(audit_record record) {
        std::scoped_lock lock(log_->mutex);
        if (log_->failing) return errc::audit_unavailable;
        log_->records.push_back(std::move(record));
        return log_->records.size();
    }

    struct shared {
        std::mutex mutex;
        std::vector<audit_record> records;
        bool failing = false;
    };

    std::shared_ptr<shared> log_ = std::make_shared<shared>();
};

} // namespace parley
