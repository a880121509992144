// A session: whatever happens to its connections, each word comes once, in order and with its time.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";

import * as ws from "ws";

import { LiveClient, LiveError } from "../../../../web/static/client/live.js";
import { stopTheClock } from "./clock.js";
import { Gateway, sound, spoken } from "./gateway.js";

// Nothing that passes comes near the first; nobody waits for the second.
const STUCK_MS = 60_000;
const LONG_MS = 10 * STUCK_MS;

const WebSocket = /** @type {typeof globalThis.WebSocket} */ (/** @type {unknown} */ (ws.WebSocket));
const QUARTER = 4_000; // samples
const TALK = "..###.##....##."; // three utterances; the second begins where the first one ends
const SECONDS = TALK.length / 4;
const LIMITS = { timeout: STUCK_MS, concurrency: true };

/**
 * @typedef {import("../../../../web/static/client/live.js").LiveOptions} LiveOptions
 * @typedef {import("../../../../web/static/client/timeline.js").LiveEvent} LiveEvent
 * @typedef {import("../../../../web/static/client/timeline.js").Utterance} Utterance
 * @typedef {import("./gateway.js").Plan} Plan
 * @typedef {import("./gateway.js").Session} Session
 * @typedef {{ word: string, startTime: number, endTime: number }} Word
 * @typedef {Awaited<ReturnType<typeof opened>>} Opened
 */

/** So that a test that fails does not leave one to try for minutes. @type {WeakMap<Gateway, LiveClient[]>} */
const clients = new WeakMap();

/**
 * @param {import("node:test").TestContext} t
 * @param {Plan[]} plans
 */
async function started(t, ...plans) {
  const gateway = await Gateway.start(...plans);
  clients.set(gateway, []);
  t.after(async () => {
    for (const live of clients.get(gateway) ?? []) live.abandon();
    await gateway.stop();
  });
  return gateway;
}

/**
 * A session, and all its events.
 * @param {Gateway} gateway
 * @param {LiveOptions} [options]
 */
async function opened(gateway, options) {
  /** @type {LiveEvent[]} */
  const events = [];
  /** @type {string[]} */
  const states = [];
  /** @type {LiveError[]} */
  const losses = [];
  const live = await LiveClient.open(gateway.address, {
    WebSocket,
    closeMs: STUCK_MS,
    onEvent: (event) => events.push(event),
    onState: (state, error) => {
      states.push(state);
      if (error) losses.push(error);
    },
    ...options,
  });
  clients.get(gateway)?.push(live);
  return { gateway, live, events, states, losses };
}

/**
 * @param {import("node:test").TestContext} t
 * @param {Plan[]} plans
 */
async function openedWith(t, ...plans) {
  return opened(await started(t, ...plans));
}

/** Send all of TALK at once, then close. @param {Opened} session */
async function finish({ live }, pattern = TALK) {
  live.sendAudio(sound(pattern));
  return live.close();
}

/**
 * The settled utterances, after a look at the order of everything.
 * @param {LiveEvent[]} events
 */
function finals(events) {
  /** @type {Utterance[]} */
  const settled = [];
  let newest = 0;
  for (const event of events) {
    if (event.kind === "warning") continue;
    assert.ok(event.number <= newest + 1, `${event.number} comes after ${newest}`);
    newest = Math.max(newest, event.number);
    assert.ok(event.number > settled.length, `${event.number} changes after its final`);
    if (event.kind !== "utterance" || !event.isFinal) continue;
    settled.push(event);
    assert.equal(event.number, settled.length);
  }
  return settled;
}

/**
 * Words that were cut in two, as where the server stops in one, count as one if the parts are a whole.
 * @param {Word[]} words
 */
function whole(words) {
  /** @type {(Word & { samples: number })[]} */
  const joined = [];
  for (const { word, startTime, endTime } of words) {
    const [name, samples] = word.split("/");
    const last = joined[joined.length - 1];
    if (last?.word === name && last.samples < QUARTER) {
      last.samples += Number(samples ?? QUARTER);
      last.endTime = endTime;
    } else {
      joined.push({ word: name, startTime, endTime, samples: Number(samples ?? QUARTER) });
    }
  }
  return joined.map(({ samples, word, ...times }) => {
    return { word: samples === QUARTER ? word : `${word}/${samples}`, ...times };
  });
}

/**
 * @param {Word[]} words
 * @param {Word[]} expected
 */
function assertWords(words, expected) {
  assert.deepEqual(words.map(({ word }) => word), expected.map(({ word }) => word));
  words.forEach(({ word, startTime, endTime }, at) => {
    const off = Math.max(Math.abs(startTime - expected[at].startTime), Math.abs(endTime - expected[at].endTime));
    assert.ok(off <= 0.002, `${word} is at ${startTime} to ${endTime}`);
  });
}

/** All was settled as if nothing had happened: utterances, numbers, words and times. @param {Opened} session */
function assertUndisturbed({ events }, pattern = TALK) {
  const settled = finals(events);
  const expected = spoken(pattern);
  assert.deepEqual(settled.map(({ number }) => number), expected.map(({ number }) => number));
  settled.forEach(({ words }, at) => assertWords(words, expected[at].words));
}

/** Each word was settled once, in order and with its times; utterances may be cut. @param {Opened} session */
function assertComplete({ events }, pattern = TALK) {
  assertWords(whole(finals(events).flatMap(({ words }) => words)), spoken(pattern).flatMap(({ words }) => words));
}

