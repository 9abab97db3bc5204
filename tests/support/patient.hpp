// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Patients' agents, as the tests of the consent broker need them.

#include <parley/consent/client_messages.hpp>
#include <parley/message.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>

namespace parley::test {

inline std::string const registered_npi = "1245319599";
inline std::string const unregistered_npi = "1234567893";
inline std::string const organization_npi = "1003000126";

/// When the clock of a `memory_world` starts, and a moment long after, in Unix seconds.
inline constexpr double beginning = 1'767'225'600;
inline constexpr double far_future = 4'102'444'800;

/// A patient's agent.
struct patient {
    ed25519_key key = ed25519_key::generate();
    consent::token_claims claims{"patient-001", registered_npi, {"office_visit", "lab_results"},
                                 {beginning},   {far_future},   {}};
    std::string endpoint = "wss://patient.test/agent";

    /// The first message.
    [[nodiscard]] consent::handshake_auth auth() const {
        return consent::make_auth(key, claims, endpoint);
    }
    [[nodiscard]] std::string auth_text() const { return encode_message(auth()); }

    /// The answer to the text of a challenge.
    [[nodiscard]] std::string answer(std::string const& challenge) const {
        auto const question =
            decode_message<consent::handshake_challenge>(json::parse(challenge).value());
        return encode_message(consent::answer_challenge(key, question.value()).value());
    }

    [[nodiscard]] std::string public_key() const { return to_base64url(key.public_key()); }
};

inline patient patient_called(std::string id) {
    patient p;
    p.claims.patient_agent_id = std::move(id);
    return p;
}

/// What a message from the broker is, or a failed test.
template <class M>
M as(std::string const& text) {
    auto const value = json::parse(text);
    BOOST_REQUIRE_MESSAGE(value, "not JSON: '" << text << "'");
    auto const decoded = decode_message<M>(*value);
    BOOST_REQUIRE_MESSAGE(decoded, "not a " << M::type << ": " << text);
    return *decoded;
}

} // namespace parley::test
