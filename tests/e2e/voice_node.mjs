// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Voice signalling's wire protocol, as an independent client speaks it: `fetch` for HTTP, `ws` for the
// WebSocket. Run with `node --test`; VOICE_SIGNALING is the path of the program. Builds nothing.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { VoiceLine, soon } from './voice_line.mjs';
import { Program, secret, tokenFor, tokenOf } from './voice_signaling.mjs';

const freshChannel = () => `channel ${randomUUID()}`;
const idle = { currentSpeaker: null, speakerName: null, isBusy: false, lockTimestamp: null };

let last = 1;
/** An address of loopback that nobody has connected from yet: attempts are counted by address. */
const freshAddress = () => `127.0.1.${++last}`;

let demo;
before(async () => {
  demo = await Program.start();
});
after(async () => {
  assert.equal(await demo?.stop(), 0);
});

/** To the demo, each from an address of its own. By default the token goes among the subprotocols. */
class Line extends VoiceLine {
  constructor(token, options = {}) {
    super(demo, token, { ...options, address: options.address ?? freshAddress() });
  }
}

/** A line of a user of this name, in these channels. */
async function user(t, name, ...channels) {
  const line = await Line.open(tokenOf(name));
  t.after(() => line.socket.terminate());
  await line.push('channel-list');
  for (const channelId of channels) await line.get('join-channel', { channelId });
  return line;
}

/** Two users in a channel, who have heard of each other. */
async function pair(t) {
  const channelId = freshChannel();
  const alice = await user(t, 'Alice', channelId);
  const bob = await user(t, 'Bob', channelId);
  await alice.push('channel-state');
  return { channelId, alice, bob };
}

// ---- Connecting ------------------------------------------------------------------------------------

test('the server tells its health', async () => {
  const health = await demo.health();
  assert.equal(health.status, 'ok');
  for (const name of ['uptime', 'workers', 'connections']) assert.ok(health[name] >= 0, name);
});

test('a token is taken from where it may be, and never said back', async (t) => {
  const token = tokenOf('Alice', { channelIds: ['one', 'two'], role: 'guest', globalRole: 'USER' });
  const ways = {
    authorization: { protocols: [], headers: { authorization: `Bearer ${token}` } },
    query: { protocols: [], query: `?token=${token}` },
    subprotocol: { protocols: ['voiceping', token] },
    legacy: { protocols: ['voiceping', `token-${token}`] },
  };
  for (const [way, options] of Object.entries(ways)) {
    const line = await Line.open(token, options);
    t.after(() => line.socket.terminate());
    assert.equal(line.refusedWith, undefined, way);
    assert.deepEqual(
      await line.push('channel-list'),
      { channels: ['one', 'two'], role: 'guest', globalRole: 'USER' },
      way,
    );
    const selected = options.protocols.length > 0 ? 'voiceping' : undefined;
    assert.equal(line.upgrade['sec-websocket-protocol'], selected, way);
    assert.ok(!JSON.stringify(line.upgrade).includes(token.split('.')[2]), way);
  }
});

test('the Authorization field goes before the query, and that before the subprotocols', async () => {
  const [good, bad] = [tokenOf('Alice'), 'x.y.z'];
  const attempts = [
    [
      {
        headers: { authorization: `Bearer ${good}` },
        query: `?token=${bad}`,
        protocols: ['voiceping', bad],
      },
      undefined,
    ],
    [
      {
        headers: { authorization: `Bearer ${bad}` },
        query: `?token=${good}`,
        protocols: ['voiceping', good],
      },
      401,
    ],
    [{ query: `?token=${good}`, protocols: ['voiceping', bad] }, undefined],
    [{ query: `?token=${bad}`, protocols: ['voiceping', good] }, 401],
  ];
  for (const [options, expected] of attempts) {
    const line = await Line.open(null, options);
    assert.equal(line.refusedWith, expected, JSON.stringify(options));
    line.socket.terminate();
  }
});

