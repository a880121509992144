// Patterns: alternatives and slots, written out and found as the server writes them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { MIN_SCORE } from "../../../../web/static/client/matching.js";
import { matchPatterns, variants } from "../../../../web/static/client/patterns.js";

const HOUSE = ["turn {on,off} the {lamp,fan}", "call {digits:7} now", "{letters:5}", "stop"];

/** @param {string} recognized */
function best(recognized) {
  const [found] = matchPatterns(recognized, HOUSE);
  return found && [found.index, found.phrase, found.value];
}

test("alternatives are written out, and may be empty", () => {
  assert.deepEqual(variants("turn {on,off} the {lamp, fan}"), [
    "turn on the lamp", "turn on the fan", "turn off the lamp", "turn off the fan",
  ]);
  assert.deepEqual(variants("{please,} stop"), ["please stop", "stop"]);
  assert.deepEqual(variants("{a,b,a}"), ["a", "b"]);
  assert.deepEqual(variants("no braces"), ["no braces"]);
});

test("a slot stays in its place", () => {
  assert.deepEqual(variants("call { digits:07 } {now,}"), ["call {digits:7} now", "call {digits:7}"]);
});

test("braces that the server refuses mean nothing here, too", () => {
  for (const pattern of [
    "{", "}", "a } b {", "{on}", "{}", "{a,{b,c}}", "{digits:0}", "{digits:21}", "{words:3}", "{digits:x}",
    "{digits:3} and {letters:2}",
  ]) {
    assert.equal(variants(pattern), undefined, pattern);
  }
});

test("a list that is too long is not written out without end", () => {
  assert.ok((variants("{a,b,c,d,e,f,g,h,i,j}".repeat(20))?.length ?? 0) <= 501);
});

test("a pattern is found by what was spoken of it", () => {
  assert.deepEqual(best("Turn off the fan."), [0, "turn off the fan", ""]);
  assert.deepEqual(best("stop"), [3, "stop", ""]);
  assert.equal(best("turn up the fan"), undefined);
});

test("digits are found as they are written", () => {
  for (const spoken of ["call 5550123 now", "Call 555-0123 now.", "call 5 5 5 0 1 2 3 now"]) {
    assert.deepEqual(best(spoken), [1, "call 5550123 now", "5550123"], spoken);
  }
  assert.equal(best("call 55501234 now"), undefined);
  assert.equal(best("call 555012 now"), undefined);
});

test("a spelled word is found in capitals and letter by letter, and not in other words", () => {
  for (const spoken of ["VVAES", "V-V-A-E-S", "v v a e s"]) assert.deepEqual(best(spoken), [2, "VVAES", "VVAES"], spoken);
  assert.equal(best("hello"), undefined);
  assert.equal(best("VVAE"), undefined);
});

test("the confidence of the recognizer is the score, to be acted on from the documented one", () => {
  const [sure] = matchPatterns([{ transcript: "turn on the lamp", confidence: 0.8 }], HOUSE);
  const [unsure] = matchPatterns([{ transcript: "turn on the lamp", confidence: 0.2 }], HOUSE);
  assert.ok(sure.score >= MIN_SCORE && unsure.score < MIN_SCORE);
});

test("a match says which words of the utterance it is", () => {
  const found = matchPatterns("please turn on the lamp and stop", HOUSE);
  assert.deepEqual(found.map(({ index, from, to }) => [index, from, to]), [[0, 1, 5], [3, 6, 7]]);
});
