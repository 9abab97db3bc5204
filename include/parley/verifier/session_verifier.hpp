// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Sessions that outlive a connection: a token stands for what was once proven, until it has not
/// been used for a while.

#include <parley/encoding.hpp>
#include <parley/error.hpp>
#include <parley/peer.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/random.hpp>
#include <parley/task.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley {

namespace detail {

/// How long it takes does not tell where the two differ.
template <std::size_t N>
bool equal_in_constant_time(std::span<std::uint8_t const, N> a,
                            std::span<std::uint8_t const, N> b) {
    std::uint8_t volatile difference = 0;
    for (std::size_t i = 0; i < N; ++i)
        difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
    return difference == 0;
}

} // namespace detail

/// One login. `Data` is what it stands for; it is destroyed, on the thread that ends the session or
/// on that of its last user, when the session is over. Thread-safe.
template <class Data>
class login_session {
  public:
    login_session(Data data, time_point now, std::chrono::milliseconds timeout)
        : timeout_(timeout), last_activity_(now), data_(std::make_shared<Data>(std::move(data))) {}

    /// Null once the session has ended. Whoever holds it longer keeps it alive.
    [[nodiscard]] std::shared_ptr<Data> data() const {
        std::scoped_lock lock(mutex_);
        return data_;
    }

    /// The user is there: the session lasts another timeout from `now`. False when it is too late:
    /// what has ended or expired is not brought back.
    bool touch(time_point now) {
        std::scoped_lock lock(mutex_);
        if (!data_ || last_activity_ + timeout_ <= now) return false;
        last_activity_ = std::max(last_activity_, now);
        return true;
    }

    /// When it ends if nothing happens.
    [[nodiscard]] time_point expires_at() const {
        std::scoped_lock lock(mutex_);
        return last_activity_ + timeout_;
    }

    /// While one of these lives, `ended` is called once, on any thread, when the session ends; at
    /// once when it has. `ended` must be quick, not throw, and not use the session.
    class watch {
      public:
        watch(std::shared_ptr<login_session> of, std::function<void()> ended)
            : session_(std::move(of)) {
            std::scoped_lock lock(session_->mutex_);
            if (session_->data_) {
                key_ = ++session_->last_watch_;
                session_->watches_.emplace(key_, std::move(ended));
            } else {
                ended();
            }
        }
        watch(watch const&) = delete;
        watch& operator=(watch const&) = delete;
        ~watch() {
            std::scoped_lock lock(session_->mutex_);
            session_->watches_.erase(key_);
        }

      private:
        std::shared_ptr<login_session> session_;
        std::uint64_t key_ = 0;
    };

    /// Ends it; the store does.
    void end() {
        std::shared_ptr<Data> last; // destroyed without the lock
        std::scoped_lock lock(mutex_);
        last.swap(data_);
        for (auto const& [key, ended] : watches_)
            ended();
        watches_.clear();
    }

  private:
    std::chrono::milliseconds const timeout_;
    mutable std::mutex mutex_;
    time_point last_activity_;
    std::shared_ptr<Data> data_;
    std::map<std::uint64_t, std::function<void()>> watches_;
    std::uint64_t last_watch_ = 0;
};

/// A verifier policy whose credential is the token of a session that was made earlier. Tokens have
/// 256 random bits, of which 128 are compared in constant time. Copies share the sessions.
/// Thread-safe.
template <class Data>
class session_verifier {
  public:
    using policy_kind = policy_kinds::verifier;
    using session_type = login_session<Data>;
    using credential = std::string_view;
    using identity = std::shared_ptr<session_type>;

    struct options {
        std::chrono::milliseconds timeout = std::chrono::minutes(30); ///< without any activity
        std::size_t max_sessions = 10'000;
        std::function<time_point()> now = std::chrono::steady_clock::now; ///< the transport's clock
    };

    session_verifier() : session_verifier(options{}) {}
    explicit session_verifier(options o) : state_(std::make_shared<state>(std::move(o))) {}

