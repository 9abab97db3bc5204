// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/storage/memory_storage.hpp>

#include "../support/relationships_suite.hpp"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(relationships)

BOOST_AUTO_TEST_CASE(behave_as_specified_in_memory) {
    for (auto const& scenario : parley::test::relationship_scenarios<parley::memory_storage>()) {
        BOOST_TEST_CONTEXT(scenario.name) {
            parley::memory_storage storage;
            scenario.run({storage});
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
