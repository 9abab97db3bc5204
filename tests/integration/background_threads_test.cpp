// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The background work of a server that runs on threads of its own.

#include <parley/server.hpp>
#include <parley/storage/memory_storage.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

using namespace parley;
using namespace std::chrono_literals;

namespace {

struct counts {
    std::atomic<int> begun = 0;
    std::atomic<int> ended = 0;
};

/// Has work that is over as soon as it begins, while that of the others has yet to begin.
struct brief_conversation {
    std::shared_ptr<counts> work;

    template <class Session>
    task<close_reason> operator()(Session&) {
        co_return close_reason();
    }

    template <class Context>
    task<> run(Context&) {
        ++work->begun;
        ++work->ended;
        co_return;
    }
};

/// Has work that goes on until the stop.
struct busy_storage : memory_storage {
    explicit busy_storage(std::shared_ptr<counts> shared) : work(std::move(shared)) {}

    template <class Context>
    task<> run(Context& context) {
        ++work->begun;
        bool running = true;
        while (running)
            running = co_await context.wait_until(context.policies.transport.now() + 1ms);
        ++work->ended;
    }

    std::shared_ptr<counts> work;
};

} // namespace

BOOST_AUTO_TEST_SUITE(background_threads)

BOOST_AUTO_TEST_CASE(it_begins_and_ends_with_each_run_of_the_server) {
    auto const work = std::make_shared<counts>();
    basic_handshake_server<brief_conversation, busy_storage> server({}, brief_conversation{work},
                                                                    busy_storage(work));
    for (int run = 1; run <= 50; ++run) {
        BOOST_TEST_REQUIRE(server.start({asio::ip::address_v4::loopback(), 0}, 2).has_value());
        server.stop(0s);
        BOOST_TEST(work->begun == 2 * run);
        BOOST_TEST(work->ended == 2 * run);
    }
}

BOOST_AUTO_TEST_SUITE_END()
