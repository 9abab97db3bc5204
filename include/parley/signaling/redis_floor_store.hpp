// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// Floors and members in Redis, for servers that serve channels together (voice signalling
/// specification, §3).

#include <parley/error.hpp>
#include <parley/json.hpp>
#include <parley/random.hpp>
#include <parley/signaling/floor_store.hpp>
#include <parley/signaling/redis_client.hpp>
#include <parley/signaling/redis_line.hpp>
#include <parley/signaling/redis_scripts.hpp>
#include <parley/task.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parley::signaling {

namespace detail {

/// An event as it is sent to Redis: `{"except","floor"?,"text"?,"news"?}`, with a floor of null
/// when it is free. The channel is in the name. Redis adds `"users"` (`redis_script::publish`).
inline std::string encode_event(channel_event const& event) {
    boost::json::object out{{"except", event.except}};
    if (event.floor) {
        auto& floor = out.emplace("floor", nullptr).first->value();
        if (*event.floor) floor = json::codec<speaker>::encode(**event.floor);
    }
    if (event.text) out.emplace("text", *event.text);
    if (event.news) out.emplace("news", json::encode(*event.news));
    return boost::json::serialize(out);
}

/// What has been published; nothing when it was no server of ours.
inline std::optional<channel_event> decode_event(std::string_view key, std::string_view payload) {
    constexpr std::string_view before = "channel:", after = ":events";
    if (key.size() < before.size() + after.size() || !key.starts_with(before) ||
        !key.ends_with(after))
        return std::nullopt;
    key.remove_prefix(before.size());
    key.remove_suffix(after.size());
    auto const parsed = json::parse(payload);
    auto const* const object = parsed ? parsed->if_object() : nullptr;
    if (!object) return std::nullopt;

    channel_event event{std::string(key), {}};
    auto const* const except = object->if_contains("except");
    if (!except || !except->is_string()) return std::nullopt;
    event.except = except->get_string();
    if (auto const* const text = object->if_contains("text")) {
        if (!text->is_string()) return std::nullopt;
        event.text = std::make_shared<std::string const>(text->get_string());
    }
    if (auto const* const floor = object->if_contains("floor")) {
        auto who = json::codec<std::optional<speaker>>::decode(*floor);
        if (!who) return std::nullopt;
        event.floor = std::move(*who);
    }
    if (auto const* const news = object->if_contains("news")) {
        auto told = json::decode<channel_news>(*news);
        if (!told) return std::nullopt;
        event.news = *std::move(told);
    }
    if (auto const* const users = object->if_contains("users")) {
        auto const count = json::codec<std::uint64_t>::decode(*users);
        if (!count) return std::nullopt;
        event.users = static_cast<std::size_t>(*count);
    }
    return event;
}

/// A floor's value: the same text for the same speaker, so that it can be compared.
inline std::string encode_speaker(speaker const& who) {
    return boost::json::serialize(json::codec<speaker>::encode(who));
}

/// Who has a floor, from its value; nothing when it is none.
inline std::optional<speaker> decode_speaker(redisReply const& value) {
    auto who = json::decode<speaker>(text_of(value));
    return who ? std::optional(std::move(*who)) : std::nullopt;
}

/// Which run of Redis it is, from its answer to `INFO`; empty when it does not say.
inline std::string run_of(std::string_view info) {
    constexpr std::string_view name = "run_id:";
    auto const at = info.find(name);
    if (at == info.npos) return {};
    info.remove_prefix(at + name.size());
    return std::string(info.substr(0, info.find_first_of("\r\n")));
}

/// The texts in an array.
inline std::vector<std::string> texts_of(redisReply const& reply) {
    std::vector<std::string> all;
    for (auto const* const element : elements_of(reply))
        all.emplace_back(text_of(*element));
    return all;
}

} // namespace detail

