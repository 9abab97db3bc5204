// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// So many attempts an address and a time, and no more: against those who guess.

#include <parley/detail/address_counts.hpp>
#include <parley/peer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
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
        std::size_t max_addresses = 100'000; ///< remembered at once; beyond it the oldest is not
    };

    attempt_limiter() : attempt_limiter(options{}) {}
    explicit attempt_limiter(options const& o) : state_(std::make_shared<state>(o)) {}

    /// Counts an attempt. Nothing when it is allowed, else how long to wait, at least a second.
    std::optional<std::chrono::seconds> attempt(std::string_view address, time_point now) {
        auto const& limits = state_->limits;
        if (limits.max_attempts == 0) return std::nullopt;
        auto group = detail::address_group(address);
        std::scoped_lock lock(state_->mutex);
        auto found = state_->windows.find(group);
        if (found != state_->windows.end() && found->second.begin + limits.window <= now) {
            state_->windows.erase(found);
            found = state_->windows.end();
        }
        if (found == state_->windows.end()) {
            make_room(now);
            found = state_->windows.emplace(std::move(group), window{now, 0}).first;
        }
        if (found->second.attempts < limits.max_attempts) {
            ++found->second.attempts;
            return std::nullopt;
        }
        auto const left = found->second.begin + limits.window - now;
        return std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds{1});
    }

  private:
    struct window {
        time_point begin;
        std::size_t attempts;
    };

    struct state {
        explicit state(options const& o) : limits(o) {}

        options const limits;
        std::mutex mutex;
        std::map<std::string, window, std::less<>> windows;
    };

    /// Forgets what is over, and the oldest if that is not enough: seldom, and then many at once.
    void make_room(time_point now) {
        auto& windows = state_->windows;
        if (windows.size() < state_->limits.max_addresses) return;
        std::erase_if(windows, [&](auto const& one) {
            return one.second.begin + state_->limits.window <= now;
        });
        if (windows.size() < state_->limits.max_addresses) return;
        windows.erase(std::ranges::min_element(windows, {},
                                               [](auto const& one) { return one.second.begin; }));
    }

    std::shared_ptr<state> state_;
};

} // namespace parley
