// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace parley::test {

/// A directory of its own for one test, gone with everything in it when the test ends.
class temporary_directory {
  public:
    temporary_directory() {
        auto pattern = (std::filesystem::temp_directory_path() / "parley-test-XXXXXX").native();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary directory");
        path_ = pattern;
    }
    temporary_directory(temporary_directory const&) = delete;
    temporary_directory& operator=(temporary_directory const&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    [[nodiscard]] std::filesystem::path operator/(char const* name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

} // namespace parley::test