/// A `floor_store` in Redis, version 5 or later: one server, or one with replicas behind one
/// address, not a cluster. Nothing needs to be persistent. Servers that share a Redis, in whichever
/// database, hear each other's events, so deployments that are strangers to each other need Redis
/// servers of their own.
///
/// Each server has a lease (`server_lifetime`), which it renews (`beat`). Servers look after each
/// other: whose lease has ended is removed, with its members; their floors run out. A server that
/// finds its lease gone, or Redis empty, puts back its members, and the floors that it holds
/// (redis_scripts.hpp). If Redis has lost its memory, or was started anew, it takes no floor until
/// the other servers have had the time to put theirs back. Copies are of the same server.
class redis_floor_store {
  public:
    struct options {
        redis_client::options redis = {};
        std::chrono::milliseconds lifetime = floor_lifetime; ///< of a floor that is not refreshed
        std::chrono::milliseconds server_lifetime = std::chrono::seconds(20); ///< of a lease
        /// Between two renewals; longer than `redis.max_backoff`, so that all who lost Redis
        /// together are back before one of them takes the others for dead.
        std::chrono::milliseconds beat = std::chrono::seconds(5);
    };

    explicit redis_floor_store(options o) : core_(std::make_shared<core>(std::move(o))) {}

    task<result<floor_grant>> take(std::string channel, speaker who, channel_event event) {
        auto begin = [self = core_, channel = std::move(channel), who = std::move(who),
                      published = detail::encode_event(event)](redis_line* line,
                                                               answer<floor_grant> const& done) {
            if (std::chrono::steady_clock::now() < self->no_floors_until)
                return done(errc::storage_unavailable);
            auto const value = detail::encode_speaker(who);
            self->change(line, script::take,
                         {self->key(channel, "speaker"), self->key(channel, "events")},
                         {value, self->lifetime(), published},
                         [=](outcome const& got) { done(self->taken(channel, who, value, got)); });
        };
        return perform<floor_grant>(std::move(begin));
    }

    task<result<bool>> refresh(std::string channel, speaker who) {
        auto begin = [self = core_, channel = std::move(channel),
                      value = detail::encode_speaker(who)](redis_line* line,
                                                           answer<bool> const& done) {
            self->change(line, script::refresh, {self->key(channel, "speaker")},
                         {value, self->lifetime()}, [=](outcome const& got) {
                             auto const held = self->flag_of(got);
                             if (held && !*held) self->forget_floor(channel, value);
                             done(held);
                         });
        };
        return perform<bool>(std::move(begin));
    }

    task<result<bool>> release(std::string channel, speaker who, channel_event event) {
        auto begin = [self = core_,
                      floor = unsettled_floor{std::move(channel), detail::encode_speaker(who),
                                              detail::encode_event(event)}](
                         redis_line* line, answer<bool> const& done) {
            bool const held = self->forget_floor(floor.channel, floor.value);
            auto const is_lost = [weak = self->weak_line(line)] {
                auto const by = weak.lock();
                return !by || !by->is_open();
            };
            self->release(line, floor, [=](outcome const& got) {
                if (!got.reply && (got.unknown || (held && is_lost())))
                    self->unsettled.push_back(floor);
                done(self->flag_of(got));
            });
        };
        return perform<bool>(std::move(begin));
    }

    task<result<std::vector<std::optional<speaker>>>>
    holders(std::span<std::string const> channels) {
        redis_command command{"MGET"};
        for (auto const& channel : channels)
            command.push_back(core::key(channel, "speaker"));
        auto begin = [self = core_, command = std::move(command)](
                         redis_line* line,
                         answer<std::vector<std::optional<speaker>>> const& done) {
            auto const count = command.size() - 1;
            if (count == 0) return done(std::vector<std::optional<speaker>>());
            self->send(line, command, [done, count](outcome const& got) {
                if (!got.reply || elements_of(*got.reply).size() != count)
                    return done(errc::storage_unavailable);
                std::vector<std::optional<speaker>> all;
                for (auto const* const value : elements_of(*got.reply))
                    all.push_back(detail::decode_speaker(*value));
                done(std::move(all));
            });
        };
        return perform<std::vector<std::optional<speaker>>>(std::move(begin));
    }

    task<result<membership>> join(std::string channel, std::string user, std::size_t most) {
        auto begin = [self = core_, channel = std::move(channel), user = std::move(user),
                      most](redis_line* line, answer<membership> const& done) {
            if (!line) return done(errc::storage_unavailable);
            auto const [member, added] =
                self->members[channel].try_emplace(user, self->last_join + 1);
            self->last_join += added ? 1 : 0;
            self->change(line, script::join, self->member_keys(channel),
                         {self->id, user, std::to_string(most), channel},
                         [=, number = added ? self->last_join : 0](outcome const& got) {
                             auto const joined = core::membership_of(got);
                             if (!joined || !joined->joined)
                                 self->forget_member(channel, user, number);
                             done(joined);
                         });
        };
        return perform<membership>(std::move(begin));
    }

