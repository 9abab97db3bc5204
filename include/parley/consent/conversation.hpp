// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The consent handshake as the broker speaks it (consent broker specification, §1 to §3).

#include <parley/consent/audit_records.hpp>
#include <parley/consent/challenge.hpp>
#include <parley/consent/messages.hpp>
#include <parley/consent/outbox.hpp>
#include <parley/consent/relationships.hpp>
#include <parley/consent/token.hpp>
#include <parley/consent/unwritten_entries.hpp>
#include <parley/encoding.hpp>
#include <parley/peer.hpp>
#include <parley/policy_kinds.hpp>
#include <parley/random.hpp>
#include <parley/session.hpp>
#include <parley/timestamp.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::consent {

/// The close codes of §3 that are the broker's own.
namespace close_codes {
inline constexpr std::uint16_t timeout = 4001;
inline constexpr std::uint16_t invalid_message = 4002;
inline constexpr std::uint16_t consent_failed = 4003;
inline constexpr std::uint16_t provider_not_found = 4004;
} // namespace close_codes

/// How one handshake ended, for a log line. Valid during the call only.
struct handshake_outcome {
    std::string_view session_id;
    std::string_view provider_npi;    ///< `unknown` before it is known
    std::string_view result;          ///< `new`, `existing`, or the error's code
    std::string_view relationship_id; ///< empty unless completed
    std::string_view detail;          ///< what was wrong, if anything
};

/// Since the start. Thread-safe.
struct handshake_statistics {
    std::atomic<std::uint64_t> completed{0};
    std::atomic<std::uint64_t> failed{0};
};

/// The conversation of a consent broker. One object serves every session, from any thread.
class conversation {
  public:
    using policy_kind = policy_kinds::conversation;

    /// A message that comes before its turn, or after the end, is ignored (§1).
    static constexpr bool discard_unexpected = true;

    struct options {
        std::string organization_npi;
        std::string endpoint_url; ///< providers without an address of their own are below it (§2)
        std::chrono::milliseconds auth_timeout{10'000};
        std::chrono::milliseconds challenge_timeout{30'000};
        /// Called once for each handshake, from its thread; must not throw; may be empty.
        std::function<void(handshake_outcome const&)> on_outcome = {};
    };

    explicit conversation(options o) : options_(std::move(o)) {}

    template <class Session>
    task<close_reason> operator()(Session& session) {
        return handshake<Session>::run(*this, session);
    }

    [[nodiscard]] handshake_statistics const& statistics() const { return *statistics_; }

    /// Outbox records that can be removed.
    [[nodiscard]] settled_records settled() const { return settled_; }

    /// Writes the audit entries that are owed and empties the outbox of those that are written:
    /// for whoever stops the broker. False when something stays undone, for the next start.
    template <class Storage, class Audit>
    task<bool> settle(Storage& storage, Audit& audit) {
        bool const paid = co_await pay(audit);
        auto const settled = settled_.take();
        if (settled.empty()) co_return paid;
        auto const work = [&settled](auto& tx) { settle_outbox(tx, settled); };
        auto const removed = co_await storage.write(work);
        co_return paid&& removed.has_value();
    }

    /// What patients are told to connect to (§2).
    [[nodiscard]] std::string endpoint_of(provider const& p) const {
        if (p.endpoint_url && !p.endpoint_url->empty()) return *p.endpoint_url;
        std::string_view base = options_.endpoint_url;
        while (base.ends_with('/'))
            base.remove_suffix(1);
        return std::string(base) + "/ws/provider/" + p.npi;
    }

  private:
    template <class Session>
    class handshake;

    /// Writes the entries that are owed, so that nobody is told of a relationship whose own entry
    /// is missing, and so that no more are owed than there are handshakes at once.
    template <class Audit>
    task<bool> pay(Audit& audit) {
        auto owed = unwritten_.take();
        if (owed.empty()) co_return true;
        std::vector<audit_record> entries;
        entries.reserve(owed.size());
        for (auto const& duty : owed)
            entries.push_back(duty.entry().record);
        auto const written = co_await audit.append(std::move(entries));
        if (!written) co_return false;
        for (auto& duty : owed)
            discharge(duty);
        co_return true;
    }

    /// The entry is in the audit log.
    void discharge(entry_duty& duty) {
        auto const& id = duty.entry().outbox_id;
        if (!id.empty()) settled_.add({id, std::nullopt});
        duty.written();
    }

    options options_;
    std::shared_ptr<handshake_statistics> statistics_ = std::make_shared<handshake_statistics>();
    settled_records settled_;
    unwritten_entries unwritten_;
};

/// One handshake.
template <class Session>
class conversation::handshake {
  public:
    static task<close_reason> run(conversation& owner, Session& session) {
        handshake self(owner, session);
        try {
            co_return co_await self.converse();
        } catch (std::exception const& e) {
            self.detail_ = e.what();
        }
        if (session.was_cut_off()) co_return self.end_cut_off();
        // What failed once the outcome had been decided does not change it.
        if (self.decided_) co_return close_reason(close_code::internal_error);
        co_return co_await self.fail_internally();
    }

