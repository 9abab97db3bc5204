// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "voice.hpp"

#include <parley/transport/tcp_transport.hpp>

namespace voice_signaling {

int run_tcp_voice(voice_parts parts) {
    return voice<parley::tcp_transport>(std::move(parts), parley::tcp_transport()).run();
}

} // namespace voice_signaling
