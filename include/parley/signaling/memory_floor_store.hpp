// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Floors and members in the memory of one process: for a server on its own, and for tests of
/// several that share a store.

#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/task.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling {

/// A `floor_store`: one server's view of what it shares with the others of this process. Copies are
/// of the same server. Thread-safe. Events are told under the store's lock, on the thread of the
/// call that they come from.
class memory_floor_store {
  public:
    struct options {
        std::function<time_point()> now = std::chrono::steady_clock::now; ///< the transport's clock
        std::chrono::milliseconds lifetime = floor_lifetime; ///< of a floor that is not refreshed
    };

    memory_floor_store() : memory_floor_store(options{}) {}
    explicit memory_floor_store(options o)
        : memory_floor_store(std::make_shared<floors>(std::move(o))) {}

    /// The view of another server that shares this store.
    [[nodiscard]] memory_floor_store for_another_server() const {
        return memory_floor_store(floors_);
    }

    task<result<floor_grant>> take(std::string channel, speaker who, channel_event event) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        if (auto const holder = floors_->holder(channel)) co_return floor_grant{false, *holder};
        floors_->channels[channel].floor = {who, floors_->limits.now() + floors_->limits.lifetime,
                                            server_.get()};
        floors_->tell(event);
        co_return floor_grant{true, std::move(who)};
    }

    task<result<bool>> refresh(std::string channel, speaker who) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        if (floors_->holder(channel) != who) co_return false;
        floors_->channels[channel].floor->until = floors_->limits.now() + floors_->limits.lifetime;
        co_return true;
    }

    task<result<bool>> release(std::string channel, speaker who, channel_event event) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        if (floors_->holder(channel) != who) co_return false;
        floors_->channels[channel].floor.reset();
        floors_->tell(event);
        floors_->forget_if_empty(channel);
        co_return true;
    }

    task<result<std::vector<std::optional<speaker>>>>
    holders(std::span<std::string const> channels) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        std::vector<std::optional<speaker>> all;
        for (auto const& channel : channels)
            all.push_back(floors_->holder(channel));
        co_return all;
    }

    task<result<membership>> join(std::string channel, std::string user, std::size_t most) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        auto& users = floors_->channels[channel].users;
        if (users.size() >= most && !users.contains(user)) {
            membership const full{false, users.size()};
            floors_->forget_if_empty(channel);
            co_return full;
        }
        users[user].insert(server_.get());
        co_return membership{true, users.size()};
    }

    task<result<bool>> leave(std::string channel, std::string user) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        co_return floors_->leave(channel, user, server_.get());
    }

    task<result<void>> publish(channel_event event) {
        std::scoped_lock const lock(floors_->mutex);
        if (!server_->reachable) co_return errc::storage_unavailable;
        auto const found = floors_->channels.find(event.channel);
        event.users = found == floors_->channels.end() ? 0 : found->second.users.size();
        floors_->tell(event);
        co_return result<void>();
    }

    void listen(std::function<void(channel_event const&)> listener) {
        std::scoped_lock const lock(floors_->mutex);
        server_->listener = std::move(listener);
    }

    void reconnected(std::function<void()> callback) {
        std::scoped_lock const lock(floors_->mutex);
        server_->reconnected = std::move(callback);
    }

    void departed(std::function<void(departure const&)> callback) {
        std::scoped_lock const lock(floors_->mutex);
        server_->departed = std::move(callback);
    }

    [[nodiscard]] bool failing() const {
        std::scoped_lock const lock(floors_->mutex);
        return !server_->reachable;
    }

    /// The server's background work: none, until its end; then lets go of what is its own.
    template <class Context>
    task<> run(Context& context) {
        co_await context.wait_until(no_deadline);
        std::scoped_lock const lock(floors_->mutex);
        floors_->release_of(server_.get());
        floors_->remove_members_of(server_.get());
    }

    /// For tests: the store is out of this server's reach, or is back. While it is, the server
    /// misses the events of the others.
    void set_reachable(bool reachable) {
        std::function<void()> back;
        {
            std::scoped_lock const lock(floors_->mutex);
            if (!std::exchange(server_->reachable, reachable) && reachable)
                back = server_->reconnected;
        }
        if (back) back();
    }

    /// For tests: this server is gone without a word, and the others have noticed. Not to be used
    /// any more.
    void vanish() {
        std::vector<departure> gone;
        std::function<void(departure const&)> tell;
        {
            std::scoped_lock const lock(floors_->mutex);
            server_->reachable = false;
            std::erase(floors_->servers, server_);
            gone = floors_->remove_members_of(server_.get());
            floors_->free_floors_of(gone);
            auto const can_tell = [](auto const& s) { return s->reachable && s->departed; };
            auto const winner = std::ranges::find_if(floors_->servers, can_tell);
            if (winner != floors_->servers.end()) tell = (*winner)->departed;
        }
        for (auto const& one : gone)
            if (tell) tell(one);
    }

  private:
    struct server {
        bool reachable = true;
        std::function<void(channel_event const&)> listener;
        std::function<void()> reconnected;
        std::function<void(departure const&)> departed;
    };

    struct held_floor {
        speaker who;
        time_point until;
        server const* by;
    };

    struct channel_state {
        std::optional<held_floor> floor;
        std::map<std::string, std::set<server const*>> users; // and the servers that have them
    };

    /// What the servers share. All but `mutex` and `limits` is guarded by the former.
    struct floors {
        explicit floors(options o) : limits(std::move(o)) {}

        std::optional<speaker> holder(std::string const& channel) {
            auto const found = channels.find(channel);
            if (found == channels.end() || !found->second.floor) return std::nullopt;
            if (found->second.floor->until > limits.now()) return found->second.floor->who;
            found->second.floor.reset();
            forget_if_empty(channel);
            return std::nullopt;
        }

        void tell(channel_event const& event) const {
            for (auto const& each : servers)
                if (each->reachable && each->listener) each->listener(event);
        }

        /// Whether no server has the user in the channel after that.
        bool leave(std::string const& channel, std::string const& user, server const* from) {
            auto const found = channels.find(channel);
            if (found == channels.end()) return true;
            auto& users = found->second.users;
            auto const at = users.find(user);
            if (at == users.end()) return true;
            at->second.erase(from);
            if (!at->second.empty()) return false;
            users.erase(at);
            forget_if_empty(channel);
            return true;
        }

        /// Its users leave every channel; those who are gone, by channel.
        std::vector<departure> remove_members_of(server const* one) {
            std::vector<std::pair<std::string, std::string>> members;
            for (auto const& [name, state] : channels)
                for (auto const& [user, on] : state.users)
                    if (on.contains(one)) members.emplace_back(name, user);
            std::vector<departure> all;
            for (auto const& [name, user] : members)
                if (leave(name, user, one)) all.push_back({name, user});
            return all;
        }

        /// Frees the floors of those who are gone, and tells that they are free.
        void free_floors_of(std::vector<departure> const& gone) {
            for (auto const& one : gone) {
                auto const who = holder(one.channel);
                if (who && who->userId == one.user) channels[one.channel].floor.reset();
                forget_if_empty(one.channel);
            }
            std::set<std::string> told;
            for (auto const& one : gone)
                if (!holder(one.channel) && told.insert(one.channel).second)
                    tell({one.channel, {}, std::optional<speaker>()});
        }

        /// Frees the floors that it took.
        void release_of(server const* one) {
            std::vector<std::string> freed;
            for (auto& [name, state] : channels)
                if (state.floor && state.floor->by == one) freed.push_back(name);
            for (auto const& name : freed) {
                channels[name].floor.reset();
                tell({name, {}, std::optional<speaker>()});
                forget_if_empty(name);
            }
        }

        void forget_if_empty(std::string const& channel) {
            auto const found = channels.find(channel);
            if (found != channels.end() && !found->second.floor && found->second.users.empty())
                channels.erase(found);
        }

        options const limits;
        std::mutex mutex;
        std::map<std::string, channel_state> channels;
        std::vector<std::shared_ptr<server>> servers;
    };

    explicit memory_floor_store(std::shared_ptr<floors> shared)
        : floors_(std::move(shared)), server_(std::make_shared<server>()) {
        std::scoped_lock const lock(floors_->mutex);
        floors_->servers.push_back(server_);
    }

    std::shared_ptr<floors> floors_;
    std::shared_ptr<server> server_;
};

static_assert(floor_store<memory_floor_store>);

} // namespace parley::signaling
