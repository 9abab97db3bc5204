// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The sound of one channel: what is sent to the media server, and what comes from it.

import { Device } from '../vendor/mediasoup-client.js';
import { LineDropped, Refused } from './line.js';
import { Speaker } from './sound.js';

/**
 * Of one user. The server does not tell when a producer has been replaced; a user with two connections
 * has two that are good, and to consume each anew at every turn would add up on the server.
 */
const producersKept = 2;
const codecOptions = { opusStereo: false, opusFec: true, opusDtx: true };

/** The server does not let this producer be consumed. */
class NotHeard extends Error {}

function close(consumers, producerId) {
  consumers.get(producerId).then(
    (consumer) => consumer.close(),
    () => {}, // told where it was asked for
  );
  consumers.delete(producerId);
}

/** `trouble(error)` is called when something fails that nobody waits for. */
export class ChannelMedia {
  #line;
  #channelId;
  #microphone;
  #trouble;
  #speaker;
  #device = null;
  #sending = null; // the transports
  #receiving = null;
  #producer = null;
  #producing = null;
  #consumers = new Map(); // by user: promises of them, by the producers' ids, the latest last
  #heard = null; // the producer that is played
  #isClosed = false;

  constructor({ line, channelId, microphone, volume, trouble }) {
    this.#line = line;
    this.#channelId = channelId;
    this.#microphone = microphone;
    this.#trouble = trouble;
    this.#speaker = new Speaker();
    this.#speaker.setVolume(volume);
  }

  setVolume(volume) {
    this.#speaker.setVolume(volume);
  }

  /** Level and frequency of whoever is heard. */
  measure() {
    return this.#speaker.meter.measure();
  }

  /** Rejects with Refused where the server has no media. */
  async start() {
    const { routerRtpCapabilities } = await this.#ask('get-router-capabilities');
    this.#device = new Device();
    await this.#device.load({ routerRtpCapabilities });
    this.#receiving = await this.#transport('recv');
    this.#sending = await this.#transport('send');
    if (this.#microphone.stream) await this.prepareToSpeak();
  }

  async #ask(type, data) {
    if (this.#isClosed) throw new LineDropped();
    const answer = await this.#line.request(type, { channelId: this.#channelId, ...data });
    if (this.#isClosed) throw new LineDropped();
    return answer;
  }

  async #transport(direction) {
    const parameters = await this.#ask('create-transport', { direction });
    const isSend = direction === 'send';
    const transport = isSend
      ? this.#device.createSendTransport(parameters)
      : this.#device.createRecvTransport(parameters);
    const { id: transportId } = transport;
    transport.on('connect', ({ dtlsParameters }, done, failed) => {
      this.#ask('connect-transport', { transportId, dtlsParameters }).then(done, failed);
    });
    transport.on('produce', ({ kind, rtpParameters }, done, failed) => {
      this.#ask('produce', { transportId, kind, rtpParameters }).then(done, failed);
    });
    transport.on('connectionstatechange', (state) => {
      if (state === 'failed') this.#fail(new Error('No way was found to the media server.'));
    });
    return transport;
  }

  #fail(error) {
    if (!this.#isClosed && !(error instanceof LineDropped)) this.#trouble(error);
  }

  /** Rejects with MicrophoneTrouble, Refused or LineDropped. */
  async prepareToSpeak() {
    this.#producing ??= this.#produce();
    try {
      await this.#producing;
    } catch (error) {
      this.#producing = null;
      throw error;
    }
  }

  async #produce() {
    const stream = await this.#microphone.open();
    if (this.#isClosed) throw new LineDropped();
    // Each channel has a track of its own, so that what is said in one is not sent to the others.
    const track = stream.getAudioTracks()[0].clone();
    track.enabled = false;
    this.#producer = await this.#sending.produce({ track, codecOptions, stopTracks: true });
    this.#producer.pause();
    this.#producer.on('trackended', () => {
      this.#producer.close();
      this.#producing = null;
    });
  }

  speak() {
    this.#producer?.resume();
  }

  silence() {
    this.#producer?.pause();
  }

  /** Plays this producer of this user from now on, if it is there; null: nobody. */
  async hear(producerId, userId) {
    this.#heard = producerId;
    if (producerId === null) return;
    if (!this.#consumers.has(userId)) this.#consumers.set(userId, new Map());
    const consumers = this.#consumers.get(userId);
    try {
      if (!consumers.has(producerId)) consumers.set(producerId, this.#consume(producerId));
      for (const id of [...consumers.keys()].slice(0, -producersKept)) close(consumers, id);
      const consumer = await consumers.get(producerId);
      if (this.#heard === producerId && !this.#isClosed) this.#speaker.play(consumer.track);
    } catch (error) {
      consumers.delete(producerId);
      // This one is not heard, perhaps because it has just gone; the others are.
      if (!(error instanceof NotHeard)) this.#fail(error);
    }
  }

  /** This user has left: the producers are gone. */
  forget(userId) {
    const consumers = this.#consumers.get(userId) ?? new Map();
    for (const id of consumers.keys()) close(consumers, id);
    this.#consumers.delete(userId);
  }

  async #consume(producerId) {
    const { rtpCapabilities } = this.#device;
    const asked = this.#ask('consume', { producerId, rtpCapabilities });
    const parameters = await asked.catch((error) => {
      throw error instanceof Refused ? new NotHeard(error.message) : error;
    });
    return this.#receiving.consume(parameters);
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sending?.close();
    this.#receiving?.close();
    this.#speaker.close();
  }
}
