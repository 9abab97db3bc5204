// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Voice signalling's demo, started for a test. VOICE_SIGNALING is the path of the program, and
// PARLEY_MEDIASOUP_WORKER that of the worker: without it there is no sound, though one was built on this
// machine. Without a program the peer of the benchmark takes its place, with a small server before it for
// the page and the demo's part of HTTP; that tests the tests, and the page where there is no program yet.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { soon } from './soon.mjs';

const program = process.env.VOICE_SIGNALING;
const hasWorker = program !== undefined && Boolean(process.env.PARLEY_MEDIASOUP_WORKER);
const timeout = 15_000; // milliseconds, to start and to stop

export const secret = 'a secret of the tests, which is long enough for HS256';

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JSON Web Token; `head` and `key` for those that should be refused. */
export function tokenFor(claims, { head = { alg: 'HS256', typ: 'JWT' }, key = secret } = {}) {
  const signed = `${base64url(head)}.${base64url(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;

/** A token for this user, with the claims that every token needs. */
export const tokenOf = (userName, claims = {}) =>
  tokenFor({ userId: userName.toLowerCase(), userName, exp: inAnHour(), ...claims });

/** The demo on a free port of loopback: `url`, `host`, `port`. */
export class Program {
  static async start(...options) {
    const started = program === undefined ? new StandIn() : new Program();
    await started.run(options);
    return started;
  }

  async run(options) {
    this.directory = await mkdtemp(join(tmpdir(), 'voice-signaling-'));
    const command = [resolve(program), 'demo', '--json', '--port', '0', ...options];
    if (!hasWorker) command.push('--signalling-only');
    const { url } = await this.spawn(command, { cwd: this.directory });
    this.use(url);
  }

  use(url) {
    this.url = url;
    this.host = new URL(url).hostname;
    this.port = Number(new URL(url).port);
  }

  /** The first line that it prints, which is JSON. */
  async spawn([file, ...parameters], options = {}) {
    this.process = spawn(file, parameters, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ROUTER_JWT_SECRET: secret },
      ...options,
    });
    this.ended = once(this.process, 'exit');
    const line = Promise.race([
      once(createInterface({ input: this.process.stdout }), 'line'),
      this.ended.then(([code]) => Promise.reject(new Error(`the program ended with ${code}`))),
    ]);
    return JSON.parse((await soon('line of the program', line, timeout))[0]);
  }

  async health() {
    return (await fetch(new URL('/health', this.url))).json();
  }

  /** Whether it has media workers: where PARLEY_MEDIASOUP_WORKER names their program, and only there. */
  async hasAudio() {
    const { workers } = await this.health();
    assert.equal(workers > 0, hasWorker, `PARLEY_MEDIASOUP_WORKER against ${workers} workers`);
    return hasWorker;
  }

  /** Returns the exit status. */
  async stop() {
    this.process.kill();
    const [code] = await soon('end of the program', this.ended, timeout);
    if (this.directory) await rm(this.directory, { recursive: true, force: true });
    return code;
  }
}

// ---- In the program's place ------------------------------------------------------------------------

const peer = fileURLToPath(new URL('../../benchmarks/peer/voice.mjs', import.meta.url));
const web = fileURLToPath(new URL('../../examples/voice_signaling/web/', import.meta.url));
const shared = fileURLToPath(new URL('../../examples/shared/web/', import.meta.url));
const types = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

class StandIn extends Program {
  async run(options) {
    this.behind = (await this.spawn([process.execPath, peer, ...options])).port;
    this.server = createServer((request, response) => {
      this.answer(request, response).catch(() => response.writeHead(404).end());
    });
    this.server.on('upgrade', (request, near, head) => this.pass(request, near, head));
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.use(`http://127.0.0.1:${this.server.address().port}/`);
  }

  async answer(request, response) {
    const path = request.url.split('?')[0];
    const json = (value) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    };
    if (path === '/health') {
      ask({ port: this.behind, path }, (answer) => answer.pipe(response)).end();
    } else if (path === '/api/demo') {
      json({ channels: ['Alpha', 'Bravo', 'Charlie'], audio: false });
    } else if (path === '/api/demo/token' && request.method === 'POST') {
      let body = '';
      for await (const part of request) body += part;
      json({ token: tokenOf(JSON.parse(body).userName) });
    } else {
      const file = path.endsWith('/') ? `${path}index.html` : path;
      const { pathname } = new URL(file, 'http://localhost');
      const common = pathname.startsWith('/shared/');
      const bytes = await readFile(common ? join(shared, pathname.slice(7)) : join(web, pathname));
      response.writeHead(200, {
        'Content-Type': types[extname(file)] ?? 'application/octet-stream',
        'Content-Security-Policy': policy,
        'Cache-Control': 'no-cache',
      });
      response.end(bytes);
    }
  }

  /** An upgrade goes to the peer as it came, from the address it came from. */
  pass(request, near, head) {
    const far = connect({ port: this.behind, host: '127.0.0.1', localAddress: near.remoteAddress });
    const fields = request.rawHeaders
      .map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`))
      .join('');
    far.write(`${request.method} ${request.url} HTTP/1.1\r\n${fields}\r\n`);
    far.write(head);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    return super.stop();
  }
}
