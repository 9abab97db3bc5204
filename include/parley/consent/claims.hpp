// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The claims of a consent token (consent broker specification, §2), and how they are JSON.

#include <parley/error.hpp>
#include <parley/json.hpp>

#include <boost/hana/define_struct.hpp>
#include <boost/json/value.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace parley::consent {

/// A moment as JSON Web Tokens write it: seconds since 1970, fractions allowed. Finite.
struct unix_seconds {
    double value = 0;
};

} // namespace parley::consent

template <>
struct parley::json::codec<parley::consent::unix_seconds> {
    static result<consent::unix_seconds, problem> decode(boost::json::value const& v) {
        auto const seconds = codec<double>::decode(v);
        if (!seconds) return seconds.error();
        return consent::unix_seconds{*seconds};
    }
    /// Without an exponent where nothing is lost by it, as everyone else writes such numbers.
    static boost::json::value encode(consent::unix_seconds const& v) {
        bool const whole = std::abs(v.value) < 0x1p53 && std::trunc(v.value) == v.value;
        return whole ? codec<std::int64_t>::encode(static_cast<std::int64_t>(v.value))
                     : codec<double>::encode(v.value);
    }
};

namespace parley::consent {

/// What the patient signed (§2).
struct token_claims {
    BOOST_HANA_DEFINE_STRUCT(token_claims, (std::string, patient_agent_id),
                             (std::string, provider_npi),
                             (std::vector<std::string>, consented_actions), // opaque
                             (unix_seconds, iat),
                             (unix_seconds, exp), // the first moment it is no longer good
                             (std::optional<std::string>, nonce)); // opaque
};

} // namespace parley::consent
