// The lines of a caption channel: unsettled ones become settled, corrected or hidden ones, in the order of speech.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Lines } from "../../../../web/static/client/channel.js";
import { captionsOf } from "../../../../web/static/page/captions/channel.js";

/**
 * @param {number} number
 * @param {string} text
 * @param {{ startMs?: number, hidden?: boolean }} [changed]
 */
function line(number, text, { startMs = number * 1000, hidden = false } = {}) {
  return { line: number, startMs, endMs: startMs + 500, text, speaker: "", hidden };
}

test("an unsettled line is replaced by its settled text", () => {
  const lines = new Lines();
  lines.take("partial", line(1, "hel"));
  lines.take("partial", line(1, "hello"));
  assert.deepEqual([lines.open.get(1)?.text, lines.settled.size], ["hello", 0]);
  lines.take("final", line(1, "Hello."));
  assert.deepEqual([lines.open.size, lines.settled.get(1)?.text], [0, "Hello."]);
});

test("a hidden line is gone, whether it was settled or not", () => {
  const lines = new Lines();
  lines.take("final", line(1, "a"));
  lines.take("partial", line(2, "b"));
  lines.take("correction", line(1, "", { hidden: true }));
  lines.take("correction", line(2, "", { hidden: true }));
  assert.deepEqual([lines.open.size, lines.settled.size], [0, 0]);
});

test("a corrected line stays in its place", () => {
  const lines = new Lines();
  lines.take("final", line(1, "a"));
  lines.take("final", line(2, "b"));
  lines.take("correction", line(1, "A"));
  assert.equal(lines.settled.get(1)?.text, "A");
  assert.equal(lines.following(line(1, "A"))?.line, 2);
});

test("lines are in the order of speech, and of their numbers where that is the same", () => {
  const lines = new Lines();
  for (const one of [line(3, "c", { startMs: 100 }), line(2, "b", { startMs: 100 }), line(1, "a", { startMs: 900 })]) {
    lines.take("final", one);
  }
  assert.equal(lines.following(line(2, "b", { startMs: 100 }))?.line, 3);
  assert.equal(lines.following(line(3, "c", { startMs: 100 }))?.line, 1);
  assert.equal(lines.following(line(1, "a", { startMs: 900 })), null);
});

test("a new connection drops what is not settled", () => {
  const lines = new Lines();
  lines.take("partial", line(1, "a"));
  lines.take("final", line(2, "b"));
  lines.reconnect();
  assert.deepEqual([lines.open.size, lines.settled.size], [0, 1]);
});

test("the newest lines are captions, and a speaker is named where another one begins", () => {
  const lines = new Lines();
  for (const number of [1, 2, 3, 4, 5]) {
    lines.take(number === 5 ? "partial" : "final", { ...line(number, `text ${number}`), speaker: number < 4 ? "Ann" : "Bob" });
  }
  assert.deepEqual(captionsOf(lines).map(({ key, transcript, isFinal }) => [key, transcript, isFinal]), [
    ["line-3", "text 3", true],
    ["line-4", "Bob: text 4", true],
    ["line-5", "text 5", false],
  ]);
  lines.take("correction", line(4, "", { hidden: true }));
  assert.deepEqual(captionsOf(lines).map(({ transcript }) => transcript), ["text 2", "text 3", "Bob: text 5"]);
});
