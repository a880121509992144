// Events of one connection: times and numbers on the client's clock.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Timeline } from "../../../../web/static/client/timeline.js";

const PLACE = { base: 0, rate: 16_000, first: 1 };

/** @typedef {import("../../../../web/static/client/timeline.js").Utterance} Utterance */

/**
 * @param {number} utteranceId
 * @param {"partial" | "final"} type
 * @param {object} [facts]
 */
function message(utteranceId, type, facts) {
  const isFinal = type === "final";
  const words = isFinal
    ? [
        { word: "a", startTime: 0.5, endTime: 0.75, confidence: 0.8 },
        { word: "b", startTime: 0.75, endTime: 1.001, confidence: 0.6 },
      ]
    : [{ word: "a", startTime: 0, endTime: 0, confidence: 0 }];
  const best = { transcript: words.map(({ word }) => word).join(" "), confidence: isFinal ? 0.7 : 0, words };
  const third = { word: "c", startTime: 0.5, endTime: 1, confidence: 0.1 };
  const other = { transcript: "c", confidence: 0.1, words: [third] };
  return {
    type, utteranceId, isFinal, results: [isFinal ? { ...best, alternatives: [best, other] } : best],
    ...(isFinal ? { reason: "endpoint" } : { stableWords: 1 }),
    latency: { queueMs: 1, recognizerMs: 2, ...(isFinal && { endpointMs: 600 }) },
    audio: { receivedMs: 0, settledMs: 0 },
    ...facts,
  };
}

/**
 * @param {Timeline} timeline
 * @param {any} message
 */
function utterance(timeline, message) {
  const event = timeline.read(message);
  assert.equal(event?.kind, "utterance");
  return /** @type {Utterance} */ (event);
}

/**
 * @param {number} utteranceId
 * @param {number} time
 */
function start(utteranceId, time) {
  return { type: "speechStart", utteranceId, time };
}

describe("an utterance", () => {
  test("that is open has its text so far, and no times yet", () => {
    const timeline = new Timeline({ base: 16_000, rate: 16_000, first: 1 });
    assert.deepEqual(timeline.read(message(1, "partial")), {
      kind: "utterance", number: 1, isFinal: false, transcript: "a", confidence: 0,
      words: [{ word: "a", startTime: 0, endTime: 0, confidence: 0 }], stableWords: 1, reason: "", endpointMs: 0,
      alternatives: [
        { transcript: "a", confidence: 0, words: [{ word: "a", startTime: 0, endTime: 0, confidence: 0 }] },
      ],
    });
  });

  test("that is settled has its times, its alternatives and why it ended", () => {
    const words = [
      { word: "a", startTime: 0.5, endTime: 0.75, confidence: 0.8 },
      { word: "b", startTime: 0.75, endTime: 1.001, confidence: 0.6 },
    ];
    assert.deepEqual(new Timeline(PLACE).read(message(1, "final")), {
      kind: "utterance", number: 1, isFinal: true, transcript: "a b", confidence: 0.7, words, stableWords: 2,
      alternatives: [
        { transcript: "a b", confidence: 0.7, words },
        { transcript: "c", confidence: 0.1, words: [{ word: "c", startTime: 0.5, endTime: 1, confidence: 0.1 }] },
      ],
      reason: "endpoint", endpointMs: 600,
    });
  });

  test("may turn out to be nothing", () => {
    const empty = { transcript: "", confidence: 0, words: [], alternatives: [] };
    const nothing = message(1, "final", { results: [empty] });
    const { transcript, words, stableWords } = utterance(new Timeline(PLACE), nothing);
    assert.deepEqual([transcript, words, stableWords], ["", [], 0]);
  });
});

describe("times", () => {
  const later = { base: 24_000, rate: 16_000, first: 1 };

  test("are on the client's clock, to the millisecond", () => {
    const { words, alternatives } = utterance(new Timeline(later), message(1, "final"));
    assert.deepEqual(words.map(({ startTime, endTime }) => [startTime, endTime]), [[2, 2.25], [2.25, 2.501]]);
    assert.deepEqual(alternatives[0].words, words);
    assert.deepEqual([alternatives[1].words[0].startTime, alternatives[1].words[0].endTime], [2, 2.5]);
  });

  test("of speech and warnings are on it too", () => {
    const timeline = new Timeline(later);
    const warning = { type: "warning", code: "gap", detail: "d", startTime: 0, endTime: 1.25 };
    assert.deepEqual(timeline.read(start(1, 0.1)), { kind: "speech", number: 1, isSpeaking: true, time: 1.6 });
    assert.deepEqual(timeline.read({ ...start(1, 0.3), type: "speechEnd" }), {
      kind: "speech", number: 1, isSpeaking: false, time: 1.8,
    });
    const gap = { kind: "warning", code: "gap", detail: "d", startTime: 1.5, endTime: 2.75 };
    assert.deepEqual(timeline.read(warning), gap);
  });

  test("count samples of the client's own rate", () => {
    const timeline = new Timeline({ base: 4_000, rate: 8_000, first: 1 });
    assert.equal(utterance(timeline, message(1, "final")).words[0].startTime, 1);
  });

  test("stay away from a warning that has none", () => {
    const event = new Timeline(later).read({ type: "warning", code: "slow", detail: "d" });
    assert.deepEqual(event, { kind: "warning", code: "slow", detail: "d" });
  });
});

