// A draft is saved soon after a change, once for many, and never while it is being saved.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Autosave } from "../../../../web/static/page/dictation/autosave.js";

const soon = () => new Promise((resolve) => setImmediate(resolve));

/** @param {{ saveMs?: number, failures?: number }} [how] */
function saving({ saveMs = 0, failures = 0 } = {}) {
  mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  let saves = 0;
  const autosave = new Autosave(
    async () => {
      saves += 1;
      now += saveMs;
      if (saves <= failures) throw new Error("no room");
    },
    () => now,
  );
  return { autosave, saves: () => saves };
}

test("many changes are saved once, half a second later", async (t) => {
  t.after(() => mock.timers.reset());
  const { autosave, saves } = saving();
  for (let change = 0; change < 10; change += 1) autosave.changed();
  mock.timers.tick(499);
  assert.equal(saves(), 0);
  assert.equal(autosave.isPending, true);
  mock.timers.tick(1);
  await soon();
  assert.equal(saves(), 1);
  assert.equal(autosave.isPending, false);
});

test("saving takes a twentieth of the time at most", async (t) => {
  t.after(() => mock.timers.reset());
  const { autosave, saves } = saving({ saveMs: 100 });
  autosave.changed();
  await autosave.flush();
  autosave.changed();
  mock.timers.tick(1_999);
  await soon();
  assert.equal(saves(), 1);
  mock.timers.tick(1);
  await soon();
  assert.equal(saves(), 2);
});

test("a flush saves at once, and only what has changed", async (t) => {
  t.after(() => mock.timers.reset());
  const { autosave, saves } = saving();
  await autosave.flush();
  assert.equal(saves(), 0);
  autosave.changed();
  await autosave.flush();
  await autosave.flush();
  assert.equal(saves(), 1);
});

test("a change while saving is saved afterwards", async (t) => {
  t.after(() => mock.timers.reset());
  const { autosave, saves } = saving();
  autosave.changed();
  const flushed = autosave.flush();
  autosave.changed();
  await flushed;
  assert.equal(autosave.isPending, true);
  mock.timers.tick(500);
  await soon();
  assert.equal(saves(), 2);
});

test("what could not be saved is saved with the next change", async (t) => {
  t.after(() => mock.timers.reset());
  const { autosave, saves } = saving({ failures: 1 });
  autosave.changed();
  await autosave.flush();
  assert.equal(autosave.isPending, true);
  autosave.changed();
  mock.timers.tick(500);
  await soon();
  assert.equal(saves(), 2);
  assert.equal(autosave.isPending, false);
});
