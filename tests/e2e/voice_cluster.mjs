// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Voice signalling by several servers, each a process of its own, that share a real Redis: what is true
// of one has to be true of all together, also when one of them, Redis or a media worker fails. Run with
// `node --test`; VOICE_SIGNALING is the path of the program, PARLEY_MEDIASOUP_WORKER that of the worker,
// without which what needs it is skipped. Builds nothing.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { VoiceLine, soon } from './voice_line.mjs';
import { Redis, Server, childrenOf, hasRedis, runs, until } from './voice_servers.mjs';
import { tokenOf } from './voice_signaling.mjs';

const worker = process.env.PARLEY_MEDIASOUP_WORKER || undefined;
const needsWorker = { skip: worker ? false : 'PARLEY_MEDIASOUP_WORKER is not set' };
const media = { worker, workers: 1 };
const idle = { currentSpeaker: null, speakerName: null, isBusy: false, lockTimestamp: null };

/** A line of a user of this name to this server, in these channels. */
async function user(t, server, name, ...channels) {
  const line = await VoiceLine.open(server, tokenOf(name));
  t.after(() => line.socket.terminate());
  await line.push('channel-list');
  for (const channelId of channels) await line.get('join-channel', { channelId });
  return line;
}

/** Two servers on a Redis of their own. */
async function cluster(t, options) {
  const redis = await Redis.start(t);
  const servers = await Promise.all([
    Server.start(t, redis.url, options),
    Server.start(t, redis.url),
  ]);
  await Promise.all(servers.map((server) => server.isWell()));
  return { redis, servers };
}

/** What Redis has besides the servers themselves. */
const ofChannels = async (redis) =>
  (await redis.keys()).filter((key) => !/^servers$|^server:.*:alive$/.test(key));

