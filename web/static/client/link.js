// A connection and its place in the audio: where it began, and how far it was sent.

import { Connection } from "./connection.js";
import { LiveError } from "./retry.js";
import { Timeline } from "./timeline.js";
import { within } from "./waiting.js";

const OPEN_MS = 10_000;
// A server does not settle the end of a silence, in case speech begins: the longest pre-roll and its onset.
const HELD_SECONDS = 1.2;

/**
 * @typedef {import("./live.js").Config} Config
 * @typedef {import("./replay.js").Replay} Replay
 *
 * @typedef {object} LinkOptions
 * @property {Config} config
 * @property {number} rate samples a second
 * @property {AbortSignal} signal
 * @property {() => Promise<string>} [getToken]
 * @property {number} [openMs]
 * @property {typeof WebSocket} [WebSocket]
 * @property {(link: Link, message: any) => void} onMessage
 * @property {Resumption} [resumption]
 *
 * @typedef {object} Resumption the transcription of an earlier connection, which goes on
 * @property {string} token from its last `ready`
 * @property {number} settledMs on the server's clock, from which samples are sent
 */

/** Sends a Replay's samples from `base` on, and reads what comes back on the client's clock. */
export class Link {
  /** Samples before this position were sent. */
  #sent;
  /** The last `finalize` was sent at this position. */
  #cut;
  #rate;
  #isCloseSent = false;
  #reachLimit = () => {};
  /** Token with which another connection goes on, if the server gave one. @type {string | undefined} */
  resume;

  /**
   * Connect; rejects with a LiveError, or with the signal's reason.
   * @param {URL} address ws or wss
   * @param {LinkOptions} options
   * @param {() => { base: number, first: number, origin?: number }} place called once the connection is open: the
   *   position of its first sample, the number of its first utterance, and where the server's clock began
   */
  static async open(address, options, place) {
    const { config, rate, signal, getToken, openMs = OPEN_MS, WebSocket, onMessage, resumption } = options;
    signal.throwIfAborted();
    const late = new LiveError("unreachable", "No token came in time.");
    const token = getToken && (await within(openMs, tokenOf(getToken), late, signal));
    // Phrases may be longer than an address can be, and a closed vocabulary is refused without them.
    const { phrases, vocabulary, ...rest } = config;
    const list = JSON.stringify({ config: { phrases, vocabulary } });
    /** @type {Link | undefined} */
    let link;
    const connection = await Connection.open(withQuery(address, rest, token, resumption), {
      signal,
      openMs,
      WebSocket,
      isOwed: () => link?.isOwed ?? true,
      // Outside browsers the first message may arrive before `open` has returned.
      onMessage: (message) => (link ? onMessage(link, message) : setTimeout(() => link && onMessage(link, message))),
    });
    if (list !== '{"config":{}}') connection.send(list);
    link = new Link(connection, { rate, ...place() });
    return link;
  }

  /**
   * Use `open` instead.
   * @param {Connection} connection
   * @param {{ base: number, rate: number, first: number, origin?: number }} place
   */
  constructor(connection, place) {
    this.connection = connection;
    this.#rate = place.rate;
    this.base = this.#sent = this.#cut = place.base;
    this.timeline = new Timeline(place);
    this.openedAt = Date.now();
    const reached = new LiveError("lost", "The connection reached its longest time.");
    /** Resolves when the server will soon end the connection for its length. @type {Promise<LiveError>} */
    this.limit = new Promise((resolve) => (this.#reachLimit = () => resolve(reached)));
  }

  /** Whether the server has more to settle than the end of a silence; a silent session may end by itself. */
  get isOwed() {
    return this.timeline.isOpen || this.#sent - this.timeline.settled > HELD_SECONDS * this.#rate;
  }

  /** The server announced the end of the longest connection. */
  nearsLimit() {
    this.#reachLimit();
  }

  /**
   * Send what the connection takes now, and `close` after the last sample.
   * @param {Replay} replay
   * @param {number[]} cuts positions, rising, at which to send `finalize`
   * @param {boolean} isLast whether no more audio follows
   * @returns {boolean} whether there is more to send
   */
  pump(replay, cuts, isLast) {
    if (this.connection.isEnded) return false;
    if (this.#sent < replay.start) {
      // The connection was so slow that unsent audio was dropped: the times of what follows would be wrong.
      this.connection.abandon();
      return false;
    }
    for (;;) {
      const cut = cuts.find((position) => position > this.#cut) ?? Infinity;
      if (cut <= this.#sent) {
        this.#cut = cut;
        this.connection.send('{"type":"finalize"}');
        continue;
      }
      if (this.#sent === replay.end || !this.connection.isWritable) break;
      const samples = replay.read(this.#sent).subarray(0, cut - this.#sent);
      this.connection.send(samples);
      this.#sent += samples.length;
    }
    if (this.#sent < replay.end) return true;
    if (isLast && !this.#isCloseSent) {
      this.#isCloseSent = true;
      this.connection.send("close");
    }
    return false;
  }
}

/**
 * @param {() => Promise<string>} getToken
 * @returns {Promise<string>}
 */
async function tokenOf(getToken) {
  try {
    return await getToken();
  } catch (error) {
    if (error instanceof LiveError) throw error;
    throw new LiveError("unreachable", "No token could be had. Is the server running?", { detail: String(error) });
  }
}

/**
 * @param {URL} address
 * @param {Config} config
 * @param {string | undefined} token
 * @param {Resumption | undefined} resumption
 */
function withQuery(address, config, token, resumption) {
  const url = new URL(address);
  // Without `audioTransfer` the server could take very odd first samples for base64.
  for (const [key, value] of Object.entries({ audioTransfer: "raw", ...config, extended: true })) {
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(key, String(one));
  }
  if (resumption) {
    url.searchParams.set("resume", resumption.token);
    url.searchParams.set("settledMs", String(resumption.settledMs));
  }
  if (token) url.searchParams.set("jwt", token);
  return url;
}
