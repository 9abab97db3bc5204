// Distributed under the Boost Software License, Version 1.0. See LICENSE.

// Pages of a table by `table-editor serve`, from the command to the whole of its `tableData`, over
// loopback TCP, a WebSocket and a login:
//   pages   by one connection, beside the same page and count of rows in this process by the
//           database's own C interface, its statements prepared beforehand; and beside what the
//           line takes, which nobody who sends pages can do without: a message of the same length
//           from a server of this library that has it ready. They take turns.
//   crowd   by many connections, alone, beside a slow query that the editor has nothing to do with,
//           and beside one that a connection of theirs runs. The second costs the machine what the
//           third does, so that what lies between the two is the editor's: one waiting for another.
// Ratios are printed, since machines differ and are noisy.

#include "child_process.hpp"
#include "support.hpp"

#include "tests/support/postgresql_server.hpp"
#include "tests/support/temporary_directory.hpp"

#include <parley/admission/unlimited_admission.hpp>
#include <parley/crypto/password_hash.hpp>
#include <parley/http.hpp>
#include <parley/server.hpp>
#include <parley/transport/tcp_transport.hpp>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/json.hpp>

#include <libpq-fe.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace parley;
namespace fs = std::filesystem;
namespace json = boost::json;
namespace websocket = boost::beast::websocket;
using benchmarks::child_process;
using steady = std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

struct settings {
    std::string self;
    std::string editor;
    std::vector<std::string> databases{"sqlite", "postgresql"};
    bool large = false;
    double seconds = 2;
    std::size_t connections = 100;
    std::size_t sessions = 1;
    std::size_t slow = 1;
    double interval_ms = 100;
};

struct table {
    std::string name;
    std::int64_t rows;
};

table const orders{"orders", 10'000};
table const archive{"archive", 1'000'000};

constexpr std::int64_t page_size = 100;
constexpr std::size_t columns = 6;
constexpr char const* password = "benchmark";

// ---- The databases, plainly ---------------------------------------------------------------------

/// A database by its own C interface. Both understand the statements below.
class plain_database {
  public:
    plain_database() = default;
    plain_database(plain_database const&) = delete;
    plain_database& operator=(plain_database const&) = delete;
    virtual ~plain_database() = default;

    virtual void run(std::string const& sql) = 0;

    /// The values of a page, row by row, and the number of rows. \param order as after `ORDER BY`
    virtual std::vector<std::string> read(table const& from, std::string const& order,
                                          std::int64_t page) = 0;

  protected:
    static std::string page_sql(table const& from, std::string const& order) {
        return "SELECT id, customer, city, price, amount, ordered FROM " + from.name +
               " ORDER BY " + order + " LIMIT " + std::to_string(page_size) + " OFFSET $1";
    }
    static std::string count_sql(table const& from) { return "SELECT COUNT(*) FROM " + from.name; }
};

class plain_sqlite final : public plain_database {
  public:
    explicit plain_sqlite(fs::path const& file) {
        check(sqlite3_open(file.c_str(), &db_) == SQLITE_OK);
    }
    ~plain_sqlite() override {
        prepared_.clear();
        sqlite3_close(db_);
    }

    void run(std::string const& sql) override {
        check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    }

    std::vector<std::string> read(table const& from, std::string const& order,
                                  std::int64_t page) override {
        std::vector<std::string> values;
        run("BEGIN"); // of one moment, as the editor's
        fetch(page_sql(from, order), page * page_size, values);
        fetch(count_sql(from), 0, values);
        run("COMMIT");
        return values;
    }

  private:
    struct finalizer {
        void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
    };

    void check(bool well) const {
        if (!well) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(db_));
    }

    void fetch(std::string const& sql, std::int64_t offset, std::vector<std::string>& values) {
        auto& statement = prepared_[sql];
        if (!statement) {
            sqlite3_stmt* made = nullptr;
            check(sqlite3_prepare_v2(db_, sql.c_str(), -1, &made, nullptr) == SQLITE_OK);
            statement.reset(made);
        }
        auto* const s = statement.get();
        if (sqlite3_bind_parameter_count(s) == 1) sqlite3_bind_int64(s, 1, offset);
        while (sqlite3_step(s) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(s); ++i) {
                auto const* text = reinterpret_cast<char const*>(sqlite3_column_text(s, i));
                values.emplace_back(text, static_cast<std::size_t>(sqlite3_column_bytes(s, i)));
            }
        }
        check(sqlite3_reset(s) == SQLITE_OK);
    }

    sqlite3* db_ = nullptr;
    std::map<std::string, std::unique_ptr<sqlite3_stmt, finalizer>> prepared_;
};

