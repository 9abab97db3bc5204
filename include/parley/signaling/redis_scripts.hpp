// Distributed under the Boost Software License, Version 1.0. See LICENSE.
#pragma once

/// \file
/// What is done in Redis in one step: the names of its keys, and Lua scripts.
///
/// | key | what |
/// |---|---|
/// | `channel:<id>:speaker` | who has the floor: `{"userId","userName","timestamp"}`; expires |
/// | `channel:<id>:users` | set of the users who are in the channel, on whichever server |
/// | `channel:<id>:presence` | set of `<server>:<user>`: which server has which of them |
/// | `channel:<id>:events` | no key: where events are published |
/// | `servers` | set of the servers that are there, or have vanished and are to be removed |
/// | `server:<server>:alive` | which of its connections the server uses; expires with the server |
/// | `server:<server>:channels` | set of the channels where the server has somebody |
///
/// An id may be any bytes: what follows it has no colon, so no two keys have the same name; a
/// server's name is a UUID, so what follows its colon is the user. Ids come to a script as keys and
/// arguments only.
///
/// Scripts that change something for a server first look whether its `alive` still names the
/// connection that they come by. So a command that was on its way when its connection was given up
/// does nothing afterwards, and a server that the others have taken for dead notices it.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace parley::signaling::detail {

inline std::string channel_key(std::string_view channel, std::string_view what) {
    return "channel:" + std::string(channel) + ":" + std::string(what);
}

inline std::string server_key(std::string_view server, std::string_view what) {
    return "server:" + std::string(server) + ":" + std::string(what);
}

enum class redis_script {
    take,    ///< alive, speaker, events; connection, value, lifetime (ms), event
    refresh, ///< alive, speaker; connection, value, lifetime (ms)
    release, ///< alive, speaker, events; connection, value, event
    publish, ///< alive, events, users; connection, event
    join,    ///< alive, users, presence, channels; connection, server, user, most, channel
    leave,   ///< alive, users, presence, channels, servers; connection, server, user, channel, last
    restore, ///< alive, users, presence, channels; connection, server, channel, users…
    beat,    ///< alive; connection, lifetime (ms)
    resign,  ///< alive, servers, channels; connection, server
    dead,    ///< servers
    reap,    ///< alive, users, presence, channels, speaker, events; server, channel, event
    forget   ///< alive, servers, channels; server
};

inline constexpr std::string_view redis_fence =
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then "
    "return redis.error_reply('UNREGISTERED this connection is not the server\\'s any more') end\n";

struct redis_script_text {
    bool fenced; ///< begins with `redis_fence`
    std::string_view body;
};

/// In the order of `redis_script`.
inline constexpr std::array<redis_script_text, 12> redis_scripts{{
    // take: 1, or the value of who has it
    {true, R"(
if redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3], 'NX') then
  redis.call('PUBLISH', KEYS[3], ARGV[4])
  return 1
end
return redis.call('GET', KEYS[2])
)"},
    // refresh: whether it was held
    {true, R"(
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[2], ARGV[3])
)"},
    // release: whether it was held
    {true, R"(
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('PUBLISH', KEYS[3], ARGV[3])
return 1
)"},
    // publish: with how many are in
    {true, R"(
local users = ',"users":' .. redis.call('SCARD', KEYS[3]) .. '}'
return redis.call('PUBLISH', KEYS[2], string.sub(ARGV[2], 1, -2) .. users)
)"},
    // join: whether the user is in, and how many are
    {true, R"(
if redis.call('SISMEMBER', KEYS[2], ARGV[3]) == 0 then
  local users = redis.call('SCARD', KEYS[2])
  if users >= tonumber(ARGV[4]) then return {0, users} end
  redis.call('SADD', KEYS[2], ARGV[3])
end
redis.call('SADD', KEYS[3], ARGV[2] .. ':' .. ARGV[3])
redis.call('SADD', KEYS[4], ARGV[5])
return {1, redis.call('SCARD', KEYS[2])}
)"},
    // leave: whether the user is gone
    {true, R"(
redis.call('SREM', KEYS[3], ARGV[2] .. ':' .. ARGV[3])
if ARGV[5] == '1' then redis.call('SREM', KEYS[4], ARGV[4]) end
for _, server in ipairs(redis.call('SMEMBERS', KEYS[5])) do
  if redis.call('SISMEMBER', KEYS[3], server .. ':' .. ARGV[3]) == 1 then
    return 0
  end
end
redis.call('SREM', KEYS[2], ARGV[3])
return 1
)"},
    // restore: of this server, exactly these users are in the channel
    {true, R"(
local keep, elsewhere, gone = {}, {}, {}
for i = 4, #ARGV do keep[ARGV[i]] = true end
for _, member in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local colon = string.find(member, ':', 1, true) or 0
  local user = string.sub(member, colon + 1)
  if string.sub(member, 1, colon - 1) ~= ARGV[2] then
    elsewhere[user] = true
  elseif not keep[user] then
    redis.call('SREM', KEYS[3], member)
    gone[#gone + 1] = user
  end
end
for _, user in ipairs(gone) do
  if not elsewhere[user] then redis.call('SREM', KEYS[2], user) end
end
for i = 4, #ARGV do
  redis.call('SADD', KEYS[2], ARGV[i])
  redis.call('SADD', KEYS[3], ARGV[2] .. ':' .. ARGV[i])
end
return redis.call(#ARGV >= 4 and 'SADD' or 'SREM', KEYS[4], ARGV[3])
)"},
    // beat
    {true, R"(
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
)"},
    // resign
    {true, R"(
redis.call('SREM', KEYS[2], ARGV[2])
return redis.call('DEL', KEYS[1], KEYS[3])
)"},
    // dead: the servers whose time is over
    {false, R"(
local dead = {}
for _, server in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', 'server:' .. server .. ':alive') == 0 then dead[#dead + 1] = server end
end
return dead
)"},
    // reap: the users who were in on that server only; nothing if it lives.
    // A floor of theirs runs out by itself: not before that is its holder silent, if all that its
    // server has lost is Redis.
    {false, R"(
if redis.call('EXISTS', KEYS[1]) == 1 then return {} end
local elsewhere, here, gone = {}, {}, {}
for _, member in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local colon = string.find(member, ':', 1, true) or 0
  local user = string.sub(member, colon + 1)
  if string.sub(member, 1, colon - 1) == ARGV[1] then
    redis.call('SREM', KEYS[3], member)
    here[#here + 1] = user
  else
    elsewhere[user] = true
  end
end
for _, user in ipairs(here) do
  if not elsewhere[user] then
    redis.call('SREM', KEYS[2], user)
    gone[#gone + 1] = user
  end
end
redis.call('SREM', KEYS[4], ARGV[2])
if #gone > 0 and redis.call('EXISTS', KEYS[5]) == 0 then
  redis.call('PUBLISH', KEYS[6], ARGV[3])
end
return gone
)"},
    // forget
    {false, R"(
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('SCARD', KEYS[3]) > 0 then return 0 end
return redis.call('SREM', KEYS[2], ARGV[1])
)"},
}};

} // namespace parley::signaling::detail
