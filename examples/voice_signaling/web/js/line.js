// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The WebSocket: requests with their answers, and what the server says unasked, over a line that mends
// itself.

import * as api from './api.js';

/** The server understood the request, and refuses it, or waits for the media server in vain. */
export class Refused extends Error {}

/** There is no line, or it dropped before the answer came. */
export class LineDropped extends Error {
  constructor() {
    super('The connection dropped.');
  }
}

const answerTimeout = 10_000; // milliseconds; then the line is taken to be dead …
// … unless it is the media server that may be stuck, on which these wait.
const mediaRequests = new Set([
  'get-router-capabilities',
  'create-transport',
  'connect-transport',
  'produce',
  'consume',
]);
const pingInterval = 15_000;
const firstDelay = 400;
const longestDelay = 15_000;
const patience = 5; // failures, before it is asked whether the server is there at all
const refusalsNeeded = 2; // by a server that is there, before it is taken to mean the token
const policyViolation = 1008;

/**
 * Events: `open` each time the line is there, `trying`, `dropped`; `waiting` with `{reason}` when it
 * will be tried again; `refused` when the server is there but does not let this token in, which has never
 * been in; and `push` with `{type, data}` for what it says unasked.
 */
export class Line extends EventTarget {
  #token;
  #socket = null;
  #requests = new Map(); // unanswered ones, by id
  #lastId = 0;
  #failures = 0;
  #refusals = 0;
  #wasIn = false;
  #retryTimer = null;
  #pingTimer = null;
  #mayComeBack = () => this.retry();

  constructor(token) {
    super();
    this.#token = token;
    addEventListener('online', this.#mayComeBack);
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.#connect();
  }

  close() {
    removeEventListener('online', this.#mayComeBack);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#token = null;
    this.#drop(1000);
  }

  /** Tries at once, if it was only waiting to. */
  retry() {
    if (this.#retryTimer !== null) this.#connect();
  }

  /** Resolves with the answer's `data`; rejects with Refused or LineDropped. */
  request(type, data = {}) {
    if (!this.isOpen) return Promise.reject(new LineDropped());
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        if (!mediaRequests.has(type)) return this.#lose();
        this.#requests.delete(id);
        reject(new Refused('The media server does not answer.'));
      }, answerTimeout);
      this.#requests.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ type, id, data }));
    });
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.dispatchEvent(new Event('trying'));
    const url = new URL('/ws', location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url, ['voiceping', this.#token]);
    this.#socket = socket;
    const late = setTimeout(() => socket === this.#socket && this.#lose(), answerTimeout);
    socket.addEventListener('open', () => {
      clearTimeout(late);
      if (socket !== this.#socket) return;
      this.#failures = 0;
      this.#wasIn = true;
      this.#pingTimer = setInterval(() => this.request('ping').catch(() => {}), pingInterval);
      this.dispatchEvent(new Event('open'));
    });
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
    });
    socket.addEventListener('close', ({ code, reason }) => {
      clearTimeout(late);
      if (socket !== this.#socket) return;
      const told = reason ? `The server says: ${reason}.` : 'The server closed the connection.';
      this.#lose(code === policyViolation ? told : undefined);
    });
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return; // not of this protocol
    }
    const waiting = this.#requests.get(message.id);
    if (!waiting) {
      // An answer that is too late is nobody's.
      if (message.id === undefined)
        this.dispatchEvent(new CustomEvent('push', { detail: message }));
      return;
    }
    this.#requests.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.type === 'error') waiting.reject(new Refused(message.error));
    else waiting.resolve(message.data);
  }

  #drop(code) {
    const socket = this.#socket;
    this.#socket = null;
    clearInterval(this.#pingTimer);
    socket?.close(code);
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject, timer } of unanswered) {
      clearTimeout(timer);
      reject(new LineDropped());
    }
  }

  /** The close handshake of a dead line would never come, so it is not waited for. */
  async #lose(reason) {
    this.#drop();
    this.dispatchEvent(new Event('dropped'));
    // A browser does not tell why an upgrade failed; the server's health tells whether it is there.
    const isDoubtful = !this.#wasIn || this.#failures >= patience;
    const isRefused = isDoubtful && (await this.#serverIsThere());
    if (this.#token === null || this.#socket !== null) return;
    if (!this.#wasIn) {
      this.#refusals = isRefused ? this.#refusals + 1 : 0;
      if (this.#refusals >= refusalsNeeded) {
        this.dispatchEvent(new Event('refused'));
        return;
      }
    } else if (isDoubtful) {
      // The token was good, and is until it expires: the server is full, or not yet itself.
      reason ??= isRefused
        ? 'The server is there, but does not let this page in.'
        : 'The server does not answer as it should.';
    }
    // Half of the delay is drawn, lest all pages come back in the same instant after a restart.
    const delay = reason
      ? longestDelay
      : Math.min(longestDelay, firstDelay * 2 ** this.#failures++);
    this.#retryTimer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));
    this.dispatchEvent(new CustomEvent('waiting', { detail: { reason } }));
  }

  async #serverIsThere() {
    try {
      return (await api.health()) !== null;
    } catch {
      return false;
    }
  }
}
