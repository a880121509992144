// Files are read one after the other; each can be cancelled, before and while it is read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { FileQueue } from "../../../../web/static/page/dictation/filequeue.js";

/** A queue whose files end when the test says so, and what became of them. */
function queued() {
  /** @type {string[]} */
  const log = [];
  /** @type {Map<string, () => void>} */
  const ends = new Map();
  let changes = 0;
  /** @type {FileQueue<string>} */
  const queue = new FileQueue(
    ({ name, signal }) =>
      new Promise((resolve) => {
        log.push(`read ${name}`);
        signal.addEventListener("abort", () => resolve(void log.push(`stop ${name}`)));
        ends.set(name, () => resolve(void log.push(`end ${name}`)));
      }),
    () => (changes += 1),
  );
  for (const name of ["one", "two", "three"]) queue.add(name, name);
  return { queue, log, ends, names: () => queue.jobs.map(({ name }) => name), changes: () => changes };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

test("files are read one after the other", async () => {
  const { queue, log, ends, names } = queued();
  for (const name of ["one", "two", "three"]) {
    await soon();
    assert.equal(log.at(-1), `read ${name}`);
    assert.equal(names()[0], name);
    ends.get(name)?.();
  }
  await queue.idle;
  assert.deepEqual(names(), []);
});

test("a cancelled file makes room for the next", async () => {
  const { queue, log, names } = queued();
  await soon();
  queue.cancel(queue.jobs[0]);
  await soon();
  assert.deepEqual(log, ["read one", "stop one", "read two"]);
  assert.deepEqual(names(), ["two", "three"]);
});

test("a file that is cancelled while it waits is never read", async () => {
  const { queue, log, ends } = queued();
  await soon();
  queue.cancel(queue.jobs[1]);
  ends.get("one")?.();
  await soon();
  assert.deepEqual(log, ["read one", "end one", "read three"]);
});

test("cancelling all ends the queue", async () => {
  const { queue, log, names } = queued();
  await soon();
  queue.cancelAll();
  await queue.idle;
  assert.deepEqual(log, ["read one", "stop one"]);
  assert.deepEqual(names(), []);
});

test("progress is reported", async () => {
  const { queue, changes } = queued();
  const before = changes();
  queue.progress(queue.jobs[0], 0.5);
  assert.equal(queue.jobs[0].share, 0.5);
  assert.equal(changes(), before + 1);
});
