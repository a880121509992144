// Resample a stream to 16 kHz. Uses no globals, as it runs on the audio thread.

const RATE = 16_000;
// The filter: 48 zero crossings to each side and this Kaiser window attenuate what would alias by 80 dB.
const ZERO_CROSSINGS = 48;
const KAISER_BETA = 7.857;
// Transition width of such a filter, as a share of the lower of the two rates (Kaiser's formula).
const TRANSITION = (80 - 8) / (2.285 * 2 * ZERO_CROSSINGS) / (2 * Math.PI);
// Room for new samples beside those the filter still needs, before old ones are moved out.
const ROOM_SAMPLES = 1_024;

/**
 * Changes the rate of a stream of samples: a windowed-sinc low-pass in polyphase form.
 *
 * Output sample n lies at input position n * step / phases, with both counted in whole numbers, so that
 * it never drifts. Each phase holds the filter's taps for one of the positions between two input samples.
 * Of N input samples there come ceil(N * 16,000 / rate), and none of them is late: the first ones lie together.
 */
export class Resampler {
  #phases;
  #step;
  #reach;
  #taps;
  #input;
  #held;
  #whole;
  #phase = 0;

  /** @param {number} rate of the input, in whole Hz */
  constructor(rate) {
    const common = greatestCommonDivisor(rate, RATE);
    this.#phases = RATE / common;
    this.#step = rate / common;
    this.#reach = reachOf(rate);
    this.#taps = Array.from({ length: this.#phases }, (_, phase) => tapsOf(phase / this.#phases, rate));
    // The samples that the filter still needs; at the start, silence from before the first one.
    this.#input = new Float32Array(2 * this.#reach + ROOM_SAMPLES);
    this.#held = this.#reach - 1;
    this.#whole = this.#held;
  }

  /**
   * Allocates nothing: on the audio thread a garbage collection delays the audio.
   * @param {Float32Array} samples at the input's rate
   * @param {(sample: number) => void} emit takes the samples at 16 kHz that are ready, one by one
   */
  push(samples, emit) {
    for (let at = 0; at < samples.length; at++) {
      if (this.#held === this.#input.length) this.#forget();
      this.#input[this.#held++] = samples[at];
      while (this.#whole + this.#reach < this.#held) emit(this.#next());
    }
  }

  /**
   * Emit the last samples, as if silence followed.
   * @param {(sample: number) => void} emit
   */
  finish(emit) {
    this.push(new Float32Array(this.#reach), emit);
  }

  #next() {
    const taps = this.#taps[this.#phase];
    const input = this.#input;
    const first = this.#whole - this.#reach + 1;
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap++) sum += taps[tap] * input[first + tap];
    this.#phase += this.#step;
    while (this.#phase >= this.#phases) {
      this.#phase -= this.#phases;
      this.#whole++;
    }
    return sum;
  }

  #forget() {
    const first = this.#whole - this.#reach + 1;
    this.#input.copyWithin(0, first);
    this.#held -= first;
    this.#whole -= first;
  }
}

/**
 * How many input samples the filter needs to each side.
 * @param {number} rate of the input, in Hz
 */
function reachOf(rate) {
  return rate === RATE ? 1 : Math.ceil((ZERO_CROSSINGS * rate) / Math.min(rate, RATE));
}

/**
 * The filter's values around an output sample that lies `offset` behind an input sample.
 * @param {number} offset 0 to 1
 * @param {number} rate of the input, in Hz
 * @returns {Float32Array} one for each of the input samples that the filter needs, the earliest first
 */
function tapsOf(offset, rate) {
  // At 16 kHz every sample stays as it is.
  if (rate === RATE) return Float32Array.of(1, 0);
  const reach = reachOf(rate);
  // The pass band ends before the transition, so that nothing above half the lower rate is left.
  const cutoff = (Math.min(rate, RATE) * (1 - TRANSITION)) / rate;
  const taps = new Float64Array(2 * reach);
  for (let tap = 0; tap < taps.length; tap++) {
    const distance = tap - (reach - 1) - offset;
    taps[tap] = sinc(cutoff * distance) * kaiser(distance / reach);
  }
  // Each phase has unit gain at 0 Hz; otherwise the phases would modulate each other.
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
