// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/detail/sql.hpp>
#include <parley/storage/memory_storage.hpp>
#include <parley/storage/table.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

using parley::where;
using parley::where_if;

namespace table_test {

struct book {
    BOOST_HANA_DEFINE_STRUCT(book, (std::string, isbn), (std::int64_t, pages),
                             (std::optional<std::string>, author));
};
struct no_table {
    BOOST_HANA_DEFINE_STRUCT(no_table, (std::string, id));
};
struct wrong_key {
    BOOST_HANA_DEFINE_STRUCT(wrong_key, (std::string, id));
};
struct wrong_type {
    BOOST_HANA_DEFINE_STRUCT(wrong_type, (std::string, id), (void*, handle));
};

} // namespace table_test

using namespace table_test;

template <>
struct parley::table<book> {
    static constexpr std::string_view name = "books";
    static constexpr std::string_view primary_key = "isbn";
};
template <>
struct parley::table<wrong_key> {
    static constexpr std::string_view name = "t";
    static constexpr std::string_view primary_key = "di";
};
template <>
struct parley::table<wrong_type> {
    static constexpr std::string_view name = "t";
    static constexpr std::string_view primary_key = "id";
};

namespace {

static_assert(parley::table_row<book>);
static_assert(!parley::table_row<no_table>);
static_assert(!parley::table_row<wrong_key>);
static_assert(!parley::table_row<wrong_type>);
static_assert(!parley::table_row<int>);

template <class Row, class Criterion>
constexpr bool compiles = requires(parley::memory_storage::transaction& tx, Criterion criterion) {
    tx.select<Row>(criterion);
    tx.find<Row>(criterion);
    tx.remove<Row>(criterion);
};

static_assert(compiles<book, decltype(where<"isbn">("0"))>);
static_assert(compiles<book, decltype(where<"pages">(100))>);
static_assert(compiles<book, decltype(where<"author">(std::optional<std::string>()))>);
static_assert(compiles<book, decltype(where_if<"pages">(std::optional<std::int64_t>()))>);
static_assert(!compiles<book, decltype(where<"isnb">("0"))>, "a misspelt column");
static_assert(!compiles<book, decltype(where<"pages">("100"))>, "text for a number");
static_assert(!compiles<book, decltype(where<"isbn">(0))>, "a number for text");
static_assert(!compiles<book, decltype(where<"pages">(1.5))>, "a fraction for a whole number");

} // namespace

BOOST_AUTO_TEST_SUITE(table)

BOOST_AUTO_TEST_CASE(sql_names_the_columns_and_never_a_value) {
    using namespace parley::detail;
    BOOST_TEST(insert_sql<book>() ==
               R"(INSERT INTO "books" ("isbn", "pages", "author") VALUES (:v1, :v2, :v3))");
    BOOST_TEST(update_sql<book>() == R"(UPDATE "books" SET "isbn" = :v1, "pages" = :v2, )"
                                     R"("author" = :v3 WHERE "isbn" = :v4)");
    BOOST_TEST(select_sql<book>() ==
               R"(SELECT "isbn", "pages", "author" FROM "books" ORDER BY "isbn")");
    BOOST_TEST(select_sql<book>(where<"author">("'; --"), where<"pages">(7)) ==
               R"(SELECT "isbn", "pages", "author" FROM "books" )"
               R"(WHERE "author" = :v1 AND "pages" = :v2 ORDER BY "isbn")");
    BOOST_TEST(delete_sql<book>(where<"author">(std::optional<std::string>()), where<"pages">(7)) ==
               R"(DELETE FROM "books" WHERE "author" IS NULL AND "pages" = :v1)");
    BOOST_TEST(delete_sql<book>(where_if<"author">(std::optional<std::string>()),
                                where_if<"pages">(std::optional(7))) ==
               R"(DELETE FROM "books" WHERE "pages" = :v1)");
}

BOOST_AUTO_TEST_SUITE_END()
