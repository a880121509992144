// The transcript: no line is lost, and files of several sessions have one clock.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Recording } from "../../../../web/static/client/recording.js";
import { cues } from "../../../../web/static/client/subtitles.js";
import { Transcript } from "../../../../web/static/client/transcript.js";

const NOW = new Date(2026, 0, 5, 9, 7);

/**
 * @param {number} number
 * @param {string} transcript
 */
function open(number, transcript) {
  const words = transcript.split(" ").map((word) => ({ startTime: 0, endTime: 0, word, confidence: 0 }));
  return { number, isFinal: false, transcript, confidence: 0, words: transcript === "" ? [] : words };
}

/**
 * @param {number} number
 * @param {string} transcript
 * @param {number} [at] seconds; each word takes half a second
 */
function final(number, transcript, at = 0) {
  const words = transcript.split(" ").map((word, index) => {
    return { startTime: at + index / 2, endTime: at + (index + 1) / 2, word, confidence: 0.8 };
  });
  return { number, isFinal: true, transcript, confidence: 0.9, words: transcript === "" ? [] : words };
}

/** @param {ReturnType<typeof open>[]} utterances */
function transcriptOf(...utterances) {
  const transcript = new Transcript();
  for (const utterance of utterances) transcript.show(utterance);
  return transcript;
}

/** @param {Transcript} transcript */
function spans({ lines }) {
  return lines.map(({ words }) => [words[0].startTime, words[words.length - 1].endTime]);
}

test("a new transcript is empty", () => {
  const transcript = new Transcript();
  assert.deepEqual([transcript.isEmpty, transcript.text, transcript.lines, transcript.duration], [true, "", [], 0]);
});

test("the newest state of an utterance replaces the state before", () => {
  const transcript = transcriptOf(open(1, "the"), open(1, "the quick"));
  assert.equal(transcript.text, "the quick");
  assert.equal(transcript.settled.length, 0);
  transcript.show(final(1, "The quick fox."));
  assert.equal(transcript.text, "The quick fox.");
  assert.deepEqual(transcript.settled.map((line) => line.transcript), ["The quick fox."]);
});

test("a final is not replaced by a late state that is none", () => {
  assert.equal(transcriptOf(final(1, "Yes."), open(1, "yes and")).text, "Yes.");
});

test("a final without text removes the line for good", () => {
  const transcript = transcriptOf(open(1, "hm"), final(1, ""));
  assert.equal(transcript.isEmpty, true);
  transcript.show(open(1, "hm"));
  assert.equal(transcript.isEmpty, true);
});

test("lines are in the order of speech, whatever comes first", () => {
  const transcript = transcriptOf(open(3, "three"), final(1, "One."), open(2, "two"), final(3, "Three."));
  assert.equal(transcript.text, "One.\ntwo\nThree.");
  assert.deepEqual(transcript.settled.map(({ number }) => number), [1, 3]);
});

test("what is given up stays, unsettled, and only a final can still replace it", () => {
  const transcript = transcriptOf(final(1, "One."), open(2, "two"), open(3, ""));
  assert.deepEqual(transcript.lines.map(({ isOpen }) => isOpen), [false, true]);
  transcript.giveUp();
  transcript.show(open(2, "two and"));
  assert.equal(transcript.text, "One.\ntwo");
  assert.deepEqual(transcript.lines.map(({ isFinal, isOpen }) => [isFinal, isOpen]), [[true, false], [false, false]]);
  transcript.show(final(2, "Two."));
  assert.equal(transcript.text, "One.\nTwo.");
});

test("after clearing, an open utterance comes back with its next state", () => {
  const transcript = transcriptOf(final(1, "One."), open(2, "two"));
  transcript.clear();
  assert.equal(transcript.isEmpty, true);
  transcript.show(final(2, "Two."));
  assert.equal(transcript.text, "Two.");
});

