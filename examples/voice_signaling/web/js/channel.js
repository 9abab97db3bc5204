// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// One channel as this user has it: who is in it, who speaks, and whether that is this user. Knows
// nothing of the page.

import { ChannelMedia } from './channel_media.js';
import { LineDropped, Refused } from './line.js';
import { MicrophoneTrouble } from './microphone.js';

const denialShownFor = 4000; // milliseconds

/**
 * Events: `change`, `denied` with `{message}`. `state` is
 *  - `offline`, `joining`, `refused` (see `trouble`): not in the channel;
 *  - `idle`, `listening`: nobody speaks, or somebody else;
 *  - `asking`, `talking`: this user wants the floor, or has it;
 *  - `denied`: it was not given, a moment ago (see `denial`).
 */
export class Channel extends EventTarget {
  id;
  state = 'offline';
  userCount = 0;
  members = new Map(); // names of the others that are known, by their ids
  speaker = null; // `{userId, userName, at}`
  last = null; // who spoke before, the same, but until when
  denial = '';
  trouble = ''; // of joining, or of talking
  audio = 'starting'; // or `on`, `off` (see `audioTrouble`)
  audioTrouble = '';
  volume;
  isMuted;

  #line;
  #me;
  #microphone;
  #hasMedia;
  #media = null;
  #producerId = null; // of whoever speaks
  #isIn = false;
  #wantsToTalk = false;
  #isTalking = false;
  #turn = null; // the talk that is under way
  #denialTimer = null;

  /** \param hasMedia tells whether the server has media, as far as known */
  constructor({ id, line, me, microphone, hasMedia, volume = 1, isMuted = false }) {
    super();
    Object.assign(this, { id, volume, isMuted });
    this.#line = line;
    this.#me = me;
    this.#microphone = microphone;
    this.#hasMedia = hasMedia;
  }

  // ---- Being in it -----------------------------------------------------------------------------

