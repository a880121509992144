// The behaviours of a recording's text: whatever order its utterances arrive in, it reads as it was spoken.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Recording } from "../../../../web/static/client/recording.js";
import { Transcript } from "../../../../web/static/client/transcript.js";

/** @typedef {Parameters<Recording["merge"]>[0][number]} Placed */

/**
 * @param {string} transcript
 * @param {number} startTime
 * @param {number} [endTime]
 * @param {number} [channel]
 * @returns {Placed}
 */
function utterance(transcript, startTime, endTime = startTime + 1, channel = 0) {
  const words = transcript === "" ? [] : [{ startTime, endTime, word: transcript, confidence: 0.5 }];
  return { transcript, confidence: 0.5, words, channel, startTime, endTime };
}

/** @param {{ lines: import("../../../../web/static/client/transcript.js").Line[] }} part */
function texts({ lines }) {
  return lines.map(({ transcript }) => transcript);
}

/** @param {number} seed @returns {() => number} 0 to 1, the same for the same seed */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/**
 * @template T
 * @param {T[]} items
 * @param {() => number} random
 */
function shuffled(items, random) {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
}

/**
 * Two people who talk at once now and then, in the order of time.
 * @param {() => number} random
 */
function conversation(random) {
  /** @type {Placed[]} */
  const spoken = [];
  for (const channel of [0, 1]) {
    let at = random();
    for (let number = 0; number < 25; number += 1) {
      const end = at + 0.2 + 3 * random();
      spoken.push(utterance(`c${channel}n${number}`, at, end, channel));
      at = end + (random() < 0.2 ? 0 : random());
    }
  }
  return spoken.sort((one, other) => one.startTime - other.startTime || one.channel - other.channel);
}

/**
 * What a page shows that carries out each change when it comes.
 * @param {string[]} shown
 * @param {import("../../../../web/static/client/recording.js").Edit[]} edits
 */
function carryOut(shown, edits) {
  for (const { at, line } of edits) {
    if (line) shown.splice(at, 0, line.transcript);
    else shown.splice(at, 1);
  }
}

test("any order of arrival gives the same text, and so do its changes", () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const random = randomOf(seed);
    const spoken = conversation(random);
    const due = spoken.map(({ transcript }) => transcript);
    const recording = new Recording("talk.wav");
    /** @type {string[]} */
    const shown = [];
    const arriving = shuffled(spoken, random);
    while (arriving.length > 0) {
      carryOut(shown, recording.merge(arriving.splice(0, 1 + Math.floor(5 * random()))));
      assert.deepEqual(shown, texts(recording));
    }
    assert.deepEqual(shown, due, `seed ${seed}`);
  }
});

test("answers that grow out of order and hold everything each time give each utterance once", () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomOf(seed);
    const spoken = conversation(random);
    const recording = new Recording("talk.wav");
    const settling = shuffled(spoken, random);
    for (let settled = 0; settled <= settling.length; settled += 3) {
      const answer = settling.slice(0, settled).sort((one, other) => one.startTime - other.startTime);
      recording.merge(answer);
      assert.equal(recording.lines.length, answer.length);
    }
    recording.merge(spoken, true);
    assert.deepEqual(texts(recording), spoken.map(({ transcript }) => transcript), `seed ${seed}`);
  }
});

test("revisions in any order of the utterances give the last text of each", () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomOf(seed);
    const spoken = conversation(random);
    const revised = spoken.map((one) =>
      // Its end is known better later, and one in five turns out to be nothing.
      utterance(random() < 0.2 ? "" : `${one.transcript}!`, one.startTime, one.endTime - 0.05, one.channel),
    );
    const recording = new Recording("talk.wav");
    recording.merge(shuffled(spoken, random));
    recording.merge(shuffled(revised, random));
    const due = revised.map(({ transcript }) => transcript).filter((transcript) => transcript !== "");
    assert.deepEqual(texts(recording), due, `seed ${seed}`);
  }
});

