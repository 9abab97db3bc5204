// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The worker as a process: how it is started, with which descriptors, and how it is waited for.

#include <parley/detail/posix_file.hpp>
#include <parley/error.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling::mediasoup::detail {

/// Owns a file descriptor.
class owned_descriptor {
  public:
    owned_descriptor() = default;
    explicit owned_descriptor(int fd) : fd_(fd) {}
    owned_descriptor(owned_descriptor&& other) noexcept : fd_(other.release()) {}
    owned_descriptor& operator=(owned_descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~owned_descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }

    [[nodiscard]] int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;
};

/// Our end and the child's of one connection. Neither is inherited but as the child is told.
struct descriptor_pair {
    owned_descriptor ours;
    owned_descriptor theirs;
};

inline result<descriptor_pair> make_socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return parley::detail::posix_file::last_error();
    descriptor_pair pair{owned_descriptor(ends[0]), owned_descriptor(ends[1])};
    // Above the numbers that the child's get, or one of these would replace another.
    constexpr int free_number = 16;
    owned_descriptor high(::fcntl(pair.theirs.get(), F_DUPFD_CLOEXEC, free_number));
    if (high.get() < 0) return parley::detail::posix_file::last_error();
    pair.theirs = std::move(high);
    return pair;
}

/// A started process, which is killed and waited for when this goes. Not thread-safe.
class child_process {
  public:
    child_process() = default;
    explicit child_process(pid_t pid) : pid_(pid) {}
    child_process(child_process&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), end_(other.end_) {}
    child_process& operator=(child_process&& other) noexcept {
        std::swap(pid_, other.pid_);
        std::swap(end_, other.end_);
        return *this;
    }
    /// Blocks for as long as the kernel takes to end it: some milliseconds.
    ~child_process() {
        signal(SIGKILL);
        if (pid_ > 0) parley::detail::retry([this] { return ::waitpid(pid_, nullptr, 0); });
    }

    /// 0: there is none any more.
    [[nodiscard]] pid_t pid() const { return pid_; }

    void signal(int number) const {
        if (pid_ > 0) ::kill(pid_, number);
    }

    /// Whether it has ended; it is then forgotten by the kernel and by this. Does not block.
    bool reap() {
        if (pid_ <= 0) return true;
        int status = 0;
        auto const outcome =
            parley::detail::retry([&] { return ::waitpid(pid_, &status, WNOHANG); });
        if (outcome == 0) return false;
        // Where the program ignores SIGCHLD, or waits for all of its children, nothing is left.
        if (outcome > 0) end_ = status;
        pid_ = 0;
        return true;
    }

    /// How it ended: `exit code 42`, `signal 9`.
    [[nodiscard]] std::string how_it_ended() const {
        if (!end_) return "in a way that nobody saw";
        if (WIFSIGNALED(*end_)) return "signal " + std::to_string(WTERMSIG(*end_));
        return "exit code " + std::to_string(WEXITSTATUS(*end_));
    }

  private:
    pid_t pid_ = 0;
    std::optional<int> end_;
};

/// What posix_spawn(3) needs, freed when this goes.
class spawn_request {
  public:
    spawn_request() {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
    }
    spawn_request(spawn_request const&) = delete;
    spawn_request& operator=(spawn_request const&) = delete;
    ~spawn_request() {
        ::posix_spawnattr_destroy(&attributes_);
        ::posix_spawn_file_actions_destroy(&actions_);
    }

    /// The child's descriptors from 1 on; it gets /dev/null as 0, and none of this process's own,
    /// of which not all need be closed on exec: connections of clients are not.
    void give(std::vector<int> const& descriptors) {
        ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
        int number = 1;
        for (int const fd : descriptors)
            ::posix_spawn_file_actions_adddup2(&actions_, fd, number++);
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, number);
    }

    /// Signals as a program expects them, whatever this one does with its own; and a group of its
    /// own, so that an interrupt from the terminal ends only this program, which then ends the
    /// child.
    void isolate() {
        sigset_t none;
        sigset_t usual;
        ::sigemptyset(&none);
        ::sigemptyset(&usual);
        for (int const number : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD})
            ::sigaddset(&usual, number);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &usual);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                     POSIX_SPAWN_SETPGROUP);
    }

    result<child_process> start(std::vector<std::string> arguments,
                                std::vector<std::string> environment) {
        auto const pointers = [](std::vector<std::string>& strings) {
            std::vector<char*> out;
            for (auto& one : strings)
                out.push_back(one.data());
            out.push_back(nullptr);
            return out;
        };
        pid_t pid = 0;
        int const failed = ::posix_spawn(&pid, arguments.front().c_str(), &actions_, &attributes_,
                                         pointers(arguments).data(), pointers(environment).data());
        if (failed != 0) return error_code(failed, boost::system::system_category());
        return child_process(pid);
    }

  private:
    ::posix_spawn_file_actions_t actions_{};
    ::posix_spawnattr_t attributes_{};
};

} // namespace parley::signaling::mediasoup::detail
