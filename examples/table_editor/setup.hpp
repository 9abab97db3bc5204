// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// From a configuration to the parts of a table editor.

#include "editor_parts.hpp"

#include <parley/config_types.hpp>
#include <parley/tables/configuration.hpp>

#include <filesystem>

namespace table_editor {

/// What is written into a fresh configuration, and where commands look for it.
inline constexpr auto default_config = "./table-editor.json";

/// The configuration in the file and the environment, SESSION_TIMEOUT included, with what is to be
/// warned of. \throws command_error that has every problem.
parley::loaded_config<parley::tables::configuration>
load_configuration(std::filesystem::path const& path);

/// Opens everything that the configuration names. \param threads that will serve
/// \throws command_error
editor_parts make_parts(parley::tables::configuration config, unsigned threads);

} // namespace table_editor
