// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Sessions that outlive a connection: a token stands for what was once proven, until it has not
/// been used for a while.

#include <parley/detail/exception_text.hpp>
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
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

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

    /// Ends it; the store does. All watches are called even if one breaks its word and throws; the
    /// last such exception is thrown on.
    void end() {
        std::shared_ptr<Data> last; // destroyed without the lock
        std::exception_ptr failure;
        std::scoped_lock lock(mutex_);
        last.swap(data_);
        for (auto const& [key, ended] : watches_) {
            try {
                ended();
            } catch (...) {
                failure = std::current_exception();
            }
        }
        watches_.clear();
        if (failure) std::rethrow_exception(failure);
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
        /// Told what failed when a session ended by itself; must not throw; may be empty.
        std::function<void(std::string_view)> log = {};
    };

    session_verifier() : session_verifier(options{}) {}
    explicit session_verifier(options o) : state_(std::make_shared<state>(std::move(o))) {}

    /// A new session, and the token that stands for it: 43 base64url characters, to be sent to its
    /// user and kept nowhere else. `errc::overloaded` beyond `max_sessions`.
    /// \param instead_of the token of a session, if there is one, that ends when this one begins,
    /// and lives on when this fails.
    result<std::string> begin(Data data, credential instead_of = {}) {
        std::array<std::uint8_t, 32> token{};
        fill_random(token);
        auto const now = state_->limits.now();
        auto session = std::make_shared<session_type>(std::move(data), now, state_->limits.timeout);
        auto const [id, secret] = split(token);
        identity earlier;
        {
            std::scoped_lock lock(state_->mutex);
            auto const found = locate(instead_of);
            bool const has_place = found != state_->sessions.end();
            if (!has_place && state_->sessions.size() >= state_->limits.max_sessions) {
                return errc::overloaded;
            }
            state_->sessions.emplace(id, entry{secret, std::move(session)});
            if (has_place) earlier = take(found);
        }
        if (earlier) earlier->end();
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
        identity ended;
        {
            std::scoped_lock lock(state_->mutex);
            auto const found = locate(token);
            if (found == state_->sessions.end()) return false;
            ended = take(found);
        }
        ended->end();
        return true;
    }

    /// Ends the sessions that have not been used for too long, and returns when to look again.
    time_point end_expired() {
        auto const now = state_->limits.now();
        auto next = now + state_->limits.timeout;
        session_map expired;
        {
            std::scoped_lock lock(state_->mutex);
            for (auto at = state_->sessions.begin(); at != state_->sessions.end();) {
                auto const one = at++;
                auto const expires = one->second.session->expires_at();
                if (expires > now) {
                    next = std::min(next, expires);
                } else {
                    expired.insert(state_->sessions.extract(one)); // allocates nothing
                }
            }
        }
        end_each(expired);
        return next;
    }

    /// Ends every session.
    void end_all() {
        session_map all;
        {
            std::scoped_lock lock(state_->mutex);
            all.swap(state_->sessions);
        }
        end_each(all);
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
    using session_map = std::map<id_type, entry>;

    struct state {
        explicit state(options o) : limits(std::move(o)) {}

        options limits;
        std::mutex mutex;
        session_map sessions; // found by half of the token; the other half is compared
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

    /// With the lock held.
    [[nodiscard]] typename session_map::iterator locate(credential text) const {
        auto& sessions = state_->sessions;
        auto const token = bytes_of(text);
        if (!token) return sessions.end();
        auto const [id, secret] = split(*token);
        auto const found = sessions.find(id);
        if (found == sessions.end()) return found;
        auto const genuine = detail::equal_in_constant_time<16>(found->second.secret, secret);
        return genuine ? found : sessions.end();
    }

    [[nodiscard]] identity find(credential token) const {
        std::scoped_lock lock(state_->mutex);
        auto const found = locate(token);
        return found == state_->sessions.end() ? nullptr : found->second.session;
    }

    /// Out of the store; with the lock held.
    identity take(typename session_map::iterator at) {
        return std::move(state_->sessions.extract(at).mapped().session);
    }

    /// What one of them throws is no reason not to end the others, or those that come later.
    void end_each(session_map const& ended) const {
        for (auto const& [id, one] : ended) {
            try {
                one.session->end();
            } catch (...) {
                if (auto const& log = state_->limits.log) {
                    log("the end of a session failed: " + detail::exception_text());
                }
            }
        }
    }

    std::shared_ptr<state> state_;
};

} // namespace parley
