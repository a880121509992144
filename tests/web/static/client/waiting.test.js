// Tests web/static/client/waiting.js: waiting that can be cut short.

import assert from "node:assert/strict";
import { test } from "node:test";

import { sleep, within } from "../../../../web/static/client/waiting.js";

const LONG_MS = 60_000;

/** @param {Promise<unknown>} promise */
async function quick(promise) {
  const began = performance.now();
  await promise;
  return performance.now() - began < LONG_MS / 2;
}

test("sleep is cut short, also by a signal that was given before", { timeout: 60_000 }, async () => {
  assert.ok(await quick(sleep(LONG_MS, AbortSignal.abort())));
  const late = new AbortController();
  setTimeout(() => late.abort());
  assert.ok(await quick(sleep(LONG_MS, late.signal)));
});

test("what comes in time is passed on, and what does not is the error", async () => {
  const late = new Error("late");
  assert.equal(await within(LONG_MS, Promise.resolve(1), late), 1);
  await assert.rejects(within(1, new Promise(() => {}), late), late);
  await assert.rejects(within(LONG_MS, Promise.reject(new Error("other")), late), { message: "other" });
});

test("a wait that is given up rejects with the reason", { timeout: 60_000 }, async () => {
  const giving = new AbortController();
  setTimeout(() => giving.abort(new Error("given up")));
  await assert.rejects(within(LONG_MS, new Promise(() => {}), new Error("late"), giving.signal), { message: "given up" });
});
