// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The page that comes with a program.

#include "program.hpp"

#include <parley/static_files.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace shared {

/// Nothing but what the server itself has, and no inline script; Content-Security-Policy 3.
inline constexpr auto strict_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

/// The folder of a program's own page: installed beside it, or where it was built.
inline std::filesystem::path own_page(std::string const& program,
                                      std::filesystem::path const& built) {
    std::error_code ec;
    auto const path = std::filesystem::read_symlink("/proc/self/exe", ec);
    auto const installed = path.parent_path().parent_path() / "share" / program / "web";
    return std::filesystem::is_directory(installed, ec) ? installed : built;
}

/// \throws command_error that names the configuration's `member`
inline parley::static_files load_files(std::filesystem::path const& root, std::string const& policy,
                                       std::string_view member) {
    auto loaded = parley::static_files::load({.root = root, .content_security_policy = policy});
    if (loaded) return std::move(*loaded);
    refuse(std::string(member) + ": " + loaded.error().text());
}

/// The page in the folder `root`; the program's own, where that is empty. \throws command_error
inline parley::static_files load_page(std::string const& program,
                                      std::filesystem::path const& built, std::string const& root,
                                      std::string const& policy = strict_policy) {
    return root.empty() ? load_files(own_page(program, built), policy, "the program's page")
                        : load_files(root, policy, "web.root");
}

} // namespace shared
