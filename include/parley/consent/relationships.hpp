// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the consent broker does with its records, over a transaction of any storage policy. Nothing
/// here reads a clock, makes an id or does I/O; and whatever is done in one transaction happens
/// wholly or not at all.
///
/// \code
/// auto outcome = co_await storage.write(
///     [&](auto& tx) { return parley::consent::establish_relationship(tx, request); });
/// \endcode

#include <parley/consent/records.hpp>
#include <parley/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace parley::consent {

// --- providers
// ------------------------------------------------------------------------------------

/// A registered provider.
struct provider {
    std::string npi;
    std::optional<std::string> name = {};
    std::optional<std::string> types = {}; ///< a JSON array of strings
    std::optional<std::string> specialty = {};
    std::optional<std::string> endpoint_url =
        {}; ///< what patients are told; empty: the default of §2
    std::optional<std::string> notify_url = {}; ///< where the provider is told of patients (§4)
};

namespace detail {

inline provider describe(provider_registration row, std::optional<provider_addresses> at) {
    provider described{.npi = std::move(row.provider_npi),
                       .name = std::move(row.provider_name),
                       .types = std::move(row.provider_types),
                       .specialty = std::move(row.specialty)};
    if (at) {
        described.endpoint_url = std::move(at->endpoint_url);
        described.notify_url = std::move(at->notify_url);
    }
    return described;
}

/// Inserts the row, or replaces the one of the same primary key.
template <class Tx, class Row>
void put(Tx& tx, Row const& row) {
    if (!tx.update(row)) tx.insert(row);
}

} // namespace detail

/// The provider, if it is registered here.
template <class Tx>
std::optional<provider> find_provider(Tx& tx, std::string const& npi) {
    auto row = tx.template find<provider_registration>(where<"provider_npi">(npi));
    if (!row) return std::nullopt;
    return detail::describe(std::move(*row),
                            tx.template find<provider_addresses>(where<"provider_npi">(npi)));
}

/// Every registered provider, in the order of their NPIs.
template <class Tx>
std::vector<provider> list_providers(Tx& tx) {
    std::vector<provider> all;
    for (auto& row : tx.template select<provider_registration>()) {
        auto at = tx.template find<provider_addresses>(where<"provider_npi">(row.provider_npi));
        all.push_back(detail::describe(std::move(row), std::move(at)));
    }
    return all;
}

/// Registers a provider, or replaces what is known of it; since when it is registered, and what the
/// original noted of its registry, stay.
/// \param now a timestamp.
template <class Tx>
void add_provider(Tx& tx, provider const& added, std::string const& now) {
    auto row = tx.template find<provider_registration>(where<"provider_npi">(added.npi))
                   .value_or(provider_registration{});
    row.provider_npi = added.npi;
    row.registration_status = "registered";
    if (!row.first_registered_at) row.first_registered_at = now;
    row.provider_name = added.name;
    row.provider_types = added.types;
    row.specialty = added.specialty;
    detail::put(tx, row);
    detail::put(tx, provider_addresses{added.npi, added.endpoint_url, added.notify_url});
}

/// Takes a provider's registration away; its relationships stay. False when there was none.
template <class Tx>
bool remove_provider(Tx& tx, std::string const& npi) {
    tx.template remove<provider_addresses>(where<"provider_npi">(npi));
    return tx.template remove<provider_registration>(where<"provider_npi">(npi)) != 0;
}

// --- the audit outbox
// -----------------------------------------------------------------------------

/// An outbox record whose entry is in the audit log now.
struct settled_record {
    std::string outbox_id;
    std::optional<std::int64_t> sequence; ///< of the entry; empty when there is no audit log
};

/// The audit entries that are not known to be in the log, oldest first: after a crash they may or
/// may not be there.
template <class Tx>
std::vector<outbox_record> pending_outbox(Tx& tx) {
    auto pending = tx.template select<outbox_record>();
    std::ranges::stable_sort(pending, {}, &outbox_record::created_at);
    return pending;
}

/// Removes records from the outbox. The sequence number of a termination's entry goes into its
/// termination record. Records that are gone already are no error.
template <class Tx>
void settle_outbox(Tx& tx, std::vector<settled_record> const& settled) {
    for (auto const& [id, sequence] : settled) {
        tx.template remove<outbox_record>(where<"outbox_id">(id));
        // `terminate_relationship` gave the outbox record the id of the termination.
        auto termination = tx.template find<termination_record>(where<"termination_id">(id));
        if (!termination || !sequence) continue;
        termination->audit_entry_sequence = sequence;
        tx.update(*termination);
    }
}

// --- relationships
// --------------------------------------------------------------------------------

/// Which relationships to list; an empty member does not restrict.
struct relationship_filter {
    std::optional<std::string> patient_agent_id = {};
    std::optional<std::string> provider_npi = {};
    std::optional<std::string> status = {};
};

