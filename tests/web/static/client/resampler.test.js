// The resampler by itself; test_resampler.py compares its output with soxr's.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Resampler } from "../../../../web/static/client/resampler.js";

const RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000];

/**
 * @param {number} rate of the samples, in Hz
 * @param {Float32Array} samples
 * @param {Iterable<number>} [cuts] lengths of the blocks, in turn; the last one takes what is left
 * @returns {number[]} samples at 16 kHz
 */
function resampled(rate, samples, cuts = []) {
  /** @type {number[]} */
  const got = [];
  const emit = (/** @type {number} */ sample) => void got.push(sample);
  const resampler = new Resampler(rate);
  let at = 0;
  for (const length of cuts) {
    resampler.push(samples.subarray(at, at + length), emit);
    at += length;
  }
  resampler.push(samples.subarray(at), emit);
  resampler.finish(emit);
  return got;
}

/**
 * Noise that is the same in each run.
 * @param {number} length in samples
 */
function noise(length) {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31;
  });
}

for (const rate of RATES) {
  describe(`from ${rate} Hz`, () => {
    test("how the sound is cut into blocks changes nothing", () => {
      const samples = noise(rate / 5);
      const whole = resampled(rate, samples);
      for (const length of [1, 100, 128, 1_025]) {
        const cuts = Array(Math.floor(samples.length / length)).fill(length);
        assert.deepEqual(resampled(rate, samples, cuts), whole, `blocks of ${length}`);
      }
      assert.deepEqual(resampled(rate, samples, [0, 7, 0, 0, 3_000, 1]), whole);
    });

    test("the sound lasts as long as before", () => {
      for (const length of [0, 1, 127, rate / 25, rate]) {
        assert.equal(resampled(rate, noise(length)).length, Math.ceil((length * 16_000) / rate), `${length} samples`);
      }
    });

    test("a constant stays the same, away from the silence at its ends", () => {
      const got = resampled(rate, new Float32Array(rate / 5).fill(0.5));
      const ends = Math.ceil((48 * 16_000) / Math.min(rate, 16_000));
      const inside = got.slice(ends, -ends);
      assert.ok(inside.length > 1_000);
      for (const sample of inside) assert.ok(Math.abs(sample - 0.5) < 1e-6, `${sample}`);
    });

    test("a click stays where it was", () => {
      const samples = new Float32Array(rate / 5);
      samples[rate / 25] = 1;
      const got = resampled(rate, samples);
      assert.equal(got.indexOf(Math.max(...got)), 640);
    });

    test("the last samples come with the end", () => {
      const samples = new Float32Array(rate / 5);
      samples[samples.length - 1] = 1;
      /** @type {number[]} */
      const got = [];
      const emit = (/** @type {number} */ sample) => void got.push(Math.abs(sample));
      const resampler = new Resampler(rate);
      resampler.push(samples, emit);
      const before = got.length;
      assert.ok(before < 3_200);
      resampler.finish(emit);
      assert.ok(Math.max(...got.slice(before)) > 10 * Math.max(...got.slice(0, before)));
    });
  });
}

test("at 16 kHz every sample stays as it is", () => {
  const samples = noise(3_200);
  assert.deepEqual(resampled(16_000, samples), Array.from(samples));
});

test("a minute at an odd rate is a minute afterwards, to the sample", () => {
  const resampler = new Resampler(11_025);
  const second = new Float32Array(11_025);
  let count = 0;
  for (let seconds = 0; seconds < 60; seconds++) resampler.push(second, () => void count++);
  resampler.finish(() => void count++);
  assert.equal(count, 60 * 16_000);
});
