// Silence counts in audio, not by the clock; noise of a microphone is no silence.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SilenceWatch } from "../../../../web/static/page/silence.js";

/** @param {number} peak @param {number} seconds */
const audio = (peak, seconds) => new Int16Array(16_000 * seconds).map((_, index) => (index % 2 ? peak : -peak));

test("twenty seconds of zeros are silence, once", () => {
  const watch = new SilenceWatch();
  const changes = Array.from({ length: 25 }, () => watch.add(audio(0, 1)));
  assert.deepEqual(changes.indexOf(true), 19);
  assert.deepEqual(changes.filter(Boolean).length, 1);
  assert.equal(watch.isSilent, true);
});

test("sound ends the silence, and its count", () => {
  const watch = new SilenceWatch();
  watch.add(audio(1, 20));
  assert.equal(watch.isSilent, true);
  assert.equal(watch.add(audio(500, 1)), true);
  assert.equal(watch.isSilent, false);
  assert.equal(watch.add(audio(0, 19)), false);
  assert.equal(watch.add(audio(0, 1)), true);
});

test("a room in which nobody speaks is not silent", () => {
  const watch = new SilenceWatch();
  for (let second = 0; second < 60; second += 1) watch.add(audio(30, 1));
  assert.equal(watch.isSilent, false);
});
