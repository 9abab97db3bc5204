// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "voice.hpp"

#include <examples/shared/tls.hpp>

namespace voice_signaling {

int run_tls_voice(voice_parts parts, std::filesystem::path certificate, std::filesystem::path key) {
    auto transport = shared::open_tls(std::move(certificate), std::move(key));
    return voice<parley::tls_transport>(std::move(parts), std::move(transport)).run();
}

} // namespace voice_signaling
