// Client of the live protocol: audio in, text out, over as many connections as that takes. Also runs in Node.

import { Link } from "./link.js";
import { Replay } from "./replay.js";
import { LiveError, delayMs, isTransient, isUnresumable } from "./retry.js";
import { sleep } from "./waiting.js";

export { LiveError };

/**
 * @typedef {import("./timeline.js").Word} Word
 * @typedef {import("./timeline.js").Result} Result
 * @typedef {import("./timeline.js").Utterance} Utterance
 * @typedef {import("./timeline.js").LiveEvent} LiveEvent
 * @typedef {string | number | boolean} Scalar
 * @typedef {Record<string, Scalar | Scalar[]>} Config keys of the configuration, as in the protocol
 * @typedef {"open" | "reconnecting" | "closing"} LiveState
 *
 * @typedef {object} LiveOptions
 * @property {Config} [config]
 * @property {() => Promise<string>} [getToken] called before each connection
 * @property {(event: LiveEvent) => void} [onEvent]
 * @property {(state: LiveState, error?: LiveError) => void} [onState] with the reason where a connection was lost
 * @property {(error: LiveError) => void} [onWait] wait for a place on a full server, and call this at each
 *   refusal; without it a full server is an error
 * @property {AbortSignal} [signal] cancels opening; no effect once open
 * @property {number} [openMs] how long the server may take to accept
 * @property {number} [closeMs] how long the end may take after `close` while no text arrives
 * @property {number} [patienceMs] how long to retry a lost connection before it is an error
 * @property {number} [keepSeconds] how much unsettled audio to keep for the next connection
 * @property {typeof WebSocket} [WebSocket] for Node before 22, which has none
 *
 * @typedef {object} Summary
 * @property {number} duration seconds of audio
 * @property {string[]} transcriptionIds under which the server keeps the text: one, and another for each connection
 *   that could not go on with the last
 */

export const RATE_HZ = 16_000; // unless the configuration sets another
const CLOSE_MS = 30_000;
const PATIENCE_MS = 10 * 60_000;
const KEEP_SECONDS = 300;
const PUMP_MS = 50;
const STABLE_MS = 10_000; // the audio did not end a connection that lived this long
const ROUNDING_SECONDS = 0.02; // times on the wire are rounded, and resampling delays; no word is this short

/**
 * Recognize one stream of 16-bit mono samples:
 *
 *     const live = await LiveClient.open("http://127.0.0.1:8000/v1/speech/asrlive", { onEvent });
 *     live.sendAudio(samples);
 *     await live.close();
 *
 * Audio may be sent at any time. A lost connection is replaced by another, which first receives what the server had
 * not settled: no word is lost, none comes twice. It goes on with the same transcription where the server lets it.
 */
export class LiveClient {
  #address;
  #config;
  #options;
  #rate;
  #replay;
  /** @type {Link | undefined} */
  #link;
  /** @type {Promise<Summary> | undefined} */
  #ended;
  #isClosing = false;
  #abandonment = new AbortController();
  #attempt = 0;
  #failingSince = 0;
  #receivedAt = 0;
  #wake = () => {};
  /** Positions of `finalize` before which not everything is settled. @type {number[]} */
  #cuts = [];
  /** @type {string[]} */
  #transcriptionIds = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pumping;

