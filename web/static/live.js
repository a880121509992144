// Owns the client of the live protocol: one connection, sound out, text in. Needs no page: runs in Node as well.

/**
 * @typedef {{ startTime: number, endTime: number, word: string, confidence: number }} Word
 *   Times are seconds from the first sample of the connection; 0 until the word is settled.
 * @typedef {{ transcript: string, confidence: number, words: Word[] }} Result
 * @typedef {{ transcriptionId: string, duration: number, inferenceTime: number, status: "partial",
 *   partial: number, results: Result[] }} Partial
 *   The state of one utterance, which replaces the state before; see `isSettled`.
 * @typedef {{ transcriptionId: string, duration: number, inferenceTime: number, status: "done",
 *   results: Result[] }} Done
 * @typedef {string | number | boolean} Scalar
 * @typedef {object} LiveOptions
 * @property {Record<string, Scalar | Scalar[]>} [config] keys of the configuration, sent in the query string
 * @property {string} [token] sent as `jwt`
 * @property {(message: Partial) => void} [onPartial]
 * @property {AbortSignal} [signal] gives up opening; of no effect once open
 * @property {number} [openMs] how long the server may take to accept
 * @property {number} [closeMs] how long it may take from `close` to `done`
 * @property {number} [mostUnsentBytes] a connection that falls further behind counts as lost
 * @property {new (url: string) => WebSocket} [WebSocket] for Node before 22, which has none
 */

const EXPLAIN_MS = 5_000;
const ALL_IS_WELL = 426; // what a plain GET of the address answers when only the upgrade is missing

/** A live connection failed; `message` is a sentence for people. */
export class LiveError extends Error {
  /**
   * @param {"unreachable" | "refused" | "failed" | "lost" | "ended"} kind nobody answers; the handshake was
   *   refused; the server sent its error; the connection broke; the server said `done` without being asked
   * @param {string} message
   * @param {{ type?: string, code?: number }} [facts] the protocol's `type`; an HTTP status or a close code
   */
  constructor(kind, message, { type = "", code = 0 } = {}) {
    super(message);
    this.name = "LiveError";
    this.kind = kind;
    this.type = type;
    this.code = code;
  }
}

/**
 * Whether the text of a message will not change any more; only then the words have times.
 * @param {Partial} message
 */
export function isSettled(message) {
  return (message.results[0]?.words.at(-1)?.endTime ?? 0) > 0;
}

/**
 * One connection:
 *
 *     const live = await LiveClient.open("http://127.0.0.1:8000/v1/speech/asrlive", { onPartial });
 *     live.sendAudio(samples);
 *     const done = await live.close();
 */
export class LiveClient {
  #socket;
  #onPartial;
  #closeMs;
  #mostUnsentBytes;
  #opened = /** @type {Deferred<void>} */ (deferred());
  #ended = /** @type {Deferred<Done>} */ (deferred());
  /** @type {Promise<Done> | undefined} */
  #closed;

  /**
   * Connect; rejects with a LiveError, or with the signal's reason.
   * @param {string | URL} address http(s) or ws(s)
   * @param {LiveOptions} [options]
   */
  static async open(address, options = {}) {
    const url = liveUrl(address, options);
    options.signal?.throwIfAborted();
    const WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!WebSocket) throw new TypeError("there is no WebSocket here; give one as an option (Node has it from 22 on)");
    const client = new LiveClient(new WebSocket(url.href), options);
    const giveUp = () => client.#opened.reject(options.signal?.reason);
    options.signal?.addEventListener("abort", giveUp);
    const late = setTimeout(() => client.#opened.reject(unopened()), options.openMs ?? 10_000);
    try {
      await client.#opened.promise;
    } catch (error) {
      client.abandon();
      throw error instanceof LiveError ? await explained(url, error) : error;
    } finally {
      clearTimeout(late);
      options.signal?.removeEventListener("abort", giveUp);
    }
    return client;
  }

