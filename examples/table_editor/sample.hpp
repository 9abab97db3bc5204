// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Something to edit, for those who want to look first.

#include <filesystem>

namespace table_editor {

/// Makes an SQLite database with several tables, of which one has 100,000 rows. \param file is not
/// there yet. \throws std::exception
void make_sample(std::filesystem::path const& file);

} // namespace table_editor