    task<result<bool>> leave(std::string channel, std::string user) {
        auto begin = [self = core_, channel = std::move(channel),
                      user = std::move(user)](redis_line* line, answer<bool> const& done) {
            self->forget_member(channel, user, std::nullopt);
            if (!line) {
                self->to_restore.insert(channel);
                return done(errc::storage_unavailable);
            }
            auto keys = self->member_keys(channel);
            keys.emplace_back("servers");
            bool const last = !self->members.contains(channel);
            self->change(line, script::leave, std::move(keys),
                         {self->id, user, channel, last ? "1" : "0"},
                         [=](outcome const& got) { done(core::flag_of(got)); });
        };
        return perform<bool>(std::move(begin));
    }

    task<result<void>> publish(channel_event event) {
        auto begin = [self = core_, channel = event.channel,
                      published = detail::encode_event(event)](redis_line* line,
                                                               answer<void> const& done) {
            self->change(line, script::publish,
                         {self->key(channel, "events"), self->key(channel, "users")}, {published},
                         [=](outcome const& got) {
                             done(got.reply ? result<void>() : errc::storage_unavailable);
                         });
        };
        return perform<void>(std::move(begin));
    }

    void listen(std::function<void(channel_event const&)> listener) {
        core_->listener = std::move(listener);
    }
    void reconnected(std::function<void()> callback) { core_->reconnected = std::move(callback); }
    void departed(std::function<void(departure const&)> callback) {
        core_->departed = std::move(callback);
    }

    [[nodiscard]] bool failing() const { return core_->client->failing(); }

    /// The server's background work: all that has to do with Redis.
    template <class Context>
    task<> run(Context& context) {
        auto const self = core_;
        redis_client::user with;
        with.pattern = core::key("*", "events");
        with.told = [self](std::string_view name, std::string_view text) {
            auto const event = detail::decode_event(name, text);
            if (event && self->listener) self->listener(*event);
        };
        with.session = [self](redis_line& line) { return serve(self, line); };
        co_await self->client->run(context, std::move(with));
    }

  private:
    using script = detail::redis_script;
    template <class T>
    using answer = std::function<void(result<T>)>;

    /// Redis's answer, unless it is an error. Without one: may it have been done nevertheless?
    struct outcome {
        redisReply const* reply;
        bool unknown;
    };

    /// A floor that is to be let go of.
    struct unsettled_floor {
        std::string channel, value, event;
    };

    /// One server's side. Used on the client's executor, unless it says otherwise.
    struct core {
        explicit core(options o)
            : limits(std::move(o)), client(std::make_shared<redis_client>(limits.redis)) {}

        // ---- Names ----

        static std::string key(std::string_view channel, std::string_view what) {
            return detail::channel_key(channel, what);
        }
        [[nodiscard]] std::string own_key(std::string_view what) const {
            return detail::server_key(id, what);
        }
        [[nodiscard]] redis_command member_keys(std::string_view channel) const {
            return {key(channel, "users"), key(channel, "presence"), own_key("channels")};
        }
        [[nodiscard]] std::string lifetime() const {
            return std::to_string(limits.lifetime.count());
        }

        // ---- Commands ----

        /// Sends what is sent for this server as long as it is known by this connection.
        void change(redis_line* line, script which, redis_command keys, redis_command arguments,
                    std::function<void(outcome const&)> done) {
            send(line, change_command(which, std::move(keys), std::move(arguments)),
                 std::move(done));
        }

        [[nodiscard]] redis_command change_command(script which, redis_command keys,
                                                   redis_command arguments) const {
            keys.insert(keys.begin(), own_key("alive"));
            arguments.insert(arguments.begin(), std::to_string(connection));
            return script_command(which, std::move(keys), std::move(arguments));
        }

        [[nodiscard]] redis_command script_command(script which, redis_command const& keys,
                                                   redis_command const& arguments) const {
            redis_command command{"EVALSHA", digests.at(static_cast<std::size_t>(which)),
                                  std::to_string(keys.size())};
            command.insert(command.end(), keys.begin(), keys.end());
            command.insert(command.end(), arguments.begin(), arguments.end());
            return command;
        }

