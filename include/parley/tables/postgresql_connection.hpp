// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A PostgreSQL database that is open for editing, as a session of SOCI's. SOCI's own backend for
/// PostgreSQL waits for as long as the server pleases, so that the session is given another one,
/// whose waits are bounded.

#include <parley/tables/blocking_call.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/libpq_connection.hpp>

#include <soci/soci.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace parley::tables {

namespace detail {

/// A failure, on its way through SOCI.
class bounded_error final : public soci::soci_error {
  public:
    explicit bounded_error(failure f) : soci_error(f.message), failure_(std::move(f)) {}

    [[nodiscard]] failure const& what_failed() const { return failure_; }

  private:
    failure failure_;
};

/// What SOCI calls for a session. The beginning of a transaction travels with its first statements,
/// and its end, where nothing is to be looked at before, with its last.
class bounded_session_backend final : public soci::details::session_backend {
  public:
    /// \throws bounded_error
    bounded_session_backend(postgresql_target const& target, std::string const& database,
                            work_control& control)
        : control_(&control) {
        auto connected = libpq_connection::connect(target, database, control);
        if (!connected) throw bounded_error(connected.error());
        connection_ = *std::move(connected);
    }

    [[nodiscard]] libpq_connection const& connection() const { return *connection_; }
    [[nodiscard]] bool has_begun() const { return has_begun_; }

    /// For one operation, until which the next transaction is for reading only, or not.
    void start(work_control& control) {
        control_ = &control;
        has_begun_ = false;
    }
    void read_only(bool yes) { read_only_ = yes; }

    bool is_connected() override { return connection_->is_usable(); }
    void begin() override { state_ = state::owed; }

    /// \throws bounded_error
    void commit() override {
        if (state_ != state::open) return;
        has_begun_ = true;
        postgresql_command const commands[] = {{"COMMIT"}};
        auto const done = connection_->run(commands, *control_, ignore_row);
        if (!done) throw bounded_error(commit_failure(done.error())); // perhaps it was never sent
        state_ = state::none;
    }

    void rollback() override {
        if (state_ == state::open && connection_->is_usable()) {
            work_control brief(std::chrono::steady_clock::now() + std::chrono::seconds(1));
            postgresql_command const commands[] = {{"ROLLBACK"}};
            (void)connection_->run(commands, brief, ignore_row);
        }
        state_ = state::none;
    }

    /// \param last: ends the transaction as well, if all succeed.
    outcome<std::vector<std::int64_t>> run(std::vector<postgresql_command> commands, bool last,
                                           libpq_connection::row_handler const& on_row) {
        std::size_t const before = state_ == state::owed ? 2 : 0;
        if (before > 0) commands.insert(commands.begin(), {begin_command(), timeout_command()});
        if (last) commands.push_back({"COMMIT"});
        auto counts =
            connection_->run(commands, *control_, [&](std::size_t i, postgresql_row const& row) {
                return on_row(i - before, row);
            });
        has_begun_ = has_begun_ || connection_->has_answered();
        // The server forgets a transaction of which not even the beginning has succeeded.
        state_ = last && counts ? state::none : state::open;
        if (counts) counts->erase(counts->begin(), counts->begin() + static_cast<long>(before));
        return counts;
    }

    std::string get_dummy_from_table() const override { return {}; }
    std::string get_backend_name() const override { return "postgresql"; }
    soci::details::statement_backend* make_statement_backend() override { not_offered(); }
    soci::details::rowid_backend* make_rowid_backend() override { not_offered(); }
    soci::details::blob_backend* make_blob_backend() override { not_offered(); }

  private:
    enum class state { none, owed, open };

    static bool ignore_row(std::size_t, postgresql_row const&) { return true; }

    /// SOCI's own would wait without bound.
    [[noreturn]] static void not_offered() {
        throw soci::soci_error("statements go through bounded_session_backend::run");
    }

