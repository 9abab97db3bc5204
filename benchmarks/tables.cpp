// Distributed under the Boost Software License, Version 1.0. See LICENSE.

/// \file
/// What a page of a table costs through the table editor's SQLite backend, beside the same queries
/// made plainly: the rows are fetched and their values looked at, and they are counted.

#include <parley/tables/sqlite_backend.hpp>

#include "../tests/support/temporary_directory.hpp"

#include <benchmark/benchmark.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

using namespace parley;
using namespace parley::tables;

namespace {

/// A table of `rows` rows with a column of each common kind.
class sample {
  public:
    explicit sample(std::int64_t rows) {
        if (sqlite_api::sqlite3_open((directory_ / "sample.db").c_str(), &db) != SQLITE_OK)
            throw std::runtime_error("no database");
        run("CREATE TABLE orders (id integer PRIMARY KEY, customer text, city text, "
            "price real, amount integer, ordered text)");
        run("INSERT INTO orders WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            "WHERE i < " +
            std::to_string(rows) +
            ") SELECT i, 'Customer number ' || i, 'City ' || (i % 100), i * 0.25, i % 7, "
            "'2026-01-01 00:00:00' FROM n");
    }
    sample(sample const&) = delete;
    sample& operator=(sample const&) = delete;
    ~sample() { sqlite_api::sqlite3_close(db); }

    void run(std::string const& sql) {
        if (sqlite_api::sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
            throw std::runtime_error(sqlite_api::sqlite3_errmsg(db));
    }

    [[nodiscard]] std::filesystem::path const& folder() const { return directory_.path(); }

    sqlite_api::sqlite3* db = nullptr;

  private:
    test::temporary_directory directory_;
};

/// The value as text, and how long it is: the least that one does with it.
std::size_t look_at_row(sqlite_api::sqlite3_stmt* row, int columns) {
    std::size_t size = 0;
    for (int i = 0; i < columns; ++i) {
        benchmark::DoNotOptimize(sqlite_api::sqlite3_column_text(row, i));
        size += static_cast<std::size_t>(sqlite_api::sqlite3_column_bytes(row, i));
    }
    return size;
}

void plainly(benchmark::State& state) {
    sample table(state.range(0));
    auto const prepare = [&](char const* sql) {
        sqlite_api::sqlite3_stmt* made = nullptr;
        if (sqlite_api::sqlite3_prepare_v2(table.db, sql, -1, &made, nullptr) != SQLITE_OK)
            throw std::runtime_error(sqlite_api::sqlite3_errmsg(table.db));
        return made;
    };
    auto* const page = prepare("SELECT id, customer, city, price, amount, ordered FROM orders "
                               "ORDER BY id LIMIT 100 OFFSET 200");
    auto* const count = prepare("SELECT COUNT(*) FROM orders");
    for (auto _ : state) {
        table.run("BEGIN");
        std::size_t size = 0;
        while (sqlite_api::sqlite3_step(page) == SQLITE_ROW)
            size += look_at_row(page, 6);
        sqlite_api::sqlite3_reset(page);
        sqlite_api::sqlite3_step(count);
        size += look_at_row(count, 1);
        sqlite_api::sqlite3_reset(count);
        table.run("COMMIT");
        benchmark::DoNotOptimize(size);
    }
    sqlite_api::sqlite3_finalize(page);
    sqlite_api::sqlite3_finalize(count);
}

template <class T>
T wait_for(task<outcome<T>> coroutine) {
    asio::io_context io(1);
    auto answer = asio::co_spawn(io, std::move(coroutine), asio::use_future);
    io.run();
    return answer.get().value();
}

operation_ptr within_a_minute() {
    return std::make_shared<operation>(std::chrono::steady_clock::now() + std::chrono::minutes(1));
}

void through_the_backend(benchmark::State& state) {
    sample table(state.range(0));
    sqlite_backend backend({.folder = table.folder(), .users = [](auto, auto) { return true; }});
    credentials who;
    who.ns = "sample.db";
    auto const db = wait_for(backend.open(who, within_a_minute()));
    auto const schema = wait_for(db->describe(who.ns, "main.orders", within_a_minute()));
    page_request const request{.page = 2, .filters = {}, .sort = {}};

    asio::io_context io(1);
    auto const pages = [&]() -> task<> {
        for (auto _ : state) {
            auto const op = within_a_minute();
            auto const read = co_await db->read_page(schema, request, op);
            benchmark::DoNotOptimize(read->rows.data());
        }
    };
    asio::co_spawn(io, pages, asio::detached);
    io.run();
}

} // namespace

BENCHMARK(plainly)->Arg(10'000)->Arg(1'000'000)->UseRealTime();
BENCHMARK(through_the_backend)->Arg(10'000)->Arg(1'000'000)->UseRealTime();

BENCHMARK_MAIN();