  private:
    handshake(conversation& owner, Session& session)
        : broker_(owner), options_(owner.options_), session_(session) {}

    // §3, in its order.
    task<close_reason> converse() {
        auto const auth = co_await session_.template receive<handshake_auth>(
            session_.deadline_after(options_.auth_timeout));
        if (!auth) co_return co_await give_up(auth.error());
        if (auto const wrong = find_problem(*auth)) {
            co_return co_await fail(failure::invalid_message, wrong->text(),
                                    close_codes::invalid_message);
        }
        patient_ = auth->patient_agent_id;
        started_ = true;
        session_.audit().post(handshake_started(session_.id(), patient_));

        auto const token = check_token(*auth, session_.verifier(), session_.wall_time());
        if (!token) {
            provider_npi_ = token.error().provider_npi;
            co_return co_await fail(token.error().code, token.error().message,
                                    close_codes::consent_failed);
        }
        provider_npi_ = token->provider_npi;
        session_.describe(patient_, provider_npi_);

        auto const known = co_await look_up();
        if (!known) co_return co_await fail(known.error());
        if (!known->target) co_return co_await fail_provider_not_found();
        endpoint_ = broker_.endpoint_of(*known->target);
        if (known->active) {
            if (known->active->patient_public_key != auth->patient_public_key) {
                co_return co_await fail_key_mismatch();
            }
            co_return co_await complete(known->active->relationship_id, "existing", nullptr);
        }

        if (auto const unproven = co_await challenge(*token)) co_return *unproven;
        co_return co_await establish(*token, auth->patient_public_key);
    }

    struct known_parties {
        std::optional<provider> target;
        std::optional<relationship> active;
    };

    task<result<known_parties>> look_up() {
        auto const query = [this](auto& tx) {
            known_parties found{find_provider(tx, provider_npi_), std::nullopt};
            if (found.target) found.active = find_active_relationship(tx, patient_, provider_npi_);
            return found;
        };
        return session_.storage().read(query);
    }

    /// Step 6. Empty when the peer has proven that it holds the key; else how to close.
    task<std::optional<close_reason>> challenge(consent_token const& token) {
        handshake_challenge const question{make_nonce(), provider_npi_, options_.organization_npi};
        auto const deadline = session_.deadline_after(options_.challenge_timeout);
        if (!co_await session_.send(question)) {
            co_return co_await abandon("PEER_DISCONNECTED", close_code::normal);
        }
        // A second `handshake.auth` is out of turn whenever it arrives.
        auto const answer =
            co_await session_.template receive<handshake_challenge_response, handshake_auth>(
                deadline);
        if (!answer) co_return co_await give_up(answer.error());
        auto const proof = verify_challenge(question.nonce, answer->signed_nonce,
                                            token.patient_public_key, session_.verifier());
        if (!proof) {
            co_return co_await fail(failure::consent_failed, proof.error().text(),
                                    close_codes::consent_failed);
        }
        if (is_expired(token, session_.wall_time())) {
            co_return co_await fail(failure::consent_failed,
                                    "consent_token_payload.exp: has passed",
                                    close_codes::consent_failed);
        }
        co_return std::nullopt;
    }

    /// Step 7.
    task<close_reason> establish(consent_token const& token, std::string const& public_key) {
        if (!co_await broker_.pay(session_.audit())) {
            co_return co_await fail(make_error_code(errc::audit_unavailable));
        }
        auto const id = random_uuid();
        auto const now = format_timestamp(session_.wall_time());
        auto const created =
            relationship_established(patient_, id, provider_npi_, token.consented_actions);
        std::vector<outbox_record> waiting;
        if (keeps_entries(session_.audit())) waiting.push_back(to_outbox(created, now));
        auto duty = broker_.unwritten_.announce(
            {id, created, waiting.empty() ? std::string() : waiting.front().outbox_id});
        establish_request const request{
            patient_, provider_npi_, public_key,        json::encode_text(token.consented_actions),
            id,       now,           std::move(waiting)};
        auto const settled = broker_.settled_.take();
        auto const work = [&request, &settled](auto& tx) {
            settle_outbox(tx, settled);
            return establish_relationship(tx, request);
        };
        auto const outcome = co_await session_.storage().write(work);
        if (!outcome) {
            for (auto const& record : settled)
                broker_.settled_.add(record);
            co_return co_await fail(outcome.error());
        }
        using kind = establish_outcome::kind;
        switch (outcome->how) {
        case kind::provider_gone:
            co_return co_await fail_provider_not_found();
        case kind::key_mismatch:
            co_return co_await fail_key_mismatch();
        case kind::existing:
            co_return co_await complete(outcome->is->relationship_id, "existing", nullptr);
        case kind::created:
            break;
        }
        duty.committed();
        co_return co_await complete(id, "new", &duty);
    }

