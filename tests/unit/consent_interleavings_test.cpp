// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// What holds of a consent broker whatever its peers do, in whatever order.
#include <parley/consent/termination.hpp>
#include <tests/support/consent_world.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace parley::consent;
using namespace parley::test;
using namespace std::chrono_literals;

/// Few enough that they meet: three patients, one of whom has two keys, and two providers.
std::vector<patient> const& patients() {
    static auto const all = [] {
        std::vector<patient> made;
        for (auto const* name : {"ann", "ann", "bob", "cid"}) {
            made.push_back(patient_called(name));
            made.push_back(made.back());
            made.back().claims.provider_npi = unregistered_npi; // which comes and goes
        }
        made.push_back(made.front());
        made.back().claims.exp = {beginning + 60};
        return made;
    }();
    return all;
}

/// A peer, and what has been seen of it.
struct visitor {
    patient const* who;
    memory_peer peer;
    bool gone = false; ///< by its own doing

    [[nodiscard]] bool inside() const { return peer.upgraded() && !peer.closed_with() && !gone; }
};

/// One run: random things happen, and the rules are looked at after each.
class run {
  public:
    run(std::size_t ceiling, std::uint64_t seed)
        : ceiling_(ceiling), random_(seed),
          world_({.ceiling = ceiling, .queue_timeout = 20s, .max_message = 4096}) {}

    void go() {
        for (int step = 0; step < 120; ++step) {
            happen();
            check_now();
        }
        come_to_rest();
        for (auto const& v : visitors_)
            check_end(v);
        check_audit();
        BOOST_TEST(world_.admission().active() == 0u);
        BOOST_TEST(world_.admission().queued() == 0u);
        BOOST_TEST(world_.broker().connections() == 0u);
        world_.shake_hands(patient_called("dan")); // and the broker is none the worse
    }

  private:
    std::size_t below(std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
    }
    bool one_in(std::size_t n) { return below(n) == 0; }

