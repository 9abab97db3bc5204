// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Voice signalling as its users have it: the page in two Chromiums, whose microphones hear a tone each,
// on the demo of the program. Run with `node --test`; VOICE_SIGNALING is the path of the program,
// CHROMIUM of the browser, and SCREENSHOTS a directory for a picture of each state. Builds nothing.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { CuttableLine } from './cuttable_line.mjs';
import { Program, tokenFor, tokenOf } from './voice_signaling.mjs';

const timeout = 30_000; // milliseconds, for anything that is expected to happen
const pictures = process.env.SCREENSHOTS;
const tones = { Alice: 440, Bob: 880 }; // Hz
const loud = -50; // dBFS; what is below it is no tone

let last = 1;
/** Connections are counted by address: each page has its own. */
const freshAddress = () => `127.0.2.${++last}`;
const freshChannel = () => `channel ${randomUUID().slice(0, 8)}`;

/** A wave file of a tone that swells and fades, as speech does: a steady one is cleaned up as noise. */
function toneFile(frequency) {
  const rate = 48_000;
  const samples = rate * 2;
  const bytes = Buffer.alloc(44 + samples * 2);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(36 + samples * 2, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20); // PCM
  bytes.writeUInt16LE(1, 22); // channels
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; ++i) {
    const swell = 0.5 - 0.5 * Math.cos((2 * Math.PI * 4 * i) / rate);
    const value = 0.6 * swell * Math.sin((2 * Math.PI * frequency * i) / rate);
    bytes.writeInt16LE(Math.round(value * 32767), 44 + i * 2);
  }
  return bytes;
}

const flags =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --allow-loopback-in-peer-connection --use-fake-device-for-media-stream';

const launch = (...more) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...flags.split(' '), ...more],
  });

const browsers = {};
let demo;
let hasAudio;
let directory;

before(async () => {
  if (pictures) await mkdir(pictures, { recursive: true });
  demo = await Program.start();
  hasAudio = await demo.hasAudio();
  if (!hasAudio)
    console.log(
      'no audio here: the server has no media workers, so nothing is heard in these tests',
    );
  directory = await mkdtemp(join(tmpdir(), 'voice-page-'));
  for (const [name, frequency] of Object.entries(tones)) {
    const file = join(directory, `${name}.wav`);
    await writeFile(file, toneFile(frequency));
    browsers[name] = await launch(
      '--use-fake-ui-for-media-stream',
      `--use-file-for-fake-audio-capture=${file}`,
    );
  }
});

after(async () => {
  for (const browser of Object.values(browsers)) await browser.close();
  await demo?.stop();
  if (directory) await rm(directory, { recursive: true, force: true });
});

/** As if the server had media workers … */
const health = { status: 'ok', uptime: 1, workers: 1, connections: 1 };

/** … but could not set up sound with them. */
const refuseSound = ({ type }) =>
  type === 'get-router-capabilities' && { type: 'error', error: 'no worker answers' };

