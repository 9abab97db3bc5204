// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What every floor store promises, shown on two servers that share one. A `World` has
/// - `one`, `two`: the servers' stores;
/// - `told`: what each server was told, as `floor_store_log` writes it down;
/// - `wait(task)`: what a task returns;
/// - `eventually(condition)`: whether it comes to hold;
/// - `pass(part)`: lets such a part of the floors' lifetime pass, a little more rather than less;
/// - `stop_two()`, `vanish_two()`: the second server stops, or is gone without a word.

#include <parley/signaling/floor_store.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace parley::signaling {

inline std::ostream& operator<<(std::ostream& out, departure const& d) {
    return out << d.user << " left " << d.channel;
}

} // namespace parley::signaling

namespace parley::test {

using signaling::channel_event;
using signaling::departure;
using signaling::speaker;

using strings = std::vector<std::string>;

/// What one server is told by its store.
struct floor_store_log {
    strings events; ///< as `c: floor ada, not u:1: text`
    std::vector<departure> departures;
    int reconnections = 0;

    template <class Store>
    void attach(Store& store) {
        store.listen([this](channel_event const& e) { events.push_back(describe(e)); });
        store.departed([this](departure const& d) { departures.push_back(d); });
        store.reconnected([this] { ++reconnections; });
    }

    static std::string describe(channel_event const& e) {
        auto line = e.channel + ":";
        if (e.floor) line += *e.floor ? " floor " + (*e.floor)->userId : " free";
        if (!e.except.empty()) line += " not " + e.except;
        if (e.text) line += " " + *e.text;
        if (e.news) line += " " + e.news->action + " " + e.news->userId + " " + e.news->userName;
        if (e.users) line += " of " + std::to_string(*e.users);
        return line;
    }

