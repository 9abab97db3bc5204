// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a media server has: channels with transports, on which there are producers and consumers.
/// Nothing but the account of it; faults in what a client refers to are found here.

#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/signaling/media.hpp>

#include <boost/json/value.hpp>

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling {

/// How much of everything there is.
struct media_counts {
    std::size_t routers = 0;
    std::size_t transports = 0;
    std::size_t producers = 0;
    std::size_t consumers = 0;

    bool operator==(media_counts const&) const = default;
};

/// Nothing.
struct no_details {};

/// Not thread-safe. Entries stay where they are until they are removed.
/// \tparam Channel what else is kept of a channel; likewise the others.
template <class Channel = no_details, class Transport = no_details, class Producer = no_details>
class media_registry {
  public:
    /// More producers have no use for a person with one voice.
    static constexpr std::size_t max_producers = 8;
    static constexpr std::size_t max_consumers = 200; ///< on a transport

    struct producer {
        std::string transport; ///< its id
        std::string channel;
        bool paused = true;
        Producer details = {};
    };

    struct transport {
        std::string channel;
        media_direction direction = media_direction::send;
        bool connected = false;
        std::set<std::string> producers = {};
        std::map<std::string, std::string> consumers = {}; ///< by the producer; one of each
        Transport details = {};
    };

    struct channel {
        std::set<std::string> transports = {};
        Channel details = {};
    };

    using channel_map = std::map<std::string, channel>;

    [[nodiscard]] channel_map& channels() { return channels_; }

    channel* find_channel(std::string const& name) { return find(channels_, name); }
    transport* find_transport(std::string const& id) { return find(transports_, id); }
    producer* find_producer(std::string const& id) { return find(producers_, id); }

    /// Makes the channel too, if it is not there.
    transport& add_transport(std::string const& name, std::string const& id,
                             media_direction direction) {
        channels_[name].transports.insert(id);
        return transports_.emplace(id, transport{name, direction}).first->second;
    }

    /// The transport to be connected, once.
    media_result<transport*> connecting(std::string const& id) {
        auto* found = find_transport(id);
        if (found == nullptr) return unknown("transportId", "a transport that is open", id);
        if (found->connected)
            return unknown("transportId", "a transport that is not connected yet", id);
        found->connected = true;
        return found;
    }

    /// A new producer on a transport.
    media_result<producer*> add_producer(std::string const& on, std::string const& id,
                                         std::string_view kind) {
        auto* found = find_transport(on);
        if (found == nullptr || found->direction != media_direction::send)
            return unknown("transportId", "a transport to send on, which is open", on);
        if (kind != "audio") return unknown("kind", R"("audio")", kind);
        if (found->producers.size() >= max_producers) {
            return media_failure{"a transport has at most " + std::to_string(max_producers) +
                                 " producers"};
        }
        found->producers.insert(id);
        return &producers_.emplace(id, producer{on, found->channel}).first->second;
    }

    /// A producer, and a transport of its channel to receive it on.
    struct consumption {
        transport* on;
        producer* of;
    };

    media_result<consumption> consuming(std::string const& on, std::string const& of) {
        auto* carrier = find_transport(on);
        if (carrier == nullptr || carrier->direction != media_direction::recv)
            return unknown("transportId", "a transport to receive on, which is open", on);
        auto* source = find_producer(of);
        if (source == nullptr || source->channel != carrier->channel)
            return unknown("producerId", "a producer of the transport's channel", of);
        bool const replaces = carrier->consumers.contains(of);
        if (!replaces && carrier->consumers.size() >= max_consumers) {
            return media_failure{"a transport has at most " + std::to_string(max_consumers) +
                                 " consumers"};
        }
        return consumption{carrier, source};
    }

    /// A new consumer. Returns the one that it replaces, or nothing.
    std::string add_consumer(std::string const& on, std::string const& of, std::string const& id) {
        return std::exchange(transports_.at(on).consumers[of], id);
    }

    /// Whether the consumer is there, and has not been replaced.
    bool has_consumer(std::string const& on, std::string const& of, std::string const& id) {
        auto const* carrier = find_transport(on);
        auto const* current = carrier == nullptr ? nullptr : find(carrier->consumers, of);
        return current != nullptr && *current == id;
    }

    void remove_consumer(std::string const& on, std::string const& of, std::string const& id) {
        if (has_consumer(on, of, id)) transports_.at(on).consumers.erase(of);
    }

    /// With its consumers. What is not there is ignored.
    void remove_producer(std::string const& id) {
        auto const found = producers_.find(id);
        if (found == producers_.end()) return;
        transports_.at(found->second.transport).producers.erase(id);
        for (auto const& other : channels_.at(found->second.channel).transports)
            transports_.at(other).consumers.erase(id);
        producers_.erase(found);
    }

    /// With what is on it. What is not there is ignored.
    void remove_transport(std::string const& id) {
        auto const found = transports_.find(id);
        if (found == transports_.end()) return;
        while (!found->second.producers.empty())
            remove_producer(std::string(*found->second.producers.begin()));
        channels_.at(found->second.channel).transports.erase(id);
        transports_.erase(found);
    }

    /// With all there is in it. What is not there is ignored.
    void remove_channel(std::string const& name) {
        auto const found = channels_.find(name);
        if (found == channels_.end()) return;
        while (!found->second.transports.empty())
            remove_transport(std::string(*found->second.transports.begin()));
        channels_.erase(found);
    }

    [[nodiscard]] media_counts counts() const {
        media_counts all{channels_.size(), transports_.size(), producers_.size(), 0};
        for (auto const& [id, one] : transports_)
            all.consumers += one.consumers.size();
        return all;
    }

  private:
    template <class Map>
    static auto* find(Map& map, std::string const& key) {
        auto const found = map.find(key);
        return found == map.end() ? nullptr : &found->second;
    }

    static media_failure unknown(std::string path, std::string expected, std::string_view found) {
        boost::json::value const given(boost::json::string_view(found.data(), found.size()));
        problem const what{std::move(path), std::move(expected), json::describe(given)};
        return {what.text()};
    }

    channel_map channels_;
    std::map<std::string, transport> transports_;
    std::map<std::string, producer> producers_;
};

} // namespace parley::signaling
