// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The table editor's demo, started for a test. TABLE_EDITOR is the path of the program.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { soon } from './soon.mjs';

const program = resolve(process.env.TABLE_EDITOR);
const timeout = 15_000; // milliseconds, to start and to stop

/** `table-editor demo` in a directory of its own, on a free port unless the options name one. */
export class Program {
  static async start(...options) {
    const started = new Program();
    if (!options.includes('--port')) options.push('--port', '0');
    started.directory = await mkdtemp(join(tmpdir(), 'table-editor-'));
    const line = await started.#run(['demo', '--data', started.directory, '--json', ...options], 'stdout');
    return Object.assign(started, JSON.parse(line));
  }

  /** At the address of `other`, which has stopped: `table-editor serve`, on an empty database. */
  static async serve(other, { session, database: more } = {}) {
    const served = new Program();
    const { host, port, url, namespace, username } = other;
    Object.assign(served, { host, port, url, namespace, username, password: 'of the configuration' });
    served.directory = await mkdtemp(join(tmpdir(), 'table-editor-'));
    const hashing = promisify(execFile)(program, ['hash-password']);
    hashing.child.stdin.end(`${served.password}\n`);
    const passwordHash = (await hashing).stdout.trim();
    const config = join(served.directory, 'table-editor.json');
    await served.execute(''); // an empty database
    const database = { folder: served.directory, users: [{ username, passwordHash }], ...more };
    await writeFile(config, JSON.stringify({ server: { host, port }, session, database }));
    await served.#run(['serve', '--config', config], 'stderr'); // its log begins with `ready`
    return served;
  }

  /** `table-editor serve`, for the users of another database server. */
  static async serveOthers(database) {
    const served = new Program();
    served.directory = await mkdtemp(join(tmpdir(), 'table-editor-'));
    const config = join(served.directory, 'table-editor.json');
    await writeFile(config, JSON.stringify({ server: { port: 0 }, database }));
    const ready = await served.#run(['serve', '--json', '--config', config], 'stderr');
    const { address: host, port } = JSON.parse(ready);
    return Object.assign(served, { host, port, url: `http://${host}:${port}/` });
  }

  /** Starts the program, and gives the first line that it writes there. */
  async #run(command, where) {
    const stdio = where === 'stdout' ? ['ignore', 'pipe', 'inherit'] : ['ignore', 'inherit', 'pipe'];
    this.process = spawn(program, command, { stdio });
    this.ended = once(this.process, 'exit');
    const line = Promise.race([
      once(createInterface({ input: this.process[where] }), 'line'),
      this.ended.then(([code]) => Promise.reject(new Error(`the program ended with ${code}`))),
    ]);
    return (await soon('line of the program', line, timeout))[0];
  }

  /** Has somebody else, who is not this program, run SQL in its database. */
  async execute(sql) {
    const script = 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])';
    const file = join(this.directory, this.namespace);
    await promisify(execFile)('python3', ['-c', script, file, sql]);
  }

  /** Returns the exit status. */
  async stop() {
    this.process.kill();
    const [code] = await soon('end of the program', this.ended, timeout);
    await rm(this.directory, { recursive: true, force: true });
    return code;
  }
}
