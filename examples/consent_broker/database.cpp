// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include "database.hpp"

#include "support.hpp"

#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

namespace consent_broker {

namespace consent = parley::consent;

void print_report(std::string_view text) {
    std::cerr << "consent-broker: " << printable(text) << '\n';
}

database open_database(consent::configuration const& config, reporter report,
                       std::vector<consent::duplicate_relationship>* duplicates) {
    auto storage = database::open({.path = config.storage.path,
                                   .prepare_schema =
                                       [duplicates](soci::session& session) {
                                           // Of this process. The system caches the file anyway.
                                           session << "PRAGMA soft_heap_limit = 1048576";
                                           consent::prepare_schema(session);
                                           if (!duplicates) return;
                                           *duplicates =
                                               consent::find_duplicate_relationships(session);
                                       },
                                   .report = std::move(report)});
    if (!storage) throw command_error(exit_status::bad, "database " + storage.error().text());
    return std::move(*storage);
}

std::filesystem::path beside_database(consent::configuration const& config,
                                      std::string_view suffix) {
    std::error_code ec;
    std::filesystem::path path = config.storage.path;
    if (std::filesystem::is_symlink(path, ec)) {
        auto const target = std::filesystem::weakly_canonical(path, ec);
        if (!ec) path = target;
    }
    return path += suffix;
}

void require_database(consent::configuration const& config) {
    std::error_code unknown; // what cannot be looked at is left to whoever opens it
    if (!std::filesystem::exists(config.storage.path, unknown) && !unknown) {
        throw command_error(exit_status::bad,
                            "there is no database " +
                                std::filesystem::absolute(config.storage.path).string() +
                                " yet. `consent-broker provider add` or `consent-broker serve` "
                                "makes it;\nif it is elsewhere, correct storage.path in the "
                                "configuration.");
    }
}

database open_existing_database(consent::configuration const& config) {
    require_database(config);
    return open_database(config, print_report, nullptr);
}

database open_database_to_read(consent::configuration const& config) {
    require_database(config);
    bool is_current = false;
    auto storage = database::open({.path = config.storage.path,
                                   .prepare_schema =
                                       [&is_current](soci::session& session) {
                                           is_current = consent::is_schema_current(session);
                                       },
                                   .read_only = true,
                                   .report = print_report});
    if (!storage) throw command_error(exit_status::bad, "database " + storage.error().text());
    if (is_current) return std::move(*storage);
    return open_database(config, print_report, nullptr);
}

row_counts count_rows(consent::configuration const& config) {
    row_counts counts;
    auto const session =
        parley::soci_backend::sqlite3::connect({.path = config.storage.path, .read_only = true});
    *session << "SELECT (SELECT count(*) FROM provider_registrations), count(*), "
                "coalesce(sum(status = 'active'), 0) FROM relationships",
        soci::into(counts.providers), soci::into(counts.relationships),
        soci::into(counts.active_relationships);
    return counts;
}

audit_log open_audit(consent::configuration const& config, reporter report) {
    if (!config.audit.enabled) return {};
    auto log =
        parley::hash_chain_audit::open({.path = config.audit.path, .report = std::move(report)});
    if (!log) throw command_error(exit_status::bad, "audit log " + log.error().text());
    return audit_log(std::move(*log));
}

std::optional<parley::detail::posix_file> try_lock_database(consent::configuration const& config) {
    using parley::detail::posix_file;
    auto const path = beside_database(config, ".lock");
    auto const fail = [&](parley::error_code ec) {
        return command_error(exit_status::bad, path.string() +
                                                   ": expected a file that this user can make and "
                                                   "lock, found " +
                                                   ec.message());
    };
    if (auto ec = parley::detail::make_private_directories(path.parent_path())) throw fail(ec);
    auto file = posix_file::open(path, O_RDWR | O_CREAT, 0600);
    if (!file) throw fail(file.error());
    auto const ec = file->lock();
    if (ec.value() == EWOULDBLOCK) return std::nullopt;
    if (ec) throw fail(ec);
    return std::move(*file);
}

} // namespace consent_broker
