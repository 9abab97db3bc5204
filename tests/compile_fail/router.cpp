// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect LACKS_MESSAGE: handler_does_not_take_message<editor, close_table>
// expect OTHER_RESULT: handler_does_not_take_message<editor, close_table>
// expect OTHER_RESULT_WITH_NAME: handler_does_not_take_message<editor, open_table>
// expect LACKS_UNROUTABLE: handler_does_not_take_unroutable<editor>
// expect UNROUTABLE_WITH_NAME: handler_does_not_take_unroutable<editor>
// expect ONE_NAME_TWICE: two_messages_go_by_one_name<.*open_table, .*close_table>

#include <parley/router.hpp>

struct open_table {
    static constexpr std::array<std::string_view, 2> types{"open", "select"};
};
struct close_table {
#ifdef ONE_NAME_TWICE
    static constexpr std::string_view type = "select";
#else
    static constexpr std::string_view type = "close";
#endif
};

BOOST_HANA_ADAPT_STRUCT(open_table);
BOOST_HANA_ADAPT_STRUCT(close_table);

struct editor {
#ifdef OTHER_RESULT_WITH_NAME
    void operator()(open_table, std::string_view);
    int operator()(open_table);
#else
    int operator()(open_table, std::string_view);
#endif
#if defined OTHER_RESULT
    void operator()(close_table);
#elif !defined LACKS_MESSAGE
    int operator()(close_table);
#endif
#if defined UNROUTABLE_WITH_NAME
    int operator()(parley::unroutable, std::string_view);
#elif !defined LACKS_UNROUTABLE
    int operator()(parley::unroutable);
#endif
};

using commands = parley::router<int, open_table, close_table>;

int dispatch(editor& handler) {
    return commands::dispatch("open", {}, handler);
}
