// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "broker.hpp"

#include <examples/shared/tls.hpp>

namespace consent_broker {

int run_tls_broker(broker_parts parts, std::filesystem::path certificate,
                   std::filesystem::path key) {
    auto transport = shared::open_tls(std::move(certificate), std::move(key));
    return broker<parley::tls_transport>(std::move(parts), std::move(transport)).run();
}

} // namespace consent_broker
