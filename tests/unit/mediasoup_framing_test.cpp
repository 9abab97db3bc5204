// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The messages on the channel of mediasoup's worker.

#include <parley/signaling/mediasoup/framing.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace parley;
using namespace std::string_view_literals;
namespace ms = parley::signaling::mediasoup;

namespace {

/// All whole messages that a splitter has.
std::vector<std::string> drain(ms::message_splitter& splitter) {
    std::vector<std::string> out;
    for (;;) {
        auto const next = splitter.next();
        BOOST_REQUIRE(next.has_value());
        if (!*next) return out;
        out.emplace_back(**next);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(mediasoup_framing)

BOOST_AUTO_TEST_CASE(a_message_is_its_length_and_its_text) {
    BOOST_TEST(ms::framed("abc") == "\x03\0\0\0abc"sv);
    BOOST_TEST(ms::framed(std::string(0x10203, 'x')).substr(0, 4) == "\x03\x02\x01\0"sv);
    BOOST_TEST(ms::framed("") == "\0\0\0\0"sv);
}

BOOST_AUTO_TEST_CASE(a_request_says_whom_it_is_for) {
    boost::json::object const data{{"routerId", "r:1"}};
    BOOST_TEST(ms::request_text(7, "worker.createRouter", "", data) ==
               R"(7:worker.createRouter:undefined:{"routerId":"r:1"})");
    BOOST_TEST(ms::request_text(8, "producer.pause", "p", {}) == "8:producer.pause:p:undefined");
}

BOOST_AUTO_TEST_CASE(messages_come_out_whole_however_they_arrive) {
    std::vector<std::string> const sent{"one", "", std::string(70'000, 'z'), "{}", "E!"};
    std::string stream;
    for (auto const& text : sent)
        stream += ms::framed(text);

    std::mt19937 random(1);
    for (int round = 0; round < 50; ++round) {
        ms::message_splitter splitter;
        std::vector<std::string> got;
        std::size_t const most = round == 0 ? 1 : 1U << (round % 18);
        for (std::string_view rest = stream; !rest.empty();) {
            auto const step = std::uniform_int_distribution<std::size_t>(1, most)(random);
            splitter.feed(rest.substr(0, step));
            rest.remove_prefix(std::min(step, rest.size()));
            for (auto& text : drain(splitter))
                got.push_back(std::move(text));
        }
        BOOST_TEST(got == sent, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(a_length_that_no_message_has_is_a_problem_before_anything_is_kept) {
    for (auto const hostile : {"\xFF\xFF\xFF\xFF"sv, "\x01\0\x40\0"sv, "\0\0\0\x80"sv}) {
        ms::message_splitter splitter;
        splitter.feed(hostile);
        auto const next = splitter.next();
        BOOST_REQUIRE(next.has_error());
        BOOST_TEST(next.error().expected == "a message of at most 4194304 bytes");
        BOOST_TEST(splitter.next().has_error()); // and it stays one
    }
    ms::message_splitter splitter;
    splitter.feed("\0\0\x40\0"sv); // the longest there is
    BOOST_REQUIRE(splitter.next().has_value());
    BOOST_TEST(!splitter.next()->has_value());
}

BOOST_AUTO_TEST_CASE(answers_are_told_from_failures) {
    auto const done = std::get<ms::answer>(ms::read_message(R"({"id":3,"accepted":true})"));
    BOOST_TEST(done.id == 3U);
    BOOST_TEST(!done.failure.has_value());
    BOOST_TEST(done.data.is_null());

    auto const told = std::get<ms::answer>(
        ms::read_message(R"({"id":4,"accepted":true,"data":{"type":"simple"}})"));
    BOOST_TEST(told.data.at("type").as_string() == "simple");

    auto const failed = std::get<ms::answer>(
        ms::read_message(R"({"id":4294967295,"error":"TypeError","reason":"missing kind"})"));
    BOOST_TEST(failed.id == 4294967295U);
    BOOST_TEST(failed.failure.value() == "missing kind");

    auto const bare = std::get<ms::answer>(ms::read_message(R"({"id":5,"error":"Error"})"));
    BOOST_TEST(bare.failure.value() == "Error");
}

BOOST_AUTO_TEST_CASE(notifications_name_their_target_as_a_string_or_a_number) {
    auto const running =
        std::get<ms::notification>(ms::read_message(R"({"targetId":4711,"event":"running"})"));
    BOOST_TEST(running.target == "4711");
    BOOST_TEST(running.event == "running");
    auto const closed = std::get<ms::notification>(
        ms::read_message(R"({"targetId":"c-1","event":"producerclose","data":[1]})"));
    BOOST_TEST(closed.target == "c-1");
    BOOST_TEST(closed.data.at(0).as_int64() == 1);
}

BOOST_AUTO_TEST_CASE(lines_of_the_log_carry_their_level_in_their_first_letter) {
    auto const level = [](std::string_view text) {
        return std::get<ms::log_line>(ms::read_message(text)).level;
    };
    BOOST_CHECK(level("Dx") == ms::log_level::debug);
    BOOST_CHECK(level("Xx") == ms::log_level::debug);
    BOOST_CHECK(level("Wx") == ms::log_level::warning);
    BOOST_CHECK(level("Ex") == ms::log_level::error);
    BOOST_TEST(std::get<ms::log_line>(ms::read_message("W oh")).text == " oh");
}

BOOST_AUTO_TEST_CASE(anything_else_is_unreadable) {
    for (auto const text :
         {""sv, "?"sv, "{"sv, "{}"sv, R"({"id":-1})"sv, R"({"id":"1"})"sv, R"({"id":4294967296})"sv,
          R"({"targetId":1})"sv, "[1]"sv, "\0"sv, "{\"id\":1,\"x\":\"\xFF\"}"sv}) {
        BOOST_TEST(std::holds_alternative<ms::unreadable>(ms::read_message(text)), "read " << text);
    }
    std::string deep(100'000, '[');
    BOOST_CHECK(std::holds_alternative<ms::unreadable>(ms::read_message("{\"a\":" + deep)));
}

BOOST_AUTO_TEST_SUITE_END()
