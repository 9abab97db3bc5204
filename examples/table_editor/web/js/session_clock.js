// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// How long the session still lives. Asking the server would itself prolong it, so the time since the
// last message is counted here, and the tabs of one browser tell each other of theirs.

import * as api from './api.js';

const warnAt = 120_000; // milliseconds left, or a quarter of a short session

export class SessionClock extends EventTarget {
  #timeout = 0;
  #deadline = 0;
  #timer = null;
  #others = 'BroadcastChannel' in window ? new BroadcastChannel('session-activity') : null;

  /** Events: `tick` each second. */
  constructor(line) {
    super();
    line.addEventListener('sent', () => this.touch());
    api.onAnswer(() => this.touch());
    this.#others?.addEventListener('message', () => this.#prolong());
  }

  start(timeoutRemaining) {
    this.#timeout = timeoutRemaining;
    this.#prolong();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.dispatchEvent(new Event('tick')), 1000);
    this.dispatchEvent(new Event('tick'));
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  touch() {
    if (this.#timer === null) return;
    this.#prolong();
    this.#others?.postMessage('active');
  }

  #prolong() {
    this.#deadline = Date.now() + this.#timeout;
    if (this.#timer !== null) this.dispatchEvent(new Event('tick'));
  }

  /** Milliseconds that a session lasts without activity. */
  get timeout() {
    return this.#timeout;
  }

  /** Milliseconds. */
  get left() {
    return Math.max(0, this.#deadline - Date.now());
  }

  get isShort() {
    return this.left <= Math.min(warnAt, this.#timeout / 4);
  }
}
