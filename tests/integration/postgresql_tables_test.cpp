// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/tables/postgresql_backend.hpp>

#include "../support/postgresql_server.hpp"
#include "../support/tables_suite.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

using namespace parley;
using namespace parley::test;
using namespace std::chrono_literals;

namespace {

/// A database of its own for each test, and a user that owns it.
struct world {
    using backend_type = postgresql_backend;
    static constexpr char const* schema = "public";
    static constexpr char const* blob = "bytea";
    static constexpr char const* real = "double precision";
    static constexpr char const* boolean = "boolean";

    world() {
        raw_postgresql admin("postgres");
        if (admin.query("SELECT count(*) FROM pg_roles WHERE rolname = 'ann'") == "0")
            admin.execute("CREATE ROLE ann LOGIN PASSWORD 'pass word''\\'");
        admin.execute("CREATE DATABASE \"the shop's\" OWNER ann");
        raw.emplace("the shop's", "ann");
    }
    ~world() {
        raw.reset();
        raw_postgresql("postgres").execute("DROP DATABASE \"the shop's\" WITH (FORCE)");
    }

    static std::string address() {
        return "127.0.0.1:" + std::to_string(shared_postgresql_server().port());
    }
    static credentials who() {
        credentials c;
        c.host = "127.0.0.1";
        c.port = shared_postgresql_server().port();
        c.ns = "the shop's";
        c.username = "ann";
        c.password = secret(postgresql_server::password);
        return c;
    }
    void execute(std::string const& sql) { raw->execute(sql); }
    static std::string numbers(int n) {
        return "SELECT i FROM generate_series(1, " + std::to_string(n) + ") AS s (i)";
    }
    static std::string bytes(std::string const& hex) { return "'\\x" + hex + '\''; }

    std::optional<raw_postgresql> raw;
    postgresql_backend backend{{.servers = {address()}}};
};

/// A port where connections are taken, and nothing is ever said.
struct silent_server {
    silent_server() {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof any;
        auto* const address = reinterpret_cast<sockaddr*>(&any);
        BOOST_TEST_REQUIRE(::bind(fd, address, size) == 0);
        BOOST_TEST_REQUIRE(::listen(fd, 10) == 0);
        BOOST_TEST_REQUIRE(::getsockname(fd, address, &size) == 0);
        port = ntohs(any.sin_port);
    }
    ~silent_server() { ::close(fd); }

    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    std::uint16_t port = 0;
};

/// Work that a test stops.
struct stoppable_work : work_control {
    stoppable_work() : work_control(std::chrono::steady_clock::now() + 20s) {}