    /// A new session, and the token that stands for it: 43 base64url characters, to be sent to its
    /// user and kept nowhere else. `errc::overloaded` beyond `max_sessions`.
    result<std::string> begin(Data data) {
        std::array<std::uint8_t, 32> token{};
        fill_random(token);
        auto const now = state_->limits.now();
        auto session = std::make_shared<session_type>(std::move(data), now, state_->limits.timeout);
        auto const [id, secret] = split(token);
        std::scoped_lock lock(state_->mutex);
        if (state_->sessions.size() >= state_->limits.max_sessions) return errc::overloaded;
        state_->sessions.emplace(id, entry{secret, std::move(session)});
        return result<std::string>(boost::system::in_place_value, to_base64url(token));
    }

    /// The session of a token, which this moves on by one timeout; `errc::credential_refused` when
    /// there is none, or no more.
    [[nodiscard]] result<identity> verify(credential token) const {
        auto const now = state_->limits.now();
        auto session = find(token);
        if (!session || !session->touch(now)) return errc::credential_refused;
        return session;
    }

    /// Ends the session of a token; false when there is none.
    bool end(credential token) {
        auto const bytes = bytes_of(token);
        if (!bytes || !find(token)) return false;
        identity ended;
        {
            std::scoped_lock lock(state_->mutex);
            auto const found = state_->sessions.find(split(*bytes).first);
            if (found == state_->sessions.end()) return false;
            ended = std::move(found->second.session);
            state_->sessions.erase(found);
        }
        ended->end();
        return true;
    }

    /// Ends the sessions that have not been used for too long, and returns when to look again.
    time_point end_expired() {
        auto const now = state_->limits.now();
        auto next = now + state_->limits.timeout;
        std::vector<identity> expired;
        {
            std::scoped_lock lock(state_->mutex);
            std::erase_if(state_->sessions, [&](auto const& one) {
                auto const expires = one.second.session->expires_at();
                if (expires > now) {
                    next = std::min(next, expires);
                    return false;
                }
                expired.push_back(one.second.session);
                return true;
            });
        }
        for (auto const& session : expired)
            session->end();
        return next;
    }

    /// Ends every session.
    void end_all() {
        std::map<id_type, entry> all;
        {
            std::scoped_lock lock(state_->mutex);
            all.swap(state_->sessions);
        }
        for (auto const& [id, one] : all)
            one.session->end();
    }

    [[nodiscard]] std::size_t size() const {
        std::scoped_lock lock(state_->mutex);
        return state_->sessions.size();
    }

    /// The server's background work: sessions end on time, not when somebody happens to ask.
    template <class Context>
    task<> run(Context& context) {
        bool running = true;
        while (running)
            running = co_await context.wait_until(end_expired());
        end_all();
    }

  private:
    using token_type = std::array<std::uint8_t, 32>;
    using id_type = std::array<std::uint8_t, 16>;

    struct entry {
        id_type secret;
        identity session;
    };

    struct state {
        explicit state(options o) : limits(std::move(o)) {}

        options limits;
        std::mutex mutex;
        std::map<id_type, entry> sessions; // found by half of the token; the other half is compared
    };

    static std::pair<id_type, id_type> split(token_type const& token) {
        std::pair<id_type, id_type> halves;
        std::copy_n(token.begin(), 16, halves.first.begin());
        std::copy_n(token.begin() + 16, 16, halves.second.begin());
        return halves;
    }

    static std::optional<token_type> bytes_of(credential text) {
        if (text.size() != 43) return std::nullopt;
        auto const bytes = from_base64url(text);
        if (!bytes) return std::nullopt;
        token_type token{};
        std::ranges::copy(*bytes, token.begin());
        return token;
    }

    [[nodiscard]] identity find(credential text) const {
        auto const token = bytes_of(text);
        if (!token) return nullptr;
        auto const [id, secret] = split(*token);
        std::scoped_lock lock(state_->mutex);
        auto const found = state_->sessions.find(id);
        if (found == state_->sessions.end()) return nullptr;
        auto const genuine = detail::equal_in_constant_time<16>(found->second.secret, secret);
        return genuine ? found->second.session : nullptr;
    }

    std::shared_ptr<state> state_;
};

} // namespace parley
