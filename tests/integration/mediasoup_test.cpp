// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The media server with mediasoup's real worker, and with programs that are none.

#include <tests/support/json_variations.hpp>
#include <tests/support/media_server.hpp>
#include <tests/support/temporary_directory.hpp>

#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

using namespace parley;
using namespace parley::signaling;
using namespace std::chrono_literals;
using test::browser_dtls_parameters;
using test::browser_rtp_capabilities;
using test::browser_rtp_parameters;
using test::media_server_world;

namespace {

mediasoup_options real_worker() {
    mediasoup_options options;
    options.worker.binary = test::mediasoup_worker();
    options.worker.request_timeout = 20s; // the machine may be busy
    options.worker.start_timeout = 30s;
    options.worker.close_timeout = 20s;
    options.workers = 1;
    options.restart_pause = 10ms;
    return options;
}

/// A media server whose one worker runs.
struct running : media_server_world {
    explicit running(mediasoup_options options = real_worker()) : media_server_world(options) {
        wait_for_workers(options.workers);
    }

    bool paused(std::string const& producer) {
        return run(media.describe_producer(producer)).value().at("paused").as_bool();
    }
};

/// A program that is started in place of the worker: a shell's script.
struct impostor {
    explicit impostor(std::string_view script) {
        std::ofstream(path()) << "#!/bin/sh\n" << script << "\n";
        std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
    }

    [[nodiscard]] std::string path() const { return directory.path() / "worker"; }

    [[nodiscard]] mediasoup_options options() const {
        auto out = real_worker();
        out.worker.binary = path();
        out.worker.request_timeout = 200ms;
        out.worker.start_timeout = 2s;
        out.worker.close_timeout = 500ms;
        return out;
    }

