// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// No media server: for signalling only, and for tests.

#include <parley/random.hpp>
#include <parley/signaling/media.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace parley::signaling {

/// Answers as a media server would, keeps count of what there is, and carries no sound. Copies are
/// the same one. Thread-safe.
class null_media {
  public:
    /// What there is now.
    struct counts {
        std::size_t channels = 0;
        std::size_t transports = 0;
        std::size_t producers = 0;
        std::size_t consumers = 0;
        std::size_t speaking = 0; ///< producers that are not paused

        bool operator==(counts const&) const = default;
    };

    task<media_result<boost::json::object>> capabilities(std::string channel) {
        std::scoped_lock lock(state_->mutex);
        state_->channels.try_emplace(channel);
        boost::json::object const opus{{"kind", "audio"},
                                       {"mimeType", "audio/opus"},
                                       {"preferredPayloadType", 111},
                                       {"clockRate", 48000},
                                       {"channels", 2}};
        boost::json::object answered{{"codecs", boost::json::array{opus}},
                                     {"headerExtensions", boost::json::array()}};
        co_return answered;
    }

    task<media_result<transport_parameters>> create_transport(std::string channel,
                                                              media_direction) {
        std::scoped_lock lock(state_->mutex);
        transport_parameters made;
        made.id = random_uuid();
        made.iceParameters = {{"usernameFragment", made.id}, {"iceLite", true}};
        made.dtlsParameters = {{"role", "auto"}};
        state_->channels[channel].emplace(made.id, transport());
        co_return made;
    }

    task<media_result<void>> connect_transport(std::string id, boost::json::value const&) {
        std::scoped_lock lock(state_->mutex);
        if (!state_->find(id)) co_return no("transport");
        co_return media_result<void>();
    }

    task<media_result<std::string>> produce(std::string transport_id, std::string kind,
                                            boost::json::value const&) {
        std::scoped_lock lock(state_->mutex);
        auto* const on = state_->find(transport_id);
        if (!on) co_return no("transport");
        if (kind != "audio") co_return media_failure{"kind: expected audio"};
        auto const id = random_uuid();
        on->speaking.emplace(id, false);
        co_return media_result<std::string>(boost::system::in_place_value, id);
    }

    task<media_result<consumer_parameters>> consume(std::string transport_id, std::string producer,
                                                    boost::json::value const&) {
        std::scoped_lock lock(state_->mutex);
        auto* const on = state_->find(transport_id);
        if (!on) co_return no("transport");
        if (!state_->owner(producer)) co_return no("producer");
        ++on->consumers;
        co_return consumer_parameters{random_uuid(), producer, "audio", {}};
    }

    void pause(std::string const& producer) { set_speaking(producer, false); }
    void resume(std::string const& producer) { set_speaking(producer, true); }

    void close_transport(std::string const& id) {
        std::scoped_lock lock(state_->mutex);
        for (auto& [channel, transports] : state_->channels)
            transports.erase(id);
    }

    void close_producer(std::string const& producer) {
        std::scoped_lock lock(state_->mutex);
        if (auto* const on = state_->owner(producer)) on->speaking.erase(producer);
    }

    void close_channel(std::string const& channel) {
        std::scoped_lock lock(state_->mutex);
        state_->channels.erase(channel);
    }

    [[nodiscard]] std::size_t workers() const { return 0; }

    void on_restart(std::function<void(std::vector<std::string> const&)> restarted) {
        state_->restarted = std::move(restarted);
    }

    [[nodiscard]] counts count() const {
        std::scoped_lock lock(state_->mutex);
        counts all;
        all.channels = state_->channels.size();
        for (auto const& [channel, transports] : state_->channels) {
            all.transports += transports.size();
            for (auto const& [id, on] : transports) {
                all.producers += on.speaking.size();
                all.consumers += on.consumers;
                for (auto const& [producer, speaks] : on.speaking)
                    all.speaking += speaks ? 1 : 0;
            }
        }
        return all;
    }

    /// How many producers of a channel are not paused.
    [[nodiscard]] std::size_t speaking(std::string const& channel) const {
        std::scoped_lock lock(state_->mutex);
        std::size_t all = 0;
        auto const found = state_->channels.find(channel);
        if (found == state_->channels.end()) return all;
        for (auto const& [id, on] : found->second) {
            for (auto const& [producer, speaks] : on.speaking)
                all += speaks ? 1 : 0;
        }
        return all;
    }

    /// For tests: as if the worker of all channels had died.
    void restart() {
        std::vector<std::string> gone;
        {
            std::scoped_lock lock(state_->mutex);
            for (auto const& [channel, transports] : std::exchange(state_->channels, {}))
                gone.push_back(channel);
        }
        state_->restarted(gone);
    }

  private:
    struct transport {
        std::map<std::string, bool> speaking; // producers
        std::size_t consumers = 0;
    };

    struct state {
        transport* find(std::string const& id) {
            for (auto& [channel, transports] : channels) {
                if (auto const found = transports.find(id); found != transports.end())
                    return &found->second;
            }
            return nullptr;
        }

        transport* owner(std::string const& producer) {
            for (auto& [channel, transports] : channels) {
                for (auto& [id, on] : transports) {
                    if (on.speaking.contains(producer)) return &on;
                }
            }
            return nullptr;
        }

        std::mutex mutex;
        std::map<std::string, std::map<std::string, transport>> channels;
        std::function<void(std::vector<std::string> const&)> restarted =
            [](std::vector<std::string> const&) {};
    };

    static media_failure no(std::string const& what) { return {"there is no such " + what}; }

    void set_speaking(std::string const& producer, bool speaks) {
        std::scoped_lock lock(state_->mutex);
        if (auto* const on = state_->owner(producer)) on->speaking[producer] = speaks;
    }

    std::shared_ptr<state> state_ = std::make_shared<state>();
};

static_assert(media_server<null_media>);

} // namespace parley::signaling
