// Audio worklet: the device's rate in, 16 kHz mono PCM16 in chunks of 100 ms out.

import { Resampler } from "./resampler.js";

const CHUNK_SAMPLES = 1_600;

/** Posts ArrayBuffers of PCM16; after any message it posts the rest, then null, and ends. */
class PcmProcessor extends AudioWorkletProcessor {
  #resampler = new Resampler(Math.round(sampleRate));
  #chunk = new Int16Array(CHUNK_SAMPLES);
  #filled = 0;
  #isOver = false;
  // One block of several channels as one; kept, so that a block costs no memory.
  #mix = new Float32Array(0);

  constructor() {
    super();
    this.port.onmessage = () => this.#finish();
  }

  /** @param {Float32Array[][]} inputs the channels of the only input, none while nothing is connected */
  process([channels]) {
    if (!this.#isOver && channels.length > 0) this.#resampler.push(this.#mixed(channels), this.#emit);
    return !this.#isOver;
  }

  /** @param {number} sample full scale is 1 */
  #emit = (sample) => {
    this.#chunk[this.#filled++] = Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768)));
    if (this.#filled === CHUNK_SAMPLES) this.#post();
  };

  #post() {
    const { buffer } = this.#chunk.slice(0, this.#filled);
    this.port.postMessage(buffer, [buffer]);
    this.#filled = 0;
  }

  #finish() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#resampler.finish(this.#emit);
    if (this.#filled > 0) this.#post();
    this.port.postMessage(null);
  }

  /** @param {Float32Array[]} channels */
  #mixed(channels) {
    if (channels.length === 1) return channels[0];
    const { length } = channels[0];
    if (this.#mix.length !== length) this.#mix = new Float32Array(length);
    for (let at = 0; at < length; at++) {
      let sum = 0;
      for (const channel of channels) sum += channel[at];
      this.#mix[at] = sum / channels.length;
    }
    return this.#mix;
  }
}

registerProcessor("pcm", PcmProcessor);
