// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Between the database and the audit log: entries that were committed with the change they
/// describe, and are written to the log after that.

#include <parley/audit/audit_record.hpp>
#include <parley/consent/records.hpp>
#include <parley/consent/relationships.hpp>
#include <parley/random.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace parley::consent {

/// An audit entry as it waits in the database.
inline outbox_record to_outbox(audit_record const& record, std::string now) {
    return {random_uuid(),
            record.category,
            record.action,
            record.actor,
            boost::json::serialize(record.details),
            std::move(now)};
}

/// The audit entry that waits in `row`.
inline audit_record from_outbox(outbox_record const& row) {
    return {row.category, row.action, row.actor, boost::json::parse(row.details).as_object()};
}

/// Outbox records that are in the audit log now and can be removed with the next change, which
/// spares each handshake a commit of its own. Copies share one list; thread-safe.
class settled_records {
  public:
    void add(settled_record record) {
        std::scoped_lock lock(state_->mutex);
        state_->records.push_back(std::move(record));
    }

    /// Hands over what is there; whoever takes it and fails to remove it gives it back by `add`.
    [[nodiscard]] std::vector<settled_record> take() {
        std::scoped_lock lock(state_->mutex);
        return std::exchange(state_->records, {});
    }

  private:
    struct state {
        std::mutex mutex;
        std::vector<settled_record> records;
    };

    std::shared_ptr<state> state_ = std::make_shared<state>();
};

} // namespace parley::consent
