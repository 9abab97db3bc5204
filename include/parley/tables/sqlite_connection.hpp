// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An SQLite database that is open for editing. SOCI connects and runs transactions; statements,
/// whose columns are not known before, use the connection that SOCI gives access to. As with every
/// header of SOCI's for SQLite, `<sqlite3.h>` is not to be included before it.

#include <parley/tables/blocking_call.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/schema.hpp>
#include <parley/tables/sql.hpp>
#include <parley/tables/sqlite_page_marks.hpp>
#include <parley/tables/wildcard.hpp>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include <sys/stat.h>

namespace parley::tables {

namespace detail {

/// What whoever wrote the table's rules wants to say, at most so much of it.
inline std::string shortened(std::string_view message) {
    constexpr std::size_t longest = 300;
    auto text = to_well_formed(message.substr(0, longest));
    return message.size() > longest ? text + "..." : text;
}

/// A broken rule, in words. `message` is SQLite's: a fixed text, a colon, and the columns, or the
/// name of the rule.
inline std::string sqlite_constraint_message(int extended_code, std::string_view message) {
    auto const colon = message.find(": ");
    auto const subject = shortened(colon == message.npos ? message : message.substr(colon + 2));
    switch (extended_code) {
    case SQLITE_CONSTRAINT_NOTNULL:
        return "NULL is not allowed in " + subject;
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return "Another row has the same value in " + subject;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return "A foreign key is violated: a row that is referred to must exist";
    case SQLITE_CONSTRAINT_CHECK:
        return "The table's CHECK constraint refuses this: " + subject;
    case SQLITE_CONSTRAINT_TRIGGER:
        return "The table refuses this: " + shortened(message);
    default:
        return "The value is not allowed: " + shortened(message);
    }
}

/// \param message is SQLite's; it is passed on only where it speaks of the user's data.
inline failure sqlite_failure(int extended_code, std::string_view message) {
    switch (extended_code & 0xff) {
    case SQLITE_CONSTRAINT:
        return {failure_code::constraint_violated,
                sqlite_constraint_message(extended_code, message)};
    case SQLITE_MISMATCH:
        return {failure_code::invalid_input, "The value is not of the type of its column"};
    case SQLITE_TOOBIG:
        return {failure_code::invalid_input, "A value is larger than this server handles"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return {failure_code::permission_denied, "This database may be read only"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return {failure_code::overloaded, "Others are writing to the database; try again later"};
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return {failure_code::database_error, "The file is not an intact SQLite database"};
    case SQLITE_FULL:
        return {failure_code::database_error, "There is no room for it on the disk"};
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return {failure_code::unreachable, "The database file cannot be read or written"};
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
        // Every statement was made for a table as it was: it no longer is.
        return {failure_code::not_found,
                "The table or one of its columns is no longer as it was; select the table again"};
    default:
        return {failure_code::database_error, "The database cannot do this"};
    }
}

/// An argument of a function, or a column of the row that a statement is at.
struct sqlite_value {
    sqlite_api::sqlite3_value* value;

    [[nodiscard]] int type() const { return sqlite_api::sqlite3_value_type(value); }
    [[nodiscard]] std::int64_t integer() const { return sqlite_api::sqlite3_value_int64(value); }
    [[nodiscard]] double real() const { return sqlite_api::sqlite3_value_double(value); }
    [[nodiscard]] std::string_view text() const {
        // In this order: the conversion to UTF-8, if there is one, changes the length.
        auto const* data = sqlite_api::sqlite3_value_text(value);
        auto const size = static_cast<std::size_t>(sqlite_api::sqlite3_value_bytes(value));
        return {reinterpret_cast<char const*>(data), data ? size : 0};
    }
    [[nodiscard]] std::span<std::uint8_t const> blob() const {
        auto const* data = sqlite_api::sqlite3_value_blob(value);
        auto const size = static_cast<std::size_t>(sqlite_api::sqlite3_value_bytes(value));
        return {static_cast<std::uint8_t const*>(data), data ? size : 0};
    }
};

/// `parley_matches(pattern, value)`: the value, as a client sees it, matches the wildcards.
template <class MustStop>
void sqlite_matches(sqlite_api::sqlite3_context* context, sqlite_api::sqlite3_value** arguments,
                    MustStop must_stop) {
    auto* pattern = static_cast<wildcard_pattern*>(sqlite_api::sqlite3_get_auxdata(context, 0));
    if (!pattern) {
        auto made = std::make_unique<wildcard_pattern>(sqlite_value{arguments[0]}.text());
        auto const drop = [](void* p) { delete static_cast<wildcard_pattern*>(p); };
        pattern = made.get();
        // SQLite keeps it for the next row, unless it has no memory; then `pattern` is gone.
        sqlite_api::sqlite3_set_auxdata(context, 0, made.release(), drop);
        if (sqlite_api::sqlite3_get_auxdata(context, 0) != pattern)
            return sqlite_api::sqlite3_result_error_nomem(context);
    }
    sqlite_value const value{arguments[1]};
    std::string text;
    std::optional<bool> matched = false;
    switch (value.type()) {
    case SQLITE_NULL:
        break;
    case SQLITE_INTEGER:
        matched = pattern->matches(std::to_string(value.integer()));
        break;
    case SQLITE_FLOAT:
        matched = pattern->matches(to_text(value.real()));
        break;
    case SQLITE_BLOB:
        append_base64(text, value.blob());
        matched = pattern->matches(text, must_stop);
        break;
    default:
        matched = pattern->matches(value.text(), must_stop);
    }
    if (!matched) return sqlite_api::sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    sqlite_api::sqlite3_result_int(context, *matched ? 1 : 0);
}

} // namespace detail

/// One connection to one database file. Used by one thread at a time, while a `use` lives.
class sqlite_connection {
  public:
    struct options {
        std::chrono::milliseconds busy_timeout;
        std::size_t max_page_bytes;
    };

    /// \param file exists; it is not made.
    static outcome<std::unique_ptr<sqlite_connection>>
    open(std::string ns, std::filesystem::path const& file, options o) {
        try {
            auto made = std::unique_ptr<sqlite_connection>(
                new sqlite_connection(std::move(ns), file, o)); // the constructor is private
            if (auto const ready = made->prepare_connection(); !ready) return ready.error();
            return made;
        } catch (soci::soci_error const&) {
            return detail::sqlite_failure(SQLITE_CANTOPEN, {});
        }
    }

    sqlite_connection(sqlite_connection const&) = delete;
    sqlite_connection& operator=(sqlite_connection const&) = delete;
    ~sqlite_connection() {
        for (auto& s : statements_)
            sqlite_api::sqlite3_finalize(s.handle);
    }

    [[nodiscard]] std::string const& name() const { return name_; }
    [[nodiscard]] options const& limits() const { return options_; }
    /// Of the query that was looked at last.
    [[nodiscard]] sqlite_page_marks& marks() { return marks_; }
    /// How many rows this connection has changed in all.
    [[nodiscard]] std::int64_t all_changed_rows() const {
        return sqlite_api::sqlite3_total_changes64(db_);
    }

    /// False once another file has taken the place of the one that is open.
    [[nodiscard]] bool is_fresh() const {
        struct stat now {};
        return ::stat(file_.c_str(), &now) == 0 && now.st_dev == identity_.st_dev &&
               now.st_ino == identity_.st_ino;
    }
    [[nodiscard]] bool is_usable() const { return sqlite_api::sqlite3_get_autocommit(db_) != 0; }
    [[nodiscard]] bool has_begun() const { return true; }

    /// Puts the connection to use for one operation, which stops when `control` says so.
    class use;
    class transaction;
    class statement;

  private:
    struct cached_statement {
        std::string text;
        sqlite_api::sqlite3_stmt* handle;
        bool in_use;
    };

    sqlite_connection(std::string ns, std::filesystem::path const& file, options o)
        : name_(std::move(ns)), file_(file), options_(o),
          session_(soci::sqlite3, "db=\"" + to_uri(file) + '"'),
          db_(static_cast<soci::sqlite3_session_backend*>(session_.get_backend())->conn_) {}

    /// Without `mode=rw`, SOCI would have SQLite make the file. If SQLite is built to take no URI,
    /// this names nothing that is there.
    static std::string to_uri(std::filesystem::path const& file) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        std::string uri = "file:";
        for (char c : file.native()) {
            auto const byte = static_cast<unsigned char>(c);
            bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '/' || c == '-' || c == '.';
            if (plain)
                uri += c;
            else
                (uri += '%').append({digits[byte >> 4U], digits[byte & 0xFU]});
        }
        return uri + "?mode=rw";
    }

    outcome<void> prepare_connection() {
        if (::stat(file_.c_str(), &identity_) != 0)
            return detail::sqlite_failure(SQLITE_CANTOPEN, {});
        // Names in double quotes that are no columns are errors, not strings; and what is written
        // in a database's schema gets at nothing outside of the database.
        for (int const off :
             {SQLITE_DBCONFIG_DQS_DML, SQLITE_DBCONFIG_DQS_DDL, SQLITE_DBCONFIG_TRUSTED_SCHEMA})
            sqlite_api::sqlite3_db_config(db_, off, 0, nullptr);
        sqlite_api::sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
        sqlite_api::sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
        sqlite_api::sqlite3_extended_result_codes(db_, 1);
        sqlite_api::sqlite3_limit(db_, SQLITE_LIMIT_LENGTH,
                                  static_cast<int>(options_.max_page_bytes));
        sqlite_api::sqlite3_busy_handler(db_, &sqlite_connection::wait_for_lock, this);
        sqlite_api::sqlite3_progress_handler(
            db_, 1000, [](void* self) { return at(self).must_stop() ? 1 : 0; }, this);
        int const made = sqlite_api::sqlite3_create_function_v2(
            db_, "parley_matches", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, this,
            &sqlite_connection::match, nullptr, nullptr, nullptr);
        return made == SQLITE_OK ? outcome<void>() : detail::sqlite_failure(made, {});
    }

    static sqlite_connection& at(void* self) { return *static_cast<sqlite_connection*>(self); }

    [[nodiscard]] bool must_stop() const { return control_ && control_->stopped().has_value(); }

    static void match(sqlite_api::sqlite3_context* context, int,
                      sqlite_api::sqlite3_value** arguments) {
        auto const& self = at(sqlite_api::sqlite3_user_data(context));
        try {
            detail::sqlite_matches(context, arguments, [&self] { return self.must_stop(); });
        } catch (std::bad_alloc const&) { // must not pass through SQLite
            sqlite_api::sqlite3_result_error_nomem(context);
        }
    }

    /// Nonzero: try again to get the lock that another connection holds.
    static int wait_for_lock(void* self, int tries) {
        using clock = std::chrono::steady_clock;
        auto& connection = at(self);
        if (tries == 0) connection.lock_wait_began_ = clock::now();
        auto const waited = clock::now() - connection.lock_wait_began_;
        if (waited >= connection.options_.busy_timeout || connection.must_stop()) return 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(std::min(tries + 1, 20)));
        return 1;
    }

