// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Storage that lasts as long as the process: for tests, and for servers that may forget.

#include <parley/detail/storage_call.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/storage/table.hpp>
#include <parley/task.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <typeindex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parley {

/// A storage policy without a database. Thread-safe: one `read` or `write` runs at a time, on the
/// caller's own thread and without suspending. A criterion is met by looking at every row, so it is
/// for thousands of rows, not for millions.
class memory_storage {
  public:
    using policy_kind = policy_kinds::storage;

    /// What an operation sees and does; the same operations as a `soci_storage` transaction.
    class transaction;

    memory_storage() : state_(std::make_unique<state>()) {}

    /// The answer of `f(transaction&)`. `f` must not change anything: it gets
    /// `errc::storage_unavailable` when it tries. Exceptions of `f` as for `write`.
    template <class F>
    task<result<detail::answer_of<F, transaction>>> read(F f) {
        co_return read_now(std::move(f));
    }

    /// The answer of `f(transaction&)`, all of whose changes are kept, or none when `f` throws. A
    /// `boost::system::system_error` from `f` is returned as its code; anything else passes through
    /// to the caller. `f` must not call the storage itself.
    template <class F>
    task<result<detail::answer_of<F, transaction>>> write(F f) {
        co_return write_now(std::move(f));
    }

    /// `read` for those who are no coroutine.
    template <class F>
    result<detail::answer_of<F, transaction>> read_now(F f) {
        return transact(f, false);
    }

    /// `write` for those who are no coroutine.
    template <class F>
    result<detail::answer_of<F, transaction>> write_now(F f) {
        return transact(f, true);
    }

    /// From now on every operation fails with `error`, as those of a database that went away would;
    /// `fail_with({})` ends it. For tests. Thread-safe.
    void fail_with(error_code error) {
        std::scoped_lock lock(state_->mutex);
        state_->failure = error;
    }

  private:
    struct any_rows {
        virtual ~any_rows() = default;
    };

    template <class Row>
    static constexpr std::size_t key_index = detail::column_index<Row>(table<Row>::primary_key);

    template <class Row>
    struct rows final : any_rows {
        std::map<std::tuple_element_t<key_index<Row>, detail::column_types<Row>>, Row> by_key;
    };

    struct state {
        std::mutex mutex;
        std::unordered_map<std::type_index, std::unique_ptr<any_rows>> tables;
        error_code failure;
    };

    template <class F>
    result<detail::answer_of<F, transaction>> transact(F& f, bool writable);

    std::unique_ptr<state> state_; // a mutex cannot move, a storage can
};

class memory_storage::transaction {
  public:
    /// The rows that meet all the criteria, in the order of their primary keys.
    template <table_row Row, criterion_for<Row>... C>
    [[nodiscard]] std::vector<Row> select(C const&... criteria) {
        std::vector<Row> found;
        for (Row const& row : rows_of<Row>() | std::views::values) {
            if ((detail::meets(row, criteria) && ...)) found.push_back(row);
        }
        return found;
    }

    /// The first row that meets all the criteria.
    template <table_row Row, criterion_for<Row>... C>
    [[nodiscard]] std::optional<Row> find(C const&... criteria) {
        for (Row const& row : rows_of<Row>() | std::views::values) {
            if ((detail::meets(row, criteria) && ...)) return row;
        }
        return std::nullopt;
    }

    /// \throws boost::system::system_error `errc::constraint_violated` when the primary key is
    /// taken or `table<Row>::conflicts` with another row.
    template <table_row Row>
    void insert(Row const& row) {
        auto& all = writable_rows<Row>();
        check_conflicts(row);
        auto const& key = detail::column<key_index<Row>>(row);
        if (all.contains(key)) violated();
        undo_.push_back([&all, key] { all.erase(key); });
        all.emplace(key, row);
    }

    /// Replaces the row of the same primary key; false when there is none.
    /// \throws boost::system::system_error `errc::constraint_violated` as its table's rules say.
    template <table_row Row>
    bool update(Row const& row) {
        auto& all = writable_rows<Row>();
        auto const at = all.find(detail::column<key_index<Row>>(row));
        if (at == all.end()) return false;
        if constexpr (requires { table<Row>::may_become(row, row); }) {
            if (!table<Row>::may_become(at->second, row)) violated();
        }
        check_conflicts(row);
        undo_.push_back(
            [&all, before = *at] { all.insert_or_assign(before.first, before.second); });
        at->second = row;
        return true;
    }

    /// Removes the rows that meet all the criteria, and returns how many they were.
    template <table_row Row, criterion_for<Row>... C>
    std::size_t remove(C const&... criteria) {
        auto& all = writable_rows<Row>();
        std::vector<Row> const doomed = select<Row>(criteria...);
        for (Row const& row : doomed) {
            auto const& key = detail::column<key_index<Row>>(row);
            undo_.push_back([&all, key, row] { all.emplace(key, row); });
            all.erase(key);
        }
        return doomed.size();
    }

  private:
    friend class memory_storage;

    transaction(state& s, bool writable) : state_(s), writable_(writable) {}

    template <class Row>
    auto& rows_of() {
        auto& slot = state_.tables[typeid(Row)];
        if (!slot) slot = std::make_unique<rows<Row>>();
        return static_cast<rows<Row>&>(*slot).by_key;
    }

    template <class Row>
    auto& writable_rows() {
        if (!writable_) throw boost::system::system_error(errc::storage_unavailable);
        return rows_of<Row>();
    }

    template <class Row>
    void check_conflicts(Row const& row) {
        if constexpr (requires { table<Row>::conflicts(row, row); }) {
            for (auto const& [key, other] : rows_of<Row>()) {
                if (key == detail::column<key_index<Row>>(row)) continue;
                if (table<Row>::conflicts(row, other)) violated();
            }
        }
    }

    [[noreturn]] static void violated() {
        throw boost::system::system_error(errc::constraint_violated);
    }

    void undo() {
        for (auto const& step : undo_ | std::views::reverse)
            step();
    }

    state& state_;
    bool writable_;
    std::vector<std::function<void()>> undo_; // what would take back each change made so far
};

template <class F>
result<detail::answer_of<F, memory_storage::transaction>> memory_storage::transact(F& f,
                                                                                   bool writable) {
    std::scoped_lock lock(state_->mutex);
    if (state_->failure) return {boost::system::in_place_error, state_->failure};
    transaction open(*state_, writable);
    auto outcome = detail::call_in(f, open);
    if (!outcome.succeeded()) open.undo();
    return std::move(outcome).get();
}

} // namespace parley
