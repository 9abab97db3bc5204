// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Storage in an SQL database, by SOCI. What differs between databases is in a backend, such as
/// `soci_backend::sqlite3` of `<parley/storage/sqlite3.hpp>`; include that one.

#include <parley/detail/batch_worker.hpp>
#include <parley/detail/completion.hpp>
#include <parley/detail/storage_job.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/storage/soci_transaction.hpp>
#include <parley/task.hpp>

#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <string_view>
#include <utility>

namespace parley {

/// A storage policy over an SQL database, with one thread and connection that writes and one that
/// reads. Writes that are waiting share one transaction and one commit (group commit), each in a
/// savepoint of its own. Movable; every operation may be called from any thread.
///
/// The destructor finishes what is queued, so it must run before the `io_context`s of those who
/// wait are destroyed.
template <soci_backend_type Backend>
class soci_storage {
  public:
    using policy_kind = policy_kinds::storage;
    using options = typename Backend::options;
    using transaction = soci_transaction<Backend>;

    /// Connects, runs `prepare_schema` in one transaction, and starts the threads; or says what an
    /// operator must put right. When `prepare_schema` throws, the database is as it was. Blocks.
    [[nodiscard]] static result<soci_storage, problem> open(options o) {
        try {
            bool const writable = !is_read_only(o);
            auto writer = Backend::connect(o);
            detail::execute(*writer, writable ? Backend::begin_write : Backend::begin_read);
            o.prepare_schema(*writer);
            detail::execute(*writer, "COMMIT");
            writable ? Backend::make_writer(*writer) : Backend::make_reader(*writer);
            auto reader = Backend::connect(o);
            Backend::make_reader(*reader);
            return soci_storage(
                std::make_unique<state>(std::move(o), std::move(writer), std::move(reader)));
        } catch (std::exception const& e) {
            return Backend::open_problem(o, e);
        }
    }

    /// As `open`.
    /// \throws std::invalid_argument with the text of the problem.
    explicit soci_storage(options o) : soci_storage(open(std::move(o)).value()) {}

    /// The answer of `f(transaction&)` over one consistent snapshot, that has every write that was
    /// complete before the call, by this process or another. `f` cannot change anything. It runs on
    /// the reading thread, while the caller waits without blocking its own; errors and exceptions
    /// as for `write`.
    template <class F>
    task<result<detail::answer_of<F, transaction>>> read(F f) {
        return run_on(state_->reader, std::move(f));
    }

    /// The answer of `f(transaction&)`, once all its changes are durable. `f` runs on the writing
    /// thread, and must not call the storage itself. When `f` throws, what it did is rolled back,
    /// and no other's: a `boost::system::system_error` (every error of the transaction is one) is
    /// returned as its code, anything else is thrown to the caller. `errc::storage_unavailable`
    /// when the database cannot begin or commit, `errc::overloaded` when `max_queued` operations
    /// are waiting already.
    template <class F>
    task<result<detail::answer_of<F, transaction>>> write(F f) {
        return run_on(state_->writer, std::move(f));
    }

    /// `read` for those who are no coroutine: blocks.
    template <class F>
    result<detail::answer_of<F, transaction>> read_now(F f) {
        return run_now_on(state_->reader, std::move(f));
    }

    /// `write` for those who are no coroutine: blocks.
    template <class F>
    result<detail::answer_of<F, transaction>> write_now(F f) {
        return run_now_on(state_->writer, std::move(f));
    }

    /// Whether the last write failed for a reason of the database: a full disk, a lock that another
    /// process kept. False again once one succeeds.
    [[nodiscard]] bool failing() const { return state_->failing; }

  private:
    using job = std::unique_ptr<detail::storage_job<transaction>>;
    using worker = detail::batch_worker<job>;
    using batch = typename worker::batch;

    struct state;

    explicit soci_storage(std::unique_ptr<state> s) : state_(std::move(s)) {}

    static bool is_read_only(options const& o) {
        if constexpr (requires { o.read_only; }) {
            return o.read_only;
        } else {
            return false;
        }
    }

    template <class F, class Done>
    static void post(worker& on, F f, Done done) {
        job next = std::make_unique<detail::storage_job_of<transaction, F, Done>>(std::move(f),
                                                                                  std::move(done));
        if (!on.post(next)) next->finish(errc::overloaded);
    }

    template <class F>
    static task<result<detail::answer_of<F, transaction>>> run_on(worker& on, F f) {
        using outcome = detail::call_outcome<detail::answer_of<F, transaction>>;
        auto start = [&](detail::completion<outcome> done) {
            post(on, std::move(f), std::move(done));
        };
        outcome answer = co_await detail::await_completion<outcome>(start);
        co_return std::move(answer).get();
    }

    template <class F>
    static result<detail::answer_of<F, transaction>> run_now_on(worker& on, F f) {
        using outcome = detail::call_outcome<detail::answer_of<F, transaction>>;
        std::promise<outcome> answer;
        auto waiting = answer.get_future();
        post(on, std::move(f),
             [answer = std::move(answer)](outcome o) mutable { answer.set_value(std::move(o)); });
        return waiting.get().get();
    }

    std::unique_ptr<state> state_; // threads stay where they are, a storage can move
};

/// The connections and their threads.
template <soci_backend_type Backend>
struct soci_storage<Backend>::state {
    state(options o, std::unique_ptr<soci::session> for_writing,
          std::unique_ptr<soci::session> for_reading)
        : report(std::move(o.report)), writer_session(std::move(for_writing)),
          reader_session(std::move(for_reading)),
          writer([this](batch& jobs) { write(jobs); }, o.max_queued),
          reader([this](batch& jobs) { read(jobs); }, o.max_queued) {}

    static void finish_all(batch& jobs, error_code error) {
        for (auto& job : jobs)
            job->finish(error);
    }

    void write(batch& jobs) {
        bool broken = false;
        auto const committed = in_transaction(*writer_session, Backend::begin_write, [&] {
            for (auto& job : jobs)
                broken = !write_one(*job) || broken;
        });
        failing = broken || !committed;
        finish_all(jobs, committed ? error_code() : errc::storage_unavailable);
    }

    /// False when the database did not work.
    /// \throws soci::soci_error when the transaction cannot go on.
    bool write_one(detail::storage_job<transaction>& job) {
        detail::execute(*writer_session, "SAVEPOINT operation");
        transaction open(*writer_session, report);
        if (!job.run(open)) detail::execute(*writer_session, "ROLLBACK TO operation");
        detail::execute(*writer_session, "RELEASE operation");
        return !open.broken_;
    }

    void read(batch& jobs) {
        auto const answered = in_transaction(*reader_session, Backend::begin_read, [&] {
            for (auto& job : jobs) {
                transaction open(*reader_session, report);
                job->run(open);
            }
        });
        finish_all(jobs, answered ? error_code() : errc::storage_unavailable);
    }

    /// False, and everything is rolled back, when the database cannot begin, go on or commit.
    template <class Work>
    bool in_transaction(soci::session& session, std::string_view begin, Work work) {
        try {
            detail::execute(session, begin);
            work();
            detail::execute(session, "COMMIT");
            return true;
        } catch (std::exception const& e) {
            report(detail::message_without_values(e));
        }
        try {
            detail::execute(session, "ROLLBACK");
        } catch (std::exception const&) {
            // There was no transaction any more, which is as well.
        }
        return false;
    }

    typename transaction::reporter report;
    std::atomic<bool> failing = false;
    std::unique_ptr<soci::session> writer_session;
    std::unique_ptr<soci::session> reader_session;
    worker writer; // the threads last: they use all of the above
    worker reader;
};

} // namespace parley
