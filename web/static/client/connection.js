// Owns one WebSocket of the live protocol in extended mode: opening it, its life, its end, and why it failed.

import { LiveError, retryAfterMsOf } from "./retry.js";

/**
 * @typedef {object} ConnectionOptions
 * @property {(message: any) => void} onMessage gets each message that is neither `done` nor `error`
 * @property {() => boolean} [isOwed] whether the server has something to say, so that its silence is looked into
 * @property {AbortSignal} [signal] gives up opening; of no effect once open
 * @property {number} [openMs] how long the server may take to accept
 * @property {typeof WebSocket} [WebSocket] for Node before 22, which has none
 */

const OPEN_MS = 10_000;
const EXPLAIN_MS = 5_000;
const ALL_IS_WELL = 426; // what a plain GET of the address answers when only the upgrade is missing
// A browser does not tell when a network dies silently. Asked after silence, a server that lives answers at once, one
// that is behind a little later.
const QUIET_MS = 5_000;
const ANSWER_MS = 10_000;
const SLOW_ANSWER_MS = 60_000;
const LOOK_MS = 1_000;
const ASK = '{"config":{}}';
const BACKLOG_BYTES = 128 * 1024; // more than this waits better where another connection can have it

/** A connection that is open, from `open` until `ended`. */
export class Connection {
  #socket;
  #onMessage;
  #opened = /** @type {Deferred<void>} */ (deferred());
  #ended = /** @type {Deferred<any>} */ (deferred());
  #isEnded = false;
  #isAnswered = false;
  #isSlow = false;
  #isOwed;
  #buffered = 0;
  #heardAt = Date.now();
  /** @type {number | undefined} */
  #askedAt;
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
    const late = setTimeout(() => connection.#opened.reject(unopened()), openMs);
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
      this.#watch = setInterval(() => this.#look(), LOOK_MS);
      this.#opened.resolve();
    });
    socket.addEventListener("message", (event) => this.#receive(event.data));
    socket.addEventListener("error", () => this.#opened.reject(unopened()));
    socket.addEventListener("close", ({ code, reason }) => {
      this.#opened.reject(unopened());
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

  /** Whether the server has said anything yet. */
  get isAnswered() {
    return this.#isAnswered;
  }

  /** Whether it takes more now; a network that is slower than the sound makes it say no for a while. */
  get isWritable() {
    return !this.#isEnded && this.#socket.readyState === 1 && this.#socket.bufferedAmount < BACKLOG_BYTES;
  }

  /** @param {string | Int16Array} data */
  send(data) {
    if (this.#socket.readyState === 1) this.#socket.send(/** @type {string | Int16Array<ArrayBuffer>} */ (data));
  }

  /** Close now, without waiting for what is still to come. */
  abandon() {
    this.#end(new LiveError("lost", "The connection was given up."));
    this.#socket.close();
  }

  /** @param {unknown} data */
  #receive(data) {
    if (this.#isEnded) return;
    this.#heardAt = Date.now();
    this.#askedAt = undefined;
    this.#isAnswered = true;
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

  /** Ask a server that is silent although it owes an answer, and give up on one that does not answer. */
  #look() {
    const now = Date.now();
    const { bufferedAmount } = this.#socket;
    // On a slow way the question still waits behind sound that moves.
    if (this.#askedAt !== undefined && bufferedAmount > 0 && bufferedAmount !== this.#buffered) this.#askedAt = now;
    this.#buffered = bufferedAmount;
    if (this.#askedAt !== undefined) {
      if (now - this.#askedAt < (this.#isSlow ? SLOW_ANSWER_MS : ANSWER_MS)) return;
      this.#end(new LiveError("lost", "The server does not answer any more; the connection seems to be broken."));
      this.#socket.close();
    } else if (this.#isOwed() && now - this.#heardAt >= QUIET_MS) {
      this.#askedAt = now;
      this.send(ASK);
    }
  }

  /** @param {unknown} end the first one counts */
  #end(end) {
    this.#isEnded = true;
    clearInterval(this.#watch);
    this.#ended.resolve(end);
  }
}

function unopened() {
  return new LiveError("unreachable", "The server cannot be reached. Is it running?");
}

/**
 * Find out why a connection did not open: a WebSocket hides it, a plain GET of the same address does not.
 * @param {URL} url
 * @param {LiveError} unreachable what to say if the server does not answer that either
 * @param {AbortSignal} [signal] cuts it short
 */
async function explained(url, unreachable, signal) {
  const plain = new URL(url);
  plain.protocol = plain.protocol.replace("ws", "http");
  let response, body;
  try {
    const late = AbortSignal.timeout(EXPLAIN_MS);
    response = await fetch(plain, { signal: signal ? AbortSignal.any([signal, late]) : late });
    body = parsed(await response.text());
  } catch {
    return unreachable;
  }
  const retryAfterMs = retryAfterMsOf(response);
  const detail = body?.detail ?? `it answered with status ${response.status}`;
  const facts = { type: body?.type, code: response.status, detail, retryAfterMs };
  if (response.status === ALL_IS_WELL) {
    const advice = "Try again; if it stays so, a proxy on the way does not pass WebSockets on.";
    return new LiveError("unreachable", `The server answers, but the connection did not open. ${advice}`, facts);
  }
  return new LiveError("refused", `The server refused the connection: ${detail}.`, facts);
}

/**
 * @param {unknown} text
 * @returns {any} null for what is no JSON
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

/** A promise with its two ends outside, as `Promise.withResolvers` will give where Node 20 is gone. */
function deferred() {
  /** @type {any} */
  const ends = {};
  ends.promise = new Promise((resolve, reject) => Object.assign(ends, { resolve, reject }));
  return ends;
}