  /**
   * Use `open` instead.
   * @param {WebSocket} socket
   * @param {LiveOptions} options
   */
  constructor(socket, { onPartial = () => {}, closeMs = 30_000, mostUnsentBytes = Infinity }) {
    this.#socket = socket;
    this.#onPartial = onPartial;
    this.#closeMs = closeMs;
    this.#mostUnsentBytes = mostUnsentBytes;
    // Whoever waits for the end is told; that nobody waits is no fault.
    this.#ended.promise.catch(() => {});
    socket.addEventListener("open", () => this.#opened.resolve());
    socket.addEventListener("message", (event) => this.#receive(event.data));
    socket.addEventListener("error", () => this.#opened.reject(unopened()));
    socket.addEventListener("close", (event) => {
      this.#opened.reject(unopened());
      const why = event.reason ? ` (${event.reason})` : "";
      this.#fail("lost", `The connection to the server was lost${why}.`, { code: event.code });
    });
  }

  /** Resolves with the server's `done`, asked for or not; rejects with a LiveError. */
  get ended() {
    return this.#ended.promise;
  }

  /**
   * Send 16-bit mono samples at the configured rate, 16 kHz if none is. Whether they arrive, `ended` tells.
   * @param {Int16Array | ArrayBuffer} samples
   */
  sendAudio(samples) {
    // A socket that is no longer open would throw or count the bytes; `ended` has told that already.
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(/** @type {ArrayBuffer | Int16Array<ArrayBuffer>} */ (samples));
    if (this.#socket.bufferedAmount > this.#mostUnsentBytes) {
      this.#fail("lost", "The server takes no more sound; the connection seems to be broken.");
      this.abandon();
    }
  }

  /** Say that no more sound comes, and wait for all text: resolves with `done`, rejects with a LiveError. */
  close() {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close() {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send("close");
    const late = setTimeout(() => {
      this.#fail("lost", "The server did not deliver the end of the text.");
      this.abandon();
    }, this.#closeMs);
    try {
      return await this.#ended.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** Close now, without waiting for what is still to come. */
  abandon() {
    this.#socket.close();
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = parsed(data);
    if (message?.status === "partial") {
      this.#onPartial(message);
    } else if (message?.status === "done") {
      this.#ended.resolve(message);
      this.#socket.close(1000);
    } else if (typeof message?.detail === "string") {
      const { detail, type, code } = message;
      this.#fail("failed", `The server ended the session: ${detail}.`, { type, code });
    } else {
      this.#fail("failed", "The server sent a message that this client does not understand.");
      this.abandon();
    }
  }

  /** @param {ConstructorParameters<typeof LiveError>} error */
  #fail(...error) {
    this.#ended.reject(new LiveError(...error));
  }
}

/**
 * @param {string | URL} address
 * @param {LiveOptions} options
 */
function liveUrl(address, { config = {}, token }) {
  const url = new URL(address);
  url.protocol = url.protocol.replace("http", "ws");
  // Left to guess, the server could take very odd first samples for base64.
  for (const [key, value] of Object.entries({ audioTransfer: "raw", ...config })) {
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(key, String(one));
  }
  if (token !== undefined) url.searchParams.set("jwt", token);
  return url;
}

function unopened() {
  return new LiveError("unreachable", "The server cannot be reached. Is it running?");
}

/**
 * Find out why a connection did not open: a WebSocket hides it, a plain GET of the same address does not.
 * @param {URL} url
 * @param {LiveError} unreachable what to say if the server does not answer that either
 */
async function explained(url, unreachable) {
  const plain = new URL(url);
  plain.protocol = plain.protocol.replace("ws", "http");
  let response, body;
  try {
    response = await fetch(plain, { signal: AbortSignal.timeout(EXPLAIN_MS) });
    body = parsed(await response.text());
  } catch {
    return unreachable;
  }
  const facts = { type: body?.type, code: response.status };
  if (response.status === ALL_IS_WELL) {
    const advice = "Try again; if it stays so, a proxy on the way does not pass WebSockets on.";
    return new LiveError("unreachable", `The server answers, but the connection did not open. ${advice}`, facts);
  }
  const detail = body?.detail ?? `it answered with status ${response.status}`;
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
