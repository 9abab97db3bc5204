// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/storage/sqlite3.hpp>

#include "../support/sqlite.hpp"
#include "../support/storage_suite.hpp"
#include "../support/temporary_directory.hpp"

#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/stat.h>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;

namespace {

struct fixture {
    temporary_directory directory;
    std::filesystem::path path = directory / "pets.db";
    std::mutex mutex;
    std::string reports;

    sqlite_storage::options options() {
        return {.path = path,
                .prepare_schema =
                    [](soci::session& session) {
                        if (!has_pets(session)) session << create_pets;
                    },
                .report =
                    [this](std::string_view text) {
                        std::scoped_lock lock(mutex);
                        reports.append(text) += '\n';
                    }};
    }

    static bool has_pets(soci::session& session) {
        int count = 0;
        session << "SELECT count(*) FROM sqlite_master WHERE name = 'pets'", soci::into(count);
        return count != 0;
    }

    std::string problem_of(sqlite_storage::options const& o) {
        auto const opened = sqlite_storage::open(o);
        return opened ? "none" : opened.error().text();
    }
};

pet numbered(int number) {
    return {"pet " + std::to_string(number), number, 0, {}, {}, {}};
}

/// Runs as many coroutines as wanted, all at once; `body(number)`.
template <class Body>
void run_many(int count, Body body) {
    asio::io_context io(1);
    for (int i = 0; i < count; ++i)
        asio::co_spawn(io, body(i), asio::detached);
    io.run();
}

unsigned mode_of(std::filesystem::path const& path) {
    struct stat status {};
    BOOST_TEST_REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777u;
}

bool says(std::string const& text, char const* part) {
    return text.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(sqlite, fixture)

BOOST_AUTO_TEST_CASE(finds_changes_and_removes_rows) {
    sqlite_storage storage(options());
    check_rows(storage);
}

BOOST_AUTO_TEST_CASE(keeps_any_value) {
    sqlite_storage storage(options());
    check_values(storage);
}

BOOST_AUTO_TEST_CASE(a_write_is_all_or_nothing) {
    sqlite_storage storage(options());
    check_atomicity(storage);
}

BOOST_AUTO_TEST_CASE(serves_coroutines) {
    sqlite_storage storage(options());
    check_coroutines(storage);
}

BOOST_AUTO_TEST_CASE(files_are_for_their_owner_only) {
    path = directory / "new/directories/pets.db";
    sqlite_storage storage(options());
    (void)storage.write_now([](auto& tx) { tx.insert(cat); });
    BOOST_TEST(mode_of(directory / "new") == 0700u);
    BOOST_TEST(mode_of(directory / "new/directories") == 0700u);
    BOOST_TEST(mode_of(path) == 0600u);
    BOOST_TEST(mode_of(path.native() + "-wal") == 0600u);
    BOOST_TEST(mode_of(path.native() + "-shm") == 0600u);
}

BOOST_AUTO_TEST_CASE(opens_names_that_look_like_options) {
    for (auto name : {"with space and = sign.db", " leading.db", "über.db", "a  b.db"}) {
        path = directory / name;
        {
            sqlite_storage storage(options());
            BOOST_TEST(storage.write_now([](auto& tx) { tx.insert(cat); }).has_value());
        }
        BOOST_TEST(std::filesystem::file_size(path) > 0u);
    }
}

BOOST_AUTO_TEST_CASE(says_why_it_cannot_open) {
    std::ofstream(directory / "text") << "this is a text of more than the sixteen bytes that a "
                                         "database begins with, and no database\n";
    path = directory / "text";
    BOOST_TEST(problem_of(options()) == path.native() + ": expected an SQLite database, found file "
                                                        "is not a database");

    path = directory.path();
    BOOST_TEST(says(problem_of(options()), "Is a directory"));

    path = directory / "text/pets.db";
    BOOST_TEST(says(problem_of(options()), "Not a directory"));

    path = "/proc/pets.db"; // no user may make files there
    BOOST_TEST(says(problem_of(options()), "expected a place that this user may read and write"));

    path = directory / "quote\".db";
    BOOST_TEST(says(problem_of(options()), "a double quote in its name"));
    BOOST_CHECK_THROW(sqlite_storage{options()}, std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(says_that_the_database_is_locked) {
    { sqlite_storage created(options()); }
    raw_database other(path);
    other.execute("BEGIN EXCLUSIVE");
    auto o = options();
    o.busy_timeout = 20ms;
    BOOST_TEST(says(problem_of(o), "expected a database that no other program locks"));
}

BOOST_AUTO_TEST_CASE(a_schema_that_is_refused_leaves_nothing) {
    auto o = options();
    o.prepare_schema = [](soci::session& session) {
        session << create_pets;
        throw std::runtime_error("a database of cats only");
    };
    BOOST_TEST(says(problem_of(o), "found a database of cats only"));
    BOOST_TEST(raw_database(path).number("SELECT count(*) FROM sqlite_master") == 0);
}

BOOST_AUTO_TEST_CASE(reopening_finds_everything) {
    {
        sqlite_storage storage(options());
        (void)storage.write_now([](auto& tx) { tx.insert(cat); });
    }
    sqlite_storage storage(options());
    auto const found = storage.read_now([](auto& tx) { return tx.template find<pet>(); });
    BOOST_TEST((found.value() == cat));
}

BOOST_AUTO_TEST_CASE(writes_that_wait_together_are_committed_together) {
    constexpr int count = 300;
    int done = 0;
    {
        sqlite_storage storage(options());
        raw_database other(path);
        other.execute("BEGIN IMMEDIATE"); // so that they gather
        std::jthread release([&] {
            std::this_thread::sleep_for(200ms);
            other.execute("COMMIT");
        });
        run_many(count, [&](int i) -> task<> {
            auto written = co_await storage.write([i](auto& tx) { tx.insert(numbered(i)); });
            BOOST_TEST(written.has_value());
            auto read = co_await storage.read([i](auto& tx) {
                return tx.template find<pet>(where<"name">(numbered(i).name)).has_value();
            });
            BOOST_TEST(read.value()); // a read sees what was written before it
            ++done;
        });
        // Each commit of its own would have put a page of 4096 bytes or more into the log.
        BOOST_TEST(std::filesystem::file_size(path.native() + "-wal") < count * 4096u / 3);
    }
    BOOST_TEST(done == count);
    BOOST_TEST(raw_database(path).number("SELECT count(*) FROM pets") == count);
}

BOOST_AUTO_TEST_CASE(one_that_throws_does_not_harm_the_others_of_its_batch) {
    constexpr int count = 100;
    sqlite_storage storage(options());
    int kept = 0, refused = 0, abandoned = 0, mistaken = 0;
    raw_database other(path);
    other.execute("BEGIN IMMEDIATE"); // so that they are one batch
    std::jthread release([&] {
        std::this_thread::sleep_for(50ms);
        other.execute("COMMIT");
    });
    run_many(count, [&](int i) -> task<> {
        try {
            auto written = co_await storage.write([i](auto& tx) {
                tx.insert(numbered(i));
                if (i % 4 == 1) tx.insert(numbered(0));
                if (i % 4 == 2) throw boost::system::system_error(errc::stopping);
                if (i % 4 == 3) throw std::logic_error("a bug");
            });
            kept += written.has_value();
            refused += written == result<std::monostate>(errc::constraint_violated);
            abandoned += written == result<std::monostate>(errc::stopping);
        } catch (std::logic_error const&) {
            ++mistaken;
        }
    });
    BOOST_TEST(kept == count / 4);
    BOOST_TEST(refused == count / 4);
    BOOST_TEST(abandoned == count / 4);
    BOOST_TEST(mistaken == count / 4);
    BOOST_TEST(other.number("SELECT count(*) FROM pets") == count / 4);
    BOOST_TEST(other.number("SELECT count(*) FROM pets WHERE legs % 4 = 0") == count / 4);
}

BOOST_AUTO_TEST_CASE(a_lock_of_another_process_only_delays) {
    sqlite_storage storage(options());
    raw_database other(path);
    other.execute("BEGIN IMMEDIATE");
    other.execute("INSERT INTO pets VALUES ('bird', 2, 0.05, NULL, NULL, NULL)");
    auto const begin = std::chrono::steady_clock::now();
    std::jthread release([&] {
        std::this_thread::sleep_for(200ms);
        other.execute("COMMIT");
    });
    auto const is_there = [](auto& tx) { return tx.template find<pet>().has_value(); };
    BOOST_TEST(!storage.read_now(is_there).value()); // does not wait, and sees what is committed
    BOOST_TEST(storage.write_now([](auto& tx) { tx.insert(cat); }).has_value());
    BOOST_TEST((std::chrono::steady_clock::now() - begin >= 150ms));
    auto const both = storage.read_now([](auto& tx) { return tx.template select<pet>().size(); });
    BOOST_TEST(both.value() == 2u); // also what the other process committed
}

BOOST_AUTO_TEST_CASE(a_batch_that_cannot_begin_fails_as_a_whole) {
    auto o = options();
    o.busy_timeout = 20ms;
    sqlite_storage storage(o);
    {
        raw_database other(path);
        other.execute("BEGIN IMMEDIATE");
        int failed = 0;
        run_many(10, [&](int i) -> task<> {
            auto written = co_await storage.write([i](auto& tx) { tx.insert(numbered(i)); });
            failed += written == result<std::monostate>(errc::storage_unavailable);
        });
        BOOST_TEST(failed == 10);
        BOOST_TEST(storage.failing());
    }
    BOOST_TEST(storage.write_now([](auto& tx) { tx.insert(numbered(1)); }).has_value());
    BOOST_TEST(!storage.failing());
}

BOOST_AUTO_TEST_CASE(a_batch_that_cannot_commit_fails_as_a_whole) {
    auto o = options();
    o.prepare_schema = [](soci::session& session) { // a rule that is looked at when committing
        session << "CREATE TABLE people (name TEXT PRIMARY KEY)";
        session << "CREATE TABLE pets (name TEXT PRIMARY KEY, legs, weight, owner TEXT REFERENCES "
                   "people(name) DEFERRABLE INITIALLY DEFERRED, age, length)";
    };
    sqlite_storage storage(o);
    auto const homeless = storage.write_now([](auto& tx) { tx.insert(cat); });
    BOOST_TEST((homeless.error() == errc::storage_unavailable));
    BOOST_TEST(storage.failing());
    BOOST_TEST(says(reports, "FOREIGN KEY constraint failed"));
    BOOST_TEST(storage.write_now([](auto& tx) { tx.insert(fish); }).has_value());
    auto const left = storage.read_now([](auto& tx) { return tx.template select<pet>().size(); });
    BOOST_TEST(left.value() == 1u);
}

BOOST_AUTO_TEST_CASE(a_table_that_went_away_fails_what_needs_it) {
    sqlite_storage storage(options());
    raw_database(path).execute("DROP TABLE pets");
    auto const swallowed = storage.write_now([](auto& tx) {
        try {
            tx.insert(cat);
        } catch (boost::system::system_error const&) {
        }
        tx.insert(dog); // the transaction is of no use any more
    });
    BOOST_TEST((swallowed.error() == errc::storage_unavailable));
    BOOST_TEST(storage.failing());
    auto const missing = storage.read_now([](auto& tx) { return tx.template find<pet>(); });
    BOOST_TEST((missing.error() == errc::storage_unavailable));
    raw_database(path).execute(create_pets);
    BOOST_TEST(storage.write_now([](auto& tx) { tx.insert(cat); }).has_value());
    BOOST_TEST(storage.read_now([](auto& tx) { return tx.template find<pet>(); }).has_value());
    BOOST_TEST(!storage.failing());
    auto const twice = storage.write_now([](auto& tx) { tx.insert(cat); });
    BOOST_TEST((twice.error() == errc::constraint_violated));
    BOOST_TEST(!storage.failing()); // which is no fault of the database
}

BOOST_AUTO_TEST_CASE(a_null_that_should_not_be_is_an_error) {
    {
        raw_database other(path);
        other.execute("CREATE TABLE pets (name TEXT, legs, weight, owner, age, length)");
        other.execute("INSERT INTO pets (name, legs) VALUES ('ghost', NULL)");
    }
    sqlite_storage storage(options());
    auto const found = storage.read_now([](auto& tx) { return tx.template select<pet>(); });
    BOOST_TEST((found.error() == errc::storage_unavailable));
    BOOST_TEST(says(reports, "pets.legs is null"));
}

BOOST_AUTO_TEST_CASE(reports_tell_why_and_never_a_value) {
    {
        sqlite_storage storage(options());
        for (int i = 0; i < 2; ++i) {
            (void)storage.write_now([](auto& tx) {
                tx.insert(pet{"a secret name", 1, 0, "a secret owner", {}, {}});
            });
        }
        (void)storage.write_now([](auto& tx) {
            tx.insert(pet{"another secret", -1, 0, "a secret owner", {}, {}});
        });
        (void)storage.read_now([](auto& tx) { tx.insert(pet{"secret", 1, 0, {}, {}, {}}); });
    }
    BOOST_TEST(says(reports, "UNIQUE constraint failed: pets.name"));
    BOOST_TEST(says(reports, "CHECK constraint failed"));
    BOOST_TEST(says(reports, "readonly"));
    BOOST_TEST(!says(reports, "secret"));
}

BOOST_AUTO_TEST_CASE(refuses_more_than_may_wait) {
    auto o = options();
    o.max_queued = 5;
    sqlite_storage storage(o);
    std::promise<void> gate;
    std::promise<void> entered;
    int kept = 0, overloaded = 0;
    std::jthread blocker([&] {
        (void)storage.write_now([&](auto&) {
            entered.set_value();
            gate.get_future().wait();
        });
    });
    entered.get_future().wait();
    asio::io_context io(1);
    for (int i = 0; i < 12; ++i) {
        asio::co_spawn(
            io,
            [&, i]() -> task<> {
                auto written = co_await storage.write([i](auto& tx) { tx.insert(numbered(i)); });
                kept += written.has_value();
                overloaded += written == result<std::monostate>(errc::overloaded);
                if (overloaded == 7) gate.set_value();
            },
            [&](std::exception_ptr) {});
    }
    io.run();
    BOOST_TEST(kept == 5);
    BOOST_TEST(overloaded == 7);
}

BOOST_AUTO_TEST_CASE(closing_finishes_what_is_queued) {
    constexpr int count = 50;
    asio::io_context io(1);
    std::atomic<int> done = 0;
    {
        sqlite_storage storage(options());
        for (int i = 0; i < count; ++i) {
            asio::co_spawn(
                io,
                [](auto& s, auto& d, int number) -> task<> {
                    auto written =
                        co_await s.write([number](auto& tx) { tx.insert(numbered(number)); });
                    d += written.has_value();
                }(storage, done, i),
                asio::detached);
        }
        for (int i = 0; i < count; ++i)
            io.poll_one(); // each starts, and waits
    }
    BOOST_TEST(raw_database(path).number("SELECT count(*) FROM pets") == count);
    io.run();
    BOOST_TEST(done == count);
}

BOOST_AUTO_TEST_CASE(every_commit_is_synced) {
    sqlite_storage storage(options());
    BOOST_TEST(raw_database(path).query("PRAGMA journal_mode") == "wal\n");
    // That `synchronous` is FULL is a property of the writer's own connection.
    soci::session session(soci::sqlite3, "db=\"" + path.native() + '"');
    soci_backend::sqlite3::make_writer(session);
    int synchronous = 0;
    session << "PRAGMA synchronous", soci::into(synchronous);
    BOOST_TEST(synchronous == 2);
}

BOOST_AUTO_TEST_SUITE_END()
