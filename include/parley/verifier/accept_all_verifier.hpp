// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A verifier for tests.

#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>

#include <string_view>
#include <utility>
#include <variant>

namespace parley {

/// A verifier policy for tests only: every credential is genuine and belongs to the identity that
/// it was built with. `accept_all_verifier<signed_message, ed25519_public_key>` stands in for
/// `ed25519_verifier`. Thread-safe.
template <class Credential = std::string_view, class Identity = std::monostate>
class accept_all_verifier {
  public:
    using policy_kind = policy_kinds::verifier;
    using credential = Credential;
    using identity = Identity;

    explicit accept_all_verifier(identity everyone = {}) : everyone_(std::move(everyone)) {}

    /// Never an error.
    [[nodiscard]] result<identity> verify(credential const&) const { return everyone_; }

  private:
    identity everyone_;
};

} // namespace parley
