// A connection's place in the audio: its query, and what it sends.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as ws from "ws";

import { Link } from "../../../../web/static/client/link.js";
import { Replay } from "../../../../web/static/client/replay.js";
import { Gateway, sound } from "./gateway.js";

const WebSocket = /** @type {typeof globalThis.WebSocket} */ (/** @type {unknown} */ (ws.WebSocket));
const TALK = "##..##.";
const PLACE = { base: 0, first: 1 };

/** @typedef {import("../../../../web/static/client/link.js").LinkOptions} LinkOptions */

/**
 * @param {import("node:test").TestContext} t
 * @param {Partial<LinkOptions>} [options]
 * @param {{ place?: typeof PLACE, query?: string, plan?: import("./gateway.js").Plan }} [more]
 */
async function opened(t, options, { place = PLACE, query = "", plan = {} } = {}) {
  const gateway = await Gateway.start(plan);
  t.after(() => gateway.stop());
  /** @type {any[]} */
  const messages = [];
  const { signal } = new AbortController();
  const address = new URL(gateway.address.replace("http", "ws") + query);
  const onMessage = (/** @type {Link} */ _, /** @type {any} */ message) => messages.push(message);
  const all = { WebSocket, signal, config: {}, rate: 16_000, onMessage, ...options };
  const link = await Link.open(address, all, () => place);
  return { gateway, link, messages, session: gateway.session, query: gateway.session.url.searchParams };
}

function talk() {
  const replay = new Replay(1_000_000);
  replay.append(sound(TALK));
  return replay;
}

describe("what a connection is asked for", { timeout: 60_000 }, () => {
  test("is extended mode and raw samples, without a word", async (t) => {
    const { query } = await opened(t);
    assert.deepEqual([...query], [["audioTransfer", "raw"], ["extended", "true"]]);
  });

  test("is what the configuration says, but always extended mode", async (t) => {
    const { query } = await opened(t, { config: { audioTransfer: "auto", extended: false, languageCode: "fa" } });
    assert.deepEqual([...query], [["audioTransfer", "auto"], ["extended", "true"], ["languageCode", "fa"]]);
  });

  test("keeps what the address asks for, and has one token", async (t) => {
    const { query } = await opened(t, { getToken: async () => "new" }, { query: "?tenant=a&jwt=old" });
    assert.deepEqual([query.get("tenant"), query.getAll("jwt")], ["a", ["new"]]);
  });
});

describe("what a connection is sent", { timeout: 60_000 }, () => {
  test("is the sound from its place on, and once that no more comes", async (t) => {
    const place = { base: 3 * 4_000, first: 2 };
    const { link, session, messages } = await opened(t, {}, { place });
    const replay = talk();
    assert.equal(link.pump(replay, [], false), false);
    replay.append(sound("."));
    for (let times = 0; times < 3; times++) assert.equal(link.pump(replay, [], true), false);
    await link.connection.ended;
    assert.equal(session.received, 5 * 4_000);
    assert.deepEqual(session.texts, [[5 * 4_000, "close"]]);
    const final = messages.find(({ type }) => type === "final");
    const { number, words } = /** @type {any} */ (link.timeline.read(final));
    assert.deepEqual([number, words[0].word, words[0].startTime], [2, "w5", 1]);
  });

  test("is nothing any more once it is over", async (t) => {
    const { link, session } = await opened(t, {}, { plan: { at: 0, then: (one) => one.end() } });
    await link.connection.ended;
    assert.equal(link.pump(talk(), [], true), false);
    assert.deepEqual([session.received, session.texts], [0, []]);
  });

  test("never has a hole: if sound is gone unsent, the connection is given up", async (t) => {
    const { link, session } = await opened(t);
    const replay = new Replay(8_000);
    for (let times = 0; times < 5; times++) replay.append(sound("#"));
    assert.equal(link.pump(replay, [], false), false);
    assert.ok(link.connection.isEnded);
    assert.equal(session.received, 0);
  });
});

test("the first message is not missed, however early it comes", { timeout: 60_000 }, async (t) => {
  const { link, messages } = await opened(t, {}, { plan: { at: 0, then: (session) => session.warn("limit") } });
  for (let times = 0; times < 1_000 && messages.length < 2; times++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  link.connection.abandon();
  assert.deepEqual(messages.map(({ type }) => type), ["ready", "warning"]);
});
