// What is undone, in which steps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { UndoSteps } from "../../../../web/static/page/dictation/undo.js";

/** @param {number} id @param {string} transcript */
const line = (id, transcript) => ({ id, number: id, isFinal: true, isOpen: false, transcript, confidence: 0, words: [] });

test("what is typed without a pause is one step, back to what was there before it", () => {
  const steps = new UndoSteps();
  steps.edit([line(1, "one")], 0);
  steps.edit([line(1, "one,")], 100);
  steps.edit([line(2, "two")], 1_000);
  const step = steps.pop();
  assert.deepEqual(step?.kind === "edited" && step.lines.map(({ transcript }) => transcript), ["one", "two"]);
  assert.equal(steps.pop(), undefined);
});

test("a pause begins another step", () => {
  const steps = new UndoSteps();
  steps.edit([line(1, "one")], 0);
  steps.edit([line(1, "one!")], 1_500);
  assert.deepEqual([steps.pop()?.kind, steps.pop()?.kind, steps.pop()], ["edited", "edited", undefined]);
});

test("an edit that changed nothing is no step", () => {
  const steps = new UndoSteps();
  steps.edit([], 0);
  assert.equal(steps.pop(), undefined);
});

test("a Clear is offered while it is the newest step", () => {
  const steps = new UndoSteps();
  steps.clear({ parts: [] });
  assert.equal(steps.isCleared, true);
  steps.edit([line(1, "one")], 0);
  assert.equal(steps.isCleared, false);
  steps.pop();
  assert.equal(steps.pop()?.kind, "cleared");
});