class plain_postgresql final : public plain_database {
  public:
    explicit plain_postgresql(std::uint16_t port) {
        auto const text = std::to_string(port);
        char const* const names[] = {"host", "port", "dbname", "user", "password", nullptr};
        char const* const values[] = {"127.0.0.1",
                                      text.c_str(),
                                      "postgres",
                                      test::postgresql_server::admin,
                                      test::postgresql_server::password,
                                      nullptr};
        db_.reset(PQconnectdbParams(names, values, 0));
        check(PQstatus(db_.get()) == CONNECTION_OK);
    }

    void run(std::string const& sql) override { finish(PQexec(db_.get(), sql.c_str())); }

    std::vector<std::string> read(table const& from, std::string const& order,
                                  std::int64_t page) override {
        std::vector<std::string> values;
        fetch(page_sql(from, order), std::to_string(page * page_size), values);
        fetch(count_sql(from), {}, values);
        return values;
    }

  private:
    struct closer {
        void operator()(PGconn* c) const { PQfinish(c); }
        void operator()(PGresult* r) const { PQclear(r); }
    };
    using result = std::unique_ptr<PGresult, closer>;

    void check(bool well) const {
        if (!well) throw std::runtime_error(std::string("libpq: ") + PQerrorMessage(db_.get()));
    }

    result finish(PGresult* r) const {
        result answer(r);
        auto const status = PQresultStatus(r);
        check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
        return answer;
    }

    void fetch(std::string const& sql, std::string const& offset,
               std::vector<std::string>& values) {
        auto const [at, fresh] = prepared_.try_emplace(sql, std::to_string(prepared_.size()));
        auto const* const name = at->second.c_str();
        if (fresh) finish(PQprepare(db_.get(), name, sql.c_str(), 0, nullptr));
        char const* const parameters[] = {offset.c_str()};
        auto const answer = finish(PQexecPrepared(db_.get(), name, offset.empty() ? 0 : 1,
                                                  parameters, nullptr, nullptr, 0));
        for (int row = 0; row < PQntuples(answer.get()); ++row) {
            for (int i = 0; i < PQnfields(answer.get()); ++i) {
                values.emplace_back(PQgetvalue(answer.get(), row, i),
                                    static_cast<std::size_t>(PQgetlength(answer.get(), row, i)));
            }
        }
    }

    std::unique_ptr<PGconn, closer> db_;
    std::map<std::string, std::string> prepared_; // names by text
};

/// A database that is edited, and how both sides get at it.
struct subject {
    std::string name;
    json::object section;     ///< `database` of the editor's configuration
    json::object credentials; ///< of a login
    std::string schema;
    std::function<std::unique_ptr<plain_database>()> open;
};

subject sqlite_subject(fs::path const& folder) {
    auto const file = folder / "sample.db";
    return {"sqlite",
            {{"type", "sqlite"},
             {"folder", folder.string()},
             {"users", {{{"username", "ada"}, {"passwordHash", hash_password(password)}}}}},
            {{"host", "127.0.0.1"},
             {"port", 1},
             {"namespace", "sample.db"},
             {"username", "ada"},
             {"password", password}},
            "main",
            [file] { return std::make_unique<plain_sqlite>(file); }};
}

