// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// expect: compiles
// expect TAKES_NOTHING: run_must_be_a_task_that_takes_a_background_context<housekeeper>
// expect TAKES_A_COPY: run_must_be_a_task_that_takes_a_background_context<housekeeper>
// expect RETURNS_NOTHING: run_must_be_a_task_that_takes_a_background_context<housekeeper>
// expect NOT_A_FUNCTION: run_must_be_a_task_that_takes_a_background_context<housekeeper>
// expect IS_PRIVATE: run_must_be_a_task_that_takes_a_background_context<housekeeper>
// expect FINAL: run_must_be_a_task_that_takes_a_background_context<housekeeper>
// expect OF_A_CONVERSATION: run_must_be_a_task_that_takes_a_background_context<small_talk>

#include <parley/admission/unlimited_admission.hpp>
#include <parley/server.hpp>
#include <parley/transport/memory_transport.hpp>

struct small_talk {
    template <class Session>
    parley::task<parley::close_reason> operator()(Session&) {
        co_return parley::close_reason();
    }
#ifdef OF_A_CONVERSATION
    void run(int);
#endif
};

#ifdef FINAL
struct housekeeper final : parley::unlimited_admission {
#else
struct housekeeper : parley::unlimited_admission {
#endif
#ifdef IS_PRIVATE
  private:
#endif
#if defined TAKES_NOTHING || defined FINAL
    parley::task<> run();
#elif defined TAKES_A_COPY
    template <class Context>
    parley::task<> run(Context context);
#elif defined RETURNS_NOTHING
template <class Context>
void run(Context&);
#elif defined NOT_A_FUNCTION
bool run = true;
#else
template <class Context>
parley::task<> run(Context&) {
    co_return;
}
#endif
};

void serve(parley::asio::io_context& io) {
    parley::basic_handshake_server<small_talk, parley::memory_transport, housekeeper> server(
        {}, small_talk());
    static_cast<void>(server.start(io, {}));
}
