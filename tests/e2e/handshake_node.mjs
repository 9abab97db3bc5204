// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The consent broker, as an independent client sees it: `ws` for the line, Node's own crypto for
// the keys. Run with `node --test`; CONSENT_BROKER is the path of the program. Builds nothing.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { soon as inTime } from './soon.mjs';

const program = resolve(process.env.CONSENT_BROKER);
const timeout = 10_000; // milliseconds, for anything that is expected to happen
const organization = '1003000126';
const provider = '1245319599';
const unregistered = '1234567893';

const soon = (what, promise) => inTime(what, promise, timeout);

async function until(what, holds) {
  for (const begin = Date.now(); !(await holds()); ) {
    assert.ok(Date.now() - begin < timeout, `not ${what} within ${timeout} ms`);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}

/** `consent-broker serve` in a directory of its own, on a free port. */
class Broker {
  /** A broker that must end well: with status 0, and with an audit log that verifies. */
  static async serve(t, websocket = {}) {
    const broker = new Broker();
    broker.directory = await mkdtemp(join(tmpdir(), 'consent-broker-'));
    t.after(() => broker.discard());
    await writeFile(
      join(broker.directory, 'neuron.config.json'),
      JSON.stringify({
        organization: { npi: organization, name: 'Example', type: 'practice' },
        server: { host: '127.0.0.1', port: 0 },
        websocket,
        storage: { path: join(broker.directory, 'neuron.db') },
        audit: { path: join(broker.directory, 'audit.jsonl') },
      }),
    );
    await broker.cli('provider', 'add', provider, '--endpoint', 'wss://ada.example/agent');
    await broker.start();
    return broker;
  }

  async start() {
    this.process = spawn(program, ['serve'], {
      cwd: this.directory,
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    this.ended = once(this.process, 'exit');
    const log = createInterface({ input: this.process.stderr });
    const ready = new Promise((found) => {
      log.on('line', (line) => {
        const match = /event=ready .*port=(\d+)/.exec(line);
        if (match) found(match[1]);
      });
    });
    this.authority = `127.0.0.1:${await soon('start', ready)}`;
  }

  /** Runs a command that is expected to do well, and returns what it prints. */
  async cli(...args) {
    const done = await promisify(execFile)(program, args, { cwd: this.directory, timeout });
    return done.stdout;
  }

  async relationships() {
    return JSON.parse(await this.cli('relationship', 'list', '--json'));
  }

  async health() {
    return (await soon('health', fetch(`http://${this.authority}/health`))).json();
  }

  /** Asks it to end, and returns its exit status. */
  async stop() {
    this.process.kill('SIGTERM');
    const [status] = await soon('end', this.ended);
    return status;
  }

  async discard() {
    try {
      if (!this.process) return;
      assert.equal(await this.stop(), 0);
      await this.cli('audit', 'verify');
    } finally {
      this.process?.kill('SIGKILL');
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}

class Patient {
  constructor(name = 'patient-001') {
    this.name = name;
    this.key = generateKeyPairSync('ed25519');
  }

  auth(claims = {}) {
    const now = Math.floor(Date.now() / 1000);
    const payload = Buffer.from(
      JSON.stringify({
        patient_agent_id: this.name,
        provider_npi: provider,
        consented_actions: ['office_visit'],
        iat: now,
        exp: now + 3600,
        ...claims,
      }),
    );
    return {
      type: 'handshake.auth',
      consent_token_payload: payload.toString('base64url'),
      consent_token_signature: this.sign(payload),
      patient_agent_id: this.name,
      patient_public_key: this.key.publicKey.export({ format: 'jwk' }).x,
      patient_endpoint: 'wss://patient.example/agent',
    };
  }

  answer(challenge) {
    const nonce = Buffer.from(challenge.nonce, 'hex');
    return { type: 'handshake.challenge_response', signed_nonce: this.sign(nonce) };
  }

  sign(bytes) {
    return sign(null, bytes, this.key.privateKey).toString('base64url');
  }
}

/** A line to the broker. Its messages wait until they are asked for. */
class Line {
  constructor(broker, path = '/ws/handshake') {
    this.socket = new WebSocket(`ws://${broker.authority}${path}`, { handshakeTimeout: timeout });
    this.messages = [];
    this.wake = () => {};
    this.socket.on('message', (data, binary) => {
      assert.ok(!binary);
      this.messages.push(JSON.parse(data));
      this.wake();
    });
    this.socket.on('close', (code, reason) => {
      this.end = { code, reason: String(reason) };
      this.wake();
    });
    this.socket.on('error', () => {}); // an end, too
    this.refused = new Promise((found) => {
      this.socket.on('unexpected-response', (_, response) => {
        response.resume();
        found(response);
        this.socket.terminate();
      });
    });
    this.opened = new Promise((found) => this.socket.on('open', () => found(this)));
  }

  static open(...args) {
    return soon('upgrade', new Line(...args).opened);
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  async hear() {
    await this.news(() => this.messages.length > 0);
    return this.messages.shift();
  }

  async closed() {
    await this.news(() => this.end);
    return this.end.code;
  }

  async news(holds) {
    while (!holds()) {
      assert.ok(!this.end, `closed with ${this.end?.code}`);
      await soon('message', new Promise((resume) => (this.wake = resume)));
    }
  }

  /** Goes through a handshake, and returns everything that the broker said. */
  async shakeHands(patient) {
    this.say(patient.auth());
    const said = [await this.hear()];
    if (said[0].type === 'handshake.challenge') {
      this.say(patient.answer(said[0]));
      said.push(await this.hear());
    }
    return said;
  }
}

async function shakeHands(broker, patient) {
  const line = await Line.open(broker);
  const said = await line.shakeHands(patient);
  assert.equal(await line.closed(), 1000);
  return said;
}

async function checkRefusal(broker, message, code, close) {
  const line = await Line.open(broker);
  line.socket.send(message);
  const answer = await line.hear();
  assert.equal(answer.type, 'handshake.error');
  assert.equal(answer.code, code);
  assert.equal(await line.closed(), close);
}

test('a new relationship, and the same again without a challenge', async (t) => {
  const broker = await Broker.serve(t);
  const patient = new Patient();
  const [challenge, complete] = await shakeHands(broker, patient);
  assert.match(challenge.nonce, /^[0-9a-f]{64}$/);
  assert.equal(challenge.provider_npi, provider);
  assert.equal(challenge.organization_npi, organization);
  assert.equal(complete.type, 'handshake.complete');
  assert.match(complete.relationship_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/);
  assert.equal(complete.provider_endpoint, 'wss://ada.example/agent');
  assert.equal(complete.status, 'new');
  assert.deepEqual(await shakeHands(broker, patient), [{ ...complete, status: 'existing' }]);
});

test('consent that is not proven', async (t) => {
  const broker = await Broker.serve(t);
  await shakeHands(broker, new Patient());
  const anotherKey = new Patient().auth();
  const expired = new Patient('patient-002').auth({ exp: Math.floor(Date.now() / 1000) - 1 });
  const forged = { ...new Patient('patient-003').auth(), consent_token_signature: 'AAAA' };
  for (const auth of [anotherKey, expired, forged]) {
    await checkRefusal(broker, JSON.stringify(auth), 'CONSENT_FAILED', 4003);
  }
});

test('a wrong answer to the challenge', async (t) => {
  const broker = await Broker.serve(t);
  const line = await Line.open(broker);
  line.say(new Patient().auth());
  line.say(new Patient().answer(await line.hear())); // of somebody else
  assert.equal((await line.hear()).code, 'CONSENT_FAILED');
  assert.equal(await line.closed(), 4003);
  assert.deepEqual(await broker.relationships(), []);
});

test('a provider that is not registered', async (t) => {
  const broker = await Broker.serve(t);
  const auth = new Patient().auth({ provider_npi: unregistered });
  await checkRefusal(broker, JSON.stringify(auth), 'PROVIDER_NOT_FOUND', 4004);
});

test('messages that are none', async (t) => {
  const broker = await Broker.serve(t, { maxPayloadBytes: 4096 });
  const auth = new Patient().auth();
  const { patient_endpoint, ...incomplete } = auth;
  for (const message of [
    'not JSON',
    JSON.stringify(incomplete),
    Buffer.from(JSON.stringify(auth)), // binary
  ]) {
    await checkRefusal(broker, message, 'INVALID_MESSAGE', 4002);
  }
  const line = await Line.open(broker);
  line.socket.send('x'.repeat(4097));
  assert.equal(await line.closed(), 1009);
});

test('a message out of turn is ignored', async (t) => {
  const broker = await Broker.serve(t);
  const patient = new Patient();
  const line = await Line.open(broker);
  line.say(patient.auth());
  const challenge = await line.hear();
  line.say(new Patient('patient-002').auth());
  line.say(patient.answer(challenge));
  assert.equal((await line.hear()).status, 'new');
  assert.equal(await line.closed(), 1000);
  const names = (await broker.relationships()).map((r) => r.patient_agent_id);
  assert.deepEqual(names, [patient.name]);
});

test('silence', async (t) => {
  const broker = await Broker.serve(t, { authTimeoutMs: 200 });
  const line = await Line.open(broker);
  assert.equal((await line.hear()).code, 'AUTH_TIMEOUT');
  assert.equal(await line.closed(), 4001);
});

test('whoever waits gets in', async (t) => {
  const broker = await Broker.serve(t, { maxConcurrentHandshakes: 1 });
  const first = await Line.open(broker);
  const second = new Line(broker);
  await until('queued', async () => (await broker.health()).queued === 1);
  assert.equal(second.socket.readyState, WebSocket.CONNECTING);
  assert.equal((await first.shakeHands(new Patient('patient-001'))).at(-1).status, 'new');
  await soon('upgrade', second.opened);
  assert.equal((await second.shakeHands(new Patient('patient-002'))).at(-1).status, 'new');
  assert.equal(await second.closed(), 1000);
});

test('whoever waits too long, or comes to the wrong door, is told', async (t) => {
  const broker = await Broker.serve(t, { maxConcurrentHandshakes: 1, queueTimeoutMs: 200 });
  await Line.open(broker);
  const busy = await soon('refusal', new Line(broker).refused);
  assert.equal(busy.statusCode, 503);
  assert.ok(busy.headers['retry-after']);
  const lost = await soon('refusal', new Line(broker, '/elsewhere').refused);
  assert.equal(lost.statusCode, 404);
});

test('health', async (t) => {
  const broker = await Broker.serve(t);
  await shakeHands(broker, new Patient());
  const health = await broker.health();
  assert.equal(health.status, 'ok');
  assert.deepEqual(health.handshakes, { completed: 1, failed: 0 });
});

test('a termination is for ever', async (t) => {
  const broker = await Broker.serve(t);
  const patient = new Patient();
  const ended = (await shakeHands(broker, patient)).at(-1).relationship_id;
  const words = ['--provider', provider, '--reason', 'moved away'];
  await broker.cli('relationship', 'terminate', ended, ...words);
  const [challenge, complete] = await shakeHands(broker, patient);
  assert.equal(challenge.type, 'handshake.challenge');
  assert.equal(complete.status, 'new');
  assert.notEqual(complete.relationship_id, ended);
  const all = (await broker.relationships()).map((r) => [r.relationship_id, r.status]);
  assert.deepEqual(Object.fromEntries(all), {
    [ended]: 'terminated',
    [complete.relationship_id]: 'active',
  });
});

test('a stop tells everybody', async (t) => {
  const broker = await Broker.serve(t);
  const silent = await Line.open(broker);
  const challenged = await Line.open(broker);
  challenged.say(new Patient().auth());
  await challenged.hear();
  assert.equal(await broker.stop(), 0);
  assert.equal(await silent.closed(), 1001);
  assert.equal(await challenged.closed(), 1001);
  await broker.cli('audit', 'verify');
  await broker.start(); // and it starts again
  assert.equal((await shakeHands(broker, new Patient())).at(-1).status, 'new');
});