    /// The failure that the database has just reported.
    [[nodiscard]] failure last_failure() const {
        if (control_) {
            if (auto const reason = control_->stopped()) return stopped_failure(*reason);
        }
        return detail::sqlite_failure(sqlite_api::sqlite3_extended_errcode(db_),
                                      sqlite_api::sqlite3_errmsg(db_));
    }

    /// A statement prepared before, or now. Those used last are kept.
    outcome<cached_statement*> prepare(std::string_view text) {
        auto const found = std::ranges::find_if(
            statements_, [&](cached_statement const& s) { return !s.in_use && s.text == text; });
        if (found != statements_.end()) {
            statements_.splice(statements_.begin(), statements_, found);
        } else {
            sqlite_api::sqlite3_stmt* handle = nullptr;
            int const status =
                sqlite_api::sqlite3_prepare_v3(db_, text.data(), static_cast<int>(text.size()),
                                               SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
            if (status != SQLITE_OK) return last_failure();
            statements_.push_front({std::string(text), handle, false});
            forget_oldest();
        }
        statements_.front().in_use = true;
        return &statements_.front();
    }

    void forget_oldest() {
        constexpr std::size_t most = 32;
        if (statements_.size() <= most || statements_.back().in_use) return;
        sqlite_api::sqlite3_finalize(statements_.back().handle);
        statements_.pop_back();
    }

    std::string const name_;
    std::filesystem::path const file_;
    struct stat identity_ {};
    options const options_;
    soci::session session_;
    sqlite_api::sqlite3* const db_;
    std::list<cached_statement> statements_; // the one used last first
    sqlite_page_marks marks_;
    work_control* control_ = nullptr;
    std::chrono::steady_clock::time_point lock_wait_began_;
};

class sqlite_connection::use {
  public:
    use(sqlite_connection& connection, work_control& control)
        : connection_(connection),
          on_stop_(control, [&connection] { sqlite_api::sqlite3_interrupt(connection.db_); }) {
        // Taken once, it costs every value that is read less. Interrupting does not need it.
        sqlite_api::sqlite3_mutex_enter(sqlite_api::sqlite3_db_mutex(connection_.db_));
        connection_.control_ = &control;
    }
    use(use const&) = delete;
    use& operator=(use const&) = delete;
    ~use() {
        connection_.control_ = nullptr;
        sqlite_api::sqlite3_mutex_leave(sqlite_api::sqlite3_db_mutex(connection_.db_));
    }