subject postgresql_subject(std::uint16_t port) {
    return {"postgresql",
            {{"type", "postgresql"},
             {"servers", {"127.0.0.1:" + std::to_string(port)}},
             {"sslMode", "disable"}},
            {{"host", "127.0.0.1"},
             {"port", port},
             {"namespace", "postgres"},
             {"username", test::postgresql_server::admin},
             {"password", test::postgresql_server::password}},
            "public",
            [port] { return std::make_unique<plain_postgresql>(port); }};
}

void fill(plain_database& db, table const& made) {
    auto const rows = std::to_string(made.rows);
    db.run("CREATE TABLE " + made.name +
           " (id integer PRIMARY KEY, customer text, city text, price double precision, "
           "amount integer, ordered text)");
    db.run("WITH RECURSIVE n(i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM n "
           "WHERE i < " +
           rows + ") INSERT INTO " + made.name + " SELECT i, 'Customer number ' || (i * 7919 % " +
           rows + "), 'City ' || (i % 100), i * 0.25, i % 7, '2026-01-01 00:00:00' FROM n");
}

// ---- The line -----------------------------------------------------------------------------------

/// Answers every message with as many bytes as the first one asks for.
struct answering_conversation {
    template <class Session>
    task<close_reason> operator()(Session& session) const {
        std::string page = R"({"event":"tableData")";
        for (bool first = true;; first = false) {
            auto const next = co_await session.receive_text(no_deadline);
            if (next.status != receive_status::message) co_return close_reason();
            if (first) page.resize(std::stoul(next.text), ' ');
            co_await session.send_text(page);
        }
    }
};

int serve_line() {
    asio::io_context io(1);
    basic_handshake_server<answering_conversation, unlimited_admission> server(
        {}, answering_conversation{});
    return benchmarks::serve(server, io);
}

// ---- The editor ---------------------------------------------------------------------------------

/// `table-editor serve`, for one database.
class editor {
  public:
    editor(settings const& s, subject const& what, fs::path const& folder)
        : process_({s.editor, "serve", "--grace", "0", "--config", configure(what, folder)}),
          port_(process_.wait_for_port()) {}

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] double cpu_seconds() const { return process_.cpu_seconds(); }

  private:
    static std::string configure(subject const& what, fs::path const& folder) {
        auto database = what.section;
        database["commandTimeoutMs"] = 600'000;
        json::object const config{{"server", {{"port", 0}}},
                                  {"session", {{"csrf", false}, {"maxAttemptsPerMinute", 0}}},
                                  {"database", std::move(database)}};
        auto path = (folder / (what.name + ".json")).string();
        std::ofstream(path) << config;
        return path;
    }

    child_process process_;
    std::uint16_t port_;
};

task<tcp_stream> connect(std::uint16_t port) {
    tcp_stream::socket_type socket(co_await asio::this_coro::executor);
    co_await socket.async_connect({asio::ip::address_v4::loopback(), port}, use_task);
    socket.set_option(asio::ip::tcp::no_delay(true));
    co_return tcp_stream(std::move(socket));
}

/// The cookie of a new login.
task<std::string> log_in(std::uint16_t port, json::object credentials) {
    auto stream = co_await connect(port);
    http::request<http::string_body> request(http::verb::post, "/api/connect", 11);
    request.set(http::field::host, "127.0.0.1");
    request.set(http::field::content_type, "application/json");
    request.body() = json::serialize(credentials);
    request.prepare_payload();
    co_await http::async_write(stream, request, use_task);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, use_task);
    if (response.result() != http::status::ok)
        throw std::runtime_error("cannot log in: " + response.body());
    std::string const cookie(response[http::field::set_cookie]);
    co_return cookie.substr(0, cookie.find(';'));
}

