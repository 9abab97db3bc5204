// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Who is connected: the connections of a server, and the sessions among them.

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
#include <tuple>
#include <utility>
#include <vector>

namespace parley {

enum class session_status {
    active,     ///< in its conversation
    completed,  ///< the conversation said that it achieved what it was for; closing
    terminated, ///< ended otherwise; closing
};

[[nodiscard]] constexpr std::string_view to_string(session_status status) {
    switch (status) {
    case session_status::active:
        return "active";
    case session_status::completed:
        return "completed";
    case session_status::terminated:
        break;
    }
    return "terminated";
}

/// One session, from the upgrade to the close.
struct session_info {
    std::string id;      ///< UUID v4
    std::string subject; ///< who it is, once the conversation knows; else empty
    std::string target;  ///< whom or what it is about, once the conversation knows; else empty
    std::chrono::system_clock::time_point started_at;
    session_status status = session_status::active;
};

/// A way to reach a session from anywhere: another session, a timer, an operator. Copyable; calls
/// are thread-safe and do nothing once the session is gone.
template <class Channel>
class session_handle {
  public:
    explicit session_handle(std::weak_ptr<Channel> channel) : channel_(std::move(channel)) {}

    /// Sends a text message, which may be shared by many sessions. A peer that does not read, and
    /// for which too much waits already, is disconnected.
    void send(std::shared_ptr<std::string const> text) const {
        if (auto const channel = channel_.lock()) {
            channel->post([message = std::move(text)](Channel& c) { c.enqueue(message); });
        }
    }

    /// Asks the conversation to end: its `receive` gives `receive_status::closing`.
    void close(close_reason reason) const {
        if (auto const channel = channel_.lock()) {
            channel->post([why = std::move(reason)](Channel& c) { c.request_close(why); });
        }
    }

  private:
    std::weak_ptr<Channel> channel_;
};

/// The connections of one server. Thread-safe; holds its lock for a few instructions, or for the
/// length of a copy.
template <class Channel>
class registry {
  public:
    void add(std::shared_ptr<Channel> const& channel) {
        std::scoped_lock lock(mutex_);
        entries_.emplace(channel.get(), entry{channel, std::nullopt});
    }

    void remove(Channel const* channel) {
        std::scoped_lock lock(mutex_);
        entries_.erase(channel);
    }

    [[nodiscard]] std::size_t connections() const {
        std::scoped_lock lock(mutex_);
        return entries_.size();
    }

    void begin_session(Channel const* channel, session_info info) {
        std::scoped_lock lock(mutex_);
        entries_.at(channel).info = std::move(info);
    }

    /// The connection is still there, its session is not.
    void end_session(Channel const* channel) {
        std::scoped_lock lock(mutex_);
        entries_.at(channel).info.reset();
    }

    /// Calls `change(session_info&)` on the session of `channel`.
    template <class Change>
    void update_session(Channel const* channel, Change change) {
        std::scoped_lock lock(mutex_);
        change(*entries_.at(channel).info);
    }

    /// The sessions, oldest first.
    [[nodiscard]] std::vector<session_info> sessions() const {
        std::vector<session_info> all;
        {
            std::scoped_lock lock(mutex_);
            for (auto const& [channel, e] : entries_) {
                if (e.info) all.push_back(*e.info);
            }
        }
        std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) {
            return std::tie(a.started_at, a.id) < std::tie(b.started_at, b.id);
        });
        return all;
    }

    /// Handles of all sessions.
    [[nodiscard]] std::vector<session_handle<Channel>> handles() const {
        std::vector<session_handle<Channel>> all;
        std::scoped_lock lock(mutex_);
        for (auto const& [channel, e] : entries_) {
            if (e.info) all.emplace_back(e.channel);
        }
        return all;
    }

    /// Handles of the sessions for which `wanted(session_info const&)` holds. It is asked of
    /// copies, when the lock has been given up: it may do anything, such as call this object.
    template <class Wanted>
    [[nodiscard]] std::vector<session_handle<Channel>> find(Wanted wanted) const {
        std::vector<entry> all;
        {
            std::scoped_lock lock(mutex_);
            for (auto const& [channel, e] : entries_) {
                if (e.info) all.push_back(e);
            }
        }
        std::vector<session_handle<Channel>> found;
        for (auto const& e : all) {
            if (wanted(*e.info)) found.emplace_back(e.channel);
        }
        return found;
    }

    /// Runs `f(channel&)` for every connection, each on its own executor.
    template <class F>
    void post_to_all(F f) const {
        std::vector<std::shared_ptr<Channel>> all;
        {
            std::scoped_lock lock(mutex_);
            for (auto const& [channel, e] : entries_) {
                if (auto strong = e.channel.lock()) all.push_back(std::move(strong));
            }
        }
        for (auto const& channel : all)
            channel->post(f);
    }

  private:
    struct entry {
        std::weak_ptr<Channel> channel;
        std::optional<session_info> info;
    };

    mutable std::mutex mutex_;
    std::map<Channel const*, entry> entries_;
};

} // namespace parley