/** The page, by what a user calls its parts. */
class Radio {
  static async open(
    t,
    name,
    {
      token = tokenOf(name),
      fragment = `#token=${token}`,
      browser,
      route,
      isSilent,
      answer = isSilent && refuseSound,
      ...options
    } = {},
  ) {
    const radio = new Radio();
    radio.name = name;
    radio.line = await CuttableLine.to(demo, freshAddress());
    radio.context = await (browser ?? browsers[name]).newContext({
      viewport: { width: 1100, height: 760 },
      ...options,
    });
    radio.page = await radio.context.newPage();
    radio.page.setDefaultTimeout(timeout);
    radio.faults = [];
    radio.urls = [];
    radio.page.on('pageerror', (error) => radio.faults.push(error.stack));
    radio.page.on('request', (request) => radio.urls.push(request.url()));
    radio.page.on('websocket', (socket) => radio.urls.push(socket.url()));
    await radio.context.exposeFunction('reportViolation', (text) => radio.faults.push(text));
    await radio.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.reportViolation(
          `CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`,
        );
      });
      // What is received is asked of the browser itself.
      window.peers = [];
      window.RTCPeerConnection = class extends window.RTCPeerConnection {
        constructor(...parameters) {
          super(...parameters);
          window.peers.push(this);
        }
      };
    });
    if (route) await radio.page.route(...route);
    radio.hasAudio = hasAudio && !isSilent;
    if (isSilent) await radio.page.route('**/health', (route) => route.fulfill({ json: health }));
    if (answer) await radio.#answerWith(answer);
    t.after(async () => {
      await radio.context.close();
      await radio.line.stop();
      assert.deepEqual(radio.faults, [], 'errors of the page, or of its Content-Security-Policy');
    });
    await radio.page.goto(radio.line.url + fragment);
    return radio;
  }

  /**
   * `answer(request)` gives what the page gets in the server's place, perhaps later, or nothing; it may
   * change it.
   */
  async #answerWith(answer) {
    await this.page.routeWebSocket('**/ws', (socket) => {
      const server = socket.connectToServer();
      socket.onMessage(async (text) => {
        const request = JSON.parse(text);
        const said = await answer(request);
        if (said) socket.send(JSON.stringify({ ...said, id: request.id }));
        else server.send(JSON.stringify(request));
      });
      this.tell = (type, data) => socket.send(JSON.stringify({ type, data }));
      this.closeLine = (code, reason) => socket.close({ code, reason });
    });
  }

  /** Connected, in these channels, and ready to talk. */
  static async in(t, name, ...channels) {
    const options = typeof channels.at(-1) === 'object' ? channels.pop() : {};
    const radio = await Radio.open(t, name, options);
    for (const channel of channels) await radio.join(channel);
    return radio;
  }

  async join(channel) {
    await this.page.getByLabel('Channel by name').fill(channel);
    await this.press('Enter');
    await this.is(channel, 'idle');
    await this.isReady(channel);
  }

  /** Sound is set up, where there is any, and the microphone too. */
  async isReady(channel) {
    await this.channel(channel)
      .and(this.page.locator(this.hasAudio ? '[data-audio=on]' : '[data-audio=off]'))
      .waitFor();
    if (!this.hasAudio) return;
    const allow = this.button('Allow microphone');
    if (await allow.isVisible()) await allow.click();
    await this.page.locator('[data-notice=microphone]').waitFor({ state: 'detached' });
  }

  button = (name, within = this.page) => within.getByRole('button', { name, exact: true });
  channel = (id) => this.page.locator(`[data-channel=${JSON.stringify(id)}]`);
  talk = (id) => this.channel(id).locator('button.talk');
  press = (keys) => this.page.keyboard.press(keys);
  sees = (text, within = this.page) => within.getByText(text).first().waitFor();
  notice = (name) => this.page.locator(`[data-notice=${name}]`);
  is = (id, state, options) =>
    this.page.locator(`[data-channel=${JSON.stringify(id)}][data-state=${state}]`).waitFor(options);
  hasFocus = (element) => element.and(this.page.locator(':focus')).waitFor();
  connection = (state) => this.page.locator(`[data-connection=${state}]`).waitFor();

  /** Presses and holds, as with a mouse. */
  async hold(id) {
    await this.talk(id).hover();
    await this.page.mouse.down();
  }

  letGo = () => this.page.mouse.up();

  /** A finger over the button: called with `touchStart`, `touchMove` (to so far off), and so on. */
  async finger(id) {
    const session = await this.context.newCDPSession(this.page);
    const { x, y, width, height } = await this.talk(id).boundingBox();
    return (type, off = 0) => {
      const point = { x: x + width / 2, y: y + height / 2 + off };
      const touchPoints = type === 'touchStart' || type === 'touchMove' ? [point] : [];
      return session.send('Input.dispatchTouchEvent', { type, touchPoints });
    };
  }

  async isHeard(id) {
    const { level, frequency } = await this.channel(id).evaluate(({ dataset }) => ({ ...dataset }));
    return { level: Number(level), frequency: Number(frequency) };
  }

  /** How many packets of sound have come so far. */
  received = () =>
    this.page.evaluate(async () => {
      let packets = 0;
      for (const peer of window.peers) {
        for (const report of (await peer.getStats()).values()) {
          if (report.type === 'inbound-rtp' && report.kind === 'audio')
            packets += report.packetsReceived;
        }
      }
      return packets;
    });

  /** No serious fault of accessibility in what is to be seen now, in light and in dark. */
  async isAccessible(state) {
    for (const colorScheme of ['light', 'dark']) {
      await this.page.emulateMedia({ colorScheme });
      // Colours that are under way are nobody's choice.
      await this.page.evaluate(() =>
        Promise.all(document.getAnimations().map(({ finished }) => finished)),
      );
      await this.page.evaluate(axe.source);
      const { violations } = await this.page.evaluate(() => window.axe.run());
      const serious = violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(
          ({ id, help, nodes }) =>
            `${state}: ${id}: ${help}: ${nodes.map(({ html }) => html).join('\n')}`,
        );
      assert.deepEqual(serious, []);
      await this.picture(`${state} ${colorScheme}`);
    }
    await this.page.emulateMedia({ colorScheme: 'light' });
  }

  async picture(name) {
    if (pictures)
      await this.page.screenshot({ path: join(pictures, `${name.replaceAll(' ', '-')}.png`) });
  }

  async hasNoSidewaysScroll() {
    const [content, window] = await this.page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    assert.ok(content <= window, `the page is ${content} wide in a window of ${window}`);
  }
}

