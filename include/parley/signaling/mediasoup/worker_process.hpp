// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One worker of mediasoup: started, spoken to, and ended.

#include <parley/signaling/mediasoup/bell.hpp>
#include <parley/signaling/mediasoup/child_process.hpp>
#include <parley/signaling/mediasoup/framing.hpp>
#include <parley/task.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace parley::signaling::mediasoup {

/// The version whose channel this speaks. The worker asks for it, and no other will do.
inline constexpr std::string_view worker_version = "3.12.16";

struct worker_settings {
    std::string binary;                 ///< the path of the worker
    std::string verbosity = "warn";     ///< of what it logs: `debug`, `warn`, `error` or `none`
    std::uint16_t lowest_port = 40'000; ///< for media, UDP and TCP
    std::uint16_t highest_port = 49'999;
    std::chrono::milliseconds start_timeout{10'000};
    std::chrono::milliseconds request_timeout{5'000};
    std::chrono::milliseconds close_timeout{3'000}; ///< after it a worker is killed
    /// Called on the worker's executor, with one line.
    std::function<void(log_level, std::string_view)> log = {};
};

/// Why a worker did not do something: for the log, not for a peer.
struct worker_failure {
    std::string reason;
};

template <class T>
using worker_result = result<T, worker_failure>;

/// A running worker. All of it is used on its executor only. The process ends with this object at
/// the latest; if this program is killed, the worker sees its channel closed and ends by itself.
class worker_process : public std::enable_shared_from_this<worker_process> {
    struct passkey {};

  public:
    /// Requests that wait for an answer at once; more fail.
    static constexpr std::size_t max_waiting = 4096;
    /// Bytes that wait to be written; a worker that leaves more unread is killed.
    static constexpr std::size_t max_unsent = 64 * 1024 * 1024;
    /// Requests left without an answer, one after the other, after which a worker is killed.
    static constexpr unsigned max_unanswered = 3;

    /// Starts a worker and waits until it says that it runs.
    static task<worker_result<std::shared_ptr<worker_process>>> start(executor on,
                                                                      worker_settings settings) {
        auto const worker =
            std::make_shared<worker_process>(passkey(), std::move(on), std::move(settings));
        if (auto const ec = worker->spawn()) {
            co_return worker_failure{"cannot start " + worker->settings_.binary + ": " +
                                     ec.message()};
        }
        asio::co_spawn(worker->executor_, live(worker), asio::detached);
        asio::co_spawn(worker->executor_, read_output(worker), asio::detached);
        auto const deadline = std::chrono::steady_clock::now() + worker->settings_.start_timeout;
        auto const decided = [&worker] { return worker->running_ || worker->ended_; };
        co_await worker->changed_.wait_until(deadline, decided);
        if (worker->running_ && !worker->ended_) co_return worker;
        bool const late = !worker->ended_;
        worker->kill();
        auto const how = co_await worker->ended();
        co_return worker_failure{late ? "it did not start in time"
                                      : "it ended at its start: " + how};
    }

    worker_process(passkey, executor on, worker_settings settings)
        : executor_(std::move(on)), settings_(std::move(settings)), changed_(executor_),
          requests_(executor_), answers_(executor_), payload_requests_(executor_),
          payload_answers_(executor_), output_(executor_) {}

    [[nodiscard]] pid_t pid() const { return child_.pid(); }

    /// Sends a request at once, and waits for its answer, whose data it returns. At most 4 MiB.
    /// \param deadline where it is sooner than that of `request_timeout`
    task<worker_result<boost::json::value>> request(std::string method, std::string handler,
                                                    boost::json::object data,
                                                    time_point deadline = no_deadline) {
        auto const self = shared_from_this();
        if (ended_ || closing_) co_return worker_failure{"the worker has ended"};
        if (waiting_.size() >= max_waiting) co_return worker_failure{"too many requests wait"};
        auto const id = send(method, handler, data);
        auto const mine = waiting_.emplace(id, waiting_request(executor_)).first;
        auto& wait = mine->second;
        auto const begun = std::chrono::steady_clock::now();
        auto const end = std::min(deadline, begun + settings_.request_timeout);
        wait.timer.expires_at(end);
        co_await wait.timer.async_wait(asio::as_tuple(use_task));
        auto const outcome = std::move(wait.outcome);
        waiting_.erase(mine);
        if (outcome) co_return *outcome;
        if (end - begun > settings_.request_timeout / 2) suspect(method); // it had time enough
        co_return worker_failure{method + ": no answer in time"};
    }

    /// Sends a request at once; its answer is of no interest.
    void tell(std::string_view method, std::string_view handler, boost::json::object const& data) {
        if (!ended_ && !closing_) send(method, handler, data);
    }

    /// Asks the worker to end, and makes it if it does not.
    void close() {
        if (closing_ || ended_) return;
        send("worker.close", {}, {});
        closing_ = true;
        asio::co_spawn(executor_, insist(shared_from_this()), asio::detached);
    }

    /// Suspends until the process has gone; returns how it ended.
    task<std::string> ended() {
        auto const self = shared_from_this();
        co_await changed_.wait_until(no_deadline, [this] { return ended_; });
        co_return child_.how_it_ended();
    }

  private:
    using socket = asio::basic_stream_socket<asio::local::stream_protocol, executor>;

    struct waiting_request {
        explicit waiting_request(executor const& on) : timer(on) {}

        detail::bell::timer timer;
        std::optional<worker_result<boost::json::value>> outcome;
    };

    void log(log_level level, std::string_view text) const {
        if (settings_.log) settings_.log(level, text);
    }

    /// Blocks until the new process executes the worker: some milliseconds at most.
    error_code spawn() {
        constexpr std::size_t channels = 5;
        std::array<socket*, channels> const sockets{&output_, &requests_, &answers_,
                                                    &payload_requests_, &payload_answers_};
        std::vector<detail::descriptor_pair> pairs;
        for (std::size_t i = 0; i < channels; ++i) {
            auto pair = detail::make_socket_pair();
            if (!pair) return pair.error();
            pairs.push_back(std::move(*pair));
        }
        std::vector<int> theirs{pairs.front().theirs.get()}; // 1, and then 2 as well
        for (auto const& pair : pairs)
            theirs.push_back(pair.theirs.get());
        detail::spawn_request request;
        request.give(theirs);
        request.isolate();
        auto child = request.start(arguments(), environment());
        if (!child) return child.error();
        child_ = std::move(*child);
        for (std::size_t i = 0; i < channels; ++i) {
            error_code ec;
            sockets[i]->assign(asio::local::stream_protocol(), pairs[i].ours.get(), ec);
            if (ec) return ec;
            pairs[i].ours.release();
        }
        return {};
    }

    [[nodiscard]] std::vector<std::string> arguments() const {
        return {settings_.binary, "--logLevel=" + settings_.verbosity,
                "--rtcMinPort=" + std::to_string(settings_.lowest_port),
                "--rtcMaxPort=" + std::to_string(settings_.highest_port)};
    }

    /// Nothing of this program's own environment, which may hold secrets, but where libraries are.
    static std::vector<std::string> environment() {
        std::vector<std::string> out{"MEDIASOUP_VERSION=" + std::string(worker_version)};
        if (auto const* path = std::getenv("LD_LIBRARY_PATH"))
            out.push_back("LD_LIBRARY_PATH=" + std::string(path));
        return out;
    }

    /// Reads what the worker says until it ends, and then makes sure that it has.
    static task<> live(std::shared_ptr<worker_process> self) {
        co_await self->read_answers();
        self->closing_ = true;
        self->fail_all("the worker has ended");
        co_await self->reap();
        self->ended_ = true;
        error_code ignored;
        for (auto* one : {&self->output_, &self->requests_, &self->answers_,
                          &self->payload_requests_, &self->payload_answers_})
            one->close(ignored);
        self->changed_.ring();
    }

    task<> read_answers() {
        message_splitter splitter;
        std::vector<char> buffer(std::size_t{64} * 1024);
        for (;;) {
            auto [ec, count] =
                co_await answers_.async_read_some(asio::buffer(buffer), asio::as_tuple(use_task));
            if (ec) co_return;
            splitter.feed({buffer.data(), count});
            if (!take_messages(splitter)) co_return kill();
        }
    }

    /// False if what comes cannot be cut into messages.
    bool take_messages(message_splitter& splitter) {
        for (;;) {
            auto const next = splitter.next();
            if (!next) {
                log(log_level::error, "the worker's channel: " + next.error().text());
                return false;
            }
            if (!*next) return true;
            auto said = read_message(**next);
            std::visit([this](auto& one) { take(one); }, said);
        }
    }

    void take(answer& one) {
        unanswered_ = 0;
        auto const found = waiting_.find(one.id);
        if (found == waiting_.end()) {
            if (one.failure) log(log_level::debug, "request refused: " + *one.failure);
            return;
        }
        auto& wait = found->second;
        if (one.failure) {
            wait.outcome = worker_failure{std::move(*one.failure)};
        } else {
            wait.outcome = std::move(one.data);
        }
        wait.timer.cancel();
    }

    void take(notification& one) {
        if (one.event != "running" || running_) return;
        running_ = true;
        changed_.ring();
    }

    void take(log_line& one) const { log(one.level, one.text); }

    void take(unreadable& one) const { log(log_level::warning, "the worker sent " + one.text); }

    /// What the worker and its libraries print, by lines.
    static task<> read_output(std::shared_ptr<worker_process> self) {
        constexpr std::size_t longest = 4096;
        std::string line;
        std::array<char, 1024> buffer{};
        for (;;) {
            auto [ec, count] = co_await self->output_.async_read_some(asio::buffer(buffer),
                                                                      asio::as_tuple(use_task));
            for (char const c : std::string_view(buffer.data(), count)) {
                if (c != '\n') line.push_back(c);
                if (line.empty() || (c != '\n' && line.size() < longest)) continue;
                self->log(log_level::warning, line);
                line.clear();
            }
            if (ec) co_return;
        }
    }

    std::uint32_t send(std::string_view method, std::string_view handler,
                       boost::json::object const& data) {
        if (++last_id_ == 0) ++last_id_;
        auto const text = request_text(last_id_, method, handler, data);
        if (text.size() > max_message || unsent_.size() + text.size() > max_unsent) {
            log(log_level::error, "too much to tell the worker; killing it");
            kill();
            return last_id_;
        }
        unsent_ += framed(text);
        if (!writing_) write();
        return last_id_;
    }

    void write() {
        writing_ = true;
        being_sent_ = std::exchange(unsent_, {});
        asio::async_write(requests_, asio::buffer(being_sent_),
                          [self = shared_from_this()](error_code ec, std::size_t) {
                              self->writing_ = false;
                              if (ec) {
                                  self->kill(); // it does not listen any more
                              } else if (!self->unsent_.empty()) {
                                  self->write();
                              }
                          });
    }

    /// A request had no answer: a worker that answers none is stuck.
    void suspect(std::string_view method) {
        log(log_level::warning, std::string(method) + " had no answer in time");
        if (++unanswered_ < max_unanswered || ended_) return;
        log(log_level::error, "the worker does not answer; killing it");
        kill();
    }

    /// Whoever reads sees the end at once.
    void kill() {
        child_.signal(SIGKILL);
        error_code ignored;
        answers_.close(ignored);
    }

    void fail_all(std::string const& reason) {
        for (auto& [id, wait] : waiting_) {
            if (!wait.outcome) wait.outcome = worker_failure{reason};
            wait.timer.cancel();
        }
    }

    /// Its channel is closed: it ends by itself, or is made to.
    task<> reap() {
        constexpr std::chrono::milliseconds pause{5};
        auto const deadline = std::chrono::steady_clock::now() + settings_.close_timeout;
        detail::bell::timer timer(executor_);
        while (!child_.reap()) {
            if (std::chrono::steady_clock::now() >= deadline) child_.signal(SIGKILL);
            timer.expires_after(pause);
            co_await timer.async_wait(asio::as_tuple(use_task));
        }
    }

    static task<> insist(std::shared_ptr<worker_process> self) {
        auto const step = self->settings_.close_timeout / 2;
        auto const gone = [self] { return self->ended_; };
        for (int const number : {SIGTERM, SIGKILL}) {
            auto const deadline = std::chrono::steady_clock::now() + step;
            if (co_await self->changed_.wait_until(deadline, gone)) co_return;
            self->child_.signal(number);
        }
    }

    executor executor_;
    worker_settings settings_;
    detail::bell changed_; // rings when it runs, and when it has ended
    detail::child_process child_;
    socket requests_; // descriptors 3 and 4 of the worker's
    socket answers_;
    socket payload_requests_; // 5 and 6: must be there, and carry nothing
    socket payload_answers_;
    socket output_;
    std::string unsent_;
    std::string being_sent_;
    bool writing_ = false;
    std::map<std::uint32_t, waiting_request> waiting_;
    std::uint32_t last_id_ = 0;
    unsigned unanswered_ = 0; // in a row
    bool running_ = false;
    bool closing_ = false;
    bool ended_ = false;
};

} // namespace parley::signaling::mediasoup