        /// `done` is called once, perhaps at once.
        void send(redis_line* line, redis_command const& command,
                  std::function<void(outcome const&)> done) {
            auto const answered = [this, weak = weak_line(line), done](redis_reply const& reply) {
                bool const good = reply && reply->type != REDIS_REPLY_ERROR;
                if (reply && !good) refused(weak.lock().get(), *reply);
                done({good ? reply.get() : nullptr, !reply});
            };
            if (!line || !line->send(command, answered)) done({nullptr, false});
        }

        static std::weak_ptr<redis_line> weak_line(redis_line* line) {
            return line ? line->weak_from_this() : std::weak_ptr<redis_line>();
        }

        /// An error that has to do with one key stays there. Any other, such as that this server is
        /// taken for dead, or that its scripts are gone, or that Redis does not write, is the whole
        /// connection's: it is given up, and all is put right with the next.
        void refused(redis_line* line, redisReply const& reply) const {
            std::string const why(text_of(reply));
            if (why.find("WRONGTYPE") != why.npos) { // perhaps behind the name of a script
                client->log("Redis: " + why);
            } else if (line) {
                line->close(why);
            }
        }

        /// As `send`, for the session.
        task<redis_reply> ask(redis_line& line, redis_command command) const {
            auto reply = co_await line.ask(std::move(command));
            if (!reply || reply->type != REDIS_REPLY_ERROR) co_return reply;
            refused(&line, *reply);
            co_return nullptr;
        }

        /// Redis may not know all floors. The others come back within the time between two
        /// attempts of theirs.
        void wait_for_others() {
            client->log("Redis may have lost its memory: no floors are given until all servers "
                        "can be back");
            no_floors_until = std::chrono::steady_clock::now() + limits.redis.max_backoff +
                              2 * limits.redis.timeout;
        }

        /// Redis and this server know all of each other again.
        void admit() {
            client->admit();
            if (std::exchange(entered, true) && reconnected) reconnected();
        }

        // ---- Floors ----

        result<floor_grant> taken(std::string const& channel, speaker const& who,
                                  std::string const& value, outcome const& got) {
            if (got.unknown) unsettled.push_back({channel, value, free_event()});
            if (!got.reply) return errc::storage_unavailable;
            if (got.reply->type == REDIS_REPLY_INTEGER) {
                held[channel] = value;
                return floor_grant{true, who};
            }
            auto const holder = detail::decode_speaker(*got.reply);
            if (!holder) return errc::storage_unavailable; // whoever it is, it is not free
            return floor_grant{false, *holder};
        }

        void release(redis_line* line, unsettled_floor const& floor,
                     std::function<void(outcome const&)> done) {
            change(line, script::release,
                   {key(floor.channel, "speaker"), key(floor.channel, "events")},
                   {floor.value, floor.event}, std::move(done));
        }

        bool forget_floor(std::string const& channel, std::string const& value) {
            auto const found = held.find(channel);
            if (found == held.end() || found->second != value) return false;
            held.erase(found);
            return true;
        }

        /// What is published when nobody else has the words.
        static std::string free_event() {
            return detail::encode_event({{}, {}, std::optional<speaker>()});
        }

        // ---- Members ----

        /// Unless it is there by another join than this one.
        void forget_member(std::string const& channel, std::string const& user,
                           std::optional<std::uint64_t> by) {
            auto const found = members.find(channel);
            if (found == members.end()) return;
            auto const member = found->second.find(user);
            if (member != found->second.end() && (!by || member->second == *by))
                found->second.erase(member);
            if (found->second.empty()) members.erase(found);
        }

        // ---- Answers ----

        static result<long long> number_of(outcome const& got) {
            if (!got.reply || got.reply->type != REDIS_REPLY_INTEGER)
                return errc::storage_unavailable;
            return got.reply->integer;
        }

        static result<bool> flag_of(outcome const& got) {
            auto const number = number_of(got);
            if (!number) return errc::storage_unavailable;
            return *number == 1;
        }

        static result<membership> membership_of(outcome const& got) {
            if (!got.reply) return errc::storage_unavailable;
            auto const parts = elements_of(*got.reply);
            if (parts.size() != 2 || parts[0]->type != REDIS_REPLY_INTEGER ||
                parts[1]->type != REDIS_REPLY_INTEGER)
                return errc::storage_unavailable;
            return membership{parts[0]->integer == 1, static_cast<std::size_t>(parts[1]->integer)};
        }

