// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The WebSocket: one command at a time, each with its answer, over a line that mends itself.

import * as api from './api.js';

/** The server understood the command, and refuses it. */
export class CommandError extends Error {
  constructor({ code, message }) {
    super(message);
    this.code = code;
  }
}

/** There is no line, or it dropped before the answer came: whether the command was done is unknown. */
export class LineDropped extends Error {
  constructor() {
    super('The connection dropped before the server answered.');
  }
}

/** The command was no longer wanted when its turn came; it was not sent. */
export class Withdrawn extends Error {}

// The event that ends each command's answer; the others come before it.
const lastEvent = {
  getNamespaces: 'namespaceList',
  getTables: 'tableList',
  selectTable: 'tableData',
  requestData: 'tableData',
  saveCell: 'saveCellResult',
  insertRow: 'insertRowResult',
  deleteRow: 'deleteRowResult',
};

const unauthorized = 4001;
const sessionExpired = 4002;
const firstDelay = 400;
const longestDelay = 15_000;

/**
 * Events: `open` each time the line is there; `waiting` when it dropped and will be tried again, in
 * `{seconds}`, or, without them, when somebody comes; `trying`; `lost` with `{expired}` when the session is
 * gone and only a log-in helps; `sent` for every command.
 */
export class Line extends EventTarget {
  #socket = null;
  #queue = [];
  #current = null; // the command whose answer is awaited
  #failures = 0;
  #timer = null;
  #wanted = false;
  #isAsleep = false;

  /** Whether it may come back by itself, which prolongs the session; else it waits for wake(). */
  mayReturn = () => true;

  constructor() {
    super();
    window.addEventListener('online', () => this.retry());
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.#wanted = true;
    this.#failures = 0;
    this.#connect();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#drop();
  }

  /** Tries at once, if it was only waiting to. */
  retry() {
    if (!this.#wanted || this.#socket !== null) return;
    if (this.#timer !== null || this.#isAsleep) this.#connect();
  }

  /** Somebody is there. */
  wake() {
    if (this.#isAsleep) this.retry();
  }

  /**
   * Sends a command when those before it are answered. Resolves with the payloads of its events by
   * their names. `wanted` is asked when its turn comes, because a command acts on the table that is
   * selected then. Rejects with CommandError, LineDropped or Withdrawn.
   */
  request(command, payload = {}, wanted = () => true) {
    if (!this.isOpen) return Promise.reject(new LineDropped());
    return new Promise((resolve, reject) => {
      this.#queue.push({ command, payload, wanted, resolve, reject, answer: {} });
      this.#next();
    });
  }

  #next() {
    while (this.#current === null && this.#queue.length > 0) {
      const turn = this.#queue.shift();
      if (!turn.wanted()) {
        turn.reject(new Withdrawn());
        continue;
      }
      this.#current = turn;
      turn.timer = setTimeout(() => this.#lostSight(), api.patience.command);
      this.#socket.send(JSON.stringify({ command: turn.command, payload: turn.payload }));
      this.dispatchEvent(new Event('sent'));
    }
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#isAsleep = false;
    this.dispatchEvent(new Event('trying'));
    const url = new URL('/ws', location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    this.#socket = socket;
    let opened = false;
    socket.addEventListener('open', () => {
      if (socket !== this.#socket) return;
      opened = true;
      this.#failures = 0;
      this.dispatchEvent(new Event('open'));
    });
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
    });
    socket.addEventListener('close', ({ code }) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#drop();
      if (code === unauthorized || code === sessionExpired) this.#lose(code === sessionExpired);
      else this.#mend(opened);
    });
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not of this protocol
    }
    const { event, payload = {} } = message;
    const turn = this.#current;
    if (turn === null) return;
    if (event === 'error') {
      this.#finish();
      turn.reject(new CommandError(payload));
    } else {
      turn.answer[event] = payload;
      if (event !== lastEvent[turn.command]) return;
      this.#finish();
      turn.resolve(turn.answer);
    }
    this.#next();
  }

  #finish() {
    clearTimeout(this.#current.timer);
    this.#current = null;
  }

  /** No answer for too long. The close handshake would wait as long, so it is not waited for. */
  #lostSight() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#drop();
    if (this.#wanted) this.#mend(true);
  }

  #drop() {
    const unanswered = this.#current === null ? this.#queue : [this.#current, ...this.#queue];
    if (this.#current !== null) this.#finish();
    this.#queue = [];
    for (const { reject } of unanswered) reject(new LineDropped());
  }

  #lose(expired) {
    this.#wanted = false;
    this.dispatchEvent(new CustomEvent('lost', { detail: { expired } }));
  }

  /** A browser does not tell why an upgrade failed, so a failed one asks whether the session lives. */
  async #mend(opened) {
    this.#isAsleep = !this.mayReturn();
    if (this.#isAsleep) {
      this.dispatchEvent(new CustomEvent('waiting', { detail: {} }));
      return;
    }
    if (!opened && (await this.#sessionIsGone())) {
      if (this.#wanted) this.#lose(true);
      return;
    }
    if (!this.#wanted || this.#socket !== null) return;
    // Half of the delay is drawn, lest all pages come back in the same instant after a restart.
    const delay = Math.min(longestDelay, firstDelay * 2 ** this.#failures++);
    const drawn = delay * (0.5 + Math.random() / 2);
    this.dispatchEvent(new CustomEvent('waiting', { detail: { seconds: drawn / 1000 } }));
    this.#timer = setTimeout(() => this.#connect(), drawn);
  }

  async #sessionIsGone() {
    try {
      return (await api.session()).status !== 'connected';
    } catch {
      return false; // nobody there to say so
    }
  }
}