  /**
   * Connect; rejects with a LiveError, or with the signal's reason.
   * @param {string | URL} address http(s) or ws(s), in a page also relative to it
   * @param {LiveOptions} [options]
   */
  static async open(address, options = {}) {
    const client = new LiveClient(address, options);
    const { signal } = options;
    signal?.throwIfAborted();
    const giveUp = () => client.#abandonment.abort(signal?.reason);
    signal?.addEventListener("abort", giveUp);
    try {
      client.#adopt(await client.#connectInTurn());
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
    client.#ended = client.#run();
    // A failure is reported by `ended`, which need not be awaited.
    client.#ended.catch(() => {});
    return client;
  }

  /**
   * Use `open` instead.
   * @param {string | URL} address
   * @param {LiveOptions} options
   */
  constructor(address, options) {
    const { audioEncoding = "LINEAR16", channels = 1, sampleRateHertz = RATE_HZ } = options.config ?? {};
    if (audioEncoding !== "LINEAR16" || Number(channels) !== 1) {
      throw new TypeError(`audioEncoding is ${audioEncoding}, channels ${channels}; it must be LINEAR16 and 1`);
    }
    this.#address = new URL(address, globalThis.location?.href);
    this.#address.protocol = this.#address.protocol.replace("http", "ws");
    this.#config = options.config ?? {};
    this.#options = options;
    this.#rate = Number(sampleRateHertz);
    this.#replay = new Replay((options.keepSeconds ?? KEEP_SECONDS) * this.#rate);
  }

  /** Seconds of audio so far. */
  get duration() {
    return this.#replay.end / this.#rate;
  }

  /** Resolves when all is over; rejects with a LiveError. */
  get ended() {
    return /** @type {Promise<Summary>} */ (this.#ended);
  }

  /**
   * Send samples at the configured rate, 16 kHz if none is; after `close` they are ignored.
   * @param {Int16Array} samples at most `keepSeconds` of them
   */
  sendAudio(samples) {
    if (this.#isClosing) return;
    if (samples.length > this.#replay.most) {
      throw new RangeError(`samples are ${samples.length}; at once they must be at most ${this.#replay.most}`);
    }
    this.#replay.append(samples);
    this.#wake();
    this.#pump();
  }

  /** Settle the text so far now, without waiting for a pause. */
  finalize() {
    this.#cuts.push(this.#replay.end);
    this.#pump();
  }

  /**
   * Change keys of the configuration from the next utterance on, and for all further connections.
   * @param {Config} config
   */
  configure(config) {
    this.#config = { ...this.#config, ...config };
    this.#link?.connection.send(JSON.stringify({ config }));
  }

  /** End the audio and wait for all text; rejects with a LiveError. */
  close() {
    const { closeMs = CLOSE_MS } = this.#options;
    this.#receivedAt = Date.now();
    if (!this.#isClosing) {
      this.#options.onState?.("closing");
      this.#finish();
    }
    const late = new LiveError("lost", "The server did not deliver the end of the text.");
    const watch = setInterval(() => {
      if (Date.now() - this.#receivedAt > closeMs) this.abandon(late);
    }, Math.min(500, closeMs));
    return this.ended.finally(() => clearInterval(watch));
  }

  /** End now, without waiting for further text; `ended` rejects with the reason. */
  abandon(reason = new LiveError("lost", "The session was given up.")) {
    this.#abandonment.abort(reason);
    this.#link?.connection.abandon();
    this.#wake();
  }

  /** @returns {Promise<Summary>} */
  async #run() {
    try {
      for (;;) {
        const link = /** @type {Link} */ (this.#link);
        const end = await Promise.race([link.connection.ended, link.limit]);
        this.#abandonment.signal.throwIfAborted();
        if (end instanceof LiveError && !isTransient(end)) throw end;
        if (link.connection.isEnded) {
          link.timeline.end(end);
          if (!this.#hasUnsettled(link)) await this.#moreSound();
          if (this.#isClosing && !this.#hasUnsettled(link)) break;
        }
        this.#adopt(await this.#reconnect(link, end));
      }
    } finally {
      clearTimeout(this.#pumping);
      this.#isClosing = true;
      this.#link?.connection.abandon();
    }
    return { duration: this.duration, transcriptionIds: this.#transcriptionIds };
  }

  /** @param {Link} link */
  #hasUnsettled({ timeline }) {
    return this.#replay.end - timeline.settled > ROUNDING_SECONDS * this.#rate;
  }

  /** The server ended a silent connection, with nothing left to settle: wait for more audio, or for the end. */
  async #moreSound() {
    if (!this.#isClosing) await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
    this.#abandonment.signal.throwIfAborted();
  }

  /**
   * @param {Link} link which may still be open, if it nears its limit
   * @param {any} end a LiveError, or a `done` that was not requested
   */
  async #reconnect(link, end) {
    /** @type {unknown} */
    let error = end instanceof LiveError ? end : new LiveError("lost", "The server ended the connection.");
    let isReported = false;
    const wasStable = link.connection.hasReceived && Date.now() - link.openedAt > STABLE_MS;
    if (wasStable || link.timeline.settled > link.base) this.#attempt = 0;
    if (this.#attempt === 0) this.#failingSince = Date.now();
    // A server that accepts and then fails is retried no longer than one that does not accept.
    const patienceMs = this.#options.patienceMs ?? PATIENCE_MS;
    while (isTransient(error) && Date.now() - this.#failingSince <= patienceMs) {
      // A used-up daily quota frees again tomorrow; do not wait for that.
      if (error instanceof LiveError && error.retryAfterMs > patienceMs) break;
      if (link.connection.isEnded && !isReported) {
        isReported = true;
        this.#options.onState?.("reconnecting", /** @type {LiveError} */ (error));
      }
      await sleep(delayMs(this.#attempt++, error), this.#abandonment.signal);
      try {
        return await this.#connect();
      } catch (failure) {
        error = failure;
      }
      this.#abandonment.signal.throwIfAborted();
    }
    // An old connection that is still open delivers the text of what it received.
    this.#finish();
    await link.connection.ended;
    throw error;
  }

  /** Connect for the first time; wait for a place if `onWait` is given. */
  async #connectInTurn() {
    const { onWait } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#connect();
      } catch (error) {
        if (!onWait || !(error instanceof LiveError) || error.type !== "overloaded") throw error;
        onWait(error);
        await sleep(delayMs(attempt, error), this.#abandonment.signal);
        this.#abandonment.signal.throwIfAborted();
      }
    }
  }

  /** Connect, and go on with the transcription of a connection that was lost, where the server lets that. */
  async #connect() {
    const last = this.#link;
    if (!last?.resume || !last.connection.isEnded) return this.#open();
    try {
      return await this.#open(last);
    } catch (error) {
      if (!(error instanceof LiveError) || error.kind !== "refused" || !isUnresumable(error)) throw error;
      last.resume = undefined;
      return this.#open();
    }
  }

  /** @param {Link} [resumed] whose transcription goes on */
  async #open(resumed) {
    const config = this.#config;
    const base = Math.max(resumed?.timeline.settled ?? 0, this.#replay.start);
    const origin = resumed?.timeline.origin ?? 0;
    const resumption = resumed?.resume && { token: resumed.resume, settledMs: ((base - origin) * 1000) / this.#rate };
    const link = await Link.open(
      this.#address,
      {
        ...this.#options,
        config,
        rate: this.#rate,
        signal: this.#abandonment.signal,
        onMessage: (link, message) => this.#receive(link, message),
        resumption: resumption || undefined,
      },
      () => {
        if (resumed) return { base, first: resumed.timeline.first, origin };
        const last = this.#link?.timeline;
        return { base: Math.max(last?.settled ?? 0, this.#replay.start), first: last?.first ?? 1 };
      },
    );
    // `configure` was called while the connection opened.
    if (this.#config !== config) link.connection.send(JSON.stringify({ config: this.#config }));
    return link;
  }

  /** @param {Link} link */
  #adopt(link) {
    const old = this.#link;
    this.#link = link;
    old?.connection.abandon();
    this.#receivedAt = Date.now();
    this.#options.onState?.(this.#isClosing ? "closing" : "open");
    if (old && link.base > old.timeline.settled) {
      const startTime = old.timeline.settled / this.#rate;
      const endTime = link.base / this.#rate;
      const detail = "there was no connection for longer than the sound could be kept";
      this.#options.onEvent?.({ kind: "warning", code: "gap", detail, startTime, endTime });
    }
    this.#pump();
  }

  /**
   * @param {Link} link
   * @param {any} message
   */
  #receive(link, message) {
    if (link !== this.#link) return;
    if (!this.#transcriptionIds.includes(message.transcriptionId)) this.#transcriptionIds.push(message.transcriptionId);
    if (message.type === "ready") link.resume = message.resume;
    if (message.type === "warning" && message.code === "limit") return link.nearsLimit();
    const event = link.timeline.read(message);
    this.#replay.settle(link.timeline.settled);
    this.#cuts = this.#cuts.filter((position) => position > link.timeline.settled);
    if (!event) return;
    this.#receivedAt = Date.now();
    this.#options.onEvent?.(event);
  }

  #finish() {
    this.#isClosing = true;
    this.#wake();
    this.#pump();
  }

  /** Send what the connection takes now, and the rest later. */
  #pump() {
    clearTimeout(this.#pumping);
    if (this.#link?.pump(this.#replay, this.#cuts, this.#isClosing)) this.#pumping = setTimeout(() => this.#pump(), PUMP_MS);
  }
}
