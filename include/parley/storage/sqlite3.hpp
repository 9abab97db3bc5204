// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// SQLite as the database of a `soci_storage`. Needs libsoci_core, libsoci_sqlite3 and libsqlite3,
/// and that `<sqlite3.h>` is not included before it (SOCI puts it in a namespace of its own).

#include <parley/detail/posix_file.hpp>
#include <parley/encoding.hpp>
#include <parley/storage/soci_storage.hpp>

#include <soci/sqlite3/soci-sqlite3.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace parley::soci_backend {

/// A database file in WAL mode with `synchronous=FULL`: one fsync for each commit, and readers that
/// neither wait for a writer nor hold one up. Other processes may use the file at the same time.
struct sqlite3 {
    struct options {
        /// The database. It and its directories are made when missing, for this user only (modes
        /// 0600 and 0700); the mode of a file that is there is left alone.
        std::filesystem::path path;
        /// Makes or migrates the tables; called once, when opening, inside a transaction that holds
        /// the write lock. What it throws makes opening fail, and undoes what it did.
        std::function<void(soci::session&)> prepare_schema = [](soci::session&) {};
        /// Opens a database that is there, only to look at it: nothing is made, no writer is waited
        /// for or held up, and `prepare_schema` as every `write` fails if it tries to change
        /// something. Enough for that is the right to read the file, and what is beside it (`-wal`,
        /// `-shm`) while another process has it open.
        bool read_only = false;
        /// How many operations may wait, of writes and of reads each.
        std::size_t max_queued = 10'000;
        /// How long to wait for a lock of another process.
        std::chrono::milliseconds busy_timeout = std::chrono::seconds(5);
        /// Told why an operation failed; never told the values of a row. Called on the threads of
        /// the storage. It must not throw.
        std::function<void(std::string_view)> report = [](std::string_view) {};
    };

    static constexpr std::string_view begin_write = "BEGIN IMMEDIATE";
    static constexpr std::string_view begin_read = "BEGIN DEFERRED";

    static std::unique_ptr<soci::session> connect(options const& o) {
        auto const path = std::filesystem::absolute(o.path);
        if (path.native().find('"') != std::string::npos) {
            throw std::invalid_argument("a double quote in its name"); // SOCI cannot open those
        }
        if (!o.read_only) {
            check(detail::make_private_directories(path.parent_path()), path.parent_path());
            check(make_private_file(path), path);
        }
        auto const source = o.read_only ? source_to_read(path) : source_of(path);
        auto session = std::make_unique<soci::session>(soci::sqlite3, source);
        *session << "PRAGMA busy_timeout = " << o.busy_timeout.count();
        *session << "PRAGMA foreign_keys = ON";
        return session;
    }

    static void make_writer(soci::session& session) {
        std::string mode;
        session << "PRAGMA journal_mode = WAL", soci::into(mode);
        if (mode != "wal") throw std::runtime_error("a file system without shared memory for WAL");
        session << "PRAGMA synchronous = FULL";
    }

    static void make_reader(soci::session& session) { session << "PRAGMA query_only = ON"; }

    static errc classify(soci::soci_error const& e) {
        return code_of(e) == SQLITE_CONSTRAINT ? errc::constraint_violated
                                               : errc::storage_unavailable;
    }

    static problem open_problem(options const& o, std::exception const& e) {
        auto const text = detail::message_without_values(e);
        if (auto const* file = dynamic_cast<std::filesystem::filesystem_error const*>(&e)) {
            return {file->path1(),
                    o.read_only ? "a file that this user may read"
                                : "a place that this user may read and write",
                    file->code().message()};
        }
        std::string const place = o.read_only ? "a database that this user may read, with the "
                                                "files of its name and -wal and -shm"
                                              : "a place that this user may read and write";
        switch (code_of(e)) {
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
            return {o.path, "an SQLite database", text};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {o.path,
                    "a database that no other program locks for longer than " +
                        std::to_string(o.busy_timeout.count()) + " ms",
                    text};
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
            return {o.path, place, text};
        default:
            return {o.path, "a database that this program can use", text};
        }
    }

  private:
    /// Makes an empty file unless there is one, which must then be readable and writable. That one
    /// is not opened: closing it again would take away the locks that SQLite has on it.
    static error_code make_private_file(std::filesystem::path const& file) {
        auto const made = detail::posix_file::open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (made) return {};
        if (made.error() != boost::system::errc::file_exists) return made.error();
        if (std::filesystem::is_directory(file)) {
            return make_error_code(boost::system::errc::is_a_directory);
        }
        return ::access(file.c_str(), R_OK | W_OK) == 0 ? error_code()
                                                        : detail::posix_file::last_error();
    }

    static std::string source_of(std::filesystem::path const& path) {
        return "db=\"" + path.native() + '"';
    }

    /// How to open a file without making others beside it that would stay there, or be ours where
    /// the database is another user's.
    static std::string source_to_read(std::filesystem::path const& path) {
        check(::access(path.c_str(), R_OK) == 0 ? error_code() : detail::posix_file::last_error(),
              path);
        auto const folder = path.has_parent_path() ? path.parent_path() : ".";
        if (::access(path.c_str(), W_OK) == 0 && ::access(folder.c_str(), W_OK) == 0) {
            return source_of(path); // what SQLite makes then, it removes
        }
        for (auto const* suffix : {"-wal", "-journal"}) {
            auto beside = path;
            beside += suffix;
            std::error_code ignored;
            if (std::filesystem::exists(beside, ignored)) {
                return source_of(path) + " readonly=true";
            }
        }
        // Nobody has it open, so all that it holds is in the file itself.
        return "db=\"file:" + percent_encoded(path.native()) + "?immutable=1\" readonly=true";
    }

    static std::string percent_encoded(std::string_view path) {
        std::string out;
        for (char const c : path) {
            if (c == '%' || c == '?' || c == '#') {
                out.append(1, '%').append(to_hex(std::array{static_cast<std::uint8_t>(c)}));
            } else {
                out += c;
            }
        }
        return out;
    }

    static void check(error_code ec, std::filesystem::path const& path) {
        if (ec) throw std::filesystem::filesystem_error("", path, ec);
    }

    /// SQLite's primary result code; `SQLITE_ERROR` for what is not of SQLite.
    static int code_of(std::exception const& e) {
        auto const* from_sqlite = dynamic_cast<soci::sqlite3_soci_error const*>(&e);
        return from_sqlite ? from_sqlite->result() & 0xff : SQLITE_ERROR;
    }
};

} // namespace parley::soci_backend