    test::temporary_directory directory;
};

std::size_t open_descriptors() {
    auto const all = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

bool any_contains(std::vector<std::string> const& lines, std::string_view text) {
    auto const has = [&](std::string const& line) { return line.find(text) != std::string::npos; };
    return std::ranges::any_of(lines, has);
}

std::string contents(std::filesystem::path const& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(mediasoup_worker, *boost::unit_test::precondition(test::has_mediasoup_worker))

BOOST_FIXTURE_TEST_CASE(one_speaks_and_another_hears, running) {
    auto const capabilities = run(media.capabilities("a")).value();
    BOOST_TEST(capabilities.at("codecs").at(0).at("preferredPayloadType").as_int64() == 111);

    auto const sending = transport("a", media_direction::send);
    BOOST_TEST(sending.iceParameters.at("usernameFragment").is_string());
    BOOST_TEST(sending.iceParameters.at("iceLite").as_bool());
    BOOST_REQUIRE(sending.iceCandidates.size() == 2U); // UDP and TCP
    BOOST_TEST(sending.iceCandidates.at(0).at("protocol").as_string() == "udp");
    BOOST_TEST(sending.iceCandidates.at(0).at("ip").as_string() == "127.0.0.1");
    BOOST_TEST(sending.iceCandidates.at(0).at("priority").to_number<long>() >
               sending.iceCandidates.at(1).at("priority").to_number<long>());
    BOOST_TEST(sending.dtlsParameters.at("role").as_string() == "auto");
    BOOST_TEST(!sending.dtlsParameters.at("fingerprints").as_array().empty());

    auto const connected = run(media.connect_transport(sending.id, browser_dtls_parameters()));
    BOOST_TEST(connected.has_value());
    auto const producer = produce(sending.id);

    auto const receiving = transport("a", media_direction::recv);
    auto const consumer =
        run(media.consume(receiving.id, producer, browser_rtp_capabilities())).value();
    BOOST_TEST(consumer.producerId == producer);
    BOOST_TEST(consumer.kind == "audio");
    BOOST_TEST(consumer.rtpParameters.at("mid").as_string() == "0");
    BOOST_CHECK(counts() == (media_counts{1, 2, 1, 1}));

    // Its client may ask again; it has the same consumer once.
    auto const again = run(media.consume(receiving.id, producer, browser_rtp_capabilities()));
    BOOST_TEST(again.value().id != consumer.id);
    BOOST_CHECK(counts() == (media_counts{1, 2, 1, 1}));
}

BOOST_FIXTURE_TEST_CASE(a_producer_is_paused_and_resumed_in_the_worker, running) {
    auto const producer = produce(transport("a", media_direction::send).id);
    BOOST_TEST(paused(producer));
    media.resume(producer);
    BOOST_TEST(!paused(producer));
    media.pause(producer);
    media.resume(producer);
    media.pause(producer);
    BOOST_TEST(paused(producer));
}

BOOST_FIXTURE_TEST_CASE(faults_are_named_and_change_nothing, running) {
    auto const sending = transport("a", media_direction::send).id;
    auto const receiving = transport("a", media_direction::recv).id;
    auto const producer = produce(sending);

    auto const consumed = run(media.consume(receiving, producer, boost::json::object()));
    BOOST_TEST(
        consumed.error().message ==
        "rtpCapabilities.codecs: expected audio/opus of 48000 Hz and 2 channels, found none");
    auto const video = run(media.produce(sending, "video", browser_rtp_parameters()));
    BOOST_TEST(video.error().message == "kind: expected \"audio\", found the string \"video\"");
    auto const nothing = run(media.produce(sending, "audio", nullptr));
    BOOST_TEST(nothing.error().message == "rtpParameters: expected an object, found null");
    // The worker itself refuses a second stream with the first one's ssrc.
    auto const twice = run(media.produce(sending, "audio", browser_rtp_parameters()));
    BOOST_TEST(twice.error().message == "the media server could not take this stream");
    BOOST_TEST(any_contains(logged, "could not take this stream: "));
    auto const unconnected = run(media.connect_transport(sending, boost::json::array()));
    BOOST_TEST(unconnected.error().message == "dtlsParameters: expected an object, found an array");

    BOOST_TEST(run(media.connect_transport(sending, browser_dtls_parameters())).has_value());
    auto const again = run(media.connect_transport(sending, browser_dtls_parameters()));
    BOOST_TEST(again.error().message.starts_with(
        "transportId: expected a transport that is not connected yet, found "));
    BOOST_CHECK(counts() == (media_counts{1, 2, 1, 0}));
}

BOOST_FIXTURE_TEST_CASE(what_is_closed_is_gone_from_the_worker, running) {
    auto const sending = transport("a", media_direction::send).id;
    auto const receiving = transport("a", media_direction::recv).id;
    auto const producer = produce(sending);
    BOOST_TEST(run(media.consume(receiving, producer, browser_rtp_capabilities())).has_value());
    media.close_producer(producer);
    BOOST_CHECK(counts() == (media_counts{1, 2, 0, 0}));
    BOOST_TEST(run(media.consume(receiving, producer, browser_rtp_capabilities())).has_error());
    media.close_transport(sending);
    media.close_transport(sending);
    BOOST_CHECK(counts() == (media_counts{1, 1, 0, 0}));
    media.close_channel("a");
    media.close_channel("a");
    BOOST_CHECK(counts() == media_counts());
}

BOOST_FIXTURE_TEST_CASE(two_hundred_visits_leave_nothing, running) {
    for (int i = 0; i < 200; ++i) {
        auto const channel = "channel " + std::to_string(i % 7);
        auto const sending = transport(channel, media_direction::send).id;
        auto const receiving = transport(channel, media_direction::recv).id;
        auto const producer = produce(sending);
        BOOST_TEST(run(media.consume(receiving, producer, browser_rtp_capabilities())).has_value());
        switch (i % 3) {
        case 0:
            media.close_channel(channel);
            break;
        case 1:
            media.close_transport(sending);
            media.close_transport(receiving);
            media.close_channel(channel);
            break;
        default:
            media.close_producer(producer);
            media.close_channel(channel);
        }
    }
    BOOST_CHECK(counts() == media_counts());
}

BOOST_FIXTURE_TEST_CASE(nothing_that_a_client_says_kills_a_worker, running) {
    auto const sending = transport("a", media_direction::send).id;
    auto const receiving = transport("a", media_direction::recv).id;
    std::size_t heard = 0;
    test::with_each_value_replaced(browser_rtp_parameters(), [&](auto const& given) {
        auto const producer = run(media.produce(sending, "audio", given));
        if (!producer) return;
        media.resume(*producer);
        auto const capabilities = browser_rtp_capabilities();
        if (run(media.consume(receiving, *producer, capabilities))) ++heard;
        media.close_producer(*producer);
    });
    BOOST_TEST(heard > 50U);

    auto const producer = produce(sending);
    heard = 0;
    test::with_each_value_replaced(browser_rtp_capabilities(), [&](auto const& given) {
        if (run(media.consume(receiving, producer, given))) ++heard;
    });
    BOOST_TEST(heard > 50U);
    test::with_each_value_replaced(browser_dtls_parameters(), [&](auto const& given) {
        auto const fresh = transport("b", media_direction::send).id;
        run(media.connect_transport(fresh, given));
        media.close_transport(fresh);
    });
    BOOST_TEST(restarted.empty());
    BOOST_CHECK(counts() == (media_counts{2, 2, 1, 1}));
}

BOOST_FIXTURE_TEST_CASE(what_is_closed_while_it_is_made_is_not_left_behind, running) {
    std::size_t outcomes = 0;
    for (int i = 0; i < 20; ++i) {
        asio::co_spawn(io, media.create_transport("a", media_direction::send),
                       [&](std::exception_ptr const&, auto const&) { ++outcomes; });
        test::run_until(io, [&] { return io.poll_one() == 0; }); // it is on its way
        media.close_channel("a");
    }
    wait_until([&] { return outcomes == 20; });
    BOOST_CHECK(counts() == media_counts());
}

BOOST_AUTO_TEST_CASE(a_worker_that_dies_is_replaced_and_its_channels_are_told) {
    auto options = real_worker();
    options.workers = 2;
    test::new_children const workers;
    running world(options);
    auto const old = world.transport("a", media_direction::send).id;
    world.transport("b", media_direction::send); // on the other worker
    BOOST_CHECK(world.counts() == (media_counts{2, 2, 0, 0}));

    auto const both = workers.pids();
    BOOST_REQUIRE(both.size() == 2U);
    ::kill(both.front(), SIGKILL);
    world.wait_until([&] { return world.restarted.size() == 1; });
    auto const lost = *world.restarted.begin();
    BOOST_TEST((lost == "a" || lost == "b"));
    world.wait_for_workers(2);
    BOOST_CHECK(world.counts() == (media_counts{1, 1, 0, 0}));

    for (auto const pid : both)
        ::kill(pid, SIGKILL);
    world.wait_until([&] { return world.restarted == std::multiset<std::string>{"a", "b"}; });
    world.wait_for_workers(2);
    auto const late = world.run(world.media.connect_transport(old, browser_dtls_parameters()));
    BOOST_TEST(
        late.error().message.starts_with("transportId: expected a transport that is open, found "));
    world.produce(world.transport("a", media_direction::send).id);
    BOOST_CHECK(world.counts() == (media_counts{1, 1, 1, 0}));
    BOOST_TEST(any_contains(world.logged, "has died (signal 9)"));
}

BOOST_AUTO_TEST_CASE(who_comes_while_no_worker_runs_waits_for_one) {
    test::new_children const workers;
    auto options = real_worker();
    options.restart_pause = 200ms;
    running world(options);
    ::kill(workers.pids().front(), SIGKILL);
    world.wait_for_workers(0);
    world.transport("a", media_direction::send); // served by the next
    BOOST_TEST(world.media.workers() == 1U);
    BOOST_TEST(world.restarted.empty()); // nobody has lost anything
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_stuck_is_killed) {
    test::new_children const workers;
    auto options = real_worker();
    options.worker.request_timeout = 500ms;
    running world(options);
    world.transport("a", media_direction::send);
    auto const stuck = workers.pids().front();
    ::kill(stuck, SIGSTOP);
    for (int i = 0; i < 3; ++i) {
        auto const failed = world.run(world.media.create_transport("a", media_direction::send));
        BOOST_TEST(failed.error().message == "the media server could not create a transport");
    }
    world.wait_until([&] { return world.restarted.contains("a"); });
    world.transport("a", media_direction::send);
    auto const now = workers.pids();
    BOOST_TEST(now.size() == 1U);
    BOOST_TEST(now.front() != stuck);
}

BOOST_AUTO_TEST_CASE(a_stop_leaves_no_process_and_no_descriptor) {
    test::new_children const workers;
    auto const before = open_descriptors();
    {
        auto options = real_worker();
        options.workers = 2;
        running world(options);
        world.transport("a", media_direction::send);
        BOOST_TEST(workers.pids().size() == 2U);
        world.stop();
        BOOST_TEST(workers.pids().empty());
        BOOST_TEST(world.media.workers() == 0U);
        auto const late = world.run(world.media.create_transport("a", media_direction::send));
        BOOST_TEST(late.error().message == "the media server does not run");
        world.media.close_channel("a"); // is ignored
    }
    BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(a_program_that_forgets_to_stop_leaves_no_process) {
    test::new_children const workers;
    {
        asio::io_context io;
        auto settings = real_worker().worker;
        auto const worker =
            test::run(io, mediasoup::worker_process::start(io.get_executor(), settings));
        BOOST_TEST(worker.has_value());
        BOOST_TEST(workers.pids().size() == 1U);
    }
    BOOST_TEST(workers.pids().empty());
}

BOOST_AUTO_TEST_CASE(a_server_that_goes_amid_its_work_leaves_no_process) {
    test::new_children const workers;
    {
        running world;
        auto const id = world.transport("a", media_direction::send).id;
        asio::co_spawn(world.io, world.media.connect_transport(id, browser_dtls_parameters()),
                       asio::detached);
        world.io.poll_one();
        world.io.poll_one();
        world.abandoned = true;
    }
    BOOST_TEST(workers.pids().empty());
}

BOOST_AUTO_TEST_CASE(a_worker_inherits_neither_descriptors_nor_secrets) {
    ::setenv("PARLEY_TEST_SECRET", "s3cret", 1);
    test::temporary_directory const directory;
    auto const path = directory.path() / "open";
    int const open = ::open(path.c_str(), O_CREAT | O_RDWR, 0600); // as Asio's sockets are
    BOOST_REQUIRE(open >= 0);
    {
        test::new_children const workers;
        running world;
        auto const process =
            std::filesystem::path("/proc") / std::to_string(workers.pids().front());
        BOOST_TEST(contents(process / "environ").find("s3cret") == std::string::npos);
        for (auto const& one : std::filesystem::directory_iterator(process / "fd"))
            BOOST_TEST(std::filesystem::read_symlink(one) != path);
    }
    ::close(open);
    ::unsetenv("PARLEY_TEST_SECRET");
}

BOOST_AUTO_TEST_CASE(callers_may_be_on_any_thread) {
    std::array<asio::io_context, 3> contexts; // outlive whoever answers to them
    running world;
    std::atomic<int> finished = 0;
    std::vector<std::thread> threads;
    for (auto& own : contexts) {
        auto const name = std::to_string(threads.size());
        threads.emplace_back([&finished, &own, media = world.media, name]() mutable {
            for (int i = 0; i < 20; ++i) {
                auto const made =
                    test::run(own, media.create_transport(name, media_direction::send));
                media.close_channel(name);
                if (made.has_value()) ++finished;
            }
        });
    }
    world.wait_until([&] { return finished == 60; });
    for (auto& one : threads)
        one.join();
    BOOST_CHECK(world.counts() == media_counts());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(mediasoup_impostors)

BOOST_AUTO_TEST_CASE(a_worker_that_ends_at_its_start_is_tried_again) {
    impostor const worker("exit 42");
    media_server_world world(worker.options());
    world.wait_until([&] { return world.logged.size() >= 3; });
    BOOST_TEST(world.logged.front() == "media worker 1: it ended at its start: exit code 42");
    auto const failed = world.run(world.media.create_transport("a", media_direction::send));
    BOOST_TEST(failed.error().message == "no media worker runs at the moment; try again later");
    BOOST_TEST(world.media.workers() == 0U);
}

BOOST_AUTO_TEST_CASE(what_is_no_program_is_reported) {
    impostor const worker("");
    std::ofstream(worker.path()) << "no program";
    media_server_world world(worker.options());
    world.wait_until([&] { return !world.logged.empty(); });
    BOOST_TEST(world.logged.front() ==
               "media worker 1: cannot start " + worker.path() + ": Exec format error");
}

BOOST_AUTO_TEST_CASE(a_worker_that_never_runs_is_given_up) {
    test::new_children const workers;
    impostor const worker("exec sleep 1000");
    media_server_world world(worker.options());
    world.wait_until([&] { return any_contains(world.logged, "it did not start in time"); });
    world.stop();
    BOOST_TEST(workers.pids().empty());
}

BOOST_AUTO_TEST_CASE(a_worker_that_answers_nothing_and_ignores_signals_is_killed) {
    test::new_children const workers;
    impostor const worker("trap '' TERM\n"
                          R"(printf '\040\000\000\000{"targetId":1,"event":"running"}' >&4)"
                          "\nexec sleep 1000");
    media_server_world world(worker.options());
    world.wait_for_workers(1);
    auto const failed = world.run(world.media.create_transport("a", media_direction::send));
    BOOST_TEST(failed.error().message == "the media server could not create a transport");
    world.stop();
    BOOST_TEST(workers.pids().empty());
}

BOOST_AUTO_TEST_CASE(one_deadline_bounds_the_waits_for_a_worker_and_for_its_answer) {
    impostor const worker(
        R"(sleep 1; printf '\040\000\000\000{"targetId":1,"event":"running"}' >&4)"
        "\nexec sleep 1000");
    auto options = worker.options();
    options.worker.request_timeout = 1500ms;
    options.worker.start_timeout = 10s;
    media_server_world world(options);
    auto const begun = std::chrono::steady_clock::now();
    auto const failed = world.run(world.media.create_transport("a", media_direction::send));
    BOOST_TEST(failed.error().message == "the media server could not create a transport");
    BOOST_TEST((std::chrono::steady_clock::now() - begun < 2200ms)); // not 2.5 s
}

BOOST_AUTO_TEST_CASE(a_worker_that_talks_nonsense_is_killed) {
    impostor const worker(R"(printf '\377\377\377\377' >&4)"
                          "\nexec sleep 1000");
    media_server_world world(worker.options());
    world.wait_until([&] { return any_contains(world.logged, "it ended at its start: signal 9"); });
    BOOST_TEST(any_contains(world.logged, "expected a message of at most 4194304 bytes, found one "
                                          "of 4294967295"));
}

BOOST_AUTO_TEST_CASE(what_a_worker_prints_is_logged_by_lines) {
    impostor const worker("echo out; echo err >&2; printf unfinished; exit 1");
    media_server_world world(worker.options());
    world.wait_until([&] { return any_contains(world.logged, "exit code 1"); });
    BOOST_TEST(any_contains(world.logged, "media worker 1: out"));
    BOOST_TEST(any_contains(world.logged, "media worker 1: err"));
}

BOOST_AUTO_TEST_CASE(options_that_make_no_sense_are_refused_with_those_that_do) {
    impostor const worker("");
    auto const fault = [&](auto change) {
        auto options = worker.options();
        change(options);
        auto const wrong = check(options);
        return wrong ? wrong->text() : "none";
    };
    BOOST_TEST(fault([](auto&) {}) == "none");
    BOOST_TEST(fault([](auto& o) { o.worker.binary = "/none"; }) ==
               "worker: expected the path of mediasoup's worker, found \"/none\"");
    BOOST_TEST(
        fault([](auto& o) { o.worker.lowest_port = 50000; }) ==
        "ports: expected the lowest port, from 1 on, and the highest, found 50000 and 49999");
    BOOST_TEST(fault([](auto& o) { o.listen_address = "eth0"; }) ==
               "listen_address: expected an IP address, found \"eth0\"");
    BOOST_TEST(fault([](auto& o) { o.listen_address = "0.0.0.0"; }) ==
               "announced_address: expected the address that clients can reach, found nothing");
    BOOST_TEST(fault([](auto& o) { o.announced_address = "::"; }) ==
               "announced_address: expected the IP address that clients can reach, found \"::\"");
    BOOST_TEST(fault([](auto& o) { o.udp = o.tcp = false; }) ==
               "udp and tcp: expected one of them, found neither");
    BOOST_TEST(fault([](auto& o) {
                   o.listen_address = "0.0.0.0";
                   o.announced_address = "192.0.2.1";
               }) == "none");
    auto nowhere = worker.options();
    nowhere.worker.binary.clear();
    BOOST_CHECK_THROW(mediasoup_media{nowhere}, std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
