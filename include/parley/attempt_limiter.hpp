// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// So many attempts an address and a time, and no more: against those who guess.

#include <parley/detail/address_counts.hpp>
#include <parley/peer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace parley {

/// Counts attempts in windows that begin with an address's first. IPv6 addresses count by their
/// first 64 bits. Thread-safe; copies share the counts.
class attempt_limiter {
  public:
    struct options {
        std::size_t max_attempts = 30; ///< within a window; 0: no limit
        std::chrono::milliseconds window = std::chrono::minutes(1);
        /// Remembered at once, at least 1; beyond it the one that began first is forgotten.
        std::size_t max_addresses = 100'000;
    };

    attempt_limiter() : attempt_limiter(options{}) {}
    explicit attempt_limiter(options const& o) : state_(std::make_shared<state>(o)) {}

    /// Counts an attempt. Nothing when it is allowed, else how long to wait, at least a second.
    std::optional<std::chrono::seconds> attempt(std::string_view address, time_point now) {
        auto const& limits = state_->limits;
        if (limits.max_attempts == 0) return std::nullopt;
        auto group = detail::address_group(address);
        std::scoped_lock lock(state_->mutex);
        auto const over = [&](window const& one) { return one.begin + limits.window <= now; };
        while (!state_->windows.empty() && over(state_->windows.front()))
            state_->forget_oldest();
        auto found = state_->by_group.find(group);
        if (found == state_->by_group.end()) {
            if (state_->windows.size() >= limits.max_addresses) state_->forget_oldest();
            found = state_->begin_window(std::move(group), now);
        }
        auto& current = *found->second;
        if (current.attempts < limits.max_attempts) {
            ++current.attempts;
            return std::nullopt;
        }
        auto const left = current.begin + limits.window - now;
        return std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds{1});
    }

  private:
    struct window {
        std::string group;
        time_point begin;
        std::size_t attempts;
    };

    struct state {
        using map_type = std::map<std::string_view, std::list<window>::iterator>;

        explicit state(options const& o) : limits(o) {
            limits.max_addresses = std::max<std::size_t>(limits.max_addresses, 1);
        }

        void forget_oldest() {
            by_group.erase(windows.front().group);
            windows.pop_front();
        }

        map_type::iterator begin_window(std::string group, time_point now) {
            // Whoever asks took its `now` before the lock: another may have come in between.
            auto const begin = windows.empty() ? now : std::max(now, windows.back().begin);
            auto const at = windows.insert(windows.end(), {std::move(group), begin, 0});
            return by_group.emplace(at->group, at).first;
        }

        options limits;
        std::mutex mutex;
        std::list<window> windows; // oldest first, so that what is over is found without a search
        map_type by_group;         // names are those in the windows
    };

    std::shared_ptr<state> state_;
};

} // namespace parley
