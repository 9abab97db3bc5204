// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// Servers of voice signalling that share a Redis, each a process of its own, and that Redis.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free_port.mjs';
import { soon } from './voice_line.mjs';
import { secret } from './voice_signaling.mjs';

export const hasRedis = (() => {
  try {
    execFileSync('redis-server', ['--version']);
    return true;
  } catch {
    return false;
  }
})();

const folder = () => mkdtemp(join(tmpdir(), 'voice-signaling-'));

/** Waits until something holds, and gives it. */
export async function until(what, holds, within = 15_000) {
  const end = Date.now() + within;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await sleep(20);
  }
}

/** Whether a process runs; one that has ended and is not waited for does not. */
export async function runs(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

/** The processes that a process has started. */
export async function childrenOf(pid) {
  const threads = await readdir(`/proc/${pid}/task`);
  const children = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')),
  );
  return children.join(' ').split(' ').filter(Boolean).map(Number);
}

/** A Redis on a free port of loopback, which keeps nothing on disk. */
export class Redis {
  static async start(t, { password } = {}) {
    const redis = new Redis();
    redis.directory = await folder();
    redis.port = await freePort();
    redis.password = password;
    t.after(async () => {
      await redis.kill();
      await rm(redis.directory, { recursive: true, force: true });
    });
    await redis.run();
    return redis;
  }

  get url() {
    return `redis://${this.password ? `:${this.password}@` : ''}127.0.0.1:${this.port}/0`;
  }

  /** Starts it, empty. */
  async run() {
    const options = { port: this.port, bind: '127.0.0.1', dir: this.directory, save: '' };
    if (this.password) options.requirepass = this.password;
    this.process = spawn(
      'redis-server',
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]),
      { stdio: 'ignore' },
    );
    this.ended = once(this.process, 'exit');
    await until('Redis answers', () => this.ask('PING').catch(() => ''));
  }

  /** What `redis-cli` prints. */
  async ask(...command) {
    const { stdout } = await promisify(execFile)('redis-cli', [...this.options, ...command]);
    return stdout.trim();
  }

  get options() {
    const login = this.password ? ['--no-auth-warning', '-a', this.password] : [];
    return ['-h', '127.0.0.1', '-p', `${this.port}`, ...login];
  }

  async keys() {
    return (await this.ask('KEYS', '*')).split('\n').filter(Boolean).sort();
  }

  /** The commands that it is given from now on: `{at, words}`, by the clock of `Date.now`. */
  async monitor() {
    const cli = spawn('redis-cli', [...this.options, 'MONITOR'], { stdio: ['ignore', 'pipe', 2] });
    const lines = createInterface({ input: cli.stdout });
    await once(lines, 'line'); // OK
    const commands = [];
    lines.on('line', (line) => {
      const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word]) => word);
      if (!line.includes(' lua]')) commands.push({ at: parseFloat(line) * 1000, words });
    });
    return { commands, end: () => cli.kill() };
  }

  hang() {
    this.process.kill('SIGSTOP');
  }

  goOn() {
    this.process.kill('SIGCONT');
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** `voice-signaling serve` on a free port of loopback, as `VoiceLine` wants it. */
export class Server {
  host = '127.0.0.1';
  log = '';

  /** \param media of its configuration; none: signalling only */
  static async start(t, redis, { media, grace = 5 } = {}) {
    const server = new Server();
    server.directory = await folder();
    t.after(async () => {
      await server.kill();
      await rm(server.directory, { recursive: true, force: true });
    });
    await server.run(redis, media, grace);
    return server;
  }

  async run(redis, media = { worker: '' }, grace) {
    const config = join(this.directory, 'voice-signaling.json');
    const limits = { connectionsPerMinute: 0 };
    const settings = { server: { port: 0 }, floors: { redis }, limits, media };
    await writeFile(config, JSON.stringify(settings));
    const parameters = ['serve', '--json', '--threads', '2', '--grace', `${grace}`];
    this.process = spawn(
      resolve(process.env.VOICE_SIGNALING),
      [...parameters, '--config', config],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ROUTER_JWT_SECRET: secret } },
    );
    this.ended = once(this.process, 'exit');
    const ready = new Promise((settle) => {
      createInterface({ input: this.process.stderr }).on('line', (line) => {
        this.log += `${line}\n`;
        const port = /"event":"ready".*"port":"(\d+)"/.exec(line)?.[1];
        if (port) settle(Number(port));
      });
    });
    const failed = this.ended.then(() => Promise.reject(new Error(`it ended: ${this.log}`)));
    failed.catch(() => {});
    this.port = await soon('ready server', Promise.race([ready, failed]));
  }

  get pid() {
    return this.process.pid;
  }

  /** With its HTTP status as `code`. */
  async health() {
    const answer = await fetch(`http://${this.host}:${this.port}/health`);
    return { code: answer.status, ...(await answer.json()) };
  }

  /** As soon as it has Redis. */
  async isWell(within) {
    await until('the server is well', async () => (await this.health()).code === 200, within);
  }

  /** As an operator does. Returns the exit status. */
  async stop() {
    this.process.kill('SIGTERM');
    return (await soon('end of the server', this.ended))[0];
  }

  /** As a machine that fails does. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}
