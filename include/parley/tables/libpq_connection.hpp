// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// libpq without a wait that is not bounded: a server that hangs, whether it is connecting,
/// answering or being told to stop, holds nobody up beyond the deadline and a short grace.

#include <parley/error.hpp>
#include <parley/tables/blocking_call.hpp>
#include <parley/tables/credentials.hpp>
#include <parley/tables/database_failures.hpp>
#include <parley/tables/failure.hpp>
#include <parley/tables/parameter.hpp>
#include <parley/tables/postgresql_types.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace parley::tables {

/// Which server to connect to, and as whom.
struct postgresql_target {
    std::string host;      ///< its name, which its certificate is checked for
    std::string addresses; ///< of that name, separated by commas: libpq looks nothing up
    std::uint16_t port = 0;
    std::string username;
    secret password;
    std::string sslmode; ///< as libpq has it
    std::chrono::milliseconds connect_timeout{};
};

/// One statement of several that go to the server together.
struct postgresql_command {
    std::string text;
    std::span<parameter const> parameters = {};
};

/// The values of one row, as text.
class postgresql_row {
  public:
    explicit postgresql_row(PGresult const* result) : result_(result) {}

    [[nodiscard]] bool is_null(std::size_t i) const {
        return PQgetisnull(result_, 0, static_cast<int>(i)) != 0;
    }
    [[nodiscard]] std::string_view text(std::size_t i) const {
        auto const column = static_cast<int>(i);
        return {PQgetvalue(result_, 0, column),
                static_cast<std::size_t>(PQgetlength(result_, 0, column))};
    }

  private:
    PGresult const* result_;
};

/// A connection to a PostgreSQL server. Used by one thread at a time.
class libpq_connection {
  public:
    using clock = std::chrono::steady_clock;

    /// Takes a row of the `command`-th command; false when there is something wrong with it: then
    /// the connection is used no more.
    using row_handler = std::function<bool(std::size_t command, postgresql_row const&)>;

    /// \param target outlives the connection.
    static outcome<std::unique_ptr<libpq_connection>>
    connect(postgresql_target const& target, std::string const& database, work_control& control) {
        std::unique_ptr<libpq_connection> made(new libpq_connection(target, database));
        auto connected = made->open(control);
        if (connected) connected = made->prepare_session(control);
        if (!connected) return connected.error();
        return made;
    }

    libpq_connection(libpq_connection const&) = delete;
    libpq_connection& operator=(libpq_connection const&) = delete;
    ~libpq_connection() {
        drop();
        if (wake_ >= 0) ::close(wake_);
    }

    /// False after what leaves in doubt what the server will send next.
    [[nodiscard]] bool is_usable() const { return handle_ != nullptr; }

    /// Whether no transaction is open, as far as the server has said.
    [[nodiscard]] bool is_idle() const {
        return is_usable() && PQtransactionStatus(handle_.get()) == PQTRANS_IDLE;
    }

    /// Whether the server has said anything since its last answer, such as that it goes.
    [[nodiscard]] bool has_news() const {
        pollfd socket{PQsocket(handle_.get()), POLLIN, 0};
        return ::poll(&socket, 1, 0) != 0;
    }

    [[nodiscard]] std::string server_version() const {
        char const* const text = PQparameterStatus(handle_.get(), "server_version");
        std::string_view const version = text ? text : "";
        return std::string(version.substr(0, version.find(' ')));
    }

    /// Has the server run the commands one after the other, in one round trip, until one fails.
    /// \return how many rows each has changed or given.
    outcome<std::vector<std::int64_t>> run(std::span<postgresql_command const> commands,
                                           work_control& control, row_handler const& on_row) {
        if (auto const reason = control.stopped()) return stopped_failure(*reason);
        if (!is_usable()) return gone();
        clear_wake();
        work_control::on_stop const on_stop(control, [this] { wake(); });
        give_up_at_.reset();
        cancel_at_.reset();
        answered_ = false;

        auto answer = send(commands, control);
        if (!answer) return give_up(answer.error());
        auto counts = receive(commands.size(), control, on_row);
        if (!counts && !recoverable_) return give_up(counts.error());
        return counts;
    }

