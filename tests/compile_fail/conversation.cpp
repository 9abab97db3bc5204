// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect NO_CALL_OPERATOR: conversation_lacks_call_operator<small_talk>
// expect RETURNS_NOTHING: conversation_lacks_call_operator<small_talk>
// expect NOT_A_COROUTINE: conversation_lacks_call_operator<small_talk>

#include <parley/server.hpp>
#include <parley/transport/memory_transport.hpp>

struct small_talk {
#if defined RETURNS_NOTHING
    template <class Session>
    parley::task<> operator()(Session&) {
        co_return;
    }
#elif defined NOT_A_COROUTINE
    template <class Session>
    parley::close_reason operator()(Session&) {
        return {};
    }
#elif !defined NO_CALL_OPERATOR
    template <class Session>
    parley::task<parley::close_reason> operator()(Session&) {
        co_return parley::close_reason();
    }
#endif
};

void serve(parley::asio::io_context& io) {
    parley::basic_handshake_server<small_talk, parley::memory_transport> server({}, small_talk());
    static_cast<void>(server.start(io, {}));
}
