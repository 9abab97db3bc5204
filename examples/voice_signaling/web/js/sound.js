// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What is heard, and how loud it is.

const windowSize = 4096; // samples that are looked at, some 85 ms at 48 kHz
const silence = -100; // dBFS, for anything below it too

let context = null;
const changes = new EventTarget();

/** The page's one audio context. Browsers keep it suspended until the user has touched the page. */
export function audioContext() {
  if (context === null) {
    context = new AudioContext({ latencyHint: 'interactive' });
    context.addEventListener('statechange', () => changes.dispatchEvent(new Event('sleep')));
    for (const gesture of ['pointerdown', 'keydown']) addEventListener(gesture, wake, true);
  }
  return context;
}

/** To be called by a gesture of the user. */
export function wake() {
  if (context?.state === 'suspended') context.resume().catch(() => {});
}

export const isAsleep = () => context?.state === 'suspended';
export const onSleepChange = (listener, signal) =>
  changes.addEventListener('sleep', listener, { signal });

/** Measures a stream without playing it. */
export class Meter {
  #analyser = new AnalyserNode(audioContext(), { fftSize: windowSize, smoothingTimeConstant: 0 });
  #samples = new Float32Array(windowSize);
  #spectrum = new Float32Array(windowSize / 2);

  get node() {
    return this.#analyser;
  }

  /** `level` in dBFS, `frequency` in Hz of the strongest tone; 0 in silence. */
  measure() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / windowSize;
    const level = power > 0 ? Math.max(silence, 10 * Math.log10(power)) : silence;
    return { level, frequency: level > -70 ? this.#strongest() : 0 };
  }

  /** Between two points of the spectrum the top of the parabola through the three around it. */
  #strongest() {
    this.#analyser.getFloatFrequencyData(this.#spectrum);
    let top = 1;
    for (let i = 2; i < this.#spectrum.length - 1; ++i) {
      if (this.#spectrum[i] > this.#spectrum[top]) top = i;
    }
    const [before, at, after] = this.#spectrum.slice(top - 1, top + 2);
    const curve = before - 2 * at + after;
    const shift = Number.isFinite(curve) && curve < 0 ? (before - after) / (2 * curve) : 0;
    return ((top + shift) * audioContext().sampleRate) / windowSize;
  }
}

/** Plays one track at a time, at its own volume, and measures it before that. */
export class Speaker {
  meter = new Meter();
  #gain = new GainNode(audioContext());
  #source = null;
  // Chromium gives a remote stream's sound to an audio context only while an element plays it.
  #element = Object.assign(new Audio(), { muted: true });

  constructor() {
    this.meter.node.connect(this.#gain).connect(audioContext().destination);
  }

  /** \param volume from 0 to 1 */
  setVolume(volume) {
    // Loudness is felt by its logarithm: the square is near enough, and reaches 0.
    this.#gain.gain.setTargetAtTime(volume * volume, audioContext().currentTime, 0.02);
  }

  play(track) {
    this.stop();
    const stream = new MediaStream([track]);
    this.#element.srcObject = stream;
    this.#element.play().catch(() => {}); // muted: it needs no leave
    this.#source = new MediaStreamAudioSourceNode(audioContext(), { mediaStream: stream });
    this.#source.connect(this.meter.node);
  }

  stop() {
    this.#source?.disconnect();
    this.#source = null;
    this.#element.srcObject = null;
  }

  close() {
    this.stop();
    this.#gain.disconnect();
  }
}
