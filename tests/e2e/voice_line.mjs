// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// A client of voice signalling, which shares no code with it.

import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { soon as inTime } from './soon.mjs';

const timeout = 15_000; // milliseconds, for anything that is expected to happen

export const soon = (what, promise, within = timeout) => inTime(what, promise, within);

/** A WebSocket to a server (`host`, `port`), and what has come over it, in order. */
export class VoiceLine {
  #messages = [];
  #waiting = [];
  #lastId = 0;

  /** By default the token goes among the subprotocols, as from a browser. */
  constructor(
    server,
    token,
    { protocols = ['voiceping', token], query = '', headers = {}, address } = {},
  ) {
    this.socket = new WebSocket(`ws://${server.host}:${server.port}/ws${query}`, protocols, {
      headers,
      localAddress: address,
    });
    this.answered = new Promise((settle) => {
      this.socket.on('open', settle);
      this.socket.on('unexpected-response', (_, response) => {
        this.refusedWith = response.statusCode;
        this.retryAfter = response.headers['retry-after'];
        response.destroy();
        settle();
      });
    });
    this.closed = new Promise((settle) => {
      this.socket.on('close', (code) => settle(code));
    });
    this.socket.on('upgrade', (response) => (this.upgrade = response.headers));
    this.socket.on('error', () => {});
    this.socket.on('message', (data) => {
      const message = JSON.parse(data);
      if (this.heard(message)) return;
      this.#messages.push(message);
      for (const look of this.#waiting.splice(0)) look();
    });
  }

  /** Called with each message, when it comes; true when nobody else needs it. */
  heard() {
    return false;
  }

  static async open(...given) {
    const line = new this(...given);
    await soon('answer to the upgrade', line.answered);
    return line;
  }

  /** The first message, from now or before, that is so; it is taken out. */
  async #take(what, isIt, within) {
    for (;;) {
      const at = this.#messages.findIndex(isIt);
      if (at >= 0) return this.#messages.splice(at, 1)[0];
      await soon(what, new Promise((settle) => this.#waiting.push(settle)), within);
    }
  }

  raw(text) {
    this.socket.send(text);
  }

  /** The whole answer to a request. */
  ask(type, data, id = `request ${++this.#lastId}`) {
    this.raw(JSON.stringify({ type, id, data }));
    return this.#take(`answer to ${type}`, (message) => message.id === id);
  }

  /** The answer's data, where it is no error. */
  async get(type, data) {
    const answer = await this.ask(type, data);
    assert.equal(answer.type, type, JSON.stringify(answer));
    assert.equal(answer.error, undefined);
    return answer.data;
  }

  /** What a request is refused with. */
  async refused(type, data) {
    const answer = await this.ask(type, data);
    assert.equal(answer.type, 'error', JSON.stringify(answer));
    assert.equal(answer.data, undefined);
    return answer.error;
  }

  /** The data of the next message of this type that nobody asked for. */
  async push(type, within) {
    const { data } = await this.#take(
      type,
      (message) => message.type === type && message.id === undefined,
      within,
    );
    return data;
  }

  failure() {
    return this.#take('error', ({ type, id }) => type === 'error' && id === undefined);
  }

  /** What has come unasked, once all that was under way has come. */
  async unasked() {
    await this.ask('ping');
    return this.#messages.splice(0).filter(({ id }) => id === undefined);
  }

  async close() {
    this.socket.close();
    await soon('close', this.closed);
  }
}
