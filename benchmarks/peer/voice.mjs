// Distributed under the Boost Software License, Version 1.0. See LICENSE.
//
// The peer of the voice benchmark: push-to-talk signalling on Node.js with the packages `ws` and
// `redis`, written as such a server usually is. It does what the server does with tokens, channels,
// floors, limits and departures. It has no media, does not notice another server's death, and checks
// messages only as far as it uses them; so it has less to do.
//
// Usage: ROUTER_JWT_SECRET=… node voice.mjs [--port 0] [--redis redis://127.0.0.1:6379]
//            [--connections-per-minute 60]
// Without --redis the floors are kept in memory. Prints {"port":N} when it listens on loopback.

import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { MemoryFloors, RedisFloors } from './voice_floors.mjs';

const limits = { channels: 10, users: 100, id: 128, message: 65536 };
const { values: options } = parseArgs({
    options: {
        port: { type: 'string', default: '0' },
        redis: { type: 'string' },
        'connections-per-minute': { type: 'string', default: '60' },
    },
});
const secret = process.env.ROUTER_JWT_SECRET;
if (!secret) throw new Error('ROUTER_JWT_SECRET: expected the secret of the tokens, found none');

/** What is wrong, in words for the client. */
class Refusal extends Error {}

// ---- Tokens --------------------------------------------------------------------------------------

function claimsOf(token) {
    const [head, payload, signature, ...more] = token.split('.');
    if (signature === undefined || more.length > 0) return null;
    const expected = createHmac('sha256', secret).update(`${head}.${payload}`).digest();
    const found = Buffer.from(signature, 'base64url');
    if (found.length !== expected.length || !timingSafeEqual(found, expected)) return null;
    try {
        const { alg } = JSON.parse(Buffer.from(head, 'base64url'));
        const claims = JSON.parse(Buffer.from(payload, 'base64url'));
        const now = Date.now() / 1000;
        const isValid =
            alg === 'HS256' &&
            isId(claims.userId) &&
            isId(claims.userName) &&
            (claims.exp === undefined || now < claims.exp) &&
            (claims.nbf === undefined || now >= claims.nbf);
        return isValid ? claims : null;
    } catch {
        return null;
    }
}

const isId = (text) =>
    typeof text === 'string' &&
    /^[^\x00-\x1f\x7f]+$/.test(text) &&
    Buffer.byteLength(text) <= limits.id;

function tokenOf(request) {
    const bearer = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer) return bearer;
    const inQuery = new URLSearchParams(request.url.split('?')[1]).get('token');
    if (inQuery) return inQuery;
    const offered = (request.headers['sec-websocket-protocol'] ?? '')
        .split(',')
        .map((one) => one.trim());
    return offered.find((one) => one !== 'voiceping')?.replace(/^token-/, '') ?? '';
}

// ---- Channels ------------------------------------------------------------------------------------

const channels = new Map(); // by id: the sessions of this server in it, and who speaks
const usersChannels = new Map(); // by user: how many of its sessions are in which channels

const idle = { currentSpeaker: null, speakerName: null, isBusy: false, lockTimestamp: null };
const stateOf = (channelId, speaker) =>
    speaker
        ? {
              channelId,
              currentSpeaker: speaker.userId,
              speakerName: speaker.userName,
              isBusy: true,
              lockTimestamp: speaker.timestamp,
          }
        : { channelId, ...idle };

const pushText = (type, data) => JSON.stringify({ type, data });
const speakerChanged = (channelId, speaker, except) => ({
    except,
    speaker,
    text: pushText('speaker-changed', { ...stateOf(channelId, speaker), producerId: null }),
});

function told(channelId, { except, speaker, text }) {
    const channel = channels.get(channelId);
    if (!channel) return;
    if (speaker !== undefined) channel.speaker = speaker;
    for (const session of channel.sessions) {
        if (session.id !== except) session.socket.send(text);
    }
}

const floors = options.redis
    ? await RedisFloors.connect(options.redis, told)
    : new MemoryFloors(told);

async function announce(channelId, session, action, userCount) {
    const { userId, userName } = session.who;
    const state = stateOf(channelId, channels.get(channelId)?.speaker);
    const text = pushText('channel-state', { ...state, action, userId, userName, userCount });
    await floors.publish(channelId, { except: session.id, text });
}

