// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What a mediasoup media server does, on one executor: which channel is on which worker, and what
/// the workers are asked for.

#include <parley/detail/exception_text.hpp>
#include <parley/json.hpp>
#include <parley/random.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/media_registry.hpp>
#include <parley/signaling/mediasoup/client_parameters.hpp>
#include <parley/signaling/mediasoup/rtp.hpp>
#include <parley/signaling/mediasoup/worker_pool.hpp>
#include <parley/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling::mediasoup {

/// Used on its executor only. An operation keeps it alive, and what it has asked a worker for is
/// written before it first suspends: requests of a channel reach its worker in the order of the
/// calls.
class media_core : public std::enable_shared_from_this<media_core> {
  public:
    using restart_callback = std::function<void(std::vector<std::string> const&)>;

    /// \param running says how many workers run, to other threads.
    media_core(executor on, mediasoup_options options, restart_callback restarted,
               std::shared_ptr<std::atomic<std::size_t>> running)
        : executor_(std::move(on)), options_(std::move(options)), restarted_(std::move(restarted)),
          changed_(executor_),
          pool_(std::make_shared<worker_pool>(
              executor_, options_, [this](worker_ptr const& worker) { lose(worker); },
              [this] { announce(); }, std::move(running))) {}

    void start() { pool_->start(); }

    /// Ends the workers, and with them all operations that wait for them; returns when nothing of
    /// this runs any more.
    task<> stop() {
        auto const self = shared_from_this();
        stopping_ = true;
        changed_.ring();
        co_await pool_->stop();
        co_await changed_.wait_until(no_deadline, [this] { return operations_ == 0; });
    }

    /// Starts an operation, and calls `done` with what came of it.
    template <class R, class Done>
    void begin(task<R> operation, Done done) {
        ++operations_;
        auto after = [self = shared_from_this(), done = std::move(done)](std::exception_ptr thrown,
                                                                         R outcome) mutable {
            if (thrown) outcome = self->defect(thrown);
            done(std::move(outcome));
            --self->operations_;
            self->changed_.ring();
        };
        asio::co_spawn(executor_, std::move(operation), std::move(after));
    }

    task<media_result<transport_parameters>> create_transport(std::string channel,
                                                              media_direction direction) {
        auto const id = random_uuid();
        registry_.add_transport(channel, id, direction);
        auto const deadline = std::chrono::steady_clock::now() + options_.worker.request_timeout;
        auto const worker = co_await worker_for(id, deadline);
        if (!worker) {
            if (registry_.find_transport(id) == nullptr) co_return closed();
            close_transport(id);
            co_return no_worker();
        }
        auto* carrier = registry_.find_channel(registry_.find_transport(id)->channel);
        auto request = transport_request(id);
        auto const made = co_await worker->request(
            "router.createWebRtcTransport", carrier->details.router, std::move(request), deadline);
        if (!made) {
            close_transport(id);
            co_return failed("create a transport", made.error());
        }
        if (registry_.find_transport(id) == nullptr) co_return closed();
        transport_parameters out{
            id, object_in(*made, "iceParameters"), {}, object_in(*made, "dtlsParameters")};
        if (auto const* candidates = member(*made, "iceCandidates"); candidates->is_array())
            out.iceCandidates = candidates->get_array();
        co_return out;
    }

    task<media_result<void>> connect_transport(std::string id, boost::json::value given) {
        auto parameters = read_dtls_parameters(given);
        if (!parameters) co_return media_failure{parameters.error().text()};
        auto const found = registry_.connecting(id);
        if (!found) co_return found.error();
        auto const worker = where((*found)->channel).worker;
        boost::json::object request{{"dtlsParameters", std::move(*parameters)}};
        auto const done = co_await worker->request("transport.connect", id, std::move(request));
        if (done) co_return media_result<void>();
        if (auto* still = registry_.find_transport(id)) still->connected = false;
        co_return failed("connect the transport", done.error());
    }

    task<media_result<std::string>> produce(std::string on, std::string kind,
                                            boost::json::value given) {
        auto const parameters = read_rtp_parameters(given);
        auto const id = random_uuid();
        auto const added = registry_.add_producer(on, id, kind);
        if (!added) co_return added.error();
        if (!parameters) {
            registry_.remove_producer(id);
            co_return media_failure{parameters.error().text()};
        }
        auto stream = produced(*parameters, cname(on, *parameters));
        (*added)->details.consumable = std::move(stream.consumable);
        auto const worker = where((*added)->channel).worker;
        boost::json::object request{{"producerId", id},
                                    {"kind", kind},
                                    {"rtpParameters", std::move(stream.rtpParameters)},
                                    {"rtpMapping", std::move(stream.rtpMapping)},
                                    {"paused", true}};
        auto const done = co_await worker->request("transport.produce", on, std::move(request));
        if (!done) {
            close_producer(id);
            co_return failed("take this stream", done.error());
        }
        if (registry_.find_producer(id) == nullptr) co_return closed();
        co_return media_result<std::string>(boost::system::in_place_value, id);
    }

