// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The media server without media, and the account of channels, transports, producers and consumers.

#include <tests/support/run_task.hpp>

#include <parley/signaling/null_media.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace parley;
using namespace parley::signaling;

namespace {

struct fixture {
    asio::io_context io;
    null_media media;

    std::string transport(std::string channel, media_direction direction) {
        return test::run(io, media.create_transport(channel, direction)).value().id;
    }
    media_result<std::string> try_produce(std::string transport, std::string kind = "audio") {
        return test::run(io, media.produce(transport, kind, {}));
    }
    std::string produce(std::string transport) { return try_produce(transport).value(); }
    media_result<consumer_parameters> consume(std::string transport, std::string producer) {
        return test::run(io, media.consume(transport, producer, {}));
    }
    std::string connect(std::string transport) {
        auto const done = test::run(io, media.connect_transport(transport, {}));
        return done ? "connected" : done.error().message;
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(null_media_tests, fixture)

BOOST_AUTO_TEST_CASE(what_is_made_is_counted_and_what_is_closed_is_not) {
    auto const sending = transport("a", media_direction::send);
    auto const receiving = transport("a", media_direction::recv);
    BOOST_TEST(connect(sending) == "connected");
    auto const producer = produce(sending);
    auto const consumer = consume(receiving, producer);
    BOOST_REQUIRE(consumer.has_value());
    BOOST_TEST(consumer->producerId == producer);
    BOOST_TEST(consumer->kind == "audio");
    BOOST_CHECK(media.counts() == (media_counts{1, 2, 1, 1}));

    media.close_transport(receiving);
    BOOST_CHECK(media.counts() == (media_counts{1, 1, 1, 0}));
    media.close_producer(producer);
    media.close_producer(producer); // what is not there any more is ignored
    BOOST_CHECK(media.counts() == (media_counts{1, 1, 0, 0}));
    media.close_channel("a");
    media.close_channel("a");
    media.close_transport(sending);
    BOOST_CHECK(media.counts() == media_counts());
}

BOOST_AUTO_TEST_CASE(a_producers_consumers_go_with_it_and_with_its_transport) {
    auto const sending = transport("a", media_direction::send);
    auto const one = transport("a", media_direction::recv);
    auto const other = transport("a", media_direction::recv);
    auto const producer = produce(sending);
    BOOST_TEST(consume(one, producer).has_value());
    BOOST_TEST(consume(other, producer).has_value());
    BOOST_TEST(media.counts().consumers == 2U);
    media.close_transport(sending);
    BOOST_CHECK(media.counts() == (media_counts{1, 2, 0, 0}));
}

BOOST_AUTO_TEST_CASE(consuming_again_replaces_the_consumer) {
    auto const sending = transport("a", media_direction::send);
    auto const receiving = transport("a", media_direction::recv);
    auto const producer = produce(sending);
    auto const first = consume(receiving, producer).value().id;
    BOOST_TEST(consume(receiving, producer).value().id != first);
    BOOST_TEST(media.counts().consumers == 1U);
}

BOOST_AUTO_TEST_CASE(a_producer_starts_paused) {
    auto const producer = produce(transport("a", media_direction::send));
    BOOST_TEST(media.paused(producer).value());
    media.resume(producer);
    BOOST_TEST(!media.paused(producer).value());
    media.pause(producer);
    BOOST_TEST(media.paused(producer).value());
    media.pause("nobody");
    BOOST_TEST(!media.paused("nobody").has_value());
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_with_what_does) {
    auto const sending = transport("a", media_direction::send);
    auto const receiving = transport("a", media_direction::recv);
    auto const elsewhere = transport("b", media_direction::recv);
    auto const producer = produce(sending);

    BOOST_TEST(
        try_produce("t").error().message ==
        "transportId: expected a transport to send on, which is open, found the string \"t\"");
    BOOST_TEST(try_produce(receiving).has_error());
    BOOST_TEST(try_produce(sending, "video").error().message ==
               "kind: expected \"audio\", found the string \"video\"");
    BOOST_TEST(consume(sending, producer)
                   .error()
                   .message.starts_with(
                       "transportId: expected a transport to receive on, which is open, found "));
    BOOST_TEST(consume(elsewhere, producer)
                   .error()
                   .message.starts_with(
                       "producerId: expected a producer of the transport's channel, found "));
    BOOST_TEST(connect("t") ==
               "transportId: expected a transport that is open, found the string \"t\"");
    BOOST_TEST(connect(sending) == "connected");
    BOOST_TEST(connect(sending).starts_with(
        "transportId: expected a transport that is not connected yet, found "));
    BOOST_CHECK(media.counts() == (media_counts{2, 3, 1, 0}));
}

BOOST_AUTO_TEST_CASE(a_transport_has_a_bounded_number_of_producers) {
    auto const sending = transport("a", media_direction::send);
    for (int i = 0; i < 8; ++i)
        produce(sending);
    BOOST_TEST(try_produce(sending).error().message == "a transport has at most 8 producers");
    BOOST_TEST(media.counts().producers == 8U);
}

BOOST_AUTO_TEST_CASE(a_transport_has_a_bounded_number_of_consumers_at_once) {
    auto const receiving = transport("a", media_direction::recv);
    std::vector<std::string> producers;
    while (producers.size() < 201) {
        auto const sending = transport("a", media_direction::send);
        for (int i = 0; i < 8; ++i)
            producers.push_back(produce(sending));
    }
    for (std::size_t i = 0; i < 200; ++i)
        BOOST_REQUIRE(consume(receiving, producers[i]).has_value());
    BOOST_TEST(consume(receiving, producers[200]).error().message ==
               "a transport has at most 200 consumers");
    BOOST_TEST(consume(receiving, producers[0]).has_value()); // once more, in place of the first
    media.close_producer(producers[0]);
    BOOST_TEST(consume(receiving, producers[200]).has_value());
    BOOST_TEST(media.counts().consumers == 200U);
}

BOOST_AUTO_TEST_CASE(it_fails_when_a_test_says_so) {
    auto const sending = transport("a", media_direction::send);
    media.refuse(media_failure{"no"});
    BOOST_TEST(test::run(io, media.capabilities("a")).error().message == "no");
    BOOST_TEST(test::run(io, media.create_transport("a", media_direction::send)).has_error());
    BOOST_TEST(connect(sending) == "no");
    BOOST_TEST(try_produce(sending).has_error());
    media.refuse(std::nullopt);
    BOOST_TEST(test::run(io, media.capabilities("a")).has_value());
    BOOST_TEST(connect(sending) == "connected");
}

BOOST_AUTO_TEST_CASE(a_restart_leaves_nothing_and_names_the_channels) {
    std::vector<std::string> told;
    media.on_restart([&](auto const& channels) {
        told = channels;
        BOOST_CHECK(media.counts() == media_counts());
    });
    produce(transport("a", media_direction::send));
    transport("b", media_direction::recv);
    media.restart();
    BOOST_TEST(told == (std::vector<std::string>{"a", "b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(threads_may_share_it) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([shared = media, name = std::to_string(t)]() mutable {
            asio::io_context own;
            for (int i = 0; i < 100; ++i) {
                auto const made =
                    test::run(own, shared.create_transport(name, media_direction::send));
                test::run(own, shared.produce(made.value().id, "audio", {}));
            }
            shared.close_channel(name);
        });
    }
    for (auto& one : threads)
        one.join();
    BOOST_CHECK(media.counts() == media_counts());
}

BOOST_AUTO_TEST_SUITE_END()
