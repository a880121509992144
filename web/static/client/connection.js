// One WebSocket of the live protocol in extended mode: handshake, liveness, end, and the reason of a failure.

import { LiveError, retryAfterMsOf, unreachable } from "./retry.js";

/**
 * @typedef {object} ConnectionOptions
 * @property {(message: any) => void} onMessage receives each message but `done` and `error`
 * @property {() => boolean} [isOwed] whether the server owes a message, so that its silence is checked
 * @property {AbortSignal} [signal] cancels opening; no effect once open
 * @property {number} [openMs] how long the server may take to accept
 * @property {typeof WebSocket} [WebSocket] for Node before 22, which has none
 */

const OPEN_MS = 10_000;
const EXPLAIN_MS = 5_000;
const UPGRADE_REQUIRED = 426; // the answer to a plain GET when only the upgrade is missing
// Browsers do not report a network that dies silently. After a silence a probe is sent: a live server answers at once,
// a slow one a little later.
const QUIET_MS = 5_000;
const ANSWER_MS = 10_000;
const SLOW_ANSWER_MS = 60_000;
const CHECK_MS = 1_000;
const PROBE = '{"config":{}}';
const BACKLOG_BYTES = 128 * 1024; // hold more than this back, where another connection can send it

/** A connection that is open, from `open` until `ended`. */
export class Connection {
  #socket;
  #onMessage;
  #opened = /** @type {Deferred<void>} */ (deferred());
  #ended = /** @type {Deferred<any>} */ (deferred());
  #isEnded = false;
  #hasReceived = false;
  #isSlow = false;
  #isOwed;
  #buffered = 0;
  #receivedAt = Date.now();
  /** @type {number | undefined} */
  #probedAt;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;