/// The relationships that pass the filter, oldest first.
template <class Tx>
std::vector<relationship> list_relationships(Tx& tx, relationship_filter const& filter) {
    auto found = tx.template select<relationship>(
        where_if<"patient_agent_id">(filter.patient_agent_id),
        where_if<"provider_npi">(filter.provider_npi), where_if<"status">(filter.status));
    std::ranges::stable_sort(found, {}, &relationship::created_at);
    return found;
}

/// The relationship that a patient has with a provider now. In a database that holds duplicates, it
/// is the oldest: the key it pinned was there first.
template <class Tx>
std::optional<relationship> find_active_relationship(Tx& tx, std::string const& patient_agent_id,
                                                     std::string const& provider_npi) {
    auto active = list_relationships(tx, {.patient_agent_id = patient_agent_id,
                                          .provider_npi = provider_npi,
                                          .status = std::string(relationship_status::active)});
    if (active.empty()) return std::nullopt;
    return std::move(active.front());
}

/// A relationship, and how it ended if it did.
struct relationship_history {
    relationship now;
    std::optional<termination_record> termination;
};

template <class Tx>
std::optional<relationship_history> get_relationship(Tx& tx, std::string const& id) {
    auto row = tx.template find<relationship>(where<"relationship_id">(id));
    if (!row) return std::nullopt;
    return relationship_history{std::move(*row),
                                tx.template find<termination_record>(where<"relationship_id">(id))};
}

/// What a handshake asks for, once everything in it is proven (§3, step 7).
struct establish_request {
    std::string patient_agent_id;
    std::string provider_npi;
    std::string patient_public_key;   ///< base64url
    std::string consented_actions;    ///< a JSON array
    std::string new_id;               ///< of the relationship, should one be created
    std::string now;                  ///< a timestamp
    std::vector<outbox_record> audit; ///< kept only if one is created
};

struct establish_outcome {
    enum class kind {
        created,
        existing,     ///< there was one; nothing was changed
        key_mismatch, ///< there is one with another public key; nothing was changed
        provider_gone ///< the provider is not registered (any more); nothing was changed
    };
    kind how;
    std::optional<relationship> is; ///< when `created` or `existing`
};

/// Creates the active relationship unless there is one. Of handshakes that race for one patient and
/// provider, one gets `created` and the others `existing`, all with the same relationship.
template <class Tx>
establish_outcome establish_relationship(Tx& tx, establish_request const& request) {
    using kind = establish_outcome::kind;
    if (!tx.template find<provider_registration>(where<"provider_npi">(request.provider_npi))) {
        return {kind::provider_gone, {}};
    }
    if (auto there = find_active_relationship(tx, request.patient_agent_id, request.provider_npi)) {
        if (there->patient_public_key != request.patient_public_key) {
            return {kind::key_mismatch, {}};
        }
        return {kind::existing, std::move(there)};
    }
    relationship const created{request.new_id,
                               request.patient_agent_id,
                               request.provider_npi,
                               std::string(relationship_status::active),
                               request.consented_actions,
                               request.patient_public_key,
                               request.now,
                               request.now};
    tx.insert(created);
    for (auto const& record : request.audit)
        tx.insert(record);
    return {kind::created, created};
}

struct terminate_request {
    std::string relationship_id;
    std::string provider_npi; ///< who asks
    std::string reason;
    std::string termination_id; ///< a new UUID
    std::string now;            ///< a timestamp
    /// Its `outbox_id` is replaced by `termination_id`; empty when there is no audit log.
    std::optional<outbox_record> audit;
};

enum class terminate_outcome {
    terminated,
    not_found,
    not_owner, ///< it is the relationship of another provider
    already_terminated
};

/// Ends a relationship for ever: its status, its termination record and the audit entry together.
/// Only by its own provider. Nothing is changed unless the outcome is `terminated`.
template <class Tx>
terminate_outcome terminate_relationship(Tx& tx, terminate_request const& request) {
    auto row = tx.template find<relationship>(where<"relationship_id">(request.relationship_id));
    if (!row) return terminate_outcome::not_found;
    if (row->provider_npi != request.provider_npi) return terminate_outcome::not_owner;
    if (row->status == relationship_status::terminated) {
        return terminate_outcome::already_terminated;
    }
    row->status = relationship_status::terminated;
    row->updated_at = request.now;
    tx.update(*row);
    tx.insert(termination_record{request.termination_id,
                                 request.relationship_id,
                                 request.provider_npi,
                                 request.reason,
                                 request.now,
                                 {}});
    if (auto audit = request.audit) {
        audit->outbox_id = request.termination_id; // so that settling it finds the termination
        tx.insert(*audit);
    }
    return terminate_outcome::terminated;
}

/// A unit of work that writes, and changes nothing in the end: whether a database that failed can
/// be written again.
inline auto try_writing() {
    return [](auto& tx) {
        outbox_record const probe{random_uuid(), "probe", "probe", std::nullopt, "{}", ""};
        tx.insert(probe);
        return tx.template remove<outbox_record>(where<"outbox_id">(probe.outbox_id));
    };
}

} // namespace parley::consent
