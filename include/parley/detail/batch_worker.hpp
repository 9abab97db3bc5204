// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One thread that takes whatever jobs are waiting, all at once, and runs them as one batch: the
/// means of group commit for storage and audit.

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace parley::detail {

/// Runs jobs in the order posted, off the I/O threads. Thread-safe. The destructor runs every job
/// already posted, then joins.
template <class Job>
class batch_worker {
  public:
    using batch = std::vector<Job>;

    /// \param run is called on the worker's thread with at least one job; it must not throw.
    /// \param capacity is how many jobs may wait; beyond it `post` refuses.
    batch_worker(std::function<void(batch&)> run, std::size_t capacity)
        : run_(std::move(run)), capacity_(capacity), thread_([this] { loop(); }) {}

    batch_worker(batch_worker const&) = delete;
    batch_worker& operator=(batch_worker const&) = delete;

    ~batch_worker() {
        {
            std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        ready_.notify_one();
        thread_.join();
    }

    /// Moves from `job` and returns true, or leaves `job` as it was and returns false when
    /// `capacity` jobs are waiting already.
    [[nodiscard]] bool post(Job& job) {
        {
            std::scoped_lock lock(mutex_);
            if (waiting_.size() >= capacity_) return false;
            waiting_.push_back(std::move(job));
        }
        ready_.notify_one();
        return true;
    }

  private:
    void loop() {
        batch jobs;
        for (;;) {
            {
                std::unique_lock lock(mutex_);
                ready_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
                if (waiting_.empty()) return;
                jobs.swap(waiting_);
            }
            run_(jobs);
            jobs.clear();
        }
    }

    std::function<void(batch&)> run_;
    std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable ready_;
    batch waiting_;
    bool stopping_ = false;
    std::thread thread_; // last: it uses all of the above
};

} // namespace parley::detail
