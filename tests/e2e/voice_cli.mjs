// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What voice signalling's program finds on its machine, prints and logs. Run with `node --test`;
// VOICE_SIGNALING is the path of the program. Builds nothing, and needs no media server: a shell's
// script takes its place.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { soon } from './soon.mjs';
import { VoiceLine } from './voice_line.mjs';
import { Server } from './voice_servers.mjs';
import { secret } from './voice_signaling.mjs';

const program = resolve(process.env.VOICE_SIGNALING);

/** A directory that goes with the test. */
async function directoryOf(t) {
  const directory = await mkdtemp(join(tmpdir(), 'voice-cli-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The worker that `init` writes into a configuration. */
async function workerOf(directory, environment) {
  const file = join(directory, 'voice-signaling.json');
  await rm(file, { force: true });
  const env = { PATH: process.env.PATH, ...environment };
  const { status } = spawnSync(program, ['init', '--config', file], { cwd: directory, env });
  assert.equal(status, 0);
  return JSON.parse(await readFile(file)).media.worker;
}

test('the worker is found where it was built, unless the environment names another', async (t) => {
  const directory = await directoryOf(t);
  const cache = join(directory, '.cache');
  const built = join(cache, 'parley', 'mediasoup-worker-3.12.16-0123456789ab');
  assert.equal(await workerOf(directory, { HOME: directory }), '');
  await mkdir(built, { recursive: true });
  assert.equal(await workerOf(directory, { HOME: directory }), ''); // begun, and not yet there
  await mkdir(join(cache, 'parley', 'mediasoup-worker-3.12.17-0123456789ab'));
  for (const version of ['3.12.16', '3.12.17']) {
    const folder = join(cache, 'parley', `mediasoup-worker-${version}-0123456789ab`);
    await writeFile(join(folder, 'mediasoup-worker'), '', { mode: 0o755 });
  }
  const cannotRun = join(cache, 'parley', 'mediasoup-worker-3.12.16-0123456789ac');
  await mkdir(cannotRun);
  await writeFile(join(cannotRun, 'mediasoup-worker'), '');
  const noFile = join(cache, 'parley', 'mediasoup-worker-3.12.16-0123456789ad');
  await mkdir(join(noFile, 'mediasoup-worker'), { recursive: true });
  const expected = join(built, 'mediasoup-worker');
  assert.equal(await workerOf(directory, { HOME: directory }), expected);
  assert.equal(await workerOf(directory, { HOME: '/none', XDG_CACHE_HOME: cache }), expected);
  // Not where the program is started from, whoever's that is.
  assert.equal(await workerOf(directory, {}), '');
  assert.equal(await workerOf(directory, { XDG_CACHE_HOME: '.cache' }), '');
  const relative = { HOME: directory, XDG_CACHE_HOME: 'elsewhere' };
  assert.equal(await workerOf(directory, relative), expected);
  const none = { HOME: directory, PARLEY_MEDIASOUP_WORKER: '' };
  assert.equal(await workerOf(directory, none), expected);
  const another = String.raw`/opt/my "\worker"`;
  const named = { HOME: directory, PARLEY_MEDIASOUP_WORKER: another };
  assert.equal(await workerOf(directory, named), another);
});

/** All that a demo prints once it is ready: in a terminal, or as JSON. It must then end in order. */
async function printedBy(...options) {
  const server = spawn(program, ['demo', '--port', '0', '--log-level', 'error', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  for await (const text of server.stdout) {
    printed += text;
    if (printed.includes('Ctrl+C ends it.') || printed.endsWith('}\n')) server.kill();
  }
  return printed;
}

test('the demo says whether there is sound', async (t) => {
  const worker = join(await directoryOf(t), 'worker');
  await writeFile(worker, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const [silent, broken, json] = await Promise.all([
    printedBy('--signalling-only', '--worker', worker),
    printedBy('--worker', worker),
    printedBy('--worker', worker, '--json'),
  ]);
  assert.match(silent, /^ {2}Open {7}http:\/\/127\.0\.0\.1:\d+\/ {3}in two windows, or more$/m);
  assert.match(silent, /^ {2}Audio {6}no: signalling only\. scripts\/setup\.sh worker and then$/m);
  assert.match(silent, /^ {13}scripts\/mediasoup-worker\.sh build the media server$/m);
  assert.ok(broken.includes(`\n  Audio      no: the worker ${worker} did not start, see above\n`));
  assert.equal(JSON.parse(json).audio, false);
});

test('a stop ends the wait for a worker that does not start', async (t) => {
  const worker = join(await directoryOf(t), 'worker');
  await writeFile(worker, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const server = spawn(program, ['demo', '--port', '0', '--worker', worker], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => server.kill('SIGKILL'));
  const ended = once(server, 'exit');
  const printed = server.stdout.toArray();
  await soon('word of the worker', once(server.stderr, 'data'), 15_000);
  server.kill();
  assert.deepEqual(await soon('end of the program', ended, 5000), [0, null]);
  assert.equal((await printed).length, 0, 'it was not ready');
});

test('what the worker says is logged as severe as it is', async (t) => {
  const directory = await directoryOf(t);
  const worker = join(directory, 'worker');
  // A message is its length, 32 bits little-endian, and its text, of which the first is the level.
  const says = [
    `printf '\\040\\000\\000\\000{"targetId":1,"event":"running"}' >&4`,
    String.raw`printf '\007\000\000\000Ddetail' >&4`,
    String.raw`printf '\010\000\000\000Wwarning' >&4`,
    String.raw`printf '\007\000\000\000Efailed' >&4`,
  ];
  await writeFile(worker, `#!/bin/sh\n${says.join('\n')}\nexec sleep 1000\n`, { mode: 0o755 });

  const logged = async (level) => {
    const options = ['demo', '--json', '--port', '0', '--worker', worker, '--log-level', level];
    const server = spawn(program, options, { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => server.kill('SIGKILL'));
    const levels = {};
    const lines = createInterface({ input: server.stderr });
    const last = new Promise((settle) => {
      lines.on('line', (line) => {
        const found = /level=(\w+).*: (detail|warning|failed)"?$/.exec(line);
        if (found) levels[found[2]] ??= found[1];
        if (found?.[2] === 'failed') settle();
      });
    });
    await soon('last line', last, 15_000);
    server.kill();
    return levels;
  };
  const warnings = { warning: 'warning', failed: 'error' };
  assert.deepEqual(await logged('warning'), warnings);
  assert.deepEqual(await logged('debug'), { detail: 'debug', ...warnings });
});

/** What `token` prints, with its exit status as `status`. */
function token(parameters, environment = { ROUTER_JWT_SECRET: secret }) {
  const env = { PATH: process.env.PATH, ...environment };
  return spawnSync(program, ['token', ...parameters], { env, encoding: 'utf8' });
}

test('a token that is printed lets its user in, where it says', async (t) => {
  const parameters = [
    '--user',
    'ada',
    '--name',
    'Ada L.',
    '--channel',
    'north',
    '--channel',
    'south',
  ];
  const printed = token([...parameters, '--minutes', '5']);
  assert.equal(printed.status, 0, printed.stderr);
  assert.match(printed.stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const text = printed.stdout.trim();
  const { exp, ...claims } = JSON.parse(Buffer.from(text.split('.')[1], 'base64url'));
  assert.ok(Math.abs(exp - Date.now() / 1000 - 300) < 60, `it is good until ${exp}`);
  assert.deepEqual(claims, {
    userId: 'ada',
    userName: 'Ada L.',
    channelIds: ['north', 'south'],
  });

  const server = await Server.start(t);
  const ada = await VoiceLine.open(server, text);
  t.after(() => ada.socket.terminate());
  assert.deepEqual((await ada.push('channel-list')).channels, ['north', 'south']);
  assert.equal((await ada.get('join-channel', { channelId: 'north' })).userCount, 1);
  assert.match(await ada.refused('join-channel', { channelId: 'east' }), /does not allow/);

  const admin = await VoiceLine.open(
    server,
    token(['--user', 'eve', '--role', 'ADMIN']).stdout.trim(),
  );
  t.after(() => admin.socket.terminate());
  assert.equal((await admin.push('channel-list')).globalRole, 'ADMIN');
  const others = token(['--user', 'ada'], { ROUTER_JWT_SECRET: `not ${secret}` });
  assert.equal((await VoiceLine.open(server, others.stdout.trim())).refusedWith, 401);
});

test('a token that cannot be made is refused, with the reason', () => {
  const reasons = [
    [token([]), /--user is required/],
    [token(['--user', '']), /userId: expected 1 to 128 bytes/],
    [token(['--user', 'ada', '--minutes', '0']), /--minutes: .* 1 to 525600/],
    [token(['--user', 'ada', '--until', 'noon']), /--until/],
    [token(['--user', 'ada'], {}), /ROUTER_JWT_SECRET: expected the secret/],
    [token(['--user', 'ada'], { ROUTER_JWT_SECRET: 'short' }), /ROUTER_JWT_SECRET: .*5 bytes/],
  ];
  for (const [{ status, stdout, stderr }, reason] of reasons) {
    assert.equal(status, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, reason);
  }
});
