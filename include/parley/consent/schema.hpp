// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The consent broker's SQLite database (consent broker specification, §5): that of the original,
/// which can still open it, and what this broker adds, all of it named `parley_…`.

#include <parley/detail/migration.hpp>
#include <parley/detail/neuron_schema.hpp>

#include <soci/soci.h>

#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace parley::consent {

namespace detail {

/// Triggers rather than a unique index, which could not be made where there are duplicates already.
/// What is active already may be updated, so that duplicates can be put right.
inline constexpr std::string_view parley_1[] = {
    R"(CREATE TABLE parley_providers (
        provider_npi TEXT PRIMARY KEY,
        endpoint_url TEXT,
        notify_url TEXT
      ))",
    R"(CREATE TABLE parley_audit_outbox (
        outbox_id TEXT PRIMARY KEY,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        actor TEXT,
        details TEXT NOT NULL,
        created_at TEXT NOT NULL
      ))",
    R"(CREATE INDEX parley_relationships_by_pair
        ON relationships(patient_agent_id, provider_npi, status))",
    R"(CREATE TRIGGER parley_one_active_on_insert BEFORE INSERT ON relationships
        WHEN NEW.status = 'active' AND EXISTS (
          SELECT 1 FROM relationships
          WHERE patient_agent_id = NEW.patient_agent_id AND provider_npi = NEW.provider_npi
            AND status = 'active')
        BEGIN SELECT RAISE(ABORT, 'the patient has an active relationship with the provider'); END)",
    R"(CREATE TRIGGER parley_one_active_on_update BEFORE UPDATE ON relationships
        WHEN NEW.status = 'active'
          AND (OLD.status <> 'active' OR OLD.patient_agent_id <> NEW.patient_agent_id
            OR OLD.provider_npi <> NEW.provider_npi)
          AND EXISTS (
            SELECT 1 FROM relationships
            WHERE patient_agent_id = NEW.patient_agent_id AND provider_npi = NEW.provider_npi
              AND status = 'active' AND relationship_id IS NOT OLD.relationship_id)
        BEGIN SELECT RAISE(ABORT, 'the patient has an active relationship with the provider'); END)",
    R"(CREATE TRIGGER parley_terminated_for_ever_on_update BEFORE UPDATE ON relationships
        WHEN OLD.status = 'terminated' AND NEW.status IS NOT 'terminated'
        BEGIN SELECT RAISE(ABORT, 'the relationship is terminated'); END)",
    R"(CREATE TRIGGER parley_terminated_for_ever_on_replace BEFORE INSERT ON relationships
        WHEN NEW.status IS NOT 'terminated' AND EXISTS (
          SELECT 1 FROM relationships
          WHERE relationship_id = NEW.relationship_id AND status = 'terminated')
        BEGIN SELECT RAISE(ABORT, 'the relationship is terminated'); END)"};

/// `UPDATE OR REPLACE` removes the row whose id another one takes, without a trigger for that.
inline constexpr std::string_view parley_2[] = {
    R"(CREATE TRIGGER parley_terminated_for_ever_on_rename BEFORE UPDATE ON relationships
        WHEN NEW.relationship_id IS NOT OLD.relationship_id
          AND (OLD.status = 'terminated' OR EXISTS (
            SELECT 1 FROM relationships
            WHERE relationship_id = NEW.relationship_id AND status = 'terminated'))
        BEGIN SELECT RAISE(ABORT, 'the relationship is terminated'); END)"};

inline constexpr parley::detail::migration parley_migrations[] = {
    {1, "Providers' addresses, audit outbox, rules for relationships", parley_1},
    {2, "Ids of terminated relationships", parley_2}};

} // namespace detail

/// Makes the tables in a new database, or brings an older one to Neuron's version 8 and adds this
/// broker's own. `schema_version` is not touched beyond the versions that the original makes, so
/// neither program runs a migration of the other again. For `options::prepare_schema`: to be called
/// inside a transaction.
/// \throws std::runtime_error when the database is of a newer version, or is another program's.
inline void prepare_schema(soci::session& session) {
    int tables = 0;
    session << "SELECT count(*) FROM sqlite_master", soci::into(tables);
    if (tables != 0 && !parley::detail::has_table(session, "schema_version")) {
        throw std::runtime_error("a database of another program: it has tables, but not the table "
                                 "schema_version");
    }
    parley::detail::migrate(session, "schema_version", parley::detail::neuron_migrations);
    parley::detail::migrate(session, "parley_schema", detail::parley_migrations);
}

/// Whether `prepare_schema` has nothing to do. To be called inside a transaction; only reads.
/// \throws std::runtime_error when the database is of a newer version.
inline bool is_schema_current(soci::session& session) {
    auto const is_newest = [&session](std::string const& versions, auto const& migrations) {
        int const newest = std::rbegin(migrations)->version;
        return parley::detail::schema_version(session, versions, newest) == newest;
    };
    return is_newest("schema_version", parley::detail::neuron_migrations) &&
           is_newest("parley_schema", detail::parley_migrations);
}

/// A patient and a provider with more than one active relationship.
struct duplicate_relationship {
    std::string patient_agent_id;
    std::string provider_npi;
    std::vector<std::string> relationship_ids; ///< two or more, oldest first
};

/// The duplicates in a database of the original, for the operator to put right: handshakes go on
/// with the oldest. To be called inside a transaction.
inline std::vector<duplicate_relationship> find_duplicate_relationships(soci::session& session) {
    std::vector<duplicate_relationship> duplicates;
    soci::rowset<soci::row> const rows =
        (session.prepare << "SELECT patient_agent_id, provider_npi, relationship_id "
                            "FROM relationships WHERE status = 'active' "
                            "AND (patient_agent_id, provider_npi) IN ("
                            "  SELECT patient_agent_id, provider_npi FROM relationships "
                            "  WHERE status = 'active' "
                            "  GROUP BY patient_agent_id, provider_npi HAVING count(*) > 1) "
                            "ORDER BY patient_agent_id, provider_npi, created_at, relationship_id");
    for (auto const& row : rows) {
        auto patient = row.get<std::string>(0);
        auto npi = row.get<std::string>(1);
        if (duplicates.empty() || duplicates.back().patient_agent_id != patient ||
            duplicates.back().provider_npi != npi) {
            duplicates.push_back({std::move(patient), std::move(npi), {}});
        }
        duplicates.back().relationship_ids.push_back(row.get<std::string>(2));
    }
    return duplicates;
}

} // namespace parley::consent
