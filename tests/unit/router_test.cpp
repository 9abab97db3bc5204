// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What does not compile is in tests/compile_fail/router.cpp.

#include <parley/router.hpp>

#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace parley;

namespace {

struct open_table {
    static constexpr std::array<std::string_view, 2> types{"open", "select"};
    std::string table;
};

struct close_table {
    static constexpr std::string_view type = "close";
};

struct set_cell {
    static constexpr std::string_view type = "set";
    std::int64_t row = 0;
    boost::json::value value;
};

} // namespace

BOOST_HANA_ADAPT_STRUCT(open_table, table);
BOOST_HANA_ADAPT_STRUCT(close_table);
BOOST_HANA_ADAPT_STRUCT(set_cell, row, value);

namespace {

using commands = router<std::string, set_cell, open_table, close_table>;

/// Says what it was told.
struct recorder {
    std::string operator()(open_table command, std::string_view name) {
        return std::string(name) + " the table " + command.table;
    }
    std::string operator()(close_table) { return "close"; }
    std::string operator()(set_cell command) {
        return "set " + std::to_string(command.row) + " to " +
               boost::json::serialize(command.value);
    }
    std::string operator()(unroutable why) {
        return "unroutable " + why.name + (why.what ? ": " + why.what->text() : "");
    }
};

std::string dispatch(std::string_view name, std::string_view body = "{}") {
    recorder to;
    return commands::dispatch(name, boost::json::parse({body.data(), body.size()}), to);
}

} // namespace

BOOST_AUTO_TEST_SUITE(routing)

BOOST_AUTO_TEST_CASE(a_message_goes_to_the_overload_that_takes_it) {
    BOOST_TEST(dispatch("close") == "close");
    BOOST_TEST(dispatch("set", R"({"row":3,"value":[1,null]})") == "set 3 to [1,null]");
}

BOOST_AUTO_TEST_CASE(one_message_may_go_by_several_names_and_its_handler_told_which) {
    BOOST_TEST(dispatch("open", R"({"table":"people"})") == "open the table people");
    BOOST_TEST(dispatch("select", R"({"table":"people"})") == "select the table people");
}

BOOST_AUTO_TEST_CASE(an_unknown_name_is_unroutable_without_a_problem) {
    for (std::string const name : {"", "clos", "closed", "Close", "close ", "drop", "\xff", "zzz"})
        BOOST_TEST(dispatch(name) == "unroutable " + name);
    std::string const with_nul("close\0", 6);
    BOOST_TEST(dispatch(with_nul) == "unroutable " + with_nul);
}

BOOST_AUTO_TEST_CASE(a_body_that_does_not_fit_is_unroutable_with_the_member_at_fault) {
    BOOST_TEST(dispatch("set", R"({"row":"x"})") ==
               "unroutable set: row: expected a whole number from -9223372036854775808 to "
               "9223372036854775807, found the string \"x\"");
    BOOST_TEST(dispatch("select") == "unroutable select: table: expected a string, found nothing");
    BOOST_TEST(dispatch("close", "7") == "unroutable close: expected an object, found 7");
}

BOOST_AUTO_TEST_CASE(all_names_are_known_in_order) {
    static_assert(commands::names() ==
                  std::array<std::string_view, 4>{"close", "open", "select", "set"});
}

BOOST_AUTO_TEST_CASE(a_router_of_nothing_routes_nothing) {
    recorder to;
    BOOST_TEST(router<std::string>::dispatch("close", {}, to) == "unroutable close");
}

BOOST_AUTO_TEST_CASE(random_names_reach_a_handler_exactly_when_they_are_known) {
    std::mt19937 random(5);
    auto const known = commands::names();
    for (int i = 0; i < 20'000; ++i) {
        std::string name(random() % 7, '\0');
        for (char& c : name)
            c = "closeptn"[random() % 8];
        bool const routed = !dispatch(name, R"({"table":"t","row":1})").starts_with("unroutable");
        BOOST_TEST_REQUIRE(routed == (std::ranges::count(known, name) == 1), name);
    }
}

BOOST_AUTO_TEST_SUITE_END()
