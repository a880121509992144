// Past transcriptions: the list grows, a search finds what was said, and what is deleted is gone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Past } from "../../../../web/static/page/dictation/past.js";

const TEXTS = ["Turn on the light.", "مي‌روم به كتابخانه", "Nothing else.", "The lights are ON; turn them off."];

/** A server with parts of two, and what it was asked for. */
function server() {
  /** @type {string[]} */
  const calls = [];
  const rows = TEXTS.map((_, index) => ({
    transcriptionId: String(index), createdAt: "2026-11-30T12:00:00Z", duration: 1, kind: "live", status: "done", error: null,
  }));
  const past = new Past({
    async list(next) {
      const from = Number(next ?? 0);
      return { transcriptions: rows.slice(from, from + 2), next: from + 2 < rows.length ? String(from + 2) : null };
    },
    async text(id) {
      calls.push(`text ${id}`);
      return TEXTS[Number(id)];
    },
    async remove(id) {
      calls.push(`remove ${id}`);
    },
  });
  return { past, calls };
}

/** @param {Past} past */
const ids = (past) => past.rows.map(({ transcriptionId }) => transcriptionId);

test("the list grows part by part", async () => {
  const { past } = server();
  await past.more();
  assert.deepEqual(ids(past), ["0", "1"]);
  assert.equal(past.hasMore, true);
  await past.more();
  assert.deepEqual(ids(past), ["0", "1", "2", "3"]);
  assert.equal(past.hasMore, false);
});

test("each text is fetched once", async () => {
  const { past, calls } = server();
  await past.more();
  await past.more();
  await past.more();
  assert.deepEqual(calls, ["text 0", "text 1", "text 2", "text 3"]);
});

test("a search finds words in any order and spelling", async () => {
  const { past } = server();
  past.search("LIGHT turn");
  while (past.isIncomplete) await past.more();
  assert.deepEqual(ids(past), ["0", "3"]);
  past.search("می‌روم کتابخانه");
  assert.deepEqual(ids(past), ["1"]);
  past.search("piano");
  assert.deepEqual(ids(past), []);
  past.search("");
  assert.equal(ids(past).length, 4);
});

test("what is deleted leaves the list", async () => {
  const { past, calls } = server();
  await past.more();
  await past.remove(past.rows[0]);
  assert.deepEqual(ids(past), ["1"]);
  assert.equal(calls.at(-1), "remove 0");
});

test("beginning again forgets what was known", async () => {
  const { past } = server();
  await past.more();
  past.restart();
  assert.deepEqual(ids(past), []);
  await past.more();
  assert.deepEqual(ids(past), ["0", "1"]);
});