test('what is no valid token of this server is refused with 401', async () => {
  const now = Math.floor(Date.now() / 1000);
  const claims = { userId: 'alice', userName: 'Alice', exp: now + 600 };
  const genuine = tokenFor(claims);
  const [head, payload, signature] = genuine.split('.');
  const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
  const bad = {
    'another key': tokenFor(claims, { key: `not ${secret}` }),
    'no algorithm': tokenFor(claims, { head: { alg: 'none' } }),
    'no algorithm, no signature': `${tokenFor(claims, { head: { alg: 'none' } })
      .split('.')
      .slice(0, 2)
      .join('.')}.`,
    'another algorithm': tokenFor(claims, { head: { alg: 'HS512' } }),
    'no signature': `${head}.${payload}.`,
    'a changed signature': `${head}.${payload}.${flipped}`,
    'two parts': `${head}.${payload}`,
    expired: tokenFor({ ...claims, exp: now - 5 }),
    'not yet valid': tokenFor({ ...claims, nbf: now + 60 }),
    'no user': tokenFor({ ...claims, userId: undefined }),
    'a user that is no text': tokenFor({ ...claims, userId: 7 }),
    'no name': tokenFor({ ...claims, userName: undefined }),
    'an empty user': tokenFor({ ...claims, userId: '' }),
    rubbish: 'rubbish',
  };
  const address = freshAddress();
  for (const [name, token] of Object.entries(bad)) {
    const line = await Line.open(token, { address });
    assert.equal(line.refusedWith, 401, name);
  }
  assert.equal((await Line.open(null, { protocols: [], address })).refusedWith, 401, 'none at all');
  assert.equal(
    (await Line.open(null, { protocols: ['voiceping'], address })).refusedWith,
    401,
    'no token',
  );
  const good = await Line.open(genuine, { address });
  assert.equal(good.refusedWith, undefined);
  good.socket.terminate();
});

test('too many attempts from an address are refused with 429, from others not', async () => {
  const address = freshAddress();
  let line;
  let allowed = 0; // 60 a minute by default, 600 in the program's demo
  for (; allowed <= 600; ++allowed) {
    line = await Line.open('x.y.z', { address });
    if (line.refusedWith !== 401) break;
  }
  assert.equal(line.refusedWith, 429);
  assert.ok(allowed >= 60, `${allowed} were allowed`);
  assert.ok(line.retryAfter >= 1 && line.retryAfter <= 60, line.retryAfter);
  line = await Line.open(tokenOf('Alice'), { address });
  assert.equal(line.refusedWith, 429, 'even with a good token');
  line = await Line.open(tokenOf('Alice'));
  assert.equal(line.refusedWith, undefined);
  line.socket.terminate();
});

// ---- Messages --------------------------------------------------------------------------------------

test('a ping is answered, with its id or without', async (t) => {
  const line = await user(t, 'Alice');
  assert.deepEqual(await line.ask('ping', undefined, 'p1'), { type: 'pong', id: 'p1' });
  line.raw('{"type":"ping"}');
  assert.equal(await line.push('pong'), undefined);
});

test('what is no request is an error, and the connection stays', async (t) => {
  const line = await user(t, 'Alice');
  for (const text of ['rubbish', '', '{"type":', 'null', '7', '[]', '{}', '{"type":7}', '"ping"']) {
    line.raw(text);
    const { error } = await line.failure();
    assert.ok(typeof error === 'string' && error !== '', text);
  }
  assert.match(await line.refused('no-such-thing'), /no-such-thing/);
  assert.ok(await line.refused('toString'));
  assert.ok(await line.refused('join-channel', 7));
  assert.ok(await line.refused('join-channel', {}));
  assert.ok(await line.refused('join-channel', { channelId: 7 }));
  assert.equal((await line.ask('ping')).type, 'pong');
});

test('answers have the ids of their requests, whatever their number', async (t) => {
  const channelId = freshChannel();
  const line = await user(t, 'Alice', channelId);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      line.ask(i % 2 ? 'ping' : 'ptt-start', { channelId }, `id ${i}`),
    ),
  );
  answers.forEach((answer, i) => {
    assert.deepEqual([answer.id, answer.type], [`id ${i}`, i % 2 ? 'pong' : 'ptt-start']);
  });
});