const options = { concurrency: true, skip: hasRedis ? false : 'redis-server is not installed' };
describe('several servers', options, () => {
  // ---- One beside the other ------------------------------------------------------------------------

  test('two servers on one Redis serve a channel together, and leave nothing in it', async (t) => {
    const { redis, servers } = await cluster(t);
    const channelId = 'north';
    const alice = await user(t, servers[0], 'Alice', channelId);
    const bob = await user(t, servers[1], 'Bob');
    assert.equal((await bob.get('join-channel', { channelId })).userCount, 2);
    const news = { channelId, ...idle, userId: 'bob', userName: 'Bob' };
    assert.deepEqual(await alice.push('channel-state'), {
      ...news,
      action: 'user-joined',
      userCount: 2,
    });

    const { success, state } = await alice.get('ptt-start', { channelId });
    assert.equal(success, true);
    assert.deepEqual(await bob.push('speaker-changed'), { ...state, producerId: null });
    const speaker = { currentSpeaker: 'alice', currentSpeakerName: 'Alice' };
    assert.deepEqual(await bob.get('ptt-start', { channelId }), {
      success: false,
      denied: true,
      ...speaker,
    });
    assert.equal((await bob.push('ptt-denied')).message, 'Alice is speaking');
    assert.equal((await bob.get('ptt-stop', { channelId })).state.currentSpeaker, 'alice');
    const carol = await user(t, servers[1], 'Carol');
    assert.deepEqual((await carol.get('join-channel', { channelId })).state, state);
    await Promise.all([alice, bob].map((line) => line.push('channel-state')));

    await alice.get('ptt-stop', { channelId });
    for (const line of [bob, carol])
      assert.deepEqual(await line.push('speaker-changed'), { channelId, ...idle, producerId: null });
    assert.equal((await bob.get('ptt-start', { channelId })).success, true);
    assert.equal((await alice.push('speaker-changed')).currentSpeaker, 'bob');

    await bob.get('leave-channel', { channelId });
    assert.equal((await alice.push('speaker-changed')).currentSpeaker, null);
    assert.deepEqual(await alice.push('channel-state'), {
      ...news,
      action: 'user-left',
      userCount: 2,
    });
    await carol.get('ptt-start', { channelId });
    assert.equal((await alice.push('speaker-changed')).currentSpeaker, 'carol');
    carol.socket.terminate();
    assert.equal((await alice.push('speaker-changed')).currentSpeaker, null);
    const last = await alice.push('channel-state');
    assert.deepEqual([last.action, last.userId, last.userCount], ['user-disconnected', 'carol', 1]);

    assert.notDeepEqual(await ofChannels(redis), [], 'Alice is still in');
    await alice.get('leave-channel', { channelId });
    assert.deepEqual(await ofChannels(redis), []);
    assert.deepEqual(await Promise.all(servers.map((server) => server.stop())), [0, 0]);
    assert.deepEqual(await redis.keys(), []);
  });

  test('a server that is killed is cleaned up after within 30 s', async (t) => {
    const { redis, servers } = await cluster(t);
    const channelId = 'north';
    const bob = await user(t, servers[1], 'Bob', channelId);
    const alice = await user(t, servers[0], 'Alice', channelId);
    await user(t, servers[0], 'Bob', 'south'); // is on both: from there only Bob's channel goes
    await alice.get('ptt-start', { channelId });
    assert.equal((await bob.push('speaker-changed')).currentSpeaker, 'alice');
    await bob.push('channel-state');

    const killed = Date.now();
    const limit = 32_000;
    const timed = async (what, happening) => {
      const value = await soon(what, happening, limit);
      t.diagnostic(`${what} after ${((Date.now() - killed) / 1000).toFixed(1)} s`);
      return value;
    };
    const patient = (type) => bob.push(type, limit);
    await servers[0].kill();
    assert.equal((await bob.get('ptt-start', { channelId })).currentSpeaker, 'alice', 'at first');
    const both = await Promise.all([
      timed('the free floor is told', patient('speaker-changed')),
      timed('the lost user is told', patient('channel-state')),
      timed(
        'nothing is left of it in Redis',
        until('nothing is left', async () => (await redis.keys()).length <= 5, limit),
      ),
    ]);
    assert.deepEqual(both[0], { channelId, ...idle, producerId: null });
    const { action, userId, userCount } = both[1];
    assert.deepEqual([action, userId, userCount], ['user-disconnected', 'alice', 1]);
    assert.equal((await bob.get('ptt-start', { channelId })).success, true);
    assert.deepEqual(await redis.ask('SMEMBERS', 'channel:north:users'), 'bob');
    await bob.close();
    assert.equal(await servers[1].stop(), 0);
    assert.deepEqual(await redis.keys(), []);
  });

  // ---- Redis goes and comes back -------------------------------------------------------------------

  for (const [how, away] of [
    ['hangs', { begin: (redis) => redis.hang(), end: (redis) => redis.goOn() }],
    ['is killed and starts empty', { begin: (redis) => redis.kill(), end: (redis) => redis.run() }],
  ]) {
    test(`one speaks in a channel at most, also when Redis ${how}`, async (t) => {
      const { redis, servers } = await cluster(t);
      const talks = await Talks.begin(t, servers);
      await until('there is something to lose', () => talks.grants > 100);
      assert.deepEqual(talks.losses, [], 'nobody loses the floor for nothing');

      const health = () => Promise.all(servers.map((server) => server.health()));
      await away.begin(redis);
      await until('both are degraded', async () => (await health()).every(isDegraded));
      await sleep(2_000);
      assert.ok((await health()).every(isDegraded), 'as long as it is away');
      const before = talks.grants;
      await sleep(1_000);
      assert.equal(talks.grants, before, 'nobody is given the floor without Redis');
      await away.end(redis);
      const back = Date.now();
      await Promise.all(servers.map((server) => server.isWell()));
      assert.ok((await health()).every(({ status }) => status === 'ok'));
      t.diagnostic(`well ${Date.now() - back} ms after Redis is back`);
      talks.granted.clear();
      await until('all channels talk again', () => talks.allTalk(), 40e3);
      t.diagnostic(`all channels talk again ${Date.now() - back} ms after it`);
      await sleep(1_000);
      await talks.end();
      assert.deepEqual(talks.faults, []);
      t.diagnostic(`${talks.grants} grants, ${talks.losses.length} floors lost`);

      await talks.checkAll(redis);
      assert.deepEqual(await Promise.all(servers.map((server) => server.stop())), [0, 0]);
      assert.deepEqual(await redis.keys(), []);
    });
  }

  // ---- Stopping ------------------------------------------------------------------------------------

  test('a server that stops does so in order', async (t) => {
    const { redis, servers } = await cluster(t, worker && { media });
    const channelId = 'north';
    const bob = await user(t, servers[1], 'Bob', channelId);
    const alice = await user(t, servers[0], 'Alice', channelId);
    const carol = await user(t, servers[0], 'Carol', channelId);
    await alice.get('ptt-start', { channelId });
    await bob.push('speaker-changed');
    for (const name of ['alice', 'carol'])
      assert.equal((await bob.push('channel-state')).userId, name);
    const workers = await childrenOf(servers[0].pid);
    assert.equal(workers.length, worker ? 1 : 0);

    // One client and the worker are slow to go: what has to come after them is seen to wait.
    const slow = 1_000;
    const monitor = await redis.monitor();
    t.after(monitor.end);
    carol.socket.pause();
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    t.after(() => workers.map((pid) => runs(pid).then((is) => is && process.kill(pid, 'SIGKILL'))));
    const begun = Date.now();
    setTimeout(() => carol.socket.resume(), slow);
    const gone = workers.map(async (pid) => {
      while (await runs(pid)) await sleep(5);
      return Date.now();
    });
    assert.equal(await servers[0].stop(), 0);
    const ended = Date.now();
    for (const line of [alice, carol])
      assert.equal(await soon('the client is closed', line.closed), 1001);
    const workersGone = await soon('the workers are gone', Promise.all(gone));

    assert.deepEqual(await bob.push('speaker-changed'), { channelId, ...idle, producerId: null });
    const left = [await bob.push('channel-state'), await bob.push('channel-state')];
    assert.deepEqual(left.map(({ userId }) => userId).sort(), ['alice', 'carol']);
    assert.ok(left.every(({ action }) => action === 'user-disconnected'));
    // Both may be gone before either is told of: how many there are is counted when it is told.
    assert.ok([1, 2].includes(left[0].userCount));
    assert.equal(left[1].userCount, 1);
    assert.equal((await bob.get('ptt-start', { channelId })).success, true);
    assert.equal(await redis.ask('SMEMBERS', `channel:${channelId}:users`), 'bob');
    const ofServers = (await redis.keys()).filter((key) => /^server:/.test(key));
    assert.equal(ofServers.length, 2, 'of the one that is left');

    const times = (isIt) => monitor.commands.filter(({ words }) => isIt(words)).map(({ at }) => at);
    const has = (words, ...all) => all.every((one) => words.some((word) => word.includes(one)));
    const steps = {
      'clients closed': [begun + slow], // Carol
      'floors released': times((words) => has(words, ':speaker', ':events', 'floor\\":null')),
      'members removed': times((words) => has(words, ':presence', 'servers')),
      'workers ended': workersGone,
      'Redis closed': times((words) => words[2] === '3' && words[4] === 'servers'),
      ended: [ended],
    };
    t.diagnostic(
      Object.entries(steps)
        .map(([name, all]) => `${name} ${all.map((at) => `${Math.round(at - begun)} ms`)}`)
        .join('; '),
    );
    const counts = Object.values(steps).map(({ length }) => length);
    assert.deepEqual(counts, [1, 1, 2, workers.length, 1, 1]);
    // Each is over before the next begins. What is seen from here is seen a little late.
    const late = 500;
    let before = 0;
    for (const [name, all] of Object.entries(steps)) {
      assert.ok(Math.min(...all) >= before - late, `${name} too early`);
      before = Math.max(before, ...all);
    }
  });

  // ---- The media server ----------------------------------------------------------------------------

  test('a worker that is killed is replaced, and its clients are told', needsWorker, async (t) => {
    const { servers } = await cluster(t, { media });
    const talks = await Talks.begin(t, [servers[0]], { channels: 4, users: 3 });
    const sending = { direction: 'send' };
    const transports = () =>
      Promise.all(
        talks.talkers.map((one) => one.ask('create-transport', { ...sending, ...one.where })),
      );
    for (const answer of await transports()) assert.ok(answer.data?.id, JSON.stringify(answer));
    const [first] = await childrenOf(servers[0].pid);
    for (const one of talks.talkers) one.restarts = 0;

    process.kill(first, 'SIGKILL');
    await transports(); // while there is none: refused or not, but answered
    await until('all are told', () => talks.talkers.every(({ restarts }) => restarts === 1));
    await until('the worker is replaced', async () => (await servers[0].health()).workers === 1);
    const now = await childrenOf(servers[0].pid);
    assert.equal(now.length, 1);
    assert.notEqual(now[0], first);
    for (const answer of await transports()) assert.ok(answer.data?.id, JSON.stringify(answer));
    for (const one of talks.talkers) await one.get('get-router-capabilities', one.where);

    talks.granted.clear();
    await until('all channels talk', () => talks.allTalk());
    await talks.end();
    assert.deepEqual([talks.faults, talks.losses], [[], []]);
    assert.ok(talks.talkers.every(({ restarts }) => restarts === 1), 'told once');
    assert.equal(await servers[0].stop(), 0);
    assert.equal(await runs(now[0]), false);
  });

  // ---- Redis that wants a password -----------------------------------------------------------------

  test('a password is sent, and a wrong one is reported, but never shown', async (t) => {
    const password = 'pass-phrase-of-the-tests';
    const wrong = 'another-pass-phrase';
    const redis = await Redis.start(t, { password });
    const at = `127.0.0.1:${redis.port}/0`;
    const [right, mistaken, silent] = await Promise.all(
      [`:${password}@`, `default:${wrong}@`, ''].map((login) =>
        Server.start(t, `redis://${login}${at}`),
      ),
    );
    await right.isWell();
    const alice = await user(t, right, 'Alice', 'north');
    assert.equal((await alice.get('ptt-start', { channelId: 'north' })).success, true);

    for (const [server, reason] of [
      [mistaken, /AUTH was refused.*WRONGPASS/],
      [silent, /NOAUTH/],
    ]) {
      const { code, status } = await server.health();
      assert.deepEqual([code, status], [503, 'degraded']);
      await until('the log says why', () => reason.test(server.log));
      assert.match(server.log, /floors\.redis/, 'and what to look at');
      assert.ok(server.log.includes(`127.0.0.1:${redis.port}`), 'and where');
      const bob = await user(t, server, 'Bob');
      assert.match(await bob.refused('join-channel', { channelId: 'north' }), /try again/);
    }
    await redis.ask('CONFIG', 'SET', 'requirepass', wrong);
    redis.password = wrong;
    await mistaken.isWell(); // without being started anew
    for (const server of [right, mistaken, silent]) {
      for (const text of [password, wrong]) assert.ok(!server.log.includes(text), server.log);
      assert.equal(await server.stop(), 0);
    }
  });

  test('a Redis URL that is none is refused at the start, and not shown', async (t) => {
    const start = Server.start(t, 'redis://:pass-phrase-of-the-tests@127.0.0.1:port/0');
    await assert.rejects(start, (error) => {
      assert.match(error.message, /floors\.redis/);
      assert.doesNotMatch(error.message, /pass-phrase/);
      return true;
    });
  });
});

