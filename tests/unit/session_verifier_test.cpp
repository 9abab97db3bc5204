// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/verifier/session_verifier.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace parley;
using namespace std::chrono_literals;

namespace {

/// What a session stands for: a name, and a count of how many are still kept.
struct secret_data {
    std::string name;
    std::shared_ptr<int> kept = std::make_shared<int>(0);
};

using verifier_type = session_verifier<secret_data>;
using session_type = verifier_type::session_type;

/// A verifier whose clock the test moves.
struct fixture {
    time_point now = time_point(1h);
    verifier_type sessions = make(10'000);

    verifier_type make(std::size_t most) {
        return verifier_type(
            {.timeout = 30min, .max_sessions = most, .now = [this] { return now; }});
    }

    /// The name that a token stands for; empty when it stands for nothing.
    std::string who(std::string const& token) const {
        auto const session = sessions.verify(token);
        if (!session) {
            BOOST_TEST((session.error() == errc::credential_refused));
            return {};
        }
        return (*session)->data()->name;
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(login_sessions, fixture)

BOOST_AUTO_TEST_CASE(a_token_stands_for_what_was_once_proven) {
    auto const ada = *sessions.begin({"ada"}), grace = *sessions.begin({"grace"});
    BOOST_TEST(who(ada) == "ada");
    BOOST_TEST(who(grace) == "grace");
    BOOST_TEST(sessions.size() == 2u);
    BOOST_TEST(sessions.end(ada));
    BOOST_TEST(who(ada) == "");
    BOOST_TEST(who(grace) == "grace");
    BOOST_TEST(!sessions.end(ada)); // already
    BOOST_TEST(sessions.size() == 1u);
}

BOOST_AUTO_TEST_CASE(copies_share_the_sessions) {
    auto copy = sessions;
    auto const token = *copy.begin({"ada"});
    BOOST_TEST(who(token) == "ada");
}

BOOST_AUTO_TEST_CASE(every_token_is_another) {
    std::set<std::string> tokens;
    for (int i = 0; i < 1000; ++i) {
        auto const token = *sessions.begin({"ada"});
        BOOST_TEST(token.size() == 43u);
        BOOST_TEST(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                           "0123456789-_") == token.npos);
        tokens.insert(token);
    }
    BOOST_TEST(tokens.size() == 1000u);
}

BOOST_AUTO_TEST_CASE(a_token_with_any_bit_changed_is_refused) {
    auto const token = *sessions.begin({"ada"});
    auto const bytes = from_base64url(token).value();
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto changed = bytes;
        changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << (bit % 8)));
        BOOST_TEST(who(to_base64url(changed)) == "", "bit " << bit);
        BOOST_TEST(!sessions.end(to_base64url(changed)));
    }
    BOOST_TEST(who(token) == "ada");
}

BOOST_AUTO_TEST_CASE(what_is_no_token_is_refused) {
    auto const token = *sessions.begin({"ada"});
    std::vector<std::string> const wrong{"",
                                         "x",
                                         token + "A",
                                         token.substr(1),
                                         token + "=",
                                         " " + token,
                                         token + std::string(1, '\0'),
                                         std::string(43, '\0'),
                                         std::string(43, '\xff'),
                                         std::string(43, 'A'),
                                         std::string(1 << 20, 'A'),
                                         "\"" + token + "\""};
    for (auto const& one : wrong) {
        BOOST_TEST(who(one) == "", one.substr(0, 60));
        BOOST_TEST(!sessions.end(one));
    }
    // The last character has two bits that mean nothing; only one spelling of them is right.
    for (char last :
         std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")) {
        auto other = token;
        other.back() = last;
        BOOST_TEST((who(other) == "ada") == (other == token), other);
    }
}

BOOST_AUTO_TEST_CASE(beyond_max_sessions_none_begins_until_one_ends) {
    sessions = make(2);
    auto const first = *sessions.begin({"ada"});
    BOOST_TEST(sessions.begin({"grace"}).has_value());
    auto const third = sessions.begin({"edsger"});
    BOOST_TEST_REQUIRE(!third.has_value());
    BOOST_TEST((third.error() == errc::overloaded));
    BOOST_TEST(who(first) == "ada");
    sessions.end(first);
    BOOST_TEST(sessions.begin({"edsger"}).has_value());
}

BOOST_AUTO_TEST_CASE(a_session_may_take_the_place_of_another) {
    sessions = make(2);
    auto const first = *sessions.begin({"ada"});
    auto const other = *sessions.begin({"grace"});
    int told = 0;
    session_type::watch const watch(*sessions.verify(first), [&] { ++told; });
    auto const second = *sessions.begin({"edsger"}, first);
    BOOST_TEST(told == 1);
    BOOST_TEST(who(first) == "");
    BOOST_TEST(who(second) == "edsger");
    BOOST_TEST(who(other) == "grace");
    // Without one to take the place of, there is none; and nobody loses anything by asking.
    for (std::string const& wrong : {std::string(), first, second + "A", std::string(43, 'A')})
        BOOST_TEST(!sessions.begin({"barbara"}, wrong).has_value());
    BOOST_TEST(who(second) == "edsger");
    BOOST_TEST(who(other) == "grace");
    BOOST_TEST(sessions.size() == 2u);
}