    void stop() {
        std::scoped_lock lock(mutex_);
        reason_ = failure_code::cancelled;
        if (interrupt_) interrupt_();
    }
};

std::shared_ptr<postgresql_target const> target() {
    return std::make_shared<postgresql_target const>(
        postgresql_target{"127.0.0.1", "127.0.0.1", shared_postgresql_server().port(), "ann",
                          secret(postgresql_server::password), "disable", 5s});
}

auto elapsed_since(std::chrono::steady_clock::time_point began) {
    return std::chrono::steady_clock::now() - began;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(postgresql_tables, world)

PARLEY_TEST_TABLES(world)

BOOST_AUTO_TEST_CASE(values_of_its_own_types_survive_the_round_trip) {
    check_round_trip(
        *this, "numeric",
        {"12345678901234567890123456789.123456789", "'NaN'", "'-Infinity'", "1e-30", "1.500"});
    check_round_trip(*this, "float8", {"'NaN'", "'Infinity'", "'-Infinity'"});
    check_round_trip(*this, "float4", {"0.1", "3.4028235e38", "1e-45", "16777217"});
    check_round_trip(*this, "smallint", {"-32768"});
    check_round_trip(*this, "bytea", {"''", "'\\x00ff'"});
    check_round_trip(*this, "timestamptz",
                     {"'2026-01-01 12:34:56.789012+05'", "'infinity'", "'0044-03-15 00:00 BC'"});
    check_round_trip(*this, "interval", {"'1 year 2 days 03:04:05.6'", "'-1 hour'"});
    check_round_trip(*this, "uuid", {"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"});
    check_round_trip(*this, "json", {"'{\"a\":  [1, 2]}'", "'null'"});
    check_round_trip(*this, "jsonb", {"'{\"a\":[1,2]}'"});
    check_round_trip(*this, "integer[]", {"'{1,NULL,3}'", "'{}'"});
    check_round_trip(*this, "text[]", {"'{\"a,b\",\"c\\\"d\"}'"});
    check_round_trip(*this, "char(5)", {"'ab'", "''"});
    check_round_trip(*this, "inet", {"'10.0.0.1/8'"});
    check_round_trip(*this, "point", {"'(1.5,2)'"});
    check_round_trip(*this, "bit(3)", {"'101'"});
    check_round_trip(*this, "xml", {"'<a>b</a>'"});
    execute("CREATE TYPE mood AS ENUM ('sad', 'it''s ok')");
    check_round_trip(*this, "mood", {"'it''s ok'", "NULL"});
    execute("CREATE DOMAIN positive AS bigint CHECK (VALUE > 0)");
    check_round_trip(*this, "positive", {"9007199254740993"});
    check_keys(*this, "uuid", {"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"});
    check_keys(*this, "timestamptz", {"'2026-01-01 12:34:56.789012+05'"});
    check_keys(*this, "mood", {"'sad'"});
    check_keys(*this, "bytea", {"'\\x00ff'", "''"});
    check_keys(*this, "char(5)", {"'ab'"});
    check_keys(*this, "float4", {"0.1"});
    check_keys(*this, "numeric", {"12345678901234567890123456789.5"});
    check_keys(*this, "boolean", {"true", "false"});
    check_keys(*this, "positive", {"7"});
}
BOOST_AUTO_TEST_CASE(a_million_rows) {
    check_a_million_rows(*this);
    // The statements that were stopped have ended in the database as well.
    BOOST_TEST(raw->query("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                          "'parley' AND state <> 'idle'") == "0");
}
BOOST_AUTO_TEST_CASE(there_are_no_more_connections_than_allowed) {
    check_waiting(*this);
    BOOST_TEST(raw->query("SELECT count(*) <= 4 FROM pg_stat_activity WHERE application_name = "
                          "'parley' AND datname = current_database()") == "t");
}

// ---- What is PostgreSQL's only ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(dates_and_times_are_compared_whatever_their_spelling) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, d date, t time, s timestamp(3), z timestamptz,"
            " i interval, f float4, u uuid, n numeric)");
    execute("INSERT INTO t (id) VALUES (1)");
    execute("ALTER DATABASE \"the shop's\" SET TimeZone = 'UTC'");
    editor<world> e(*this, "t");
    auto const saved = [&](char const* column, std::vector<std::string> values) {
        boost::json::value old_value = nullptr;
        for (auto const& value : values) {
            BOOST_TEST(message_of(e.update(1, column, old_value, value.c_str())) == "success");
            old_value = value.c_str();
        }
    };
    saved("d", {"January 8, 2026", "20260109", "2026-1-9"});
    saved("t", {"4:00 PM", "16:00"});
    saved("s", {"2026-01-02T03:04:05.100", "2026-01-02 03:04"});
    saved("z", {"2026-01-02T03:04:05+05:00", "2026-01-01 22:04:05Z"});
    saved("i", {"24 hours", "P30D"});
    saved("f", {"0.10000000001", "16777217"});
    saved("u", {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"});
    saved("n", {"12345678901234567890.1230", "0012345678901234567890.123"});

    auto const differs = [&](char const* column, std::vector<boost::json::value> values) {
        for (auto const& value : values) {
            auto const o = e.update(1, column, value, nullptr);
            BOOST_TEST(code_of(o) == "CONFLICT", message_of(o));
            BOOST_TEST(message_of(o).find("syntax") == std::string::npos);
        }
    };
    differs("d", {"2026-01-10", "soon", "", 9, nullptr, true});
    differs("s", {"2026-01-02 03:04:00.0004", "2026-01-02 03:04:00.4"});
    differs("z", {"2026-01-01 22:04:05+01", "2026-99-01"});
    differs("i", {"1 month", "720 hours"});
    differs("f", {"16777218", "1e99"});
    differs("n", {"12345678901234567890.1231", "12345678901234567890"});
    BOOST_TEST(e.values("u") == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
}

BOOST_AUTO_TEST_CASE(describes_what_the_database_makes_itself) {
    execute("CREATE TABLE t (a integer GENERATED ALWAYS AS IDENTITY, b integer GENERATED BY "
            "DEFAULT AS IDENTITY, c serial PRIMARY KEY, d timestamp with time zone, e text[], "
            "f numeric(5,-2), g numeric)");
    execute("CREATE TABLE covered (a integer, b integer, PRIMARY KEY (b) INCLUDE (a))");
    editor<world> e(*this, "t");
    auto const& columns = e.schema.columns;
    BOOST_TEST((columns[0].readOnly == true));
    BOOST_TEST(!columns[1].readOnly.has_value());
    BOOST_TEST(columns[3].dataType == "timestamp with time zone");
    BOOST_TEST(columns[4].dataType == "text[]");
    BOOST_TEST((columns[5].precision == 5));
    BOOST_TEST((columns[5].scale == -2));
    BOOST_TEST(!columns[6].precision.has_value());
    BOOST_TEST(code_of(e.insert({"a", "d"}, {nullptr, "2026-01-01"})) == "success");
    BOOST_TEST(code_of(e.insert({"a"}, {5})) == "INVALID_INPUT");
    BOOST_TEST(e.values("a") == "1");
    BOOST_TEST(code_of(e.insert({"d"}, {"yesterday or so"})) == "INVALID_INPUT");

    e.select("covered");
    BOOST_TEST(!e.schema.columns[0].isPrimaryKey.has_value());
    BOOST_TEST(e.schema.columns[1].key_position == 1);
}

BOOST_AUTO_TEST_CASE(shows_what_the_user_may_see) {
    execute("CREATE TABLE secret (id integer PRIMARY KEY)");
    execute("CREATE TABLE partly (id integer PRIMARY KEY, hidden text, shown text)");
    execute("INSERT INTO partly VALUES (1, 'x', 'y')");
    execute("CREATE SCHEMA closed CREATE TABLE t (id integer)");
    execute("GRANT SELECT ON closed.t TO PUBLIC");
    execute("GRANT SELECT (id, shown) ON partly TO PUBLIC");
    raw_postgresql admin("postgres");
    admin.execute("DROP ROLE IF EXISTS bob");
    admin.execute("CREATE ROLE bob LOGIN PASSWORD 'pass word''\\'");
    auto bob = who();
    bob.username = "bob";
    {
        auto const db = *wait_for(backend.open(bob, within()));
        BOOST_TEST(
            (*wait_for(db->tables(bob.ns, within())) == std::vector<std::string>{"public.partly"}));
        auto const table = *wait_for(db->describe(bob.ns, "public.partly", within()));
        BOOST_TEST(table.columns.size() == 2u);
        page_request const request;
        BOOST_TEST(wait_for(db->read_page(table, request, within()))->rows ==
                   R"([{"id":1,"shown":"y"}])");
        cell_update const update{{"id", 1}, "shown", "y", "z"};
        BOOST_TEST(code_of(wait_for(db->update_cell(table, update, within()))) ==
                   "PERMISSION_DENIED");
        row_key const row{"id", 1};
        BOOST_TEST(code_of(wait_for(db->delete_row(table, row, within()))) == "PERMISSION_DENIED");
    }
    admin.execute("REVOKE CONNECT ON DATABASE \"the shop's\" FROM PUBLIC");
    BOOST_TEST(code_of(wait_for(backend.open(bob, within()))) == "WRONG_CREDENTIALS");
}

BOOST_AUTO_TEST_CASE(one_session_edits_several_databases) {
    raw_postgresql admin("postgres");
    admin.execute("DROP DATABASE IF EXISTS other");
    admin.execute("CREATE DATABASE other");
    raw_postgresql("other").execute("CREATE TABLE t (a integer); GRANT ALL ON t TO PUBLIC");
    {
        make_pets(*this);
        editor<world> e(*this, "pets");
        for (int i = 0; i < 10; ++i) {
            BOOST_TEST(wait_for(e.db->tables("other", within()))->size() == 1u);
            BOOST_TEST(e.values("id") == "1 2 3 4 5");
        }
        BOOST_TEST(code_of(wait_for(e.db->tables("template0", within()))) != "success");
        BOOST_TEST(code_of(wait_for(e.db->tables("", within()))) == "NOT_FOUND");
        BOOST_TEST(code_of(wait_for(e.db->tables("dbname=other", within()))) == "NOT_FOUND");
        BOOST_TEST(code_of(wait_for(e.db->tables(std::string("other\0", 6), within()))) ==
                   "NOT_FOUND");
    }
    admin.execute("DROP DATABASE other WITH (FORCE)");
}

BOOST_AUTO_TEST_CASE(triggers_and_deferred_constraints_have_their_say) {
    execute("CREATE TABLE pets (id integer PRIMARY KEY, name text, "
            "UNIQUE (name) DEFERRABLE INITIALLY DEFERRED)");
    execute("INSERT INTO pets VALUES (1, 'cat'), (2, 'dog')");
    execute("CREATE FUNCTION check_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.name = 'snake' THEN RAISE 'no snakes here'; END IF; "
            "IF NEW.name = 'ghost' THEN RETURN NULL; END IF; RETURN NEW; END $$");
    execute("CREATE TRIGGER t BEFORE INSERT OR UPDATE ON pets FOR EACH ROW "
            "EXECUTE FUNCTION check_it()");
    editor<world> e(*this, "pets");
    BOOST_TEST(message_of(e.update(1, "name", "cat", "snake")) ==
               "The table refuses this: no snakes here");
    BOOST_TEST(code_of(e.update(1, "name", "cat", "dog")) == "CONSTRAINT_VIOLATED");
    BOOST_TEST(code_of(e.insert({"id", "name"}, {3, "ghost"})) == "CONSTRAINT_VIOLATED");
    BOOST_TEST(e.values("name") == "cat dog");
    BOOST_TEST(code_of(e.update(1, "name", "cat", "kitten")) == "success");
}

BOOST_AUTO_TEST_CASE(a_table_that_has_changed_is_to_be_selected_again) {
    make_pets(*this);
    editor<world> e(*this, "pets");
    execute("ALTER TABLE pets RENAME COLUMN name TO title");
    BOOST_TEST(code_of(e.read()) == "NOT_FOUND");
    BOOST_TEST(code_of(e.update(1, "name", "Cat", "x")) == "NOT_FOUND");
    execute("DROP TABLE pets");
    BOOST_TEST(code_of(e.erase(1)) == "NOT_FOUND");
}

BOOST_AUTO_TEST_CASE(a_type_without_an_order_is_not_sorted) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v json)");
    execute("INSERT INTO t VALUES (1, '{\"Key\": 1}')");
    editor<world> e(*this, "t");
    BOOST_TEST(code_of(e.read({.filters = {}, .sort = sort_order{"v", false}})) == "INVALID_INPUT");
    BOOST_TEST(e.values("id", {.filters = {{"v", "*KEY*"}}, .sort = {}}) == "1");
}

BOOST_AUTO_TEST_CASE(columns_with_their_own_collation_are_filtered) {
    execute("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', "
            "deterministic = false)");
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text COLLATE loose)");
    execute("INSERT INTO t VALUES (1, 'Äpfel')");
    editor<world> e(*this, "t");
    BOOST_TEST(e.values("id", {.filters = {{"v", "äPF*"}}, .sort = {}}) == "1");
    // What the collation takes for equal is a change nevertheless.
    BOOST_TEST(code_of(e.update(1, "v", "äpfel", "x")) == "CONFLICT");
}

BOOST_AUTO_TEST_CASE(bytes_are_filtered_as_they_are_shown) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v bytea)");
    execute("INSERT INTO t VALUES (1, '\\x00ff'), (2, '\\x00fe'), "
            "(3, decode(repeat('00', 100), 'hex'))");
    editor<world> e(*this, "t");
    BOOST_TEST(e.values("id", {.filters = {{"v", "AP8="}}, .sort = {}}) == "1");
    BOOST_TEST(e.values("id", {.filters = {{"v", std::string(134, 'A') + "=="}}, .sort = {}}) ==
               "3");
}

