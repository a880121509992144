// Subtitles of the page; test_subtitles.py compares them with the server's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cues, srt, vtt } from "../../../../web/static/client/subtitles.js";

/**
 * An utterance whose words take `each` seconds.
 * @param {string} text
 * @param {{ at?: number, each?: number }} [times] seconds
 */
function spoken(text, { at = 0, each = 0.3 } = {}) {
  const words = text.split(" ").map((word, index) => {
    return { startTime: at + index * each, endTime: at + (index + 1) * each, word, confidence: 0.9 };
  });
  return { transcript: text, confidence: 0.9, words };
}

/** @param {string} text */
function untimed(text) {
  const words = text.split(" ").map((word) => ({ startTime: 0, endTime: 0, word, confidence: 0 }));
  return { transcript: text, confidence: 0, words };
}

/** @param {ReturnType<typeof spoken>[]} results */
function texts(results) {
  return cues(results).map(({ lines }) => lines.join("\n"));
}

test("a short utterance is one line", () => {
  const file = srt([spoken("The quick brown fox.", { at: 1.25, each: 0.5 })]);
  assert.equal(file, "1\n00:00:01,250 --> 00:00:03,250\nThe quick brown fox.\n");
});

test("WebVTT has its header, its decimal point and its escapes", () => {
  const file = vtt([spoken("AT&T <b> --> &lt;", { at: 3661.5, each: 0.5 })]);
  assert.equal(file, "WEBVTT\n\n01:01:01.500 --> 01:01:03.500\nAT&amp;T &lt;b&gt; --&gt; &amp;lt;\n");
});

test("no words are an empty file", () => {
  assert.equal(srt([]), "");
  assert.equal(srt([{ transcript: "", confidence: 0, words: [] }]), "");
  assert.equal(vtt([]), "WEBVTT\n");
});

test("captions are numbered and separated by an empty line", () => {
  const file = srt([spoken("Yes.", { at: 1 }), spoken("No.", { at: 100 * 3600 })]);
  assert.equal(file, "1\n00:00:01,000 --> 00:00:02,000\nYes.\n\n2\n100:00:00,000 --> 100:00:01,000\nNo.\n");
});

test("two lines are alike in length, and of two splits as good the first is taken", () => {
  assert.deepEqual(texts([spoken("The library closes at nine and the garden stays open all night", { each: 0.2 })]), [
    "The library closes at nine and\nthe garden stays open all night",
  ]);
  assert.deepEqual(texts([spoken(`${"a".repeat(20)} bbb ${"c".repeat(20)}`)]), [
    `${"a".repeat(20)}\nbbb ${"c".repeat(20)}`,
  ]);
});

test("a line ends at punctuation rather than in the very middle, Persian too", () => {
  assert.deepEqual(texts([spoken("The library closes at nine, but the garden stays open all night.", { each: 0.2 })]), [
    "The library closes at nine,\nbut the garden stays open all night.",
  ]);
  assert.deepEqual(texts([spoken("کتابخانه ساعت نه بسته می‌شود، اما باغ تمام شب باز می‌ماند.", { each: 0.2 })]), [
    "کتابخانه ساعت نه بسته می‌شود،\nاما باغ تمام شب باز می‌ماند.",
  ]);
});

test("a character is a character, however many UTF-16 units it has", () => {
  const line = `${"🎙".repeat(21)} ${"🎧".repeat(20)}`;
  assert.deepEqual(texts([spoken(line)]), [line]);
});

test("half a millisecond goes to the even neighbour", () => {
  const starts = [0.0005, 0.0045, 2.5015].map((at) => cues([spoken("Yes.", { at })])[0].startMs);
  assert.deepEqual(starts, [0, 4, 2502]);
});

test("a caption too short to read stays for a second or until the next", () => {
  assert.deepEqual(cues([spoken("Yes.", { at: 1 }), spoken("No.", { at: 1.7 }), spoken("Maybe.", { at: 9 })]), [
    { startMs: 1000, endMs: 1700, lines: ["Yes."] },
    { startMs: 1700, endMs: 2700, lines: ["No."] },
    { startMs: 9000, endMs: 10_000, lines: ["Maybe."] },
  ]);
});

test("a second of silence ends a caption, less does not", () => {
  /** @param {number} pause */
  const paused = (pause) => {
    const [yes] = spoken("Yes,").words;
    return { transcript: "Yes, no.", confidence: 0, words: [yes, ...spoken("no.", { at: 0.3 + pause }).words] };
  };
  assert.deepEqual(texts([paused(1)]), ["Yes,", "no."]);
  assert.deepEqual(texts([paused(0.9)]), ["Yes, no."]);
});

test("a caption lasts seven seconds at most", () => {
  assert.equal(texts([spoken("one two three four five six seven", { each: 1 })]).length, 1);
  assert.equal(texts([spoken("one two three four five six seven", { each: 1.01 })]).length, 2);
});

test("an utterance whose times go back waits for the one before", () => {
  assert.deepEqual(cues([spoken("Before.", { each: 5 }), spoken("After.", { at: 0.5, each: 5 })]), [
    { startMs: 0, endMs: 5000, lines: ["Before."] },
    { startMs: 5000, endMs: 6000, lines: ["After."] },
  ]);
});

test("words without times are spread over the gap around them", () => {
  assert.deepEqual(cues([spoken("Before.", { each: 2 }), untimed("in between"), spoken("After.", { at: 2.6 })]), [
    { startMs: 0, endMs: 2000, lines: ["Before."] },
    { startMs: 2000, endMs: 2600, lines: ["in between"] },
    { startMs: 2600, endMs: 3600, lines: ["After."] },
  ]);
});

test("a transcript whose words were left out is shown at the speed of speech", () => {
  assert.deepEqual(cues([{ transcript: "the quick brown fox", confidence: 0.9, words: [] }]), [
    { startMs: 0, endMs: 1600, lines: ["the quick brown fox"] },
  ]);
});

test("a word longer than two lines stands alone", () => {
  const long = "x".repeat(100);
  assert.deepEqual(texts([spoken(`a ${long} b`, { each: 1 })]), ["a", long, "b"]);
});

test("white space is what Python takes for it", () => {
  assert.deepEqual(texts([spoken("a\u001cb\u0085c\u3000d")]), ["a b c d"]);
  assert.deepEqual(texts([spoken("a\ufeffb\u200bc")]), ["a\ufeffb\u200bc"]);
});

test("words without any times at all do not stop the page", () => {
  const words = /** @type {any[]} */ ([{ word: "Yes." }, { word: "No." }]);
  assert.deepEqual(texts([{ transcript: "Yes. No.", confidence: 0, words }]), ["Yes. No."]);
});
