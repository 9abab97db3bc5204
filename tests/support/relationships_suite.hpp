// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the consent broker's operations do, whatever the storage: each scenario is given an empty
/// one.

#include <parley/consent/relationships.hpp>
#include <parley/error.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace parley::test {

inline constexpr char const* npi = "1245319599";
inline constexpr char const* other_npi = "1234567893";
inline constexpr char const* key = "skeVWVtcYuVKb93qBqWs8p74aVM0xzNMK68KKOB_tcI";

inline consent::outbox_record audit_of(std::string id, std::string created_at = "t1") {
    return {std::move(id), "consent", "consent.relationship_established",
            "patient-001", "{}",      std::move(created_at)};
}

inline consent::establish_request handshake(std::string new_id, std::string now = "t1") {
    return {.patient_agent_id = "patient-001",
            .provider_npi = npi,
            .patient_public_key = key,
            .consented_actions = R"(["office_visit"])",
            .new_id = new_id,
            .now = std::move(now),
            .audit = {audit_of("audit-" + new_id)}};
}

inline consent::terminate_request termination(std::string relationship_id) {
    return {.relationship_id = relationship_id,
            .provider_npi = npi,
            .reason = "moved away",
            .termination_id = "end-of-" + relationship_id,
            .now = "t9",
            .audit = consent::outbox_record{
                "", "termination", "termination.relationship_terminated", npi, "{}", "t9"}};
}

/// The operations as a program calls them: each in a transaction of its own.
template <class Storage>
struct broker {
    Storage& storage;

    void add_provider(consent::provider const& p, std::string now = "t0") {
        BOOST_TEST_REQUIRE(
            storage.write_now([&](auto& tx) { consent::add_provider(tx, p, now); }).has_value());
    }
    bool remove_provider(std::string const& which) {
        return storage.write_now([&](auto& tx) { return consent::remove_provider(tx, which); })
            .value();
    }
    auto find_provider(std::string const& which) {
        return storage.read_now([&](auto& tx) { return consent::find_provider(tx, which); })
            .value();
    }
    auto providers() {
        return storage.read_now([](auto& tx) { return consent::list_providers(tx); }).value();
    }
    auto establish(consent::establish_request const& request) {
        return storage
            .write_now([&](auto& tx) { return consent::establish_relationship(tx, request); })
            .value();
    }
    auto terminate(consent::terminate_request const& request) {
        return storage
            .write_now([&](auto& tx) { return consent::terminate_relationship(tx, request); })
            .value();
    }
    auto find_active() {
        return storage
            .read_now(
                [](auto& tx) { return consent::find_active_relationship(tx, "patient-001", npi); })
            .value();
    }
    auto list(consent::relationship_filter const& filter = {}) {
        return storage.read_now([&](auto& tx) { return consent::list_relationships(tx, filter); })
            .value();
    }
    auto get(std::string const& id) {
        return storage.read_now([&](auto& tx) { return consent::get_relationship(tx, id); })
            .value();
    }
    auto pending() {
        return storage.read_now([](auto& tx) { return consent::pending_outbox(tx); }).value();
    }
    void settle(std::vector<consent::settled_record> const& settled) {
        BOOST_TEST_REQUIRE(
            storage.write_now([&](auto& tx) { consent::settle_outbox(tx, settled); }).has_value());
    }
};

