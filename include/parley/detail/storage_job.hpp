// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// An operation on a storage, and whoever waits for it, as one thing that can wait in a queue.

#include <parley/detail/storage_call.hpp>

#include <optional>
#include <utility>

namespace parley::detail {

/// An operation that waits for its turn on one of the threads of a `soci_storage`.
template <class Transaction>
struct storage_job {
    virtual ~storage_job() = default;
    /// Calls the operation. False: what it did is to be undone.
    virtual bool run(Transaction&) = 0;
    /// Answers whoever waits; an `error` overrules how the operation itself ended.
    virtual void finish(error_code error) = 0;
};

template <class Transaction, class F, class Done>
class storage_job_of final : public storage_job<Transaction> {
    using answer = result<answer_of<F, Transaction>>;
    using outcome = call_outcome<answer_of<F, Transaction>>;

  public:
    storage_job_of(F f, Done done) : f_(std::move(f)), done_(std::move(done)) {}

    bool run(Transaction& transaction) override {
        outcome_.emplace(call_in(*f_, transaction));
        return outcome_->succeeded();
    }

    void finish(error_code error) override {
        f_.reset(); // what it holds is to be gone before the waiting coroutine goes on
        done_(error ? outcome(answer(boost::system::in_place_error, error)) : *std::move(outcome_));
    }

  private:
    std::optional<F> f_;
    Done done_;
    std::optional<outcome> outcome_;
};

} // namespace parley::detail
