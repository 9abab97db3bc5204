// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A PostgreSQL server for a test, on the loopback interface, with its data in a temporary directory.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free_port.mjs';
import { soon } from './soon.mjs';

const run = promisify(execFile);
const timeout = 30_000; // milliseconds, to start
const programs = Array.from({ length: 19 }, (_, i) => `/usr/lib/postgresql/${30 - i}/bin`).find(
  (path) => existsSync(path),
);

/** As whom: PostgreSQL does not run as root. */
async function user() {
  if (process.getuid() !== 0) return {};
  const id = async (option) => Number((await run('id', [option, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

export class PostgresqlServer {
  static isInstalled = programs !== undefined;
  host = '127.0.0.1';
  #password = 'of the admin';

  static async start() {
    const server = new PostgresqlServer();
    server.port = await freePort();
    server.directory = await mkdtemp(join(tmpdir(), 'postgresql-'));
    server.user = await user();
    const password = join(server.directory, 'password');
    await writeFile(password, server.#password);
    const { uid, gid } = server.user;
    if (uid !== undefined) {
      for (const path of [server.directory, password]) await chown(path, uid, gid);
    }
    const options = ['-U', 'admin', '--pwfile', password, '-A', 'scram-sha-256', '-E', 'UTF8', '-N'];
    const where = { ...server.user, cwd: server.directory };
    await run(join(programs, 'initdb'), ['-D', 'data', '--locale=C.UTF-8', ...options], where);
    await server.resume();
    return server;
  }

  /** Starts it again, after stop(). */
  async resume() {
    const log = await open(join(this.directory, 'log'), 'a');
    const options = ['-D', 'data', '-p', this.port, '-h', this.host, '-k', '', '-F'];
    // Ends with the test, whatever becomes of that.
    const command = ['--pdeathsig', 'QUIT', '--', join(programs, 'postgres'), ...options];
    this.process = spawn('setpriv', command, {
      ...this.user,
      cwd: this.directory,
      stdio: ['ignore', log.fd, log.fd],
    });
    this.ended = once(this.process, 'exit');
    await log.close();
    await soon('PostgreSQL server', this.#answers(), timeout);
  }

  async #answers() {
    const asked = () => run(join(programs, 'pg_isready'), ['-h', this.host, '-p', this.port]);
    while (this.process.exitCode === null) {
      if (await asked().then(() => true, () => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`PostgreSQL ended: see ${join(this.directory, 'log')}`);
  }

  /** What SQL gives, as text, for somebody who is not the program. */
  async execute(sql, database = 'postgres') {
    const options = ['-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-h', this.host, '-p', this.port];
    const { stdout } = await run(
      join(programs, 'psql'),
      [...options, '-U', 'admin', '-d', database, '-c', sql],
      { env: { ...process.env, PGPASSWORD: this.#password } },
    );
    return stdout.trim();
  }

  /** At once, as a crash does. */
  async stop() {
    this.process.kill('SIGQUIT');
    await this.ended;
  }

  async remove() {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