function requireMembership(session, channelId) {
    if (!session.channels.has(channelId)) throw new Refusal(`join the channel ${channelId} first`);
}

async function join(session, { channelId }) {
    if (!isId(channelId)) throw new Refusal(`channelId: expected 1 to ${limits.id} bytes`);
    const { channelIds, globalRole, userId } = session.who;
    if (channelIds && globalRole !== 'ADMIN' && !channelIds.includes(channelId)) {
        throw new Refusal(`the token does not allow the channel ${channelId}`);
    }
    if (session.channels.has(channelId)) {
        const { speaker, users } = channels.get(channelId);
        return { channelId, state: stateOf(channelId, speaker), userCount: users };
    }
    const mine = usersChannels.get(userId) ?? new Map();
    if (!mine.has(channelId) && mine.size >= limits.channels) {
        throw new Refusal(`a user may be in ${limits.channels} channels at once: leave one first`);
    }
    const users = await floors.join(channelId, userId, limits.users);
    if (users < 0) throw new Refusal(`the channel is full: ${limits.users} users are allowed`);
    let channel = channels.get(channelId);
    if (!channel) {
        channels.set(channelId, (channel = { sessions: new Set(), speaker: null, users }));
        await floors.listen(channelId);
        channel.speaker = await floors.holder(channelId);
    }
    channel.sessions.add(session);
    channel.users = users;
    usersChannels.set(userId, mine.set(channelId, (mine.get(channelId) ?? 0) + 1));
    session.channels.set(channelId, null);
    await announce(channelId, session, 'user-joined', users);
    return { channelId, state: stateOf(channelId, channel.speaker), userCount: users };
}

async function leave(session, channelId, action) {
    requireMembership(session, channelId);
    await stop(session, channelId);
    session.channels.delete(channelId);
    const channel = channels.get(channelId);
    channel.sessions.delete(session);
    const { userId } = session.who;
    const mine = usersChannels.get(userId);
    const others = mine.get(channelId) - 1;
    if (others > 0) {
        mine.set(channelId, others); // the user is there still, on another connection
    } else {
        mine.delete(channelId);
        if (mine.size === 0) usersChannels.delete(userId);
        const left = await floors.leave(channelId, userId);
        channel.users = left;
        await announce(channelId, session, action, left);
    }
    if (channel.sessions.size === 0) {
        channels.delete(channelId);
        await floors.ignore(channelId);
    }
}

async function start(session, channelId) {
    requireMembership(session, channelId);
    const held = session.channels.get(channelId);
    if (held) return { success: true, state: stateOf(channelId, held) };
    const { userId, userName } = session.who;
    const speaker = { userId, userName, timestamp: Date.now() };
    const holder = await floors.take(
        channelId,
        speaker,
        speakerChanged(channelId, speaker, session.id),
    );
    if (holder === speaker) {
        session.channels.set(channelId, speaker);
        return { success: true, state: stateOf(channelId, speaker) };
    }
    const denial = { currentSpeaker: holder.userId, currentSpeakerName: holder.userName };
    const message = `${holder.userName} is speaking`;
    session.socket.send(pushText('ptt-denied', { channelId, ...denial, message }));
    return { success: false, denied: true, ...denial };
}

async function stop(session, channelId) {
    requireMembership(session, channelId);
    const held = session.channels.get(channelId);
    if (held) {
        session.channels.set(channelId, null);
        await floors.release(channelId, held, speakerChanged(channelId, null, session.id));
    }
    return {
        success: true,
        state: stateOf(channelId, held ? null : channels.get(channelId).speaker),
    };
}

// ---- Messages ------------------------------------------------------------------------------------

const handlers = {
    'join-channel': (session, data) => join(session, data),
    'leave-channel': async (session, { channelId }) => {
        await leave(session, channelId, 'user-left');
        return { channelId, success: true };
    },
    'ptt-start': (session, { channelId }) => start(session, channelId),
    'ptt-stop': (session, { channelId }) => stop(session, channelId),
    ping: () => undefined,
};
for (const type of [
    'get-router-capabilities',
    'create-transport',
    'connect-transport',
    'produce',
    'consume',
]) {
    handlers[type] = () => {
        throw new Refusal('signalling only: this server has no media');
    };
}

