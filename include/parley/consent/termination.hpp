// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Ending a relationship, and the audit entry of it (consent broker specification, §5 and §6).

#include <parley/audit/audit_record.hpp>
#include <parley/consent/audit_records.hpp>
#include <parley/consent/outbox.hpp>
#include <parley/consent/relationships.hpp>
#include <parley/error.hpp>
#include <parley/random.hpp>
#include <parley/task.hpp>
#include <parley/timestamp.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley::consent {

/// How an attempt to end a relationship went.
struct termination {
    terminate_outcome outcome;
    /// Of the audit entry, when there is one in the log.
    std::optional<std::uint64_t> audit_sequence;
    /// Why the log could not be written, although the relationship is terminated. The entry waits
    /// in the outbox then, for `recover_outbox`.
    error_code audit_failure;
};

/// Ends a relationship for ever; only its own provider may. When this completes with `terminated`,
/// that and the entry are durable. The error is that of the storage: nothing was changed.
/// \param reason is UTF-8; it is recorded, and entered in the log.
/// \param now on the calendar.
template <class Storage, class Audit>
task<result<termination>> terminate_and_audit(Storage& storage, Audit& audit,
                                              std::string relationship_id, std::string provider_npi,
                                              std::string reason,
                                              std::chrono::system_clock::time_point now) {
    std::vector<audit_record> entries;
    entries.push_back(relationship_terminated(provider_npi, relationship_id, reason));
    auto const timestamp = format_timestamp(now);
    bool const kept = keeps_entries(audit);
    terminate_request const request{std::move(relationship_id),
                                    std::move(provider_npi),
                                    std::move(reason),
                                    random_uuid(),
                                    timestamp,
                                    kept ? std::optional(to_outbox(entries.front(), timestamp))
                                         : std::nullopt};
    auto const end = [&request](auto& tx) { return terminate_relationship(tx, request); };
    auto const outcome = co_await storage.write(end);
    if (!outcome) co_return outcome.error();
    termination done{*outcome, std::nullopt, {}};
    if (*outcome != terminate_outcome::terminated || !kept) co_return done;

    auto const sequence = co_await audit.append(std::move(entries));
    if (!sequence) {
        done.audit_failure = sequence.error();
        co_return done;
    }
    done.audit_sequence = *sequence;
    settled_record const settled{request.termination_id, static_cast<std::int64_t>(*sequence)};
    auto const settle = [&settled](auto& tx) { settle_outbox(tx, {settled}); };
    // If this fails, the entry is found in the log when the outbox is recovered.
    auto const ignored = co_await storage.write(settle);
    static_cast<void>(ignored);
    co_return done;
}

} // namespace parley::consent
