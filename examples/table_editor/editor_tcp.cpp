// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "editor.hpp"

#include <parley/transport/tcp_transport.hpp>

namespace table_editor {

int run_tcp_editor(editor_parts parts) {
    return editor<parley::tcp_transport>(std::move(parts), parley::tcp_transport()).run();
}

} // namespace table_editor