    task<media_result<consumer_parameters>> consume(std::string on, std::string of,
                                                    boost::json::value given) {
        auto const capabilities = read_rtp_capabilities(given);
        if (!capabilities) co_return media_failure{capabilities.error().text()};
        auto const source = registry_.consuming(on, of);
        if (!source) co_return source.error();
        auto const& stream = source->of->details.consumable;
        auto parameters = consumed(stream, *capabilities, next_mid(on));
        if (!parameters) co_return media_failure{parameters.error().text()};
        auto const worker = where(source->of->channel).worker;
        auto const id = random_uuid();
        auto const replaced = registry_.add_consumer(on, of, id);
        if (!replaced.empty()) close_consumer(*worker, on, replaced);
        boost::json::object request{
            {"consumerId", id}, {"producerId", of},
            {"kind", "audio"},  {"rtpParameters", *parameters},
            {"type", "simple"}, {"consumableRtpEncodings", stream.at("encodings")},
            {"paused", false}};
        auto const done = co_await worker->request("transport.consume", on, std::move(request));
        bool const wanted = registry_.has_consumer(on, of, id);
        if (!done) {
            if (wanted) close_consumer(*worker, on, id);
            registry_.remove_consumer(on, of, id);
            co_return failed("let the client hear this stream", done.error());
        }
        if (!wanted) co_return closed();
        co_return consumer_parameters{id, of, "audio", std::move(*parameters)};
    }

    void set_paused(std::string const& id, bool paused) {
        auto* found = registry_.find_producer(id);
        if (found == nullptr || found->paused == paused) return;
        found->paused = paused;
        tell(found->channel, paused ? "producer.pause" : "producer.resume", id, {});
    }

    void close_producer(std::string const& id) {
        auto const* found = registry_.find_producer(id);
        if (found == nullptr) return;
        boost::json::object const request{{"producerId", id}};
        tell(found->channel, "transport.closeProducer", found->transport, request);
        registry_.remove_producer(id);
    }

    void close_transport(std::string const& id) {
        auto const* found = registry_.find_transport(id);
        if (found == nullptr) return;
        boost::json::object const request{{"transportId", id}};
        tell(found->channel, "router.closeTransport", where(found->channel).router, request);
        registry_.remove_transport(id);
        changed_.ring(); // it may be waited for
    }

    void close_channel(std::string const& name) {
        auto const* found = registry_.find_channel(name);
        if (found == nullptr) return;
        if (found->details.worker) {
            boost::json::object const request{{"routerId", found->details.router}};
            found->details.worker->tell("worker.closeRouter", {}, request);
            pool_->give_back(found->details.worker);
        }
        registry_.remove_channel(name);
        changed_.ring();
    }

    task<media_result<media_counts>> counts() {
        media_counts all;
        for (auto const& worker : pool_->workers()) {
            auto const dump = co_await worker->request("worker.dump", {}, {});
            if (!dump) co_return failed("say what it has", dump.error());
            for (auto const& router : array_in(*dump, "routerIds")) {
                auto const id = json::decode<std::string>(router);
                auto const content = co_await worker->request("router.dump", id.value(), {});
                if (!content) continue; // it has been closed meanwhile
                ++all.routers;
                all.transports += array_in(*content, "transportIds").size();
                all.producers += object_in(*content, "mapProducerIdConsumerIds").size();
                all.consumers += object_in(*content, "mapConsumerIdProducerId").size();
            }
        }
        co_return all;
    }

    task<media_result<boost::json::value>> describe(std::string producer) {
        auto const* found = registry_.find_producer(producer);
        if (found == nullptr) co_return closed();
        auto const worker = where(found->channel).worker;
        auto const dump = co_await worker->request("producer.dump", producer, {});
        if (!dump) co_return failed("describe the producer", dump.error());
        co_return *dump;
    }

  private:
    /// Where a channel's router is; no worker until there is one.
    struct router_place {
        std::string router;
        worker_ptr worker;
    };

    struct transport_details {
        std::string cname; ///< of its producers
        std::uint32_t mids = 0;
    };

    struct producer_details {
        boost::json::object consumable;
    };

    /// The worker of a transport's channel, which gets its router now if it has none; null when no
    /// worker comes by the deadline, or the transport is closed meanwhile.
    task<worker_ptr> worker_for(std::string transport, time_point deadline) {
        auto const settled = [this, &transport] {
            auto const* found = registry_.find_transport(transport);
            return stopping_ || found == nullptr || settle(found->channel);
        };
        co_await changed_.wait_until(deadline, settled);
        auto const* found = registry_.find_transport(transport);
        co_return found == nullptr || stopping_ ? nullptr : where(found->channel).worker;
    }

