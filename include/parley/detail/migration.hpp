// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Bringing an SQLite database to a version of its schema, step by step, each step once.

#include <soci/soci.h>

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace parley::detail {

/// What leads from the version before to `version`.
struct migration {
    int version;
    std::string_view description;
    std::span<std::string_view const> statements;
};

inline bool has_table(soci::session& session, std::string const& name) {
    int count = 0;
    session << "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name",
        soci::use(name), soci::into(count);
    return count != 0;
}

/// The version that the table `versions` has noted last; 0 when there is no such table.
/// \throws std::runtime_error when it is newer than `newest`.
inline int schema_version(soci::session& session, std::string const& versions, int newest) {
    if (!has_table(session, versions)) return 0;
    int current = 0;
    session << "SELECT coalesce(max(version), 0) FROM " << versions, soci::into(current);
    if (current <= newest) return current;
    throw std::runtime_error("one whose " + versions + " is " + std::to_string(current) +
                             ", newer than " + std::to_string(newest) +
                             ", the newest that this program knows");
}

/// Runs those of `migrations` that are later than what the table `versions` has noted, and notes
/// them there; makes that table when there is none. To be called inside a transaction.
/// \throws std::runtime_error, before anything was changed, when the database is newer than the
/// last of `migrations`.
inline void migrate(soci::session& session, std::string const& versions,
                    std::span<migration const> migrations) {
    int const current = schema_version(session, versions, migrations.back().version);
    if (!has_table(session, versions)) {
        session << "CREATE TABLE " << versions
                << " (\n      version INTEGER PRIMARY KEY,\n      applied_at TEXT NOT NULL,\n"
                   "      description TEXT NOT NULL\n    )";
    }
    for (auto const& step : migrations) {
        if (step.version <= current) continue;
        for (auto statement : step.statements)
            session << statement;
        std::string const description(step.description);
        session << "INSERT INTO " << versions
                << " VALUES (:version, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), :description)",
            soci::use(step.version), soci::use(description);
    }
}

} // namespace parley::detail
