// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/consent/relationships.hpp>
#include <parley/consent/schema.hpp>

#include "../support/relationships_suite.hpp"
#include "../support/sqlite.hpp"
#include "../support/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

using namespace parley;
using namespace parley::test;

namespace {

std::string const all_of_the_original =
    "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_master "
    "WHERE name NOT LIKE 'parley\\_%' ESCAPE '\\' AND name NOT LIKE '%autoindex_parley\\_%' "
    "ESCAPE '\\' ORDER BY rowid";
std::string const versions = "SELECT version || ' ' || description FROM schema_version "
                             "ORDER BY version";

struct fixture {
    temporary_directory directory;
    std::filesystem::path path = directory / "neuron.db";
    std::vector<consent::duplicate_relationship> duplicates;

    /// A database that the original wrote.
    void copy_original() {
        std::filesystem::copy_file(std::filesystem::path(PARLEY_TEST_VECTORS) / "neuron-v1.db",
                                   path);
    }

    sqlite_storage::options options() {
        return {.path = path, .prepare_schema = [this](soci::session& session) {
                    consent::prepare_schema(session);
                    duplicates = consent::find_duplicate_relationships(session);
                }};
    }

    void open() { sqlite_storage storage(options()); }

    std::string query(std::string const& sql) { return raw_database(path).query(sql); }
};

/// Makes the database what the original had left at that version.
void go_back_to(raw_database& database, int version) {
    for (auto const& step : parley::detail::neuron_migrations) {
        if (step.version > version) break;
        if (step.version == 1) {
            database.execute("CREATE TABLE schema_version (\n      version INTEGER PRIMARY KEY,\n"
                             "      applied_at TEXT NOT NULL,\n      description TEXT NOT NULL\n"
                             "    )");
        }
        for (auto statement : step.statements)
            database.execute(statement);
        database.execute("INSERT INTO schema_version VALUES (" + std::to_string(step.version) +
                         ", 'long ago', '" + std::string(step.description) + "')");
    }
}

std::string insert_relationship(std::string const& id, std::string const& status) {
    return "INTO relationships (relationship_id, patient_agent_id, provider_npi, status, "
           "consented_actions, created_at, updated_at) VALUES ('" +
           id + "', 'patient-9', '1245319599', '" + status + "', '[]', '" + id + "', 't')";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(neuron_database, fixture)

BOOST_AUTO_TEST_CASE(relationships_behave_as_specified_in_sqlite) {
    for (auto const& scenario : relationship_scenarios<sqlite_storage>()) {
        BOOST_TEST_CONTEXT(scenario.name) {
            path = directory / scenario.name;
            sqlite_storage storage(options());
            scenario.run({storage});
        }
    }
}

BOOST_AUTO_TEST_CASE(a_database_of_the_original_opens_with_all_that_is_in_it) {
    copy_original();
    sqlite_storage storage(options());
    broker<sqlite_storage> b{storage};
    BOOST_TEST(duplicates.empty());
    BOOST_TEST(b.list().size() == 3u);
    BOOST_TEST(b.list({.status = "active"}).size() == 2u);
    auto const mine = b.find_active().value();
    BOOST_TEST(mine.relationship_id == "0d3b7c1e-0d53-4a0e-8f5e-7d7d0f6f9b01");
    BOOST_TEST(mine.patient_public_key == key);
    BOOST_TEST(mine.consented_actions.value() == R"(["office_visit","lab_results"])");
    BOOST_TEST(mine.created_at == "2026-02-21T10:15:30.123Z");
    auto const ended = b.get("9c1f8f60-77f5-4a5e-8d0d-3e2d6d9c4d03").value();
    BOOST_TEST(ended.now.status == "terminated");
    BOOST_TEST(ended.termination->reason == "moved away");
    BOOST_TEST_REQUIRE(b.providers().size() == 1u);
    BOOST_TEST(b.find_provider(npi)->name.value() == "Dr. Example");
}

BOOST_AUTO_TEST_CASE(the_original_finds_its_schema_as_it_left_it) {
    copy_original();
    auto const schema = query(all_of_the_original);
    auto const when = query("SELECT version || applied_at || description FROM schema_version");
    for (auto day : {"first", "second"}) {
        sqlite_storage storage(options());
        broker<sqlite_storage> b{storage};
        b.add_provider({.npi = npi, .endpoint_url = "wss://example.org"});
        auto request = handshake(day);
        request.patient_agent_id = day;
        BOOST_TEST(b.establish(request).is.has_value());
        BOOST_TEST((b.terminate(termination(day)) == consent::terminate_outcome::terminated));
    }
    BOOST_TEST(query(all_of_the_original) == schema);
    BOOST_TEST(query("SELECT version || applied_at || description FROM schema_version") == when);
    BOOST_TEST(query("PRAGMA integrity_check") == "ok\n");
    BOOST_TEST(query("SELECT version || '' FROM parley_schema") == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(a_new_database_is_one_of_the_original) {
    copy_original();
    auto const schema = query(all_of_the_original);
    auto const described = query(versions);
    path = directory / "new.db";
    open();
    BOOST_TEST(query(all_of_the_original) == schema);
    BOOST_TEST(query(versions) == described);
    auto const odd = query("SELECT applied_at FROM schema_version WHERE applied_at NOT GLOB "
                           "'20[0-9][0-9]-[01][0-9]-[0-3][0-9]T*:*:*.[0-9][0-9][0-9]Z'");
    BOOST_TEST(odd == "");
}

BOOST_AUTO_TEST_CASE(older_versions_are_migrated_once) {
    open();
    auto const schema = query(all_of_the_original);
    auto const described = query(versions);
    for (int version = 1; version <= 7; ++version) {
        BOOST_TEST_CONTEXT("version " << version) {
            path = directory / std::to_string(version).c_str();
            {
                raw_database old(path);
                go_back_to(old, version);
                old.execute("INSERT " + insert_relationship("kept", "active"));
            }
            open();
            open();
            BOOST_TEST(query(all_of_the_original) == schema);
            BOOST_TEST(query(versions) == described);
            BOOST_TEST(raw_database(path).number(
                           "SELECT count(*) FROM schema_version WHERE applied_at = 'long ago'") ==
                       version);
            BOOST_TEST(query("SELECT relationship_id || patient_public_key FROM relationships") ==
                       "kept\n");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_database_of_no_version_yet_is_new) {
    raw_database(path).execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, "
                               "applied_at TEXT NOT NULL, description TEXT NOT NULL)");
    open();
    BOOST_TEST(raw_database(path).number("SELECT max(version) FROM schema_version") == 8);
}

BOOST_AUTO_TEST_CASE(newer_databases_and_those_of_others_are_refused_unchanged) {
    copy_original();
    raw_database(path).execute("INSERT INTO schema_version VALUES (9, 'later', 'unknown')");
    auto const before = query("SELECT name FROM sqlite_master");
    auto const newer = sqlite_storage::open(options());
    BOOST_TEST(newer.error().found.find("schema_version is 9, newer than 8") != std::string::npos);
    BOOST_TEST(query("SELECT name FROM sqlite_master") == before);

    path = directory / "other.db";
    raw_database(path).execute("CREATE TABLE recipes (name TEXT)");
    auto const others = sqlite_storage::open(options());
    BOOST_TEST(others.error().found.find("another program") != std::string::npos);
    BOOST_TEST(query("SELECT name FROM sqlite_master") == "recipes\n");
    BOOST_TEST(query("PRAGMA journal_mode") == "delete\n");

    path = directory / "ours.db";
    open();
    raw_database(path).execute("INSERT INTO parley_schema VALUES (99, 'later', 'unknown')");
    auto const ours = sqlite_storage::open(options());
    BOOST_TEST(ours.error().found.find("parley_schema is 99") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(duplicates_are_reported_by_name_and_nothing_is_deleted) {
    copy_original();
    {
        raw_database original(path);
        original.execute("INSERT " + insert_relationship("2-later", "active"));
        original.execute("INSERT " + insert_relationship("1-earlier", "active"));
        original.execute("INSERT " + insert_relationship("0-ended", "terminated"));
    }
    sqlite_storage storage(options());
    BOOST_TEST_REQUIRE(duplicates.size() == 1u);
    BOOST_TEST(duplicates[0].patient_agent_id == "patient-9");
    BOOST_TEST(duplicates[0].provider_npi == "1245319599");
    BOOST_TEST(
        (duplicates[0].relationship_ids == std::vector<std::string>{"1-earlier", "2-later"}));

    broker<sqlite_storage> b{storage};
    BOOST_TEST(b.list().size() == 6u);
    auto again = handshake("new");
    again.patient_agent_id = "patient-9";
    again.patient_public_key = "";
    BOOST_TEST(b.establish(again).is->relationship_id == "1-earlier");

    // The operator can put it right.
    raw_database(path).execute("UPDATE relationships SET updated_at = 't2'");
    BOOST_TEST((b.terminate(termination("2-later")) == consent::terminate_outcome::terminated));
    open();
    BOOST_TEST(duplicates.empty());
}

BOOST_AUTO_TEST_CASE(the_database_enforces_the_rules_on_any_program) {
    open();
    raw_database database(path);
    auto const refused = [&](std::string const& sql) {
        BOOST_CHECK_THROW(database.execute(sql), soci::soci_error);
    };
    database.execute("INSERT " + insert_relationship("a", "active"));
    refused("INSERT " + insert_relationship("b", "active"));
    refused("INSERT OR REPLACE " + insert_relationship("b", "active"));
    refused("INSERT OR IGNORE " + insert_relationship("b", "active"));
    database.execute("INSERT " + insert_relationship("c", "pending"));
    refused("UPDATE relationships SET status = 'active' WHERE relationship_id = 'c'");
    database.execute("UPDATE relationships SET status = 'terminated' WHERE relationship_id = 'a'");
    database.execute("UPDATE relationships SET status = 'active' WHERE relationship_id = 'c'");
    for (auto status : {"'active'", "'pending'", "'suspended'", "''"}) {
        refused("UPDATE relationships SET status = " + std::string(status) +
                " WHERE relationship_id = 'a'");
        refused("UPDATE OR REPLACE relationships SET status = " + std::string(status) +
                " WHERE relationship_id = 'a'");
    }
    refused("INSERT OR REPLACE " + insert_relationship("a", "pending"));
    refused("UPDATE OR REPLACE relationships SET relationship_id = 'a' "
            "WHERE relationship_id = 'c'");
    refused("UPDATE relationships SET relationship_id = 'd' WHERE relationship_id = 'a'");
    database.execute("UPDATE relationships SET updated_at = 'u' WHERE relationship_id = 'a'");
    BOOST_TEST(database.query("SELECT relationship_id || status FROM relationships ORDER BY 1") ==
               "aterminated\ncactive\n");
}

BOOST_AUTO_TEST_CASE(handshakes_that_race_leave_one_active_relationship) {
    sqlite_storage one(options()), two(options()); // as of two processes
    broker<sqlite_storage>{one}.add_provider({.npi = npi});
    std::atomic<int> created = 0, existing = 0;
    auto const race = [&](sqlite_storage& storage, std::string const& name) {
        for (int i = 0; i < 50; ++i) {
            auto request = handshake(name + std::to_string(i));
            request.patient_agent_id = "patient " + std::to_string(i);
            auto const how = broker<sqlite_storage>{storage}.establish(request).how;
            created += how == consent::establish_outcome::kind::created;
            existing += how == consent::establish_outcome::kind::existing;
        }
    };
    {
        std::jthread a([&] { race(one, "a"); }), b([&] { race(two, "b"); });
    }
    BOOST_TEST(created == 50);
    BOOST_TEST(existing == 50);
    BOOST_TEST(query("SELECT count(*) || '' FROM relationships") == "50\n");
}

BOOST_AUTO_TEST_CASE(an_active_relationship_is_found_by_index) {
    open();
    raw_database database(path);
    std::string plan;
    int id = 0, parent = 0, unused = 0;
    database.session() << "EXPLAIN QUERY PLAN SELECT * FROM relationships WHERE "
                          "patient_agent_id = '' AND provider_npi = '' AND status = 'active' "
                          "ORDER BY relationship_id",
        soci::into(id), soci::into(parent), soci::into(unused), soci::into(plan);
    BOOST_TEST(plan.find("parley_relationships_by_pair (patient_agent_id=? AND provider_npi=? AND "
                         "status=?)") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