BOOST_AUTO_TEST_CASE(a_change_that_is_stopped_before_it_is_kept_is_undone) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text)");
    execute("INSERT INTO t VALUES (1, 'old'), (2, 'old')");
    stoppable_work first, second;
    auto const opened = postgresql_connection::open(target(), "the shop's", first);
    BOOST_REQUIRE(opened);
    auto const save = [&](std::string const& id, stoppable_work& by, bool stopped) {
        postgresql_connection::use const in_use(**opened, by);
        using transaction = postgresql_connection::transaction;
        transaction change(**opened, transaction::kind::writing);
        BOOST_TEST(change.run({{"UPDATE t SET v = 'new' WHERE id = " + id}}).has_value());
        if (stopped) by.stop();
        return code_of(change.commit());
    };
    BOOST_TEST(save("1", first, true) == "CANCELLED");
    BOOST_TEST((*opened)->is_usable());
    BOOST_TEST(save("2", second, false) == "success");
    BOOST_TEST(raw->query("SELECT string_agg(v, ' ' ORDER BY id) FROM t") == "old new");
}

BOOST_AUTO_TEST_CASE(rows_of_partitions_have_an_order) {
    execute("CREATE TABLE t (a integer) PARTITION BY RANGE (a)");
    execute("CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10)");
    execute("CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20)");
    execute("INSERT INTO t VALUES (12), (1), (2), (11)");
    editor<world> e(*this, "t");
    BOOST_TEST(e.values("a") == "1 2 12 11");
}

