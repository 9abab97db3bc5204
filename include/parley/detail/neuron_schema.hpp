// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The tables of a Neuron v1 database, by the migrations that make them. The text is the original's
/// to the letter, white space included, so that a database made here is the same as one made there;
/// tables that this library does not use are made for the original's sake, and stay empty.

#include <parley/detail/migration.hpp>

#include <string_view>

namespace parley::detail {

// clang-format off

inline constexpr std::string_view neuron_1[] = {
R"(CREATE TABLE relationships (
        relationship_id TEXT PRIMARY KEY,
        patient_agent_id TEXT NOT NULL,
        provider_npi TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'pending',
        consented_actions TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      ))",
R"(CREATE INDEX idx_relationships_patient ON relationships(patient_agent_id))",
R"(CREATE INDEX idx_relationships_provider ON relationships(provider_npi))",
R"(CREATE INDEX idx_relationships_status ON relationships(status))",
R"(CREATE TABLE appointments (
        appointment_id TEXT PRIMARY KEY,
        relationship_id TEXT NOT NULL,
        provider_npi TEXT NOT NULL,
        scheduled_at TEXT NOT NULL,
        duration_minutes INTEGER NOT NULL,
        status TEXT NOT NULL DEFAULT 'scheduled',
        notes TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      ))",
R"(CREATE INDEX idx_appointments_relationship ON appointments(relationship_id))",
R"(CREATE INDEX idx_appointments_provider ON appointments(provider_npi))",
R"(CREATE INDEX idx_appointments_status ON appointments(status))",
R"(CREATE INDEX idx_appointments_scheduled ON appointments(scheduled_at))",
R"(CREATE TABLE billing_records (
        billing_id TEXT PRIMARY KEY,
        relationship_id TEXT NOT NULL,
        provider_npi TEXT NOT NULL,
        appointment_id TEXT,
        cpt_entries TEXT NOT NULL,
        icd10_codes TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'draft',
        total_amount REAL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
      ))",
R"(CREATE INDEX idx_billing_relationship ON billing_records(relationship_id))",
R"(CREATE INDEX idx_billing_status ON billing_records(status))",
R"(CREATE TABLE termination_records (
        termination_id TEXT PRIMARY KEY,
        relationship_id TEXT NOT NULL,
        provider_npi TEXT NOT NULL,
        reason TEXT NOT NULL,
        terminated_at TEXT NOT NULL,
        audit_entry_sequence INTEGER
      ))",
R"(CREATE TABLE cached_chart_entries (
        entry_id TEXT PRIMARY KEY,
        relationship_id TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        content TEXT NOT NULL,
        received_at TEXT NOT NULL
      ))",
R"(CREATE INDEX idx_chart_entries_relationship ON cached_chart_entries(relationship_id))",
R"(CREATE TABLE sync_state (
        relationship_id TEXT PRIMARY KEY,
        last_sync_at TEXT NOT NULL,
        entry_count INTEGER NOT NULL DEFAULT 0
      ))"};

inline constexpr std::string_view neuron_2[] = {
R"(CREATE TABLE neuron_registration (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        organization_npi TEXT NOT NULL,
        organization_name TEXT NOT NULL,
        organization_type TEXT NOT NULL,
        axon_registry_url TEXT NOT NULL,
        neuron_endpoint_url TEXT NOT NULL,
        registration_id TEXT,
        axon_bearer_token TEXT,
        status TEXT NOT NULL DEFAULT 'unregistered',
        first_registered_at TEXT,
        last_heartbeat_at TEXT,
        last_axon_response_at TEXT
      ))",
R"(CREATE TABLE provider_registrations (
        provider_npi TEXT PRIMARY KEY,
        axon_provider_id TEXT,
        registration_status TEXT NOT NULL DEFAULT 'pending',
        first_registered_at TEXT,
        last_heartbeat_at TEXT,
        last_axon_response_at TEXT
      ))"};