    /// What is new, each on a line.
    strings take_events() { return std::exchange(events, {}); }
};

inline speaker const ada{"ada", "Ada \"the\" first", 1'700'000'000'001};
inline speaker const bob{"bob", "Bob \xc3\xa4", 1'700'000'000'002};

inline channel_event event(std::string channel, std::string text) {
    return {std::move(channel), {}, {}, std::make_shared<std::string const>(std::move(text))};
}

inline channel_event taken(std::string channel, speaker const& by) {
    auto e = event(std::move(channel), by.userId + " speaks");
    e.floor = std::optional(by);
    e.except = by.userId + ":1";
    return e;
}

inline channel_event freed(std::string channel) {
    auto e = event(std::move(channel), "silence");
    e.floor = std::optional<speaker>();
    return e;
}

/// Whether somebody got a floor.
template <class World, class Store>
bool takes(World& w, Store& store, std::string const& channel, speaker const& who) {
    return w.wait(store.take(channel, who, taken(channel, who))).value().granted;
}

template <class World, class Store>
std::optional<speaker> holder(World& w, Store& store, std::string const& channel) {
    strings const names{channel};
    return w.wait(store.holders(names)).value().at(0);
}

/// How many are in a channel after a user has joined; nothing when there was no room.
template <class World, class Store>
std::optional<std::size_t> joins(World& w, Store& store, std::string const& channel,
                                 std::string const& user, std::size_t most = 100) {
    auto const m = w.wait(store.join(channel, user, most)).value();
    return m.joined ? std::optional(m.users) : std::nullopt;
}

template <class World>
bool all_told(World& w, strings const& expected) {
    return w.eventually([&] {
        return w.told[0].events.size() >= expected.size() &&
               w.told[1].events.size() >= expected.size();
    }) && w.told[0].take_events() == expected &&
           w.told[1].take_events() == expected;
}

template <class World>
void check_floor(World& w) {
    auto const granted = w.wait(w.one.take("c", ada, taken("c", ada))).value();
    BOOST_TEST(granted.granted);
    BOOST_TEST((granted.holder == ada));
    auto const denied = w.wait(w.two.take("c", bob, taken("c", bob))).value();
    BOOST_TEST(!denied.granted);
    BOOST_TEST((denied.holder == ada));
    BOOST_TEST(!takes(w, w.one, "c", ada)); // not even twice
    BOOST_TEST(takes(w, w.two, "d", bob));  // another channel is another floor

    strings const names{"d", "nobody's", "c", "d"};
    auto const holders = w.wait(w.one.holders(names)).value();
    BOOST_TEST((holders == std::vector<std::optional<speaker>>{bob, {}, ada, bob}));
    BOOST_TEST(w.wait(w.one.holders(strings())).value().empty());

    auto later = ada; // the same user, who took it at another time
    ++later.timestamp;
    for (auto const& other : {bob, later}) {
        BOOST_TEST(!w.wait(w.two.refresh("c", other)).value());
        BOOST_TEST(!w.wait(w.two.release("c", other, freed("c"))).value());
    }
    BOOST_TEST(w.wait(w.one.refresh("c", ada)).value());
    BOOST_TEST(w.wait(w.one.release("c", ada, freed("c"))).value());
    BOOST_TEST(!w.wait(w.one.release("c", ada, freed("c"))).value());
    BOOST_TEST(!w.wait(w.one.refresh("c", ada)).value());
    BOOST_TEST(!holder(w, w.two, "c").has_value());
    BOOST_TEST(takes(w, w.two, "c", bob));
}

template <class World>
void check_expiry(World& w) {
    BOOST_TEST(takes(w, w.one, "c", ada));
    w.pass(0.5);
    BOOST_TEST(w.wait(w.one.refresh("c", ada)).value());
    w.pass(0.6);
    BOOST_TEST(!takes(w, w.two, "c", bob)); // it was refreshed
    w.pass(0.6);
    BOOST_TEST(!holder(w, w.two, "c").has_value());
    BOOST_TEST(!w.wait(w.one.refresh("c", ada)).value());
    BOOST_TEST(takes(w, w.two, "c", bob));
    BOOST_TEST(!w.wait(w.one.release("c", ada, freed("c"))).value()); // another's by now
    BOOST_TEST((holder(w, w.one, "c") == bob));
}

template <class World>
void check_events(World& w) {
    std::string const long_text(20'000, 'x'), odd_text = "{\"a\":\"\\u0000 \xc3\xa4\"}\n";
    BOOST_TEST(takes(w, w.one, "c", ada));
    BOOST_TEST(!takes(w, w.two, "c", bob)); // what did not happen is not told
    BOOST_TEST(!w.wait(w.two.release("c", bob, freed("c"))).value());
    auto not_to_ada = event("c", odd_text);
    not_to_ada.except = "ada:1";
    BOOST_TEST(w.wait(w.two.publish(not_to_ada)).has_value());
    joins(w, w.one, "d", "eve");
    joins(w, w.two, "d", "kim");
    BOOST_TEST(w.wait(w.one.publish(event("d", long_text))).has_value());
    channel_event joined{"d", {}};
    joined.news.emplace("user-joined", "kim", "Kim \"}");
    joined.users = 7; // which the store knows better
    BOOST_TEST(w.wait(w.one.publish(joined)).has_value());
    BOOST_TEST(w.wait(w.one.release("c", ada, freed("c"))).value());
    BOOST_TEST(takes(w, w.two, "c", bob));
    BOOST_TEST(
        all_told(w, {"c: floor ada not ada:1 ada speaks", "c: not ada:1 " + odd_text + " of 0",
                     "d: " + long_text + " of 2", "d: user-joined kim Kim \"} of 2",
                     "c: free silence", "c: floor bob not bob:1 bob speaks"}));
    BOOST_TEST(w.told[0].reconnections == 0);
    BOOST_TEST(w.told[1].departures.empty());
}

template <class World>
void check_members(World& w) {
    BOOST_TEST((joins(w, w.one, "c", "ada") == 1u));
    BOOST_TEST((joins(w, w.one, "c", "ada") == 1u)); // is there already
    BOOST_TEST((joins(w, w.two, "c", "bob", 2) == 2u));
    BOOST_TEST(!joins(w, w.two, "c", "eve", 2).has_value());
    BOOST_TEST((w.wait(w.one.join("c", "eve", 2)).value().users == 2u));
    BOOST_TEST((joins(w, w.two, "c", "ada", 2) == 2u)); // is there already, on another server
    BOOST_TEST((joins(w, w.two, "d", "eve") == 1u));

    BOOST_TEST(!w.wait(w.one.leave("c", "ada")).value()); // two has her
    BOOST_TEST(!w.wait(w.one.leave("c", "ada")).value());
    BOOST_TEST(!w.wait(w.one.leave("c", "bob")).value()); // not one's
    BOOST_TEST((joins(w, w.two, "c", "ada") == 2u));
    BOOST_TEST(w.wait(w.two.leave("c", "ada")).value());
    BOOST_TEST((joins(w, w.two, "c", "bob") == 1u));
    BOOST_TEST(w.wait(w.two.leave("c", "bob")).value());
    BOOST_TEST(w.wait(w.two.leave("never", "bob")).value());
    BOOST_TEST((joins(w, w.one, "c", "eve", 1) == 1u));
    BOOST_TEST(!joins(w, w.one, "e", "eve", 0).has_value());
}

/// Names are only ever names, whatever they look like.
template <class World>
void check_names(World& w) {
    using namespace std::string_literals;
    strings const names{"",
                        ":",
                        "a",
                        "a:users",
                        "a:speaker",
                        "*",
                        "?[a]",
                        "\r\n",
                        "a\0b"s,
                        "$0\"'",
                        "a:users",
                        "channel:a",
                        "%s",
                        "\xff\xfe",
                        "]] .. redis.call('FLUSHALL')",
                        "a:events:users",
                        std::string(128, '~')};
    strings events;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == "a:users" && i > 5) continue; // the one that is there twice
        auto const& name = names[i];
        speaker const who{"u" + std::to_string(i), "n", 1};
        BOOST_TEST(takes(w, w.one, name, who), name);
        BOOST_TEST((joins(w, w.one, name, "u1") == 1u), name);
        BOOST_TEST((joins(w, w.two, name, name) == 2u), name);
        BOOST_TEST((joins(w, w.one, name, name + ":" + name + "x") == 3u), name);
        BOOST_TEST(!w.wait(w.one.leave(name, name)).value(), name);
        events.push_back(name + ": floor " + who.userId + " not " + who.userId + ":1 " +
                         who.userId + " speaks");
    }
    BOOST_TEST(all_told(w, events));
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto const has = holder(w, w.two, names[i]);
        BOOST_TEST_REQUIRE(has.has_value());
        auto const first = names[i] == "a:users" ? 3u : i;
        BOOST_TEST(has->userId == "u" + std::to_string(first));
    }
    w.vanish_two();
    BOOST_TEST(w.eventually([&] { return w.told[0].departures.size() == names.size() - 1; }));
}