/**
 * @param {Promise<unknown>} promise that fails
 * @returns {Promise<LiveError>}
 */
async function failure(promise) {
  const error = await promise.then(() => undefined, (reason) => reason);
  assert.ok(error instanceof LiveError, String(error));
  return error;
}

/** @param {() => unknown} condition */
async function until(condition) {
  const deadline = performance.now() + STUCK_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `never: ${condition}`);
    await pause(2);
  }
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {Session} session */
function drop(session) {
  session.drop();
}

describe("a session without trouble", LIMITS, () => {
  test("hears all words at their times, and tells how it went", async (t) => {
    const session = await openedWith(t);
    const summary = await finish(session);
    assertUndisturbed(session);
    assert.deepEqual(summary, { duration: SECONDS, transcriptionIds: ["session-1"] });
    assert.deepEqual(session.states, ["open", "closing"]);
    assert.equal(session.gateway.attempts, 1);
    assert.deepEqual(await session.live.ended, summary);
  });

  test("delivers text while the audio arrives", async (t) => {
    const session = await openedWith(t);
    for (let at = 0; at < SECONDS * 16_000; at += 1_600) {
      session.live.sendAudio(sound(TALK).subarray(at, at + 1_600));
      await pause(1);
    }
    await until(() => session.events.some((event) => event.kind === "utterance" && event.isFinal));
    const [first] = spoken(TALK);
    const about = session.events.filter((event) => event.kind !== "warning" && event.number === 1);
    assert.deepEqual(about[0], { kind: "speech", number: 1, isSpeaking: true, time: 0.5 });
    assert.ok(about.some((event) => event.kind === "utterance" && event.transcript === "w3 w4" && !event.isFinal));
    assert.equal(session.live.duration, SECONDS);
    await session.live.close();
    assert.equal(finals(session.events)[0].transcript, first.words.map(({ word }) => word).join(" "));
  });

  test("counts samples at the configured rate", async (t) => {
    const session = await opened(await started(t, { at: 9_000, then: drop }), { config: { sampleRateHertz: 8_000 } });
    session.live.sendAudio(sound(TALK, 8_000));
    const { duration } = await session.live.close();
    assert.equal(duration, SECONDS);
    const words = finals(session.events).map((one) => one.words);
    words.forEach((some, at) => assertWords(some, spoken(TALK)[at].words));
    assert.equal(words.length, 3);
  });

  test("may have no audio at all", async (t) => {
    const session = await openedWith(t);
    assert.equal((await session.live.close()).duration, 0);
    assert.deepEqual(session.events, []);
  });

  test("does not listen any more once it is closed", async (t) => {
    const session = await openedWith(t);
    session.live.sendAudio(sound("#"));
    const closed = session.live.close();
    session.live.sendAudio(sound("##"));
    assert.equal((await closed).duration, 0.25);
    assertUndisturbed(session, "#");
  });

  test("may be closed twice", async (t) => {
    const session = await openedWith(t);
    session.live.sendAudio(sound("#"));
    const [once, twice] = await Promise.all([session.live.close(), session.live.close()]);
    assert.deepEqual([once, session.states], [twice, ["open", "closing"]]);
    assert.equal((await session.live.close()).duration, 0.25);
  });

  test("takes 16-bit mono only", async () => {
    /** @type {LiveOptions["config"][]} */
    const configs = [{ audioEncoding: "MP3" }, { channels: 2 }];
    for (const config of configs) {
      await assert.rejects(LiveClient.open("http://127.0.0.1:9", { WebSocket, config }), TypeError);
    }
  });

  test("leaves nothing behind that would keep a program running", async (t) => {
    const gateway = await started(t, { at: 9_000, then: drop });
    const program = `
      import * as ws from ${JSON.stringify(import.meta.resolve("ws"))};
      import { LiveClient } from ${JSON.stringify(new URL("../../../../web/static/client/live.js", import.meta.url))};
      const live = await LiveClient.open("${gateway.address}", { WebSocket: ws.WebSocket });
      live.sendAudio(new Int16Array(16_000).fill(1));
      await live.close();
      console.log("over");`;
    const [error, output] = await new Promise((resolve) => {
      const options = { timeout: STUCK_MS };
      execFile(process.execPath, ["--input-type=module", "--eval", program], options, (...ends) => resolve(ends));
    });
    assert.deepEqual([error, output], [null, "over\n"]);
    assert.equal(gateway.attempts, 2);
  });
});

