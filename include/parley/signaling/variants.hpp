// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// A floor store and a media server that are chosen when a program starts.

#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/media.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace parley::signaling {

/// Whichever of `Stores` it is made of.
template <floor_store... Stores>
class variant_floor_store {
  public:
    template <class Store>
    explicit variant_floor_store(std::unique_ptr<Store> store) : store_(std::move(store)) {}

    task<result<floor_grant>> take(std::string const& channel, speaker who, channel_event event) {
        return std::visit(
            [&](auto& s) { return s->take(channel, std::move(who), std::move(event)); }, store_);
    }
    task<result<bool>> refresh(std::string const& channel, speaker who) {
        return std::visit([&](auto& s) { return s->refresh(channel, std::move(who)); }, store_);
    }
    task<result<bool>> release(std::string const& channel, speaker who, channel_event event) {
        return std::visit(
            [&](auto& s) { return s->release(channel, std::move(who), std::move(event)); }, store_);
    }
    task<result<std::vector<std::optional<speaker>>>>
    holders(std::span<std::string const> channels) {
        return std::visit([&](auto& s) { return s->holders(channels); }, store_);
    }
    task<result<membership>> join(std::string const& channel, std::string const& user,
                                  std::size_t most) {
        return std::visit([&](auto& s) { return s->join(channel, user, most); }, store_);
    }
    task<result<bool>> leave(std::string const& channel, std::string const& user) {
        return std::visit([&](auto& s) { return s->leave(channel, user); }, store_);
    }
    task<result<void>> publish(channel_event event) {
        return std::visit([&](auto& s) { return s->publish(std::move(event)); }, store_);
    }
    void listen(std::function<void(channel_event const&)> told) {
        std::visit([&](auto& s) { s->listen(std::move(told)); }, store_);
    }
    void reconnected(std::function<void()> back) {
        std::visit([&](auto& s) { s->reconnected(std::move(back)); }, store_);
    }
    void departed(std::function<void(departure const&)> gone) {
        std::visit([&](auto& s) { s->departed(std::move(gone)); }, store_);
    }
    [[nodiscard]] bool failing() {
        return std::visit([](auto& s) { return s->failing(); }, store_);
    }

    template <class Context>
    task<> run(Context& context) {
        return std::visit([&](auto& s) { return run(*s, context); }, store_);
    }

  private:
    template <class Store, class Context>
    static task<> run(Store& store, Context& context) {
        if constexpr (requires { store.run(context); }) co_await store.run(context);
        co_return;
    }

    std::variant<std::unique_ptr<Stores>...> store_;
};

/// Whichever of `Servers` it is made of.
template <media_server... Servers>
class variant_media {
  public:
    template <class Server>
    explicit variant_media(std::unique_ptr<Server> server) : server_(std::move(server)) {}

    task<media_result<boost::json::object>> capabilities(std::string const& channel) {
        return std::visit([&](auto& s) { return s->capabilities(channel); }, server_);
    }
    task<media_result<transport_parameters>> create_transport(std::string const& channel,
                                                              media_direction direction) {
        return std::visit([&](auto& s) { return s->create_transport(channel, direction); },
                          server_);
    }
    task<media_result<void>> connect_transport(std::string const& transport,
                                               boost::json::value const& dtls) {
        return std::visit([&](auto& s) { return s->connect_transport(transport, dtls); }, server_);
    }
    task<media_result<std::string>> produce(std::string const& transport, std::string const& kind,
                                            boost::json::value const& rtp) {
        return std::visit([&](auto& s) { return s->produce(transport, kind, rtp); }, server_);
    }
    task<media_result<consumer_parameters>> consume(std::string const& transport,
                                                    std::string const& producer,
                                                    boost::json::value const& capabilities) {
        return std::visit([&](auto& s) { return s->consume(transport, producer, capabilities); },
                          server_);
    }
    void pause(std::string const& producer) {
        std::visit([&](auto& s) { s->pause(producer); }, server_);
    }
    void resume(std::string const& producer) {
        std::visit([&](auto& s) { s->resume(producer); }, server_);
    }
    void close_transport(std::string const& transport) {
        std::visit([&](auto& s) { s->close_transport(transport); }, server_);
    }
    void close_producer(std::string const& producer) {
        std::visit([&](auto& s) { s->close_producer(producer); }, server_);
    }
    void close_channel(std::string const& channel) {
        std::visit([&](auto& s) { s->close_channel(channel); }, server_);
    }
    [[nodiscard]] std::size_t workers() {
        return std::visit([](auto& s) { return s->workers(); }, server_);
    }
    void on_restart(std::function<void(std::vector<std::string> const&)> restarted) {
        std::visit([&](auto& s) { s->on_restart(std::move(restarted)); }, server_);
    }

    template <class Context>
    task<> run(Context& context) {
        return std::visit([&](auto& s) { return run(*s, context); }, server_);
    }

  private:
    template <class Server, class Context>
    static task<> run(Server& server, Context& context) {
        if constexpr (requires { server.run(context); }) co_await server.run(context);
        co_return;
    }

    std::variant<std::unique_ptr<Servers>...> server_;
};

} // namespace parley::signaling
