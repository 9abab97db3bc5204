// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// The microphone: asked for once, kept, and silent until somebody talks.

/** Why there is no microphone, in words that say what to do. */
export class MicrophoneTrouble extends Error {}

const blocked =
  'The microphone is blocked for this page. Allow it in the browser’s address bar (the icon before the address), then try again.';

const closed = 'The microphone is not used any more.';

const explanations = {
  NotAllowedError: blocked,
  SecurityError: blocked,
  NotFoundError: 'No microphone was found. Connect one, then try again.',
  NotReadableError: 'Another program keeps the microphone to itself. Close it, then try again.',
};

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** Events: `change`. `state`: `unasked`, `asking`, `ready`, `failed` with `trouble` in words. */
export class Microphone extends EventTarget {
  state = 'unasked';
  trouble = '';
  stream = null;
  #opening = null;
  #isClosed = false;

  /** Opens it if that needs no question. */
  async openIfAllowed() {
    try {
      const { state } = await navigator.permissions.query({ name: 'microphone' });
      if (state === 'granted') await this.open();
    } catch {
      // A browser that does not tell will be asked when somebody wants to talk.
    }
  }

  /** The stream; may ask the user. Rejects with MicrophoneTrouble. */
  open() {
    if (this.#isClosed) return Promise.reject(new MicrophoneTrouble(closed));
    if (this.stream) return Promise.resolve(this.stream);
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #open() {
    this.#become('asking');
    let stream;
    try {
      if (!navigator.mediaDevices) {
        throw new MicrophoneTrouble(
          'Browsers give the microphone only to pages from https addresses or from this computer. Open this page by https.',
        );
      }
      const audio = { channelCount: 1, echoCancellation: true, autoGainControl: true };
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      const trouble = explanations[error.name] ?? error.message;
      this.#become('failed', trouble);
      throw new MicrophoneTrouble(trouble);
    }
    if (this.#isClosed) {
      stop(stream);
      throw new MicrophoneTrouble(closed);
    }
    this.stream = stream;
    stream.getAudioTracks()[0].addEventListener('ended', () => {
      this.#stop();
      this.#become('failed', 'The microphone is gone. Connect it, then try again.');
    });
    this.#become('ready');
    return stream;
  }

  /** For good, also where the user is still being asked. */
  close() {
    this.#isClosed = true;
    this.#stop();
    this.#become('unasked');
  }

  #stop() {
    if (this.stream) stop(this.stream);
    this.stream = null;
  }

  #become(state, trouble = '') {
    this.state = state;
    this.trouble = trouble;
    this.dispatchEvent(new Event('change'));
  }
}