const isDegraded = ({ code, status }) => code === 503 && status === 'degraded';

// ---- Load ------------------------------------------------------------------------------------------

/** A client that knows whether it has the floor: from the answer that says so until it lets go of it,
 * or is told that it has it no longer. All clocks are one: that of this process. */
class Talker extends VoiceLine {
  heard({ type, id, data }) {
    if (id !== undefined) {
      if (type === 'ptt-start' && data.success) this.talks.begins(this);
      return false;
    }
    if (type === 'speaker-changed') {
      this.told = data;
      if (data.currentSpeaker !== this.name) this.talks.loses(this, data.currentSpeaker);
    }
    if (data?.action === 'media-restarted') ++this.restarts;
    return type !== 'channel-list';
  }

  /** Takes the floor, and lets go of it, until all is over. */
  async talk() {
    while (!this.talks.over) {
      const { data } = await this.ask('ptt-start', this.where);
      if (!data.success) {
        await sleep(20 + Math.random() * 40);
        continue;
      }
      const end = Date.now() + this.breath * (0.5 + Math.random());
      while (this.speaks && Date.now() < end && !this.talks.over) await sleep(10);
      this.talks.ends(this);
      await this.get('ptt-stop', this.where);
      await sleep(20);
    }
  }
}

/** Clients that talk in channels all the time. */
class Talks {
  over = false;
  grants = 0;
  granted = new Set(); // channels, and servers
  losses = []; // who was told not to have the floor any more
  faults = []; // two with the floor of a channel
  #speakers = new Map();

