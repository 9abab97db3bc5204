// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include <parley/audit/audit_chain.hpp>
#include <parley/audit/memory_audit.hpp>
#include <parley/audit/null_audit.hpp>
#include <parley/consent/audit_records.hpp>
#include <parley/consent/recovery.hpp>
#include <parley/consent/termination.hpp>
#include <parley/storage/memory_storage.hpp>
#include <tests/support/temporary_directory.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace parley::consent;
using parley::audit_record;

namespace {

std::string const provider_npi = "1245319599";
std::string const other_npi = "1003000126";

template <class T>
T run(parley::task<T> work) {
    parley::asio::io_context io(1);
    auto answer = parley::asio::co_spawn(io, std::move(work), parley::asio::use_future);
    io.run();
    return answer.get();
}

audit_record established(std::string const& relationship_id) {
    return relationship_established("patient-001", relationship_id, provider_npi,
                                    {"office_visit", "lab \"results\""});
}

/// A broker's storage and log, as a crash left them.
struct crashed_broker {
    /// An entry that was in the log when the crash came.
    std::uint64_t logged(audit_record record) {
        write(parley::next_audit_line(next, std::move(record), {}));
        return next.sequence;
    }

    void write(std::string_view line) {
        std::ofstream(log, std::ios::app | std::ios::binary) << line << '\n';
    }

    /// An entry that was in the outbox.
    void waiting(audit_record const& record) {
        auto const row =
            to_outbox(record, "2026-01-01T00:00:00." + std::to_string(100 + ++count) + "Z");
        BOOST_REQUIRE(storage.write_now([&](auto& tx) { tx.insert(row); }));
    }

    recovery recover() { return run(recover_outbox(storage, audit, log)).value(); }

    std::vector<outbox_record> outbox() {
        return storage.read_now([](auto& tx) { return pending_outbox(tx); }).value();
    }

    relationship_history history(std::string const& id) {
        return storage.read_now([&](auto& tx) { return get_relationship(tx, id); }).value().value();
    }

    /// What was entered in the log since the crash, each as its category, action and details.
    std::vector<std::string> appended() const {
        std::vector<std::string> texts;
        for (auto const& entry : audit.entries())
            texts.push_back(text_of(entry));
        return texts;
    }

    static std::string text_of(audit_record const& record) {
        return record.category + ' ' + record.action + ' ' + boost::json::serialize(record.details);
    }

    parley::test::temporary_directory directory;
    std::filesystem::path log = directory / "audit.jsonl";
    parley::audit_link next;
    parley::memory_storage storage;
    parley::memory_audit audit;
    int count = 0;
};

/// A broker with one active relationship, `r-1`, which its provider is about to end.
struct broker_with_relationship : crashed_broker {
    broker_with_relationship() {
        relationship const row{"r-1", "patient-001", provider_npi, "active", "[]", "key", "t", "t"};
        BOOST_REQUIRE(storage.write_now([&](auto& tx) { tx.insert(row); }));
    }