/** Until something is so. */
async function until(what, isSo) {
  const end = Date.now() + timeout;
  for (;;) {
    const found = await isSo();
    if (found) return found;
    assert.ok(Date.now() < end, `not within ${timeout} ms: ${what}`);
    await new Promise((settle) => setTimeout(settle, 50));
  }
}

// ---- Beginning -------------------------------------------------------------------------------------

test('the page is served under a strict Content-Security-Policy', async () => {
  const policy = (await fetch(demo.url)).headers.get('content-security-policy');
  const parts = Object.fromEntries(
    policy.split(';').map((part) => [part.trim().split(' ')[0], part.trim()]),
  );
  assert.equal(parts['default-src'], "default-src 'none'");
  assert.equal(parts['script-src'], "script-src 'self'");
  assert.equal(parts['style-src'], "style-src 'self'");
  assert.equal(parts['frame-ancestors'], "frame-ancestors 'none'");
});

test('in the demo a name is enough', async (t) => {
  const radio = await Radio.open(t, 'Alice', { fragment: '' });
  await radio.isAccessible('sign in');
  await radio.button('Connect').click();
  await radio.sees('A name is needed');
  await radio.page.getByLabel('Your name').fill('Alice');
  await radio.press('Enter');
  await radio.connection('open');
  const { channels } = await (await fetch(new URL('/api/demo', demo.url))).json();
  await radio.isAccessible('no channel yet');
  await radio.button(`Join ${channels[0]}`).click();
  await radio.is(channels[0], 'idle');
  await radio.hasFocus(radio.talk(channels[0]));

  await radio.page.reload();
  await radio.is(channels[0], 'idle');
  await radio.button('Sign out').click();
  assert.equal(await radio.page.getByLabel('Your name').inputValue(), 'Alice');
  await radio.page.reload();
  await radio.page.getByLabel('Your name').waitFor();
});

test('a token in the address is in no request, and does not stay in the address', async (t) => {
  const token = tokenOf('Alice');
  const radio = await Radio.open(t, 'Alice', { token });
  await radio.connection('open');
  assert.doesNotMatch(radio.page.url(), /token/);
  assert.ok(radio.urls.some((url) => url.startsWith('ws:')));
  for (const url of radio.urls)
    assert.ok(!url.includes(token.split('.')[2]) || url.includes('#'), url);
});

test('whoever signs out while the server has yet to answer is not connected', async (t) => {
  let answer;
  const isAsked = new Promise((asked) => {
    answer = asked;
  });
  const radio = await Radio.open(t, 'Alice', {
    route: ['**/health', (route) => answer(route)],
  });
  const route = await isAsked;
  await radio.button('Sign out').click();
  const answered = radio.page.waitForResponse('**/health');
  await route.fulfill({ json: health });
  await answered;
  await radio.page.getByLabel('Your name').waitFor();
  await new Promise((settle) => setTimeout(settle, 200)); // for what should not happen
  assert.deepEqual(
    radio.urls.filter((url) => url.startsWith('ws:')),
    [],
  );
});

test('a server that is no demo asks for the token', async (t) => {
  const radio = await Radio.open(t, 'Alice', {
    fragment: '',
    route: ['**/api/demo', (route) => route.fulfill({ status: 404 })],
  });
  const field = radio.page.getByLabel('Token');
  await field.fill('rubbish');
  await radio.press('Enter');
  await radio.sees('This is no token');
  await radio.isAccessible('no token');
  await field.fill(tokenOf('Alice'));
  await radio.press('Enter');
  await radio.connection('open');
});

test('a token that the server refuses leads back to the form', async (t) => {
  const radio = await Radio.open(t, 'Alice', {
    token: tokenFor({ userId: 'a', userName: 'A' }, { key: 'another' }),
  });
  await radio.sees('The server did not accept this token');
  await radio.isAccessible('token refused');
  await radio.page.setViewportSize({ width: 360, height: 640 });
  await radio.hasNoSidewaysScroll();
  await radio.picture('narrow token refused');
  await radio.page.reload();
  await radio.sees('The server did not accept this token');
  const again = radio.page.waitForEvent('websocket');
  await radio.button('Try again').click();
  await again;
  const expired = await Radio.open(t, 'Bob', { token: tokenOf('Bob', { exp: 1_700_000_000 }) });
  await expired.sees('Your token has expired.');
});

test('the channels of the token are offered, and the only one is joined at once', async (t) => {
  const [one, two] = [freshChannel(), freshChannel()];
  const radio = await Radio.open(t, 'Alice', {
    token: tokenOf('Alice', { channelIds: [one, two] }),
  });
  await radio.button(`Join ${two}`).click();
  await radio.is(two, 'idle');
  await radio.button(`Join ${one}`).waitFor();
  assert.equal(await radio.page.getByLabel('Channel by name').isVisible(), false);
  const other = await Radio.open(t, 'Bob', { token: tokenOf('Bob', { channelIds: [one] }) });
  await other.is(one, 'idle');
});

