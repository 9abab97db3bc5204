// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Audit to a file that shows when it was tampered with (consent broker specification, §6).

#include <parley/audit/audit_chain.hpp>
#include <parley/audit/audit_record.hpp>
#include <parley/detail/audit_log_file.hpp>
#include <parley/detail/batch_worker.hpp>
#include <parley/detail/completion.hpp>
#include <parley/error.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/task.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley {

/// A hash-chained log in JSON Lines, written by a thread of its own: whatever entries are waiting
/// are written and synced together. The file is locked for as long as this object lives, and an
/// existing log is resumed.
///
/// `post` and `append` may be called from any thread; entries are in the log in the order of the
/// calls (for `append`: the order in which the tasks are started). An entry is in the log wholly or
/// not at all; a batch that cannot be written and synced is taken back, and the next one tries
/// anew.
///
/// The destructor writes what is waiting. It must not run inside of `report`, and must run before
/// the destructor of any `io_context` on which an `append` is still waiting.
class hash_chain_audit {
  public:
    using policy_kind = policy_kinds::audit;

    struct options {
        std::filesystem::path path;    ///< missing directories are made, with mode 0700
        std::size_t max_queued = 4096; ///< calls whose entries may wait to be written, at least 1
        /// Called with what an operator must know: a torn last line that was set aside, entries
        /// lost, the log failing and recovering. Called by `open` on the caller's thread, later by
        /// one thread that belongs to the log. Never empty; it must not throw.
        std::function<void(std::string_view)> report = [](std::string_view) {};
        /// What time it is; called from any thread.
        std::function<std::chrono::system_clock::time_point()> clock =
            std::chrono::system_clock::now;
    };

    /// Opens the log, or makes it with mode 0600. The problem says what the operator can do: the
    /// log is locked by another process, it cannot be written, its last line is corrupt. A last
    /// line that was torn (it has no newline, and is no whole entry) is moved to a file
    /// `<path>.torn-<time>` and reported; nothing else is read. Blocks.
    static result<hash_chain_audit, problem> open(options opt) {
        auto log = detail::audit_log_opener(opt.path, opt.clock()).open();
        if (!log) return log.error();
        if (!log->notice.empty()) opt.report(log->notice);
        return hash_chain_audit(std::make_unique<writer>(std::move(opt), std::move(*log)));
    }

    /// As `open`, but throws `std::invalid_argument` with the text of the problem.
    explicit hash_chain_audit(options opt) : hash_chain_audit(open(std::move(opt)).value()) {}

    /// Adds an entry without waiting for it. While the log cannot be written it is kept, at most
    /// `max_queued` of its kind, and is written before any later one. If it never gets into the log
    /// although the server runs, `lost` counts it and `report` is called.
    void post(audit_record record) { writer_->post(std::move(record)); }

    /// Adds an entry. Completes when that entry, and so every earlier one that is in the log at
    /// all, is durable, with its sequence number. Errors: `overloaded`, nothing was added, as
    /// `max_queued` calls are waiting; `audit_unavailable`, it could not be written.
    task<result<std::uint64_t>> append(audit_record record) {
        return detail::await_completion<result<std::uint64_t>>(
            [writer = writer_.get(), record = std::move(record)](waiter done) mutable {
                writer->append(std::move(record), std::move(done));
            });
    }

    /// Adds several entries, one right after the other; when it fails, none of them is left.
    /// Completes as for one, with the sequence number of the last. After a crash before that, the
    /// first few may be in the log without the others: a valid chain, which is resumed as it is.
    task<result<std::uint64_t>> append(std::vector<audit_record> records) {
        return detail::await_completion<result<std::uint64_t>>(
            [writer = writer_.get(), records = std::move(records)](waiter done) mutable {
                writer->append(std::move(records), std::move(done));
            });
    }

    /// How many posted entries never got into the log.
    [[nodiscard]] std::uint64_t lost() const { return writer_->lost(); }

    /// Whether the entries that came last could not be written. False again once some were.
    [[nodiscard]] bool failing() const { return writer_->failing(); }

  private:
    using waiter = detail::completion<result<std::uint64_t>>;

    /// What the two threads share. It stays in its place when the policy is moved.
    class writer {
      public:
        writer(options opt, detail::audit_log_file log)
            : options_(std::move(opt)), file_(std::move(log.file)), last_(std::move(log.last)),
              worker_([this](std::vector<job>& jobs) { run(jobs); }, options_.max_queued) {}