    void happen() {
        switch (below(24)) {
        case 0:
        case 1:
        case 2:
            return arrive();
        case 3:
            return world_.advance(std::chrono::milliseconds(below(6'000)));
        case 4:
            return shut_or_open(world_.storage.reads);
        case 5:
            return shut_or_open(world_.storage.writes);
        case 6:
            return shut_or_open(world_.audit.appends);
        case 7:
            return break_or_mend();
        case 8:
            return change_the_records();
        default:
            if (!visitors_.empty()) act(visitors_[below(visitors_.size())]);
        }
    }

    void arrive() {
        visitors_.push_back({&patients()[below(patients().size())], world_.connect()});
        if (one_in(2)) act(visitors_.back());
    }

    void act(visitor& v) {
        if (v.gone || v.peer.closed_with() || v.peer.refused_with() != 0) return;
        if (one_in(10)) {
            v.gone = true;
            return one_in(2) && v.peer.upgraded() ? v.peer.close() : v.peer.vanish();
        }
        if (!v.peer.upgraded()) return;
        switch (below(16)) {
        case 0:
            return v.peer.send("not JSON");
        case 1:
            return v.peer.send_binary("binary");
        case 2:
            return v.peer.send(std::string(5000, 'x'));
        case 3:
            return v.peer.send(patients()[below(patients().size())].auth_text());
        case 4:
            return v.peer.send(answer(*v.who, visitors_[below(visitors_.size())]));
        default:
            return v.peer.send(v.peer.messages().empty() ? v.who->auth_text() : answer(*v.who, v));
        }
    }

    /// What `who` answers to the challenge that `v` got, if it got one.
    static std::string answer(patient const& who, visitor const& v) {
        if (v.peer.messages().empty() ||
            !v.peer.messages().front().starts_with(R"({"type":"handshake.challenge")")) {
            return R"({"type":"handshake.challenge_response","signed_nonce":""})";
        }
        return who.answer(v.peer.messages().front());
    }

    void shut_or_open(gate& g) {
        if (one_in(4)) return g.shut();
        g.open();
        world_.settle();
    }

    void break_or_mend() {
        auto const broken =
            one_in(4) ? make_error_code(parley::errc::storage_unavailable) : parley::error_code();
        world_.storage.memory->fail_with(broken);
        world_.audit.memory.fail(one_in(8));
        *world_.storage.defect = one_in(16);
    }

    void change_the_records() {
        world_.storage.memory->fail_with({});
        world_.change([&](auto& tx) {
            if (one_in(2))
                remove_provider(tx, unregistered_npi);
            else
                add_provider(tx, {.npi = unregistered_npi}, "2026-01-01T00:00:00.000Z");
            auto row = tx.template find<relationship>(
                parley::where<"status">(std::string(relationship_status::active)));
            if (!row || one_in(2)) return;
            row->status = relationship_status::terminated;
            tx.update(*row);
        });
    }

    void check_now() {
        BOOST_TEST(world_.admission().active() <= ceiling_);
        BOOST_TEST(std::ranges::count_if(visitors_, &visitor::inside) <=
                   static_cast<std::ptrdiff_t>(ceiling_));
    }

    void come_to_rest() {
        world_.storage.memory->fail_with({});
        *world_.storage.defect = false;
        world_.audit.memory.fail(false);
        for (auto* g : {&world_.storage.reads, &world_.storage.writes, &world_.audit.appends})
            g->open();
        for (std::size_t i = 0; i <= 2 * visitors_.size(); ++i)
            world_.advance(20s);
        auto& policies = world_.broker().policies();
        boost::asio::co_spawn(
            world_.io, world_.broker().conversation().settle(policies.storage, policies.audit),
            boost::asio::detached);
        world_.settle();
    }

    /// Every peer that stayed was answered exactly once: refused at the door, or let in and told
    /// how it ended.
    static void check_end(visitor const& v) {
        bool const refused = v.peer.refused_with() != 0;
        if (refused) BOOST_TEST(v.peer.refused_with() == 503u);
        BOOST_TEST(!(refused && v.peer.upgraded()));
        if (v.gone || refused) return;

        BOOST_REQUIRE(v.peer.upgraded());
        static std::set<std::uint16_t> const codes{1000, 1009, 1011, 4001, 4002, 4003, 4004};
        BOOST_TEST(codes.contains(v.peer.closed_with().value_or(0)));
        std::vector<std::string> heard;
        for (auto const& text : v.peer.messages())
            heard.emplace_back(parley::json::parse(text)->at("type").as_string());
        if (!heard.empty() && heard.front() == handshake_challenge::type)
            heard.erase(heard.begin());
        if (v.peer.closed_with() == 1009) {
            BOOST_TEST(heard.empty());
        } else {
            BOOST_REQUIRE(heard.size() == 1u);
            BOOST_TEST((heard[0] == handshake_complete::type) == (v.peer.closed_with() == 1000));
        }
    }

    /// What was told, what is stored and what is written down agree.
    void check_audit() {
        std::set<std::string> begun;
        std::map<std::string, int> established;
        std::map<std::string, int> completed; // by relationship and status
        for (auto const& entry : world_.audit.memory.entries()) {
            auto const detail = [&](std::string_view name) {
                return std::string(entry.details.at(name).as_string());
            };
            if (entry.action == "connection.handshake_started") {
                BOOST_TEST(begun.insert(detail("session_id")).second);
            } else if (entry.action == "connection.handshake_completed") {
                ++completed[detail("relationship_id") + detail("status")];
            } else if (entry.action == "consent.relationship_established") {
                ++established[detail("relationship_id")];
            }
        }
        for (auto const& v : visitors_) {
            if (v.gone || v.peer.closed_with() != 1000) continue;
            auto const told = as<handshake_complete>(v.peer.messages().back());
            BOOST_TEST(--completed[told.relationship_id + told.status] >= 0);
            BOOST_TEST((told.status == "existing" || established[told.relationship_id] == 1));
        }

        std::set<std::pair<std::string, std::string>> active;
        for (auto const& row : world_.rows<relationship>()) {
            if (row.status == relationship_status::active) {
                BOOST_TEST(active.insert({row.patient_agent_id, row.provider_npi}).second);
            }
            BOOST_TEST(established[row.relationship_id] == 1);
        }
        BOOST_TEST(
            world_.broker().conversation().statistics().completed >=
            static_cast<std::uint64_t>(std::ranges::count_if(visitors_, [](visitor const& v) {
                return !v.gone && v.peer.closed_with() == 1000;
            })));
    }

    std::size_t ceiling_;
    std::mt19937_64 random_;
    consent_world world_;
    std::vector<visitor> visitors_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(consent_interleavings)

BOOST_DATA_TEST_CASE(whatever_peers_do_the_rules_hold, boost::unit_test::data::xrange(1, 6),
                     ceiling) {
    for (std::uint64_t seed = 0; seed < 16; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            run(static_cast<std::size_t>(ceiling), seed).go();
        }
    }
}

/// A patient whose relationship is committed, and whose audit entry is on its way.
memory_peer half_established(consent_world& world, patient const& who) {
    auto peer = world.introduce(who);
    auto const challenge = peer.take();
    world.audit.appends.shut();
    peer.send(who.answer(challenge));
    BOOST_TEST_REQUIRE(world.rows<relationship>().size() == 1u);
    BOOST_TEST_REQUIRE(world.audit.appends.waiting() == 1u);
    return peer;
}

std::size_t times_established(consent_world const& world) {
    auto const entries = world.audit.memory.entries();
    return static_cast<std::size_t>(std::ranges::count(entries, "consent.relationship_established",
                                                       &parley::audit_record::action));
}

BOOST_AUTO_TEST_CASE(who_comes_while_the_entry_is_written_waits_for_it) {
    consent_world world;
    auto const ann = patient_called("ann");
    auto first = half_established(world, ann);
    world.audit.appends.open_to_newcomers();
    auto second = world.introduce(ann);
    BOOST_TEST(second.messages().empty());

    world.audit.appends.open();
    world.settle();
    auto const made = as<handshake_complete>(first.take());
    auto const told = as<handshake_complete>(second.take());
    BOOST_TEST(made.status == "new");
    BOOST_TEST(told.status == "existing");
    BOOST_TEST(told.relationship_id == made.relationship_id);
    BOOST_TEST(times_established(world) == 1u);
}

BOOST_AUTO_TEST_CASE(who_comes_while_the_entry_is_not_written_is_not_told) {
    consent_world world;
    auto const ann = patient_called("ann");
    auto first = half_established(world, ann);
    world.audit.appends.open_to_newcomers();
    auto second = world.introduce(ann);

    world.audit.memory.fail(true);
    world.audit.appends.open();
    world.settle();
    BOOST_TEST(first.closed_with().value() == 1011);
    BOOST_TEST(second.closed_with().value() == 1011);
    BOOST_TEST(times_established(world) == 0u);

    world.audit.memory.fail(false);
    BOOST_TEST(world.shake_hands(ann).status == "existing");
    BOOST_TEST(times_established(world) == 1u);
}

BOOST_AUTO_TEST_CASE(who_comes_while_another_writes_what_is_owed_waits_for_it) {
    consent_world world;
    auto const ann = patient_called("ann");
    auto first = half_established(world, ann);
    world.audit.memory.fail(true);
    world.audit.appends.open();
    world.settle();
    world.audit.memory.fail(false);
    BOOST_TEST(first.closed_with().value() == 1011);

    world.audit.appends.shut();
    auto second = world.introduce(ann); // writes what the first one owes
    BOOST_TEST_REQUIRE(world.audit.appends.waiting() == 1u);
    world.audit.appends.open_to_newcomers();
    auto third = world.introduce(ann);
    BOOST_TEST(third.messages().empty());

    world.audit.appends.open();
    world.settle();
    BOOST_TEST(as<handshake_complete>(second.take()).status == "existing");
    BOOST_TEST(as<handshake_complete>(third.take()).status == "existing");
    BOOST_TEST(times_established(world) == 1u);
}

BOOST_AUTO_TEST_CASE(nothing_waits_in_the_outbox_for_an_audit_log_that_is_switched_off) {
    consent_world world;
    *world.audit.switched_on = false;
    auto const made = world.shake_hands(patient_called("ann"));
    BOOST_TEST(made.status == "new");
    BOOST_TEST(world.rows<outbox_record>().empty());

    auto const ended = boost::asio::co_spawn(
        world.io,
        terminate_and_audit(world.storage, world.audit, made.relationship_id, registered_npi,
                            "moved away", std::chrono::system_clock::time_point()),
        boost::asio::use_future);
    world.settle();
    BOOST_TEST(world.rows<relationship>().front().status == relationship_status::terminated);
    BOOST_TEST(world.rows<outbox_record>().empty());
}

BOOST_AUTO_TEST_SUITE_END()
