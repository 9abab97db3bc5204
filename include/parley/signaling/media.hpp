// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// The media server behind the signalling (voice signalling specification, §4): what it must offer.

#include <parley/error.hpp>
#include <parley/task.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace parley::signaling {

enum class media_direction { send, recv };

/// Why the media server did not do something, in words for the peer that asked: what was found and
/// what is allowed, and nothing of the inside of this server.
struct media_failure {
    std::string message;
};

/// What `media_result<T>::value()` throws when there is no value.
[[noreturn]] inline void throw_exception_from_error(media_failure const& failure,
                                                    boost::source_location const&) {
    throw std::runtime_error(failure.message);
}

template <class T>
using media_result = result<T, media_failure>;

/// What a client needs to connect a transport.
struct transport_parameters {
    std::string id;
    boost::json::object iceParameters;
    boost::json::array iceCandidates;
    boost::json::object dtlsParameters;
};

/// What a client needs to receive a producer.
struct consumer_parameters {
    std::string id;
    std::string producerId;
    std::string kind;
    boost::json::object rtpParameters;
};

/// A media server. Called from every I/O thread, and never blocks it; each operation has a deadline
/// of its own (a few seconds). Ids are unguessable. What comes from a client (`boost::json` values)
/// is checked here, and faults in it are named in the failure.
///
/// A channel's router is made when it is first needed, and goes with `close_channel`.
///
/// - `capabilities(channel)`: the router's RTP capabilities.
/// - `create_transport(channel, direction)`.
/// - `connect_transport(transport, dtlsParameters)`.
/// - `produce(transport, kind, rtpParameters)`: audio only; returns the producer's id; it starts
///   paused.
/// - `consume(transport, producer, rtpCapabilities)`: on a transport of the producer's channel; the
///   consumer runs.
/// - `pause(producer)`, `resume(producer)`, `close_transport(transport)` (with its producers and
///   consumers), `close_producer(producer)`, `close_channel(channel)` (with all there is in it):
///   done in the order of the calls, without waiting for them; what is not there any more is
///   ignored.
/// - `workers()`: how many run now.
/// - `on_restart(callback)`: once, before the server starts. Called on any thread with the channels
///   whose media are gone, with their transports, producers and consumers, when they can be made
///   anew.
/// - `run(context)`: background work (background.hpp), until the server has stopped; then ends
///   whatever it has started.
template <class M>
concept media_server = requires(M& media, std::string const& id, media_direction direction,
                                boost::json::value const& parameters,
                                std::function<void(std::vector<std::string> const&)> restarted) {
    { media.capabilities(id) } -> std::same_as<task<media_result<boost::json::object>>>;
    {
        media.create_transport(id, direction)
        } -> std::same_as<task<media_result<transport_parameters>>>;
    { media.connect_transport(id, parameters) } -> std::same_as<task<media_result<void>>>;
    { media.produce(id, id, parameters) } -> std::same_as<task<media_result<std::string>>>;
    { media.consume(id, id, parameters) } -> std::same_as<task<media_result<consumer_parameters>>>;
    { media.pause(id) } -> std::same_as<void>;
    { media.resume(id) } -> std::same_as<void>;
    { media.close_transport(id) } -> std::same_as<void>;
    { media.close_producer(id) } -> std::same_as<void>;
    { media.close_channel(id) } -> std::same_as<void>;
    { media.workers() } -> std::same_as<std::size_t>;
    { media.on_restart(restarted) } -> std::same_as<void>;
};

} // namespace parley::signaling