test("clearing a later session leaves it as usable as the first", () => {
  const transcript = transcriptOf(final(1, "One."), final(2, "Two."));
  transcript.begin();
  transcript.clear();
  transcript.show(open(1, "three"));
  transcript.show(final(1, "Three."));
  assert.equal(transcript.text, "Three.");
});

test("another session has its own numbers, and its times come after those before", () => {
  const transcript = transcriptOf(final(1, "One two.", 1));
  transcript.begin();
  transcript.show(final(1, "Three four.", 0));
  assert.equal(transcript.text, "One two.\nThree four.");
  assert.deepEqual(spans(transcript), [[1, 2], [2, 3]]);
  assert.equal(transcript.duration, 3);
});

test("another session begins when the caller asks, but never before the last word", () => {
  const transcript = transcriptOf(final(1, "One two.", 1));
  transcript.begin({ at: 60.1 });
  transcript.show(final(1, "Three.", 0.7));
  transcript.begin({ at: 5 });
  transcript.show(final(1, "Four.", 1));
  assert.deepEqual(spans(transcript), [[1, 2], [60.8, 61.3], [62.3, 62.8]]);
});

test("a session that begins gives up what the one before left open", () => {
  const transcript = transcriptOf(open(1, "one"));
  transcript.begin();
  transcript.show(open(1, "two"));
  const states = transcript.lines.map((line) => [line.transcript, line.isOpen]);
  assert.deepEqual(states, [["one", false], ["two", true]]);
});

test("words without times stay so, and find room before the next session", () => {
  const transcript = transcriptOf(final(1, "One.", 1), open(2, "two three"));
  transcript.begin();
  transcript.show(open(1, "four"));
  assert.deepEqual(spans(transcript).slice(1), [[0, 0], [0, 0]]);
  transcript.show(final(1, "Four.", 0));
  assert.deepEqual(spans(transcript), [[1, 1.5], [0, 0], [2.3, 2.8]]);
});

test("words without times before others take no time of their own", () => {
  const transcript = transcriptOf(open(1, "one two three"), final(2, "Four.", 0.5));
  assert.equal(transcript.duration, 1);
});

test("subtitles of a whole visit rise and never overlap", () => {
  const transcript = new Transcript();
  for (let session = 0; session < 4; session += 1) {
    transcript.begin(session % 2 === 0 ? {} : { at: session });
    transcript.show(final(1, "Fishing boats left the harbour early.", 0.2));
    transcript.show(final(2, "Tomorrow will be cloudy and then sunny again in the afternoon.", 3.3));
    transcript.show(open(3, "and then"));
  }
  let clock = 0;
  for (const { startMs, endMs } of cues(transcript.lines)) {
    assert.ok(clock <= startMs && startMs < endMs);
    clock = endMs;
  }
  assert.equal(transcript.lines.length, 12);
});

test("clearing between sessions lets the times begin at zero again", () => {
  const transcript = transcriptOf(final(1, "One.", 100));
  transcript.clear();
  transcript.begin();
  transcript.show(final(1, "Two.", 1));
  assert.deepEqual(spans(transcript), [[1, 1.5]]);
});

test("a state that was handed out does not change", () => {
  const transcript = transcriptOf(open(1, "one"));
  const [line] = transcript.lines;
  transcript.giveUp();
  assert.equal(line.isOpen, true);
});

test("files hold everything, settled or not", async () => {
  const transcript = transcriptOf(final(1, "سلام دنیا.", 1), open(2, "and then"));
  assert.deepEqual(await transcript.download("txt", NOW), {
    name: "niyosha-2026-01-05-0907.txt",
    type: "text/plain; charset=utf-8",
    text: "سلام دنیا.\nand then\n",
  });
  assert.deepEqual(await transcript.download("srt", NOW), {
    name: "niyosha-2026-01-05-0907.srt",
    type: "application/x-subrip; charset=utf-8",
    text: "1\n00:00:01,000 --> 00:00:02,000\nسلام دنیا.\n\n2\n00:00:02,000 --> 00:00:03,000\nand then\n",
  });
  assert.deepEqual(await transcript.download("vtt", NOW), {
    name: "niyosha-2026-01-05-0907.vtt",
    type: "text/vtt; charset=utf-8",
    text: "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nسلام دنیا.\n\n00:00:02.000 --> 00:00:03.000\nand then\n",
  });
});

