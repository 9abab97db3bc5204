// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The table editor's demo, started for a test. TABLE_EDITOR is the path of the program.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { soon } from './soon.mjs';

const program = resolve(process.env.TABLE_EDITOR);
const timeout = 15_000; // milliseconds, to start and to stop

/** `table-editor demo` in a directory of its own, on a free port unless the options name one. */
export class Program {
  static async start(...options) {
    const started = new Program();
    if (!options.includes('--port')) options.push('--port', '0');
    started.directory = await mkdtemp(join(tmpdir(), 'table-editor-'));
    started.process = spawn(program, ['demo', '--data', started.directory, '--json', ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.ended = once(started.process, 'exit');
    const line = Promise.race([
      once(createInterface({ input: started.process.stdout }), 'line'),
      started.ended.then(([code]) => Promise.reject(new Error(`the program ended with ${code}`))),
    ]);
    Object.assign(started, JSON.parse((await soon('line of the program', line, timeout))[0]));
    return started;
  }

  /** Returns the exit status. */
  async stop() {
    this.process.kill();
    const [code] = await soon('end of the program', this.ended, timeout);
    await rm(this.directory, { recursive: true, force: true });
    return code;
  }
}