  static async begin(t, servers, { channels = 8, users = 5 } = {}) {
    const talks = new Talks();
    talks.channels = Array.from({ length: channels }, (_, i) => `channel-${i}`);
    talks.talkers = await Promise.all(
      talks.channels.flatMap((channelId, i) =>
        Array.from({ length: users }, async (_, j) => {
          const name = `user-${i}-${j}`;
          const at = servers[j % servers.length];
          const one = await Talker.open(at, tokenOf(name));
          t.after(() => one.socket.terminate());
          // In some channels they speak long: over the time that Redis is away.
          const breath = i < 3 ? 10_000 : 50;
          Object.assign(one, { talks, name, where: { channelId }, breath, at });
          await one.push('channel-list');
          await one.get('join-channel', one.where);
          return one;
        }),
      ),
    );
    talks.all = Promise.all(talks.talkers.map((one) => one.talk()));
    talks.all.catch(() => {});
    return talks;
  }

  begins(one) {
    const { channelId } = one.where;
    const other = this.#speakers.get(channelId);
    if (other && other !== one) this.faults.push(`${channelId}: ${one.name} while ${other.name}`);
    this.#speakers.set(channelId, one);
    one.speaks = true;
    ++this.grants;
    this.granted.add(channelId).add(one.at);
  }

