// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <tests/support/consent_world.hpp>

template class parley::basic_handshake_server<
    parley::consent::conversation, parley::memory_transport, parley::queueing_admission,
    parley::ed25519_verifier, parley::test::gated_storage, parley::test::gated_audit>;
