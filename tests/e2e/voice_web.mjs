// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The page of voice signalling, as far as no browser is needed: that what it brings along from npm is
// what its lock file names, and what its parts do that need no page around them. Run with `node --test`.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Line } from '../../examples/voice_signaling/web/js/line.js';
import { Channel } from '../../examples/voice_signaling/web/js/channel.js';
import { Microphone, MicrophoneTrouble } from '../../examples/voice_signaling/web/js/microphone.js';
import { running, since } from '../../examples/voice_signaling/web/js/time.js';
import { holderOf } from '../../examples/voice_signaling/web/js/token.js';

const web = fileURLToPath(new URL('../../examples/voice_signaling/web/', import.meta.url));

test('the committed bundle is that of the locked packages', async (t) => {
  const fresh = await mkdtemp(join(tmpdir(), 'vendor-'));
  t.after(() => rm(fresh, { recursive: true }));
  await promisify(execFile)(join(web, 'vendor.sh'), [fresh]);
  const committed = join(web, 'vendor');
  const names = (await readdir(fresh)).sort();
  assert.deepEqual((await readdir(committed)).sort(), names);
  assert.deepEqual(names, ['mediasoup-client.LICENSE.txt', 'mediasoup-client.js']);
  for (const name of names) {
    const [one, other] = await Promise.all(
      [fresh, committed].map((at) => readFile(join(at, name))),
    );
    assert.ok(one.equals(other), `${name} differs: run vendor.sh`);
  }
});

test('every bundled package comes with its licence, which asks for no more than to be kept', async () => {
  const text = await readFile(join(web, 'vendor/mediasoup-client.LICENSE.txt'), 'utf8');
  const named = [...text.matchAll(/^(\S+) \d+\.\d+\.\d+ \((.+)\)$/gm)];
  assert.ok(named.some(([, name]) => name === 'mediasoup-client'));
  for (const [, name, licence] of named) assert.match(licence, /^(ISC|MIT)$/, name);
  assert.doesNotMatch(text, /no licence file/);
});

test('the page has no inline script or style, and takes nothing from elsewhere', async () => {
  const page = await readFile(join(web, 'index.html'), 'utf8');
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/i);
  assert.doesNotMatch(page, /https?:/);
});

test('a token tells whose it is, and what is none is told', () => {
  const token = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
  assert.deepEqual(holderOf(token({ userId: 'u1', userName: 'Zoë 🎙', exp: 1700000000 })), {
    userId: 'u1',
    userName: 'Zoë 🎙',
    expires: 1_700_000_000_000,
  });
  assert.equal(holderOf(token({ userId: 'u1', userName: 'A' })).expires, Infinity);
  const none = [
    '',
    'x',
    'a.b',
    'a.b.c.d',
    'a.b.c',
    'e30.e30.',
    token({ userId: 'u1' }),
    token({ userId: 1, userName: 'A' }),
    token(7),
    token(null),
  ];
  for (const text of none) assert.equal(holderOf(text), null, text);
});

test('a user is in the channel until the last connection has gone', async () => {
  const state = { currentSpeaker: null, speakerName: null };
  const line = { request: async () => ({ state, userCount: 2 }) };
  const me = { userId: 'a', userName: 'Alice' };
  const channel = new Channel({ id: 'one', line, me, hasMedia: () => false });
  await channel.join();
  const bob = { userId: 'b', userName: 'Bob' };
  const comes = (userCount) =>
    channel.receive('channel-state', { action: 'user-joined', ...bob, userCount });
  const goes = (action, userCount) =>
    channel.receive('channel-state', { action, ...bob, userCount });
  comes(2);
  comes(2);
  goes('user-left', 2);
  assert.deepEqual([...channel.members.values()], ['Bob']);
  goes('user-disconnected', 1);
  assert.deepEqual([...channel.members.values()], []);
});

