// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Admission without a limit: an empty type, for which no code is generated.

#include <parley/admission/admission.hpp>
#include <parley/policy_kinds.hpp>

#include <cstddef>

namespace parley {

/// Everybody may in, at once.
class unlimited_admission {
  public:
    using policy_kind = policy_kinds::admission;

    struct ticket {
        [[nodiscard]] static admission_state state() { return admission_state::admitted; }
        [[nodiscard]] static std::chrono::milliseconds wait_limit() { return {}; }
        [[nodiscard]] static std::chrono::seconds retry_after() { return {}; }
    };

    [[nodiscard]] static ticket enter(admission_request const&) { return {}; }
};

} // namespace parley