namespace scenarios {

using established = consent::establish_outcome::kind;
using terminated = consent::terminate_outcome;

template <class Storage>
void providers_come_and_go(broker<Storage> b) {
    BOOST_TEST(!b.find_provider(npi));
    b.add_provider({.npi = npi,
                    .name = "Dr. Example",
                    .types = R"(["physician"])",
                    .endpoint_url = "wss://example.org/agent"});
    b.add_provider({.npi = other_npi});

    auto const found = b.find_provider(npi);
    BOOST_TEST_REQUIRE(found.has_value());
    BOOST_TEST(found->name.value() == "Dr. Example");
    BOOST_TEST(found->types.value() == R"(["physician"])");
    BOOST_TEST(!found->specialty);
    BOOST_TEST(found->endpoint_url.value() == "wss://example.org/agent");
    BOOST_TEST(!found->notify_url);
    auto const all = b.providers();
    BOOST_TEST_REQUIRE(all.size() == 2u);
    BOOST_TEST(all[0].npi == other_npi); // in the order of NPIs
    BOOST_TEST(!all[0].endpoint_url);

    BOOST_TEST(b.remove_provider(npi));
    BOOST_TEST(!b.remove_provider(npi));
    BOOST_TEST(!b.find_provider(npi));
}

template <class Storage>
void adding_a_provider_again_replaces_what_is_known(broker<Storage> b) {
    b.add_provider({.npi = npi, .name = "Old", .endpoint_url = "wss://old"}, "t0");
    b.add_provider({.npi = npi, .name = "New", .notify_url = "https://new"}, "t5");

    auto const found = b.find_provider(npi).value();
    BOOST_TEST(found.name.value() == "New");
    BOOST_TEST(!found.endpoint_url);
    BOOST_TEST(found.notify_url.value() == "https://new");
    auto const row =
        b.storage
            .read_now([](auto& tx) { return tx.template find<consent::provider_registration>(); })
            .value()
            .value();
    BOOST_TEST(row.registration_status == "registered");
    BOOST_TEST(row.first_registered_at.value() == "t0");
}

template <class Storage>
void a_handshake_creates_one_relationship(broker<Storage> b) {
    b.add_provider({.npi = npi});
    auto const outcome = b.establish(handshake("r1"));
    BOOST_TEST((outcome.how == established::created));
    BOOST_TEST(outcome.is->relationship_id == "r1");

    auto const row = b.find_active().value();
    BOOST_TEST(row.relationship_id == "r1");
    BOOST_TEST(row.status == "active");
    BOOST_TEST(row.patient_public_key == key);
    BOOST_TEST(row.consented_actions.value() == R"(["office_visit"])");
    BOOST_TEST(row.created_at == "t1");
    BOOST_TEST(row.updated_at == "t1");
    BOOST_TEST_REQUIRE(b.pending().size() == 1u);
    BOOST_TEST(b.pending().front().outbox_id == "audit-r1");
    BOOST_TEST(b.pending().front().actor.value() == "patient-001");
}

template <class Storage>
void racing_handshakes_share_one_relationship(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1"));
    auto const late = b.establish(handshake("r2"));
    BOOST_TEST((late.how == established::existing));
    BOOST_TEST(late.is->relationship_id == "r1");
    BOOST_TEST(b.list().size() == 1u);
    BOOST_TEST(b.pending().size() == 1u); // nothing happened, so nothing to audit
}

template <class Storage>
void another_key_is_not_the_patient(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1"));
    auto impostor = handshake("r2");
    impostor.patient_public_key = "another";
    auto const outcome = b.establish(impostor);
    BOOST_TEST((outcome.how == established::key_mismatch));
    BOOST_TEST(!outcome.is);
    BOOST_TEST(b.list().size() == 1u);
    BOOST_TEST(b.find_active()->patient_public_key == key);
}

template <class Storage>
void a_provider_that_is_gone_gets_no_relationship(broker<Storage> b) {
    auto const outcome = b.establish(handshake("r1"));
    BOOST_TEST((outcome.how == established::provider_gone));
    BOOST_TEST(b.list().empty());
    BOOST_TEST(b.pending().empty());
}

template <class Storage>
void a_relationship_ends_with_its_record_and_audit_entry(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1"));
    BOOST_TEST((b.terminate(termination("r1")) == terminated::terminated));

    auto const history = b.get("r1").value();
    BOOST_TEST(history.now.status == "terminated");
    BOOST_TEST(history.now.updated_at == "t9");
    BOOST_TEST_REQUIRE(history.termination.has_value());
    BOOST_TEST(history.termination->reason == "moved away");
    BOOST_TEST(history.termination->terminated_at == "t9");
    BOOST_TEST(!history.termination->audit_entry_sequence);
    BOOST_TEST(!b.find_active());

    auto const pending = b.pending();
    BOOST_TEST_REQUIRE(pending.size() == 2u);
    BOOST_TEST(pending[1].action == "termination.relationship_terminated");
    b.settle({{"audit-r1", 7}, {pending[1].outbox_id, 8}, {"long gone", 9}});
    BOOST_TEST(b.pending().empty());
    BOOST_TEST(b.get("r1")->termination->audit_entry_sequence.value() == 8);
}

template <class Storage>
void an_outbox_may_be_settled_without_an_audit_log(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1"));
    b.terminate(termination("r1"));
    for (auto const& record : b.pending())
        b.settle({{record.outbox_id, {}}});
    BOOST_TEST(b.pending().empty());
    BOOST_TEST(!b.get("r1")->termination->audit_entry_sequence);
}

template <class Storage>
void only_its_provider_ends_a_relationship_and_only_once(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1"));
    auto by_another = termination("r1");
    by_another.provider_npi = other_npi;
    BOOST_TEST((b.terminate(by_another) == terminated::not_owner));
    BOOST_TEST((b.terminate(termination("r0")) == terminated::not_found));
    BOOST_TEST(b.find_active().has_value());

    BOOST_TEST((b.terminate(termination("r1")) == terminated::terminated));
    BOOST_TEST((b.terminate(termination("r1")) == terminated::already_terminated));
    BOOST_TEST(b.pending().size() == 2u);
}

template <class Storage>
void after_a_termination_a_handshake_makes_a_new_relationship(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1", "t1"));
    b.terminate(termination("r1"));
    auto const again = b.establish(handshake("r0", "t10"));
    BOOST_TEST((again.how == established::created));
    BOOST_TEST(b.find_active()->relationship_id == "r0");
    BOOST_TEST(b.get("r1")->now.status == "terminated");
}

template <class Storage>
void the_storage_itself_keeps_the_rules(broker<Storage> b) {
    b.add_provider({.npi = npi});
    auto const first = *b.establish(handshake("r1")).is;
    auto second = first;
    second.relationship_id = "r2";
    auto const insert = [&](auto& tx) { tx.insert(second); };
    BOOST_TEST((b.storage.write_now(insert).error() == errc::constraint_violated));

    second.status = "pending";
    BOOST_TEST(b.storage.write_now(insert).has_value());
    second.status = "active";
    auto const update = [&](auto& tx) { return tx.update(second); };
    BOOST_TEST((b.storage.write_now(update).error() == errc::constraint_violated));

    b.terminate(termination("r1"));
    BOOST_TEST(b.storage.write_now(update).value());
    for (auto status : {"active", "pending", "suspended"}) {
        auto revived = first;
        revived.status = status;
        auto const revive = [&](auto& tx) { return tx.update(revived); };
        BOOST_TEST((b.storage.write_now(revive).error() == errc::constraint_violated));
    }
}

template <class Storage>
void a_change_and_its_audit_entry_are_one(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.establish(handshake("r1"));
    auto other = handshake("r2");
    other.patient_agent_id = "patient-002";
    other.audit = {audit_of("audit-r2"), audit_of("audit-r1")}; // the second one is there already
    auto const outcome =
        b.storage.write_now([&](auto& tx) { return consent::establish_relationship(tx, other); });
    BOOST_TEST((outcome.error() == errc::constraint_violated));
    BOOST_TEST(!b.get("r2"));
    BOOST_TEST(b.pending().size() == 1u);
}

template <class Storage>
void lists_are_filtered_and_oldest_first(broker<Storage> b) {
    b.add_provider({.npi = npi});
    b.add_provider({.npi = other_npi});
    b.establish(handshake("z", "t1"));
    auto request = handshake("y", "t2");
    request.provider_npi = other_npi;
    b.establish(request);
    request = handshake("x", "t3");
    request.patient_agent_id = "patient-002";
    b.establish(request);
    b.terminate(termination("z"));

    auto const ids = [&](consent::relationship_filter const& filter) {
        std::string text;
        for (auto const& row : b.list(filter))
            text += row.relationship_id;
        return text;
    };
    BOOST_TEST(ids({}) == "zyx");
    BOOST_TEST(ids({.patient_agent_id = "patient-001"}) == "zy");
    BOOST_TEST(ids({.provider_npi = npi}) == "zx");
    BOOST_TEST(ids({.status = "active"}) == "yx");
    BOOST_TEST(ids({.patient_agent_id = "patient-001", .status = "terminated"}) == "z");
    BOOST_TEST(ids({.patient_agent_id = "nobody"}) == "");
}

} // namespace scenarios