describe("a lost connection", LIMITS, () => {
  for (const [name, losing] of /** @type {const} */ ([["", 0], [", with the last second on its way", 16_000]])) {
    test(`costs no word wherever it breaks${name}`, async (t) => {
      const gates = [];
      for (let at = 0; at <= SECONDS * 16_000; at += 1_100) gates.push(at);
      await Promise.all(
        gates.map(async (at) => {
          const session = await openedWith(t, { at, losing: losing ? at - losing : undefined, then: drop });
          await finish(session);
          assertUndisturbed(session);
          assert.equal(session.gateway.attempts, 2, `broken at ${at}`);
        }),
      );
    });
  }

  for (const [name, losing] of /** @type {const} */ ([["", 0], [", with the last second on its way", 16_000]])) {
    test(`goes on with the same transcription wherever it breaks${name}`, async (t) => {
      const gates = [];
      for (let at = losing; at <= SECONDS * 16_000; at += 3_300) gates.push(at); // with `ready`, which has the token
      await Promise.all(
        gates.map(async (at) => {
          // The second connection breaks, too, before and after it settled something.
          const broken = { at, losing: losing ? at - losing : undefined, then: drop };
          const gateway = await started(t, broken, { at: at + 5_000, then: drop });
          gateway.isResumable = true;
          const session = await opened(gateway);
          session.live.sendAudio(sound(TALK));
          const { transcriptionIds } = await session.live.close();
          assertUndisturbed(session);
          assert.deepEqual(transcriptionIds, ["session-1"], `broken at ${at}`);
          const resumed = gateway.sessions.slice(1).map(({ url }) => url.searchParams.get("resume"));
          assert.deepEqual(resumed, ["token-1", "token-2"].slice(0, resumed.length));
        }),
      );
    });
  }

  test("goes on behind what could no longer be kept", async (t) => {
    const gateway = await started(t, { at: 2 * QUARTER, then: (session) => session.silence() });
    gateway.isResumable = true;
    const session = await opened(gateway, { keepSeconds: 2 });
    session.live.sendAudio(sound("..##"));
    session.live.sendAudio(sound("...."));
    session.live.sendAudio(sound("..##...."));
    gateway.session.drop();
    await session.live.close();
    assert.equal(gateway.session.url.searchParams.get("settledMs"), "2000");
    const [first] = finals(session.events);
    assert.deepEqual(first.words.map(({ startTime, endTime }) => [startTime, endTime]), [[2.5, 2.75], [2.75, 3]]);
  });

  test("costs no word while somebody speaks on", async (t) => {
    const session = await openedWith(t, { at: 3 * QUARTER + 7, then: drop }, { at: 2 * QUARTER, then: drop });
    const samples = sound(TALK + TALK);
    for (let at = 0; at < samples.length; at += 800) {
      session.live.sendAudio(samples.subarray(at, at + 800));
      await pause(4);
    }
    await session.live.close();
    assertUndisturbed(session, TALK + TALK);
    assert.deepEqual(session.states, ["open", "reconnecting", "open", "reconnecting", "open", "closing"]);
    assert.deepEqual(session.losses.map(({ kind }) => kind), ["lost", "lost"]);
  });

  test("is replaced as often as it takes, even without any progress", async (t) => {
    const session = await openedWith(t, ...[9_100, 8_000, 100].map((at) => ({ at, then: drop })));
    const { transcriptionIds } = await finish(session);
    assertUndisturbed(session);
    assert.deepEqual(transcriptionIds, ["session-1", "session-2", "session-3", "session-4"]);
  });

  test("is replaced before the first partial", async (t) => {
    const session = await openedWith(t, { at: 2 * QUARTER + 10, then: drop });
    await finish(session);
    assertUndisturbed(session);
  });

  test("is replaced after close", async (t) => {
    const session = await openedWith(t, { onClose: drop }, { onClose: drop });
    await finish(session);
    assertUndisturbed(session);
    assert.deepEqual(session.states, ["open", "closing", "reconnecting", "closing", "reconnecting", "closing"]);
  });

  test("is not replaced if all was settled and no more sound comes", async (t) => {
    const session = await openedWith(t, { onClose: (one) => (one.end(), drop(one)) });
    await finish(session);
    assertUndisturbed(session);
    assert.equal(session.gateway.attempts, 1);
  });

  test("has its open utterances replaced under their numbers", async (t) => {
    // The first final is due while the second utterance is spoken: both are open.
    const session = await openedWith(t, { at: 6.5 * QUARTER, then: drop });
    await finish(session);
    assertUndisturbed(session);
    const starts = session.events.flatMap((one) => (one.kind === "speech" && one.isSpeaking ? [one.number] : []));
    assert.deepEqual(starts, [1, 2, 1, 2, 3]);
  });

  test("is replaced by one that is sent no more than it needs", async (t) => {
    // The first utterance is settled by then, and begins no later than its first sample.
    const session = await openedWith(t, { at: 8.5 * QUARTER, then: drop });
    await finish(session);
    assertUndisturbed(session);
    const [first, second] = session.gateway.sessions;
    assert.equal(first.received, 8.5 * QUARTER);
    assert.ok(second.received <= (TALK.length - 6 + 0.5) * QUARTER, `${second.received} samples`);
  });

  for (const type of ["internal", "recognizer_failed"]) {
    test(`costs no word where the server failed with ${type}`, async (t) => {
      const session = await openedWith(t, { at: 3.3 * QUARTER, then: (one) => one.fail(type) });
      await finish(session);
      assertComplete(session);
      assert.equal(session.losses[0].type, type);
    });
  }

  test("costs no word where the server stops", async (t) => {
    const stop = (/** @type {Session} */ session) => session.end(1012, "shutdown");
    const session = await openedWith(t, { at: 3.3 * QUARTER, then: stop }, { at: 4.1 * QUARTER, then: stop });
    await finish(session);
    assertComplete(session);
    assert.deepEqual(session.losses.map(({ kind }) => kind), ["lost", "lost"]);
    assert.ok(session.events.some((event) => event.kind === "utterance" && event.reason === "shutdown"));
  });

  test("costs no word where everything happens at random", async (t) => {
    await Promise.all(Array.from({ length: 80 }, (_, seed) => randomSession(t, seed + 1)));
  });

  /**
   * @param {import("node:test").TestContext} t
   * @param {number} seed
   */
  async function randomSession(t, seed) {
    let state = seed;
    const random = (/** @type {number} */ most) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * most);
    };
    const pattern = Array.from({ length: 10 + random(30) }, () => "#"[random(2)] ?? ".").join("");
    const plans = Array.from({ length: random(4) }, () => {
      const at = random(pattern.length * QUARTER * 1.1);
      const losing = random(2) ? at - random(3 * QUARTER) : undefined;
      const faults = [
        { at, losing, then: drop },
        { at, losing, then: drop },
        { losing, onClose: drop },
        { at, then: (/** @type {Session} */ session) => session.end(1012, "shutdown") },
        { at, then: (/** @type {Session} */ session) => session.fail("internal") },
        { at, then: (/** @type {Session} */ session) => session.warn("limit") },
        { refuse: { status: 503, type: "shutting_down" } },
      ];
      return faults[random(faults.length)];
    });
    // The first connection has to open.
    const session = await openedWith(t, {}, ...plans);
    session.gateway.session.drop();
    const samples = sound(pattern);
    for (let at = 0; at < samples.length; ) {
      const length = 1 + random(2 * QUARTER);
      session.live.sendAudio(samples.subarray(at, at + length));
      at += length;
      await pause(random(40));
    }
    await session.live.close();
    try {
      assertComplete(session, pattern);
      assert.ok(!session.events.some(({ kind }) => kind === "warning"));
    } catch (error) {
      throw new Error(`seed ${seed}, ${pattern}, ${JSON.stringify(plans)}`, { cause: error });
    }
  }
});

