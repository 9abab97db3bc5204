// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The workers of one media server: kept running, whatever happens to them.

#include <parley/signaling/mediasoup/options.hpp>
#include <parley/signaling/mediasoup/worker_process.hpp>
#include <parley/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling::mediasoup {

using worker_ptr = std::shared_ptr<worker_process>;

/// Used on its executor only. What it starts keeps it alive, and `stop` waits for.
class worker_pool : public std::enable_shared_from_this<worker_pool> {
  public:
    /// \param died called when a worker has ended that should not, before it is replaced.
    /// \param started called when a worker runs.
    /// \param running how many run now, for other threads to read.
    worker_pool(executor on, mediasoup_options options, std::function<void(worker_ptr const&)> died,
                std::function<void()> started, std::shared_ptr<std::atomic<std::size_t>> running)
        : executor_(std::move(on)), options_(std::move(options)), died_(std::move(died)),
          started_(std::move(started)), running_(std::move(running)), changed_(executor_),
          workers_(detail::worker_count(options_)), load_(workers_.size()) {}

    worker_pool(worker_pool const&) = delete;
    worker_pool& operator=(worker_pool const&) = delete;

    void start() {
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            ++supervised_;
            asio::co_spawn(executor_, supervise(shared_from_this(), i), asio::detached);
        }
    }

    /// Ends all workers; returns when none is left.
    task<> stop() {
        stopping_ = true;
        for (auto const& worker : workers_)
            if (worker) worker->close();
        changed_.ring();
        co_await changed_.wait_until(no_deadline, [this] { return supervised_ == 0; });
    }

    [[nodiscard]] bool stopping() const { return stopping_; }

    /// Those that run.
    [[nodiscard]] std::vector<worker_ptr> workers() const {
        std::vector<worker_ptr> out;
        std::ranges::copy_if(workers_, std::back_inserter(out),
                             [](auto const& worker) { return worker != nullptr; });
        return out;
    }

    /// A running worker with the least to do, which has one router more from now on; null if none
    /// runs.
    worker_ptr take_least_used() {
        std::size_t best = workers_.size();
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (workers_[i] && (best == workers_.size() || load_[i] < load_[best])) best = i;
        }
        if (best == workers_.size()) return nullptr;
        ++load_[best];
        return workers_[best];
    }

    /// A router of the worker's has been closed.
    void give_back(worker_ptr const& worker) {
        auto const found = std::ranges::find(workers_, worker);
        if (found != workers_.end()) --load_[static_cast<std::size_t>(found - workers_.begin())];
    }

    void log(log_level level, std::string_view text) const {
        if (options_.worker.log) options_.worker.log(level, text);
    }

  private:
    using clock = std::chrono::steady_clock;

    /// Keeps one worker running until the stop.
    static task<> supervise(std::shared_ptr<worker_pool> self, std::size_t place) {
        auto pause = self->options_.restart_pause;
        auto const longest = self->options_.longest_pause;
        auto const stopped = [&self] { return self->stopping_; };
        while (!self->stopping_) {
            auto const begun = clock::now();
            co_await self->run_one(place);
            if (clock::now() - begun >= longest) pause = self->options_.restart_pause;
            co_await self->changed_.wait_until(clock::now() + pause, stopped);
            pause = std::min(2 * pause, longest);
        }
        --self->supervised_;
        self->changed_.ring();
    }

    /// From the start of a worker to its end.
    task<> run_one(std::size_t place) {
        auto const name = "media worker " + std::to_string(place + 1);
        auto settings = options_.worker;
        // Not this pool, which keeps the worker, which keeps its log.
        settings.log = [to = settings.log, name](log_level level, std::string_view text) {
            if (to) to(level, name + ": " + std::string(text));
        };
        auto outcome = co_await worker_process::start(executor_, std::move(settings));
        if (!outcome) co_return log(log_level::error, name + ": " + outcome.error().reason);
        auto const worker = std::move(*outcome);
        if (stopping_) {
            worker->close();
        } else {
            workers_[place] = worker;
            load_[place] = 0;
            ++*running_;
            started_();
        }
        auto const how = co_await worker->ended();
        if (workers_[place] == nullptr) co_return; // it never counted
        workers_[place] = nullptr;
        --*running_;
        if (stopping_) co_return;
        log(log_level::error, name + " has died (" + how + ")");
        died_(worker);
    }

    executor executor_;
    mediasoup_options const options_;
    std::function<void(worker_ptr const&)> died_;
    std::function<void()> started_;
    std::shared_ptr<std::atomic<std::size_t>> const running_;
    detail::bell changed_; // rings at the stop, and when a supervision has ended
    std::vector<worker_ptr> workers_;
    std::vector<std::size_t> load_; // routers of each
    std::size_t supervised_ = 0;
    bool stopping_ = false;
};

} // namespace parley::signaling::mediasoup