/// A scenario and its name, for the message of a check that fails.
template <class Storage>
struct scenario {
    char const* name;
    void (*run)(broker<Storage>);
};

template <class Storage>
std::vector<scenario<Storage>> relationship_scenarios() {
#define PARLEY_SCENARIO(name)                                                                      \
    { #name, &scenarios::name < Storage> }
    return {
        PARLEY_SCENARIO(providers_come_and_go),
        PARLEY_SCENARIO(adding_a_provider_again_replaces_what_is_known),
        PARLEY_SCENARIO(a_handshake_creates_one_relationship),
        PARLEY_SCENARIO(racing_handshakes_share_one_relationship),
        PARLEY_SCENARIO(another_key_is_not_the_patient),
        PARLEY_SCENARIO(a_provider_that_is_gone_gets_no_relationship),
        PARLEY_SCENARIO(a_relationship_ends_with_its_record_and_audit_entry),
        PARLEY_SCENARIO(an_outbox_may_be_settled_without_an_audit_log),
        PARLEY_SCENARIO(only_its_provider_ends_a_relationship_and_only_once),
        PARLEY_SCENARIO(after_a_termination_a_handshake_makes_a_new_relationship),
        PARLEY_SCENARIO(the_storage_itself_keeps_the_rules),
        PARLEY_SCENARIO(a_change_and_its_audit_entry_are_one),
        PARLEY_SCENARIO(lists_are_filtered_and_oldest_first),
    };
#undef PARLEY_SCENARIO
}

} // namespace parley::test