  private:
    sqlite_connection& connection_;
    work_control::on_stop on_stop_;
};

/// A transaction, rolled back unless it is committed.
class sqlite_connection::transaction {
  public:
    explicit transaction(sqlite_connection& connection) : connection_(connection) {}
    transaction(transaction const&) = delete;
    transaction& operator=(transaction const&) = delete;
    ~transaction() {
        // SQLite may have rolled back by itself.
        if (sqlite_api::sqlite3_get_autocommit(connection_.db_)) return;
        try {
            connection_.session_.rollback();
        } catch (soci::soci_error const&) {
            // `is_usable` tells that the transaction is still there.
        }
    }

    [[nodiscard]] outcome<void> begin_reading() { return run("BEGIN"); }
    /// Waits until no other connection writes.
    [[nodiscard]] outcome<void> begin_writing() { return run("BEGIN IMMEDIATE"); }
    [[nodiscard]] outcome<void> commit() { return run("COMMIT"); }

  private:
    /// Prepared once a connection: SOCI would have it parsed for every transaction.
    [[nodiscard]] outcome<void> run(std::string_view text);

    sqlite_connection& connection_;
};

/// A statement that runs.
class sqlite_connection::statement {
  public:
    /// Prepared and bound.
    static outcome<statement> start(sqlite_connection& connection, std::string_view text,
                                    std::span<parameter const> parameters = {}) {
        auto const prepared = connection.prepare(text);
        if (!prepared) return prepared.error();
        statement made(connection, **prepared);
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (made.bind(static_cast<int>(i + 1), parameters[i]) != SQLITE_OK)
                return connection.last_failure();
        }
        // Once it runs, it is interrupted, or notices by itself: see `prepare_connection`.
        if (connection.must_stop()) return connection.last_failure();
        return made;
    }