/// A connection that has selected a table.
class client {
  public:
    static task<std::unique_ptr<client>> open(std::uint16_t port, std::string cookie,
                                              subject const& what, table const& selected) {
        std::unique_ptr<client> made(new client(co_await connect(port)));
        auto const add_cookie = [&](websocket::request_type& request) {
            request.set(http::field::cookie, cookie);
        };
        made->ws_.set_option(websocket::stream_base::decorator(add_cookie));
        made->ws_.read_message_max(0);
        co_await made->ws_.async_handshake("127.0.0.1", "/ws", use_task);
        json::object const payload{{"namespace", what.credentials.at("namespace")},
                                   {"tableName", what.schema + '.' + selected.name}};
        co_await made->ask(command("selectTable", payload));
        co_return made;
    }

    /// To the line, for answers of `length` bytes.
    static task<std::unique_ptr<client>> open_line(std::uint16_t port, std::size_t length) {
        std::unique_ptr<client> made(new client(co_await connect(port)));
        co_await made->ws_.async_handshake("127.0.0.1", "/ws", use_task);
        co_await made->ask(std::to_string(length));
        co_return made;
    }

    static std::string command(std::string_view name, json::object const& payload) {
        json::object const whole{{"command", name}, {"payload", payload}};
        return json::serialize(whole);
    }

    /// Sends a command, and receives what comes until the whole of its `tableData` has come.
    /// Returns how many milliseconds that took.
    task<double> ask(std::string text) {
        auto const start = steady::now();
        co_await ws_.async_write(asio::buffer(text), use_task);
        do {
            buffer_.clear();
            co_await ws_.async_read(buffer_, use_task);
            if (answer().starts_with(R"({"event":"error")"))
                throw std::runtime_error(text + ": " + std::string(answer()));
        } while (!answer().starts_with(R"({"event":"tableData")"));
        milliseconds const took = steady::now() - start;
        co_return took.count();
    }

    /// What came last.
    [[nodiscard]] std::string_view answer() const {
        return {static_cast<char const*>(buffer_.cdata().data()), buffer_.size()};
    }

  private:
    explicit client(tcp_stream stream) : ws_(std::move(stream)) {}

    websocket::stream<tcp_stream, false> ws_;
    boost::beast::flat_buffer buffer_;
};

// ---- What was measured --------------------------------------------------------------------------

class latencies {
  public:
    void add(double ms) { all_.push_back(ms); }
    [[nodiscard]] std::size_t size() const { return all_.size(); }

    [[nodiscard]] double percentile(double p) const {
        if (all_.empty()) throw std::runtime_error("not one page came in time; see --seconds");
        return benchmarks::percentile(all_, p);
    }

  private:
    std::vector<double> all_;
};

void print_ratio(std::string const& which, latencies const& a, latencies const& b) {
    std::printf("  %-32s %8s %9.2fx %9.2fx", which.c_str(), "",
                a.percentile(0.50) / b.percentile(0.50), a.percentile(0.99) / b.percentile(0.99));
}

void print_latencies(std::string const& who, latencies const& all) {
    std::printf("  %-32s %8zu %10.3f %10.3f", who.c_str(), all.size(), all.percentile(0.50),
                all.percentile(0.99));
}

double thread_cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// ---- Pages, by one connection -------------------------------------------------------------------

/// \throws std::runtime_error unless the editor has answered with the very values.
void check_same(std::string_view answer, std::vector<std::string> const& values) {
    auto const payload = json::parse(answer).at("payload");
    std::size_t i = 0;
    auto const same = [&](json::value const& cell) {
        auto const& plain = values.at(i++);
        return cell.is_string() ? cell.as_string() == plain
                                : cell.to_number<double>() == std::stod(plain);
    };
    bool all_same = true;
    for (auto const& row : payload.at("rows").as_array()) {
        for (auto const& cell : row.as_object())
            all_same = same(cell.value()) && all_same;
    }
    if (!same(payload.at("totalRows")) || !all_same || i != values.size())
        throw std::runtime_error("the editor does not answer what the database has");
}

