// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An open file, with the calls that writing durably needs. Errors are values, EINTR is not seen.

#include <parley/error.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

namespace parley::detail {

/// Calls until no signal interrupts.
template <class Call>
auto retry(Call call) {
    auto outcome = call();
    while (outcome < 0 && errno == EINTR)
        outcome = call();
    return outcome;
}

/// Owns a file descriptor. Not thread-safe.
class posix_file {
  public:
    /// \param flags as for open(2); the file is never inherited by a child process.
    /// \param mode of the file, if this creates it.
    static result<posix_file> open(std::filesystem::path const& path, int flags, mode_t mode = 0) {
        int const fd = retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
        if (fd < 0) return last_error();
        return posix_file(fd);
    }

    posix_file(posix_file&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    posix_file& operator=(posix_file&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~posix_file() {
        if (fd_ >= 0) ::close(fd_);
    }

    /// Stays this object's.
    [[nodiscard]] int descriptor() const { return fd_; }

    /// The error that the last call of the operating system left.
    static error_code last_error() { return {errno, boost::system::system_category()}; }

    /// Locks the file against every other opener, for as long as this object lives; fails at once
    /// when another holds it.
    error_code lock() {
        return check(retry([&] { return ::flock(fd_, LOCK_EX | LOCK_NB); }));
    }

    /// The bytes in the file; an error for what is no regular file.
    result<std::uint64_t> size() const {
        struct stat status {};
        if (::fstat(fd_, &status) != 0) return last_error();
        if (!S_ISREG(status.st_mode)) return make_error_code(boost::system::errc::invalid_seek);
        return static_cast<std::uint64_t>(status.st_size);
    }

    /// Fills `buffer` from what follows in the file; fewer bytes, or none, at its end.
    result<std::string_view> read(std::span<char> buffer) {
        auto const count = retry([&] { return ::read(fd_, buffer.data(), buffer.size()); });
        if (count < 0) return last_error();
        return std::string_view(buffer.data(), static_cast<std::size_t>(count));
    }

    /// Fills all of `buffer` from `offset` on; the end of the file is an error.
    error_code read_at(std::uint64_t offset, std::span<char> buffer) const {
        while (!buffer.empty()) {
            auto const count = retry([&] {
                return ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(offset));
            });
            if (count < 0) return last_error();
            if (count == 0) return make_error_code(boost::system::errc::io_error);
            offset += static_cast<std::uint64_t>(count);
            buffer = buffer.subspan(static_cast<std::size_t>(count));
        }
        return {};
    }

    /// Writes all of `data`; upon an error some of it may have been written.
    error_code write(std::string_view data) {
        while (!data.empty()) {
            auto const count = retry([&] { return ::write(fd_, data.data(), data.size()); });
            if (count < 0) return last_error();
            if (count == 0) return make_error_code(boost::system::errc::io_error);
            data.remove_prefix(static_cast<std::size_t>(count));
        }
        return {};
    }

    /// Waits until what was written, and how long the file is, are on the disk.
    error_code sync() {
        return check(retry([&] { return ::fdatasync(fd_); }));
    }

    /// As `sync`, for a directory as well: the names in it are then on the disk.
    error_code sync_all() {
        return check(retry([&] { return ::fsync(fd_); }));
    }

    error_code truncate(std::uint64_t length) {
        return check(retry([&] { return ::ftruncate(fd_, static_cast<off_t>(length)); }));
    }

  private:
    explicit posix_file(int fd) : fd_(fd) {}

    static error_code check(int outcome) { return outcome < 0 ? last_error() : error_code(); }

    int fd_;
};

/// Makes the names in a directory durable. The empty path is the current directory.
inline error_code sync_directory(std::filesystem::path const& directory) {
    auto opened = posix_file::open(directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
    return opened ? opened->sync_all() : opened.error();
}

/// Makes what is missing of `directory`, durably and for nobody but the owner (mode 0700).
inline error_code make_private_directories(std::filesystem::path const& directory) {
    std::error_code ignored; // what cannot be looked at cannot be made either, which says why
    if (directory.empty() || std::filesystem::is_directory(directory, ignored)) return {};
    if (auto ec = make_private_directories(directory.parent_path())) return ec;
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return posix_file::last_error();
    return sync_directory(directory.parent_path());
}

} // namespace parley::detail
