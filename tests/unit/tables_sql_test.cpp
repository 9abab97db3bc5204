// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#include <parley/tables/sql.hpp>

#include <boost/test/unit_test.hpp>

#include <boost/mpl/list.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace parley::tables;
using namespace std::string_literals;

namespace {

using all_dialects = boost::mpl::list<dialects::sqlite, dialects::postgresql, dialects::iris>;

column make_column(std::string name, std::string type, value_kind kind) {
    column c;
    c.name = std::move(name);
    c.dataType = std::move(type);
    c.kind = kind;
    return c;
}

/// A table with a column of each kind; `key` is the primary key, `made` is read-only.
table_schema make_table(std::map<std::string, std::string> const& renamed = {}) {
    auto const name = [&](std::string const& usual) {
        auto const found = renamed.find(usual);
        return found == renamed.end() ? usual : found->second;
    };
    table_schema t;
    t.ns = "shop";
    t.schema_part = name("main");
    t.table_part = name("pets");
    t.name = t.schema_part + '.' + t.table_part;
    t.columns = {make_column(name("key"), "integer", value_kind::integer),
                 make_column(name("name"), "text", value_kind::other),
                 make_column(name("alive"), "boolean", value_kind::boolean),
                 make_column(name("weight"), "real", value_kind::real),
                 make_column(name("price"), "decimal(10,2)", value_kind::decimal),
                 make_column(name("photo"), "blob", value_kind::binary),
                 make_column(name("made"), "integer", value_kind::integer)};
    t.columns.front().isPrimaryKey = true;
    t.columns.back().readOnly = true;
    return t;
}

template <class T>
std::string message_of(outcome<T> const& o) {
    return o ? "no failure" : std::string(to_string(o.error().code)) + ": " + o.error().message;
}

/// Every statement that there is, for a table whose columns may be renamed, with these values.
template <class Dialect>
std::vector<sql_statement> all_statements(table_schema const& t, std::string const& value) {
    boost::json::value const json(value.c_str());
    auto const& c = t.columns;
    page_request const request{.page = 3,
                               .page_size = 25,
                               .filters = {{c[1].name, value}, {c[2].name, value}},
                               .sort = sort_order{c[1].name, true}};
    std::vector<outcome<sql_statement>> const made = {
        select_page<Dialect>(t, request),
        select_page<Dialect>(t, {.page = 0, .page_size = 1, .filters = {}, .sort = {}}),
        count_rows<Dialect>(t, request.filters),
        select_cell<Dialect>(t, {c[0].name, 5}, c[1].name),
        update_cell<Dialect>(t, {{c[0].name, 5}, c[1].name, json, json}),
        update_cell<Dialect>(t, {{c[0].name, 5}, c[1].name, nullptr, json}),
        insert_row<Dialect>(t, {{c[0].name, c[1].name}, {7, json}}),
        insert_row<Dialect>(t, {{}, {}}),
        delete_row<Dialect>(t, {c[0].name, json}),
    };
    std::vector<sql_statement> statements;
    for (auto const& m : made) {
        BOOST_TEST_REQUIRE(m.has_value(), message_of(m));
        statements.push_back(*m);
    }
    return statements;
}

/// A text without its identifiers, which `names` gets.
std::string skeleton(std::string const& sql, std::set<std::string>& names) {
    std::string fixed;
    for (std::size_t i = 0; i < sql.size(); ++i) {
        fixed += sql[i];
        if (sql[i] != '"') continue;
        std::string name;
        for (++i; i < sql.size(); ++i) {
            if (sql[i] == '"' && (i + 1 == sql.size() || sql[i + 1] != '"')) break;
            if (sql[i] == '"') ++i;
            name += sql[i];
        }
        names.insert(name);
    }
    return fixed;
}

std::string const hostile_texts[] = {"\"",
                                     "\"\"",
                                     "'; DROP TABLE pets; --",
                                     "a\" OR \"1\"=\"1",
                                     "/* x */",
                                     "-- x\n",
                                     ":v1",
                                     "$1",
                                     "?",
                                     "?1",
                                     "@p",
                                     "%ID",
                                     "\\",
                                     "\\\"",
                                     "select",
                                     "Tabelle mit Ümläuten 表 🐈",
                                     "\xFF\xFE",
                                     " ",
                                     "t",
                                     "[x]",
                                     "`x`",
                                     "E'\\x'",
                                     "$$x$$",
                                     "{fn x}"};

} // namespace

