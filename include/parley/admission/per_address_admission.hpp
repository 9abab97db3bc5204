// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A decorator that keeps one address from taking all the places of another admission policy.

#include <parley/admission/admission.hpp>
#include <parley/policy_kinds.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace parley {

/// At most `max_per_address` peers of one address are in or waiting at once; one more is refused.
/// The others are passed to `Inner`. Thread-safe; copies share their counts.
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
        : counts_(std::make_shared<counts>()), limits_(limits), inner_(std::move(inner)) {}

    [[nodiscard]] ticket enter(admission_request const& request) {
        if (!counts_->take(request.address, limits_.max_per_address)) {
            return ticket(limits_.retry_after);
        }
        return ticket(limits_.retry_after, place(counts_, request.address), inner_.enter(request));
    }

    [[nodiscard]] std::size_t active() const { return inner_.active(); }
    [[nodiscard]] std::size_t queued() const { return inner_.queued(); }

  private:
    struct counts {
        std::mutex mutex;
        std::map<std::string, std::size_t, std::less<>> by_address;

        bool take(std::string const& address, std::size_t limit) {
            std::scoped_lock lock(mutex);
            auto& count = by_address[address];
            if (count >= limit) return false;
            ++count;
            return true;
        }

        void give_back(std::string const& address) {
            std::scoped_lock lock(mutex);
            auto const it = by_address.find(address);
            if (--it->second == 0) by_address.erase(it);
        }
    };

    // One counted place of an address, given back when destroyed.
    class place {
      public:
        place(std::shared_ptr<counts> owner, std::string address)
            : owner_(std::move(owner)), address_(std::move(address)) {}
        place(place&&) noexcept = default;
        place& operator=(place&&) = delete;
        ~place() {
            if (owner_) owner_->give_back(address_);
        }

      private:
        std::shared_ptr<counts> owner_;
        std::string address_;
    };

    std::shared_ptr<counts> counts_;
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
    ticket(std::chrono::seconds retry, place counted, typename Inner::ticket inner)
        : retry_after_(retry), place_(std::move(counted)), inner_(std::move(inner)) {
        if (inner_->state() == admission_state::refused) place_.reset();
    }

    std::chrono::seconds retry_after_;
    std::optional<place> place_; // before inner_: the inner ticket is given back first
    std::optional<typename Inner::ticket> inner_;
};

} // namespace parley
