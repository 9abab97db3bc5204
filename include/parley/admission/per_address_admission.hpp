// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A decorator that keeps one address from taking all the places of another admission policy.

#include <parley/admission/admission.hpp>
#include <parley/detail/address_counts.hpp>
#include <parley/policy_kinds.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace parley {

/// At most `max_per_address` peers of one address are in or waiting at once; one more is refused.
/// The others are passed to `Inner`. An IPv6 network of 64 bits counts as one address. Thread-safe;
/// copies share their counts.
template <class Inner>
class per_address_admission {
  public:
    using policy_kind = policy_kinds::admission;

    struct options {
        std::size_t max_per_address = 20;    ///< at least 1
        std::chrono::seconds retry_after{5}; ///< what a refused peer is told
    };

    class ticket;

    per_address_admission() : per_address_admission(options{}) {}
    explicit per_address_admission(options const& limits)
        : per_address_admission(limits, Inner()) {}
    per_address_admission(options const& limits, Inner inner)
        : limits_(limits), inner_(std::move(inner)) {}

    [[nodiscard]] ticket enter(admission_request const& request) {
        auto place = counts_.take(request.address, limits_.max_per_address);
        if (!place) return ticket(limits_.retry_after);
        return ticket(limits_.retry_after, *std::move(place), inner_.enter(request));
    }

    [[nodiscard]] std::size_t active() const { return inner_.active(); }
    [[nodiscard]] std::size_t queued() const { return inner_.queued(); }

  private:
    detail::address_counts counts_;
    options limits_;
    Inner inner_;
};

template <class Inner>
class per_address_admission<Inner>::ticket {
  public:
    [[nodiscard]] admission_state state() const {
        return inner_ ? inner_->state() : admission_state::refused;
    }
    [[nodiscard]] std::chrono::milliseconds wait_limit() const {
        return inner_ ? inner_->wait_limit() : std::chrono::milliseconds{0};
    }
    [[nodiscard]] std::chrono::seconds retry_after() const {
        return inner_ ? inner_->retry_after() : retry_after_;
    }

  private:
    friend class per_address_admission;

    explicit ticket(std::chrono::seconds retry) : retry_after_(retry) {}
    ticket(std::chrono::seconds retry, detail::address_counts::place counted,
           typename Inner::ticket inner)
        : retry_after_(retry), place_(std::move(counted)), inner_(std::move(inner)) {
        if (inner_->state() == admission_state::refused) place_.reset();
    }

    std::chrono::seconds retry_after_;
    std::optional<detail::address_counts::place>
        place_; // before inner_: the inner ticket is given back first
    std::optional<typename Inner::ticket> inner_;
};

} // namespace parley
