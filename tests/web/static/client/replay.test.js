// The buffer of unsettled audio: it returns what was put in, within its bound.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Replay } from "../../../../web/static/client/replay.js";

/**
 * Samples that are numbered.
 * @param {number} from
 * @param {number} to
 */
function span(from, to) {
  return Int16Array.from({ length: to - from }, (_, at) => from + at);
}

/**
 * @param {Replay} replay
 * @param {number} from
 */
function rest(replay, from) {
  const samples = [];
  for (let at = from; at < replay.end; ) {
    const chunk = replay.read(at);
    assert.ok(chunk.length > 0, `nothing at ${at}`);
    samples.push(...chunk);
    at += chunk.length;
  }
  return samples;
}

test("a new one holds nothing", () => {
  const replay = new Replay(100);
  assert.deepEqual([replay.start, replay.end, replay.read(0).length], [0, 0, 0]);
});

test("what was added comes back from each position", () => {
  const replay = new Replay(100);
  for (const [from, to] of [[0, 3], [3, 4], [4, 10]]) replay.append(span(from, to));
  for (let at = 0; at <= 10; at++) assert.deepEqual(rest(replay, at), [...span(at, 10)]);
});

test("samples are copied: their owner may use the array again", () => {
  const replay = new Replay(100);
  const samples = span(0, 5);
  replay.append(samples);
  samples.fill(-1);
  assert.deepEqual(rest(replay, 0), [0, 1, 2, 3, 4]);
});

test("adding nothing changes nothing", () => {
  const replay = new Replay(100);
  replay.append(new Int16Array());
  replay.append(span(0, 2));
  replay.append(new Int16Array());
  assert.deepEqual(rest(replay, 0), [0, 1]);
});

test("settled sound is forgotten in whole chunks, so that no unsettled sample goes", () => {
  const replay = new Replay(100);
  for (const [from, to] of [[0, 10], [10, 20], [20, 30]]) replay.append(span(from, to));
  const starts = [0, 9, 10, 19, 20, 29, 30].map((position) => {
    replay.settle(position);
    assert.deepEqual(rest(replay, position), [...span(position, 30)]);
    return replay.start;
  });
  assert.deepEqual(starts, [0, 0, 10, 10, 20, 20, 30]);
  assert.equal(replay.end, 30);
});

test("to settle what is gone, or not there yet, is harmless", () => {
  const replay = new Replay(100);
  replay.append(span(0, 10));
  replay.settle(10);
  replay.settle(3);
  replay.settle(1_000);
  assert.deepEqual([replay.start, replay.end], [10, 10]);
  replay.append(span(10, 12));
  assert.deepEqual(rest(replay, 10), [10, 11]);
});

test("of too much sound the newest is kept", () => {
  const replay = new Replay(25);
  for (let from = 0; from < 100; from += 10) replay.append(span(from, from + 10));
  assert.deepEqual([replay.start, replay.end], [80, 100]);
  assert.deepEqual(rest(replay, 85), [...span(85, 100)]);
});

test("exactly as much as it may is kept", () => {
  const replay = new Replay(20);
  replay.append(span(0, 10));
  replay.append(span(10, 20));
  assert.equal(replay.start, 0);
});

test("much sound at once is kept as well, and read in pieces of a second at most", () => {
  const replay = new Replay(100_000);
  replay.append(span(0, 32_767));
  assert.ok(replay.read(0).length <= 16_000);
  assert.deepEqual(rest(replay, 0), [...span(0, 32_767)]);
});

test("more at once than it may keep leaves the newest", () => {
  const replay = new Replay(20_000);
  replay.append(span(0, 32_767));
  assert.deepEqual([replay.start, replay.end], [16_000, 32_767]);
});