describe("the server's longest time", LIMITS, () => {
  const warn = (/** @type {Session} */ session) => session.warn("limit");

  test("is passed over to a new connection without a word about it", async (t) => {
    const cuts = [0, 1.5, 2.2, 4.5, 5.1, 6.5, 8, 11.3].map((quarters) => quarters * QUARTER);
    await Promise.all(
      cuts.map(async (at) => {
        const session = await openedWith(t, { at, then: warn });
        session.live.sendAudio(sound(TALK).subarray(0, 12 * QUARTER));
        await until(() => session.states.length === 2 && session.gateway.sessions[0].isOver);
        session.live.sendAudio(sound(TALK).subarray(12 * QUARTER));
        await session.live.close();
        assertUndisturbed(session);
        assert.deepEqual(session.states, ["open", "open", "closing"]);
        assert.deepEqual(session.losses, []);
      }),
    );
  });

  test("goes on with the old connection until there is a new one", async (t) => {
    const refuse = { status: 503, type: "overloaded", retryAfter: 1 };
    const session = await openedWith(t, { at: 2.5 * QUARTER, then: warn }, { refuse });
    session.live.sendAudio(sound(TALK).subarray(0, 3 * QUARTER));
    await until(() => session.gateway.attempts === 2);
    session.live.sendAudio(sound(TALK).subarray(3 * QUARTER));
    await until(() => session.events.some((event) => event.kind === "utterance" && event.isFinal));
    assert.equal(session.gateway.sessions.length, 1);
    await until(() => session.gateway.sessions.length === 2);
    await session.live.close();
    assertUndisturbed(session);
    assert.ok(!session.states.includes("reconnecting"));
  });

  test("costs no word if it comes before there is a new connection, and is reported", async (t) => {
    const refuse = { status: 503, type: "overloaded", retryAfter: 1 };
    const session = await openedWith(t, { at: 2.5 * QUARTER, then: warn }, { refuse }, { refuse });
    session.live.sendAudio(sound(TALK).subarray(0, 4.5 * QUARTER));
    await until(() => session.gateway.attempts === 2);
    session.gateway.session.end(1000, "limit");
    session.live.sendAudio(sound(TALK).subarray(4.5 * QUARTER));
    await until(() => session.states.length === 3);
    await session.live.close();
    assertComplete(session);
    assert.deepEqual(session.states, ["open", "reconnecting", "open", "closing"]);
  });

  test("that is followed by the end at once costs no word", async (t) => {
    const end = (/** @type {Session} */ session) => (session.warn("limit"), session.end(1000, "limit"));
    const session = await openedWith(t, { at: 3.5 * QUARTER, then: end });
    await finish(session);
    assertComplete(session);
  });

  test("settles the text even where no new connection is allowed", async (t) => {
    const refuse = { status: 401, type: "unauthenticated" };
    const session = await openedWith(t, { at: 2.5 * QUARTER, then: warn }, { refuse });
    session.live.sendAudio(sound("..###."));
    const error = await failure(session.live.ended);
    assert.deepEqual([error.kind, error.type], ["refused", "unauthenticated"]);
    assertUndisturbed(session, "..###.");
  });
});

