// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/admission/per_address_admission.hpp>
#include <parley/admission/queueing_admission.hpp>
#include <parley/admission/rejecting_admission.hpp>
#include <parley/admission/unlimited_admission.hpp>
#include <parley/concepts.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(admission)

using namespace std::chrono_literals;
using parley::admission_state;
using parley::queueing_admission;
using parley::rejecting_admission;
using parley::unlimited_admission;
using per_address_queue = parley::per_address_admission<queueing_admission>;

static_assert(parley::admission_policy<queueing_admission>);
static_assert(parley::admission_policy<rejecting_admission>);
static_assert(parley::admission_policy<unlimited_admission>);
static_assert(parley::admission_policy<per_address_queue>);
static_assert(parley::admission_policy<parley::per_address_admission<per_address_queue>>);
static_assert(parley::admission_policy<parley::per_address_admission<unlimited_admission>>);

parley::admission_request from(std::string address, std::function<void()> bell = {}) {
    return {std::move(address), {}, std::move(bell)};
}

BOOST_AUTO_TEST_CASE(beyond_the_ceiling_peers_wait_in_order) {
    queueing_admission door({.max_concurrent = 1, .queue_timeout = 1500ms});
    std::string told;
    auto first = std::optional(door.enter(from("a")));
    auto second = door.enter(from("b", [&] { told += "second "; }));
    auto third = std::optional(door.enter(from("c", [&] { told += "third "; })));
    auto fourth = door.enter(from("d", [&] { told += "fourth "; }));
    BOOST_TEST((first->state() == admission_state::admitted));
    BOOST_TEST((second.state() == admission_state::queued));
    BOOST_TEST((second.wait_limit() == 1500ms));
    BOOST_TEST((second.retry_after() == 2s));
    BOOST_TEST(door.active() == 1u);
    BOOST_TEST(door.queued() == 3u);

    third.reset(); // left, and is never told anything
    BOOST_TEST(door.queued() == 2u);
    first.reset();
    BOOST_TEST(told == "second ");
    BOOST_TEST((second.state() == admission_state::admitted));
    BOOST_TEST((fourth.state() == admission_state::queued));
    BOOST_TEST(door.active() == 1u);
    BOOST_TEST(door.queued() == 1u);
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses) {
    queueing_admission door({.max_concurrent = 1, .max_queued = 1});
    auto const in = door.enter(from("a"));
    auto const waiting = door.enter(from("a"));
    {
        auto const refused = door.enter(from("a"));
        BOOST_TEST((refused.state() == admission_state::refused));
        BOOST_TEST((refused.retry_after() == 30s));
    }
    BOOST_TEST(door.active() == 1u);
    BOOST_TEST(door.queued() == 1u);
}

BOOST_AUTO_TEST_CASE(a_peer_let_in_that_has_left_already_passes_its_slot_on) {
    queueing_admission door({.max_concurrent = 1});
    int told = 0;
    auto first = std::optional(door.enter(from("a")));
    auto second = std::optional(door.enter(from("b", [&] { ++told; })));
    auto const third = door.enter(from("c", [&] { ++told; }));
    first.reset();
    second.reset(); // was told, and leaves before it could do anything
    BOOST_TEST(told == 2);
    BOOST_TEST((third.state() == admission_state::admitted));
}

BOOST_AUTO_TEST_CASE(copies_share_one_queue_and_tickets_outlive_them) {
    std::optional<queueing_admission::ticket> kept;
    queueing_admission const door({.max_concurrent = 1});
    {
        auto copy = door;
        kept.emplace(copy.enter(from("a")));
    }
    BOOST_TEST(door.active() == 1u);
    auto moved = std::move(*kept);
    kept.reset();
    BOOST_TEST(door.active() == 1u);
    BOOST_TEST((moved.state() == admission_state::admitted));
}

BOOST_AUTO_TEST_CASE(rejecting_admission_lets_nobody_wait) {
    rejecting_admission door({.max_concurrent = 2, .retry_after = 7s});
    auto first = std::optional(door.enter(from("a")));
    auto const second = door.enter(from("b"));
    auto const third = door.enter(from("c"));
    BOOST_TEST((third.state() == admission_state::refused));
    BOOST_TEST((third.retry_after() == 7s));
    BOOST_TEST(door.queued() == 0u);
    first.reset();
    BOOST_TEST(door.active() == 1u);
    BOOST_TEST((door.enter(from("c")).state() == admission_state::admitted));
}