test('a request without an id is done, and not answered', async (t) => {
  const channelId = freshChannel();
  const alice = await user(t, 'Alice', channelId);
  const bob = await user(t, 'Bob');
  bob.raw(JSON.stringify({ type: 'join-channel', data: { channelId } }));
  assert.equal((await alice.push('channel-state')).userId, 'bob');
  assert.deepEqual(await bob.unasked(), []);
});

// ---- Channels --------------------------------------------------------------------------------------

test('who joins and who leaves is told to the others', async (t) => {
  const channelId = freshChannel();
  const alice = await user(t, 'Alice');
  assert.deepEqual(await alice.get('join-channel', { channelId }), {
    channelId,
    state: { channelId, ...idle },
    userCount: 1,
  });
  const bob = await user(t, 'Bob');
  assert.equal((await bob.get('join-channel', { channelId })).userCount, 2);
  const news = { channelId, ...idle, userId: 'bob', userName: 'Bob' };
  assert.deepEqual(await alice.push('channel-state'), {
    ...news,
    action: 'user-joined',
    userCount: 2,
  });

  assert.deepEqual(await bob.get('leave-channel', { channelId }), { channelId, success: true });
  assert.deepEqual(await alice.push('channel-state'), {
    ...news,
    action: 'user-left',
    userCount: 1,
  });
  assert.deepEqual(await bob.unasked(), [], 'nobody is told of itself');
  assert.ok(await bob.refused('leave-channel', { channelId }));
  assert.ok(await bob.refused('ptt-start', { channelId }));
  assert.ok(await bob.refused('ptt-stop', { channelId }));
});

test('the token limits which channels may be joined, but for an administrator', async () => {
  const channelIds = [freshChannel()];
  const limited = await Line.open(tokenOf('Carol', { channelIds }));
  assert.equal((await limited.get('join-channel', { channelId: channelIds[0] })).userCount, 1);
  assert.ok(await limited.refused('join-channel', { channelId: freshChannel() }));
  const administrator = await Line.open(tokenOf('Dave', { channelIds, globalRole: 'ADMIN' }));
  assert.equal(
    (await administrator.get('join-channel', { channelId: freshChannel() })).userCount,
    1,
  );
  await Promise.all([limited.close(), administrator.close()]);
});

test('a user may be in ten channels at once, over all connections', async (t) => {
  const channels = Array.from({ length: 11 }, freshChannel);
  const line = await user(t, 'Erin', ...channels.slice(0, 9));
  const other = await user(t, 'Erin', channels[9]);
  assert.match(await other.refused('join-channel', { channelId: channels[10] }), /10/);
  assert.match(await line.refused('join-channel', { channelId: channels[10] }), /10/);
  await line.get('leave-channel', { channelId: channels[0] });
  assert.equal((await other.get('join-channel', { channelId: channels[10] })).userCount, 1);
});

test('a hundred users may be in a channel', async (t) => {
  const channelId = freshChannel();
  const many = await Promise.all(
    Array.from({ length: 100 }, (_, i) => user(t, `Crowd${i}`, channelId)),
  );
  const late = await user(t, 'Late');
  assert.match(await late.refused('join-channel', { channelId }), /100/);
  await many[0].get('leave-channel', { channelId });
  assert.equal((await late.get('join-channel', { channelId })).userCount, 100);
});

test('the names of channels are bounded, and may be of any language', async (t) => {
  const line = await user(t, 'Alice');
  for (const channelId of ['', 'x'.repeat(129), 'line\nbreak', 'null\u0000']) {
    assert.ok(await line.refused('join-channel', { channelId }), JSON.stringify(channelId));
  }
  for (const channelId of ['Löschzug 1', '消防', 'a:b:c', '*', '{"a":1}']) {
    assert.equal((await line.get('join-channel', { channelId })).state.channelId, channelId);
  }
});

// ---- The floor -------------------------------------------------------------------------------------