describe("a handshake", LIMITS, () => {
  for (const type of ["conflict", "not_found", "unauthenticated"]) {
    test(`begins another transcription where the server cannot go on: ${type}`, async (t) => {
      const refuse = { status: 400, type };
      const gateway = await started(t, { at: 3 * QUARTER, then: drop }, { refuse });
      gateway.isResumable = true;
      const session = await opened(gateway);
      session.live.sendAudio(sound(TALK));
      const { transcriptionIds } = await session.live.close();
      assertUndisturbed(session);
      assert.deepEqual(transcriptionIds, ["session-1", "session-2"]);
      assert.deepEqual(gateway.sessions.map(({ url }) => url.searchParams.has("resume")), [false, false]);
    });
  }

  test("that is refused is an error the first time", async (t) => {
    for (const status of [401, 429, 503]) {
      const gateway = await started(t, { refuse: { status, type: "rate_limited", retryAfter: 1 } });
      const { kind, code } = await failure(opened(gateway));
      assert.deepEqual([kind, code, gateway.attempts], ["refused", status, 1]);
    }
  });

  test("that is refused by a full server is retried until there is a place, and the wait is reported", async (t) => {
    const refuse = { status: 503, type: "overloaded", retryAfter: 1 };
    const gateway = await started(t, { refuse }, { refuse }, {});
    /** @type {number[]} */
    const waits = [];
    const { live } = await opened(gateway, { onWait: (error) => waits.push(error.retryAfterMs) });
    assert.deepEqual([waits, gateway.attempts], [[1_000, 1_000], 3]);
    live.abandon();
  });

  test("that waits for a place is given up when its signal says so", async (t) => {
    const refuse = { status: 503, type: "overloaded", retryAfter: 100 };
    const gateway = await started(t, { refuse });
    const stopping = new AbortController();
    const opening = opened(gateway, { signal: stopping.signal, onWait: () => stopping.abort(new Error("stopped")) });
    await assert.rejects(opening, /stopped/);
    assert.equal(gateway.attempts, 1);
  });

  test("that is refused for another reason does not wait for a place", async (t) => {
    const gateway = await started(t, { refuse: { status: 429, type: "rate_limited", retryAfter: 1 } });
    const error = await failure(opened(gateway, { onWait: () => assert.fail("it waited") }));
    assert.equal(error.code, 429);
  });

  for (const [status, type] of /** @type {const} */ ([[429, "rate_limited"], [503, "overloaded"]])) {
    test(`that is refused with ${status} later is tried again when the server says`, async (t) => {
      const session = await openedWith(t, { at: 9_000, then: drop }, { refuse: { status, type, retryAfter: 1 } });
      const closed = finish(session);
      await until(() => session.gateway.attempts === 2);
      const refusedAt = performance.now();
      await until(() => session.gateway.attempts === 3);
      assert.ok(performance.now() - refusedAt > 950);
      await closed;
      assertUndisturbed(session);
    });
  }

  test("that is refused for good later ends the session, which keeps what is settled", async (t) => {
    const refuse = { status: 401, type: "unauthenticated" };
    const session = await openedWith(t, { at: 8.5 * QUARTER, then: drop }, { refuse });
    const { kind, code } = await failure(finish(session));
    assert.deepEqual([kind, code], ["refused", 401]);
    assertUndisturbed(session, "..###.");
    session.live.sendAudio(sound("#"));
    assert.equal((await failure(session.live.ended)).code, 401);
  });

  test("that nobody answers is an error in time", async (t) => {
    const { kind } = await failure(opened(await started(t, { hang: true }), { openMs: 100 }));
    assert.equal(kind, "unreachable");
  });

  test("that nobody answers later is tried again", async (t) => {
    const session = await opened(await started(t, { at: 9_000, then: drop }, { hang: true }), { openMs: 200 });
    await finish(session);
    assertUndisturbed(session);
  });

  test("is given up when the signal says so", async (t) => {
    const giveUp = new AbortController();
    const gateway = await started(t, { hang: true, mute: true });
    const reason = new Error("changed my mind");
    const opening = assert.rejects(opened(gateway, { signal: giveUp.signal }), (error) => error === reason);
    await until(() => gateway.attempts === 1);
    giveUp.abort(reason);
    await opening;
    await assert.rejects(opened(gateway, { signal: giveUp.signal }), (error) => error === reason);
    assert.equal(gateway.attempts, 1);
  });

  test("does not care for the signal once it was answered", async (t) => {
    const giveUp = new AbortController();
    const session = await opened(await started(t, { at: 9_000, then: drop }), { signal: giveUp.signal });
    giveUp.abort();
    await finish(session);
    assertUndisturbed(session);
  });

  test("that fails again and again ends the session when its patience does", async (t) => {
    const refuse = { status: 503, type: "overloaded" };
    const plans = [{ at: 9_000, then: drop }, ...Array(50).fill({ refuse })];
    const session = await opened(await started(t, ...plans), { patienceMs: 3_000 });
    const { kind, type } = await failure(finish(session));
    assert.deepEqual([kind, type], ["refused", "overloaded"]);
    assert.ok(session.gateway.attempts > 2);
  });

  test("that is to be tried again after longer than its patience ends the session at once", async (t) => {
    const refuse = { status: 429, type: "rate_limited", retryAfter: 86_400 };
    const session = await openedWith(t, { at: 9_000, then: drop }, { refuse });
    const { kind, type, retryAfterMs } = await failure(finish(session));
    assert.deepEqual([kind, type, retryAfterMs], ["refused", "rate_limited", 86_400_000]);
    assert.equal(session.gateway.attempts, 2);
  });

  test("that is answered only to fail, again and again, ends the session as well", async (t) => {
    const plans = Array(30).fill({ at: 0, then: (/** @type {Session} */ session) => session.fail("internal") });
    const session = await opened(await started(t, ...plans), { patienceMs: 500 });
    const { kind, type } = await failure(finish(session));
    assert.deepEqual([kind, type], ["failed", "internal"]);
    assert.ok(session.gateway.attempts > 2 && session.gateway.attempts < 8, `${session.gateway.attempts} attempts`);
  });
});