BOOST_AUTO_TEST_CASE(a_page_is_bounded) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text)");
    execute("INSERT INTO t SELECT i, repeat('x', 1000000) FROM (" + numbers(20) + ") AS n");
    editor<world> e(*this, "t");
    BOOST_TEST(code_of(e.read()) == "INVALID_INPUT");
    BOOST_TEST(code_of(e.read({.page_size = 5, .filters = {}, .sort = {}})) == "success");
}

BOOST_AUTO_TEST_CASE(a_row_is_bounded) {
    execute("CREATE TABLE t (id integer PRIMARY KEY, v text, b bytea)");
    execute("INSERT INTO t VALUES (1, repeat('x', 300000000), 'y'), "
            "(2, 'x', convert_to(repeat('y', 200000000), 'UTF8')), "
            "(3, repeat('表', 1000), 'z')");
    editor<world> e(*this, "t");
    auto const before = peak_memory();
    auto const row = [&](char const* id) { return e.read({.filters = {{"id", id}}, .sort = {}}); };
    BOOST_TEST(code_of(row("1")) == "INVALID_INPUT");
    BOOST_TEST(message_of(row("2")).find("a row") != std::string::npos, message_of(row("2")));
    BOOST_TEST(code_of(row("3")) == "success");
    BOOST_TEST(code_of(e.update(1, "v", "x", "y")) == "CONFLICT");
    BOOST_TEST(code_of(e.update(2, "b", "eXk=", "eXk=")) == "CONFLICT");
    BOOST_TEST(code_of(e.update(3, "v", e.rows({.filters = {{"id", "3"}}, .sort = {}})[0].at("v"),
                                "y")) == "success");
    BOOST_TEST(peak_memory() - before < 10 * most_memory);
}

