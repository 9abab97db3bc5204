// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Admission that turns nobody away at the door: beyond a ceiling, peers wait in order.

#include <parley/admission/admission.hpp>
#include <parley/policy_kinds.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace parley {

/// At most `max_concurrent` peers are in at once; the others wait, first come, first served.
/// Thread-safe; copies share one queue. Each operation takes constant time.
class queueing_admission {
  public:
    using policy_kind = policy_kinds::admission;

    struct options {
        std::size_t max_concurrent = 10;                 ///< at least 1
        std::chrono::milliseconds queue_timeout{30'000}; ///< how long a peer may wait
        std::size_t max_queued = 10'000; ///< bounds the memory; beyond it peers are refused
    };

    class ticket;

    queueing_admission() : queueing_admission(options{}) {}
    explicit queueing_admission(options const& limits) : core_(std::make_shared<core>(limits)) {}

    /// A place inside or in the queue, held for as long as the ticket lives.
    [[nodiscard]] ticket enter(admission_request const& request);

    /// How many are in now.
    [[nodiscard]] std::size_t active() const {
        std::scoped_lock lock(core_->mutex);
        return core_->active;
    }

    /// How many wait now.
    [[nodiscard]] std::size_t queued() const {
        std::scoped_lock lock(core_->mutex);
        return core_->queue.size();
    }

  private:
    struct waiter {
        std::function<void()> on_admitted;
        bool admitted = false;
    };
    using place = std::list<waiter>::iterator;

    struct core {
        explicit core(options const& o) : limits(o) {}

        options const limits;
        std::mutex mutex;
        std::size_t active = 0;
        std::list<waiter> queue; // waiting, oldest first
        std::list<waiter>
            granted; // let in from the queue; spliced, so a ticket's place stays valid

        // Gives a freed slot to whoever has waited longest. Returns whom to tell, outside the lock.
        std::function<void()> pass_on() {
            if (queue.empty()) {
                --active;
                return {};
            }
            auto next = queue.begin();
            next->admitted = true;
            granted.splice(granted.end(), queue, next);
            return std::move(next->on_admitted);
        }
    };

    std::shared_ptr<core> core_;
};

/// RAII: destroying it gives the slot to the next peer, or leaves the queue.
class queueing_admission::ticket {
  public:
    ticket(ticket&& other) noexcept
        : core_(std::move(other.core_)), place_(other.place_), state_(other.state_) {}
    ticket& operator=(ticket&&) = delete;

    ~ticket() {
        if (!core_ || state_ == admission_state::refused) return;
        std::function<void()> tell;
        {
            std::scoped_lock lock(core_->mutex);
            if (state_ == admission_state::queued) {
                bool const in = place_->admitted;
                (in ? core_->granted : core_->queue).erase(place_);
                if (in) tell = core_->pass_on();
            } else {
                tell = core_->pass_on();
            }
        }
        if (tell) tell();
    }

    [[nodiscard]] admission_state state() const {
        if (state_ != admission_state::queued) return state_;
        std::scoped_lock lock(core_->mutex);
        return place_->admitted ? admission_state::admitted : admission_state::queued;
    }

    /// How long the peer may wait from now, if queued.
    [[nodiscard]] std::chrono::milliseconds wait_limit() const {
        return core_->limits.queue_timeout;
    }

    /// What to tell a peer that is refused, or whose wait was too long.
    [[nodiscard]] std::chrono::seconds retry_after() const {
        return std::max(std::chrono::ceil<std::chrono::seconds>(core_->limits.queue_timeout),
                        std::chrono::seconds{1});
    }

  private:
    friend class queueing_admission;

    ticket(std::shared_ptr<core> owner, place where, admission_state now)
        : core_(std::move(owner)), place_(where), state_(now) {}

    std::shared_ptr<core> core_;
    place place_;
    admission_state state_; // as entered; `queued` says where to look
};

inline queueing_admission::ticket queueing_admission::enter(admission_request const& request) {
    std::scoped_lock lock(core_->mutex);
    if (core_->active < core_->limits.max_concurrent) {
        ++core_->active;
        return {core_, {}, admission_state::admitted};
    }
    if (core_->queue.size() >= core_->limits.max_queued) {
        return {core_, {}, admission_state::refused};
    }
    core_->queue.push_back({request.on_admitted});
    return {core_, std::prev(core_->queue.end()), admission_state::queued};
}

} // namespace parley