// ---- Time ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_session_lasts_one_timeout_from_its_last_use) {
    auto const token = *sessions.begin({"ada"});
    for (int i = 0; i < 5; ++i) {
        now += 30min - 1ms;
        BOOST_TEST(who(token) == "ada");
    }
    now += 30min;
    BOOST_TEST(who(token) == ""); // though nobody has looked for what has expired
    BOOST_TEST(sessions.size() == 1u);
    sessions.end_expired();
    BOOST_TEST(sessions.size() == 0u);
}

BOOST_AUTO_TEST_CASE(what_has_expired_is_not_brought_back) {
    auto const token = *sessions.begin({"ada"});
    auto const session = *sessions.verify(token);
    now += 29min;
    BOOST_TEST(session->touch(now));
    now += 30min;
    BOOST_TEST(!session->touch(now)); // a message that came while the end was due
    BOOST_TEST(who(token) == "");
}

BOOST_AUTO_TEST_CASE(a_clock_read_a_little_late_by_another_thread_does_not_shorten_a_session) {
    auto const session = *sessions.verify(*sessions.begin({"ada"}));
    BOOST_TEST(session->touch(now + 2s));
    BOOST_TEST(session->touch(now + 1s));
    BOOST_TEST((session->expires_at() == now + 2s + 30min));
}

BOOST_AUTO_TEST_CASE(end_expired_says_when_the_next_one_is_due) {
    BOOST_TEST((sessions.end_expired() == now + 30min)); // nobody can be due earlier
    auto const ada = *sessions.begin({"ada"});
    now += 10min;
    auto const grace = *sessions.begin({"grace"});
    BOOST_TEST((sessions.end_expired() == now + 20min));
    now += 20min;
    BOOST_TEST((sessions.end_expired() == now + 10min)); // ada went
    BOOST_TEST(sessions.size() == 1u);
    BOOST_TEST(who(grace) == "grace");
    BOOST_TEST((sessions.end_expired() == now + 30min)); // grace has just been seen
}