describe("a token", LIMITS, () => {
  test("is asked for before each connection", async (t) => {
    let asked = 0;
    const plans = [{ at: 9_000, then: drop }, { at: 9_000, then: drop }];
    const session = await opened(await started(t, ...plans), { getToken: async () => `token ${++asked}` });
    await finish(session);
    const tokens = session.gateway.sessions.map(({ url }) => url.searchParams.get("jwt"));
    assert.deepEqual(tokens, ["token 1", "token 2", "token 3"]);
  });

  test("that cannot be had is an error the first time", async (t) => {
    const gateway = await started(t);
    const getToken = () => Promise.reject(new Error("no network"));
    const { kind, detail } = await failure(opened(gateway, { getToken }));
    assert.deepEqual([kind, detail, gateway.attempts], ["unreachable", "Error: no network", 0]);
    const expired = new LiveError("refused", "Log in again.", { code: 401 });
    assert.equal(await failure(opened(gateway, { getToken: () => Promise.reject(expired) })), expired);
    const late = await failure(opened(gateway, { getToken: () => new Promise(() => {}), openMs: 50 }));
    assert.equal(late.kind, "unreachable");
  });

  test("that cannot be had later is asked for again", async (t) => {
    let asked = 0;
    const getToken = async () => {
      if (++asked === 2) throw new Error("no network");
      return "token";
    };
    const session = await opened(await started(t, { at: 9_000, then: drop }), { getToken });
    await finish(session);
    assertUndisturbed(session);
    assert.equal(asked, 3);
  });

  test("that is refused for good later ends the session", async (t) => {
    let asked = 0;
    const expired = new LiveError("refused", "Log in again.", { code: 401 });
    const getToken = async () => {
      if (++asked === 2) throw expired;
      return "token";
    };
    const session = await opened(await started(t, { at: 9_000, then: drop }), { getToken });
    assert.equal(await failure(finish(session)), expired);
  });

  test("is not waited for when the session is given up", { timeout: STUCK_MS }, async (t) => {
    const giveUp = new AbortController();
    const gateway = await started(t);
    const getToken = () => new Promise(() => {});
    const options = { getToken, signal: giveUp.signal, openMs: LONG_MS };
    const opening = assert.rejects(opened(gateway, options), { name: "AbortError" });
    await pause(20);
    giveUp.abort();
    await opening;
  });
});

describe("the configuration", LIMITS, () => {
  test("is in the address, but for the phrases, which come before the first sample", async (t) => {
    const list = { phrases: ["one", "two"], vocabulary: "closed" };
    const config = { languageCode: "fa", interimResults: true, models: ["a", "b"], ...list };
    const session = await opened(await started(t, { at: 9_000, then: drop }), { config });
    await finish(session);
    assertUndisturbed(session);
    for (const { url, texts } of session.gateway.sessions) {
      const { searchParams: query } = url;
      assert.deepEqual([query.get("languageCode"), query.get("interimResults")], ["fa", "true"]);
      assert.deepEqual([query.getAll("models"), query.get("phrases"), query.get("vocabulary"), query.get("jwt")], [["a", "b"], null, null, null]);
      assert.deepEqual(texts[0], [0, '{"config":{"phrases":["one","two"],"vocabulary":"closed"}}']);
    }
  });

  test("may change, for this connection and all later ones", async (t) => {
    const session = await opened(await started(t), { config: { languageCode: "fa", models: "a" } });
    session.live.configure({ languageCode: "en", phrases: ["one"] });
    session.live.sendAudio(sound("#"));
    await until(() => session.gateway.session.received === QUARTER);
    const [first] = session.gateway.sessions;
    assert.deepEqual(first.texts, [[0, '{"config":{"languageCode":"en","phrases":["one"]}}']]);
    first.drop();
    await session.live.close();
    const { url, texts } = session.gateway.session;
    assert.deepEqual([url.searchParams.get("languageCode"), url.searchParams.get("models")], ["en", "a"]);
    assert.deepEqual(texts[0], [0, '{"config":{"phrases":["one"]}}']);
  });

  test("may change while a connection is being made", async (t) => {
    /** @type {((token: string) => void)[]} */
    const waiting = [];
    /** @returns {Promise<string>} */
    const getToken = () => new Promise((resolve) => void waiting.push(resolve));
    const opening = opened(await started(t), { getToken, config: { languageCode: "fa" } });
    await until(() => waiting.length === 1);
    waiting[0]("first");
    const session = await opening;
    session.live.sendAudio(sound("#"));
    session.gateway.session.drop();
    await until(() => waiting.length === 2);
    session.live.configure({ languageCode: "en" });
    waiting[1]("second");
    await session.live.close();
    const { url, texts } = session.gateway.session;
    const changed = texts.filter(([at, text]) => at === 0 && JSON.parse(text).config?.languageCode === "en");
    assert.ok(url.searchParams.get("languageCode") === "en" || changed.length === 1);
  });
});

test("more sound at once than can be kept is refused", LIMITS, async (t) => {
  const { live } = await opened(await started(t), { keepSeconds: 1 });
  const message = "samples are 16001; at once they must be at most 16000";
  assert.throws(() => live.sendAudio(new Int16Array(16_001)), { name: "RangeError", message });
  live.sendAudio(new Int16Array(16_000));
  assert.equal((await live.close()).duration, 1);
});