    /// Whether the server has answered anything since the last `run` began.
    [[nodiscard]] bool has_answered() const { return answered_; }

  private:
    struct finisher {
        void operator()(PGconn* c) const { PQfinish(c); }
    };
    struct clearer {
        void operator()(PGresult* r) const { PQclear(r); }
    };
    using result_ptr = std::unique_ptr<PGresult, clearer>;

    /// How long a server that was told to stop may take to say so.
    static constexpr auto grace = std::chrono::milliseconds(1000);

    libpq_connection(postgresql_target const& target, std::string database)
        : target_(target), database_(std::move(database)),
          wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    static failure gone() { return {failure_code::unreachable, "The database has gone"}; }

    void drop() { handle_.reset(); }

    failure give_up(failure why) {
        drop();
        return why;
    }

    // ---- Waiting -------------------------------------------------------------------------------

    void wake() const {
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const written = ::write(wake_, &one, sizeof one);
    }
    void clear_wake() const {
        std::uint64_t count = 0;
        [[maybe_unused]] auto const count_read = ::read(wake_, &count, sizeof count);
    }

    /// Until the socket is ready for one of `events`, somebody wakes this, or the time has come;
    /// which of them, the caller sees by itself.
    void wait(short events, clock::time_point until) const {
        using std::chrono::milliseconds;
        auto const left = std::chrono::ceil<milliseconds>(until - clock::now());
        auto const bounded = std::clamp(left, milliseconds(0), milliseconds(60'000));
        pollfd waited[] = {{PQsocket(handle_.get()), events, 0}, {wake_, POLLIN, 0}};
        ::poll(waited, 2, static_cast<int>(bounded.count()));
    }

    /// As `wait`, for the answer of a server. Past the deadline, or once cancelled, the server is
    /// told, and gets a grace for its answer, so that the connection can be used on.
    outcome<void> wait_for_server(short events, work_control& control) {
        auto const reason = control.stopped();
        if (!reason) {
            wait(events, control.deadline());
            return {};
        }
        if (!give_up_at_) {
            clear_wake();
            give_up_at_ = clock::now() + grace;
            // The server keeps the deadline too, and is likely to say so just now.
            cancel_at_ =
                clock::now() + (*reason == failure_code::timed_out ? grace / 10 : 0 * grace);
        }
        if (clock::now() >= *give_up_at_) return stopped_failure(*reason);
        if (cancel_at_ && clock::now() >= *cancel_at_) {
            cancel_at_.reset();
            cancel_on_server();
        }
        wait(events, cancel_at_.value_or(*give_up_at_));
        return {};
    }

    /// Through a connection of its own, since libpq's way of cancelling waits without bound, and
    /// tells the cancel key to whoever listens.
    void cancel_on_server() {
        if (cancels_) return;
        work_control brief(*give_up_at_);
        libpq_connection other(target_, database_);
        other.cancels_ = true;
        if (!other.open(brief)) return;
        parameter const pid[] = {std::int64_t{PQbackendPID(handle_.get())}};
        postgresql_command const commands[] = {{"SELECT pg_cancel_backend($1)", pid}};
        (void)other.run(commands, brief, [](std::size_t, postgresql_row const&) { return true; });
    }

    // ---- Connecting ----------------------------------------------------------------------------

    outcome<void> open(work_control& control) {
        auto const until = std::min(control.deadline(), clock::now() + target_.connect_timeout);
        start();
        if (!handle_) return postgresql_connect_failure({});
        // So that the reason is told in digits, whatever the server's language.
        PQsetErrorVerbosity(handle_.get(), PQERRORS_SQLSTATE);
        PQsetNoticeProcessor(
            handle_.get(), [](void*, char const*) {}, nullptr);
        clear_wake();
        work_control::on_stop const on_stop(control, [this] { wake(); });
        for (auto status = PGRES_POLLING_WRITING; status != PGRES_POLLING_OK;) {
            if (status == PGRES_POLLING_FAILED || PQstatus(handle_.get()) == CONNECTION_BAD)
                return give_up(postgresql_connect_failure(sqlstate_of_connecting()));
            wait(status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until);
            if (auto const reason = control.stopped()) return give_up(stopped_failure(*reason));
            if (clock::now() >= until)
                return give_up({failure_code::timed_out, "The database server does not answer"});
            status = PQconnectPoll(handle_.get());
        }
        PQsetnonblocking(handle_.get(), 1);
        return {};
    }

    /// Every value is a parameter of its own: libpq parses none of them. None is empty, for which
    /// it would put in what the operator's environment says: their name and password.
    void start() {
        auto const repeated_host = repeat_for_addresses(target_.host);
        auto const port = std::to_string(target_.port);
        std::pair<char const*, char const*> const parameters[] = {
            {"host", repeated_host.c_str()},
            {"hostaddr", target_.addresses.c_str()},
            {"port", port.c_str()},
            {"dbname", database_.c_str()},
            {"user", target_.username.c_str()},
            {"password", target_.password.view().data()},
            {"passfile", "/dev/null"},
            {"sslmode", target_.sslmode.c_str()},
            {"sslcert", "/dev/null/none"}, // the operator's certificate is not the client's
            {"gssencmode", "disable"},
            {"client_encoding", "UTF8"},
            {"application_name", "parley"},
            {"connect_timeout", "0"}, // `open` counts by itself
        };
        std::vector<char const*> names;
        std::vector<char const*> values;
        for (auto const& [name, value] : parameters) {
            names.push_back(name);
            values.push_back(value);
        }
        names.push_back(nullptr);
        values.push_back(nullptr);
        handle_.reset(PQconnectStartParams(names.data(), values.data(), 0));
    }

    [[nodiscard]] std::string repeat_for_addresses(std::string const& host) const {
        std::string list = host;
        for (auto i = std::ranges::count(target_.addresses, ','); i > 0; --i)
            list += ',' + host;
        return list;
    }

    /// The last word of libpq's message, where that is one; empty when no server has answered.
    [[nodiscard]] std::string sqlstate_of_connecting() const {
        std::string_view text = PQerrorMessage(handle_.get());
        text = text.substr(0, text.find_last_not_of(" \n") + 1);
        auto const word = text.substr(text.find_last_of(' ') + 1);
        auto const is_digit = [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        };
        return word.size() == 5 && std::ranges::all_of(word, is_digit) ? std::string(word) : "";
    }

    /// What the forms of values depend on; and that the server looks after its clients, so that
    /// one which is gone does not leave a statement running (since PostgreSQL 14).
    outcome<void> prepare_session(work_control& control) {
        std::string sql = "SELECT set_config('DateStyle', 'ISO, YMD', false), "
                          "set_config('IntervalStyle', 'postgres', false), "
                          "set_config('bytea_output', 'hex', false), "
                          "set_config('extra_float_digits', '1', false)";
        if (PQserverVersion(handle_.get()) >= 140000)
            sql += ", set_config('client_connection_check_interval', '2s', false)";
        postgresql_command const commands[] = {{std::move(sql)}};
        auto const done =
            run(commands, control, [](std::size_t, postgresql_row const&) { return true; });
        return done ? outcome<void>() : done.error();
    }

    // ---- Sending -------------------------------------------------------------------------------

    outcome<void> send(std::span<postgresql_command const> commands, work_control& control) {
        if (PQenterPipelineMode(handle_.get()) != 1) return gone();
        for (auto const& command : commands) {
            if (!send_one(command)) return gone();
        }
        if (PQpipelineSync(handle_.get()) != 1) return gone();
        for (;;) {
            int const left = PQflush(handle_.get());
            if (left < 0) return gone();
            if (left == 0) return {};
            if (auto const waited = wait_for_server(POLLIN | POLLOUT, control); !waited)
                return waited.error();
            // What the server has to say meanwhile must not stop it from reading on.
            if (PQconsumeInput(handle_.get()) != 1) return gone();
        }
    }

    bool send_one(postgresql_command const& command) {
        auto const count = command.parameters.size();
        std::vector<Oid> types(count);
        std::vector<std::string> texts(count);
        std::vector<char const*> values(count);
        std::vector<int> lengths(count);
        std::vector<int> formats(count);
        for (std::size_t i = 0; i < count; ++i) {
            auto const& value = command.parameters[i];
            if (auto const* bytes = std::get_if<byte_string>(&value)) {
                types[i] = 17; // bytea
                formats[i] = 1;
                values[i] = bytes->bytes.data();
                lengths[i] = static_cast<int>(bytes->bytes.size());
            } else if (auto const* text = std::get_if<std::string>(&value)) {
                values[i] = text->c_str();
            } else if (!std::holds_alternative<std::nullptr_t>(value)) {
                texts[i] = number_text(value);
                values[i] = texts[i].c_str();
            }
        }
        return PQsendQueryParams(handle_.get(), command.text.c_str(), static_cast<int>(count),
                                 types.data(), values.data(), lengths.data(), formats.data(),
                                 0) == 1;
    }

    static std::string number_text(parameter const& value) {
        if (auto const* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
        if (auto const* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
        return detail::to_text(std::get<double>(value));
    }

    // ---- Receiving -----------------------------------------------------------------------------

    /// The answers to all commands, up to the sync point. `recoverable_`: they were all read.
    outcome<std::vector<std::int64_t>> receive(std::size_t commands, work_control& control,
                                               row_handler const& on_row) {
        recoverable_ = false;
        std::vector<std::int64_t> counts(commands);
        std::optional<failure> failed;
        for (std::size_t i = 0; i < commands; ++i) {
            PQsetSingleRowMode(handle_.get()); // else a page would be in memory twice
            for (;;) {
                auto next = next_result(control);
                if (!next) return next.error();
                if (!*next) break;
                if (PQresultStatus(next->get()) == PGRES_SINGLE_TUPLE) {
                    ++counts[i];
                    if (!on_row(i, postgresql_row(next->get()))) return page_too_large();
                } else if (auto f = take_end(next->get(), counts[i], control); f && !failed) {
                    failed = std::move(f);
                }
            }
        }
        auto const sync = next_result(control);
        if (!sync) return sync.error();
        if (PQresultStatus(sync->get()) != PGRES_PIPELINE_SYNC ||
            PQexitPipelineMode(handle_.get()) != 1)
            return gone();
        recoverable_ = true;
        if (failed) return *failed;
        return counts;
    }

    /// What ends the answer to one command.
    std::optional<failure> take_end(PGresult const* result, std::int64_t& count,
                                    work_control const& control) {
        switch (PQresultStatus(result)) {
        case PGRES_COMMAND_OK: {
            std::string_view const changed = PQcmdTuples(const_cast<PGresult*>(result));
            count = detail::parse_number<std::int64_t>(changed).value_or(0);
            return std::nullopt;
        }
        case PGRES_TUPLES_OK:
        case PGRES_PIPELINE_ABORTED: // an earlier one has failed
            return std::nullopt;
        default:
            break;
        }
        auto const field = [&](int code) {
            char const* const text = PQresultErrorField(result, code);
            return std::string_view(text ? text : "");
        };
        auto f = postgresql_failure(field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY));
        auto const reason = control.stopped();
        if (f.code == failure_code::timed_out && reason) return stopped_failure(*reason);
        if (field(PG_DIAG_SQLSTATE).empty()) return gone();
        return f;
    }

    /// The next result; null at the end of a command's.
    outcome<result_ptr> next_result(work_control& control) {
        while (PQisBusy(handle_.get())) {
            if (auto const waited = wait_for_server(POLLIN, control); !waited)
                return waited.error();
            if (PQconsumeInput(handle_.get()) != 1) return gone();
        }
        result_ptr next(PQgetResult(handle_.get()));
        if (PQstatus(handle_.get()) == CONNECTION_BAD) return gone();
        answered_ = true;
        return next;
    }

    postgresql_target const& target_;
    std::string const database_;
    int const wake_;
    std::unique_ptr<PGconn, finisher> handle_;
    std::optional<clock::time_point> give_up_at_; // once stopped: until when it may answer,
    std::optional<clock::time_point> cancel_at_;  // and when it is told to
    bool cancels_ = false;                        // it is there to cancel another's statement
    bool answered_ = false;
    bool recoverable_ = false;
};

} // namespace parley::tables