test('one speaks, the others are told, and whoever wants to as well is denied', async (t) => {
  const { channelId, alice, bob } = await pair(t);
  const before_ = Date.now();
  const { success, state } = await alice.get('ptt-start', { channelId });
  assert.equal(success, true);
  const { lockTimestamp, ...rest } = state;
  assert.deepEqual(rest, {
    channelId,
    currentSpeaker: 'alice',
    speakerName: 'Alice',
    isBusy: true,
  });
  assert.ok(
    lockTimestamp >= before_ - 1000 && lockTimestamp <= Date.now() + 1000,
    'milliseconds since 1970',
  );
  assert.deepEqual(await bob.push('speaker-changed'), { ...state, producerId: null });

  const speaker = { currentSpeaker: 'alice', currentSpeakerName: 'Alice' };
  assert.deepEqual(await bob.get('ptt-start', { channelId }), {
    success: false,
    denied: true,
    ...speaker,
  });
  assert.deepEqual(await bob.push('ptt-denied'), {
    channelId,
    ...speaker,
    message: 'Alice is speaking',
  });
  assert.equal(
    (await bob.get('ptt-stop', { channelId })).state.currentSpeaker,
    'alice',
    'not released by another',
  );

  assert.deepEqual(await alice.get('ptt-stop', { channelId }), {
    success: true,
    state: { channelId, ...idle },
  });
  assert.deepEqual(await bob.push('speaker-changed'), { channelId, ...idle, producerId: null });
  assert.equal((await bob.get('ptt-start', { channelId })).success, true);
  assert.equal((await alice.push('speaker-changed')).currentSpeaker, 'bob');
});

test('whoever comes while somebody speaks is told so', async (t) => {
  const { channelId, alice } = await pair(t);
  const { state } = await alice.get('ptt-start', { channelId });
  const carol = await user(t, 'Carol');
  assert.deepEqual((await carol.get('join-channel', { channelId })).state, state);
});

test('to start twice is to start once', async (t) => {
  const { channelId, alice, bob } = await pair(t);
  const first = await alice.get('ptt-start', { channelId });
  assert.deepEqual(await alice.get('ptt-start', { channelId }), first);
  const told = (await bob.unasked()).filter(({ type }) => type === 'speaker-changed');
  assert.equal(told.length, 1);
});

test('another connection of the speaker has not its floor', async (t) => {
  const { channelId, alice, bob } = await pair(t);
  const second = await user(t, 'Alice', channelId);
  await alice.get('ptt-start', { channelId });
  assert.equal((await second.push('speaker-changed')).currentSpeaker, 'alice');
  await second.get('ptt-stop', { channelId });
  assert.equal((await bob.get('ptt-start', { channelId })).denied, true);
});

test('of many who want to speak at once, one does', async (t) => {
  const channelId = freshChannel();
  const lines = await Promise.all(
    Array.from({ length: 10 }, (_, i) => user(t, `Racer${i}`, channelId)),
  );
  for (let round = 0; round < 5; ++round) {
    const answers = await Promise.all(lines.map((line) => line.get('ptt-start', { channelId })));
    const winners = answers.flatMap(({ success }, i) => (success ? [i] : []));
    assert.equal(winners.length, 1, `round ${round}`);
    for (const { denied, currentSpeaker } of answers.filter(({ success }) => !success)) {
      assert.deepEqual([denied, currentSpeaker], [true, `racer${winners[0]}`]);
    }
    await lines[winners[0]].get('ptt-stop', { channelId });
  }
});

test('who leaves lets go of the floor', async (t) => {
  const { channelId, alice, bob } = await pair(t);
  await alice.get('ptt-start', { channelId });
  await bob.push('speaker-changed');
  await alice.get('leave-channel', { channelId });
  assert.equal((await bob.push('speaker-changed')).currentSpeaker, null);
  assert.equal((await bob.push('channel-state')).action, 'user-left');
});

test('a line that drops leaves nothing behind', async (t) => {
  for (const end of ['terminate', 'close']) {
    const { channelId, alice, bob } = await pair(t);
    await alice.get('ptt-start', { channelId });
    assert.equal((await bob.push('speaker-changed')).currentSpeaker, 'alice');
    alice.socket[end]();
    assert.deepEqual(await bob.push('speaker-changed'), { channelId, ...idle, producerId: null });
    assert.deepEqual(await bob.push('channel-state'), {
      channelId,
      ...idle,
      action: 'user-disconnected',
      userId: 'alice',
      userName: 'Alice',
      userCount: 1,
    });
    assert.equal((await bob.get('ptt-start', { channelId })).success, true);
    bob.socket.terminate();
  }
});

