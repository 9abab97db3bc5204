// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The verifier of a server that was given none.

#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>

#include <string_view>
#include <variant>

namespace parley {

/// A verifier policy, the default: a server that forgot to say whom it trusts trusts nobody.
struct refuse_all_verifier {
    using policy_kind = policy_kinds::verifier;
    using credential = std::string_view;
    using identity = std::monostate;

    /// Always `errc::credential_refused`.
    [[nodiscard]] result<identity> verify(credential const&) const {
        return errc::credential_refused;
    }
};

} // namespace parley
