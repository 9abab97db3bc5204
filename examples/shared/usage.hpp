// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What to say about a command line that was not understood.

#include <span>
#include <string>

namespace CLI {
class App;
}

namespace shared {

/// The first word of a command line that is no command or option, and the nearest that is one;
/// empty when it is something else that is wrong. \param words without the program's name.
std::string explain_mistake(CLI::App const& program, std::span<char const* const> words);

} // namespace shared