test('a message that is too big ends the connection, and only it', async (t) => {
  const { channelId, alice, bob } = await pair(t);
  alice.raw(JSON.stringify({ type: 'ping', id: 'x'.repeat(4 * 1024 * 1024) }));
  assert.equal(await soon('close', alice.closed), 1009);
  assert.equal((await bob.push('channel-state')).action, 'user-disconnected');
  assert.equal((await bob.get('ptt-start', { channelId })).success, true);
});

// ---- Media -----------------------------------------------------------------------------------------

test('media are only for those in the channel', async (t) => {
  const channelId = freshChannel();
  const line = await user(t, 'Alice');
  const requests = {
    'get-router-capabilities': {},
    'create-transport': { direction: 'send' },
    produce: { transportId: 'x', kind: 'audio', rtpParameters: {} },
    consume: { producerId: 'x', rtpCapabilities: {} },
    'connect-transport': { transportId: 'x', dtlsParameters: {} },
  };
  for (const [type, data] of Object.entries(requests)) {
    assert.ok(await line.refused(type, { channelId, ...data }), type);
  }
});

/** What a browser says of its certificate. */
const dtlsParameters = {
  role: 'client',
  fingerprints: [
    {
      algorithm: 'sha-256',
      value: Array.from({ length: 32 }, (_, i) => (i + 160).toString(16).toUpperCase()).join(':'),
    },
  ],
};

/** What a browser says of the sound that it sends. */
const rtpParameters = {
  mid: '0',
  codecs: [
    {
      mimeType: 'audio/opus',
      payloadType: 111,
      clockRate: 48000,
      channels: 2,
      parameters: { minptime: 10, useinbandfec: 1 },
      rtcpFeedback: [],
    },
  ],
  headerExtensions: [],
  encodings: [{ ssrc: 1234567, dtx: false }],
  rtcp: { cname: 'a-name', reducedSize: true },
};

test('sound is set up, and belongs to whoever set it up', async (t) => {
  if (!(await demo.hasAudio())) {
    t.skip('this server has no media workers');
    return;
  }
  const { channelId, alice, bob } = await pair(t);
  const { routerRtpCapabilities } = await alice.get('get-router-capabilities', { channelId });
  const opus = routerRtpCapabilities.codecs.find(({ mimeType }) => /^audio\/opus$/i.test(mimeType));
  assert.deepEqual([opus.clockRate, opus.channels, opus.preferredPayloadType], [48000, 2, 111]);

  const send = await alice.get('create-transport', { channelId, direction: 'send' });
  for (const name of ['id', 'iceParameters', 'iceCandidates', 'dtlsParameters'])
    assert.ok(send[name], name);
  assert.match(
    await alice.refused('create-transport', { channelId, direction: 'sideways' }),
    /direction/,
  );
  const mine = { transportId: send.id, dtlsParameters };
  assert.ok(await bob.refused('connect-transport', mine), 'not another’s transport');
  assert.deepEqual(await alice.get('connect-transport', mine), { success: true });

  const sound = { channelId, transportId: send.id, kind: 'audio', rtpParameters };
  assert.ok(await bob.refused('produce', sound), 'not on another’s transport');
  assert.ok(await alice.refused('produce', { ...sound, rtpParameters: { codecs: 7 } }));
  const producer = await alice.get('produce', sound);
  assert.deepEqual(Object.keys(producer), ['id']);

  await alice.get('ptt-start', { channelId });
  assert.equal((await bob.push('speaker-changed')).producerId, producer.id);
  const wanted = { channelId, producerId: producer.id, rtpCapabilities: routerRtpCapabilities };
  assert.ok(await bob.refused('consume', wanted), 'without a transport to receive on');
  await bob.get('create-transport', { channelId, direction: 'recv' });
  assert.ok(await bob.refused('consume', { ...wanted, producerId: randomUUID() }));
  const consumer = await bob.get('consume', wanted);
  assert.deepEqual([consumer.producerId, consumer.kind], [producer.id, 'audio']);
  assert.match(consumer.rtpParameters.codecs[0].mimeType, /^audio\/opus$/i);
  await alice.get('ptt-stop', { channelId });
  assert.equal((await bob.push('speaker-changed')).producerId, null);
});
