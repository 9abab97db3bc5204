// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What every storage policy promises, shown on a small table: `check_storage` is given an empty
/// storage.

#include <parley/error.hpp>
#include <parley/storage/table.hpp>
#include <parley/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace parley::test {

/// One column of each type that there is.
struct pet {
    BOOST_HANA_DEFINE_STRUCT(pet, (std::string, name), (std::int64_t, legs), (double, weight),
                             (std::optional<std::string>, owner),
                             (std::optional<std::int64_t>, age), (std::optional<double>, length));
    bool operator==(pet const&) const = default;
};

inline constexpr char const* create_pets =
    "CREATE TABLE pets (name TEXT PRIMARY KEY, legs INTEGER NOT NULL CHECK (legs >= 0), "
    "weight REAL NOT NULL, owner TEXT, age INTEGER, length REAL)";

inline pet const cat{"cat", 4, 4.1, "Ann", 3, {}};
inline pet const dog{"dog", 4, 30.25, "Bob", {}, 0.9};
inline pet const fish{"fish", 0, 0.1, {}, {}, {}};

/// Runs the coroutine to its end on a thread of its own `io_context`, as a connection would.
template <class T>
T run(task<T> coroutine) {
    asio::io_context io(1);
    std::optional<T> value;
    std::exception_ptr thrown;
    asio::co_spawn(io, std::move(coroutine), [&](std::exception_ptr e, T v) {
        thrown = e;
        value = std::move(v);
    });
    io.run();
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value);
}

} // namespace parley::test

template <>
struct parley::table<parley::test::pet> {
    static constexpr std::string_view name = "pets";
    static constexpr std::string_view primary_key = "name";
    static bool conflicts(test::pet const&, test::pet const&) { return false; }
    static bool may_become(test::pet const&, test::pet const& after) { return after.legs >= 0; }
};

namespace parley::test {

template <class Storage>
void check_rows(Storage& storage) {
    auto const insert_all = [](auto& tx) {
        for (auto const& row : {fish, dog, cat})
            tx.insert(row);
    };
    BOOST_TEST_REQUIRE(storage.write_now(insert_all).has_value());

    auto const looked_up = [](auto& tx) {
        BOOST_TEST((tx.template select<pet>() == std::vector{cat, dog, fish}));
        BOOST_TEST((tx.template select<pet>(where<"legs">(4)) == std::vector{cat, dog}));
        BOOST_TEST((tx.template find<pet>(where<"name">("dog")) == dog));
        BOOST_TEST((tx.template find<pet>(where<"weight">(0.1)) == fish));
        BOOST_TEST((tx.template find<pet>(where<"length">(0.9)) == dog));
        BOOST_TEST((tx.template find<pet>(where<"owner">(std::optional<std::string>())) == fish));
        BOOST_TEST((tx.template find<pet>(where<"owner">("Bob"), where<"legs">(4)) == dog));
        BOOST_TEST(!tx.template find<pet>(where<"owner">("Bob"), where<"legs">(0)));
        auto const wanted = std::optional<std::int64_t>();
        BOOST_TEST((tx.template select<pet>(where_if<"age">(wanted)).size() == 3u));
        BOOST_TEST((tx.template select<pet>(where<"age">(wanted)) == std::vector{dog, fish}));
    };
    BOOST_TEST(storage.read_now(looked_up).has_value());

    auto const changed = [](auto& tx) {
        auto row = cat;
        row.owner.reset();
        row.age = 4;
        BOOST_TEST(tx.update(row));
        BOOST_TEST((tx.template find<pet>(where<"name">("cat")) == row));
        row.name = "cow";
        BOOST_TEST(!tx.update(row));
        BOOST_TEST(tx.template remove<pet>(where<"owner">(std::optional<std::string>())) == 2u);
        BOOST_TEST(tx.template remove<pet>(where<"name">("cat")) == 0u);
        return tx.template select<pet>();
    };
    BOOST_TEST((storage.write_now(changed).value() == std::vector{dog}));
}

/// Whatever is in a value comes back, and is never taken for SQL.
template <class Storage>
void check_values(Storage& storage) {
    for (std::string name : {std::string("x'; DROP TABLE pets; --"), std::string("\"?:v1"),
                             std::string("nul\0within", 10), std::string(),
                             std::string("Zoë \u2603"), std::string(100'000, 'x')}) {
        pet const row{name, INT64_MIN, 0.1 + 0.2, name, INT64_MAX, -1e300};
        auto const kept = storage.write_now([&](auto& tx) {
            auto legal = row;
            legal.legs = INT64_MAX;
            tx.insert(legal);
            return tx.template find<pet>(where<"name">(name), where<"owner">(name)) == legal;
        });
        BOOST_TEST(kept.value());
    }
}

template <class Storage>
void check_atomicity(Storage& storage) {
    BOOST_TEST(storage.write_now([](auto& tx) { tx.insert(cat); }).has_value());
    auto const change_everything = [](auto& tx) {
        tx.insert(dog);
        auto row = cat;
        row.legs = 3;
        tx.update(row);
        tx.template remove<pet>(where<"name">("dog"));
        tx.template remove<pet>();
        tx.insert(fish);
    };
    auto const unchanged = [&] {
        return storage.read_now([](auto& tx) { return tx.template select<pet>(); }).value() ==
               std::vector{cat};
    };

    // A rule of the table.
    auto const twice = storage.write_now([&](auto& tx) {
        change_everything(tx);
        tx.insert(fish);
    });
    BOOST_TEST((twice.error() == errc::constraint_violated));
    BOOST_TEST(unchanged());

    // An error of the operation's own.
    auto const abandoned = storage.write_now([&](auto& tx) {
        change_everything(tx);
        throw boost::system::system_error(errc::stopping);
    });
    BOOST_TEST((abandoned.error() == errc::stopping));
    BOOST_TEST(unchanged());

    // A bug: it is whoever called that hears of it, in both forms.
    auto const mistaken = [&](auto& tx) {
        change_everything(tx);
        throw std::logic_error("a bug");
    };
    BOOST_CHECK_THROW((void)storage.write_now(mistaken), std::logic_error);
    BOOST_CHECK_THROW(run(storage.write(mistaken)), std::logic_error);
    BOOST_TEST(unchanged());

    // A read that writes.
    auto const sly = storage.read_now([](auto& tx) { tx.insert(dog); });
    BOOST_TEST((sly.error() == errc::storage_unavailable));
    BOOST_TEST(unchanged());
}

template <class Storage>
void check_coroutines(Storage& storage) {
    auto const session = [](Storage& s) -> task<std::string> {
        auto written = co_await s.write([](auto& tx) { tx.insert(dog); });
        BOOST_TEST(written.has_value());
        auto again = co_await s.write([](auto& tx) { tx.insert(dog); });
        BOOST_TEST((again.error() == errc::constraint_violated));
        auto read = co_await s.read([](auto& tx) { return tx.template find<pet>(); });
        co_return read.value()->name;
    };
    BOOST_TEST(run(session(storage)) == "dog");
}

} // namespace parley::test
