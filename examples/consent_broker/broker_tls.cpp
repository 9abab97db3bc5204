// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "broker.hpp"

#include <parley/transport/tls_transport.hpp>

namespace consent_broker {

namespace {

parley::tls_transport open_transport(std::filesystem::path certificate, std::filesystem::path key) {
    try {
        return parley::tls_transport({std::move(certificate), std::move(key)});
    } catch (boost::system::system_error const& e) {
        throw command_error(exit_status::usage,
                            std::string("TLS: ") + e.what() +
                                ".\n--tls-cert and --tls-key name PEM files: a certificate with "
                                "its chain, and its private key.");
    }
}

} // namespace

int run_tls_broker(broker_parts parts, std::filesystem::path certificate,
                   std::filesystem::path key) {
    auto transport = open_transport(std::move(certificate), std::move(key));
    return broker<parley::tls_transport>(std::move(parts), std::move(transport)).run();
}

} // namespace consent_broker