test('a channel is joined once, however long the server takes', async (t) => {
  const channel = freshChannel();
  let joins = 0;
  const radio = await Radio.open(t, 'Alice', {
    token: tokenOf('Alice', { channelIds: [channel] }),
    answer: async ({ type }) => {
      if (type !== 'join-channel') return;
      ++joins;
      await new Promise((settle) => setTimeout(settle, 500));
    },
  });
  await radio.is(channel, 'idle');
  await radio.isReady(channel);
  assert.equal(joins, 1);
});

test('without media the page says so', async (t) => {
  const radio = await Radio.in(t, 'Alice', freshChannel());
  const isSaid = await radio.page.getByText('Signalling only: no audio on this server').isVisible();
  assert.equal(isSaid, !hasAudio);
});

test('sound is set up when the server has media workers at last', async (t) => {
  const channel = freshChannel();
  let workers = 0;
  let asked = 0;
  const noMedia = {
    route: ['**/health', (route) => route.fulfill({ json: { ...health, workers } })],
    answer: ({ type }) => {
      if (type !== 'get-router-capabilities') return null;
      ++asked;
      return { type: 'error', error: 'no worker answers' };
    },
  };
  const comesIn = async (name) => {
    const radio = await Radio.open(t, name, noMedia);
    radio.hasAudio = false;
    await radio.join(channel);
    await radio.sees('Signalling only: no audio on this server');
    return radio;
  };
  const bob = await comesIn('Bob');
  assert.equal(asked, 0);
  bob.tell('channel-state', { channelId: channel, action: 'media-restarted', userCount: 1 });
  await bob.notice('media').waitFor({ state: 'detached' });
  await until('it is tried in the channel', () => asked === 1);

  const alice = await comesIn('Alice');
  workers = 1;
  await alice.notice('media').waitFor({ state: 'detached' });
  await until('it is tried in the channel', () => asked === 2);
});

test('a server that fails to set up sound is told of, and signalling goes on', async (t) => {
  const channel = freshChannel();
  const radio = await Radio.in(t, 'Alice', channel, { isSilent: true });
  await radio.sees('Signalling only: no audio in this channel.');
  await radio.isAccessible('no sound');
  await radio.hold(channel);
  await radio.is(channel, 'talking');
  await radio.letGo();
  await radio.button('Try again').focus();
  await radio.press('Enter');
  await radio.is(channel, 'idle');
  await radio.hasFocus(radio.talk(channel));
});

test('a media server that does not answer takes neither the line nor the floors with it', async (t) => {
  const channel = freshChannel();
  const joined = (userName) => ({
    type: 'channel-state',
    data: { channelId: channel, action: 'user-joined', userId: userName, userName, userCount: 2 },
  });
  let answerLate;
  const late = new Promise((settle) => {
    answerLate = () => settle(joined('Late'));
  });
  const radio = await Radio.in(t, 'Alice', channel, {
    isSilent: true,
    answer: ({ type }) => type === 'get-router-capabilities' && late,
  });
  await radio.sees('The media server does not answer.', radio.channel(channel));
  await radio.hold(channel);
  await radio.is(channel, 'talking');
  await radio.letGo();
  await radio.is(channel, 'idle');

  // What comes too late is nobody's answer, and nothing that the server says unasked.
  answerLate();
  await late;
  radio.tell('channel-state', joined('Bob').data);
  await radio.sees('Bob', radio.channel(channel));
  assert.equal(await radio.channel(channel).getByText('Late').count(), 0);
});

// ---- Talking ---------------------------------------------------------------------------------------

test('one holds the button and speaks, the other is told and refused', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  await alice.sees('2 here');
  await alice.sees('Bob', alice.channel(channel).getByRole('list'));
  await alice.isAccessible('idle');

  await alice.hold(channel);
  await alice.is(channel, 'talking');
  await alice.sees('You are on air');
  await alice.sees(`You are on air, in ${channel}`, alice.page.getByRole('alert'));
  assert.equal(await alice.talk(channel).getAttribute('aria-pressed'), 'true');
  await alice.isAccessible('talking');
  await bob.is(channel, 'listening');
  assert.equal(await bob.channel(channel).getAttribute('data-speaking'), 'Alice');
  await bob.sees(`Alice is speaking, in ${channel}`, bob.page.locator('[aria-live=polite]'));
  await bob.isAccessible('listening');

  await bob.hold(channel);
  await bob.is(channel, 'denied');
  await bob.sees('Alice is speaking', bob.talk(channel));
  await bob.sees(`Alice is speaking, in ${channel}`, bob.page.getByRole('alert'));
  assert.equal(await bob.talk(channel).getAttribute('aria-pressed'), 'false');
  await bob.isAccessible('denied');
  await bob.letGo();
  await bob.is(channel, 'listening');

  await alice.letGo();
  await bob.is(channel, 'idle');
  await alice.is(channel, 'idle');
  await bob.sees(/Alice, \d+ s ago/);
  await bob.hold(channel);
  await bob.is(channel, 'talking');
  await alice.is(channel, 'listening');
  await bob.letGo();
  await alice.is(channel, 'idle');
});