        options const limits;
        std::string const id = random_uuid();
        std::shared_ptr<redis_client> const client;

        // Set before the server starts:
        std::function<void(channel_event const&)> listener;
        std::function<void()> reconnected;
        std::function<void(departure const&)> departed;

        std::array<std::string, detail::redis_scripts.size()> digests; // what Redis knows them by
        std::uint64_t connection = 0; // counts connections: the fence of redis_scripts.hpp
        bool entered = false;         // has been known to Redis before
        bool leased = false;          // and has not resigned since
        std::string run;              // of Redis: another each time it is started

        std::map<std::string, std::map<std::string, std::uint64_t>>
            members; // and which join it was
        std::uint64_t last_join = 0;
        std::set<std::string> to_restore; // channels in which Redis may know others than `members`
        std::map<std::string, std::string> held; // floors by channel, as their values
        std::vector<unsettled_floor> unsettled;
        std::chrono::steady_clock::time_point no_floors_until; // others may have them
    };

    using core_ptr = std::shared_ptr<core>;

    template <class T, class Begin>
    task<result<T>> perform(Begin begin) {
        auto const self = core_;
        auto start = [begin = std::move(begin)](redis_line* line, auto const& done) {
            begin(line, [done](result<T> r) { (*done)(std::move(r)); });
        };
        co_return co_await self->client->template perform<result<T>>(std::move(start));
    }

    // ---- The session: what this server does while it is connected ----

    static task<> serve(core_ptr self, redis_line& line) {
        bool const known = co_await enter(self, line);
        if (known) self->admit();
        while (known && line.is_open() && !self->client->stopping()) {
            co_await self->client->pause(self->limits.beat);
            if (line.is_open() && !self->client->stopping()) co_await keep_up(self, line);
        }
        if (known && line.is_open()) co_await resign(self, line);
    }

    /// Makes itself known, and puts right what Redis knows of this server.
    static task<bool> enter(core_ptr self, redis_line& line) {
        if (!co_await load_scripts(self, line)) co_return false;
        ++self->connection;
        redis_command lease{"SET", self->own_key("alive"), std::to_string(self->connection), "PX",
                            std::to_string(self->limits.server_lifetime.count())};
        redis_command last{"GET", self->own_key("alive")};
        redis_command known{"SADD", "servers", self->id};
        redis_command channels{"SMEMBERS", self->own_key("channels")};
        auto const known_by = co_await self->ask(line, std::move(last));
        if (!known_by) co_return false;
        bool const forgotten = known_by->type == REDIS_REPLY_NIL && self->leased;
        if (co_await is_another_run(self, line) || forgotten) self->wait_for_others();
        if (!co_await self->ask(line, std::move(lease))) co_return false;
        self->leased = true;
        if (!co_await self->ask(line, std::move(known))) co_return false;
        auto const old = co_await self->ask(line, std::move(channels));
        if (!old) co_return false;
        for (auto& channel : detail::texts_of(*old))
            self->to_restore.insert(std::move(channel));
        for (auto const& [channel, users] : self->members)
            self->to_restore.insert(channel);
        if (!co_await restore_floors(self, line)) co_return false;
        co_return co_await put_right(self, line);
    }

    /// Whether Redis has been started anew since this server last knew it, perhaps with an old
    /// memory. Where `INFO` is not allowed, nobody knows.
    static task<bool> is_another_run(core_ptr self, redis_line& line) {
        redis_command command{"INFO", "server"};
        auto const info = co_await line.ask(std::move(command));
        auto run = info ? detail::run_of(text_of(*info)) : std::string();
        if (run.empty()) co_return false;
        auto const before = std::exchange(self->run, std::move(run));
        co_return !before.empty() && before != self->run;
    }

    /// Those that nobody else has by now. What is let go of meanwhile becomes unsettled.
    static task<bool> restore_floors(core_ptr self, redis_line& line) {
        for (auto one = self->held.begin(); one != self->held.end();) {
            auto const channel = one->first;
            redis_command take{
                "SET", core::key(channel, "speaker"), one->second, "PX", self->lifetime(), "NX"};
            if (!co_await self->ask(line, std::move(take))) co_return false;
            one = self->held.upper_bound(channel);
        }
        co_return true;
    }