describe("finalize", LIMITS, () => {
  test("settles the text so far", async (t) => {
    const session = await openedWith(t);
    session.live.sendAudio(sound("##"));
    session.live.finalize();
    await until(() => finals(session.events).length === 1);
    session.live.sendAudio(sound("####").subarray(2 * QUARTER));
    await session.live.close();
    assert.deepEqual(finals(session.events).map(({ transcript, reason }) => [transcript, reason]), [
      ["w1 w2", "finalize"],
      ["w3 w4", "close"],
    ]);
  });

  test("settles at its position, even while there was no connection", async (t) => {
    const session = await openedWith(t, { at: 2_000, then: drop });
    session.live.sendAudio(sound("##"));
    session.live.finalize();
    session.live.sendAudio(sound("####").subarray(2 * QUARTER));
    await until(() => session.states.includes("reconnecting"));
    await session.live.close();
    assert.deepEqual(finals(session.events).map(({ transcript, reason }) => [transcript, reason]), [
      ["w1 w2", "finalize"],
      ["w3 w4", "close"],
    ]);
  });

  test("before any sound does no harm", async (t) => {
    const session = await openedWith(t, {});
    session.live.finalize();
    session.live.sendAudio(sound(TALK));
    await session.live.close();
    assertUndisturbed(session);
  });
});

describe("the end", LIMITS, () => {
  test("comes with all text if it is wanted while there is no connection", async (t) => {
    const session = await openedWith(t, { at: 9_000, then: drop });
    session.live.sendAudio(sound(TALK));
    await until(() => session.states.includes("reconnecting"));
    await session.live.close();
    assertUndisturbed(session);
    assert.deepEqual(session.states, ["open", "reconnecting", "closing", "closing"]);
  });

  test("does not take a connection if nothing is unsettled", async (t) => {
    const session = await openedWith(t, { at: 6 * QUARTER, then: (one) => one.end(1000, "idle") });
    session.live.sendAudio(sound("..###."));
    await until(() => finals(session.events).length === 1);
    await pause(400);
    await session.live.close();
    assertUndisturbed(session, "..###.");
    assert.equal(session.gateway.attempts, 1);
    assert.deepEqual(session.states, ["open", "closing"]);
  });

  test("of an idle connection is not reported, and audio makes a new one", async (t) => {
    const session = await openedWith(t, { at: 6 * QUARTER, then: (one) => one.end(1000, "idle") });
    session.live.sendAudio(sound(TALK).subarray(0, 6 * QUARTER));
    await until(() => finals(session.events).length === 1);
    await pause(400);
    assert.equal(session.gateway.attempts, 1);
    session.live.sendAudio(sound(TALK).subarray(6 * QUARTER));
    await session.live.close();
    assertComplete(session);
    assert.equal(session.gateway.attempts, 2);
  });

  test("is an error if the server does not come to it", async (t) => {
    const session = await opened(await started(t, { onClose: () => {} }), { closeMs: 300 });
    session.live.sendAudio(sound("..###.##."));
    await until(() => finals(session.events).length === 1);
    const { kind } = await failure(session.live.close());
    assert.equal(kind, "lost");
    assertWords(finals(session.events)[0].words, spoken("..###.##.")[0].words);
  });

  test("is waited for as long as text comes", async (t) => {
    const onClose = async (/** @type {Session} */ session) => {
      for (let times = 0; times < 4; times++) {
        await pause(1_000);
        session.warn("slow");
      }
      session.end();
    };
    const session = await opened(await started(t, { onClose }), { closeMs: 3_000 });
    await finish(session);
    assertUndisturbed(session);
  });

  test("comes at once if the session is given up, wherever it is", async (t) => {
    /** @type {[string, Plan[], LiveOptions, (session: Opened) => unknown][]} */
    const places = [
      ["open", [], {}, () => {}],
      ["closing", [{ onClose: () => {} }], {}, ({ live }) => void live.close().catch(() => {})],
      [
        "waiting to try again", [{ at: 9_000, then: drop }], {},
        ({ states }) => until(() => states.includes("reconnecting")),
      ],
      [
        "connecting", [{ at: 9_000, then: drop }, { hang: true, mute: true }], {},
        ({ gateway }) => until(() => gateway.attempts === 2),
      ],
      [
        "asking why", [{ at: 9_000, then: drop }, { refuse: { status: 503 }, mute: true }], {},
        ({ gateway }) => until(() => gateway.questions === 1),
      ],
      [
        "without a token", [{ at: 9_000, then: drop }], { getToken: firstOnly() },
        ({ states }) => until(() => states.includes("reconnecting")).then(() => pause(300)),
      ],
      [
        "waiting for sound", [{ at: TALK.length * QUARTER, then: (one) => one.end() }], {},
        ({ events }) => until(() => finals(events).length === 3).then(() => pause(50)),
      ],
    ];
    await Promise.all(
      places.map(async ([name, plans, options, reach]) => {
        const session = await opened(await started(t, ...plans), { ...options, patienceMs: LONG_MS, openMs: LONG_MS });
        session.live.sendAudio(sound(TALK));
        await reach(session);
        const { length } = session.events;
        session.live.abandon();
        assert.equal((await failure(session.live.ended)).kind, "lost");
        await pause(300);
        assert.equal(session.events.length, length, `it goes on while ${name}`);
        await failure(session.live.close());
      }),
    );
  });

  test("comes at once if the session is given up in the callback of the loss", async (t) => {
    const gateway = await started(t, { at: 9_000, then: drop });
    /** @type {Opened | undefined} */
    let session;
    session = await opened(gateway, { onState: (state) => state === "reconnecting" && session?.live.abandon() });
    session.live.sendAudio(sound(TALK));
    await failure(session.live.ended);
    assert.equal(gateway.attempts, 1);
  });

  test("may have a reason", async (t) => {
    const { live } = await openedWith(t);
    const reason = new LiveError("lost", "The window was closed.");
    live.abandon(reason);
    assert.equal(await failure(live.ended), reason);
  });

  test("is reported where the server cannot be understood, or refuses the session", async (t) => {
    const nonsense = await openedWith(t, { at: 9_000, then: (session) => session.sendText("no JSON") });
    assert.equal((await failure(finish(nonsense))).kind, "failed");
    const wrong = await openedWith(t, { at: 9_000, then: (session) => session.fail("invalid_config", 4400) });
    assert.equal((await failure(finish(wrong))).type, "invalid_config");
    assert.deepEqual([nonsense.gateway.attempts, wrong.gateway.attempts], [1, 1]);
  });

  function firstOnly() {
    let asked = 0;
    return () => (asked++ ? new Promise((/** @type {(token: string) => void} */ _) => {}) : Promise.resolve("token"));
  }
});

