// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What the requests do that wait for the media server (voice signalling specification, §2 and §4).

#include <parley/detail/exception_text.hpp>
#include <parley/router.hpp>
#include <parley/signaling/answering.hpp>
#include <parley/signaling/connection.hpp>
#include <parley/signaling/media.hpp>
#include <parley/signaling/messages.hpp>
#include <parley/task.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace parley::signaling {

inline constexpr std::size_t max_transports = 4; ///< of a connection in a channel

/// Used on the connection's executor, for one request at a time.
template <class Hub>
class media_handler {
  public:
    using routes =
        router<task<answer>, requests::get_router_capabilities, requests::create_transport,
               requests::connect_transport, requests::produce, requests::consume>;

    media_handler(std::shared_ptr<Hub> all, connection_ptr self)
        : hub_(std::move(all)), self_(std::move(self)) {}

    /// What one request comes to.
    task<answer> handle(std::string type, boost::json::value data) {
        co_return co_await routes::dispatch(type, data, *this);
    }

    // ---- One overload a request -----------------------------------------------------------------

    task<answer> operator()(requests::get_router_capabilities request) {
        if (!hub_->is_in(self_, request.channelId)) co_return not_joined(request.channelId);
        auto capabilities = co_await hub_->media.capabilities(request.channelId);
        if (!capabilities) co_return refusal{capabilities.error().message};
        boost::json::object answered{{"routerRtpCapabilities", *std::move(capabilities)}};
        co_return answered;
    }

    task<answer> operator()(requests::create_transport request) {
        bool const sends = request.direction == "send";
        if (!sends && request.direction != "recv") {
            co_return refusal{"direction: expected send or recv, found " +
                              parley::detail::quote_for_report(request.direction)};
        }
        auto const& channel = request.channelId;
        std::size_t has = 0;
        std::uint64_t serial = 0;
        auto const look = [&](media_ledger const& mine) {
            has = mine.transports.size();
            serial = mine.serial;
        };
        if (!hub_->with_media(self_, channel, look)) co_return not_joined(channel);
        if (has >= max_transports) {
            co_return refusal{"a connection may have " + std::to_string(max_transports) +
                              " transports in a channel"};
        }
        auto const direction = sends ? media_direction::send : media_direction::recv;
        auto made = co_await hub_->media.create_transport(channel, direction);
        if (!made) co_return refusal{made.error().message};
        bool kept = false;
        auto const keep = [&](media_ledger& mine) {
            kept = mine.serial == serial;
            if (!kept) return;
            mine.transports.emplace(made->id, direction);
            if (!sends) mine.receiver = made->id;
        };
        if (!hub_->with_media(self_, channel, keep)) {
            hub_->media.close_transport(made->id);
            co_return not_joined(channel);
        }
        if (!kept) {
            hub_->media.close_transport(made->id);
            co_return refusal{"the transport has been lost: create it again"};
        }
        boost::json::object answered{{"id", made->id},
                                     {"iceParameters", std::move(made->iceParameters)},
                                     {"iceCandidates", std::move(made->iceCandidates)},
                                     {"dtlsParameters", std::move(made->dtlsParameters)}};
        co_return answered;
    }

    task<answer> operator()(requests::connect_transport request) {
        if (!hub_->channel_of(*self_, request.transportId)) {
            co_return not_own("transport", request.transportId);
        }
        auto const done =
            co_await hub_->media.connect_transport(request.transportId, request.dtlsParameters);
        if (!done) co_return refusal{done.error().message};
        co_return success();
    }

    task<answer> operator()(requests::produce request) {
        auto const channel = hub_->channel_of(*self_, request.transportId);
        if (!channel || *channel != request.channelId) {
            co_return not_own("transport", request.transportId);
        }
        auto producer =
            co_await hub_->media.produce(request.transportId, request.kind, request.rtpParameters);
        if (!producer) co_return refusal{producer.error().message};
        if (!co_await hub_->add_producer(self_, *channel, request.transportId, *producer)) {
            co_return refusal{"the transport has been closed"};
        }
        boost::json::object answered{{"id", *producer}};
        co_return answered;
    }

    task<answer> operator()(requests::consume request) {
        auto const& channel = request.channelId;
        std::optional<std::string> transport;
        auto const look = [&](media_ledger const& mine) { transport = mine.receiver; };
        if (!hub_->with_media(self_, channel, look)) co_return not_joined(channel);
        if (!transport) co_return refusal{"create a transport of direction recv first"};
        auto made =
            co_await hub_->media.consume(*transport, request.producerId, request.rtpCapabilities);
        if (!made) co_return refusal{made.error().message};
        boost::json::object answered{{"id", made->id},
                                     {"producerId", made->producerId},
                                     {"kind", made->kind},
                                     {"rtpParameters", std::move(made->rtpParameters)}};
        co_return answered;
    }

    task<answer> operator()(unroutable why) { co_return refused(why); }

  private:
    static boost::json::object success() { return {{"success", true}}; }

    /// Whether it is somebody else's is not said.
    static refusal not_own(std::string_view what, std::string_view id) {
        return {"there is no " + std::string(what) + " " + parley::detail::quote_for_report(id) +
                " of yours"};
    }

    std::shared_ptr<Hub> hub_;
    connection_ptr self_;
};

/// The requests of one connection that wait for the media server, which may be slow: they are done
/// one after the other beside what else the client asks for, so that it can let go of the floor
/// meanwhile, and is cleared up after at once when it is gone. Used on the connection's executor.
template <class Hub>
class media_lane : public std::enable_shared_from_this<media_lane<Hub>> {
  public:
    static constexpr std::size_t most = 32; ///< that wait

    media_lane(executor on, std::shared_ptr<Hub> all, connection_ptr self)
        : executor_(std::move(on)), hub_(all), self_(self),
          handler_(std::move(all), std::move(self)) {}

    /// Is it a request for the lane?
    static bool takes(std::string_view type) {
        auto const names = media_handler<Hub>::routes::names();
        return std::ranges::find(names, type) != names.end();
    }

    /// Answers the request when its turn has come; false when too many wait.
    bool add(request one) {
        if (waiting_.size() >= most) return false;
        waiting_.push_back(std::move(one));
        if (!std::exchange(working_, true))
            asio::co_spawn(executor_, work(this->shared_from_this()), asio::detached);
        return true;
    }

  private:
    task<> work(std::shared_ptr<media_lane>) {
        while (!waiting_.empty()) {
            auto one = std::move(waiting_.front());
            waiting_.pop_front();
            auto const id = one.id;
            std::string reply;
            try {
                reply = co_await answer_to(std::move(one), handler_);
            } catch (...) {
                if (hub_->options().log)
                    hub_->options().log("a request failed: " + parley::detail::exception_text());
                reply = failure_text(id, "internal error");
            }
            if (!reply.empty()) self_->send(std::make_shared<std::string const>(std::move(reply)));
        }
        working_ = false;
    }

    executor executor_;
    std::shared_ptr<Hub> hub_;
    connection_ptr self_;
    media_handler<Hub> handler_;
    std::deque<request> waiting_;
    bool working_ = false;
};

} // namespace parley::signaling