BOOST_AUTO_TEST_SUITE(tables_sql)

BOOST_AUTO_TEST_CASE_TEMPLATE(names_are_quoted_and_change_nothing_else, Dialect, all_dialects) {
    auto const plain = all_statements<Dialect>(make_table(), "x");
    for (auto const& text : hostile_texts) {
        BOOST_TEST_CONTEXT(text) {
            auto const table = make_table({{"main", text + "s"},
                                           {"pets", text},
                                           {"key", text + "k"},
                                           {"name", text},
                                           {"alive", text + "a"}});
            std::set<std::string> known = {"total", "cell", "default", table.schema_part,
                                           table.table_part};
            for (auto const& c : table.columns)
                known.insert(c.name);

            auto const hostile = all_statements<Dialect>(table, "x");
            for (std::size_t i = 0; i < plain.size(); ++i) {
                std::set<std::string> names;
                std::set<std::string> ignored;
                BOOST_TEST(skeleton(hostile[i].text, names) == skeleton(plain[i].text, ignored));
                BOOST_TEST(std::ranges::includes(known, names));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(values_are_bound_and_change_no_text, Dialect, all_dialects) {
    auto const plain = all_statements<Dialect>(make_table(), "x");
    for (auto const& text : hostile_texts) {
        BOOST_TEST_CONTEXT(text) {
            auto const hostile = all_statements<Dialect>(make_table(), text);
            for (std::size_t i = 0; i < plain.size(); ++i) {
                BOOST_TEST(hostile[i].text == plain[i].text);
                BOOST_TEST(hostile[i].parameters.size() == plain[i].parameters.size());
                auto const& sql = hostile[i].text;
                auto const sign = std::is_same_v<Dialect, dialects::postgresql> ? '$' : '?';
                BOOST_TEST(static_cast<std::size_t>(std::ranges::count(sql, sign)) ==
                           hostile[i].parameters.size());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_name_with_nul_is_refused, Dialect, all_dialects) {
    auto const table = make_table({{"pets", "pe\0ts"s}});
    BOOST_TEST(message_of(count_rows<Dialect>(table, {})) ==
               "INVALID_INPUT: Table \"main.pe\\u0000ts\": expected names without U+0000");
}

BOOST_AUTO_TEST_CASE(pages_in_a_total_order) {
    auto table = make_table();
    page_request const request{
        .page = 2, .page_size = 10, .filters = {}, .sort = sort_order{"name", true}};
    auto const sqlite = *select_page<dialects::sqlite>(table, request);
    BOOST_TEST(sqlite.text.ends_with(
        R"( FROM "main"."pets" AS t ORDER BY t."name" DESC, t."key" LIMIT ? OFFSET ?)"));
    BOOST_TEST((sqlite.parameters == std::vector<parameter>{std::int64_t{10}, std::int64_t{20}}));

    auto const iris = *select_page<dialects::iris>(table, request);
    BOOST_TEST(iris.text.starts_with(R"(SELECT "key", "name", )"));
    BOOST_TEST(iris.text.find(R"(FROM (SELECT TOP ? t."key" AS "key")") != std::string::npos);
    BOOST_TEST(iris.text.ends_with(R"(ORDER BY t."name" DESC, t."key") WHERE %VID > ?)"));
    BOOST_TEST((iris.parameters == std::vector<parameter>{std::int64_t{30}, std::int64_t{20}}));
    BOOST_TEST(select_page<dialects::iris>(table, {})->text.starts_with("SELECT TOP ? t.\"key\""));

    // The columns of a key in its own order, not in that of the table.
    table.columns[0].key_position = 2;
    table.columns[1].isPrimaryKey = true;
    table.columns[1].key_position = 1;
    auto const by_key = *select_page<dialects::postgresql>(table, {});
    BOOST_TEST(by_key.text.ends_with(R"(ORDER BY t."name", t."key" LIMIT $1 OFFSET $2) AS t)"));
}

BOOST_AUTO_TEST_CASE(a_page_begins_at_the_nearest_row_that_is_known) {
    page_request request{.page = 3, .page_size = 10, .filters = {}, .sort = {}};
    auto const from_start = *select_page<dialects::sqlite>(make_table(), request);
    BOOST_TEST(from_start.text.ends_with(R"(AS t ORDER BY t."key" LIMIT ? OFFSET ?)"));
    known_row const known{.position = 28, .key = 77};
    auto const sql = *select_page<dialects::sqlite>(make_table(), request, known);
    BOOST_TEST(sql.text.ends_with(R"(AS t WHERE t."key" >= ? ORDER BY t."key" LIMIT ? OFFSET ?)"));
    BOOST_TEST((sql.parameters ==
                std::vector<parameter>{std::int64_t{77}, std::int64_t{10}, std::int64_t{2}}));
    request.filters = {{"name", "x"}};
    auto const filtered = *select_page<dialects::sqlite>(make_table(), request, known);
    BOOST_TEST(filtered.text.find(R"(, t."name") AND t."key" >= ? ORDER)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(postgresql_puts_out_the_rows_of_the_page_only) {
    auto const sql = *select_page<dialects::postgresql>(make_table(), {});
    BOOST_TEST(sql.text.find(R"( FROM (SELECT t."key", t."name", )") != std::string::npos);
    BOOST_TEST(sql.text.ends_with(R"( AS t ORDER BY t."key" LIMIT $1 OFFSET $2) AS t)"));
}

BOOST_AUTO_TEST_CASE(tables_without_a_key_have_an_order_too) {
    auto table = make_table();
    table.columns[0].isPrimaryKey.reset();
    auto const order_of = [](std::string const& sql) {
        auto const at = sql.find("ORDER BY ");
        return sql.substr(at, sql.find(" LIMIT") - at);
    };
    BOOST_TEST(order_of(select_page<dialects::sqlite>(table, {})->text) == "ORDER BY t.rowid");
    BOOST_TEST(order_of(select_page<dialects::postgresql>(table, {})->text) ==
               "ORDER BY t.tableoid, t.ctid");
    BOOST_TEST(order_of(select_page<dialects::iris>(table, {})->text) == "ORDER BY t.%ID");

    table.columns[1].name = "RowID";
    BOOST_TEST(order_of(select_page<dialects::sqlite>(table, {})->text) == "ORDER BY t._rowid_");
    table.columns[2].name = "_rowid_";
    table.columns[3].name = "OID";
    table.columns.resize(4);
    BOOST_TEST(order_of(select_page<dialects::sqlite>(table, {})->text) ==
               R"(ORDER BY t."key", t."RowID", t."_rowid_", t."OID")");
}

BOOST_AUTO_TEST_CASE(translates_wildcards) {
    BOOST_TEST(to_like_pattern("a*b?c") == "a%b_c");
    BOOST_TEST(to_like_pattern("100%_\\") == "100\\%\\_\\\\");
    auto const found =
        *count_rows<dialects::postgresql>(make_table(), std::vector{filter{"name", "?x%"}});
    BOOST_TEST(found.text.ends_with(R"( WHERE t."name"::text COLLATE "default" ILIKE $1)"));
    BOOST_TEST((found.parameters == std::vector<parameter>{"_x\\%"s}));
}

BOOST_AUTO_TEST_CASE(iris_matches_bits_by_what_clients_see) {
    auto table = make_table();
    table.columns[1].kind = value_kind::boolean;
    auto const found = *count_rows<dialects::iris>(table, std::vector{filter{"name", "tr*"}});
    BOOST_TEST(
        found.text.ends_with(R"( WHERE CASE t."name" WHEN 1 THEN 'TRUE' WHEN 0 THEN 'FALSE' )"
                             R"(END LIKE UPPER(?) ESCAPE '\')"));
    BOOST_TEST((found.parameters == std::vector<parameter>{"tr%"s}));
}

BOOST_AUTO_TEST_CASE(counts_are_bounded) {
    auto const table = make_table();
    for (std::size_t const size : {std::size_t{0}, std::size_t{1001}})
        BOOST_TEST(message_of(select_page<dialects::sqlite>(
                       table, {.page = 0, .page_size = size, .filters = {}, .sort = {}})) ==
                   "INVALID_INPUT: pageSize: expected a whole number from 1 to 1000, found " +
                       std::to_string(size));
    page_request const far{
        .page = std::numeric_limits<std::uint64_t>::max(), .filters = {}, .sort = {}};
    BOOST_TEST(message_of(select_page<dialects::sqlite>(table, far))
                   .starts_with("INVALID_INPUT: page: expected a whole number from 0 to "));
    std::vector<filter> const many(101, filter{"name", "x"});
    BOOST_TEST(message_of(count_rows<dialects::sqlite>(table, many)) ==
               "INVALID_INPUT: Expected at most 100 filters, found 101");
    std::vector<filter> const long_one{{"name", std::string(10'001, 'x')}};
    BOOST_TEST(message_of(count_rows<dialects::sqlite>(table, long_one)) ==
               "INVALID_INPUT: The filter of column \"name\": expected at most 10000 bytes, found "
               "10001");
}

BOOST_AUTO_TEST_CASE(unknown_columns_are_named) {
    auto const table = make_table();
    auto const unknown =
        "INVALID_INPUT: Table \"main.pets\" has no column \"nmae\"; the nearest is \"name\"";
    BOOST_TEST(message_of(count_rows<dialects::sqlite>(table, std::vector{filter{"nmae", "x"}})) ==
               unknown);
    page_request const sorted{.filters = {}, .sort = sort_order{"nmae", false}};
    BOOST_TEST(message_of(select_page<dialects::sqlite>(table, sorted)) == unknown);
    BOOST_TEST(message_of(select_cell<dialects::sqlite>(table, {"key", 1}, "nmae")) == unknown);
    BOOST_TEST(message_of(update_cell<dialects::sqlite>(table, {{"key", 1}, "nmae", 1, 2})) ==
               unknown);
    BOOST_TEST(message_of(insert_row<dialects::sqlite>(table, {{"nmae"}, {1}})) == unknown);
    BOOST_TEST(message_of(delete_row<dialects::sqlite>(table, {"nmae", 1})) == unknown);
    // Case is part of a name.
    BOOST_TEST(!delete_row<dialects::sqlite>(table, {"KEY", 1}).has_value());
}

BOOST_AUTO_TEST_CASE(rows_are_told_apart_by_the_primary_key_only) {
    auto table = make_table();
    BOOST_TEST(message_of(delete_row<dialects::sqlite>(table, {"name", "x"})) ==
               "INVALID_INPUT: Column \"name\" is not part of the primary key, which is \"key\"");
    table.columns[0].isPrimaryKey.reset();
    BOOST_TEST(message_of(delete_row<dialects::sqlite>(table, {"name", "x"})) ==
               "INVALID_INPUT: Table \"main.pets\" has no primary key, so that its rows cannot be "
               "told apart");
}

BOOST_AUTO_TEST_CASE(inserts_name_each_column_once) {
    auto const table = make_table();
    BOOST_TEST(message_of(insert_row<dialects::sqlite>(table, {{"key", "key"}, {1, 2}})) ==
               "INVALID_INPUT: Column \"key\" is there twice");
    BOOST_TEST(message_of(insert_row<dialects::sqlite>(table, {{"key"}, {}})) ==
               "INVALID_INPUT: Expected as many values as columns, found 1 columns and 0 values");
    BOOST_TEST(message_of(insert_row<dialects::sqlite>(table, {{"made"}, {1}})) ==
               "INVALID_INPUT: Column \"made\" is read-only: the database makes its values");
    // A client that sends every column has nothing else to send for it.
    auto const whole = *insert_row<dialects::sqlite>(table, {{"key", "made"}, {1, nullptr}});
    BOOST_TEST(whole.text == R"(INSERT INTO "main"."pets" ("key") VALUES (?))");
    auto const nothing = *insert_row<dialects::sqlite>(table, {{}, {}});
    BOOST_TEST(nothing.text == R"(INSERT INTO "main"."pets" DEFAULT VALUES)");
}

BOOST_AUTO_TEST_CASE(iris_checks_within_the_update) {
    auto const table = make_table();
    auto const update = *update_cell<dialects::iris>(table, {{"key", 1}, "name", "old", "new"});
    BOOST_TEST(update.text ==
               R"(UPDATE "main"."pets" SET "name" = ? WHERE "key" = ? AND %EXACT("name") = ? )"
               R"(AND (SELECT COUNT(*) FROM "main"."pets" WHERE "key" = ?) = 1)");
    BOOST_TEST((update.parameters ==
                std::vector<parameter>{"new"s, std::int64_t{1}, "old"s, std::int64_t{1}}));
    auto const was_null = *update_cell<dialects::iris>(table, {{"key", 1}, "name", nullptr, "x"});
    BOOST_TEST(was_null.text.find(R"("name" IS NULL)") != std::string::npos);
    // Bound, an empty text would be NULL.
    auto const empty = *update_cell<dialects::iris>(table, {{"key", 1}, "name", "", nullptr});
    BOOST_TEST(empty.text.find(R"(SET "name" = NULL WHERE "key" = ? AND %EXACT("name") = '')") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(new_values_are_of_the_kind_of_their_column) {
    auto const table = make_table();
    auto const stored = [&](char const* name, boost::json::value const& value) {
        return *to_new_value<dialects::sqlite>(*table.find(name), value);
    };
    auto const kept = [&](char const* name, boost::json::value const& value) {
        return *to_new_value<dialects::postgresql>(*table.find(name), value);
    };
    BOOST_TEST((stored("key", "9223372036854775807") ==
                parameter(std::numeric_limits<std::int64_t>::max())));
    BOOST_TEST((stored("key", 1e3) == parameter(std::int64_t{1000})));
    BOOST_TEST((stored("name", 1.5) == parameter("1.5"s)));
    BOOST_TEST((stored("name", "\xFF") == parameter("\xEF\xBF\xBD"s)));
    BOOST_TEST((stored("alive", "TRUE") == parameter(true)));
    BOOST_TEST((stored("alive", 0) == parameter(false)));
    BOOST_TEST((stored("weight", "1e300") == parameter(1e300)));
    BOOST_TEST((stored("price", "1.10") == parameter(1.1)));
    BOOST_TEST((stored("price", "12") == parameter(std::int64_t{12})));
    BOOST_TEST((kept("price", "1.10") == parameter("1.10"s)));
    BOOST_TEST((kept("price", 0.1) == parameter("0.1"s)));
    BOOST_TEST((stored("photo", "AP8=") == parameter(byte_string{"\0\xFF"s})));
    BOOST_TEST((stored("photo", nullptr) == parameter(nullptr)));
}

BOOST_AUTO_TEST_CASE(values_of_another_kind_are_refused) {
    auto const table = make_table();
    auto const refusal = [&](char const* name, boost::json::value const& value) {
        return message_of(to_new_value<dialects::sqlite>(*table.find(name), value));
    };
    BOOST_TEST(refusal("key", "five") ==
               "INVALID_INPUT: Column \"key\": expected a whole number of at most 64 bits, found "
               "\"five\"");
    BOOST_TEST(refusal("key", 1.5).ends_with("found 1.5"));
    BOOST_TEST(refusal("key", true).ends_with("found true"));
    BOOST_TEST(refusal("key", "9223372036854775808").ends_with("found \"9223372036854775808\""));
    BOOST_TEST(refusal("key", std::numeric_limits<std::uint64_t>::max()) != "no failure");
    BOOST_TEST(refusal("alive", 2).ends_with("expected true or false, found 2"));
    BOOST_TEST(refusal("weight", "heavy").ends_with("expected a number, found \"heavy\""));
    BOOST_TEST(refusal("weight", "0x10") != "no failure");
    BOOST_TEST(refusal("price", "1,5").ends_with("expected a decimal number, found \"1,5\""));
    BOOST_TEST(refusal("photo", "AP8").ends_with("base64 with padding, found \"AP8\""));
    BOOST_TEST(refusal("name", boost::json::object()).ends_with("a string, found an object"));
    BOOST_TEST(refusal("name", boost::json::array()).ends_with("a string, found an array"));
    // SQLite would round it without a word.
    BOOST_TEST(refusal("price", "12345678901234567.89") ==
               "INVALID_INPUT: Column \"price\": expected a number with fewer digits, which the "
               "database can keep, found \"12345678901234567.89\"");

    // PostgreSQL's text cannot hold it, and a driver would end the text there.
    auto const cut = to_new_value<dialects::postgresql>(
        *table.find("name"), boost::json::string(boost::json::string_view("a\0b", 3)));
    BOOST_TEST(message_of(cut) ==
               "INVALID_INPUT: Column \"name\": expected text without U+0000, found \"a\\u0000b\"");
    BOOST_TEST(!delete_row<dialects::postgresql>(
                    table, {"key", boost::json::string(boost::json::string_view("1\0", 2))})
                    .has_value());
    std::vector<filter> const filters{{"name", "a\0b"s}};
    BOOST_TEST(!count_rows<dialects::postgresql>(table, filters).has_value());
}

BOOST_AUTO_TEST_CASE(decimals_are_compared_by_value) {
    auto const same = [](char const* a, char const* b) {
        auto const left = parley::tables::detail::parse_decimal(a);
        return left && left == parley::tables::detail::parse_decimal(b);
    };
    BOOST_TEST(same("1.50", "1.5"));
    BOOST_TEST(same("+15e-1", "001.5"));
    BOOST_TEST(same("-0.00", "0"));
    BOOST_TEST(same("100", "1e2"));
    BOOST_TEST(!same("1.5", "-1.5"));
    BOOST_TEST(!same("1.5", "15"));
    for (auto text : {"", ".", "-", "1e", "1e99999999999", "1.2.3", " 1", "0x1", "1e+-1", "NaN"})
        BOOST_TEST(!parley::tables::detail::parse_decimal(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(what_was_sent_compares_with_what_comes_back) {
    BOOST_TEST((scalar_text(9007199254740993) == scalar_text("9007199254740993")));
    BOOST_TEST((scalar_text(0.1) == std::optional("0.1"s)));
    BOOST_TEST((scalar_text(5) == scalar_text(5.0)));
    BOOST_TEST((scalar_text(nullptr) == std::nullopt));
    BOOST_TEST((scalar_text("") == std::optional(""s)));
    BOOST_TEST((scalar_text(true) == std::optional("true"s)));
}

BOOST_AUTO_TEST_CASE(values_are_compared_not_their_spelling) {
    using enum value_kind;
    BOOST_TEST(is_same_value(integer, "7", "007"));
    BOOST_TEST(is_same_value(decimal, "12345678901234567890.5", "12345678901234567890.50"));
    BOOST_TEST(!is_same_value(decimal, "9007199254740993", "9007199254740992"));
    BOOST_TEST(!is_same_value(decimal, "0.1", "0.1000000000000000055"));
    BOOST_TEST(is_same_value(real, "0.1", "0.1000000000000000055")); // the same double
    BOOST_TEST(is_same_value(boolean, "true", 1));
    BOOST_TEST(!is_same_value(boolean, "true", "yes"));
    BOOST_TEST(!is_same_value(integer, "1", true));
    BOOST_TEST(!is_same_value(other, "1.5", "1.50"));
    BOOST_TEST(!is_same_value(binary, "0000", "0"));
    BOOST_TEST(is_same_value(other, std::nullopt, nullptr));
    BOOST_TEST(!is_same_value(other, std::nullopt, ""));
    BOOST_TEST(!is_same_value(other, std::nullopt, boost::json::array())); // which has no text
}

BOOST_AUTO_TEST_SUITE_END()