  /**
   * Connect; rejects with a LiveError, or with the signal's reason.
   * @param {URL} url ws or wss, with the whole query
   * @param {ConnectionOptions} options
   */
  static async open(url, options) {
    const { signal, openMs = OPEN_MS, WebSocket = globalThis.WebSocket } = options;
    if (!WebSocket) throw new TypeError("there is no WebSocket here; give one as an option (Node has it from 22 on)");
    signal?.throwIfAborted();
    const connection = new Connection(new WebSocket(url.href), options);
    const giveUp = () => connection.#opened.reject(signal?.reason);
    signal?.addEventListener("abort", giveUp);
    const late = setTimeout(() => connection.#opened.reject(unreachable()), openMs);
    try {
      await connection.#opened.promise;
    } catch (error) {
      connection.abandon();
      signal?.throwIfAborted();
      const explanation = await explained(url, /** @type {LiveError} */ (error), signal);
      signal?.throwIfAborted();
      throw explanation;
    } finally {
      clearTimeout(late);
      signal?.removeEventListener("abort", giveUp);
    }
    return connection;
  }

  /**
   * Use `open` instead.
   * @param {WebSocket} socket
   * @param {ConnectionOptions} options
   */
  constructor(socket, { onMessage, isOwed = () => true }) {
    this.#socket = socket;
    this.#onMessage = onMessage;
    this.#isOwed = isOwed;
    socket.addEventListener("open", () => {
      this.#watch = setInterval(() => this.#checkLiveness(), CHECK_MS);
      this.#opened.resolve();
    });
    socket.addEventListener("message", (event) => this.#receive(event.data));
    socket.addEventListener("error", () => this.#opened.reject(unreachable()));
    socket.addEventListener("close", ({ code, reason }) => {
      this.#opened.reject(unreachable());
      const why = reason ? ` (${reason})` : "";
      this.#end(new LiveError("lost", `The connection to the server was lost${why}.`, { code }));
    });
  }

  /** Resolves with the server's `done`, or with the LiveError that ended the connection. @returns {Promise<any>} */
  get ended() {
    return this.#ended.promise;
  }

  get isEnded() {
    return this.#isEnded;
  }

  /** Whether any message was received. */
  get hasReceived() {
    return this.#hasReceived;
  }

  /** Whether to send more now; false for a while where the network is slower than the audio. */
  get isWritable() {
    return !this.#isEnded && this.#socket.readyState === 1 && this.#socket.bufferedAmount < BACKLOG_BYTES;
  }

  /** @param {string | Int16Array} data */
  send(data) {
    if (this.#socket.readyState === 1) this.#socket.send(/** @type {string | Int16Array<ArrayBuffer>} */ (data));
  }

  /** Close now, without waiting for further messages. */
  abandon() {
    this.#end(new LiveError("lost", "The connection was given up."));
    this.#socket.close();
  }

  /** @param {unknown} data */
  #receive(data) {
    if (this.#isEnded) return;
    this.#receivedAt = Date.now();
    this.#probedAt = undefined;
    this.#hasReceived = true;
    const message = parsed(data);
    if (message?.type === "done") {
      this.#end(message);
      this.#socket.close(1000);
    } else if (message?.type === "error") {
      const { detail, error: type, code } = message;
      this.#end(new LiveError("failed", `The server ended the session: ${detail}.`, { type, code, detail }));
    } else if (typeof message?.type === "string") {
      this.#isSlow = message.type === "warning" && message.code === "slow";
      this.#onMessage(message);
    } else {
      const detail = "it sent a message that this client does not understand";
      this.#end(new LiveError("failed", `The server cannot be used: ${detail}.`, { detail }));
      this.#socket.close();
    }
  }

  /** Probe a server that is silent although it owes a message, and give up on one that does not answer. */
  #checkLiveness() {
    const now = Date.now();
    const { bufferedAmount } = this.#socket;
    // On a slow network the probe still waits behind audio that moves.
    if (this.#probedAt !== undefined && bufferedAmount > 0 && bufferedAmount !== this.#buffered) this.#probedAt = now;
    this.#buffered = bufferedAmount;
    if (this.#probedAt !== undefined) {
      if (now - this.#probedAt < (this.#isSlow ? SLOW_ANSWER_MS : ANSWER_MS)) return;
      this.#end(new LiveError("lost", "The server does not answer any more; the connection seems to be broken."));
      this.#socket.close();
    } else if (this.#isOwed() && now - this.#receivedAt >= QUIET_MS) {
      this.#probedAt = now;
      this.send(PROBE);
    }
  }

  /** @param {unknown} end later ones are ignored */
  #end(end) {
    this.#isEnded = true;
    clearInterval(this.#watch);
    this.#ended.resolve(end);
  }
}

/**
 * Find out why a connection did not open: a WebSocket hides the reason, a plain GET of the same address shows it.
 * @param {URL} url
 * @param {LiveError} otherwise the result if the server does not answer that either
 * @param {AbortSignal} [signal] cancels it
 */
async function explained(url, otherwise, signal) {
  const plain = new URL(url);
  plain.protocol = plain.protocol.replace("ws", "http");
  let response, body;
  try {
    const late = AbortSignal.timeout(EXPLAIN_MS);
    response = await fetch(plain, { signal: signal ? AbortSignal.any([signal, late]) : late });
    body = parsed(await response.text());
  } catch {
    return otherwise;
  }
  const retryAfterMs = retryAfterMsOf(response);
  const detail = body?.detail ?? `it answered with status ${response.status}`;
  const facts = { type: body?.type, code: response.status, detail, retryAfterMs };
  if (response.status === UPGRADE_REQUIRED) {
    const advice = "Try again; if it stays so, a proxy on the way does not pass WebSockets on.";
    return new LiveError("unreachable", `The server answers, but the connection did not open. ${advice}`, facts);
  }
  return new LiveError("refused", `The server refused the connection: ${detail}.`, facts);
}

/**
 * @param {unknown} text
 * @returns {any} null for anything but JSON
 */
function parsed(text) {
  try {
    return JSON.parse(String(text));
  } catch {
    return null;
  }
}

/**
 * @template T
 * @typedef {{ promise: Promise<T>, resolve: (value: T) => void, reject: (reason: unknown) => void }} Deferred
 */

/** A promise with its resolvers; Node 20 has no `Promise.withResolvers`. */
function deferred() {
  /** @type {any} */
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
}