    /// While it is at work before others are admitted, users may leave, but none may join, and no
    /// floor be taken.
    static task<bool> put_right(core_ptr self, redis_line& line) {
        bool done = true;
        while (done && !self->to_restore.empty())
            done = co_await restore_one(self, line);
        while (done && !self->unsettled.empty())
            done = co_await settle_one(self, line);
        if (done && !self->to_restore.empty()) done = co_await put_right(self, line);
        co_return done;
    }

    static task<bool> load_scripts(core_ptr self, redis_line& line) {
        for (std::size_t i = 0; i < detail::redis_scripts.size(); ++i) {
            auto const& [fenced, body] = detail::redis_scripts.at(i);
            redis_command load{"SCRIPT", "LOAD",
                               std::string(fenced ? detail::redis_fence : "") + std::string(body)};
            auto const reply = co_await self->ask(line, std::move(load));
            if (!reply) co_return false;
            self->digests.at(i) = text_of(*reply);
        }
        co_return true;
    }

    static task<bool> restore_one(core_ptr self, redis_line& line) {
        auto const channel = *self->to_restore.begin();
        self->to_restore.erase(channel);
        redis_command arguments{self->id, channel};
        if (auto const found = self->members.find(channel); found != self->members.end())
            for (auto const& [user, join] : found->second)
                arguments.push_back(user);
        auto command =
            self->change_command(script::restore, self->member_keys(channel), std::move(arguments));
        co_await self->ask(line, std::move(command));
        if (!line.is_open()) self->to_restore.insert(channel);
        co_return line.is_open();
    }

    static task<bool> settle_one(core_ptr self, redis_line& line) {
        auto const floor = std::move(self->unsettled.back());
        self->unsettled.pop_back();
        auto command = self->change_command(
            script::release,
            {self->key(floor.channel, "speaker"), self->key(floor.channel, "events")},
            {floor.value, floor.event});
        co_await self->ask(line, std::move(command));
        if (!line.is_open()) self->unsettled.push_back(floor);
        co_return line.is_open();
    }

    /// Renews the lease, and looks for those whose has ended.
    static task<> keep_up(core_ptr self, redis_line& line) {
        auto renew = self->change_command(script::beat, {},
                                          {std::to_string(self->limits.server_lifetime.count())});
        if (!co_await self->ask(line, std::move(renew))) co_return;
        auto look = self->script_command(script::dead, {"servers"}, {});
        auto const dead = co_await self->ask(line, std::move(look));
        if (!dead) co_return;
        for (auto const& server : detail::texts_of(*dead))
            co_await bury(self, line, server);
    }

    /// Removes a server that is dead, channel by channel: of several that do, each user is removed
    /// by one.
    static task<> bury(core_ptr self, redis_line& line, std::string const& server) {
        auto const alive = detail::server_key(server, "alive");
        auto const its_channels = detail::server_key(server, "channels");
        redis_command list{"SMEMBERS", its_channels};
        auto const channels = co_await self->ask(line, std::move(list));
        if (!channels) co_return;
        for (auto const& channel : detail::texts_of(*channels)) {
            auto reap = self->script_command(
                script::reap,
                {alive, self->key(channel, "users"), self->key(channel, "presence"), its_channels,
                 self->key(channel, "speaker"), self->key(channel, "events")},
                {server, channel, self->free_event()});
            auto const gone = co_await self->ask(line, std::move(reap));
            if (!gone) co_return;
            for (auto& user : detail::texts_of(*gone))
                if (self->departed) self->departed({channel, std::move(user)});
        }
        auto forget =
            self->script_command(script::forget, {alive, "servers", its_channels}, {server});
        co_await self->ask(line, std::move(forget));
    }

    /// Leaves nothing of this server behind.
    static task<> resign(core_ptr self, redis_line& line) {
        for (auto const& [channel, value] : std::exchange(self->held, {}))
            self->unsettled.push_back({channel, value, self->free_event()});
        for (auto const& [channel, users] : std::exchange(self->members, {}))
            self->to_restore.insert(channel);
        if (!co_await put_right(self, line)) co_return;
        auto last = self->change_command(script::resign, {"servers", self->own_key("channels")},
                                         {self->id});
        self->leased = !co_await self->ask(line, std::move(last));
    }

    core_ptr core_;
};

static_assert(floor_store<redis_floor_store>);

} // namespace parley::signaling