test('a microphone that is given after it was closed is let go at once', async (t) => {
  let give;
  const mediaDevices = { getUserMedia: () => new Promise((given) => (give = given)) };
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator') ?? { value: undefined };
  t.after(() => Object.defineProperty(globalThis, 'navigator', { ...before, configurable: true }));
  Object.defineProperty(globalThis, 'navigator', { value: { mediaDevices }, configurable: true });
  const track = Object.assign(new EventTarget(), { isOn: true, stop: () => (track.isOn = false) });
  const microphone = new Microphone();
  const opened = microphone.open();
  microphone.close();
  give({ getTracks: () => [track], getAudioTracks: () => [track] });
  await assert.rejects(opened, MicrophoneTrouble);
  assert.equal(track.isOn, false);
  assert.equal(microphone.stream, null);
  await assert.rejects(microphone.open(), MicrophoneTrouble);
});

/** A browser's network, where every upgrade fails until `accepts`, and every health answer is `health`. */
function network(t) {
  const net = { accepts: false, health: 200, attempts: 0 };
  class Socket extends EventTarget {
    constructor() {
      super();
      ++net.attempts;
      this.readyState = net.accepts ? 1 : 3;
      net.socket = this;
      queueMicrotask(() => this.dispatchEvent(new Event(net.accepts ? 'open' : 'close')));
    }
    close() {}
    fail() {
      this.readyState = 3;
      this.dispatchEvent(new Event('close'));
    }
  }
  const fakes = {
    WebSocket: Object.assign(Socket, { OPEN: 1 }),
    location: { href: 'http://localhost/' },
    addEventListener() {},
    removeEventListener() {},
    fetch: async () => new Response('{}', { status: net.health }),
  };
  for (const [name, value] of Object.entries(fakes)) {
    const before = globalThis[name];
    globalThis[name] = value;
    t.after(() => (globalThis[name] = before));
  }
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  /** Until `count` more attempts have been made and answered. */
  net.goOn = async (count) => {
    for (let i = 0; i < count; ++i) {
      t.mock.timers.tick(15_000);
      await new Promise((settle) => setImmediate(settle));
    }
  };
  return net;
}

const heard = (line) => {
  const events = [];
  for (const type of ['open', 'waiting', 'refused'])
    line.addEventListener(type, ({ detail }) => events.push([type, detail?.reason]));
  return events;
};

test('a token that was good once is not given up after an outage, but the user is told', async (t) => {
  const net = network(t);
  net.accepts = true;
  const line = new Line('e30.e30.c2ln');
  const events = heard(line);
  line.open();
  await net.goOn(0);
  await new Promise((settle) => setImmediate(settle));
  net.accepts = false;
  net.socket.fail();
  await net.goOn(12);
  assert.ok(events.every(([type]) => type !== 'refused'));
  assert.deepEqual(events.at(-1), [
    'waiting',
    'The server is there, but does not let this page in.',
  ]);
  net.health = 503;
  await net.goOn(1);
  assert.deepEqual(events.at(-1), ['waiting', 'The server does not answer as it should.']);
  net.accepts = true;
  await net.goOn(1);
  assert.equal(events.at(-1)[0], 'open');
  line.close();
});

test('a fresh token is refused by the second answer of a server that is there', async (t) => {
  const net = network(t);
  net.health = 503;
  const line = new Line('e30.e30.c2ln');
  const events = heard(line);
  line.open();
  await net.goOn(4);
  assert.ok(events.length >= 4 && events.every(([type]) => type === 'waiting'));
  net.health = 200;
  await net.goOn(1);
  assert.equal(events.at(-1)[0], 'waiting');
  await net.goOn(1);
  assert.equal(events.at(-1)[0], 'refused');
  const { attempts } = net;
  await net.goOn(2);
  assert.equal(net.attempts, attempts);
  line.close();
});

test('times are short', () => {
  const ago = (seconds) => performance.now() - seconds * 1000 - 1;
  assert.deepEqual([0, 59, 60, 3599, 3600].map(ago).map(since), [
    '0 s',
    '59 s',
    '1 min',
    '59 min',
    '1 h',
  ]);
  assert.deepEqual([0, 9, 75].map(ago).map(running), ['0:00', '0:09', '1:15']);
});
