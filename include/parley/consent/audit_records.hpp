// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the consent broker writes into its audit log (consent broker specification, §6).

#include <parley/audit/audit_record.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::consent {

/// \param action is `neuron_start` or `neuron_stop`.
inline audit_record admin_record(std::string action, std::string const& organization_npi) {
    return {"admin", std::move(action), std::nullopt, {{"npi", organization_npi}}};
}

inline audit_record handshake_started(std::string const& session_id, std::string const& patient) {
    return {"connection", "connection.handshake_started", patient, {{"session_id", session_id}}};
}

inline audit_record handshake_completed(std::string const& session_id, std::string const& patient,
                                        std::string const& relationship_id, std::string_view status,
                                        std::string const& provider_npi) {
    return {"connection",
            "connection.handshake_completed",
            patient,
            {{"session_id", session_id},
             {"relationship_id", relationship_id},
             {"status", boost::json::string_view(status.data(), status.size())},
             {"provider_npi", provider_npi}}};
}

/// \param provider_npi is `unknown` before it is known.
inline audit_record handshake_failed(std::string const& session_id, std::string const& patient,
                                     std::string_view error, std::string const& provider_npi) {
    return {"connection",
            "connection.handshake_failed",
            patient,
            {{"session_id", session_id},
             {"error", boost::json::string_view(error.data(), error.size())},
             {"provider_npi", provider_npi}}};
}

inline audit_record handshake_timeout(std::string const& session_id) {
    return {"connection", "connection.timeout", std::nullopt, {{"session_id", session_id}}};
}

inline audit_record relationship_established(std::string const& patient,
                                             std::string const& relationship_id,
                                             std::string const& provider_npi,
                                             std::vector<std::string> const& consented_actions) {
    boost::json::array actions(consented_actions.begin(), consented_actions.end());
    return {"consent",
            "consent.relationship_established",
            patient,
            {{"relationship_id", relationship_id},
             {"provider_npi", provider_npi},
             {"consented_actions", std::move(actions)}}};
}

inline audit_record relationship_terminated(std::string const& provider_npi,
                                            std::string const& relationship_id,
                                            std::string const& reason) {
    return {"termination",
            "termination.relationship_terminated",
            provider_npi,
            {{"relationship_id", relationship_id}, {"reason", reason}}};
}

} // namespace parley::consent
