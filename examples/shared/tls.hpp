// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// TLS by the options `--tls-cert` and `--tls-key`.

#include "program.hpp"

#include <parley/transport/tls_transport.hpp>

#include <filesystem>
#include <string>
#include <utility>

namespace shared {

/// \throws command_error when the files cannot be used
inline parley::tls_transport open_tls(std::filesystem::path certificate,
                                      std::filesystem::path key) {
    try {
        return parley::tls_transport({std::move(certificate), std::move(key)});
    } catch (boost::system::system_error const& e) {
        throw command_error(exit_status::usage,
                            std::string("TLS: ") + e.what() +
                                ".\n--tls-cert and --tls-key name PEM files: a certificate with "
                                "its chain, and its private key.");
    }
}

} // namespace shared