struct page_costs {
    latencies plain;
    latencies line;
    latencies editor;
    double plain_cpu = 0;  ///< seconds in all, of this process
    double editor_cpu = 0; ///< of the editor
};

/// Random pages, each by the one and then by the other.
task<page_costs> take_turns(settings const& s, subject const& what, editor const& server,
                            table const& from, std::string const& sort) {
    auto const plain = what.open();
    auto const cookie = co_await log_in(server.port(), what.credentials);
    auto const connection = co_await client::open(server.port(), cookie, what, from);
    child_process line_server({s.self, "--editor", s.editor, "--serve-line"});
    std::unique_ptr<client> line;
    std::mt19937 random(1);
    std::uniform_int_distribution<std::int64_t> any_page(0, from.rows / page_size - 1);
    page_costs costs;
    auto const cpu_before = server.cpu_seconds();
    auto const until = steady::now() + std::chrono::duration<double>(s.seconds);
    for (bool first = true; first || steady::now() < until; first = false) {
        auto const page = any_page(random);
        auto const cpu_start = thread_cpu_seconds();
        auto const start = steady::now();
        auto const values = plain->read(from, sort.empty() ? "id" : sort + ", id", page);
        milliseconds const took = steady::now() - start;
        costs.plain_cpu += thread_cpu_seconds() - cpu_start;
        costs.plain.add(took.count());

        json::object payload{{"page", page}, {"pageSize", page_size}};
        if (!sort.empty()) payload["sortColumn"] = sort;
        auto const command = client::command("requestData", payload);
        costs.editor.add(co_await connection->ask(command));
        if (first) {
            check_same(connection->answer(), values);
            auto const length = connection->answer().size();
            line = co_await client::open_line(line_server.wait_for_port(), length);
        }
        costs.line.add(co_await line->ask(command));
    }
    costs.editor_cpu = server.cpu_seconds() - cpu_before;
    co_return costs;
}

template <class T>
T wait_for(task<T> work) {
    asio::io_context io(1);
    auto answer = asio::co_spawn(io, std::move(work), asio::use_future);
    io.run();
    return answer.get();
}

void compare_pages(settings const& s, subject const& what, editor const& server,
                   table const& from) {
    for (std::string const sort : {"", "customer"}) {
        auto const costs = wait_for(take_turns(s, what, server, from, sort));
        auto const cpu_us = [&](double seconds) {
            return seconds * 1e6 / static_cast<double>(costs.plain.size());
        };
        std::printf("\n%s, pages of %lld rows of %lld, %s\n", what.name.c_str(),
                    static_cast<long long>(page_size), static_cast<long long>(from.rows),
                    sort.empty() ? "by primary key" : "sorted by a column without an index");
        std::printf("  %-32s %8s %10s %10s %12s\n", "", "pages", "p50 ms", "p99 ms", "CPU us each");
        print_latencies("plain", costs.plain);
        std::printf(" %12.0f\n", cpu_us(costs.plain_cpu));
        print_latencies("line", costs.line);
        std::printf("\n");
        print_latencies("editor", costs.editor);
        std::printf(" %12.0f\n", cpu_us(costs.editor_cpu));
        print_ratio("editor / plain", costs.editor, costs.plain);
        std::printf(" %11.2fx\n", costs.editor_cpu / costs.plain_cpu);
        std::printf("  %-32s %8s %9.2fx\n", "editor / (plain + line)", "",
                    costs.editor.percentile(0.50) /
                        (costs.plain.percentile(0.50) + costs.line.percentile(0.50)));
    }
}

// ---- A crowd ------------------------------------------------------------------------------------

/// What goes on while the crowd reads its pages.
enum class beside { nothing, plain_query, connection };

struct crowd_costs {
    latencies pages;
    latencies slow; ///< the slow queries of connections
};