// ---- The end ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(data_is_destroyed_when_the_session_ends_or_its_last_user_lets_go) {
    std::weak_ptr<int> ended, expired, in_use, all;
    auto const begin = [&](std::weak_ptr<int>& watched) {
        secret_data data{"ada"};
        watched = data.kept;
        return *sessions.begin(std::move(data));
    };
    auto const token = begin(ended);
    auto const session = *sessions.verify(token); // whoever has the session does not have its data
    BOOST_TEST(sessions.end(token));
    BOOST_TEST(ended.expired());
    BOOST_TEST(!session->data());

    begin(expired);
    now += 30min;
    sessions.end_expired();
    BOOST_TEST(expired.expired());

    auto const used = begin(in_use);
    auto user = (*sessions.verify(used))->data();
    BOOST_TEST(sessions.end(used));
    BOOST_TEST(!in_use.expired()); // as by a command that still runs
    user.reset();
    BOOST_TEST(in_use.expired());

    begin(all);
    sessions.end_all();
    BOOST_TEST(all.expired());
    BOOST_TEST(sessions.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_watch_is_called_once_when_the_session_ends_however_it_ends) {
    int calls = 0;
    auto const watched = [&](std::string const& token) {
        return std::make_unique<session_type::watch>(*sessions.verify(token), [&] { ++calls; });
    };
    auto const ended = *sessions.begin({"ada"});
    auto const one = watched(ended), two = watched(ended);
    BOOST_TEST(calls == 0);
    sessions.end(ended);
    BOOST_TEST(calls == 2);
    sessions.end(ended);
    sessions.end_all();
    BOOST_TEST(calls == 2);

    calls = 0;
    auto const three = watched(*sessions.begin({"grace"}));
    now += 30min;
    sessions.end_expired();
    BOOST_TEST(calls == 1);
    sessions.end_expired();
    BOOST_TEST(calls == 1);

    calls = 0;
    auto const four = watched(*sessions.begin({"edsger"}));
    sessions.end_all();
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(a_watch_that_comes_too_late_is_called_at_once) {
    auto const token = *sessions.begin({"ada"});
    auto const session = *sessions.verify(token);
    sessions.end(token);
    int calls = 0;
    {
        session_type::watch const late(session, [&] { ++calls; });
        BOOST_TEST(calls == 1);
    }
    sessions.end_all();
    BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(a_watch_that_is_gone_is_not_called) {
    auto const token = *sessions.begin({"ada"});
    int calls = 0, others = 0;
    auto const session = *sessions.verify(token);
    session_type::watch const stays(session, [&] { ++others; });
    {
        session_type::watch const goes(session, [&] { ++calls; });
    }
    sessions.end(token);
    BOOST_TEST(calls == 0);
    BOOST_TEST(others == 1);
}

BOOST_AUTO_TEST_CASE(a_watch_that_breaks_its_word_and_throws_harms_no_other) {
    std::vector<std::string> logged;
    sessions = verifier_type({.timeout = 30min,
                              .now = [this] { return now; },
                              .log = [&](std::string_view text) { logged.emplace_back(text); }});
    int told = 0;
    auto const throwing = [] { throw std::runtime_error("no more memory"); };
    auto const ada = *sessions.verify(*sessions.begin({"ada"}));
    auto const grace = *sessions.verify(*sessions.begin({"grace"}));
    session_type::watch const bad(ada, throwing), good(ada, [&] { ++told; });
    session_type::watch const worse(grace, throwing), better(grace, [&] { ++told; });
    now += 30min;
    BOOST_TEST((sessions.end_expired() == now + 30min));
    BOOST_TEST(told == 2);
    BOOST_TEST(!ada->data());
    BOOST_TEST(!grace->data());
    BOOST_TEST(sessions.size() == 0u);
    BOOST_TEST(logged == std::vector<std::string>(2, "the end of a session failed: no more memory"),
               boost::test_tools::per_element());
}

// ---- Whatever happens ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_session_is_verified_exactly_while_it_lives) {
    std::mt19937 random(7);
    auto const pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    for (int round = 0; round < 50; ++round) {
        sessions = make(20);
        struct model {
            std::string token, name;
            time_point seen;
            bool ended = false;
            std::weak_ptr<int> data;
            int told = 0;
            std::unique_ptr<session_type::watch> watch;
        };
        std::vector<std::unique_ptr<model>> all;
        auto const lives = [&](model const& one) { return !one.ended && now < one.seen + 30min; };
        for (int step = 0; step < 300; ++step) {
            switch (pick(6)) {
            case 0: {
                auto one = std::make_unique<model>();
                one->name = "user " + std::to_string(step);
                one->seen = now;
                secret_data data{one->name};
                one->data = data.kept;
                auto const before = sessions.size();
                auto const token = sessions.begin(std::move(data));
                BOOST_TEST_REQUIRE(token.has_value() == (before < 20));
                if (!token) break;
                one->token = *token;
                one->watch = std::make_unique<session_type::watch>(
                    *sessions.verify(*token), [told = &one->told] { ++*told; });
                all.push_back(std::move(one));
                break;
            }
            case 1:
            case 2:
                if (all.empty()) break;
                {
                    auto& one = *all[pick(all.size())];
                    bool const live = lives(one);
                    BOOST_TEST_REQUIRE(who(one.token) == (live ? one.name : ""));
                    if (live) one.seen = now;
                }
                break;
            case 3:
                if (all.empty() || pick(3) != 0) break;
                {
                    auto& one = *all[pick(all.size())];
                    sessions.end(one.token);
                    one.ended = true;
                    BOOST_TEST_REQUIRE(one.data.expired());
                    BOOST_TEST_REQUIRE(one.told == 1);
                }
                break;
            case 4:
                now += std::chrono::minutes(pick(12));
                break;
            default: {
                auto const next = sessions.end_expired();
                BOOST_TEST_REQUIRE((next > now));
                std::size_t live = 0;
                for (auto const& one : all) {
                    if (lives(*one)) {
                        ++live;
                        BOOST_TEST_REQUIRE((next <= one->seen + 30min));
                    } else {
                        one->ended = true;
                    }
                    BOOST_TEST_REQUIRE(one->data.expired() == one->ended);
                }
                BOOST_TEST_REQUIRE(sessions.size() == live);
            }
            }
            for (auto const& one : all)
                BOOST_TEST_REQUIRE(one->told == (one->data.expired() ? 1 : 0));
        }
        sessions.end_all();
        for (auto const& one : all)
            BOOST_TEST_REQUIRE(one->told == 1);
    }
}

BOOST_AUTO_TEST_CASE(sessions_may_begin_be_watched_and_end_on_several_threads_at_once) {
    std::atomic<int> faults = 0; // Boost.Test itself is for one thread
    auto const work = [&](unsigned seed) {
        std::mt19937 random(seed);
        for (int i = 0; i < 300; ++i) {
            auto const token = sessions.begin({"ada"}).value();
            auto const session = sessions.verify(token);
            if (!session) continue; // `end_all` of another thread
            std::atomic<int> told = 0;
            session_type::watch const watch(*session, [&] { ++told; });
            if (random() % 3 == 0) {
                sessions.end_all();
            } else {
                sessions.end_expired();
                sessions.end(token);
            }
            if (sessions.verify(token)) ++faults;
            // Another thread's `end_all` may have taken it, and not have come to it yet.
            if (!(*session)->data() && told != 1) ++faults;
        }
    };
    {
        std::vector<std::jthread> threads;
        for (unsigned seed = 0; seed < 4; ++seed)
            threads.emplace_back(work, seed);
    }
    BOOST_TEST(faults == 0);
    BOOST_TEST(sessions.size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
