// Distributed under the Boost Software License, Version 1.0. See LICENSE.

#include "../support/temporary_directory.hpp"

#include <parley/audit/audit_verify.hpp>
#include <parley/audit/hash_chain_audit.hpp>
#include <parley/audit/memory_audit.hpp>
#include <parley/audit/null_audit.hpp>
#include <parley/audit/optional_audit.hpp>
#include <parley/audit/tee_audit.hpp>
#include <parley/concepts.hpp>
#include <parley/detail/append_file.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/test/unit_test.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <semaphore>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <vector>

namespace fs = std::filesystem;
using parley::audit_record;
using parley::hash_chain_audit;

namespace {

fs::path const vectors = PARLEY_TEST_VECTORS;

/// Where a test keeps its log.
struct scratch : parley::test::temporary_directory {
    [[nodiscard]] fs::path log() const { return path() / "audit.jsonl"; }

    /// The file that a torn line was moved to, or the empty path.
    [[nodiscard]] fs::path torn() const {
        for (auto const& entry : fs::directory_iterator(path())) {
            if (entry.path().filename().string().starts_with("audit.jsonl.torn-")) return entry;
        }
        return {};
    }
};

std::string contents(fs::path const& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void put(fs::path const& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

std::vector<std::string> lines_of(std::string const& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

std::vector<std::string> vector_lines() {
    return lines_of(contents(vectors / "audit-chain.jsonl"));
}

std::string joined(std::vector<std::string> const& lines) {
    std::string text;
    for (auto const& line : lines)
        text += line + "\n";
    return text;
}

/// `number: reason; reason` for each bad line.
std::vector<std::string> bad_lines(fs::path const& path, std::uint64_t lines) {
    std::vector<std::string> bad;
    auto const summary = parley::verify_audit_log(path, [&](auto number, auto const& faults) {
        std::string text = std::to_string(number) + ": ";
        for (auto const& fault : faults)
            text += (text.ends_with(": ") ? "" : "; ") + fault;
        bad.push_back(text);
    });
    BOOST_TEST_REQUIRE(summary.has_value());
    BOOST_TEST(summary->lines == lines);
    BOOST_TEST(summary->bad_lines == bad.size());
    return bad;
}

std::vector<std::string> bad_lines(std::vector<std::string> const& lines) {
    scratch dir;
    put(dir.log(), joined(lines));
    return bad_lines(dir.log(), lines.size());
}

using strings = std::vector<std::string>;

audit_record record(std::string action) {
    return {"connection", std::move(action), {}, {}};
}

/// Runs a task to its end.
template <class T>
T run(parley::task<T> task) {
    boost::asio::io_context context;
    std::optional<T> outcome;
    auto body = [](parley::task<T> inner, std::optional<T>& out) -> parley::task<> {
        out.emplace(co_await std::move(inner));
    };
    boost::asio::co_spawn(context.get_executor(), body(std::move(task), outcome),
                          [](std::exception_ptr error) {
                              if (error) std::rethrow_exception(error);
                          });
    context.run();
    return std::move(outcome).value();
}

/// Opens a log, keeping what it reports.
struct opened {
    explicit opened(fs::path const& path) : log(options(path)) {}

    hash_chain_audit::options options(fs::path const& path) {
        return {.path = path,
                .report = [this](std::string_view text) { reports.emplace_back(text); }};
    }

    std::uint64_t append(std::string action) { return run(log.append(record(action))).value(); }

    strings reports;
    hash_chain_audit log;
};

std::string why_not_opened(fs::path const& path) {
    auto const log = hash_chain_audit::open({.path = path});
    BOOST_TEST_REQUIRE(!log.has_value());
    return log.error().text();
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(audit_chain)

BOOST_AUTO_TEST_CASE(lines_are_those_of_the_original_implementation) {
    parley::audit_link last;
    for (auto const& line : vector_lines()) {
        auto const entry = boost::json::parse(line).as_object();
        audit_record original{std::string(entry.at("category").as_string()),
                              std::string(entry.at("action").as_string()), std::nullopt,
                              entry.at("details").as_object()};
        if (auto const* actor = entry.if_contains("actor")) original.actor = actor->as_string();
        auto const instant =
            parley::parse_timestamp(std::string(entry.at("timestamp").as_string()));
        BOOST_TEST(parley::next_audit_line(last, original, instant.value()) == line);
    }
    BOOST_TEST(last.sequence == 6);
}

BOOST_AUTO_TEST_CASE(a_line_is_read_back_whatever_was_recorded) {
    parley::audit_link last{41, std::string(64, 'a')};
    audit_record odd{
        "\n\xFF", "", "\xED\xA0\x80\x1f", {{"x", 0.1 + 0.2}, {"y", 1e300}, {"\xC0", 1}}};
    auto const text = parley::next_audit_line(last, odd, std::chrono::system_clock::now());
    auto const line = parley::read_audit_line(text);
    BOOST_TEST(line.faults == strings{}, boost::test_tools::per_element());
    BOOST_TEST(line.sequence.value() == 42);
    BOOST_TEST(line.prev_hash.value() == std::string(64, 'a'));
    BOOST_TEST(line.hash.value() == last.hash);
}

BOOST_AUTO_TEST_CASE(no_changed_byte_goes_unnoticed) {
    std::mt19937_64 random(3);
    for (auto const& line : vector_lines()) {
        auto const genuine = parley::read_audit_line(line);
        BOOST_TEST(genuine.faults.empty());
        for (int i = 0; i < 300; ++i) {
            std::string changed = line;
            changed[random() % changed.size()] = static_cast<char>(random());
            if (i % 3 == 0) changed.resize(random() % changed.size());
            auto const read = parley::read_audit_line(changed);
            // a number may be spelt otherwise, as 1E+21, and still say the same
            BOOST_TEST_REQUIRE((!read.faults.empty() || read.computed_hash == *genuine.hash));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(audit_verify)

BOOST_AUTO_TEST_CASE(the_log_of_the_original_implementation_is_good) {
    BOOST_TEST(bad_lines(vectors / "audit-chain.jsonl", 6).empty());
    auto const summary = parley::verify_audit_log(vectors / "audit-chain.jsonl", {});
    BOOST_TEST(summary->last.sequence == 6);
    BOOST_TEST(summary->last.hash ==
               "f47d772e784237e842ef488859ed74b38452738b7228644a262eab9fb8441cc1");
}

BOOST_AUTO_TEST_CASE(its_tampered_twin_is_bad_on_line_3_only) {
    BOOST_TEST(bad_lines(vectors / "audit-chain-tampered.jsonl", 6) == strings{"3: hash mismatch"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_removed_line_shows_on_the_one_after_it) {
    auto lines = vector_lines();
    lines.erase(lines.begin() + 2);
    BOOST_TEST(bad_lines(lines) ==
                   strings{"3: wrong sequence: expected 3, found 4; "
                           "broken link: prev_hash is not the hash of the line before"},
               boost::test_tools::per_element());
    lines = vector_lines();
    lines.erase(lines.begin());
    BOOST_TEST(bad_lines(lines).size() == 1);
}

BOOST_AUTO_TEST_CASE(a_line_that_is_no_json_is_bad_alone) {
    for (std::string_view garbage : {"", "garbage", "{\"sequence\":3", "{}}"}) {
        auto lines = vector_lines();
        lines[2] = garbage;
        auto const bad = bad_lines(lines);
        BOOST_TEST_REQUIRE(bad.size() == 1);
        BOOST_TEST(bad[0].starts_with("3: not JSON: "));
    }
}

BOOST_AUTO_TEST_CASE(a_changed_hash_or_sequence_is_bad_alone) {
    auto lines = vector_lines();
    lines[2].replace(lines[2].find("\"hash\":\"755d") + 8, 4, "0000");
    BOOST_TEST(bad_lines(lines) == strings{"3: hash mismatch"}, boost::test_tools::per_element());
    lines = vector_lines();
    lines[2].replace(lines[2].find("\"sequence\":3"), 12, "\"sequence\":9");
    BOOST_TEST(bad_lines(lines) == strings{"3: hash mismatch; wrong sequence: expected 3, found 9"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_line_rewritten_with_a_right_hash_breaks_the_link_to_it) {
    auto lines = vector_lines();
    parley::audit_link last{2, *parley::read_audit_line(lines[1]).hash};
    lines[2] = parley::next_audit_line(last, record("forged"), {});
    BOOST_TEST(bad_lines(lines) ==
                   strings{"4: broken link: prev_hash is not the hash of the line before"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(members_are_checked_one_by_one) {
    auto const lines = vector_lines();
    auto const with = [&](std::string_view from, std::string_view to) {
        auto line = lines[0];
        line.replace(line.find(from), from.size(), to);
        auto faults = parley::read_audit_line(line).faults;
        std::erase(faults, "hash mismatch");
        return faults.empty() ? "" : faults.front();
    };
    BOOST_TEST(with("\"category\":\"admin\",", "") ==
               "missing member \"category\": expected a string");
    BOOST_TEST(with("\"sequence\":1", "\"sequence\":0") ==
               "mistyped member \"sequence\": expected a whole number from 1");
    BOOST_TEST(with("2026-11-21T", "2026-11-31T") ==
               "mistyped member \"timestamp\": expected a time as in 2026-02-21T10:15:30.123Z");
    BOOST_TEST(with("{\"npi\":\"1234567893\"}", "7") ==
               "mistyped member \"details\": expected an object");
    BOOST_TEST(with("28672f", "28672F") ==
               "mistyped member \"hash\": expected 64 lower-case hex digits");
    BOOST_TEST(with("\"category\"", "\"a\\u0007b\":1,\"category\"") ==
               "unexpected member \"a\\u0007b\"");
    BOOST_TEST(with("\"category\"", "\"action\":\"other\",\"category\"") ==
               "not JSON: the member \"action\" twice");
}

BOOST_AUTO_TEST_CASE(a_line_without_end_takes_no_memory) {
    auto lines = vector_lines();
    lines[2] = std::string(5 * parley::max_audit_line, 'x');
    BOOST_TEST(bad_lines(lines) == strings{"3: longer than 1048576 bytes"},
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_last_line_may_lack_its_newline) {
    scratch dir;
    std::string const text = contents(vectors / "audit-chain.jsonl");
    put(dir.log(), text.substr(0, text.size() - 1));
    BOOST_TEST(bad_lines(dir.log(), 6).empty());
    put(dir.log(), text.substr(0, text.size() - 2));
    BOOST_TEST(bad_lines(dir.log(), 6).size() == 1);
    put(dir.log(), "");
    BOOST_TEST(bad_lines(dir.log(), 0).empty());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_an_error) {
    scratch dir;
    BOOST_TEST(contains(parley::verify_audit_log(dir.log(), {}).error().text(),
                        "audit.jsonl: expected an audit log that can be read, found No such file"));
    BOOST_TEST(!parley::verify_audit_log(dir.path(), {}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(hash_chain_audit_log)

BOOST_AUTO_TEST_CASE(a_new_log_is_private_and_starts_at_1) {
    scratch dir;
    auto const path = dir.path() / "data" / "deep" / "audit.jsonl";
    {
        opened audit(path);
        BOOST_TEST(audit.append("a") == 1);
        BOOST_TEST(audit.append("b") == 2);
        BOOST_TEST(audit.reports.empty());
    }
    BOOST_TEST(bad_lines(path, 2).empty());
    BOOST_TEST((fs::status(path).permissions() == fs::perms(0600)));
    BOOST_TEST((fs::status(path.parent_path()).permissions() == fs::perms(0700)));
    BOOST_TEST((fs::status(path.parent_path().parent_path()).permissions() == fs::perms(0700)));
}

BOOST_AUTO_TEST_CASE(the_clock_stamps_entries_when_they_are_handed_over) {
    scratch dir;
    run(hash_chain_audit(
            {.path = dir.log(), .clock = [] { return std::chrono::system_clock::time_point(); }})
            .append(record("a")));
    BOOST_TEST(contains(contents(dir.log()), "\"timestamp\":\"1970-01-01T00:00:00.000Z\""));
}

BOOST_AUTO_TEST_CASE(an_existing_log_is_resumed) {
    scratch dir;
    fs::copy_file(vectors / "audit-chain.jsonl", dir.log());
    opened(dir.log()).append("a");
    BOOST_TEST(opened(dir.log()).append("b") == 8);
    BOOST_TEST(bad_lines(dir.log(), 8).empty());
}

BOOST_AUTO_TEST_CASE(long_lines_are_resumed_too) {
    scratch dir;
    for (std::size_t size : {65'000U, 65'536U, 131'072U, 900'000U}) {
        opened audit(dir.log());
        auto entry = record("a");
        entry.details["x"] = std::string(size, 'x');
        BOOST_TEST(run(audit.log.append(entry)).has_value());
    }
    BOOST_TEST(opened(dir.log()).append("b") == 5);
    BOOST_TEST(bad_lines(dir.log(), 5).empty());
}

BOOST_AUTO_TEST_CASE(posts_come_before_later_appends) {
    scratch dir;
    {
        hash_chain_audit log({.path = dir.log()});
        for (int i = 0; i < 100; ++i)
            log.post(record(std::to_string(i)));
        BOOST_TEST(run(log.append(record("last"))).value() == 101);
        auto const written = lines_of(contents(dir.log()));
        BOOST_TEST_REQUIRE(written.size() == 101);
        for (std::size_t i = 0; i < 100; ++i) {
            BOOST_TEST(contains(written[i], "\"action\":\"" + std::to_string(i) + '"'));
        }
        log.post(record("at the end")); // the destructor writes it
    }
    BOOST_TEST(bad_lines(dir.log(), 102).empty());
}

BOOST_AUTO_TEST_CASE(threads_share_one_chain_and_each_keeps_its_order) {
    scratch dir;
    {
        hash_chain_audit log({.path = dir.log()});
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&log, t] {
                for (int i = 0; i < 50; ++i) {
                    auto entry = record(std::to_string(t) + "/" + std::to_string(100 + i));
                    if (i % 10 == 0)
                        run(log.append(std::move(entry))).value();
                    else
                        log.post(std::move(entry));
                }
            });
        }
        for (auto& thread : threads)
            thread.join();
        BOOST_TEST(log.lost() == 0);
    }
    BOOST_TEST(bad_lines(dir.log(), 200).empty());
    std::vector<std::string> last(4);
    for (auto const& line : lines_of(contents(dir.log()))) {
        auto const action = std::string(boost::json::parse(line).at("action").as_string());
        auto& before = last[static_cast<std::size_t>(action[0] - '0')];
        BOOST_TEST(before < action);
        before = action;
    }
}

BOOST_AUTO_TEST_CASE(it_can_be_moved) {
    scratch dir;
    hash_chain_audit log({.path = dir.log()});
    log.post(record("a"));
    hash_chain_audit moved(std::move(log));
    BOOST_TEST(run(moved.append(record("b"))).value() == 2);
}

BOOST_AUTO_TEST_CASE(a_second_opener_is_told_what_to_do) {
    scratch dir;
    {
        opened first(dir.log());
        BOOST_TEST(why_not_opened(dir.log()) ==
                   dir.log().string() +
                       ": expected an audit log of this process alone, found another process "
                       "writing it: stop that one, or choose another path");
        BOOST_CHECK_THROW(opened second(dir.log()), std::invalid_argument);
        BOOST_TEST(first.append("a") == 1);
    }
    BOOST_TEST(opened(dir.log()).append("b") == 2);
}

BOOST_AUTO_TEST_CASE(a_last_line_torn_anywhere_is_set_aside) {
    auto lines = vector_lines();
    std::string const torn = lines.back();
    lines.pop_back();
    std::string const whole = joined(lines);
    for (std::size_t length = 0; length <= torn.size(); ++length) {
        scratch dir;
        put(dir.log(), whole + torn.substr(0, length));
        bool const mended = length == torn.size(); // nothing but the newline was missing
        {
            opened audit(dir.log());
            BOOST_TEST_REQUIRE(audit.append("next") == (mended ? 7 : 6));
            BOOST_TEST(audit.reports.size() == (length == 0 || mended ? 0 : 1));
        }
        BOOST_TEST_REQUIRE(bad_lines(dir.log(), mended ? 7 : 6).empty());
        if (length == 0 || mended)
            BOOST_TEST(dir.torn().empty());
        else
            BOOST_TEST(contents(dir.torn()) == torn.substr(0, length));
    }
}

BOOST_AUTO_TEST_CASE(a_first_line_torn_anywhere_is_set_aside) {
    std::string const torn = vector_lines().front();
    for (std::size_t length = 1; length < torn.size(); length += 5) {
        scratch dir;
        put(dir.log(), torn.substr(0, length));
        BOOST_TEST(opened(dir.log()).append("next") == 1);
        BOOST_TEST(contents(dir.torn()) == torn.substr(0, length));
        BOOST_TEST(bad_lines(dir.log(), 1).empty());
    }
}

BOOST_AUTO_TEST_CASE(zeros_left_by_a_power_cut_are_set_aside) {
    std::string const whole = contents(vectors / "audit-chain.jsonl");
    std::string const zeros(100'000, '\0');
    for (auto const& [log, torn, next] :
         {std::tuple{whole + zeros, zeros, 7U},
          std::tuple{whole + "{\"sequ" + zeros, "{\"sequ" + zeros, 7U},
          std::tuple{zeros, zeros, 1U}}) {
        scratch dir;
        put(dir.log(), log);
        opened audit(dir.log());
        BOOST_TEST_REQUIRE(audit.reports.size() == 1);
        BOOST_TEST(contains(audit.reports[0], std::to_string(torn.size()) + " bytes were moved"));
        BOOST_TEST((contents(dir.torn()) == torn));
        BOOST_TEST(audit.append("next") == next);
    }
}

BOOST_AUTO_TEST_CASE(a_torn_line_longer_than_any_entry_is_set_aside) {
    scratch dir;
    std::string const torn(2 * parley::max_audit_line + 7, 'x');
    put(dir.log(), contents(vectors / "audit-chain.jsonl") + torn);
    BOOST_TEST(opened(dir.log()).append("next") == 7);
    BOOST_TEST((contents(dir.torn()) == torn));
}

BOOST_AUTO_TEST_CASE(a_log_whose_last_line_is_bad_is_not_built_upon) {
    auto const lines = vector_lines();
    auto tampered = lines;
    tampered.back().replace(tampered.back().find("timeout"), 7, "TIMEOUT");
    for (std::string const& text :
         {joined(tampered), joined(tampered) + "torn", joined(lines) + "\n", joined({"not a log"}),
          std::string("no log, no newline"), std::string("{\"key\":1}")}) {
        scratch dir;
        put(dir.log(), text);
        BOOST_TEST(contains(why_not_opened(dir.log()), "run `audit verify`"));
        BOOST_TEST(contents(dir.log()) == text);
        BOOST_TEST(dir.torn().empty());
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_a_log_is_refused) {
    scratch dir;
    put(dir.path() / "file", "");
    BOOST_TEST(contains(why_not_opened(dir.path() / "file" / "audit.jsonl"),
                        "expected a file that this process can create, read and append to, "
                        "found Not a directory"));
    BOOST_TEST(contains(why_not_opened(dir.path()), "found Is a directory"));
    BOOST_TEST(!hash_chain_audit::open({.path = "/dev/null"}).has_value());
    BOOST_TEST(!hash_chain_audit::open({.path = ""}).has_value());
}

/// While it lives, this process cannot make a file longer than `size`: as on a full disk.
class full_disk {
  public:
    explicit full_disk(rlim_t size) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &old_);
        rlimit const limit{size, old_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~full_disk() {
        ::setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }
    full_disk(full_disk const&) = delete;
    full_disk& operator=(full_disk const&) = delete;

  private:
    rlimit old_{};
    void (*old_handler_)(int);
};

BOOST_AUTO_TEST_CASE(a_full_disk_fails_the_batch_and_is_recovered_from) {
    scratch dir;
    opened audit(dir.log());
    BOOST_TEST(audit.append("a") == 1);
    auto const size = fs::file_size(dir.log());
    std::optional<parley::result<std::uint64_t>> first, second;
    {
        full_disk full(size + 100); // an entry is begun, but does not fit
        audit.log.post(record("b"));
        first = run(audit.log.append(record("c")));
        second = run(audit.log.append(record("d")));
    }
    BOOST_TEST((first->error() == parley::errc::audit_unavailable));
    BOOST_TEST((second->error() == parley::errc::audit_unavailable));
    BOOST_TEST(fs::file_size(dir.log()) == size);
    BOOST_TEST(audit.log.failing());

    BOOST_TEST(audit.append("e") == 3); // "b", which nobody waited for, comes before it
    BOOST_TEST(!audit.log.failing());
    BOOST_TEST(audit.log.lost() == 0);
    BOOST_TEST(bad_lines(dir.log(), 3).empty());
    BOOST_TEST_REQUIRE(audit.reports.size() == 2);
    BOOST_TEST(contains(audit.reports[0], "cannot be written: File too large; "));
    BOOST_TEST(contains(audit.reports[1], "can be written again; 0 posted entries lost so far"));
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_too_long_fails_alone) {
    scratch dir;
    opened audit(dir.log());
    auto huge = record("huge");
    huge.actor = std::string(parley::max_audit_line, 'x');
    audit.log.post(huge);
    audit.log.post(record("a"));
    BOOST_TEST((run(audit.log.append(huge)).error() == parley::errc::audit_unavailable));
    BOOST_TEST(audit.append("b") == 2);
    BOOST_TEST(audit.log.lost() == 1);
    BOOST_TEST(bad_lines(dir.log(), 2).empty());
}

BOOST_AUTO_TEST_CASE(entries_appended_together_stay_together_and_are_all_kept_or_none) {
    scratch dir;
    opened audit(dir.log());
    BOOST_TEST(run(audit.log.append({record("a"), record("b"), record("c")})).value() == 3);

    auto huge = record("huge");
    huge.actor = std::string(parley::max_audit_line, 'x');
    BOOST_TEST((run(audit.log.append({record("d"), huge, record("e")})).error() ==
                parley::errc::audit_unavailable));
    BOOST_TEST(audit.append("f") == 4);
    BOOST_TEST(bad_lines(dir.log(), 4).empty());
}

BOOST_AUTO_TEST_CASE(beyond_max_queued_entries_are_refused_and_counted) {
    scratch dir;
    std::binary_semaphore blocked(0), go_on(0);
    std::vector<std::string> reports;
    {
        hash_chain_audit log({.path = dir.log(), .max_queued = 2, .report = [&](auto text) {
                                  reports.emplace_back(text);
                                  if (reports.size() > 1) return;
                                  blocked.release();
                                  go_on.acquire();
                              }});
        auto huge = record("reported, which stops the thread that writes");
        huge.actor = std::string(parley::max_audit_line, 'x');
        log.post(huge);
        blocked.acquire();
        log.post(record("a"));
        log.post(record("b"));
        log.post(record("lost"));
        BOOST_TEST((run(log.append(record("refused"))).error() == parley::errc::overloaded));
        BOOST_TEST(log.lost() == 1);
        go_on.release();
    }
    BOOST_TEST(bad_lines(dir.log(), 2).empty());
    BOOST_TEST_REQUIRE(reports.size() == 2);
    BOOST_TEST(contains(reports[1], "too many entries are waiting; 2 posted entries lost so far"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(append_file)

/// A disk that does what a test wants.
struct fake_disk {
    std::string text;
    std::size_t space = 1000;
    bool sync_fails = false, truncate_fails = false;
};

struct fake_file {
    static parley::error_code failure(bool failed) {
        return failed ? make_error_code(boost::system::errc::io_error) : parley::error_code();
    }
    parley::error_code write(std::string_view data) {
        disk->text += data.substr(0, disk->space - disk->text.size());
        return failure(disk->text.size() == disk->space);
    }
    parley::error_code sync() { return failure(disk->sync_fails); }
    parley::error_code truncate(std::uint64_t length) {
        if (!disk->truncate_fails) disk->text.resize(length);
        return failure(disk->truncate_fails);
    }
    fake_disk* disk;
};

BOOST_AUTO_TEST_CASE(a_piece_that_does_not_fit_is_taken_back) {
    fake_disk disk{.text = "old ", .space = 10};
    parley::detail::append_file<fake_file> file({&disk}, 4);
    BOOST_TEST(!file.append("new ").failed());
    BOOST_TEST(file.append("too long").failed());
    BOOST_TEST(disk.text == "old new ");
    BOOST_TEST(!file.append("x").failed());
    BOOST_TEST(disk.text == "old new x");
}

BOOST_AUTO_TEST_CASE(a_piece_that_is_not_durable_is_taken_back) {
    fake_disk disk;
    parley::detail::append_file<fake_file> file({&disk}, 0);
    disk.sync_fails = true;
    BOOST_TEST(file.append("a").failed());
    BOOST_TEST(disk.text == "");
    disk.sync_fails = false;
    BOOST_TEST(!file.append("b").failed());
    BOOST_TEST(disk.text == "b");
    BOOST_TEST(!file.broken());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_taken_back_is_never_built_upon) {
    fake_disk disk{.text = "", .space = 1000, .sync_fails = true, .truncate_fails = true};
    parley::detail::append_file<fake_file> file({&disk}, 0);
    BOOST_TEST(file.append("a").failed());
    disk.sync_fails = disk.truncate_fails = false;
    BOOST_TEST(file.append("b").failed());
    BOOST_TEST(file.broken());
    BOOST_TEST(disk.text == "a");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(other_audits)

static_assert(parley::audit_policy<parley::memory_audit> &&
              parley::audit_policy<parley::null_audit> &&
              parley::audit_policy<parley::tee_audit<hash_chain_audit, parley::null_audit>> &&
              parley::audit_policy<parley::optional_audit<hash_chain_audit>>);

BOOST_AUTO_TEST_CASE(memory_audit_keeps_everything) {
    parley::memory_audit log;
    parley::memory_audit given_to_a_server = log;
    given_to_a_server.post(record("a"));
    BOOST_TEST(run(given_to_a_server.append(record("b"))).value() == 2);
    BOOST_TEST_REQUIRE(log.entries().size() == 2);
    BOOST_TEST(log.entries()[1].action == "b");

    log.fail();
    given_to_a_server.post(record("c"));
    BOOST_TEST(
        (run(given_to_a_server.append(record("d"))).error() == parley::errc::audit_unavailable));
    log.fail(false);
    BOOST_TEST(run(given_to_a_server.append({record("e"), record("f")})).value() == 4);
}

BOOST_AUTO_TEST_CASE(null_audit_is_empty) {
    static_assert(std::is_empty_v<parley::null_audit>);
    parley::null_audit log;
    log.post(record("a"));
    BOOST_TEST(run(log.append(record("b"))).value() == 0);
}

BOOST_AUTO_TEST_CASE(tee_audit_gives_everything_to_both) {
    parley::memory_audit a, b;
    a.post(record("only in a"));
    parley::tee_audit tee(a, b);
    tee.post(record("x"));
    BOOST_TEST(run(tee.append(record("y"))).value() == 3);
    BOOST_TEST(b.entries().size() == 2);

    a.fail();
    BOOST_TEST(run(tee.append(record("z"))).has_error());
    BOOST_TEST(b.entries().size() == 3);
    a.fail(false);
    b.fail();
    BOOST_TEST(run(tee.append({record("z"), record("z")})).has_error());
    BOOST_TEST(a.entries().size() == 5);
}

BOOST_AUTO_TEST_CASE(optional_audit_is_on_or_off) {
    parley::memory_audit log;
    parley::optional_audit on(log);
    on.post(record("a"));
    BOOST_TEST(run(on.append(record("b"))).value() == 2);

    parley::optional_audit<parley::memory_audit> off;
    BOOST_TEST(on.enabled());
    BOOST_TEST(!off.enabled());
    off.post(record("c"));
    BOOST_TEST(run(off.append(record("d"))).value() == 0);
    BOOST_TEST(run(off.append({record("e"), record("f")})).value() == 0);
    BOOST_TEST(off.get() == nullptr);
    BOOST_TEST(log.entries().size() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