  async join() {
    // Not while the server has yet to answer, nor on a line that is down: joined when it is back.
    if (this.state === 'joining' || !this.#line.isOpen) return;
    this.#show('joining', { trouble: '' });
    try {
      const {
        state,
        userCount,
        producerId = null,
      } = await this.#line.request('join-channel', {
        channelId: this.id,
      });
      this.#isIn = true;
      this.userCount = userCount;
      this.members.clear();
      this.#producerId = producerId;
      this.#takeState(state);
      this.#rest();
      this.#startMedia();
    } catch (error) {
      if (error instanceof Refused) this.#show('refused', { trouble: error.message });
      else if (!(error instanceof LineDropped)) throw error;
      else if (this.state === 'joining') this.#show('offline');
    }
  }

  async leave() {
    this.#forget();
    if (this.#line.isOpen)
      await this.#line.request('leave-channel', { channelId: this.id }).catch(() => {});
  }

  /** The line has dropped: everything on the server is gone. */
  drop() {
    this.#forget();
    this.#show('offline');
  }

  #forget() {
    this.release();
    this.#isIn = false;
    this.#isTalking = false;
    this.speaker = null;
    this.#producerId = null;
    this.#stopMedia();
    clearTimeout(this.#denialTimer);
  }

  get isIn() {
    return this.#isIn;
  }

  #show(state, changes = {}) {
    Object.assign(this, { state, ...changes });
    this.#changed();
  }

  /** What is to be seen when this user neither talks nor tries to. */
  #rest() {
    clearTimeout(this.#denialTimer);
    if (!this.#isIn) return;
    this.#show(this.speaker ? 'listening' : 'idle');
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }

  // ---- What the server says --------------------------------------------------------------------

  receive(type, data) {
    if (type === 'speaker-changed') this.#onSpeaker(data);
    else if (type === 'channel-state') this.#onState(data);
    else if (type === 'ptt-denied') this.#deny(data.message);
  }

  #onSpeaker(data) {
    this.#producerId = data.producerId ?? null;
    if (this.#isTalking) {
      if (data.currentSpeaker !== this.#me.userId) this.#confirm();
      return;
    }
    this.#takeState(data);
    if (this.state === 'idle' || this.state === 'listening') this.#rest();
    else this.#changed();
  }

  #onState(data) {
    const { action, userId, userName, userCount } = data;
    // Users are counted, not connections: who is still counted has another one here.
    const isLast = typeof userCount !== 'number' || userCount < this.userCount;
    if (typeof userCount === 'number') this.userCount = userCount;
    if (action === 'user-joined' && userId !== this.#me.userId) this.members.set(userId, userName);
    if (isLast && (action === 'user-left' || action === 'user-disconnected')) {
      this.members.delete(userId);
      this.#media?.forget(userId);
    }
    if (action === 'media-restarted') this.restartMedia();
    this.#changed();
  }

  /** Who speaks, by a `state` of the server's. */
  #takeState({ currentSpeaker, speakerName }) {
    const isSame = this.speaker?.userId === currentSpeaker;
    if (this.speaker && !isSame) this.last = { ...this.speaker, at: performance.now() };
    if (!currentSpeaker) {
      this.speaker = null;
    } else if (!isSame) {
      this.speaker = { userId: currentSpeaker, userName: speakerName, at: performance.now() };
    }
    if (currentSpeaker && currentSpeaker !== this.#me.userId)
      this.members.set(currentSpeaker, speakerName);
    this.#hear();
  }

  /** Never oneself, on another connection. */
  #hear() {
    if (this.audio !== 'on') return;
    const isOther = this.speaker !== null && this.speaker.userId !== this.#me.userId;
    this.#media.hear(isOther ? this.#producerId : null, this.speaker?.userId);
  }

  // ---- Talking ---------------------------------------------------------------------------------

  /** Whether pressing makes sense. */
  get canTalk() {
    return this.#isIn && this.audio !== 'starting';
  }

  /** From now on this user wants to talk, until `release`. */
  press() {
    if (!this.canTalk || this.#wantsToTalk) return;
    this.#wantsToTalk = true;
    this.#turn ??= this.#talk().finally(() => (this.#turn = null));
  }

  release() {
    if (!this.#wantsToTalk) return;
    this.#wantsToTalk = false;
    if (this.#isTalking) this.#stop();
  }

  async #talk() {
    clearTimeout(this.#denialTimer);
    this.#show('asking', { trouble: '', denial: '' });
    try {
      if (this.audio === 'on') await this.#media.prepareToSpeak();
      // The browser's question for the microphone takes the button from under the finger.
      if (!this.#wantsToTalk) return this.#rest();
      const answer = await this.#askForFloor();
      if (answer.success) this.#begin();
      else this.#accept(answer);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #askForFloor() {
    return this.#line.request('ptt-start', { channelId: this.id });
  }

  /** The floor is somebody else's. */
  #accept({ currentSpeaker, currentSpeakerName }) {
    if (!currentSpeaker) {
      this.#deny(this.denial || 'Nobody can be given the floor now: try again');
      return;
    }
    this.#takeState({ currentSpeaker, speakerName: currentSpeakerName });
    this.#deny(`${currentSpeakerName} is speaking`);
  }

  #begin() {
    this.#isTalking = true;
    this.#producerId = null; // of whoever spoke before
    if (!this.#wantsToTalk) return this.#stop();
    this.#media?.hear(null);
    this.#media?.speak();
    const { userId, userName } = this.#me;
    this.#show('talking', { speaker: { userId, userName, at: performance.now() } });
  }

  #stop() {
    this.#silence();
    this.last = { ...this.#me, at: performance.now() };
    this.speaker = null;
    this.#producerId = null;
    this.#rest();
    // What comes of it, the server's next words tell.
    this.#line.request('ptt-stop', { channelId: this.id }).catch(() => {});
  }

  #silence() {
    this.#isTalking = false;
    this.#media?.silence();
  }

  /**
   * Somebody else, or nobody, is said to have the floor. That may be older than this user's turn, so
   * it is asked for again, which changes nothing where it is held.
   */
  async #confirm() {
    try {
      const answer = await this.#askForFloor();
      if (answer.success || !this.#isTalking) return;
      this.#silence();
      this.speaker = null;
      this.#accept(answer);
    } catch (error) {
      if (!this.#isTalking) return;
      this.#silence();
      this.speaker = null;
      this.#giveUp(error);
    }
  }

  #deny(message) {
    if (this.#isTalking) return;
    const isNew = this.state !== 'denied';
    this.#show('denied', { denial: message });
    clearTimeout(this.#denialTimer);
    this.#denialTimer = setTimeout(() => this.#rest(), denialShownFor);
    if (isNew) this.dispatchEvent(new CustomEvent('denied', { detail: { message } }));
  }

  #giveUp(error) {
    this.#wantsToTalk = false;
    // The microphone says itself what is wrong with it; a dropped line too.
    const isTold = error instanceof MicrophoneTrouble || error instanceof LineDropped;
    if (!isTold) this.trouble = error.message;
    this.#rest();
  }

  // ---- Sound -----------------------------------------------------------------------------------

  setVolume(volume, isMuted) {
    Object.assign(this, { volume, isMuted });
    this.#media?.setVolume(isMuted ? 0 : volume);
    this.#changed();
  }

  /** Level and frequency of what is heard, or null. */
  measure() {
    return this.state === 'listening' || this.state === 'denied'
      ? (this.#media?.measure() ?? null)
      : null;
  }

  async #startMedia() {
    this.#stopMedia();
    if (!this.#hasMedia()) {
      this.#showAudio('off');
      return;
    }
    this.#showAudio('starting');
    const media = new ChannelMedia({
      line: this.#line,
      channelId: this.id,
      microphone: this.#microphone,
      volume: this.isMuted ? 0 : this.volume,
      trouble: (error) => this.#loseMedia(error),
    });
    this.#media = media;
    try {
      await media.start();
      if (media !== this.#media) return;
      this.#showAudio('on');
      this.#hear();
    } catch (error) {
      if (media === this.#media) this.#loseMedia(error);
    }
  }

  #stopMedia() {
    this.#media?.close();
    this.#media = null;
    this.audio = this.#hasMedia() ? 'starting' : 'off';
  }

  #showAudio(audio, audioTrouble = '') {
    Object.assign(this, { audio, audioTrouble });
    this.#changed();
  }

  #loseMedia(error) {
    if (error instanceof MicrophoneTrouble) {
      this.#showAudio('on'); // there is sound to hear; the microphone says itself what is wrong
      return;
    }
    this.#stopMedia();
    if (this.#isIn) this.#showAudio('off', error.message);
  }

  /** The server has media anew, or for the first time. */
  restartMedia() {
    if (!this.#isIn) return;
    this.release();
    this.#startMedia();
  }

  /** Leaves and comes back, so that the server closes what there was. */
  async rejoin() {
    if (this.#isIn) await this.leave();
    await this.join();
  }
}
