// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "broker.hpp"

#include <parley/transport/tcp_transport.hpp>

namespace consent_broker {

int run_tcp_broker(broker_parts parts) {
    return broker<parley::tcp_transport>(std::move(parts), parley::tcp_transport()).run();
}

} // namespace consent_broker