async function handle(session, text) {
    let id;
    try {
        const message = JSON.parse(text);
        if (typeof message?.id === 'string' && message.id.length <= limits.id) id = message.id;
        if (!Object.hasOwn(handlers, message?.type))
            throw new Refusal(`unknown type ${message?.type}`);
        const { type } = message;
        const data = await handlers[type](session, message.data ?? {});
        if (type === 'ping') session.socket.send(JSON.stringify({ type: 'pong', id }));
        else if (id !== undefined) session.socket.send(JSON.stringify({ type, id, data }));
    } catch (error) {
        let why = 'the server failed: try again';
        if (error instanceof SyntaxError) why = 'not JSON';
        else if (error instanceof Refusal) why = error.message;
        else console.error(error);
        session.socket.send(JSON.stringify({ type: 'error', id, error: why }));
    }
}

// ---- Connections ---------------------------------------------------------------------------------

const sessions = new Set();
const attempts = new Map(); // by address: when its minute began, and how many there were

function waitFor(address) {
    const now = Date.now();
    let minute = attempts.get(address);
    if (!minute || now - minute.began >= 60_000)
        attempts.set(address, (minute = { began: now, count: 0 }));
    const isTooMany = ++minute.count > Number(options['connections-per-minute']);
    return isTooMany ? Math.ceil((minute.began + 60_000 - now) / 1000) : 0;
}

const pathOf = (request) => request.url.split('?')[0];

const http = createServer((request, response) => {
    const isHealth = pathOf(request) === '/health';
    const body = isHealth
        ? {
              status: 'ok',
              uptime: Math.floor(process.uptime()),
              workers: 0,
              connections: sessions.size,
          }
        : { error: 'nothing is served here' };
    response.writeHead(isHealth ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
});

const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.message,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('voiceping') ? 'voiceping' : false),
});

http.on('upgrade', (request, socket, head) => {
    const refuse = (status, fields = '') => {
        socket.end(`HTTP/1.1 ${status}\r\n${fields}Connection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    if (pathOf(request) !== '/ws') return refuse('404 Not Found');
    const wait = waitFor(socket.remoteAddress);
    if (wait > 0) return refuse('429 Too Many Requests', `Retry-After: ${wait}\r\n`);
    const who = claimsOf(tokenOf(request));
    if (!who) return refuse('401 Unauthorized');
    server.handleUpgrade(request, socket, head, (open) => serve(open, who));
});

function serve(socket, who) {
    const session = {
        id: `${who.userId}:${randomUUID()}`,
        who,
        socket,
        channels: new Map(),
        isAlive: true,
    };
    sessions.add(session);
    let turn = Promise.resolve(); // one message at a time, in their order
    socket.on('error', () => {}); // `close` follows
    socket.on('pong', () => (session.isAlive = true));
    socket.on('message', (data) => {
        turn = turn.then(() => handle(session, data.toString('utf8')));
    });
    socket.on('close', () => {
        turn = turn.then(() => depart(session));
    });
    const { channelIds = [], role = null, globalRole = null } = who;
    socket.send(pushText('channel-list', { channels: channelIds, role, globalRole }));
}

async function depart(session) {
    sessions.delete(session);
    for (const channelId of [...session.channels.keys()]) {
        await leave(session, channelId, 'user-disconnected').catch((error) => console.error(error));
    }
}

setInterval(() => {
    for (const session of sessions) {
        if (!session.isAlive) session.socket.terminate();
        session.isAlive = false;
        session.socket.ping();
    }
    for (const [address, { began }] of attempts) {
        if (Date.now() - began >= 60_000) attempts.delete(address);
    }
}, 30_000);

setInterval(() => {
    for (const session of sessions) {
        for (const [channelId, speaker] of session.channels) {
            if (speaker) floors.refresh(channelId, speaker).catch((error) => console.error(error));
        }
    }
}, 10_000);

http.listen(Number(options.port), '127.0.0.1', () => {
    console.log(JSON.stringify({ port: http.address().port }));
});

for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
        http.close();
        await Promise.all(
            [...sessions].map((session) => depart(session).then(() => session.socket.terminate())),
        );
        await floors.close();
        process.exit(0);
    });
}
