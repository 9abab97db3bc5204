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

/// What one handshake leaves for a later one to do. Copies share one list; thread-safe.
template <class Item>
class left_over {
  public:
    void add(Item item) {
        std::scoped_lock lock(state_->mutex);
        state_->items.push_back(std::move(item));
    }

    /// Hands over what is there; whoever takes it and fails to do it gives it back by `add`.
    [[nodiscard]] std::vector<Item> take() {
        std::scoped_lock lock(state_->mutex);
        return std::exchange(state_->items, {});
    }

  private:
    struct state {
        std::mutex mutex;
        std::vector<Item> items;
    };

    std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Outbox records that are in the audit log now and can be removed with the next change, which
/// spares each handshake a commit of its own.
using settled_records = left_over<settled_record>;

/// Whether this audit policy keeps entries at all: one that can be switched off says so by
/// `enabled()`. Where there is no log, nothing waits for it in the outbox.
template <class Audit>
bool keeps_entries(Audit const& audit) {
    if constexpr (requires { audit.enabled(); }) {
        return audit.enabled();
    } else {
        return true;
    }
}

} // namespace parley::consent
