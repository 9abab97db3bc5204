// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// What goes to the Atelier API, and what is made of its answers, without a server.
#include <parley/tables/atelier_address.hpp>
#include <parley/tables/atelier_answer.hpp>
#include <parley/tables/atelier_schema.hpp>
#include <parley/tables/atelier_values.hpp>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace parley::tables::test {
namespace {

namespace data = boost::unit_test::data;
using parley::detail::parse_raw_json;
using parley::detail::raw_json;

raw_json raw(std::string const& text) {
    return parse_raw_json(text).value();
}

/// The JSON of a value of a column of this kind.
std::string shown(value_kind kind, std::string const& sent) {
    auto const c = to_cell(kind, raw(sent));
    if (!c) return "(no cell)";
    std::string out;
    append_cell(out, *c);
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(atelier_address)

BOOST_AUTO_TEST_CASE(a_path_prefix_is_a_plain_path) {
    BOOST_TEST(atelier_base("", "/api/atelier/").value() == "/api/atelier/");
    BOOST_TEST(atelier_base("/iris-1/api/atelier", "/api/atelier/").value() ==
               "/iris-1/api/atelier/");
    BOOST_TEST(atelier_base("/", "/api/atelier/").value() == "/");
    for (std::string const path :
         {"api/atelier/", "http://evil.test/", "//evil.test/", "/a/../b/", "/..", "/a/./b", "/a//b",
          "/a?b", "/a#b", "/a b", "/a%2e%2e/b", "/a\\b", "/a\r\nX: y", "/a\tb", "/\xC3\xBC", "/a:b",
          "/a;b", "/a@b"})
        BOOST_TEST(
            (atelier_base(path, "/api/atelier/").error().code == failure_code::invalid_input),
            path);
    BOOST_TEST(!atelier_base("/" + std::string(256, 'a'), "/"));
    BOOST_TEST(!atelier_base(std::string("/a\0b", 4), "/"));
}

BOOST_AUTO_TEST_CASE(a_namespace_is_spelt_as_iris_does_and_encoded) {
    for (std::string const ns : {"USER", "%SYS", "my-name_1", "%ALL"})
        BOOST_TEST(is_namespace(ns), ns);
    for (std::string const ns : {"", "..", ".", "%", "1USER", "A/B", "A%2fB", "A B", "A\r\nB", "-A",
                                 "%SYS/../USER", "A?b", "A\xC3\xBC"})
        BOOST_TEST(!is_namespace(ns), ns);
    BOOST_TEST(!is_namespace(std::string(256, 'A')));
    BOOST_TEST(atelier_query_target("/api/atelier/", "%SYS") ==
               "/api/atelier/v1/%25SYS/action/query");
    BOOST_TEST(atelier_query_target("/", "USER") == "/v1/USER/action/query");
}

BOOST_AUTO_TEST_CASE(credentials_are_a_header) {
    BOOST_TEST(basic_authorization("_SYSTEM", secret("SYS")).value().view() ==
               "Basic X1NZU1RFTTpTWVM=");
    BOOST_TEST(basic_authorization("j\xC3\xBCrgen", secret("a:b")).value().view() ==
               "Basic asO8cmdlbjphOmI=");
    for (std::string const name : {"", "a:b", "a\r\nb", "a\x7f"})
        BOOST_TEST(
            (basic_authorization(name, secret("x")).error().code == failure_code::invalid_input));
    BOOST_TEST(!basic_authorization("a", secret("x\ny")));
    BOOST_TEST(!basic_authorization("a", secret(std::string(1001, 'x'))));
    auto const refused = basic_authorization("a", secret("hush\n"));
    BOOST_TEST(refused.error().message.find("hush") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(atelier_answers)

BOOST_AUTO_TEST_CASE(the_content_is_what_counts) {
    auto const answer = parse_atelier_answer(
        R"({"status":{"errors":[]},"console":[],"result":{"content":[{"a":1},{"a":null}]}})");
    auto const rows = take_rows(answer.value());
    BOOST_TEST_REQUIRE(rows.has_value());
    BOOST_TEST(rows->size() == 2u);
    BOOST_TEST((*rows)[0].find("a")->text == "1");
    // A change has none.
    BOOST_TEST(take_rows(parse_atelier_answer(R"({"status":{"errors":[]},"result":{}})").value())
                   .value()
                   .empty());
}

BOOST_AUTO_TEST_CASE(an_error_is_a_failure_by_its_sqlcode) {
    auto const code = [](std::string const& error) {
        return parse_atelier_answer(R"({"status":{"errors":[)" + error +
                                    R"(]},"result":{"content":[]}})")
            .error()
            .code;
    };
    auto const of_sqlcode = [&](int sqlcode) {
        return code(R"({"error":"ERROR #5540: SQLCODE: )" + std::to_string(sqlcode) +
                    R"( Message:  Something 'Secret.Table'","code":5540})");
    };
    BOOST_TEST((of_sqlcode(-30) == failure_code::not_found));
    BOOST_TEST((of_sqlcode(-99) == failure_code::permission_denied));
    for (int const sqlcode : {-104, -105, -108, -119, -120, -121, -122, -123, -124})
        BOOST_TEST((of_sqlcode(sqlcode) == failure_code::constraint_violated), sqlcode);
    for (int const sqlcode : {-1, -29, -110, -400, 0, 100})
        BOOST_TEST((of_sqlcode(sqlcode) == failure_code::database_error), sqlcode);
    // Other ways that it may be written.
    BOOST_TEST((code(R"({"error":"SQLCODE=-119"})") == failure_code::constraint_violated));
    BOOST_TEST((code(R"({"error":"[SQLCODE: <-30>:x]"})") == failure_code::not_found));
    BOOST_TEST((code(R"({"error":"?","params":["-30","x"]})") == failure_code::not_found));
    BOOST_TEST((code(R"({"error":"?","params":[5]})") == failure_code::database_error));
    BOOST_TEST((code(R"({"error":"SQLCODE"})") == failure_code::database_error));
    BOOST_TEST((code(R"({"error":"SQLCODE: -99999999999999"})") == failure_code::database_error));
    BOOST_TEST((code(R"("a string")") == failure_code::database_error));
    BOOST_TEST((code("17") == failure_code::database_error));
}

BOOST_AUTO_TEST_CASE(an_error_names_the_column_that_it_is_about) {
    std::vector<column> columns(4);
    columns[0].name = "SQLUser";
    columns[1].name = "Na";
    columns[2].name = "Name";
    columns[3].name = "x\"y";
    auto const message = [&](std::string const& text) {
        std::string quoted;
        parley::detail::append_json_string(quoted, text);
        return parse_atelier_answer(R"({"status":{"errors":[{"error":)" + quoted + "}]}}", columns)
            .error()
            .message;
    };
    BOOST_TEST(message("SQLCODE: -108 Missing value for 'SQLUser.People.Name'") ==
               "Column \"Name\": A column that needs a value has none (SQLCODE -108)");
    BOOST_TEST(
        message("SQLCODE: -105 Field Na (value 'Name') failed").starts_with("Column \"Na\": "));
    BOOST_TEST(message("SQLCODE: -105 <script>Names</script>") ==
               "A value does not fit its column (SQLCODE -105)");
    BOOST_TEST(message("SQLCODE: -105 x\"y").starts_with("Column \"x\\\"y\": "));
    BOOST_TEST(message("SQLCODE: -30 Table 'SQLUser.Name'") ==
               "There is no such table in this namespace (SQLCODE -30)");
}

BOOST_AUTO_TEST_CASE(no_text_of_the_database_gets_into_a_failure) {
    auto const why = parse_atelier_answer(
        R"({"status":{"errors":[{"error":"SQLCODE: -30 Message: /opt/iris <script>"}]}})");
    BOOST_TEST(why.error().message == "There is no such table in this namespace (SQLCODE -30)");
}

BOOST_DATA_TEST_CASE(what_is_no_answer_is_not_understood,
                     data::make(std::vector<std::string>{
                         "", "null", "[]", "17", "{}", "<html>", R"({"status":{}})",
                         R"({"status":{"errors":{}}})", R"({"status":{"errors":null}})",
                         R"({"status":{"errors":[]},"status":{"errors":[]}})",
                         R"({"status":{"errors":[]},"result":{"content":[{"a":1,"a":2}]}})",
                         R"({"status":{"errors":[]},"result":{"content":["\ud800"]}})",
                         "{\"status\":{\"errors\":[]},\"result\":\"\xFF\"}",
                         "{\"status\":{\"errors\":[]},\"result\":\"\xC0\x80\"}",
                         R"({"status":{"errors":[]}} trailing)", R"({"status":{"errors":[]},)",
                         "{\"status\":{\"errors\":[]},\"result\":" + std::string(100'000, '[') +
                             std::string(100'000, ']') + "}"}),
                     text) {
    auto const answer = parse_atelier_answer(text);
    BOOST_TEST_REQUIRE(answer.has_error());
    BOOST_TEST(answer.error().message == not_understood);
}

BOOST_AUTO_TEST_CASE(rows_are_objects_in_an_array) {
    auto const rows = [](std::string const& content) {
        return take_rows(
            parse_atelier_answer(R"({"status":{"errors":[]},"result":{"content":)" + content + "}}")
                .value());
    };
    BOOST_TEST(rows("[]").has_value());
    BOOST_TEST(rows("null").has_value());
    for (std::string const content : {"{}", "1", R"("x")", "[1]", "[[]]", "[{},null]"})
        BOOST_TEST(!rows(content).has_value(), content);
}

BOOST_AUTO_TEST_CASE(an_answer_cannot_cost_more_than_so_many_values) {
    std::string many = "[1";
    for (int i = 0; i < 2000; ++i)
        many += ",1";
    many += "]";
    BOOST_TEST(parse_raw_json(many).has_value());
    auto const refused = parse_raw_json(many, {.max_depth = 32, .max_values = 1000});
    BOOST_TEST_REQUIRE(refused.has_error());
    BOOST_TEST(refused.error().found == "more than 1000 values");
}

BOOST_AUTO_TEST_CASE(the_type_of_an_answer_is_json) {
    BOOST_TEST(is_json_type("application/json"));
    BOOST_TEST(is_json_type("Application/JSON; charset=utf-8"));
    BOOST_TEST(!is_json_type("text/html"));
    BOOST_TEST(!is_json_type("application/json-seq"));
    BOOST_TEST(!is_json_type(""));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(atelier_values)

BOOST_AUTO_TEST_CASE(whole_numbers_that_a_double_cannot_hold_are_strings) {
    auto const is = [](std::string const& sent) { return shown(value_kind::integer, sent); };
    BOOST_TEST(is("0") == "0");
    BOOST_TEST(is("-7") == "-7");
    BOOST_TEST(is("\"42\"") == "42");
    BOOST_TEST(is("9007199254740991") == "9007199254740991");
    BOOST_TEST(is("9007199254740992") == "\"9007199254740992\"");
    BOOST_TEST(is("-9007199254740993") == "\"-9007199254740993\"");
    BOOST_TEST(is("9223372036854775807") == "\"9223372036854775807\"");
    BOOST_TEST(is("123456789012345678901234567890") == "\"123456789012345678901234567890\"");
    BOOST_TEST(is("1e300") == "\"1e300\"");
    BOOST_TEST(is("null") == "null");
    BOOST_TEST(is("\"\"") == "null");
}

BOOST_AUTO_TEST_CASE(decimals_keep_every_digit) {
    auto const is = [](std::string const& sent) { return shown(value_kind::decimal, sent); };
    BOOST_TEST(is("1.50") == "\"1.50\"");
    BOOST_TEST(is("0.1000000000000000055511151231257827") ==
               "\"0.1000000000000000055511151231257827\"");
    BOOST_TEST(is("-12345678901234567890.123456789") == "\"-12345678901234567890.123456789\"");
    BOOST_TEST(is("3") == "\"3\"");
    BOOST_TEST(is("\"4.20\"") == "\"4.20\"");
    BOOST_TEST(is("1E400") == "\"1E400\"");
}

BOOST_AUTO_TEST_CASE(real_numbers_are_numbers_if_they_are_any) {
    auto const is = [](std::string const& sent) { return shown(value_kind::real, sent); };
    BOOST_TEST(is("0.1") == "0.1");
    BOOST_TEST(is("1.7976931348623157e308") == "1.7976931348623157e+308");
    BOOST_TEST(is("\"2.5\"") == "2.5");
    BOOST_TEST(is("1e999") == "\"1e999\"");
    BOOST_TEST(is("\"INF\"") == "\"INF\"");
    BOOST_TEST(is("\"\"") == "null");
}

BOOST_AUTO_TEST_CASE(other_values_are_what_their_columns_say) {
    BOOST_TEST(shown(value_kind::boolean, "1") == "true");
    BOOST_TEST(shown(value_kind::boolean, "false") == "false");
    BOOST_TEST(shown(value_kind::boolean, "\"0\"") == "false");
    BOOST_TEST(shown(value_kind::other, "\"a\\u0000\\n\\\"\\u00fc\"") ==
               "\"a\\u0000\\n\\\"\xC3\xBC\"");
    BOOST_TEST(shown(value_kind::other, "\"\"") == "\"\"");
    BOOST_TEST(shown(value_kind::other, "1.50") == "\"1.50\"");
    BOOST_TEST(shown(value_kind::other, "null") == "null");
    BOOST_TEST(shown(value_kind::binary, R"("\u0000\u0001\u00ff")") == "\"AAH/\"");
    BOOST_TEST(shown(value_kind::binary, R"("\u0100")") == "\"xIA=\"");
    for (auto const kind : {value_kind::other, value_kind::integer, value_kind::binary}) {
        BOOST_TEST(shown(kind, "[1]") == "(no cell)");
        BOOST_TEST(shown(kind, "{}") == "(no cell)");
    }
}

BOOST_AUTO_TEST_CASE(rows_are_text_in_the_order_of_the_columns) {
    std::vector<column> columns(2);
    columns[0].name = "ID";
    columns[0].kind = value_kind::integer;
    columns[1].name = "na\"me";
    auto const rows = raw(R"([{"na\"me":"x","ID":1},{"id":9007199254740993,"na\"me":null}])");
    BOOST_TEST(atelier_rows(columns, rows.items).value() ==
               R"([{"ID":1,"na\"me":"x"},{"ID":"9007199254740993","na\"me":null}])");
    BOOST_TEST(atelier_rows(columns, {}).value() == "[]");
    BOOST_TEST(!atelier_rows(columns, raw(R"([{"ID":1}])").items).has_value());
}

BOOST_AUTO_TEST_CASE(parameters_are_json) {
    std::vector<parameter> const all{nullptr,
                                     true,
                                     std::int64_t{-5},
                                     std::int64_t{9007199254740993},
                                     0.5,
                                     std::numeric_limits<double>::infinity(),
                                     std::string("a\"\n\0b", 5),
                                     byte_string{std::string("\x00\x7F\xFF", 3)}};
    BOOST_TEST(atelier_query("SELECT \"a\" = ?", all) ==
               "{\"query\":\"SELECT \\\"a\\\" = ?\",\"parameters\":[null,1,-5,\"9007199254740993\","
               "0.5,\"Infinity\",\"a\\\"\\n\\u0000b\",\"\\u0000\x7F\xC3\xBF\"]}");
}

BOOST_AUTO_TEST_CASE(binary_values_come_back_as_they_went) {
    std::string every;
    for (int i = 0; i < 256; ++i)
        every += static_cast<char>(i);
    std::string sent;
    append_parameter(sent, byte_string{every});
    std::string base64;
    append_base64(base64, std::vector<std::uint8_t>(every.begin(), every.end()));
    BOOST_TEST(to_cell(value_kind::binary, raw(sent)).value().text == base64);
}

BOOST_AUTO_TEST_CASE(a_cell_holds_what_it_was_given) {
    auto const in = [](value_kind kind, std::string const& sent, boost::json::value const& given) {
        return holds(kind, to_cell(kind, raw(sent)).value(), given);
    };
    using enum value_kind;
    BOOST_TEST(in(other, "null", nullptr));
    BOOST_TEST(!in(other, "\"\"", nullptr));
    BOOST_TEST(in(other, R"("\u0000")", "")); // as IRIS itself has it
    BOOST_TEST(!in(other, "null", ""));
    BOOST_TEST(in(other, "\"a\"", "a"));
    BOOST_TEST(!in(other, "\"a\"", "A"));
    BOOST_TEST(!in(other, "\"1.50\"", "1.5"));
    BOOST_TEST(in(decimal, "1.50", "1.5"));
    BOOST_TEST(!in(decimal, "1.51", "1.5"));
    BOOST_TEST(in(decimal, "1.5E1", "15"));
    BOOST_TEST(in(integer, "9007199254740993", "9007199254740993"));
    BOOST_TEST(!in(integer, "9007199254740992", "9007199254740993"));
    BOOST_TEST(in(real, "0.10", 0.1));
    BOOST_TEST(in(boolean, "1", true));
    BOOST_TEST(!in(boolean, "0", true));
}

BOOST_AUTO_TEST_CASE(the_database_may_keep_a_value_in_a_form_of_its_own) {
    auto const kept = [](char const* type, std::string const& sent, boost::json::value const& given,
                         std::string const& old = "null") {
        column c;
        c.name = "c";
        c.dataType = type;
        c.kind = atelier_kind(type);
        if (c.kind == value_kind::decimal) c.scale = 2;
        auto const shown = [&](std::string const& text) {
            return to_cell(c.kind, raw(text)).value();
        };
        return may_be_form_of(c, shown(sent), given, shown(old));
    };
    BOOST_TEST(kept("numeric", "12.35", "12.345"));
    BOOST_TEST(kept("numeric", "12.34", "12.345"));
    BOOST_TEST(kept("numeric", "98765432109876.55", "98765432109876.549"));
    BOOST_TEST(!kept("numeric", "12.36", "12.35"));
    BOOST_TEST(!kept("numeric", "null", "12.35"));
    BOOST_TEST(kept("double", "0.3", 0.30000000000000004));
    BOOST_TEST(!kept("double", "0.31", 0.3));
    BOOST_TEST(!kept("integer", "8", 7));
    BOOST_TEST(!kept("bit", "1", false));
    BOOST_TEST(kept("varchar", R"("a")", "a  "));
    BOOST_TEST(kept("varchar", R"("a  ")", "a"));
    BOOST_TEST(kept("varchar", "null", ""));
    BOOST_TEST(!kept("varchar", R"(" a")", "a"));
    BOOST_TEST(!kept("varchar", R"("A")", "a"));
    BOOST_TEST(kept("timestamp", R"("2026-01-02 00:00:00")", "2026-01-02", R"("2026-01-01")"));
    BOOST_TEST(!kept("date", R"("2026-01-01")", "2026-01-02", R"("2026-01-01")"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(atelier_schema)

BOOST_AUTO_TEST_CASE(a_table_without_a_schema_is_in_the_default_one) {
    BOOST_TEST(split_table_name("People").schema_part == "SQLUser");
    BOOST_TEST(split_table_name("People").table_part == "People");
    BOOST_TEST(split_table_name("My_App.People").schema_part == "My_App");
    BOOST_TEST(split_table_name("My_App.People").table_part == "People");
    BOOST_TEST(split_table_name("a.b.c").table_part == "b.c");
}

BOOST_AUTO_TEST_CASE(names_of_tables_are_bound_and_never_sql) {
    auto const statement = select_columns(split_table_name("x'; DROP TABLE t; --.\"y"));
    BOOST_TEST(statement.text.find("DROP") == std::string::npos);
    BOOST_TEST(std::get<std::string>(statement.parameters.at(0)) == "x'; DROP TABLE t; --");
    BOOST_TEST(std::get<std::string>(statement.parameters.at(1)) == "\"y");
}

BOOST_AUTO_TEST_CASE(columns_are_read_as_iris_describes_them) {
    auto const rows = raw(R"([
        {"COLUMN_NAME":"ID","DATA_TYPE":"bigint","IS_NULLABLE":"NO","CHARACTER_MAXIMUM_LENGTH":null,
         "NUMERIC_PRECISION":19,"NUMERIC_SCALE":0,"IS_IDENTITY":"YES","IS_GENERATED":"NO"},
        {"COLUMN_NAME":"Name","DATA_TYPE":"varchar","IS_NULLABLE":"YES",
         "CHARACTER_MAXIMUM_LENGTH":"50","NUMERIC_PRECISION":"","NUMERIC_SCALE":"",
         "IS_IDENTITY":"NO","IS_GENERATED":"NO"},
        {"COLUMN_NAME":"Price","DATA_TYPE":"NUMERIC","IS_NULLABLE":"YES",
         "CHARACTER_MAXIMUM_LENGTH":null,"NUMERIC_PRECISION":10,"NUMERIC_SCALE":2,
         "IS_IDENTITY":"NO","IS_GENERATED":"ALWAYS"},
        {"COLUMN_NAME":"Notes","DATA_TYPE":"longvarchar","IS_NULLABLE":"YES",
         "CHARACTER_MAXIMUM_LENGTH":-1}])");
    auto columns = read_columns(rows.items).value();
    BOOST_TEST_REQUIRE(columns.size() == 4u);
    BOOST_TEST(columns[0].name == "ID");
    BOOST_TEST((columns[0].kind == value_kind::integer));
    BOOST_TEST(!columns[0].nullable);
    BOOST_TEST(columns[0].readOnly.value_or(false));
    BOOST_TEST(!columns[0].maxLength.has_value());
    BOOST_TEST(columns[0].precision.value() == 19);
    BOOST_TEST(columns[1].nullable);
    BOOST_TEST(columns[1].maxLength.value() == 50);
    BOOST_TEST(!columns[1].readOnly.has_value());
    BOOST_TEST((columns[2].kind == value_kind::decimal));
    BOOST_TEST(columns[2].scale.value() == 2);
    BOOST_TEST(columns[2].readOnly.value_or(false));
    BOOST_TEST(columns[3].readOnly.value_or(false)); // a stream: what is read is not what is there

    mark_primary_key(columns, raw(R"([{"COLUMN_NAME":"Price"},{"COLUMN_NAME":"Name"}])").items,
                     rows.items);
    BOOST_TEST(!columns[0].isPrimaryKey.has_value());
    BOOST_TEST(columns[1].key_position == 2);
    BOOST_TEST(columns[2].key_position == 1);
    BOOST_TEST(columns[2].isPrimaryKey.value_or(false));
}

BOOST_AUTO_TEST_CASE(without_a_primary_key_it_is_the_identity) {
    auto const rows = raw(R"([{"COLUMN_NAME":"a","DATA_TYPE":"varchar"},
                              {"COLUMN_NAME":"b","DATA_TYPE":"bigint","IS_IDENTITY":"YES"}])");
    auto columns = read_columns(rows.items).value();
    mark_primary_key(columns, {}, rows.items);
    BOOST_TEST(!columns[0].isPrimaryKey.has_value());
    BOOST_TEST(columns[1].isPrimaryKey.value_or(false));
}

BOOST_AUTO_TEST_CASE(rows_of_another_kind_are_not_believed) {
    BOOST_TEST(!read_columns(raw(R"([{"COLUMN_NAME":1}])").items).has_value());
    BOOST_TEST(!read_columns(raw(R"([{"COLUMN_NAME":"","DATA_TYPE":"x"}])").items).has_value());
    BOOST_TEST(!read_columns(raw(R"([{"COLUMN_NAME":[],"DATA_TYPE":"x"}])").items).has_value());
    BOOST_TEST(!read_table_names(raw(R"([{"TABLE_NAME":"x"}])").items).has_value());
    BOOST_TEST(read_table_names(raw(R"([{"TABLE_SCHEMA":"B","TABLE_NAME":"x"},
                                        {"TABLE_SCHEMA":"A","TABLE_NAME":"y"}])")
                                    .items)
                       .value() == (std::vector<std::string>{"A.y", "B.x"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace parley::tables::test