    template <class Audit>
    termination terminate(Audit& log_of, std::string id = "r-1", std::string npi = provider_npi) {
        return run(terminate_and_audit(storage, log_of, std::move(id), std::move(npi), "moved away",
                                       std::chrono::system_clock::time_point{}))
            .value();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(outbox_recovery)

BOOST_AUTO_TEST_CASE(an_empty_outbox_needs_no_log) {
    crashed_broker broker;
    auto const done = broker.recover();
    BOOST_TEST(done.found == 0u);
    BOOST_TEST(done.appended == 0u);
    BOOST_TEST(broker.audit.entries().empty());
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_missing_is_entered) {
    crashed_broker broker;
    broker.logged(established("r-1"));
    broker.waiting(established("r-2"));
    auto const done = broker.recover();
    BOOST_TEST(done.found == 0u);
    BOOST_TEST(done.appended == 1u);
    BOOST_TEST(broker.appended() == std::vector{crashed_broker::text_of(established("r-2"))},
               boost::test_tools::per_element());
    BOOST_TEST(broker.audit.entries().front().actor.value() == "patient-001");
    BOOST_TEST(broker.outbox().empty());
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_there_is_not_entered_again) {
    crashed_broker broker;
    broker.logged(handshake_started("s-1", "patient-001"));
    broker.logged(established("r-1"));
    broker.waiting(established("r-1"));
    auto const done = broker.recover();
    BOOST_TEST(done.found == 1u);
    BOOST_TEST(done.appended == 0u);
    BOOST_TEST(broker.audit.entries().empty());
    BOOST_TEST(broker.outbox().empty());
}

BOOST_AUTO_TEST_CASE(what_only_looks_like_the_entry_is_not_taken_for_it) {
    crashed_broker broker;
    auto altered = established("r-1");
    altered.details["provider_npi"] = other_npi;
    broker.logged(altered);
    altered = established("r-1");
    altered.category = "other";
    broker.logged(altered);
    broker.logged(handshake_completed("s-1", "patient-001", "r-1", "new", provider_npi));
    broker.logged(relationship_terminated(provider_npi, "r-1", "r-1"));
    broker.write("r-1, but no JSON");
    broker.write(R"(["r-1"])");
    broker.write(R"({"details":{"relationship_id":"r-1"}})");
    broker.waiting(established("r-1"));
    BOOST_TEST(broker.recover().appended == 1u);
}

BOOST_AUTO_TEST_CASE(a_termination_record_gets_the_number_of_the_entry_that_is_found) {
    broker_with_relationship broker;
    broker.audit.fail(); // the broker dies before the entry of the termination is settled
    BOOST_TEST(broker.terminate(broker.audit).audit_failure.failed());
    broker.logged(established("r-1"));
    auto const sequence = broker.logged(relationship_terminated(provider_npi, "r-1", "moved away"));
    BOOST_TEST(broker.recover().found == 1u);
    BOOST_TEST(broker.history("r-1").termination->audit_entry_sequence.value() ==
               static_cast<std::int64_t>(sequence));
}

BOOST_AUTO_TEST_CASE(nothing_is_lost_while_the_log_cannot_be_written) {
    crashed_broker broker;
    broker.logged(established("r-1"));
    broker.waiting(established("r-1"));
    broker.waiting(established("r-2"));
    broker.audit.fail();
    auto const failed = run(recover_outbox(broker.storage, broker.audit, broker.log));
    BOOST_TEST((failed.error() == parley::errc::audit_unavailable));
    BOOST_TEST(broker.outbox().size() == 2u);

    broker.audit.fail(false);
    auto const done = broker.recover();
    BOOST_TEST(done.found == 1u);
    BOOST_TEST(done.appended == 1u);
    BOOST_TEST(broker.outbox().empty());
}

BOOST_AUTO_TEST_CASE(a_storage_that_fails_is_reported) {
    crashed_broker broker;
    broker.waiting(established("r-1"));
    broker.storage.fail_with(parley::errc::storage_unavailable);
    auto const failed = run(recover_outbox(broker.storage, broker.audit, broker.log));
    BOOST_TEST((failed.error() == parley::errc::storage_unavailable));
    BOOST_TEST(broker.audit.entries().empty());
}

BOOST_AUTO_TEST_CASE(whenever_the_crash_came_each_change_has_one_entry) {
    std::mt19937_64 random(20260221);
    for (int round = 0; round < 100; ++round) {
        crashed_broker broker;
        std::vector<std::string> expected; // what is to be entered, in the order of the changes
        std::size_t found = 0;
        for (std::size_t i = 0, changes = random() % 8; i < changes; ++i) {
            auto const id = "r-" + std::to_string(100 + i);
            bool const terminated = random() % 2 == 0;
            auto const record =
                terminated ? relationship_terminated(provider_npi, id, "reason") : established(id);
            bool const in_log = random() % 2 == 0;
            bool const in_outbox = !in_log || random() % 2 == 0;
            if (in_log) broker.logged(record);
            if (in_outbox) broker.waiting(record);
            if (!in_log) expected.push_back(crashed_broker::text_of(record));
            found += in_log && in_outbox ? 1 : 0;
        }
        auto const done = broker.recover();
        BOOST_TEST(done.found == found);
        BOOST_TEST(broker.appended() == expected, boost::test_tools::per_element());
        BOOST_TEST(broker.outbox().empty());
        BOOST_TEST(broker.recover().appended == 0u);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(termination_with_audit)

BOOST_AUTO_TEST_CASE(is_recorded_and_entered) {
    broker_with_relationship broker;
    auto const done = broker.terminate(broker.audit);
    BOOST_TEST((done.outcome == terminate_outcome::terminated));
    BOOST_TEST(done.audit_sequence.value() == 1u);
    BOOST_TEST(!done.audit_failure.failed());
    auto const history = broker.history("r-1");
    BOOST_TEST(history.now.status == "terminated");
    BOOST_TEST(history.termination->reason == "moved away");
    BOOST_TEST(history.termination->audit_entry_sequence.value() == 1);
    BOOST_TEST(broker.appended() == std::vector{crashed_broker::text_of(relationship_terminated(
                                        provider_npi, "r-1", "moved away"))},
               boost::test_tools::per_element());
    BOOST_TEST(broker.outbox().empty());
}

BOOST_AUTO_TEST_CASE(is_refused_without_a_trace) {
    broker_with_relationship broker;
    auto const nobodys = broker.terminate(broker.audit, "r-2").outcome;
    BOOST_TEST((nobodys == terminate_outcome::not_found));
    auto const anothers = broker.terminate(broker.audit, "r-1", other_npi).outcome;
    BOOST_TEST((anothers == terminate_outcome::not_owner));
    BOOST_TEST(broker.audit.entries().empty());
    BOOST_TEST(broker.history("r-1").now.status == "active");

    broker.terminate(broker.audit);
    auto const again = broker.terminate(broker.audit).outcome;
    BOOST_TEST((again == terminate_outcome::already_terminated));
    BOOST_TEST(broker.audit.entries().size() == 1u);
}

BOOST_AUTO_TEST_CASE(stands_while_the_log_cannot_be_written_and_is_entered_later) {
    broker_with_relationship broker;
    broker.audit.fail();
    auto const done = broker.terminate(broker.audit);
    BOOST_TEST((done.outcome == terminate_outcome::terminated));
    BOOST_TEST((done.audit_failure == parley::errc::audit_unavailable));
    BOOST_TEST(!done.audit_sequence);
    BOOST_TEST(broker.history("r-1").now.status == "terminated");
    BOOST_TEST(broker.outbox().size() == 1u);

    broker.audit.fail(false);
    BOOST_TEST(broker.recover().appended == 1u);
    BOOST_TEST(broker.history("r-1").termination->audit_entry_sequence.value() == 1);
}

BOOST_AUTO_TEST_CASE(needs_no_log) {
    broker_with_relationship broker;
    parley::null_audit none;
    auto const done = broker.terminate(none);
    BOOST_TEST((done.outcome == terminate_outcome::terminated));
    BOOST_TEST(!done.audit_sequence);
    BOOST_TEST(!done.audit_failure.failed());
    BOOST_TEST(!broker.history("r-1").termination->audit_entry_sequence);
    BOOST_TEST(broker.outbox().empty());
}

BOOST_AUTO_TEST_SUITE_END()