BOOST_AUTO_TEST_CASE(unlimited_admission_is_nothing_at_all) {
    BOOST_TEST((unlimited_admission::enter(from("a")).state() == admission_state::admitted));
    BOOST_TEST(std::is_empty_v<unlimited_admission>);
    BOOST_TEST(std::is_empty_v<unlimited_admission::ticket>);
}

BOOST_AUTO_TEST_CASE(one_address_cannot_take_every_place) {
    per_address_queue door({.max_per_address = 2, .retry_after = 9s},
                           queueing_admission({.max_concurrent = 1}));
    auto first = std::optional(door.enter(from("greedy")));
    auto const second = door.enter(from("greedy"));
    auto const third = door.enter(from("greedy"));
    auto const other = door.enter(from("modest"));
    BOOST_TEST((second.state() == admission_state::queued));
    BOOST_TEST((third.state() == admission_state::refused));
    BOOST_TEST((third.retry_after() == 9s));
    BOOST_TEST((other.state() == admission_state::queued));
    BOOST_TEST((other.wait_limit() == 30s));
    first.reset();
    BOOST_TEST((second.state() == admission_state::admitted));
    BOOST_TEST((door.enter(from("greedy")).state() == admission_state::queued));
    BOOST_TEST(door.active() == 1u);
    BOOST_TEST(door.queued() == 1u);
}

BOOST_AUTO_TEST_CASE(an_address_is_counted_with_those_that_one_subscriber_has) {
    auto const allowed_beside = [](std::string first, std::string second) {
        per_address_queue door({.max_per_address = 1});
        auto const there = door.enter(from(std::move(first)));
        return door.enter(from(std::move(second))).state() == admission_state::admitted;
    };
    BOOST_TEST(!allowed_beside("192.0.2.1", "192.0.2.1"));
    BOOST_TEST(allowed_beside("192.0.2.1", "192.0.2.2"));
    BOOST_TEST(!allowed_beside("192.0.2.1", "::ffff:192.0.2.1"));
    BOOST_TEST(allowed_beside("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    BOOST_TEST(!allowed_beside("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    BOOST_TEST(allowed_beside("2001:db8:1:2::1", "2001:db8:1:3::1"));
    BOOST_TEST(!allowed_beside("fe80::1%1", "fe80::2%1"));
    BOOST_TEST(allowed_beside("fe80::1%1", "fe80::1%2")); // another link
    BOOST_TEST(!allowed_beside("", ""));
    BOOST_TEST(!allowed_beside("no:address", "no:address"));
    BOOST_TEST(allowed_beside("no:address", "no:other"));
}

// ---- Properties ---------------------------------------------------------------------------------

/// What a composition of policies is bound to do.
struct rules {
    std::size_t ceiling;
    std::size_t max_queued;
    std::size_t per_address;
};

/// Random arrivals, departures and losses of patience, held against `rules` after every one.
template <class Policy>
class street {
  public:
    street(Policy policy, rules r, std::uint64_t seed)
        : policy_(std::move(policy)), rules_(r), random_(seed) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            // The weights make the house both overflow and empty itself now and then.
            bool const busy = (i / 500) % 2 == 0;
            if (std::bernoulli_distribution(busy ? 0.6 : 0.4)(random_)) {
                arrive();
            } else {
                leave();
            }
            check();
        }
        while (!here_.empty()) {
            leave();
            check();
        }
        BOOST_TEST_REQUIRE(policy_.active() == 0u);
        BOOST_TEST_REQUIRE(policy_.queued() == 0u);
        BOOST_TEST(most_inside_ == rules_.ceiling);
    }

  private:
    struct peer {
        std::string address;
        admission_state expected = admission_state::refused;
        int told = 0;
        int owed = 0; // how often it should have been told
        std::optional<typename Policy::ticket> ticket;
    };
    using place = typename std::list<peer>::iterator;

    std::size_t random_below(std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
    }

    void arrive() {
        auto& p = here_.emplace_back();
        p.address = std::string(1, static_cast<char>('a' + random_below(4)));
        if (from_[p.address] < rules_.per_address) {
            if (inside_ < rules_.ceiling) {
                p.expected = admission_state::admitted;
                ++inside_;
            } else if (waiting_.size() < rules_.max_queued) {
                p.expected = admission_state::queued;
                waiting_.push_back(std::prev(here_.end()));
            }
        }
        if (p.expected != admission_state::refused) ++from_[p.address];
        p.ticket.emplace(policy_.enter(from(p.address, [&p] { ++p.told; })));
    }

    void leave() {
        if (here_.empty()) return;
        auto const p = std::next(here_.begin(), static_cast<long>(random_below(here_.size())));
        if (p->expected == admission_state::queued) std::erase(waiting_, p);
        if (p->expected == admission_state::admitted) pass_on();
        if (p->expected != admission_state::refused) --from_[p->address];
        p->ticket.reset();
        BOOST_TEST_REQUIRE(p->told == p->owed);
        here_.erase(p);
    }

    void pass_on() {
        if (waiting_.empty()) {
            --inside_;
            return;
        }
        auto const next = waiting_.front();
        waiting_.pop_front();
        next->expected = admission_state::admitted;
        next->owed = 1;
    }

    void check() {
        most_inside_ = std::max(most_inside_, policy_.active());
        BOOST_TEST_REQUIRE(policy_.active() <= rules_.ceiling);
        BOOST_TEST_REQUIRE(policy_.active() == inside_);
        BOOST_TEST_REQUIRE(policy_.queued() == waiting_.size());
        auto const as_expected = [](peer const& p) {
            return p.ticket->state() == p.expected && p.told == p.owed;
        };
        BOOST_TEST_REQUIRE(std::all_of(here_.begin(), here_.end(), as_expected));
    }

    Policy policy_;
    rules rules_;
    std::mt19937_64 random_;
    std::list<peer> here_;
    std::deque<place> waiting_;
    std::map<std::string, std::size_t> from_;
    std::size_t inside_ = 0;
    std::size_t most_inside_ = 0;
};