    /// Writes the audit entries, waits until they are durable, and only then tells the peer.
    /// \param own is for whoever made the relationship: to write its entry.
    task<close_reason> complete(std::string const& relationship_id, std::string_view status,
                                entry_duty* own) {
        bool told = co_await broker_.pay(session_.audit());
        // Another handshake may be about to write the entry of this relationship.
        if (told && !own) told = co_await broker_.unwritten_.is_written(relationship_id);
        if (!told) {
            if (own) own->give_up();
            co_return co_await fail(make_error_code(errc::audit_unavailable));
        }

        std::vector<audit_record> entries;
        if (own) entries.push_back(own->entry().record);
        entries.push_back(
            handshake_completed(session_.id(), patient_, relationship_id, status, provider_npi_));
        auto const written = co_await session_.audit().append(std::move(entries));
        if (!written) {
            if (own) own->give_up(); // before the peer is told, which may take its time
            co_return co_await fail(written.error());
        }
        decided_ = true;
        if (own) broker_.discharge(*own);

        handshake_complete const answer{relationship_id, endpoint_, std::string(status)};
        session_.complete();
        ++broker_.statistics_->completed;
        report(status, relationship_id, {});
        co_await session_.send_last(answer); // done is done, even if the peer has gone meanwhile
        co_return close_reason(close_code::normal, "Handshake complete");
    }

    /// Ends a handshake whose next message did not come, or was not the one to come.
    task<close_reason> give_up(receive_failure why) {
        switch (why.status) {
        case receive_status::timed_out:
            co_return co_await time_out();
        case receive_status::message:
            co_return co_await fail(failure::invalid_message, why.what.text(),
                                    close_codes::invalid_message);
        case receive_status::binary:
            co_return co_await fail(failure::invalid_message,
                                    "expected a text message, found a binary one",
                                    close_codes::invalid_message);
        case receive_status::too_big:
            co_return co_await abandon("MESSAGE_TOO_BIG", close_code::too_big);
        case receive_status::peer_closed:
            co_return co_await abandon("PEER_DISCONNECTED", close_code::normal);
        case receive_status::stopping:
        case receive_status::closing:
            break;
        }
        co_return co_await abandon("SHUTTING_DOWN", close_code::going_away);
    }

    task<close_reason> time_out() {
        count_failure();
        auto const code = wire_name(failure::auth_timeout);
        report(code, {}, {});
        co_await record(handshake_timeout(session_.id()));
        handshake_error const error{std::string(code), "no message came in time"};
        co_await session_.send_last(error);
        co_return close_reason(close_codes::timeout, std::string(code));
    }

    /// The peer cannot or need not be told.
    task<close_reason> abandon(std::string_view why, std::uint16_t code) {
        count_failure();
        report(why, {}, {});
        if (started_) {
            co_await record(handshake_failed(session_.id(), patient_, why, provider_npi_));
        }
        co_return close_reason(code);
    }

    task<close_reason> fail_provider_not_found() {
        return fail(failure::provider_not_found,
                    "provider " + provider_npi_ + " is not registered here",
                    close_codes::provider_not_found);
    }

    task<close_reason> fail_key_mismatch() {
        return fail(failure::consent_failed,
                    "patient_public_key: is not the key of the existing relationship",
                    close_codes::consent_failed);
    }

    task<close_reason> fail(error_code why) {
        detail_ = why.message();
        return fail_internally();
    }

    /// Step 8: the peer learns that something is wrong here, and no more.
    task<close_reason> fail_internally() {
        return fail(failure::server_error, "internal error", close_code::internal_error);
    }

    task<close_reason> fail(failure why, std::string message, std::uint16_t code) {
        count_failure();
        auto const name = wire_name(why);
        report(name, {}, detail_.empty() ? std::string_view(message) : detail_);
        if (started_) {
            co_await record(handshake_failed(session_.id(), patient_, name, provider_npi_));
        }
        handshake_error const error{std::string(name), std::move(message)};
        co_await session_.send_last(error);
        co_return close_reason(code, std::string(name));
    }

    /// The server's grace is over: nothing can be waited for any more.
    close_reason end_cut_off() {
        if (!decided_) {
            count_failure();
            report("SHUTTING_DOWN", {}, detail_);
            if (started_) {
                session_.audit().post(
                    handshake_failed(session_.id(), patient_, "SHUTTING_DOWN", provider_npi_));
            }
        }
        return close_reason(close_code::going_away);
    }

    void count_failure() {
        decided_ = true;
        ++broker_.statistics_->failed;
    }

    /// A failure's entry is written before the close; if it cannot be, the failure stands anyway,
    /// and the audit policy itself reports that it is failing.
    task<> record(audit_record entry) {
        std::vector<audit_record> entries;
        entries.push_back(std::move(entry));
        auto const ignored = co_await session_.audit().append(std::move(entries));
        static_cast<void>(ignored);
    }

    void report(std::string_view how, std::string_view relationship_id,
                std::string_view detail) const {
        if (!options_.on_outcome) return;
        options_.on_outcome({session_.id(), provider_npi_, how, relationship_id, detail});
    }

    conversation& broker_;
    options const& options_;
    Session& session_;
    std::string patient_;
    std::string provider_npi_ = "unknown";
    std::string endpoint_;
    std::string detail_; // of a server error, for the log only
    bool started_ = false;
    bool decided_ = false; // how it ended
};

} // namespace parley::consent
