// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

#include "temporary_directory.hpp"

#include <hiredis/hiredis.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace parley::test {

/// A Redis server of the test's own, on a unix socket in a temporary directory. It keeps nothing
/// on disk, and ends with this process.
class redis_server {
  public:
    /// Empty when Redis is not installed.
    static std::string program() {
        for (auto const* path : {"/usr/bin/redis-server", "/usr/local/bin/redis-server"})
            if (std::filesystem::exists(path)) return path;
        return "";
    }

    /// \param arguments more of them, such as `--requirepass`
    explicit redis_server(std::vector<std::string> arguments = {})
        : arguments_(std::move(arguments)) {
        start();
    }
    redis_server(redis_server const&) = delete;
    redis_server& operator=(redis_server const&) = delete;
    ~redis_server() { stop(); }

    [[nodiscard]] std::string socket() const { return directory_.path() / "redis"; }
    [[nodiscard]] std::string url() const { return "unix://" + socket(); }

    /// Starts it, empty, and waits until it can be connected to.
    void start() {
        process_ = spawn();
        for (int i = 0; i < 600; ++i) {
            std::unique_ptr<redisContext, decltype(&redisFree)> const c(
                redisConnectUnix(socket().c_str()), redisFree);
            if (c && c->err == 0) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        throw std::runtime_error("Redis does not start");
    }

    /// Ends it at once, as a crash does.
    void stop() {
        if (process_ <= 0) return;
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
        process_ = 0;
        std::filesystem::remove(socket());
    }

    /// It stays connected, and says nothing.
    void hang() const { ::kill(process_, SIGSTOP); }
    void go_on() const { ::kill(process_, SIGCONT); }

  private:
    [[nodiscard]] pid_t spawn() const {
        std::vector<std::string> all{
            program(),      "--port", "0",     "--unixsocket",    socket(),     "--save", "",
            "--appendonly", "no",     "--dir", directory_.path(), "--loglevel", "warning"};
        all.insert(all.end(), arguments_.begin(), arguments_.end());
        std::vector<char*> argv;
        for (auto& argument : all)
            argv.push_back(argument.data());
        argv.push_back(nullptr);
        auto const log = (directory_.path() / "log").native();
        pid_t const child = ::fork();
        if (child != 0) return child;
        int const output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        ::dup2(output, 1);
        ::dup2(output, 2);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }

    temporary_directory directory_;
    std::vector<std::string> arguments_;
    pid_t process_ = 0;
};

/// A connection past the store, as an operator's redis-cli has. Answers are written as texts, those
/// with several parts with spaces between.
class raw_redis {
  public:
    explicit raw_redis(redis_server const& server)
        : connection_(redisConnectUnix(server.socket().c_str()), redisFree) {
        if (!connection_ || connection_->err != 0) throw std::runtime_error("no connection");
    }

    std::string operator()(std::vector<std::string> const& command) {
        std::vector<char const*> texts;
        std::vector<std::size_t> sizes;
        for (auto const& part : command) {
            texts.push_back(part.data());
            sizes.push_back(part.size());
        }
        std::unique_ptr<redisReply, void (*)(void*)> const reply(
            static_cast<redisReply*>(redisCommandArgv(
                connection_.get(), static_cast<int>(command.size()), texts.data(), sizes.data())),
            freeReplyObject);
        if (!reply) throw std::runtime_error(connection_->errstr);
        return written(*reply);
    }

  private:
    static std::string written(redisReply const& reply) {
        if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
        if (reply.type == REDIS_REPLY_NIL) return "nothing";
        if (reply.type != REDIS_REPLY_ARRAY)
            return {reply.str, static_cast<std::size_t>(reply.len)};
        std::string all;
        for (std::size_t i = 0; i < reply.elements; ++i)
            all += (i > 0 ? " " : "") + written(*reply.element[i]);
        return all;
    }

    std::unique_ptr<redisContext, decltype(&redisFree)> connection_;
};

} // namespace parley::test