test("what was there already changes nothing", () => {
  const recording = new Recording("talk.wav");
  const spoken = [utterance("one", 0), utterance("two", 2)];
  assert.equal(recording.merge(spoken).length, 2);
  assert.deepEqual(recording.merge(spoken), []);
  assert.deepEqual(recording.merge([]), []);
  assert.deepEqual(texts(recording), ["one", "two"]);
});

test("two speakers at the same time are two utterances, and so are neighbours that touch", () => {
  const recording = new Recording("call.ogg");
  recording.merge([utterance("me", 0, 5, 0), utterance("you", 0, 5, 1), utterance("next", 4.8, 6, 0)]);
  assert.deepEqual(texts(recording), ["me", "you", "next"]);
});

test("an utterance that is divided takes the place of the whole, and the other way about", () => {
  const [whole, first, second] = [utterance("one two", 0, 4), utterance("one", 0, 2), utterance("two", 2.1, 4)];
  const recording = new Recording("talk.wav");
  recording.merge([whole]);
  recording.merge([second]);
  recording.merge([first]);
  assert.deepEqual(texts(recording), ["one", "two"]);
  recording.merge([whole]);
  assert.deepEqual(texts(recording), ["one two"]);
});

test("an answer without an utterance takes it away only when the answer is whole", () => {
  const recording = new Recording("talk.wav");
  recording.merge([utterance("one", 0), utterance("two", 2)]);
  recording.merge([utterance("two", 2)]);
  assert.deepEqual(texts(recording), ["one", "two"]);
  recording.merge([utterance("two", 2)], true);
  assert.deepEqual(texts(recording), ["two"]);
});

test("utterances without a span are distinguished by their places", () => {
  const recording = new Recording("talk.wav");
  recording.merge([utterance("b", 2, 2), utterance("a", 1, 1), utterance("a!", 1, 1)]);
  assert.deepEqual(texts(recording), ["a!", "b"]);
});

test("a recording that goes on settling stays above later speech", () => {
  const transcript = new Transcript();
  const words = [{ startTime: 0.5, endTime: 1, word: "Before.", confidence: 1 }];
  transcript.show({ number: 1, isFinal: true, transcript: "Before.", confidence: 1, words });
  const recording = new Recording("talk.wav");
  transcript.add(recording);
  recording.merge([utterance("three", 30)]);
  transcript.begin({ at: 2 });
  transcript.show({ number: 1, isFinal: true, transcript: "After.", confidence: 1, words });
  recording.merge([utterance("one", 10), utterance("two", 20)]);
  assert.deepEqual(texts(transcript), ["Before.", "one", "two", "three", "After."]);
  assert.equal(transcript.text, "Before.\none\ntwo\nthree\nAfter.");
  assert.deepEqual(transcript.recordings, [recording]);
});

test("a session is a file without the recordings, on a clock without them", async () => {
  const transcript = new Transcript();
  const recording = new Recording("talk.wav");
  transcript.add(recording);
  recording.merge([utterance("one", 100)]);
  assert.equal(transcript.duration, 0);
  transcript.begin();
  const words = [{ startTime: 0.5, endTime: 1, word: "Mine.", confidence: 1 }];
  transcript.show({ number: 1, isFinal: true, transcript: "Mine.", confidence: 1, words });
  assert.equal((await transcript.download("txt", new Date())).text, "Mine.\n");
  assert.equal((await transcript.download("srt", new Date())).text, "1\n00:00:00,500 --> 00:00:01,500\nMine.\n");
  assert.equal(transcript.duration, 1);
});

test("clearing forgets the recordings, too", () => {
  const transcript = new Transcript();
  const recording = new Recording("talk.wav");
  transcript.add(recording);
  recording.merge([utterance("one", 0)]);
  transcript.clear();
  assert.deepEqual([transcript.isEmpty, transcript.recordings], [true, []]);
  transcript.begin();
  assert.equal(transcript.duration, 0);
});