test('what one says is heard by the other, while the button is held', async (t) => {
  if (!hasAudio) {
    t.skip('this server has no media workers');
    return;
  }
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  for (const [speaker, listener] of [
    [alice, bob],
    [bob, alice],
    [alice, bob],
  ]) {
    const before_ = await listener.received();
    await speaker.hold(channel);
    await listener.is(channel, 'listening');
    await until('packets come', async () => (await listener.received()) > before_ + 20);
    await until(`${tones[speaker.name]} Hz are heard`, async () => {
      const { level, frequency } = await listener.isHeard(channel);
      return level > loud && Math.abs(frequency - tones[speaker.name]) < 10;
    });
    await listener.picture('heard');
    await speaker.letGo();
    await listener.is(channel, 'idle');
    await until('nothing is heard', async () => (await listener.isHeard(channel)).level < loud);
    await new Promise((settle) => setTimeout(settle, 300)); // for what was under way
    const then = await listener.received();
    await new Promise((settle) => setTimeout(settle, 500));
    assert.ok((await listener.received()) - then <= 1, 'nothing comes while nobody speaks');
  }
});

test('a speaker whom the server does not let be heard silences nobody else', async (t) => {
  if (!hasAudio) {
    t.skip('this server has no media workers');
    return;
  }
  const channel = freshChannel();
  let refusals = 1;
  const bob = await Radio.in(t, 'Bob', channel, {
    answer: ({ type }) =>
      type === 'consume' && refusals-- > 0 && { type: 'error', error: 'there is no such producer' },
  });
  const alice = await Radio.in(t, 'Alice', channel);
  for (let turn = 0; turn < 2; ++turn) {
    await alice.hold(channel);
    await bob.is(channel, 'listening');
    if (turn === 0) await until('it is refused', () => refusals === 0);
    else await until('it is heard', async () => (await bob.isHeard(channel)).level > loud);
    assert.equal(await bob.channel(channel).getAttribute('data-audio'), 'on');
    await alice.letGo();
    await bob.is(channel, 'idle');
  }
});

test('whoever takes the floor from one who talks is heard', async (t) => {
  if (!hasAudio) {
    t.skip('this server has no media workers');
    return;
  }
  const channel = freshChannel();
  const consumed = [];
  let isTaken = false;
  const alice = await Radio.in(t, 'Alice', channel, {
    answer: ({ type, data }) => {
      if (type === 'ptt-start' && isTaken)
        return { type, data: { success: false, denied: true, ...carol } };
      if (type !== 'consume') return null;
      consumed.push(data.producerId);
      return { type: 'error', error: 'there is no such producer' };
    },
  });
  const carol = { currentSpeaker: 'carol', currentSpeakerName: 'Carol' };
  const says = (currentSpeaker, speakerName, producerId) =>
    alice.tell('speaker-changed', { channelId: channel, currentSpeaker, speakerName, producerId });
  says('bob', 'Bob', 'of Bob');
  await alice.is(channel, 'listening');
  await alice.hold(channel);
  await alice.is(channel, 'talking');
  isTaken = true;
  says('carol', 'Carol', 'of Carol');
  await alice.is(channel, 'denied');
  await until('two are asked for', () => consumed.length === 2);
  assert.deepEqual(consumed, ['of Bob', 'of Carol']);
  await alice.letGo();
  await alice.is(channel, 'listening');
});

