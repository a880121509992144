// Captions between tabs: the newest lines, late followers, several speakers.

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

/** @type {BroadcastChannel[]} */
const channels = [];
// A channel that is open keeps Node alive, and would receive messages of the next test.
globalThis.BroadcastChannel = class extends BroadcastChannel {
  /** @param {string} name */
  constructor(name) {
    super(name);
    channels.push(this);
  }
};
const { Broadcaster, Follower } = await import("../../../../web/static/page/broadcast.js");

const close = () => channels.splice(0).forEach((channel) => channel.close());
beforeEach(close);
after(close);

/**
 * @param {number} number
 * @param {string} transcript
 * @param {boolean} [isFinal]
 */
const utterance = (number, transcript, isFinal = false) => ({ number, transcript, isFinal, stableWords: 0 });

/** @param {import("../../../../web/static/page/broadcast.js").Broadcaster} broadcaster */
const texts = ({ captions }) => captions.map(({ transcript }) => transcript);

test("the newest three utterances are kept, in their newest state", () => {
  const broadcaster = new Broadcaster();
  for (const number of [1, 2, 3, 4]) broadcaster.show(utterance(number, `say ${number}`));
  broadcaster.show(utterance(3, "said 3", true));
  assert.deepEqual(texts(broadcaster), ["say 2", "said 3", "say 4"]);
});

test("what has left does not come back when it is settled late", () => {
  const broadcaster = new Broadcaster();
  for (const number of [1, 2, 3, 4]) broadcaster.show(utterance(number, `say ${number}`));
  broadcaster.show(utterance(1, "said 1", true));
  assert.deepEqual(texts(broadcaster), ["say 2", "say 3", "say 4"]);
});

test("an utterance that was none leaves no line, and takes no other line's place", () => {
  const broadcaster = new Broadcaster();
  broadcaster.show(utterance(1, "say 1", true));
  for (const number of [2, 3, 4, 5]) {
    broadcaster.show(utterance(number, "uh"));
    broadcaster.show(utterance(number, "", true));
  }
  assert.deepEqual(texts(broadcaster), ["say 1"]);
});

test("a text that is taken back for a moment comes again", () => {
  const broadcaster = new Broadcaster();
  for (const text of ["uh", "", "a boat"]) broadcaster.show(utterance(1, text));
  assert.deepEqual(texts(broadcaster), ["a boat"]);
});

test("another session counts from 1 again, below the lines of the one before", () => {
  const broadcaster = new Broadcaster();
  broadcaster.show(utterance(1, "first", true));
  broadcaster.begin();
  broadcaster.show(utterance(1, "second"));
  assert.deepEqual(texts(broadcaster), ["first", "second"]);
  assert.equal(new Set(broadcaster.captions.map(({ key }) => key)).size, 2);
});

test("a tab that says nothing does not answer for one that does", async () => {
  const [speaking, silent] = [new Broadcaster(), new Broadcaster()];
  speaking.show(utterance(1, "a boat"));
  /** @type {string[][]} */
  const received = [];
  new Follower((captions) => received.push(captions.map(({ transcript }) => transcript)));
  await sleep(50);
  silent.clear();
  await sleep(50);
  assert.deepEqual(received, [["a boat"]]);
  speaking.clear();
  await sleep(50);
  assert.deepEqual(received, [["a boat"], []]);
});
