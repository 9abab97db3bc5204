// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// One piece of work for a database: until when, and how to stop it.

#include <parley/peer.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace parley::tables {

/// Shared by the one who waits and the one who works. Thread-safe.
class operation {
  public:
    /// \param deadline is on the transport's clock.
    explicit operation(time_point deadline) : deadline_(deadline) {}

    operation(operation const&) = delete;
    operation& operator=(operation const&) = delete;

    [[nodiscard]] time_point deadline() const { return deadline_; }

    [[nodiscard]] bool cancelled() const {
        std::scoped_lock lock(mutex_);
        return cancelled_;
    }

    /// Asks for the work to stop. The one who waits is still told when it has.
    void cancel() {
        std::scoped_lock lock(mutex_);
        if (std::exchange(cancelled_, true)) return;
        if (stop_) stop_();
    }

    /// While one of these lives, `cancel` calls `stop`, on the cancelling thread; at once when it
    /// has been called already. One at a time. `stop` must be quick, not throw, and not use the
    /// operation.
    class interruption {
      public:
        interruption(operation& of, std::function<void()> stop) : of_(of) {
            std::scoped_lock lock(of_.mutex_);
            of_.stop_ = std::move(stop);
            if (of_.cancelled_) of_.stop_();
        }
        interruption(interruption const&) = delete;
        interruption& operator=(interruption const&) = delete;
        ~interruption() {
            std::scoped_lock lock(of_.mutex_);
            of_.stop_ = nullptr;
        }

      private:
        operation& of_;
    };

  private:
    time_point const deadline_;
    mutable std::mutex mutex_;
    std::function<void()> stop_;
    bool cancelled_ = false;
};

using operation_ptr = std::shared_ptr<operation>;

} // namespace parley::tables