test('nothing is kept of speakers who have gone, or have another microphone', async (t) => {
  if (!hasAudio) {
    t.skip('this server has no media workers');
    return;
  }
  const channel = freshChannel();
  let real;
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel, {
    answer: ({ type, data }) => {
      if (type === 'consume' && !data.producerId.startsWith('another')) real = data.producerId;
      if (type === 'consume') data.producerId = real;
    },
  });
  /** How many sounds the browser has been told of, and how many of them it still expects. */
  const sections = () =>
    bob.page.evaluate(() => {
      const told = window.peers.map((peer) => peer.remoteDescription?.sdp ?? '');
      const count = (pattern) => Math.max(...told.map((sdp) => [...sdp.matchAll(pattern)].length));
      return { told: count(/^m=audio/gm), expected: count(/^a=sendonly/gm) };
    });
  for (let visit = 0; visit < 3; ++visit) {
    await alice.hold(channel);
    await bob.is(channel, 'listening');
    await until('it is heard', async () => (await bob.isHeard(channel)).level > loud);
    if (visit === 0) {
      const state = { channelId: channel, currentSpeaker: 'alice', speakerName: 'Alice' };
      for (const producerId of ['another one', 'another two', 'another three'])
        bob.tell('speaker-changed', { ...state, producerId });
      await until('all are consumed, and two are kept', async () => {
        const { told, expected } = await sections();
        return told > 2 && expected === 2;
      });
    }
    await alice.letGo();
    await bob.is(channel, 'idle');
    await alice.button(`Leave ${channel}`).click();
    await bob.sees('1 here');
    await until('nothing more is expected', async () => (await sections()).expected === 0);
    if (visit < 2) await alice.join(channel);
  }
  const { told } = await sections();
  assert.ok(told <= 4, `${told} sounds, though no more than 4 were expected at once`);
});

test('a channel’s sound can be turned down and off, and stays so', async (t) => {
  if (!hasAudio) {
    t.skip('this server has no media workers');
    return;
  }
  const channel = freshChannel();
  const radio = await Radio.in(t, 'Alice', channel);
  await radio.page.getByLabel(`Volume of ${channel}`).fill('40');
  await radio.button(`Mute ${channel}`).click();
  await radio.page.reload();
  await radio.is(channel, 'idle');
  assert.equal(await radio.page.getByLabel(`Volume of ${channel}`).inputValue(), '40');
  assert.equal(await radio.button(`Mute ${channel}`).getAttribute('aria-pressed'), 'true');
});

test('a microphone that is refused is told, with what to do', async (t) => {
  if (!hasAudio) {
    t.skip('this server has no media workers');
    return;
  }
  const browser = await launch('--deny-permission-prompts');
  t.after(() => browser.close());
  const channel = freshChannel();
  const radio = await Radio.open(t, 'Alice', { browser });
  await radio.page.getByLabel('Channel by name').fill(channel);
  await radio.press('Enter');
  await radio.channel(channel).and(radio.page.locator('[data-audio=on]')).waitFor();
  await radio.isAccessible('microphone not asked for');
  await radio.button('Allow microphone').focus();
  await radio.press('Enter');
  await radio.hasFocus(radio.button('Try again'));
  await radio.hold(channel);
  await radio.sees(
    'The microphone is blocked for this page. Allow it in the browser’s address bar',
  );
  await radio.letGo();
  await radio.is(channel, 'idle');
  await radio.isAccessible('microphone refused');
});

test('a media server that starts anew leaves no button stuck', async (t) => {
  const channel = freshChannel();
  const radio = await Radio.in(t, 'Alice', channel, { isSilent: true });
  await radio.hold(channel);
  await radio.is(channel, 'talking');
  radio.tell('channel-state', { channelId: channel, action: 'media-restarted', userCount: 1 });
  await radio.is(channel, 'idle');
  await radio.isReady(channel);
  await radio.letGo();
  await radio.hold(channel);
  await radio.is(channel, 'talking');
  await radio.letGo();
  await radio.is(channel, 'idle');
});

test('whatever takes the button from under the finger lets go', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  const endings = {
    'released elsewhere': async () => {
      await alice.page.mouse.move(5, 5);
      await alice.letGo();
    },
    'the window left': () => alice.page.evaluate(() => window.dispatchEvent(new Event('blur'))),
    'the page hidden': () =>
      alice.page.evaluate(() => {
        Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
        delete document.hidden;
      }),
  };
  for (const [name, end] of Object.entries(endings)) {
    await alice.hold(channel);
    await bob.is(channel, 'listening');
    await end();
    await bob.is(channel, 'idle');
    await alice.is(channel, 'idle');
    assert.equal(await alice.talk(channel).getAttribute('aria-pressed'), 'false', name);
    await alice.letGo();
  }
  await alice.hold(channel);
  await bob.is(channel, 'listening');
  await alice.page.close();
  await bob.is(channel, 'idle');
  await bob.sees('1 here');
});

test('a finger talks while it is on the button, until it is lifted or taken away', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel, { hasTouch: true, isMobile: true });
  const bob = await Radio.in(t, 'Bob', channel);
  const finger = await alice.finger(channel);
  for (const end of ['touchEnd', 'touchCancel']) {
    await finger('touchStart');
    await bob.is(channel, 'listening');
    await finger('touchMove', 40); // pixels, as no finger stays in its place
    await finger('touchMove', 400);
    await alice.is(channel, 'talking');
    await finger(end);
    await bob.is(channel, 'idle');
    await alice.is(channel, 'idle');
    assert.equal(await alice.talk(channel).getAttribute('aria-pressed'), 'false', end);
  }
});