/// Reads a random page every now and then.
task<> read_pages(settings const& s, client& reader, unsigned seed, steady::time_point until,
                  latencies& took) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<std::int64_t> any_page(0, orders.rows / page_size - 1);
    std::uniform_real_distribution<double> pause(0, 2 * s.interval_ms);
    steady_timer timer(co_await asio::this_coro::executor);
    for (;;) {
        timer.expires_after(
            std::chrono::duration_cast<steady::duration>(milliseconds(pause(random))));
        co_await timer.async_wait(use_task);
        if (steady::now() >= until) co_return;
        json::object const payload{{"page", any_page(random)}, {"pageSize", page_size}};
        took.add(co_await reader.ask(client::command("requestData", payload)));
    }
}

/// Asks for what no row of the large table has, over and over.
task<> search(client& searcher, steady::time_point until, latencies& took) {
    json::array const filters{{{"column", "customer"}, {"value", "*number*"}},
                              {{"column", "city"}, {"value", "*c*y*"}},
                              {{"column", "ordered"}, {"value", "*2026*x*"}}};
    json::object const payload{{"filters", filters}};
    while (steady::now() < until)
        took.add(co_await searcher.ask(client::command("requestData", payload)));
}

/// As `search`, without the editor.
void search_plainly(subject const& what, steady::time_point until) {
    auto const plain = what.open();
    while (steady::now() < until)
        plain->run("SELECT COUNT(*) FROM " + archive.name +
                   " WHERE customer LIKE '%number%' AND city LIKE '%C%y%' "
                   "AND ordered LIKE '%2026%x%'");
}

/// The connections of the crowd: the first ones are those that may be slow.
class crowd {
  public:
    crowd(settings const& s, subject const& what, editor const& server)
        : settings_(s), what_(what) {
        wait(gather(server));
    }

    /// Adds to `costs`.
    void run(beside other, crowd_costs& costs) {
        auto const until = steady::now() + std::chrono::duration_cast<steady::duration>(
                                               std::chrono::duration<double>(settings_.seconds));
        std::vector<std::thread> queries;
        std::vector<std::future<void>> ends;
        for (std::size_t i = 0; i < settings_.connections; ++i) {
            auto& one = *connections_[i];
            bool const may_be_slow = i < settings_.slow;
            if (may_be_slow && other == beside::plain_query)
                queries.emplace_back([this, until] { search_plainly(what_, until); });
            if (may_be_slow && other == beside::connection)
                ends.push_back(spawn(search(one, until, costs.slow)));
            if (!may_be_slow)
                ends.push_back(spawn(
                    read_pages(settings_, one, static_cast<unsigned>(i), until, costs.pages)));
        }
        io_.restart();
        io_.run();
        for (auto& query : queries)
            query.join();
        for (auto& end : ends)
            end.get();
    }

  private:
    std::future<void> spawn(task<> work) {
        return asio::co_spawn(io_, std::move(work), asio::use_future);
    }

    void wait(task<> work) {
        auto end = spawn(std::move(work));
        io_.run();
        end.get();
    }

    task<> gather(editor const& server) {
        std::vector<std::string> cookies;
        for (std::size_t i = 0; i < settings_.sessions; ++i)
            cookies.push_back(co_await log_in(server.port(), what_.credentials));
        for (std::size_t i = 0; i < settings_.connections; ++i) {
            auto const& selected = i < settings_.slow ? archive : orders;
            connections_.push_back(
                co_await client::open(server.port(), cookies[i % cookies.size()], what_, selected));
        }
    }

    settings const& settings_;
    subject const& what_;
    asio::io_context io_{1};
    std::vector<std::unique_ptr<client>> connections_;
};