    /// Whether the channel has a router, for which a worker is asked if need be.
    bool settle(std::string const& channel) {
        auto& place = registry_.find_channel(channel)->details;
        if (place.worker) return true;
        place.worker = pool_->take_least_used();
        if (!place.worker) return false;
        place.router = random_uuid();
        boost::json::object const request{{"routerId", place.router}};
        place.worker->tell("worker.createRouter", {}, request);
        return true;
    }

    [[nodiscard]] boost::json::object transport_request(std::string const& id) const {
        boost::json::object address{{"ip", options_.listen_address}};
        if (!options_.announced_address.empty())
            address["announcedIp"] = options_.announced_address;
        return {{"transportId", id},
                {"listenIps", boost::json::array(1, std::move(address))},
                {"enableUdp", options_.udp},
                {"enableTcp", options_.tcp},
                {"preferUdp", options_.udp},
                {"preferTcp", false},
                {"initialAvailableOutgoingBitrate", options_.initial_outgoing_bitrate}};
    }

    /// The place of a channel that is there.
    router_place const& where(std::string const& channel) {
        return registry_.find_channel(channel)->details;
    }

    void tell(std::string const& channel, std::string_view method, std::string const& handler,
              boost::json::object const& data) {
        auto const& place = where(channel);
        if (place.worker) place.worker->tell(method, handler, data);
    }

    static void close_consumer(worker_process& worker, std::string const& on,
                               std::string const& id) {
        boost::json::object const request{{"consumerId", id}};
        worker.tell("transport.closeConsumer", on, request);
    }

    /// The RTCP name of a transport's streams: the one that its client first gave, if any.
    std::string const& cname(std::string const& transport, rtp_parameters const& given) {
        auto& name = registry_.find_transport(transport)->details.cname;
        if (name.empty() && given.rtcp && given.rtcp->cname) name = given.rtcp->cname->value;
        if (name.empty()) name = random_uuid().substr(0, 8);
        return name;
    }

    /// Tells a transport's consumers apart, in the eight bytes that the worker has for it.
    std::string next_mid(std::string const& transport) {
        constexpr std::uint32_t too_long = 100'000'000;
        auto& next = registry_.find_transport(transport)->details.mids;
        return std::to_string(next++ % too_long);
    }

    /// A worker has died: its channels' media are gone.
    void lose(worker_ptr const& worker) {
        for (auto const& [name, one] : registry_.channels())
            if (one.details.worker == worker) lost_.push_back(name);
        for (auto const& name : lost_)
            registry_.remove_channel(name);
        if (!pool_->workers().empty()) announce();
    }

    /// A worker runs: who has lost media can have them anew.
    void announce() {
        auto const lost = std::exchange(lost_, {});
        if (!lost.empty() && restarted_) restarted_(lost);
        changed_.ring();
    }

    media_failure defect(std::exception_ptr const& thrown) const {
        try {
            std::rethrow_exception(thrown);
        } catch (...) {
            pool_->log(log_level::error,
                       "an operation on media failed: " + parley::detail::exception_text());
        }
        return {"the media server failed"};
    }

    media_failure no_worker() const {
        return {stopping_ ? "the media server stops"
                          : "no media worker runs at the moment; try again later"};
    }

    static media_failure closed() { return {"it has been closed meanwhile"}; }

    /// Why it was not done, for the log; that it was not, for the peer.
    media_failure failed(std::string_view what, worker_failure const& why) const {
        std::string text = "the media server could not ";
        text.append(what);
        pool_->log(log_level::warning, text + ": " + why.reason);
        return {text};
    }

    static boost::json::value const* member(boost::json::value const& v, std::string_view name) {
        static boost::json::value const null;
        auto const* members = v.if_object();
        auto const* found =
            members == nullptr ? nullptr : members->if_contains({name.data(), name.size()});
        return found == nullptr ? &null : found;
    }

    static boost::json::object object_in(boost::json::value const& v, std::string_view name) {
        auto const* found = member(v, name)->if_object();
        return found == nullptr ? boost::json::object() : *found;
    }

    static boost::json::array array_in(boost::json::value const& v, std::string_view name) {
        auto const* found = member(v, name)->if_array();
        return found == nullptr ? boost::json::array() : *found;
    }

    executor executor_;
    mediasoup_options const options_;
    restart_callback const restarted_;
    detail::bell changed_; // rings when a worker runs, something is closed, or an operation is over
    std::shared_ptr<worker_pool> const pool_;
    media_registry<router_place, transport_details, producer_details> registry_;
    std::vector<std::string> lost_; // channels whose clients have yet to be told
    std::size_t operations_ = 0;
    bool stopping_ = false;
};

} // namespace parley::signaling::mediasoup