inline constexpr std::string_view neuron_3[] = {
"ALTER TABLE relationships ADD COLUMN patient_public_key TEXT NOT NULL DEFAULT ''"};

inline constexpr std::string_view neuron_4[] = {
R"(CREATE TABLE api_keys (
        key_id TEXT PRIMARY KEY,
        key_hash TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        created_at TEXT NOT NULL,
        revoked_at TEXT,
        last_used_at TEXT
      ))",
R"(CREATE INDEX idx_api_keys_hash ON api_keys(key_hash))"};

inline constexpr std::string_view neuron_5[] = {
"ALTER TABLE provider_registrations ADD COLUMN provider_name TEXT",
"ALTER TABLE provider_registrations ADD COLUMN provider_types TEXT",
"ALTER TABLE provider_registrations ADD COLUMN specialty TEXT"};

inline constexpr std::string_view neuron_6[] = {
R"(CREATE TABLE consent_relationships (
        id TEXT PRIMARY KEY,
        patient_public_key TEXT NOT NULL,
        provider_public_key TEXT NOT NULL,
        scope TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'pending',
        consent_token TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
      ))",
R"(CREATE INDEX idx_consent_rel_patient
        ON consent_relationships(patient_public_key))",
R"(CREATE INDEX idx_consent_rel_provider
        ON consent_relationships(provider_public_key))",
R"(CREATE INDEX idx_consent_rel_status
        ON consent_relationships(status))"};

inline constexpr std::string_view neuron_7[] = {
R"(CREATE TABLE audit_log (
        id TEXT PRIMARY KEY,
        timestamp INTEGER NOT NULL,
        action TEXT NOT NULL,
        relationship_id TEXT NOT NULL,
        actor_public_key TEXT NOT NULL,
        details TEXT NOT NULL,
        previous_hash TEXT NOT NULL,
        hash TEXT NOT NULL,
        signature TEXT NOT NULL
      ))",
R"(CREATE INDEX idx_audit_relationship
        ON audit_log(relationship_id))",
R"(CREATE INDEX idx_audit_timestamp
        ON audit_log(timestamp))"};

inline constexpr std::string_view neuron_8[] = {
R"(CREATE TABLE injectavox_visits (
        visit_id TEXT PRIMARY KEY,
        provider_npi TEXT NOT NULL,
        patient_id TEXT NOT NULL,
        visit_type TEXT NOT NULL,
        visit_date TEXT NOT NULL,
        chief_complaint TEXT NOT NULL,
        clinical_notes TEXT NOT NULL,
        vitals TEXT,
        assessment TEXT NOT NULL,
        plan TEXT NOT NULL,
        medications TEXT,
        follow_up TEXT,
        processed INTEGER NOT NULL DEFAULT 0,
        ingested_at TEXT NOT NULL
      ))",
R"(CREATE INDEX idx_injectavox_provider
        ON injectavox_visits(provider_npi))",
R"(CREATE INDEX idx_injectavox_processed
        ON injectavox_visits(processed))",
R"(CREATE INDEX idx_injectavox_patient
        ON injectavox_visits(patient_id))",
R"(CREATE INDEX idx_injectavox_ingested
        ON injectavox_visits(ingested_at))"};

// clang-format on

inline constexpr migration neuron_migrations[] = {
    {1,
     "Create core tables: relationships, appointments, billing, termination, chart cache, sync "
     "state",
     neuron_1},
    {2, "Create registration tables: neuron_registration, provider_registrations", neuron_2},
    {3, "Add patient_public_key to relationships table", neuron_3},
    {4, "Create api_keys table for REST API authentication", neuron_4},
    {5, "Add provider name, types, and specialty to provider_registrations", neuron_5},
    {6, "Create consent_relationships table for consent lifecycle tracking", neuron_6},
    {7, "Create audit_log table for consent audit trail with hash chain and Ed25519 signatures",
     neuron_7},
    {8, "Create injectavox_visits table for clinical data ingestion", neuron_8}};

} // namespace parley::detail
