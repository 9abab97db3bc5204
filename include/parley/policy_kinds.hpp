// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The kinds of policy that a `basic_handshake_server` is composed of. A type says which kind it is
/// with a member alias: `using policy_kind = parley::policy_kinds::admission;`.

namespace parley::policy_kinds {

struct transport {};    ///< how bytes arrive, and what time it is
struct admission {};    ///< may this peer in now, later, or not?
struct verifier {};     ///< is this credential genuine, and whose is it?
struct storage {};      ///< what is known already, and what must be remembered
struct audit {};        ///< what happened, provably
struct conversation {}; ///< what is said between the upgrade and the close

} // namespace parley::policy_kinds