    [[nodiscard]] postgresql_command begin_command() const {
        return {read_only_ ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                           : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"};
    }

    /// The server stops by itself at the deadline, even if nobody can tell it any more.
    [[nodiscard]] postgresql_command timeout_command() const {
        using std::chrono::milliseconds;
        auto const left = std::chrono::ceil<milliseconds>(control_->deadline() -
                                                          std::chrono::steady_clock::now());
        auto const bounded =
            std::clamp(left, milliseconds(1), milliseconds(std::chrono::hours(24)));
        return {"SET LOCAL statement_timeout = " + std::to_string(bounded.count())};
    }

    failure commit_failure(failure f) const {
        if (!connection_->is_usable())
            f.message += ", while it was about to keep the change: it may have been made or not";
        return f;
    }

    std::unique_ptr<libpq_connection> connection_;
    work_control* control_;
    state state_ = state::none;
    bool read_only_ = true;
    bool has_begun_ = false;
};

/// Makes the backend of one session.
class bounded_backend_factory final : public soci::backend_factory {
  public:
    bounded_backend_factory(postgresql_target const& target, std::string const& database,
                            work_control& control)
        : target_(target), database_(database), control_(control) {}

    bounded_session_backend* make_session(soci::connection_parameters const&) const override {
        return new bounded_session_backend(target_, database_, control_); // SOCI deletes it
    }

  private:
    postgresql_target const& target_;
    std::string const& database_;
    work_control& control_;
};

} // namespace detail

/// One connection to one database. Used by one thread at a time, while a `use` lives.
class postgresql_connection {
  public:
    static outcome<std::unique_ptr<postgresql_connection>>
    open(std::shared_ptr<postgresql_target const> target, std::string database,
         work_control& control) {
        try {
            return std::unique_ptr<postgresql_connection>(new postgresql_connection(
                std::move(target), std::move(database), control)); // the constructor is private
        } catch (detail::bounded_error const& e) {
            return e.what_failed();
        }
    }

    postgresql_connection(postgresql_connection const&) = delete;
    postgresql_connection& operator=(postgresql_connection const&) = delete;

    [[nodiscard]] std::string const& name() const { return name_; }
    [[nodiscard]] bool is_fresh() const {
        return is_usable() && !backend_->connection().has_news();
    }
    /// Between operations: whether it can be used for another one.
    [[nodiscard]] bool is_usable() const { return backend_->connection().is_idle(); }
    [[nodiscard]] bool has_begun() const { return backend_->has_begun(); }
    [[nodiscard]] std::string server_version() const {
        return backend_->connection().server_version();
    }

    /// Puts the connection to use for one operation, which stops when `control` says so.
    struct use {
        use(postgresql_connection& connection, work_control& control) {
            connection.backend_->start(control);
        }
    };
    class transaction;

  private:
    postgresql_connection(std::shared_ptr<postgresql_target const> target, std::string database,
                          work_control& control)
        : target_(std::move(target)), name_(std::move(database)),
          factory_(*target_, name_, control), session_(factory_, std::string()),
          backend_(static_cast<detail::bounded_session_backend*>(session_.get_backend())) {}

    std::shared_ptr<postgresql_target const> const target_;
    std::string const name_;
    detail::bounded_backend_factory const factory_;
    soci::session session_;
    detail::bounded_session_backend* const backend_;
};

/// A transaction, rolled back unless it is committed.
class postgresql_connection::transaction {
  public:
    enum class kind { reading, writing };

    transaction(postgresql_connection& connection, kind k)
        : backend_(*connection.backend_), transaction_(prepared(connection, k)) {}

    /// Runs statements in one round trip. `on_row` is told which of them a row is of.
    outcome<std::vector<std::int64_t>> run(std::vector<postgresql_command> commands,
                                           libpq_connection::row_handler const& on_row = no_rows) {
        return backend_.run(std::move(commands), false, on_row);
    }

    /// Runs the last statements, and commits in the same round trip.
    outcome<std::vector<std::int64_t>>
    run_and_commit(std::vector<postgresql_command> commands,
                   libpq_connection::row_handler const& on_row = no_rows) {
        auto counts = backend_.run(std::move(commands), true, on_row);
        if (counts) transaction_.commit(); // there is none any more
        return counts;
    }

    outcome<void> commit() {
        try {
            transaction_.commit();
            return {};
        } catch (detail::bounded_error const& e) {
            return e.what_failed();
        }
    }

  private:
    static bool no_rows(std::size_t, postgresql_row const&) { return true; }

    static soci::session& prepared(postgresql_connection& connection, kind k) {
        connection.backend_->read_only(k == kind::reading);
        return connection.session_;
    }

    detail::bounded_session_backend& backend_;
    soci::transaction transaction_;
};

} // namespace parley::tables
