// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/storage/memory_storage.hpp>

#include "../support/storage_suite.hpp"

#include <boost/test/unit_test.hpp>

#include <thread>

using namespace parley;
using namespace parley::test;

BOOST_AUTO_TEST_SUITE(memory_storage)

BOOST_AUTO_TEST_CASE(finds_changes_and_removes_rows) {
    parley::memory_storage storage;
    check_rows(storage);
}

BOOST_AUTO_TEST_CASE(keeps_any_value) {
    parley::memory_storage storage;
    check_values(storage);
}

BOOST_AUTO_TEST_CASE(a_write_is_all_or_nothing) {
    parley::memory_storage storage;
    check_atomicity(storage);
}

BOOST_AUTO_TEST_CASE(serves_coroutines) {
    parley::memory_storage storage;
    check_coroutines(storage);
}

BOOST_AUTO_TEST_CASE(fails_when_told_to) {
    parley::memory_storage storage;
    storage.fail_with(errc::storage_unavailable);
    bool called = false;
    auto const operation = [&](auto&) { called = true; };
    BOOST_TEST((storage.write_now(operation).error() == errc::storage_unavailable));
    BOOST_TEST((storage.read_now(operation).error() == errc::storage_unavailable));
    BOOST_TEST(!called);
    storage.fail_with({});
    BOOST_TEST(storage.write_now(operation).has_value());
}

BOOST_AUTO_TEST_CASE(moves_with_its_rows) {
    parley::memory_storage storage;
    (void)storage.write_now([](auto& tx) { tx.insert(cat); });
    auto moved = std::move(storage);
    BOOST_TEST(
        moved.read_now([](auto& tx) { return tx.template find<pet>(); }).value().has_value());
}

BOOST_AUTO_TEST_CASE(serves_many_threads) {
    parley::memory_storage storage;
    (void)storage.write_now([](auto& tx) { tx.insert(fish); });
    auto const grow = [&] {
        for (int i = 0; i < 1000; ++i) {
            (void)storage.write_now([](auto& tx) {
                auto row = *tx.template find<pet>();
                ++row.legs;
                tx.update(row);
            });
        }
    };
    { std::jthread one(grow), two(grow); }
    auto const grown = storage.read_now([](auto& tx) { return tx.template find<pet>()->legs; });
    BOOST_TEST(grown.value() == 2000);
}

BOOST_AUTO_TEST_SUITE_END()
