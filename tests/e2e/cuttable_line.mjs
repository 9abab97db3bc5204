// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A line between a browser and a program that can be cut, and mended.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class CuttableLine {
  #sockets = new Set();
  #isCut = false;
  #swallowed;

  /** To `{host, port}`, from this address if one is given. */
  static async to(target, localAddress) {
    const line = new CuttableLine();
    line.target = { host: target.host, port: target.port, localAddress };
    line.server = createServer((near) => line.#join(near)).listen(0, '127.0.0.1');
    await once(line.server, 'listening');
    line.url = `http://127.0.0.1:${line.server.address().port}/`;
    return line;
  }

  #join(near) {
    if (this.#isCut) {
      near.destroy();
      return;
    }
    const far = connect(this.target);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    near.on('data', (data) => far.write(data));
    far.on('data', (data) => {
      if (this.#swallowed) this.#swallowed();
      else near.write(data);
    });
  }

  /** From now on answers are lost, questions not. Gives a promise for the first answer that is. */
  swallowAnswers() {
    return new Promise((resolve) => {
      this.#swallowed = resolve;
    });
  }

  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#isCut = false;
    this.#swallowed = undefined;
  }

  async stop() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