describe("sound that cannot be kept", LIMITS, () => {
  test("is reported as a gap, and later words have the right times", async (t) => {
    const session = await opened(await started(t, { at: 9_000, then: drop }), { keepSeconds: 1 });
    const samples = sound(TALK);
    session.live.sendAudio(samples.subarray(0, 9_000));
    await until(() => session.states.includes("reconnecting"));
    for (let at = 9_000; at < samples.length; at += 1_000) session.live.sendAudio(samples.subarray(at, at + 1_000));
    await session.live.close();
    const [gap, ...others] = session.events.filter((event) => event.kind === "warning");
    assert.deepEqual([gap.code, others], ["gap", []]);
    // In front of the first utterance all was settled; of what followed, one second is left.
    assert.deepEqual([gap.startTime, gap.endTime], [0.4, SECONDS - 1]);
    const last = finals(session.events);
    assert.deepEqual(last.map(({ number }) => number), [1]);
    assertWords(last[0].words, spoken(TALK)[2].words);
  });

  test("because the server does not read is reported as well", async (t) => {
    const gateway = await started(t, { at: 0, then: (session) => session.read(false) });
    const session = await opened(gateway, { keepSeconds: 20 });
    for (let seconds = 0; seconds < 600; seconds++) session.live.sendAudio(sound("...."));
    session.live.sendAudio(sound("##"));
    await session.live.close();
    const gaps = session.events.filter((event) => event.kind === "warning");
    assert.deepEqual(gaps.map(({ code, startTime }) => [code, startTime]), [["gap", 0]]);
    assert.ok(Number(gaps[0].endTime) > 500, `up to ${gaps[0].endTime}`);
    assertWords(finals(session.events).flatMap(({ words }) => words), [
      { word: "w1", startTime: 600, endTime: 600.25 },
      { word: "w2", startTime: 600.25, endTime: 600.5 },
    ]);
  });

  test("is no worry while the server reads slowly", async (t) => {
    const gateway = await started(t, { at: 16_000, then: (session) => session.read(false) });
    const session = await opened(gateway, { keepSeconds: 1_000 });
    session.live.sendAudio(new Int16Array(150 * 16_000));
    session.live.sendAudio(sound("##"));
    const closed = session.live.close();
    await pause(200);
    assert.deepEqual(gateway.session.texts, []);
    gateway.session.read(true);
    await closed;
    assert.deepEqual(finals(session.events).map(({ transcript }) => transcript), ["w1 w2"]);
    assert.equal(gateway.attempts, 1);
  });
});

// The clock is everybody's: one after the other.
describe("silence", { timeout: STUCK_MS }, () => {
  test("is not kept, so that however long it is nothing is lost", async (t) => {
    const pass = stopTheClock(t);
    const session = await opened(await started(t), { keepSeconds: 8 });
    session.live.sendAudio(sound("##.."));
    for (let seconds = 0; seconds < 30; seconds++) {
      session.live.sendAudio(sound("...."));
      await pass(1);
    }
    session.gateway.session.drop();
    session.live.sendAudio(sound("##"));
    await session.live.close();
    assert.ok(!session.events.some(({ kind }) => kind === "warning"));
    assertWords(finals(session.events)[1].words, [
      { word: "w1", startTime: 31, endTime: 31.25 },
      { word: "w2", startTime: 31.25, endTime: 31.5 },
    ]);
  });

  test("with nothing left to settle is not looked into, so that a paused session may end", async (t) => {
    const pass = stopTheClock(t);
    const session = await openedWith(t);
    session.live.sendAudio(sound("##...."));
    await pass(30);
    const asked = session.gateway.sessions.flatMap(({ texts }) => texts).filter(([, text]) => text.includes("config"));
    assert.deepEqual(asked, []);
    await session.live.close();
    assert.deepEqual(finals(session.events).map(({ transcript }) => transcript), ["w1 w2"]);
  });

  test("of a server that should answer ends its connection, and costs no word", async (t) => {
    const pass = stopTheClock(t);
    const session = await openedWith(t, { at: 6.5 * QUARTER, then: (one) => one.silence() });
    session.live.sendAudio(sound(TALK));
    await pass(20);
    assert.deepEqual(session.states, ["open", "reconnecting"]);
    await session.live.close();
    assertUndisturbed(session);
  });
});
