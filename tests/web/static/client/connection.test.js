// One connection: how it opens, how it ends, and the reasons of failures.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as ws from "ws";

import { Connection } from "../../../../web/static/client/connection.js";
import { LiveError } from "../../../../web/static/client/retry.js";
import { stopTheClock } from "./clock.js";
import { Gateway, sound } from "./gateway.js";

// Nothing that passes comes near the first; nobody waits for the second.
const STUCK_MS = 60_000;
const LONG_MS = 10 * STUCK_MS;

const WebSocket = /** @type {typeof globalThis.WebSocket} */ (/** @type {unknown} */ (ws.WebSocket));

/**
 * @param {import("node:test").TestContext} t
 * @param {import("./gateway.js").Plan[]} plans
 */
async function started(t, ...plans) {
  const gateway = await Gateway.start(...plans);
  t.after(() => gateway.stop());
  return gateway;
}

/**
 * @param {Gateway} gateway
 * @param {Partial<import("../../../../web/static/client/connection.js").ConnectionOptions>} [options]
 */
async function opened(gateway, options) {
  /** @type {any[]} */
  const messages = [];
  const url = new URL(gateway.address.replace("http", "ws"));
  const connection = await Connection.open(url, { WebSocket, onMessage: (one) => messages.push(one), ...options });
  return { connection, messages };
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

/** @param {() => boolean} condition */
async function until(condition) {
  const deadline = performance.now() + STUCK_MS;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `never: ${condition}`);
    await turn();
  }
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("an open connection", { timeout: STUCK_MS }, () => {
  test("passes on what the server tells, up to its end", async (t) => {
    const gateway = await started(t);
    const { connection, messages } = await opened(gateway);
    connection.send(sound("#"));
    connection.send("close");
    const done = await connection.ended;
    assert.equal(done.type, "done");
    assert.equal(messages[0].type, "ready");
    assert.deepEqual(messages.map(({ sequence }) => sequence), messages.map((_, at) => at + 1));
    assert.equal(messages[messages.length - 1].results[0].transcript, "w1");
    assert.ok(connection.isEnded && !connection.isWritable);
  });

  test("sends nothing more and throws nothing once it has ended", async (t) => {
    const { connection } = await opened(await started(t));
    connection.send("close");
    await connection.ended;
    connection.send(sound("#"));
    connection.abandon();
    assert.equal((await connection.ended).type, "done");
  });

  test("that breaks ends with an error", async (t) => {
    const gateway = await started(t, { at: 1_000, then: (session) => session.drop() });
    const { connection } = await opened(gateway);
    connection.send(sound("#"));
    const error = await connection.ended;
    assert.ok(error instanceof LiveError);
    assert.deepEqual([error.kind, error.code], ["lost", 1006]);
  });

  test("that was given up tells nothing more", async (t) => {
    const { connection, messages } = await opened(await started(t));
    await until(() => messages.length > 0);
    connection.send(sound("#"));
    connection.abandon();
    assert.equal((await connection.ended).kind, "lost");
    const { length } = messages;
    for (let turns = 0; turns < 50; turns++) await turn();
    assert.equal(messages.length, length);
  });

  test("ends with the server's error, and with what it is about", async (t) => {
    const gateway = await started(t, { at: 1_000, then: (session) => session.fail("recognizer_failed") });
    const { connection } = await opened(gateway);
    connection.send(sound("#"));
    const { kind, type, code, detail, message } = await connection.ended;
    assert.deepEqual([kind, type, code, detail], ["failed", "recognizer_failed", 500, "recognizer_failed it is"]);
    assert.match(message, /recognizer_failed it is/);
  });

  for (const nonsense of ["no JSON", "null", "[]", '"text"', "{}", '{"type":7}']) {
    test(`cannot be used if the server sends ${nonsense}`, async (t) => {
      const gateway = await started(t, { at: 0, then: (session) => session.sendText(nonsense) });
      const { connection } = await opened(gateway);
      const error = await connection.ended;
      assert.ok(error instanceof LiveError);
      assert.deepEqual([error.kind, error.type], ["failed", ""]);
    });
  }

  test("takes no more while the network is behind, and again later", async (t) => {
    const gateway = await started(t, { at: 0, then: (session) => session.read(false) });
    const { connection } = await opened(gateway);
    const second = sound("####");
    let sent = 0;
    for (; connection.isWritable; sent++) {
      assert.ok(sent < 2_000, "it takes everything");
      connection.send(second);
      await turn();
    }
    gateway.session.read(true);
    await until(() => connection.isWritable);
    await until(() => gateway.session.received === sent * second.length);
    connection.abandon();
  });
});