template <class World>
void check_vanished(World& w) {
    joins(w, w.one, "c", "ada");
    joins(w, w.two, "c", "ada"); // on both
    joins(w, w.two, "c", "bob");
    joins(w, w.two, "d", "bob");
    joins(w, w.two, "d", "eve");
    BOOST_TEST(takes(w, w.two, "c", bob));
    BOOST_TEST(takes(w, w.one, "d", ada));
    BOOST_TEST(
        all_told(w, {"c: floor bob not bob:1 bob speaks", "d: floor ada not ada:1 ada speaks"}));

    w.vanish_two();
    BOOST_TEST(w.eventually([&] { return w.told[0].departures.size() == 3; }));
    auto gone = w.told[0].departures;
    auto const by_name = [](departure const& a, departure const& b) {
        return std::tie(a.channel, a.user) < std::tie(b.channel, b.user);
    };
    std::sort(gone.begin(), gone.end(), by_name);
    BOOST_TEST((gone == std::vector<departure>{{"c", "bob"}, {"d", "bob"}, {"d", "eve"}}));

    BOOST_TEST((holder(w, w.one, "d") == ada));
    BOOST_TEST(w.eventually([&] { return !holder(w, w.one, "c"); })); // bob is nowhere any more
    BOOST_TEST((joins(w, w.one, "d", "ada") == 1u));
}

/// A server that stops leaves nothing of its own behind.
template <class World>
void check_stop(World& w) {
    joins(w, w.one, "c", "ada");
    joins(w, w.two, "c", "ada");
    joins(w, w.two, "c", "bob");
    BOOST_TEST(takes(w, w.two, "c", bob));
    BOOST_TEST(takes(w, w.one, "d", ada));
    BOOST_TEST(
        all_told(w, {"c: floor bob not bob:1 bob speaks", "d: floor ada not ada:1 ada speaks"}));
    w.stop_two();
    BOOST_TEST(w.eventually([&] { return w.told[0].events == strings{"c: free"}; }));
    BOOST_TEST((joins(w, w.one, "c", "ada") == 1u));
    BOOST_TEST(!holder(w, w.one, "c").has_value());
    BOOST_TEST((holder(w, w.one, "d") == ada));
    BOOST_TEST(w.told[0].departures.empty()); // the server has told of them itself
}

} // namespace parley::test
