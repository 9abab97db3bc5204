// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Appending to a file all or nothing, durably.

#include <parley/error.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace parley::detail {

/// A file that only grows, by whole and durable pieces. Not thread-safe.
/// \tparam File has `write`, `sync` and `truncate` as `posix_file` has, and was opened to append.
template <class File>
class append_file {
  public:
    /// \param length the bytes in `file`, all of which are good.
    append_file(File file, std::uint64_t length) : file_(std::move(file)), length_(length) {}

    /// Appends `data`. When this returns an error, the file is as it was before the call and the
    /// next call tries anew; if it cannot be put back so, this and all later calls fail, since who
    /// knows what they would build upon.
    error_code append(std::string_view data) {
        if (broken_) return broken_;
        error_code ec = file_.write(data);
        if (!ec) ec = file_.sync();
        if (!ec) {
            length_ += data.size();
            return {};
        }
        // After a failed sync the system may think that pages it never wrote are clean. Cutting
        // them off and writing the next entries anew makes them dirty again.
        if (file_.truncate(length_)) broken_ = ec;
        return ec;
    }

    /// Has an append failed in a way that no later one can mend?
    [[nodiscard]] bool broken() const { return broken_.failed(); }

  private:
    File file_;
    std::uint64_t length_;
    error_code broken_;
};

} // namespace parley::detail