describe("a connection that does not open", { timeout: STUCK_MS }, () => {
  test("tells why the server refused it", async (t) => {
    const gateway = await started(t, { refuse: { status: 429, type: "rate_limited", retryAfter: 7 } });
    const { kind, type, code, detail, retryAfterMs, message } = await failure(opened(gateway));
    assert.deepEqual([kind, type, code, detail], ["refused", "rate_limited", 429, "rate_limited it is"]);
    assert.equal(retryAfterMs, 7_000);
    assert.match(message, /rate_limited it is/);
  });

  test("tells the status where a proxy refused it in its own words", async (t) => {
    const gateway = await started(t, { refuse: { status: 502, body: "<h1>Bad Gateway</h1>", retryAfter: Number.NaN } });
    const { kind, type, code, detail, retryAfterMs } = await failure(opened(gateway));
    assert.deepEqual([kind, type, code, retryAfterMs], ["refused", "", 502, 0]);
    assert.match(detail, /502/);
  });

  test("suspects a proxy where the server says that all is well", async (t) => {
    const gateway = await started(t, { hang: true });
    const { kind, code, message } = await failure(opened(gateway, { openMs: 100 }));
    assert.deepEqual([kind, code], ["unreachable", 426]);
    assert.match(message, /proxy/);
  });

  test("is not reachable where nobody listens", async (t) => {
    const gateway = await started(t);
    const { address } = gateway;
    await gateway.stop();
    const { kind, message } = await failure(opened(/** @type {any} */ ({ address })));
    assert.equal(kind, "unreachable");
    assert.match(message, /running/);
  });

  test("needs a WebSocket", { skip: "WebSocket" in globalThis }, async (t) => {
    await assert.rejects(opened(await started(t), { WebSocket: undefined }), TypeError);
  });

  for (const reason of [new Error("changed my mind"), new LiveError("lost", "changed my mind")]) {
    test(`is given up at once when the signal says so with ${reason.name}`, { timeout: STUCK_MS }, async (t) => {
      const gateway = await started(t, { hang: true, mute: true });
      const giveUp = new AbortController();
      const opening = assert.rejects(opened(gateway, { signal: giveUp.signal, openMs: LONG_MS }), (error) => error === reason);
      await until(() => gateway.attempts === 1);
      giveUp.abort(reason);
      await opening;
      assert.equal(gateway.questions, 0);
    });
  }

  test("is given up at once while it is being explained", { timeout: STUCK_MS }, async (t) => {
    const gateway = await started(t, { refuse: { status: 401 }, mute: true });
    const giveUp = new AbortController();
    const reason = new Error("changed my mind");
    const opening = assert.rejects(opened(gateway, { signal: giveUp.signal, openMs: LONG_MS }), (error) => error === reason);
    await until(() => gateway.questions === 1);
    giveUp.abort(reason);
    await opening;
  });

  test("is not even tried when the signal is already aborted", async (t) => {
    const gateway = await started(t);
    const reason = new Error("changed my mind");
    await assert.rejects(opened(gateway, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    assert.equal(gateway.attempts, 0);
  });

  test("does not care for the signal once it is open", async (t) => {
    const giveUp = new AbortController();
    const { connection } = await opened(await started(t), { signal: giveUp.signal });
    giveUp.abort();
    connection.send("close");
    assert.equal((await connection.ended).type, "done");
  });
});

describe("in silence", { timeout: STUCK_MS }, () => {
  const ASK = '{"config":{}}';

  /** @param {Gateway} gateway */
  function questions({ session }) {
    return session.texts.filter(([, text]) => text === ASK).length;
  }

  test("a server that lives is asked again and again, and kept", async (t) => {
    const pass = stopTheClock(t);
    const gateway = await started(t);
    const { connection, messages } = await opened(gateway);
    await pass(61);
    assert.ok(!connection.isEnded);
    assert.ok(questions(gateway) >= 9 && questions(gateway) <= 13, `${questions(gateway)} questions`);
    assert.equal(messages.length, 1 + questions(gateway));
    connection.abandon();
  });

  test("a server that talks is not asked", async (t) => {
    const pass = stopTheClock(t);
    const gateway = await started(t);
    const { connection } = await opened(gateway);
    for (let times = 0; times < 15; times++) {
      gateway.session.warn("gap");
      await pass(1);
    }
    assert.equal(questions(gateway), 0);
    connection.abandon();
  });

  test("a broken connection is found", async (t) => {
    const pass = stopTheClock(t);
    const gateway = await started(t);
    const { connection } = await opened(gateway);
    gateway.session.silence();
    await pass(13);
    assert.ok(!connection.isEnded);
    assert.equal(questions(gateway), 1);
    await pass(5);
    assert.ok(connection.isEnded);
    assert.equal((await connection.ended).kind, "lost");
  });

  test("a server that reported a delay is given a minute", async (t) => {
    const pass = stopTheClock(t);
    const gateway = await started(t);
    const { connection } = await opened(gateway);
    gateway.session.warn("slow");
    await pass(1);
    gateway.session.silence();
    await pass(60);
    assert.ok(!connection.isEnded);
    await pass(10);
    assert.ok(connection.isEnded);
  });
});