void measure_crowd(settings const& s, subject const& what, editor const& server) {
    crowd all(s, what, server);
    crowd_costs alone;
    crowd_costs plain;
    crowd_costs slow;
    constexpr int rounds = 2;
    for (int round = 0; round < rounds; ++round) {
        all.run(beside::nothing, alone);
        all.run(beside::plain_query, plain);
        all.run(beside::connection, slow);
    }
    std::printf(
        "\n%s, %zu connections of %zu session(s), each asking for a page of %lld rows about "
        "every %.0f ms\n",
        what.name.c_str(), s.connections - s.slow, s.sessions, static_cast<long long>(orders.rows),
        s.interval_ms);
    std::printf("  %-32s %8s %10s %10s\n", "", "pages", "p50 ms", "p99 ms");
    auto const print = [](std::string const& who, latencies const& pages) {
        print_latencies(who, pages);
        std::printf("\n");
    };
    auto const number = std::to_string(s.slow);
    print("alone", alone.pages);
    print("beside " + number + " slow plain query", plain.pages);
    print("beside " + number + " slow connection", slow.pages);
    print("  its own searches", slow.slow);
    print_ratio("slow connection / alone", slow.pages, alone.pages);
    std::printf("\n");
    print_ratio("slow connection / plain query", slow.pages, plain.pages);
    std::printf("\n");
}

// ---- The whole ----------------------------------------------------------------------------------

void measure(settings const& s, subject const& what, fs::path const& folder) {
    {
        auto const plain = what.open();
        fill(*plain, orders);
        fill(*plain, archive);
        if (what.name == "postgresql") plain->run("VACUUM ANALYZE"); // else it would come later
    }
    editor const server(s, what, folder);
    compare_pages(s, what, server, orders);
    if (s.large) compare_pages(s, what, server, archive);
    if (s.connections > s.slow) measure_crowd(s, what, server);
}

void measure_postgresql(settings const& s, fs::path const& folder) {
    std::unique_ptr<test::postgresql_server> server;
    try {
        server = std::make_unique<test::postgresql_server>();
    } catch (std::runtime_error const& e) {
        std::printf("\npostgresql: skipped: %s\n", e.what());
        return;
    }
    measure(s, postgresql_subject(server->port()), folder);
}

} // namespace

int main(int argc, char** argv) {
    settings s;
    CLI::App app("Pages of the table editor, beside the database's own C interface");
    app.add_option("--editor", s.editor, "The table-editor program")->required();
    app.add_option("--databases", s.databases, "Which: sqlite, postgresql")
        ->check(CLI::IsMember({"sqlite", "postgresql"}))
        ->capture_default_str();
    app.add_flag("--large", s.large, "Also pages of the table of a million rows");
    app.add_option("--seconds", s.seconds, "How long each measurement takes")
        ->capture_default_str()
        ->check(CLI::Range(0.1, 600.0));
    app.add_option("--connections", s.connections, "Of the crowd; 0: no crowd")
        ->capture_default_str()
        ->check(CLI::Range(0, 190));
    app.add_option("--sessions", s.sessions, "Whose they are; PostgreSQL has room for some 90")
        ->capture_default_str()
        ->check(CLI::Range(1, 190));
    app.add_option("--slow", s.slow, "How many of the connections are slow")
        ->capture_default_str()
        ->check(CLI::Range(1, 100));
    app.add_option("--interval-ms", s.interval_ms, "Mean pause of the others between pages")
        ->capture_default_str()
        ->check(CLI::Range(0.0, 60'000.0));
    bool line = false;
    app.add_flag("--serve-line", line, "Be the line (the benchmark starts itself so)");
    CLI11_PARSE(app, argc, argv);
    s.self = argv[0];
    try {
        if (line) return serve_line();
        parley::test::temporary_directory const folder;
        for (auto const& name : s.databases) {
            if (name == "sqlite") measure(s, sqlite_subject(folder.path()), folder.path());
            if (name == "postgresql") measure_postgresql(s, folder.path());
            std::fflush(stdout);
        }
        return 0;
    } catch (std::exception const& e) {
        std::cerr << "bench-tables: " << e.what() << '\n';
        return 1;
    }
}
