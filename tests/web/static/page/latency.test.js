// Tests web/static/page/latency.js: what the read-out says of the waiting.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Latency } from "../../../../web/static/page/latency.js";

const CHUNK = 1_600; // 100 ms

/** Somebody speaks from 200 ms to 1000 ms of the sound; the pause is noticed after 600 ms. */
const BEGIN = { kind: "speech", number: 1, isSpeaking: true, time: 0.2 };
const PARTIAL = { kind: "utterance", number: 1, isFinal: false, transcript: "a", reason: "", endpointMs: 0 };
const END = { kind: "speech", number: 1, isSpeaking: false, time: 1.6 };
const FINAL = { kind: "utterance", number: 1, isFinal: true, transcript: "a", reason: "endpoint", endpointMs: 600 };

/** Latency after audio of a second and a half, from 5000 ms of the page's clock on. */
function listening(jitter = [0]) {
  const latency = new Latency();
  for (let chunk = 1; chunk <= 15; chunk++) {
    latency.addAudio(CHUNK, 5000 + 100 * chunk + jitter[chunk % jitter.length]);
  }
  return latency;
}

/**
 * @param {Latency} latency
 * @param {object} event
 * @param {number} now
 */
function shown(latency, event, now) {
  return latency.addEvent(/** @type {import("../../../../web/static/client/live.js").LiveEvent} */ (event), now);
}

test("the first word counts from the onset, the settled text from the last speech", () => {
  const latency = listening();
  assert.deepEqual(shown(latency, BEGIN, 5300), {});
  assert.deepEqual(shown(latency, PARTIAL, 6000), { firstMs: 800 });
  assert.deepEqual(shown(latency, PARTIAL, 6200), {});
  assert.deepEqual(shown(latency, END, 6650), {});
  assert.deepEqual(shown(latency, FINAL, 6700), { settledMs: 700 });
});

test("sound that arrives late does not make the waiting look shorter", () => {
  const latency = listening([80, 0, 45]);
  shown(latency, BEGIN, 5300);
  assert.deepEqual(shown(latency, PARTIAL, 6000), { firstMs: 800 });
});

test("a partial without words is no first word", () => {
  const latency = listening();
  shown(latency, BEGIN, 5300);
  assert.deepEqual(shown(latency, { ...PARTIAL, transcript: "" }, 5600), {});
  assert.deepEqual(shown(latency, PARTIAL, 6000), { firstMs: 800 });
});

test("a final that no pause has brought tells nothing", () => {
  for (const reason of ["close", "maxUtterance", "finalize"]) {
    const latency = listening();
    shown(latency, BEGIN, 5300);
    shown(latency, END, 6650);
    assert.deepEqual(shown(latency, { ...FINAL, reason }, 6700), {});
  }
});

test("another microphone begins another clock", () => {
  const latency = listening();
  latency.restart();
  // Two seconds without sound lie between the two.
  latency.addAudio(CHUNK, 8600);
  shown(latency, { ...BEGIN, time: 1.5 }, 8610);
  assert.deepEqual(shown(latency, PARTIAL, 8900), { firstMs: 400 });
});
