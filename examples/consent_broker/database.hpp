// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The broker's database and its lock, as the commands open them.

#include "support.hpp"

#include <parley/audit/hash_chain_audit.hpp>
#include <parley/audit/optional_audit.hpp>
#include <parley/consent/configuration.hpp>
#include <parley/consent/schema.hpp>
#include <parley/detail/posix_file.hpp>
#include <parley/storage/sqlite3.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace consent_broker {

using database = parley::soci_storage<parley::soci_backend::sqlite3>;
using audit_log = parley::optional_audit<parley::hash_chain_audit>;

/// Told, on any thread, what an operator must know of a part that goes on working.
using reporter = std::function<void(std::string_view)>;

/// The reporter of commands that end soon: writes to standard error.
void print_report(std::string_view text);

/// Opens the database, makes it where there is none, and migrates it. \throws command_error.
/// \param duplicates gets the active relationships of which there is more than one, if it is given:
/// every relationship must be looked at for that.
database open_database(parley::consent::configuration const& config, reporter report,
                       std::vector<parley::consent::duplicate_relationship>* duplicates);

/// The file of that suffix beside the database itself, whatever symbolic link leads to it: whoever
/// uses one database has one lock and one control socket.
std::filesystem::path beside_database(parley::consent::configuration const& config,
                                      std::string_view suffix);

/// \throws command_error when there is no database. Makes nothing.
void require_database(parley::consent::configuration const& config);

/// Opens a database that is there. \throws command_error, also when there is none.
database open_existing_database(parley::consent::configuration const& config);

/// As above, only to read it, which needs no more than the right to do so, and no other program to
/// wait for; but where the tables are of an older version, they are migrated first.
database open_database_to_read(parley::consent::configuration const& config);

/// What a command read or wrote in the database. \throws command_error when it could not.
template <class T>
T value_of(parley::result<T> answer) {
    if (answer) return std::move(*answer);
    throw command_error(exit_status::bad, "the database: " + answer.error().message());
}

/// How many rows there are.
struct row_counts {
    std::int64_t providers = 0;
    std::int64_t relationships = 0; ///< of any status
    std::int64_t active_relationships = 0;
};

/// Counts in a database that is there. \throws soci::soci_error.
row_counts count_rows(parley::consent::configuration const& config);

/// The audit log, or none where the configuration says so. \throws command_error.
audit_log open_audit(parley::consent::configuration const& config, reporter report);

/// Makes this process the only one that runs a broker on the database, or does what only one may,
/// for as long as the returned file is open. Nothing, when another process is that.
/// \throws command_error.
std::optional<parley::detail::posix_file>
try_lock_database(parley::consent::configuration const& config);

} // namespace consent_broker
