// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Policies whose answers take as long as a test wants.

#include <parley/audit/memory_audit.hpp>
#include <parley/detail/completion.hpp>
#include <parley/storage/memory_storage.hpp>
#include <parley/task.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace parley::test {

/// Holds up whoever passes while it is shut. Used on one thread; copies are the same gate.
class gate {
  public:
    void shut() { state_->shut = true; }

    /// Lets everybody go on, in the order of their coming.
    void open() {
        state_->shut = false;
        for (auto& waiter : std::exchange(state_->waiting, {}))
            waiter(true);
    }

    /// Keeps those who wait, and no others.
    void open_to_newcomers() { state_->shut = false; }

    [[nodiscard]] std::size_t waiting() const { return state_->waiting.size(); }

    task<> pass() {
        if (!state_->shut) co_return;
        auto wait = [s = state_](detail::completion<bool> done) {
            s->waiting.push_back(std::move(done));
        };
        co_await detail::await_completion<bool>(wait);
    }

  private:
    struct state {
        bool shut = false;
        std::vector<detail::completion<bool>> waiting;
    };

    std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// A `memory_storage` behind gates. Copies share everything.
class gated_storage {
  public:
    using policy_kind = policy_kinds::storage;
    using transaction = memory_storage::transaction;

    template <class F>
    task<result<parley::detail::answer_of<F, transaction>>> read(F f) {
        co_await reads.pass();
        if (*defect) throw std::logic_error("secret-of-the-storage");
        co_return memory->read_now(std::move(f));
    }

    template <class F>
    task<result<parley::detail::answer_of<F, transaction>>> write(F f) {
        co_await writes.pass();
        if (*defect) throw std::logic_error("secret-of-the-storage");
        co_return memory->write_now(std::move(f));
    }

    std::shared_ptr<memory_storage> memory = std::make_shared<memory_storage>();
    gate reads;
    gate writes;
    std::shared_ptr<bool> defect = std::make_shared<bool>(false); ///< true: operations throw
};

/// A `memory_audit` whose entries become durable when a gate lets them. Copies share everything.
class gated_audit {
  public:
    using policy_kind = policy_kinds::audit;

    [[nodiscard]] bool enabled() const { return *switched_on; }

    void post(audit_record record) {
        if (enabled()) memory.post(std::move(record));
    }

    task<result<std::uint64_t>> append(std::vector<audit_record> records) {
        if (!enabled()) co_return std::uint64_t{0};
        co_await appends.pass();
        co_return co_await memory.append(std::move(records));
    }

    memory_audit memory;
    gate appends;
    std::shared_ptr<bool> switched_on = std::make_shared<bool>(true);
};

} // namespace parley::test