BOOST_AUTO_TEST_CASE(waiting_for_a_lock_ends_at_the_deadline) {
    make_pets(*this);
    editor<world> e(*this, "pets");
    execute("BEGIN");
    execute("LOCK TABLE pets");
    auto const began = std::chrono::steady_clock::now();
    BOOST_TEST(code_of(e.read({}, within(200ms))) == "TIMED_OUT");
    BOOST_TEST((elapsed_since(began) < 1s));
    auto const cancelled = within();
    std::jthread const canceller([&] {
        std::this_thread::sleep_for(100ms);
        cancelled->cancel();
    });
    BOOST_TEST(code_of(e.read({}, cancelled)) == "CANCELLED");
    BOOST_TEST((elapsed_since(began) < 2s));
    BOOST_TEST(raw->query("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                          "'parley' AND state = 'active'") == "0");
    execute("COMMIT");
    BOOST_TEST(code_of(e.read()) == "success");
}

BOOST_AUTO_TEST_CASE(a_server_that_hangs_holds_nobody_up) {
    make_pets(*this);
    editor<world> e(*this, "pets");
    auto const process = static_cast<pid_t>(
        std::stol(raw->query("SELECT pid FROM pg_stat_activity WHERE application_name = 'parley' "
                             "AND datname = current_database()")));
    ::kill(process, SIGSTOP);
    auto const began = std::chrono::steady_clock::now();
    BOOST_TEST(code_of(e.read({}, within(300ms))) == "TIMED_OUT");
    BOOST_TEST((elapsed_since(began) < 3s));
    // That connection is given up.
    BOOST_TEST(code_of(e.read({}, within(2s))) == "success");
    ::kill(process, SIGCONT);
}

BOOST_AUTO_TEST_CASE(a_server_that_is_restarted_is_connected_to_again) {
    make_pets(*this);
    editor<world> e(*this, "pets");
    BOOST_TEST(e.values("id") == "1 2 3 4 5");
    raw.reset();
    shared_postgresql_server().stop();
    BOOST_TEST(code_of(e.read()) == "UNREACHABLE");
    BOOST_TEST(code_of(wait_for(backend.open(who(), within()))) == "UNREACHABLE");
    shared_postgresql_server().start();
    BOOST_TEST(e.values("id") == "1 2 3 4 5");

    // Nobody notices, when nothing was under way.
    shared_postgresql_server().stop();
    shared_postgresql_server().start();
    BOOST_TEST(code_of(e.update(1, "name", "Cat", "Tom")) == "success");
    raw.emplace("the shop's", "ann");

    // Under way, it is another matter: nothing is done twice.
    execute("BEGIN");
    execute("LOCK TABLE pets");
    std::jthread const killer([&] {
        std::this_thread::sleep_for(200ms);
        raw_postgresql("postgres")
            .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name = 'parley' AND datname = 'the shop''s'");
    });
    BOOST_TEST(code_of(e.update(1, "name", "Tom", "Tim")) == "UNREACHABLE");
    execute("COMMIT");
    BOOST_TEST(code_of(e.update(1, "name", "Tom", "Tim")) == "success");
}

BOOST_AUTO_TEST_CASE(idle_connections_are_closed) {
    postgresql_backend brief({.servers = {address()}, .idle_timeout = 50ms});
    auto const db = *wait_for(brief.open(who(), within()));
    auto const count = [&] {
        return raw->query("SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                          "'parley' AND datname = current_database()");
    };
    for (int i = 0; i < 200 && count() != "0"; ++i)
        std::this_thread::sleep_for(20ms);
    BOOST_TEST(count() == "0");
    BOOST_TEST(code_of(wait_for(db->tables(who().ns, within()))) == "success");
}

BOOST_AUTO_TEST_CASE(connecting_takes_no_longer_than_it_may) {
    silent_server const silent;
    auto w = who();
    w.port = silent.port;
    auto const address_of = "127.0.0.1:" + std::to_string(silent.port);
    postgresql_backend patient({.servers = {address_of}});
    auto const began = std::chrono::steady_clock::now();
    BOOST_TEST(code_of(wait_for(patient.open(w, within(200ms)))) == "TIMED_OUT");
    auto const cancelled = within();
    std::jthread const canceller([&] {
        std::this_thread::sleep_for(50ms);
        cancelled->cancel();
    });
    BOOST_TEST(code_of(wait_for(patient.open(w, cancelled))) == "CANCELLED");
    postgresql_backend brisk({.servers = {address_of}, .connect_timeout = 100ms});
    BOOST_TEST(code_of(wait_for(brisk.open(w, within()))) == "TIMED_OUT");
    BOOST_TEST((elapsed_since(began) < 2s));
}

BOOST_AUTO_TEST_CASE(tells_wrong_credentials_from_what_is_unreachable) {
    auto w = who();
    w.username = "nobody at all";
    BOOST_TEST(code_of(wait_for(backend.open(w, within()))) == "WRONG_CREDENTIALS");

    std::uint16_t closed = 0;
    {
        silent_server const gone;
        closed = gone.port;
    }
    postgresql_backend any({.servers = {"*"}});
    w = who();
    w.port = closed;
    BOOST_TEST(code_of(wait_for(any.open(w, within()))) == "UNREACHABLE");
    w = who();
    w.host = "localhost";
    BOOST_TEST(code_of(wait_for(any.open(w, within()))) == "success");
    w.host = "no-such-host.invalid";
    BOOST_TEST(code_of(wait_for(any.open(w, within()))) == "UNREACHABLE");
    for (auto const* host : {"", "/tmp", "127.0.0.1,127.0.0.1", "@x", "a b", "127.0.0.1/8"}) {
        w.host = host;
        BOOST_TEST(code_of(wait_for(any.open(w, within()))) == "INVALID_INPUT", host);
    }
    auto const spelt = "LOCALHOST:" + std::to_string(who().port);
    postgresql_backend loud({.servers = {"[::1]:1", spelt}});
    w.host = "localhost";
    BOOST_TEST(code_of(wait_for(loud.open(w, within()))) == "success");
    w.host = "::1";
    w.port = 1;
    BOOST_TEST(code_of(wait_for(loud.open(w, within()))) == "UNREACHABLE"); // but allowed
    postgresql_backend none({});
    BOOST_TEST(code_of(wait_for(none.open(who(), within()))) == "INVALID_INPUT");
    postgresql_backend encrypted({.servers = {"*"}, .sslmode = "require"});
    BOOST_TEST(code_of(wait_for(encrypted.open(who(), within()))) == "UNREACHABLE");
}

BOOST_AUTO_TEST_CASE(nothing_is_taken_from_the_operators_environment) {
    ::setenv("PGPASSWORD", postgresql_server::password, 1);
    ::setenv("PGUSER", "ann", 1);
    auto w = who();
    w.password = secret("");
    BOOST_TEST(code_of(wait_for(backend.open(w, within()))) == "WRONG_CREDENTIALS");
    w = who();
    w.username = "";
    BOOST_TEST(code_of(wait_for(backend.open(w, within()))) == "WRONG_CREDENTIALS");
    w = who();
    w.ns = "";
    BOOST_TEST(code_of(wait_for(backend.open(w, within()))) == "INVALID_INPUT");
    w = who();
    w.password = secret(std::string_view("wrong\0", 6));
    BOOST_TEST(code_of(wait_for(backend.open(w, within()))) == "WRONG_CREDENTIALS");
    ::unsetenv("PGPASSWORD");
    ::unsetenv("PGUSER");
}

BOOST_AUTO_TEST_CASE(sessions_end_with_operations_under_way) {
    make_pets(*this);
    execute("BEGIN");
    execute("LOCK TABLE pets");
    asio::io_context io(1);
    auto const op = within();
    {
        auto const db = *wait_for(backend.open(who(), within()));
        table_schema table;
        table.ns = who().ns;
        table.schema_part = "public";
        table.table_part = "pets";
        table.columns.resize(1);
        table.columns[0].name = "id";
        page_request const request;
        asio::co_spawn(io, db->read_page(table, request, op),
                       [](std::exception_ptr, outcome<page> const& o) {
                           BOOST_TEST(code_of(o) == "CANCELLED");
                       });
        io.poll();
    }
    std::this_thread::sleep_for(50ms);
    op->cancel();
    io.run();
    execute("COMMIT");
}

BOOST_AUTO_TEST_SUITE_END()
