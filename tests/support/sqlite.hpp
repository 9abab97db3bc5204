// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

#include <parley/storage/sqlite3.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace parley::test {

using sqlite_storage = soci_storage<soci_backend::sqlite3>;

/// A connection to the database past the storage, as another process has.
class raw_database {
  public:
    explicit raw_database(std::filesystem::path const& path)
        : session_(soci::sqlite3, "db=\"" + path.native() + '"') {}

    /// \throws soci::soci_error
    void execute(std::string_view sql) { session_ << sql; }

    /// The first column of the rows, each ended by a newline.
    std::string query(std::string const& sql) {
        std::string text;
        soci::rowset<std::string> const rows = (session_.prepare << sql);
        for (auto const& row : rows)
            text += row + '\n';
        return text;
    }

    int number(std::string const& sql) {
        int value = 0;
        session_ << sql, soci::into(value);
        return value;
    }

    soci::session& session() { return session_; }

  private:
    soci::session session_;
};

} // namespace parley::test
