// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// JSON Web Tokens (RFC 7519, compact serialisation; RFC 8725), verified strictly.

#include <parley/crypto/hmac_sha256.hpp>
#include <parley/crypto/jwt.hpp>
#include <parley/detail/exact_json.hpp>
#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/secret.hpp>
#include <parley/verifier/ed25519_verifier.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cryptopp/misc.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace parley {

/// Why a token is refused: words for the server's own log, without the token. Not for the peer.
struct jwt_refusal {
    std::string why;
};

/// A verifier policy: tokens of one issuer, signed with the one algorithm that its key is for. The
/// signature is checked first, in constant time, so that nothing is parsed that the issuer has not
/// signed. Refused are then: another `alg`, any `crit`, nested tokens (`cty`), a member that is
/// there twice, what is not yet valid (`nbf`) and what is not valid any more (`exp`; at that very
/// second, it is not). A token without `exp` does not expire; `iat` is not looked at. Thread-safe.
class jwt_verifier {
  public:
    using policy_kind = policy_kinds::verifier;
    using credential = std::string_view;
    using identity = boost::json::object; ///< the claims

    static constexpr std::size_t max_size = 8 * 1024; ///< of a token, in bytes

    struct options {
        /// A secret of at least 32 bytes: HS256. A public key: EdDSA with Ed25519.
        std::variant<secret, ed25519_public_key> key;
        std::chrono::milliseconds leeway{0}; ///< how far the issuer's clock may be off
        /// The calendar's clock; called from every I/O thread.
        std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
    };

    /// Throws std::invalid_argument for a secret that is too short, or a public key that is none.
    explicit jwt_verifier(options o) : options_(std::move(o)) {
        if (auto const* shared = std::get_if<secret>(&options_.key)) {
            detail::require_hs256_secret(shared->view());
        } else if (!is_acceptable_ed25519_key(std::get<ed25519_public_key>(options_.key))) {
            throw std::invalid_argument("the key for JWTs is no Ed25519 public key");
        }
    }

    /// The claims of a genuine token that is valid now, or `errc::credential_refused`.
    [[nodiscard]] result<identity> verify(credential token) const {
        auto checked = check(token);
        if (!checked) return errc::credential_refused;
        return std::move(*checked);
    }

    /// As `verify`, but says why not.
    [[nodiscard]] result<identity, jwt_refusal> check(credential token) const {
        if (token.size() > max_size)
            return jwt_refusal{"the token has " + std::to_string(token.size()) +
                               " bytes, at most " + std::to_string(max_size) + " are allowed"};
        auto const dots = std::ranges::count(token, '.');
        if (dots != 2) return jwt_refusal{wrong_form(dots)};
        auto const last = token.rfind('.');
        if (!is_genuine(token.substr(0, last), token.substr(last + 1)))
            return jwt_refusal{std::string("the signature is not one of this server's ") +
                               algorithm() + " key"};
        auto const first = token.find('.');
        auto const header = object_of(token.substr(0, first), "header");
        if (!header) return header.error();
        if (auto why = wrong_header(*header)) return jwt_refusal{std::move(*why)};
        auto claims = object_of(token.substr(first + 1, last - first - 1), "payload");
        if (!claims) return claims.error();
        if (auto why = wrong_time(*claims)) return jwt_refusal{std::move(*why)};
        return std::move(*claims);
    }

  private:
    static std::string wrong_form(std::ptrdiff_t dots) {
        if (dots == 4) return "the token is encrypted (JWE); only signed ones are accepted";
        return "the token has " + std::to_string(dots + 1) + " parts, a signed one has 3";
    }

    [[nodiscard]] char const* algorithm() const {
        return std::holds_alternative<secret>(options_.key) ? "HS256" : "EdDSA";
    }

    [[nodiscard]] bool is_genuine(std::string_view input, std::string_view signature) const {
        auto const given = from_base64url(signature);
        if (!given) return false;
        if (auto const* shared = std::get_if<secret>(&options_.key)) {
            auto const right = hmac_sha256(shared->view(), input);
            return given->size() == right.size() &&
                   CryptoPP::VerifyBufsEqual(given->data(), right.data(), right.size());
        }
        auto const& key = std::get<ed25519_public_key>(options_.key);
        return ed25519_verifier{}
            .verify(signed_message{key, detail::bytes_of(input), *given})
            .has_value();
    }

    static result<boost::json::object, jwt_refusal> object_of(std::string_view part,
                                                              std::string const& what) {
        auto const bytes = from_base64url(part);
        if (!bytes) return jwt_refusal{"the " + what + " is not base64url without padding"};
        std::string const text(bytes->begin(), bytes->end());
        auto parsed = detail::parse_exact_json(text, json::max_depth);
        if (!parsed) return jwt_refusal{"the " + what + ": " + parsed.error().text()};
        auto* const object = parsed->if_object();
        if (!object)
            return jwt_refusal{"the " + what + " is " + json::describe(*parsed) +
                               ", not a JSON object"};
        return std::move(*object);
    }

    [[nodiscard]] std::optional<std::string> wrong_header(boost::json::object const& header) const {
        auto const* const alg = header.if_contains("alg");
        if (!alg || *alg != boost::json::value(algorithm()))
            return "alg is " + (alg ? json::describe(*alg) : "missing") + ", only " + algorithm() +
                   " is accepted";
        if (header.contains("crit")) return "the header has extensions (crit), none is known";
        if (header.contains("cty"))
            return "the token is nested (cty), only plain ones are accepted";
        return std::nullopt;
    }

    [[nodiscard]] std::optional<std::string> wrong_time(boost::json::object const& claims) const {
        using seconds = std::chrono::duration<double>;
        auto const now = seconds(options_.now().time_since_epoch()).count();
        auto const leeway = seconds(options_.leeway).count();
        for (std::string_view const name : {"exp", "nbf"}) {
            auto const* const claim = claims.if_contains(name);
            if (!claim) continue;
            auto const date = json::codec<double>::decode(*claim); // a NumericDate (RFC 7519 §2)
            if (!date)
                return std::string(name) + ": expected seconds since 1970, found " +
                       date.error().found;
            if (name == "exp" && now >= *date + leeway) return "the token has expired (exp)";
            if (name == "nbf" && now + leeway < *date) return "the token is not valid yet (nbf)";
        }
        return std::nullopt;
    }

    options options_;
};

} // namespace parley