  /** Whether the floor was granted in all channels, and by all servers. */
  allTalk() {
    const servers = new Set(this.talkers.map(({ at }) => at));
    return this.granted.size === this.channels.length + servers.size;
  }

  ends(one) {
    if (this.#speakers.get(one.where.channelId) === one) this.#speakers.delete(one.where.channelId);
    one.speaks = false;
  }

  loses(one, to) {
    if (!one.speaks) return;
    this.losses.push(`${one.name} to ${to}`);
    if (to) this.faults.push(`${to} while ${one.name}`);
    this.ends(one);
  }

  async end() {
    this.over = true;
    await this.all;
  }

  /** After the end: all are still there, and every channel's floor can be had and is heard of. */
  async checkAll(redis) {
    for (const { socket } of this.talkers) assert.equal(socket.readyState, WebSocket.OPEN);
    for (const channelId of this.channels) {
      const members = this.talkers.filter(({ where }) => where.channelId === channelId);
      const inRedis = (await redis.ask('SMEMBERS', `channel:${channelId}:users`)).split('\n').sort();
      assert.deepEqual(inRedis, members.map(({ name }) => name).sort());
      for (const one of members.slice(0, 2)) {
        assert.equal((await one.get('ptt-start', one.where)).success, true, channelId);
        const others = members.filter((other) => other !== one);
        const hear = (name) =>
          until(`all hear of ${name}`, () =>
            others.every(({ told }) => told?.currentSpeaker === name),
          );
        await hear(one.name);
        this.ends(one);
        await one.get('ptt-stop', one.where);
        await hear(null);
      }
    }
    for (const one of this.talkers) await one.close();
    await until('all have left Redis', async () => (await ofChannels(redis)).length === 0);
  }
}
