// Owns the sound on the audio thread: the device's rate in, 16 kHz mono PCM16 in chunks of 100 ms out.

const RATE = 16_000;
const CHUNK_SAMPLES = 1_600;
// The filter: 48 zero crossings to each side and this Kaiser window hold back by 80 dB all that would alias.
const ZERO_CROSSINGS = 48;
const KAISER_BETA = 7.857;
// Width of the band in which such a filter falls, as a share of the lower of the two rates (Kaiser's formula).
const TRANSITION = (80 - 8) / (2.285 * 2 * ZERO_CROSSINGS) / (2 * Math.PI);

/**
 * Changes the rate of a stream of samples: a windowed-sinc low-pass in polyphase form.
 *
 * Output sample n lies at input position n * step / phases, with both counted in whole numbers, so that
 * it never drifts. Each phase holds the filter's taps for one of the positions between two input samples.
 */
class Resampler {
  /** @param {number} rate of the input, in Hz */
  constructor(rate) {
    const common = greatestCommonDivisor(rate, RATE);
    this.phases = RATE / common;
    this.step = rate / common;
    this.reach = Math.ceil((ZERO_CROSSINGS * rate) / Math.min(rate, RATE));
    this.taps = Array.from({ length: this.phases }, (_, phase) => tapsOf(phase / this.phases, this.reach, rate));
    // The samples that the filter still needs; at the start, silence from before the first one.
    this.recent = new Float32Array(this.reach - 1);
    this.position = (this.reach - 1) * this.phases;
  }

  /**
   * @param {Float32Array} samples
   * @param {(sample: number) => void} emit
   */
  push(samples, emit) {
    const input = new Float32Array(this.recent.length + samples.length);
    input.set(this.recent);
    input.set(samples, this.recent.length);
    let whole = Math.floor(this.position / this.phases);
    while (whole + this.reach < input.length) {
      const taps = this.taps[this.position % this.phases];
      const first = whole - this.reach + 1;
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap++) sum += taps[tap] * input[first + tap];
      emit(sum);
      this.position += this.step;
      whole = Math.floor(this.position / this.phases);
    }
    const used = Math.min(whole - this.reach + 1, input.length);
    this.recent = input.slice(used);
    this.position -= used * this.phases;
  }

  /** @param {(sample: number) => void} emit */
  finish(emit) {
    this.push(new Float32Array(this.reach), emit);
  }
}

/**
 * The filter's values around an output sample that lies `offset` behind an input sample.
 * @param {number} offset 0 to 1
 * @param {number} reach input samples to each side
 * @param {number} rate of the input, in Hz
 */
function tapsOf(offset, reach, rate) {
  const lower = Math.min(rate, RATE);
  // The band ends where the falling one begins, so that nothing above half the lower rate is left.
  const cutoff = (lower * (1 - TRANSITION)) / rate;
  const taps = new Float64Array(2 * reach);
  for (let tap = 0; tap < taps.length; tap++) {
    const distance = tap - (reach - 1) - offset;
    taps[tap] = sinc(cutoff * distance) * kaiser(distance / reach);
  }
  // Each phase on its own passes a constant unchanged; otherwise the phases would hum against each other.
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return Float32Array.from(taps, (tap) => tap / sum);
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param {number} x -1 to 1 */
function kaiser(x) {
  return Math.abs(x) > 1 ? 0 : bessel(KAISER_BETA * Math.sqrt(1 - x * x)) / bessel(KAISER_BETA);
}

/**
 * The modified Bessel function of order zero, by its series.
 * @param {number} x
 */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Posts ArrayBuffers of PCM16; told anything, it posts the rest, then null, and ends. */
class PcmProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(Math.round(sampleRate));
    this.chunk = new Int16Array(CHUNK_SAMPLES);
    this.filled = 0;
    this.isOver = false;
    this.emit = this.emit.bind(this);
    this.port.onmessage = () => this.finish();
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    if (!this.isOver && channels.length > 0) this.resampler.push(mixed(channels), this.emit);
    return !this.isOver;
  }

  /** @param {number} sample */
  emit(sample) {
    this.chunk[this.filled++] = Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768)));
    if (this.filled === CHUNK_SAMPLES) this.post();
  }

  post() {
    const { buffer } = this.chunk.slice(0, this.filled);
    this.port.postMessage(buffer, [buffer]);
    this.filled = 0;
  }

  finish() {
    if (this.isOver) return;
    this.isOver = true;
    this.resampler.finish(this.emit);
    if (this.filled > 0) this.post();
    this.port.postMessage(null);
  }
}

/** @param {Float32Array[]} channels */
function mixed(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
}

registerProcessor("pcm", PcmProcessor);
