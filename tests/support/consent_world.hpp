// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A consent broker in memory, and the patients who come to it.

#include <parley/admission/queueing_admission.hpp>
#include <parley/consent/conversation.hpp>
#include <parley/server.hpp>
#include <parley/transport/memory_transport.hpp>
#include <parley/verifier/ed25519_verifier.hpp>
#include <tests/support/gate.hpp>
#include <tests/support/memory_peer.hpp>
#include <tests/support/patient.hpp>

#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::test {

using memory_broker =
    basic_handshake_server<consent::conversation, memory_transport, queueing_admission,
                           ed25519_verifier, gated_storage, gated_audit>;

/// Is this how a UUID v4 is written?
inline bool is_uuid(std::string_view text) {
    constexpr std::string_view form = "hhhhhhhh-hhhh-4hhh-vhhh-hhhhhhhhhhhh";
    return text.size() == form.size() && std::ranges::equal(text, form, [](char c, char wanted) {
               if (wanted == 'h')
                   return std::string_view("0123456789abcdef").find(c) != std::string_view::npos;
               if (wanted == 'v') return std::string_view("89ab").find(c) != std::string_view::npos;
               return c == wanted;
           });
}

/// Replaces each different UUID v4 by #1, #2… in the order of their first appearance.
class uuid_names {
  public:
    std::string operator()(std::string text) {
        constexpr std::size_t length = 36;
        for (std::size_t at = 0; at + length <= text.size(); ++at) {
            auto const id = text.substr(at, length);
            if (!is_uuid(id)) continue;
            auto const next = "#" + std::to_string(names_.size() + 1);
            text.replace(at, length, names_.try_emplace(id, next).first->second);
        }
        return text;
    }

  private:
    std::map<std::string, std::string> names_;
};

struct consent_world_options {
    std::size_t ceiling = 10;
    std::chrono::milliseconds queue_timeout{30'000};
    std::size_t max_message = 64 * 1024;
    std::string endpoint_url = "http://localhost:3000";
};

/// A broker with one registered provider, on a clock that starts at `beginning`.
class consent_world : public memory_world {
  public:
    explicit consent_world(consent_world_options const& o = {})
        : broker_(
              {.path = path, .limits = {.max_message = o.max_message}},
              consent::conversation({.organization_npi = organization_npi,
                                     .endpoint_url = o.endpoint_url,
                                     .on_outcome =
                                         [this](consent::handshake_outcome const& how) {
                                             details.emplace_back(how.detail);
                                         }}),
              transport,
              queueing_admission({.max_concurrent = o.ceiling, .queue_timeout = o.queue_timeout}),
              storage, audit) {
        add_provider({.npi = registered_npi});
        BOOST_REQUIRE(broker_.start(io, {}));
    }

    ~consent_world() {
        storage.reads.open();
        storage.writes.open();
        audit.appends.open();
        stop();
        advance(std::chrono::minutes{1});
        BOOST_TEST(broker_.connections() == 0u);
        BOOST_TEST(admission().active() == 0u);
        BOOST_TEST(admission().queued() == 0u);
    }

    /// Begins to shut the broker down.
    void stop() {
        asio::co_spawn(io, broker_.async_stop(std::chrono::seconds{10}), asio::detached);
        settle();
    }

    memory_broker& broker() { return broker_; }
    queueing_admission& admission() { return broker_.policies().admission; }

    /// A new connection that asks for the upgrade.
    memory_peer connect() { return memory_peer(*this, path, "192.0.2.1"); }

    /// A connection whose first message has been sent.
    memory_peer introduce(patient const& who) {
        auto peer = connect();
        peer.send(who.auth_text());
        return peer;
    }

    /// Goes through a handshake that is expected to succeed.
    consent::handshake_complete shake_hands(patient const& who) {
        auto peer = introduce(who);
        auto text = peer.take();
        if (text.find("handshake.challenge") != text.npos) {
            peer.send(who.answer(text));
            text = peer.take();
        }
        return as<consent::handshake_complete>(text);
    }

    void add_provider(consent::provider const& p) {
        change([&](auto& tx) { consent::add_provider(tx, p, "2026-01-01T00:00:00.000Z"); });
    }

    template <class F>
    void change(F f) {
        BOOST_REQUIRE(storage.memory->write_now(std::move(f)));
    }

    /// All of a table.
    template <class Row>
    std::vector<Row> rows() {
        return storage.memory->read_now([](auto& tx) { return tx.template select<Row>(); }).value();
    }

    /// The audit entries, each as `action actor details`, with names for the ids in them.
    [[nodiscard]] std::vector<std::string> journal() const {
        std::vector<std::string> lines;
        uuid_names name;
        for (auto const& entry : audit.memory.entries()) {
            BOOST_TEST(entry.action.starts_with(entry.category + "."));
            lines.push_back(name(entry.action + " " + entry.actor.value_or("-") + " " +
                                 boost::json::serialize(entry.details)));
        }
        return lines;
    }

    static inline std::string const path = "/ws/handshake";

    gated_storage storage;
    gated_audit audit;
    std::vector<std::string>
        details; ///< of the handshakes that have ended, as they would be logged

  private:
    memory_broker broker_;
};

} // namespace parley::test
