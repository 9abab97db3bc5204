// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "editor.hpp"

#include <examples/shared/tls.hpp>

namespace table_editor {

int run_tls_editor(editor_parts parts, std::filesystem::path certificate,
                   std::filesystem::path key) {
    auto transport = shared::open_tls(std::move(certificate), std::move(key));
    return editor<parley::tls_transport>(std::move(parts), std::move(transport)).run();
}

} // namespace table_editor