        void post(audit_record record) {
            job entry{{}, options_.clock(), std::nullopt};
            entry.records.push_back(std::move(record));
            if (worker_.post(entry)) return;
            ++lost_;
            ++refused_;
        }

        void append(audit_record record, waiter done) {
            std::vector<audit_record> records;
            records.push_back(std::move(record));
            append(std::move(records), std::move(done));
        }

        void append(std::vector<audit_record> records, waiter done) {
            job entry{std::move(records), options_.clock(), std::move(done)};
            if (!worker_.post(entry)) (*entry.done)(errc::overloaded);
        }

        [[nodiscard]] std::uint64_t lost() const { return lost_; }
        [[nodiscard]] bool failing() const { return failing_; }

      private:
        struct job {
            std::vector<audit_record> records;
            std::chrono::system_clock::time_point instant;
            std::optional<waiter> done;       // none: posted
            result<std::uint64_t> outcome{0}; // the sequence number of the last record
        };

        void run(std::vector<job>& jobs) {
            jobs.insert(jobs.begin(), std::make_move_iterator(kept_.begin()),
                        std::make_move_iterator(kept_.end()));
            kept_.clear();
            audit_link last = last_;
            std::string const lines = chain(jobs, last);
            error_code const ec = file_.append(lines);
            if (!ec) last_ = std::move(last);
            for (job& entry : jobs) {
                if (!entry.done && !entry.outcome) ++lost_;
                if (!ec || !entry.outcome) continue;
                if (entry.done)
                    entry.outcome = errc::audit_unavailable;
                else
                    keep(std::move(entry));
            }
            report(ec);
            for (job& entry : jobs) {
                if (entry.done) (*entry.done)(entry.outcome);
            }
        }

        /// A posted entry that could not be written comes before the next.
        void keep(job entry) {
            if (kept_.size() < options_.max_queued)
                kept_.push_back(std::move(entry));
            else
                ++lost_;
        }

        /// The lines of all entries, and in them their sequence numbers. `last` becomes the last.
        std::string chain(std::vector<job>& jobs, audit_link& last) {
            std::string lines;
            for (job& entry : jobs) {
                audit_link next = last;
                auto const own = own_lines(entry, next);
                if (!own) {
                    options_.report("audit: an entry is too long to be written");
                    entry.outcome = errc::audit_unavailable;
                    continue;
                }
                lines += *own;
                entry.outcome = next.sequence;
                last = std::move(next);
            }
            return lines;
        }

        /// The lines of one job, or nothing when one of them is too long.
        static std::optional<std::string> own_lines(job& entry, audit_link& last) {
            std::string lines;
            for (audit_record& record : entry.records) {
                std::string const line = next_audit_line(
                    last, entry.done ? std::move(record) : audit_record(record), entry.instant);
                if (line.size() > max_audit_line) return std::nullopt;
                lines += line + '\n';
            }
            return lines;
        }

        /// Says what is new: the log began or ceased to fail, or posts were refused.
        void report(error_code ec) {
            std::string const log = "audit log " + options_.path.string();
            std::string const so_far = std::to_string(lost_) + " posted entries lost so far";
            if (refused_.exchange(0) > 0) {
                options_.report(log + ": too many entries are waiting; " + so_far);
            }
            if (failing_ == ec.failed()) return;
            failing_ = ec.failed();
            if (failing_) {
                options_.report(log + " cannot be written: " + ec.message() +
                                (file_.broken() ? "; restart this server to mend it; " : "; ") +
                                so_far);
            } else {
                options_.report(log + " can be written again; " + so_far);
            }
        }

        options options_;
        detail::append_file<detail::posix_file> file_; // this and the next: the worker's alone
        audit_link last_;
        std::atomic<bool> failing_ = false;
        std::atomic<std::uint64_t> lost_ = 0;
        std::atomic<std::uint64_t> refused_ = 0; // of those lost, since the last report
        std::vector<job> kept_;                  // posted, and not written yet; the worker's
        detail::batch_worker<job> worker_;       // last: it uses all of the above
    };

    explicit hash_chain_audit(std::unique_ptr<writer> w) : writer_(std::move(w)) {}

    std::unique_ptr<writer> writer_;
};

} // namespace parley
