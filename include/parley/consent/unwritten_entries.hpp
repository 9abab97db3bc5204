// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who writes the audit entry of a new relationship, and who waits for that: nobody may be told of
/// a relationship before its entry is durable (consent broker specification, §3).

#include <parley/audit/audit_record.hpp>
#include <parley/detail/completion.hpp>
#include <parley/task.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley::consent {

/// The entry that says that a relationship was established.
struct established_entry {
    std::string relationship_id;
    audit_record record;
    std::string outbox_id; ///< empty when it does not wait in the outbox
};

namespace detail {

/// What duties and their list share. Thread-safe.
class unwritten_list {
  public:
    using waiter = parley::detail::completion<bool>;

    void add(std::string const& relationship_id) {
        std::scoped_lock lock(mutex_);
        items_[relationship_id] = {};
    }

    /// Somebody's duty ends; what is still owed is anybody's.
    void end(established_entry& entry, bool owed) {
        std::vector<waiter> told;
        {
            std::scoped_lock lock(mutex_);
            auto const at = items_.find(entry.relationship_id);
            told = std::move(at->second.waiting);
            if (owed) {
                at->second = {std::move(entry), {}};
            } else {
                items_.erase(at);
            }
        }
        for (auto& one : told)
            one(!owed);
    }

    /// What is anybody's is the caller's now.
    std::vector<established_entry> take() {
        std::vector<established_entry> taken;
        std::scoped_lock lock(mutex_);
        for (auto& [id, pending] : items_) {
            if (pending.owed) taken.push_back(*std::exchange(pending.owed, std::nullopt));
        }
        return taken;
    }

    void ask(std::string const& relationship_id, waiter done) {
        bool owed = false;
        {
            std::scoped_lock lock(mutex_);
            auto const at = items_.find(relationship_id);
            if (at != items_.end()) {
                owed = at->second.owed.has_value();
                if (!owed) return at->second.waiting.push_back(std::move(done));
            }
        }
        done(!owed);
    }

  private:
    struct item {
        std::optional<established_entry> owed; // empty while somebody has the duty
        std::vector<waiter> waiting;           // for whoever has it
    };

    std::mutex mutex_;
    std::map<std::string, item> items_; // by relationship
};

} // namespace detail

/// The duty to write one entry. It ends with this object at the latest, undone then: left for
/// another to take.
class entry_duty {
  public:
    entry_duty(std::shared_ptr<detail::unwritten_list> list, established_entry entry, bool owed)
        : list_(std::move(list)), entry_(std::move(entry)), owed_(owed) {}
    entry_duty(entry_duty&&) noexcept = default;
    entry_duty& operator=(entry_duty&&) = delete;
    ~entry_duty() { end(owed_); }

    [[nodiscard]] established_entry const& entry() const { return entry_; }

    /// There is such a relationship from now on. Until then it is as if nothing had been.
    void committed() { owed_ = true; }

    /// The entry is durable: whoever waits for that goes on.
    void written() { end(false); }

    /// The entry is not in the log: whoever waits for that goes on, and anybody may try anew.
    void give_up() { end(true); }

  private:
    void end(bool owed) {
        if (auto const list = std::exchange(list_, nullptr)) list->end(entry_, owed);
    }

    std::shared_ptr<detail::unwritten_list> list_;
    established_entry entry_;
    bool owed_;
};

/// The relationships whose entries are not known to be in the audit log. Copies share one list;
/// thread-safe.
class unwritten_entries {
  public:
    /// The duty to write this entry, once its relationship is committed; to be announced before.
    [[nodiscard]] entry_duty announce(established_entry entry) {
        list_->add(entry.relationship_id);
        return {list_, std::move(entry), false};
    }

    /// The duties that were given up undone.
    [[nodiscard]] std::vector<entry_duty> take() {
        std::vector<entry_duty> taken;
        for (auto& entry : list_->take())
            taken.emplace_back(list_, std::move(entry), true);
        return taken;
    }

    /// Whether the relationship's entry is durable. Waits for whoever has the duty of it, which
    /// takes no longer than the audit log does.
    [[nodiscard]] task<bool> is_written(std::string relationship_id) {
        auto const ask = [list = list_,
                          id = std::move(relationship_id)](detail::unwritten_list::waiter done) {
            list->ask(id, std::move(done));
        };
        co_return co_await parley::detail::await_completion<bool>(ask);
    }

  private:
    std::shared_ptr<detail::unwritten_list> list_ = std::make_shared<detail::unwritten_list>();
};

} // namespace parley::consent
