// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A server under measurement, in a process of its own.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace benchmarks {

/// A child whose output is read until it names its port. Ended with the object.
class child_process {
  public:
    explicit child_process(std::vector<std::string> const& command) {
        // A file takes whatever is said, so that a server never waits for its reader.
        output_ = open(std::filesystem::temp_directory_path().c_str(),
                       O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
        if (output_ < 0) throw std::runtime_error("cannot make a temporary file");
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, output_, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output_, STDERR_FILENO);
        std::vector<char*> arguments;
        arguments.reserve(command.size() + 1);
        for (auto const& word : command)
            arguments.push_back(const_cast<char*>(word.c_str()));
        arguments.push_back(nullptr);
        int const failed =
            posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        if (failed != 0) throw std::runtime_error("cannot start " + command.front());
    }

    child_process(child_process&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), output_(std::exchange(other.output_, -1)) {}
    child_process& operator=(child_process&&) = delete;

    ~child_process() {
        if (output_ >= 0) close(output_);
        if (pid_ <= 0) return;
        kill(pid_, SIGTERM);
        waitpid(pid_, nullptr, 0);
    }

    /// Runs a command to its end. \throws std::runtime_error with its output when it fails.
    static void run(std::vector<std::string> const& command) {
        child_process child(command);
        int status = 0;
        waitpid(std::exchange(child.pid_, 0), &status, 0);
        if (status != 0) throw std::runtime_error(command.front() + " failed: " + child.said());
    }

    /// The number after `port` in its output. \throws std::runtime_error when none comes in 10 s.
    std::uint16_t wait_for_port() {
        std::regex const pattern(R"(port[ =:"]+(\d+))");
        auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
        while (std::chrono::steady_clock::now() < deadline) {
            auto const text = said();
            std::smatch found;
            if (text.ends_with('\n') && std::regex_search(text, found, pattern)) {
                return static_cast<std::uint16_t>(std::stoi(found[1]));
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
        }
        throw std::runtime_error("a server did not name its port; it said: " + said());
    }

    /// User and system time so far.
    [[nodiscard]] double cpu_seconds() const {
        std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
        std::string text((std::istreambuf_iterator<char>(file)), {});
        std::istringstream fields(text.substr(text.rfind(')') + 1));
        std::string skipped;
        for (int i = 0; i < 11; ++i)
            fields >> skipped;
        double user = 0;
        double system = 0;
        fields >> user >> system;
        return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }

    [[nodiscard]] long resident_kib() const {
        std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
        long total = 0;
        long resident = 0;
        file >> total >> resident;
        return resident * (sysconf(_SC_PAGESIZE) / 1024);
    }

  private:
    /// What it has said so far, up to 64 KiB.
    [[nodiscard]] std::string said() const {
        std::string text(65'536, '\0');
        auto const n = pread(output_, text.data(), text.size(), 0);
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    }

    pid_t pid_ = 0;
    int output_ = -1;
};

} // namespace benchmarks