test("JSON is as the server answers a transcription", async () => {
  const { name, type, text } = await transcriptOf(final(1, "Yes.", 1)).download("json", NOW);
  assert.deepEqual([name, type], ["niyosha-2026-01-05-0907.json", "application/json; charset=utf-8"]);
  assert.deepEqual(JSON.parse(text), {
    duration: 1.5,
    status: "done",
    results: [
      {
        transcript: "Yes.",
        confidence: 0.9,
        words: [{ startTime: 1, endTime: 1.5, word: "Yes.", confidence: 0.8 }],
      },
    ],
  });
  assert.match(text, /^\{\n {2}"duration": 1\.5,\n/);
});

test("files of an empty transcript are empty", async () => {
  const transcript = new Transcript();
  assert.equal((await transcript.download("txt", NOW)).text, "");
  assert.equal((await transcript.download("srt", NOW)).text, "");
  assert.equal((await transcript.download("vtt", NOW)).text, "WEBVTT\n");
  assert.deepEqual(JSON.parse((await transcript.download("json", NOW)).text), { duration: 0, status: "done", results: [] });
});

/** @param {number} number @param {string} transcript @param {number} [at] @param {boolean} [isFinal] */
const spokenAt = (number, transcript, at = 0, isFinal = true) => ({
  number, isFinal, transcript, confidence: 0.5,
  words: [{ word: transcript, startTime: at + 0.1, endTime: at + 1, confidence: 0.5 }],
});

test("a transcript that was kept comes back with its recordings and times", () => {
  const before = new Transcript();
  before.begin();
  before.show(spokenAt(1, "one"));
  const recording = new Recording("talk.wav", { transcriptionId: "id" });
  before.add(recording);
  recording.merge([{ ...spokenAt(0, "read"), channel: 0, startTime: 0, endTime: 1 }]);
  const after = new Transcript();
  after.restore(structuredClone(before.kept));
  assert.equal(after.text, "one\nread");
  assert.deepEqual(after.recordings.map(({ name, transcriptionId }) => [name, transcriptionId]), [["talk.wav", "id"]]);
  after.begin();
  after.show(spokenAt(1, "two"));
  assert.equal(after.text, "one\nread\ntwo");
  assert.ok(after.lines[2].words[0].startTime > after.lines[0].words[0].endTime);
});

test("a transcript without text keeps nothing", () => {
  const transcript = new Transcript();
  transcript.begin();
  assert.deepEqual(transcript.kept, { parts: [] });
});

test("what was cleared comes back above what came since, in one session", () => {
  const transcript = new Transcript();
  transcript.begin();
  transcript.show(spokenAt(1, "one"));
  transcript.show(spokenAt(2, "tw", 2, false));
  const { kept } = transcript;
  transcript.clear();
  transcript.show(spokenAt(2, "two", 2));
  transcript.show(spokenAt(3, "three", 4));
  transcript.restore(kept);
  assert.equal(transcript.text, "one\ntwo\nthree");
  transcript.show(spokenAt(4, "four", 6));
  assert.equal(transcript.lines.at(-1)?.words[0].startTime, 6.1);
});

test("what was cleared comes before later sessions, whose times are moved behind it", () => {
  const transcript = new Transcript();
  transcript.begin();
  transcript.show(spokenAt(1, "one", 9));
  const recording = new Recording("talk.wav");
  transcript.add(recording);
  recording.merge([{ ...spokenAt(0, "read"), channel: 0, startTime: 0, endTime: 1 }]);
  const { kept } = transcript;
  transcript.clear();
  transcript.begin();
  transcript.show(spokenAt(1, "two"));
  transcript.restore(kept);
  assert.equal(transcript.text, "one\nread\ntwo");
  assert.equal(transcript.lines[2].words[0].startTime, 10.1);
});
