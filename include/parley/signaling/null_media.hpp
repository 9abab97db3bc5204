// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A media server without media: for signalling alone, and for its tests.

#include <parley/detail/completion.hpp>
#include <parley/random.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/media_registry.hpp>
#include <parley/task.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling {

/// Gives plausible parameters, keeps account of what is there, and carries no media. Clients'
/// parameters are taken as they are. Thread-safe; copies are the same media server.
class null_media {
  public:
    task<media_result<boost::json::object>> capabilities(std::string) {
        auto const lock = lock_state();
        if (state_->refusal) co_return *state_->refusal;
        boost::json::object capabilities{{"codecs", opus("preferredPayloadType")},
                                         {"headerExtensions", boost::json::array()}};
        co_return capabilities;
    }

    task<media_result<transport_parameters>> create_transport(std::string channel,
                                                              media_direction direction) {
        return answered(make_transport(channel, direction));
    }

    task<media_result<void>> connect_transport(std::string transport, boost::json::value) {
        return answered(connect(transport));
    }

    task<media_result<std::string>> produce(std::string transport, std::string kind,
                                            boost::json::value) {
        return answered(make_producer(transport, kind));
    }

    task<media_result<consumer_parameters>> consume(std::string transport, std::string producer,
                                                    boost::json::value) {
        return answered(make_consumer(transport, producer));
    }

    void pause(std::string const& producer) { set_paused(producer, true); }
    void resume(std::string const& producer) { set_paused(producer, false); }

    void close_transport(std::string const& transport) {
        lock_state()->registry.remove_transport(transport);
    }
    void close_producer(std::string const& producer) {
        lock_state()->registry.remove_producer(producer);
    }
    void close_channel(std::string const& channel) {
        lock_state()->registry.remove_channel(channel);
    }

    [[nodiscard]] std::size_t workers() const { return 0; }

    void on_restart(std::function<void(std::vector<std::string> const&)> callback) {
        lock_state()->restarted = std::move(callback);
    }

    // ---- For tests ------------------------------------------------------------------------------

    [[nodiscard]] media_counts counts() const { return lock_state()->registry.counts(); }

    /// Nothing if there is no such producer.
    [[nodiscard]] std::optional<bool> paused(std::string const& producer) const {
        auto const lock = lock_state();
        auto const* found = lock->registry.find_producer(producer);
        return found != nullptr ? std::optional(found->paused) : std::nullopt;
    }

    /// From now on everything that can fail does, or nothing.
    void refuse(std::optional<media_failure> why) { lock_state()->refusal = std::move(why); }

    /// From now on what is asked for is done, but answered only after `let_go`: as by a media
    /// server that is slow. Those who wait must all be let go. One thread only.
    void hold() { lock_state()->held.emplace(); }

    void let_go() {
        auto waiting = std::exchange(lock_state()->held, std::nullopt);
        for (auto& one : *waiting)
            one(true);
    }

    /// As when a worker dies: nothing is left, and whoever must know is told.
    void restart() {
        std::vector<std::string> channels;
        std::function<void(std::vector<std::string> const&)> callback;
        {
            auto const lock = lock_state();
            for (auto const& [name, one] : lock->registry.channels())
                channels.push_back(name);
            for (auto const& name : channels)
                lock->registry.remove_channel(name);
            callback = lock->restarted;
        }
        if (callback) callback(channels);
    }

  private:
    struct state {
        std::mutex mutex;
        media_registry<> registry;
        std::optional<media_failure> refusal;
        std::function<void(std::vector<std::string> const&)> restarted;
        std::optional<std::vector<parley::detail::completion<bool>>> held; // whose answers
    };

    /// What is answered, unless answers are held back.
    template <class R>
    task<R> answered(R outcome) {
        bool const held = lock_state()->held.has_value();
        auto wait = [state = state_](parley::detail::completion<bool> done) {
            locked_state(*state)->held->push_back(std::move(done));
        };
        if (held) co_await parley::detail::await_completion<bool>(std::move(wait));
        co_return outcome;
    }

    media_result<transport_parameters> make_transport(std::string const& channel,
                                                      media_direction direction) {
        auto const lock = lock_state();
        if (state_->refusal) return *state_->refusal;
        auto id = random_uuid();
        state_->registry.add_transport(channel, id, direction);
        boost::json::object ice{
            {"usernameFragment", random_uuid()}, {"password", random_uuid()}, {"iceLite", true}};
        boost::json::object const candidate{
            {"foundation", "udpcandidate"}, {"ip", "127.0.0.1"}, {"port", 40000},
            {"priority", 1076558079},       {"protocol", "udp"}, {"type", "host"}};
        std::string fingerprint = "00";
        for (int i = 1; i < 32; ++i)
            fingerprint += ":00";
        boost::json::object const hash{{"algorithm", "sha-256"}, {"value", fingerprint}};
        boost::json::object dtls{{"role", "auto"}, {"fingerprints", boost::json::array(1, hash)}};
        return transport_parameters{std::move(id), std::move(ice), boost::json::array(1, candidate),
                                    std::move(dtls)};
    }

    media_result<void> connect(std::string const& transport) {
        auto const lock = lock_state();
        if (state_->refusal) return *state_->refusal;
        auto const found = state_->registry.connecting(transport);
        if (!found) return found.error();
        return media_result<void>();
    }

    media_result<std::string> make_producer(std::string const& transport, std::string const& kind) {
        auto const lock = lock_state();
        if (state_->refusal) return *state_->refusal;
        auto const id = random_uuid();
        auto const made = state_->registry.add_producer(transport, id, kind);
        if (!made) return made.error();
        return media_result<std::string>(boost::system::in_place_value, id);
    }

    media_result<consumer_parameters> make_consumer(std::string const& transport,
                                                    std::string const& producer) {
        auto const lock = lock_state();
        if (state_->refusal) return *state_->refusal;
        auto const id = random_uuid();
        auto const fits = state_->registry.consuming(transport, producer);
        if (!fits) return fits.error();
        state_->registry.add_consumer(transport, producer, id);
        boost::json::object const encoding{{"ssrc", 123456789}};
        boost::json::object rtp{{"mid", "0"},
                                {"codecs", opus("payloadType")},
                                {"headerExtensions", boost::json::array()},
                                {"encodings", boost::json::array(1, encoding)},
                                {"rtcp", {{"cname", "null"}, {"reducedSize", true}}}};
        return consumer_parameters{id, producer, "audio", std::move(rtp)};
    }

    /// The state, for as long as this lives. Never held across a suspension.
    class locked_state {
      public:
        explicit locked_state(state& what) : state_(&what), lock_(what.mutex) {}
        state* operator->() const { return state_; }

      private:
        state* state_;
        std::unique_lock<std::mutex> lock_;
    };

    [[nodiscard]] locked_state lock_state() const { return locked_state(*state_); }

    void set_paused(std::string const& producer, bool paused) {
        auto const lock = lock_state();
        if (auto* found = lock->registry.find_producer(producer)) found->paused = paused;
    }

    /// The only codec, whose payload type has that name.
    static boost::json::array opus(char const* type_member) {
        boost::json::object const codec{{"kind", "audio"},
                                        {"mimeType", "audio/opus"},
                                        {type_member, 111},
                                        {"clockRate", 48000},
                                        {"channels", 2},
                                        {"parameters", boost::json::object()},
                                        {"rtcpFeedback", boost::json::array()}};
        return boost::json::array(1, codec);
    }

    std::shared_ptr<state> state_ = std::make_shared<state>();
};

static_assert(media_server<null_media>);

} // namespace parley::signaling