test('a press that is short leaves nobody with the floor', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  for (let i = 0; i < 10; ++i) {
    await alice.hold(channel);
    await alice.letGo();
  }
  await alice.is(channel, 'idle');
  await bob.hold(channel);
  await bob.is(channel, 'talking');
  await bob.letGo();
});

test('the space bar talks, but not while one types; Enter keeps talking', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  await alice.page.getByLabel('Channel by name').fill('a');
  await alice.press('Space');
  assert.equal(await alice.page.getByLabel('Channel by name').inputValue(), 'a ');
  await alice.is(channel, 'idle');

  await alice.page.mouse.click(5, 700);
  await alice.page.keyboard.down('Space');
  await alice.is(channel, 'talking');
  await alice.page.keyboard.up('Space');
  await alice.is(channel, 'idle');

  await alice.talk(channel).focus();
  await alice.press('Space');
  await alice.is(channel, 'idle');
  await alice.press('Enter');
  await alice.is(channel, 'talking');
  await alice.press('Enter');
  await alice.is(channel, 'idle');
});

test('Enter that is held talks as if pressed once, and after a denial it talks again', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  await bob.hold(channel);
  await bob.is(channel, 'talking');
  await alice.is(channel, 'listening');
  await alice.talk(channel).focus();
  await alice.press('Enter');
  await alice.is(channel, 'denied');
  await bob.letGo();
  await bob.is(channel, 'idle');

  // Held: the keyboard repeats it.
  const states = await alice.channel(channel).evaluateHandle((element) => {
    const seen = [];
    new MutationObserver(() => seen.push(element.dataset.state)).observe(element, {
      attributeFilter: ['data-state'],
    });
    return seen;
  });
  for (let i = 0; i < 6; ++i) await alice.page.keyboard.down('Enter');
  await alice.is(channel, 'talking');
  await alice.page.keyboard.up('Enter');
  await bob.is(channel, 'listening');
  const seen = await states.jsonValue();
  assert.deepEqual([...new Set(seen)], ['asking', 'talking']);
  await alice.press('Enter');
  await alice.is(channel, 'idle');
});

test('several channels at once: each has its own speaker', async (t) => {
  const [one, two] = [freshChannel(), freshChannel()];
  const alice = await Radio.in(t, 'Alice', one, two);
  const bob = await Radio.in(t, 'Bob', one, two);
  await alice.hold(one);
  await alice.is(one, 'talking');
  await bob.is(one, 'listening');
  await bob.hold(two);
  await alice.is(two, 'listening');
  await alice.isAccessible('two channels');
  await alice.letGo();
  await bob.letGo();
  await alice.is(two, 'idle');
  // The space bar is for the channel that was touched last.
  await alice.channel(two).getByRole('heading').click();
  await alice.page.keyboard.down('Space');
  await bob.is(two, 'listening');
  await bob.is(one, 'idle');
  await alice.page.keyboard.up('Space');
  await bob.is(two, 'idle');
});

test('whoever leaves a channel is out of it', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  await alice.sees('2 here');
  await bob.button(`Leave ${channel}`).click();
  await alice.sees('1 here');
  assert.equal(await bob.channel(channel).count(), 0);
  await bob.sees('Join a channel to hear it');
  await bob.page.reload();
  await bob.connection('open');
  assert.equal(await bob.channel(channel).count(), 0);
});

test('what the server refuses is told in its words', async (t) => {
  const radio = await Radio.in(t, 'Alice');
  const channels = Array.from({ length: 10 }, freshChannel);
  for (const channel of channels) await radio.join(channel);
  await radio.page.getByLabel('Channel by name').fill('one too many');
  await radio.press('Enter');
  await radio.is('one too many', 'refused');
  await radio.sees(/10 channels/, radio.channel('one too many'));
  await radio.picture('many channels');
});

// ---- The line --------------------------------------------------------------------------------------

test('a dropped line lets go, comes back, and leaves no button stuck', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  const bob = await Radio.in(t, 'Bob', channel);
  await alice.hold(channel);
  await bob.is(channel, 'listening');
  alice.line.cut();
  await alice.is(channel, 'offline');
  await alice.sees('The connection to the server is lost.');
  assert.equal(await alice.talk(channel).getAttribute('aria-pressed'), 'false');
  assert.equal(await alice.talk(channel).getAttribute('aria-disabled'), 'true');
  await bob.is(channel, 'idle');
  await bob.sees('1 here');
  await alice.isAccessible('line lost');

  await alice.button('Try now').focus();
  await alice.press('Enter');
  await alice.is(channel, 'offline');
  alice.line.mend();
  await alice.is(channel, 'idle');
  await alice.notice('offline').waitFor({ state: 'detached' });
  await alice.hasFocus(alice.talk(channel));
  await alice.isReady(channel);
  await bob.sees('2 here');
  await alice.is(channel, 'idle'); // though the mouse is still down
  await alice.letGo();
  await alice.hold(channel);
  await bob.is(channel, 'listening');
  await alice.letGo();
  await bob.is(channel, 'idle');
});