constexpr std::size_t no_limit = 1'000'000;

BOOST_AUTO_TEST_CASE(queueing_keeps_its_rules_whatever_happens) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        street(queueing_admission({.max_concurrent = 3, .max_queued = 12}), {3, 12, no_limit}, seed)
            .run(4000);
    }
}

BOOST_AUTO_TEST_CASE(rejecting_keeps_its_rules_whatever_happens) {
    street(rejecting_admission({.max_concurrent = 5}), {5, 0, no_limit}, 1).run(4000);
}

BOOST_AUTO_TEST_CASE(decorators_keep_their_rules_whatever_happens) {
    using twice = parley::per_address_admission<per_address_queue>;
    using rejecting = parley::per_address_admission<rejecting_admission>;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        queueing_admission const queue({.max_concurrent = 4, .max_queued = 9});
        street(per_address_queue({.max_per_address = 3}, queue), {4, 9, 3}, seed).run(4000);
    }
    queueing_admission const queue({.max_concurrent = 4, .max_queued = 9});
    per_address_queue const inner({.max_per_address = 2}, queue);
    street(twice({.max_per_address = 3}, inner), {4, 9, 2}, 5).run(4000);
    rejecting_admission const gate({.max_concurrent = 4});
    street(rejecting({.max_per_address = 2}, gate), {4, 0, 2}, 6).run(4000);
}

/// Peers on several threads at once: what must hold at every moment, and at the end.
template <class Policy>
void storm(Policy policy, std::size_t ceiling) {
    std::atomic<std::size_t> inside{0};
    std::atomic<bool> overfull{false};
    std::atomic<bool> told_twice{false};
    auto const peers = [&](std::uint64_t seed) {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 2000; ++i) {
            auto const told = std::make_shared<std::atomic<int>>(0);
            auto const bell = [told, &told_twice] { told_twice = told_twice || ++*told > 1; };
            auto const ticket = policy.enter(from(std::string(1, "ab"[random() % 2]), bell));
            auto const patience = random() % 50;
            for (std::size_t n = 0; ticket.state() == admission_state::queued && n < patience; ++n)
                std::this_thread::yield();
            if (ticket.state() != admission_state::admitted) continue;
            if (inside.fetch_add(1) >= ceiling) overfull = true;
            if (random() % 2 == 0) std::this_thread::yield();
            inside.fetch_sub(1);
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t seed = 1; seed <= 4; ++seed)
        threads.emplace_back(peers, seed);
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(!overfull);
    BOOST_TEST(!told_twice);
    BOOST_TEST(policy.active() == 0u);
    BOOST_TEST(policy.queued() == 0u);
}

BOOST_AUTO_TEST_CASE(threads_share_a_policy) {
    storm(queueing_admission({.max_concurrent = 2}), 2);
    storm(rejecting_admission({.max_concurrent = 2}), 2);
    storm(per_address_queue({.max_per_address = 3}, queueing_admission({.max_concurrent = 2})), 2);
}

BOOST_AUTO_TEST_SUITE_END()
