// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The rows of the consent broker's database (consent broker specification, §5). The members are
/// the columns; timestamps are ISO 8601 UTC with milliseconds and `Z`.

#include <parley/storage/table.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace parley::consent {

/// The values of `relationship::status`.
namespace relationship_status {
inline constexpr std::string_view pending = "pending";
inline constexpr std::string_view active = "active";
inline constexpr std::string_view suspended = "suspended";
inline constexpr std::string_view terminated = "terminated"; ///< for ever
} // namespace relationship_status

/// A patient's consent to one provider, and the key that the patient is known by.
struct relationship {
    BOOST_HANA_DEFINE_STRUCT(relationship, (std::string, relationship_id), // UUID v4
                             (std::string, patient_agent_id), (std::string, provider_npi),
                             (std::string, status),
                             // A JSON array, never interpreted; the original may leave it out.
                             (std::optional<std::string>, consented_actions),
                             (std::string, patient_public_key), // base64url
                             (std::string, created_at), (std::string, updated_at));
};

/// Why and when a relationship ended.
struct termination_record {
    BOOST_HANA_DEFINE_STRUCT(termination_record, (std::string, termination_id), // UUID v4
                             (std::string, relationship_id), (std::string, provider_npi),
                             (std::string, reason), (std::string, terminated_at),
                             (std::optional<std::int64_t>, audit_entry_sequence));
};

/// A provider that this organisation has registered.
struct provider_registration {
    BOOST_HANA_DEFINE_STRUCT(provider_registration, (std::string, provider_npi),
                             (std::optional<std::string>, axon_provider_id),
                             (std::string, registration_status),
                             (std::optional<std::string>, first_registered_at),
                             (std::optional<std::string>, last_heartbeat_at),
                             (std::optional<std::string>, last_axon_response_at),
                             (std::optional<std::string>, provider_name),
                             (std::optional<std::string>, provider_types), // a JSON array
                             (std::optional<std::string>, specialty));
};

/// Where a registered provider is to be reached. Not in a database of the original.
struct provider_addresses {
    BOOST_HANA_DEFINE_STRUCT(provider_addresses, (std::string, provider_npi),
                             (std::optional<std::string>, endpoint_url), // told to patients
                             (std::optional<std::string>, notify_url));  // told of patients (§4)
};

/// An audit entry that is not known to be in the audit log yet. It is committed together with the
/// change it describes, written to the log after that, and then removed. Not in a database of the
/// original.
struct outbox_record {
    BOOST_HANA_DEFINE_STRUCT(outbox_record, (std::string, outbox_id), // UUID v4
                             (std::string, category), (std::string, action),
                             (std::optional<std::string>, actor),
                             (std::string, details), // a JSON object
                             (std::string, created_at));
};

} // namespace parley::consent

template <>
struct parley::table<parley::consent::relationship> {
    static constexpr std::string_view name = "relationships";
    static constexpr std::string_view primary_key = "relationship_id";

    /// At most one is active for each patient and provider.
    static bool conflicts(consent::relationship const& a, consent::relationship const& b) {
        return a.status == consent::relationship_status::active && b.status == a.status &&
               a.patient_agent_id == b.patient_agent_id && a.provider_npi == b.provider_npi;
    }

    /// A terminated relationship stays terminated.
    static bool may_become(consent::relationship const& before,
                           consent::relationship const& after) {
        return before.status != consent::relationship_status::terminated ||
               after.status == before.status;
    }
};

template <>
struct parley::table<parley::consent::termination_record> {
    static constexpr std::string_view name = "termination_records";
    static constexpr std::string_view primary_key = "termination_id";
};

template <>
struct parley::table<parley::consent::provider_registration> {
    static constexpr std::string_view name = "provider_registrations";
    static constexpr std::string_view primary_key = "provider_npi";
};

template <>
struct parley::table<parley::consent::provider_addresses> {
    static constexpr std::string_view name = "parley_providers";
    static constexpr std::string_view primary_key = "provider_npi";
};

template <>
struct parley::table<parley::consent::outbox_record> {
    static constexpr std::string_view name = "parley_audit_outbox";
    static constexpr std::string_view primary_key = "outbox_id";
};