describe("numbers", () => {
  test("rise in the order in which utterances begin", () => {
    const timeline = new Timeline({ ...PLACE, first: 5 });
    const [first, second, third] = [start(1, 0), start(2, 1), start(3, 2)];
    const all = [first, second, message(1, "final"), message(2, "partial"), third, message(2, "final")];
    const numbers = all.map((one) => /** @type {Utterance} */ (timeline.read(one)).number);
    assert.deepEqual(numbers, [5, 6, 5, 6, 7, 6]);
  });

  test("do not need a speechStart", () => {
    const timeline = new Timeline(PLACE);
    const numbers = [message(1, "partial"), message(1, "final"), message(2, "final"), message(3, "partial")]
      .map((one) => utterance(timeline, one).number);
    assert.deepEqual(numbers, [1, 1, 2, 3]);
  });

  test("begin again for the next connection with the first utterance that is still open", () => {
    const timeline = new Timeline({ ...PLACE, first: 3 });
    const firsts = [timeline.first];
    for (const one of [start(1, 0), start(2, 1), message(1, "final"), message(2, "final")]) {
      timeline.read(one);
      firsts.push(timeline.first);
    }
    assert.deepEqual(firsts, [3, 3, 3, 4, 5]);
  });
});

describe("what is settled", () => {
  test("begins where the connection began", () => assert.equal(new Timeline({ ...PLACE, base: 77 }).settled, 77));

  test("is what each message tells, in samples on the client's clock", () => {
    const timeline = new Timeline({ base: 1_000, rate: 16_000, first: 1 });
    const settled = [
      { type: "ready", audio: { receivedMs: 100, settledMs: 10 } },
      message(1, "partial", { audio: { receivedMs: 100, settledMs: 20.0625 } }),
      message(1, "final", { audio: { receivedMs: 300, settledMs: 30 } }),
    ].map((one) => (timeline.read(one), timeline.settled));
    assert.deepEqual(settled, [1_160, 1_321, 1_480]);
  });

  test("is exact for every sample, and never ahead of it", () => {
    for (const rate of [8_000, 16_000, 44_100, 48_000]) {
      for (let samples = 0; samples < 5_000; samples += 7) {
        const timeline = new Timeline({ base: 0, rate, first: 1 });
        timeline.read({ type: "ready", audio: { receivedMs: 0, settledMs: samples / (rate / 1000) } });
        const missing = samples - timeline.settled;
        assert.ok(missing === 0 || (missing === 1 && rate % 1000 !== 0), `${missing} missing at ${samples}`);
      }
    }
  });

  test("ends with the last whole sample", () => {
    const timeline = new Timeline({ base: 0, rate: 44_100, first: 1 });
    timeline.read({ type: "ready", audio: { receivedMs: 9, settledMs: 0.0625 } });
    assert.equal(timeline.settled, 2);
  });

  test("never shrinks", () => {
    const timeline = new Timeline(PLACE);
    timeline.read({ type: "ready", audio: { receivedMs: 9, settledMs: 9 } });
    timeline.read({ type: "ready", audio: { receivedMs: 9, settledMs: 4 } });
    assert.equal(timeline.settled, 144);
  });

  test("is all that was received once the server is done", () => {
    const timeline = new Timeline({ ...PLACE, base: 16_000 });
    timeline.end({ type: "done", receivedMs: 500 });
    assert.equal(timeline.settled, 24_000);
  });

  test("does not change where the connection breaks", () => {
    const timeline = new Timeline(PLACE);
    timeline.end({ type: "", receivedMs: 500 });
    assert.equal(timeline.settled, 0);
  });
});

test("what is about the connection alone says nothing to the client", () => {
  assert.equal(new Timeline(PLACE).read({ type: "ready", audio: { receivedMs: 0, settledMs: 0 } }), undefined);
  assert.equal(new Timeline(PLACE).read({ type: "something new" }), undefined);
});
