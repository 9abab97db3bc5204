// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

#include "temporary_directory.hpp"

#include <libpq-fe.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace parley::test {

/// A PostgreSQL server of the tests' own, on a free port of the loopback interface, with its data
/// in a temporary directory. It ends with this process.
class postgresql_server {
  public:
    static constexpr char const* admin = "admin";
    static constexpr char const* password = "pass word'\\";

    postgresql_server() : port_(free_port()) {
        auto const home = directory_.path();
        std::ofstream(home / "password") << password;
        give_away(home);
        give_away(home / "password");
        int const made = wait(spawn(program("initdb"),
                                    {"-D", data(), "-U", admin, "--pwfile", home / "password", "-A",
                                     "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N"}));
        if (made != 0) throw std::runtime_error("initdb failed: " + log());
        start();
    }
    postgresql_server(postgresql_server const&) = delete;
    postgresql_server& operator=(postgresql_server const&) = delete;
    ~postgresql_server() { stop(); }

    /// Starts it, and waits until it can be connected to.
    void start() {
        process_ = spawn(program("postgres"), {"-D", data(), "-p", std::to_string(port_), "-h",
                                               "127.0.0.1", "-k", "", "-F"});
        for (int i = 0; i < 300; ++i) {
            auto const ready = "host=127.0.0.1 port=" + std::to_string(port_);
            if (PQping(ready.c_str()) == PQPING_OK) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        throw std::runtime_error("PostgreSQL does not start: " + log());
    }

    /// Ends it at once, as a crash does: connections break, and nothing is said to them.
    void stop() {
        if (process_ > 0) {
            ::kill(process_, SIGQUIT);
            wait(process_);
        }
        process_ = 0;
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }

  private:
    static std::string program(std::string const& name) {
        for (int version = 30; version >= 12; --version) {
            auto const path = "/usr/lib/postgresql/" + std::to_string(version) + "/bin/" + name;
            if (std::filesystem::exists(path)) return path;
        }
        throw std::runtime_error(name + " of PostgreSQL is not installed; scripts/setup.sh test "
                                        "installs the package postgresql");
    }

    [[nodiscard]] std::string data() const { return directory_.path() / "data"; }

    [[nodiscard]] std::string log() const {
        std::ifstream file(directory_.path() / "log");
        return {std::istreambuf_iterator<char>(file), {}};
    }

    static std::uint16_t free_port() {
        int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        bool const found = ::bind(fd, any, size) == 0 && ::getsockname(fd, any, &size) == 0;
        ::close(fd);
        if (!found) throw std::runtime_error("no free port");
        return ntohs(address.sin_port);
    }

    /// PostgreSQL does not run as root.
    static passwd const* user() {
        if (::getuid() != 0) return nullptr;
        auto const* const found = ::getpwnam("postgres");
        return found ? found : ::getpwnam("nobody");
    }

    static void give_away(std::filesystem::path const& path) {
        if (auto const* const to = user(); to && ::chown(path.c_str(), to->pw_uid, to->pw_gid) != 0)
            throw std::runtime_error("cannot give away " + path.native());
    }

    pid_t spawn(std::string const& path, std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), path);
        std::vector<char*> argv;
        for (auto& argument : arguments)
            argv.push_back(argument.data());
        argv.push_back(nullptr);
        auto const* const as = user();
        auto const log_path = (directory_.path() / "log").native();

        pid_t const child = ::fork();
        if (child != 0) return child;
        int const output = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        ::dup2(output, 1);
        ::dup2(output, 2);
        if (as && (::setgroups(0, nullptr) != 0 || ::setgid(as->pw_gid) != 0 ||
                   ::setuid(as->pw_uid) != 0))
            ::_exit(126);
        ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
        if (::chdir("/") != 0) ::_exit(126);
        ::execv(path.c_str(), argv.data());
        ::_exit(127);
    }

    static int wait(pid_t process) {
        int status = 0;
        ::waitpid(process, &status, 0);
        return status;
    }

    temporary_directory directory_;
    std::uint16_t port_;
    pid_t process_ = 0;
};

/// The one that all tests share.
inline postgresql_server& shared_postgresql_server() {
    static postgresql_server server;
    return server;
}

/// A connection past the backend, as another client has.
class raw_postgresql {
  public:
    explicit raw_postgresql(std::string const& database,
                            char const* user = postgresql_server::admin)
        : connection_(connect(database, user), PQfinish) {
        if (PQstatus(connection_.get()) != CONNECTION_OK)
            throw std::runtime_error(PQerrorMessage(connection_.get()));
        PQsetNoticeProcessor(
            connection_.get(), [](void*, char const*) {}, nullptr);
    }

    void execute(std::string const& sql) { (void)query(sql); }

    /// The first column of the first row, if there is one.
    std::string query(std::string const& sql) {
        std::unique_ptr<PGresult, decltype(&PQclear)> const result(
            PQexec(connection_.get(), sql.c_str()), PQclear);
        auto const status = PQresultStatus(result.get());
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
            throw std::runtime_error(sql + ": " + PQerrorMessage(connection_.get()));
        return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
    }

  private:
    static PGconn* connect(std::string const& database, char const* user) {
        auto const port = std::to_string(shared_postgresql_server().port());
        char const* const names[] = {"host", "port", "dbname", "user", "password", nullptr};
        char const* const values[] = {
            "127.0.0.1", port.c_str(), database.c_str(), user, postgresql_server::password,
            nullptr};
        return PQconnectdbParams(names, values, 0);
    }

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

} // namespace parley::test