    statement(statement&& other) noexcept
        : connection_(other.connection_), cached_(std::exchange(other.cached_, nullptr)) {}
    statement& operator=(statement&&) = delete;
    ~statement() {
        if (!cached_) return;
        sqlite_api::sqlite3_reset(cached_->handle); // else it would hold the snapshot
        sqlite_api::sqlite3_clear_bindings(cached_->handle);
        // Each run begins to count anew until the next look at `must_stop`: a COMMIT, which is
        // short, never comes so far, and is not called stopped when it has been done.
        sqlite_api::sqlite3_stmt_status(cached_->handle, SQLITE_STMTSTATUS_VM_STEP, 1);
        cached_->in_use = false;
    }

    /// To the next row; false when there is none.
    [[nodiscard]] outcome<bool> step() {
        int const status = sqlite_api::sqlite3_step(cached_->handle);
        if (status == SQLITE_ROW) return true;
        if (status == SQLITE_DONE) return false;
        return connection_.last_failure();
    }

    /// Valid until the next step.
    [[nodiscard]] detail::sqlite_value cell(int i) const {
        return {sqlite_api::sqlite3_column_value(cached_->handle, i)};
    }

    /// How many rows it has changed; those that triggers and foreign keys changed are not counted.
    [[nodiscard]] std::int64_t changed_rows() const {
        return sqlite_api::sqlite3_changes64(connection_.db_);
    }

  private:
    statement(sqlite_connection& connection, cached_statement& cached)
        : connection_(connection), cached_(&cached) {}

    /// What is bound outlives the statement's run.
    int bind(int i, parameter const& value) {
        auto* const s = cached_->handle;
        auto const bytes = [](std::string const& text) { return text.size(); };
        switch (value.index()) {
        case 0:
            return sqlite_api::sqlite3_bind_null(s, i);
        case 1:
            return sqlite_api::sqlite3_bind_int(s, i, std::get<bool>(value) ? 1 : 0);
        case 2:
            return sqlite_api::sqlite3_bind_int64(s, i, std::get<std::int64_t>(value));
        case 3:
            return sqlite_api::sqlite3_bind_double(s, i, std::get<double>(value));
        case 4: {
            auto const& text = std::get<std::string>(value);
            return sqlite_api::sqlite3_bind_text64(s, i, text.data(), bytes(text), SQLITE_STATIC,
                                                   SQLITE_UTF8);
        }
        default: {
            auto const& blob = std::get<byte_string>(value).bytes;
            return sqlite_api::sqlite3_bind_blob64(s, i, blob.data(), bytes(blob), SQLITE_STATIC);
        }
        }
    }

    sqlite_connection& connection_;
    cached_statement* cached_;
};

inline outcome<void> sqlite_connection::transaction::run(std::string_view text) {
    auto running = statement::start(connection_, text);
    if (!running) return running.error();
    if (auto const stepped = running->step(); !stepped) return stepped.error();
    return {};
}

} // namespace parley::tables