test('a line that drops again and again comes back by itself', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  for (let i = 0; i < 3; ++i) {
    alice.line.cut();
    await alice.is(channel, 'offline');
    alice.line.mend();
    await alice.is(channel, 'idle');
  }
});

test('why the server closes the line is told', async (t) => {
  const radio = await Radio.in(t, 'Alice', freshChannel(), { isSilent: true });
  radio.closeLine(1008, 'too many connections');
  await radio.sees('The server says: too many connections. It is tried again by itself.');
});

test('a server that closes the line without a reason is not quoted', async (t) => {
  const radio = await Radio.in(t, 'Alice', freshChannel(), { isSilent: true });
  radio.closeLine(1008, '');
  await radio.sees('The server closed the connection. It is tried again by itself.');
});

test('a channel is joined though the line closed again before that', async (t) => {
  const channel = freshChannel();
  const radio = await Radio.in(t, 'Alice', channel, { isSilent: true });
  // Once the line is there, the page asks for the health, and joins after that.
  await radio.page.route(
    '**/health',
    async (route) => {
      radio.closeLine(1008, 'too many connections');
      await radio.sees('The server says: too many connections.');
      await route.fulfill({ json: health });
    },
    { times: 1 },
  );
  const answered = radio.page.waitForResponse('**/health');
  radio.closeLine(1001, 'restart');
  await answered;
  await radio.button('Try now').click();
  await radio.is(channel, 'idle');
});

test('a server that answers no more is given up', async (t) => {
  const channel = freshChannel();
  const alice = await Radio.in(t, 'Alice', channel);
  alice.line.swallowAnswers();
  await alice.hold(channel);
  await alice.is(channel, 'asking');
  await alice.picture('asking light');
  await alice.is(channel, 'offline');
  await alice.letGo();
  alice.line.mend();
  // An attempt that was made before the line was mended is given up in its turn.
  await alice.is(channel, 'idle', { timeout: 2 * timeout });
});

// ---- Looks -----------------------------------------------------------------------------------------

test('it is usable 360 pixels wide, with long names', async (t) => {
  const channel = `Rettungsleitstelle-Nord-Zwischenlager ${freshChannel()}`;
  const narrow = { viewport: { width: 360, height: 640 }, hasTouch: true };
  const name = 'Bartholomäus-Maximilian von Hohenzollern-Sigmaringen';
  const alice = await Radio.in(t, 'Alice', channel, narrow);
  const bob = await Radio.in(t, 'Bob', channel, {
    token: tokenOf('Bob', { userName: name }),
    ...narrow,
  });
  await alice.hasNoSidewaysScroll();
  const box = await alice.talk(channel).boundingBox();
  assert.ok(box.width >= 200 && box.height >= 200, 'a big button');
  await alice.picture('narrow idle');
  await bob.hold(channel);
  await alice.is(channel, 'listening');
  await alice.hasNoSidewaysScroll();
  await alice.picture('narrow listening');
  const finger = await alice.finger(channel);
  await finger('touchStart');
  await alice.is(channel, 'denied');
  await alice.hasNoSidewaysScroll();
  await alice.picture('narrow denied');
  await finger('touchEnd');
  await bob.letGo();
  alice.line.cut();
  await alice.sees('The connection to the server is lost.');
  await alice.hasNoSidewaysScroll();
  await alice.isAccessible('narrow line lost');
});

test('whoever wants no motion gets none', async (t) => {
  const radio = await Radio.in(t, 'Alice', freshChannel());
  await radio.page.evaluate(() => {
    window.motions = 0;
    for (const type of ['transitionrun', 'animationstart'])
      document.addEventListener(type, () => ++window.motions);
  });
  const motions = async (reducedMotion) => {
    await radio.page.emulateMedia({ reducedMotion });
    await radio.page.mouse.move(5, 5);
    await radio.page.evaluate(() => (window.motions = 0));
    await radio.page.locator('.talk').hover();
    await radio.page.evaluate(() => new Promise(requestAnimationFrame));
    await radio.page.evaluate(() => new Promise(requestAnimationFrame));
    return radio.page.evaluate(() => window.motions);
  };
  assert.ok((await motions('no-preference')) > 0);
  assert.equal(await motions('reduce'), 0);
});
