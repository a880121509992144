// Captions from one tab to the others of the same browser.

const CHANNEL = "niyosha";
const KEPT = 3; // two lines of text show at most two utterances, and one that is leaving

/**
 * @typedef {object} Caption the newest state of an utterance, reduced to what captions show
 * @property {string} key the same in all states of the utterance, and in no other session or tab
 * @property {string} transcript never empty
 * @property {number} stableWords
 * @property {boolean} isFinal
 *
 * @typedef {Pick<import("../client/timeline.js").Utterance, "number" | "transcript" | "stableWords" | "isFinal">} Utterance
 *
 * @typedef {{ type: "ask" } | { type: "captions", source: string, since: number, captions: Caption[] }} Message
 *   Every message has all that is to be shown, so that a new follower needs no earlier ones. `since` is when the newest
 *   utterance began, in milliseconds.
 */

/** Sends the newest utterances of this tab to all others. */
export class Broadcaster {
  #channel = new BroadcastChannel(CHANNEL);
  #source = unique();
  #session = unique();
  #newest = 0;
  #since = 0;
  /** In the order of speech. @type {Caption[]} */
  captions = [];

  constructor() {
    this.#channel.addEventListener("message", ({ data }) => {
      if (data.type === "ask" && this.captions.length > 0) this.#send();
    });
  }

  /** Begin another session, whose utterances count from 1 again. */
  begin() {
    this.#session = unique();
    this.#newest = 0;
  }

  /**
   * Send the newest state of an utterance; one without text removes it.
   * @param {Utterance} utterance
   */
  show({ number, transcript, stableWords, isFinal }) {
    const key = `${this.#session}-${number}`;
    const caption = { key, transcript, stableWords, isFinal };
    if (this.captions.some((shown) => shown.key === key)) {
      this.captions = this.captions.map((shown) => (shown.key === key ? caption : shown));
    } else if (number >= this.#newest) {
      this.captions = [...this.captions, caption];
      this.#newest = number;
      this.#since = Date.now();
    }
    // Any other is an early one that settles late, when its lines have left the screen.
    this.captions = this.captions.filter((shown) => shown.transcript !== "").slice(-KEPT);
    this.#send();
  }

  clear() {
    this.captions = [];
    this.#send();
  }

  #send() {
    const { captions } = this;
    this.#channel.postMessage({ type: "captions", source: this.#source, since: this.#since, captions });
  }
}

/** Receives the captions of another tab; of several, the one that began an utterance last. */
export class Follower {
  #source = "";
  #since = 0;

  /** @param {(captions: Caption[]) => void} onCaptions all that is to be shown, in the order of speech */
  constructor(onCaptions) {
    const channel = new BroadcastChannel(CHANNEL);
    channel.addEventListener("message", (/** @type {MessageEvent<Message>} */ { data }) => {
      if (data.type !== "captions") return;
      if (data.source !== this.#source && data.since <= this.#since) return;
      this.#source = data.source;
      this.#since = data.since;
      onCaptions(data.captions);
    });
    channel.postMessage({ type: "ask" });
  }
}

/** Not `crypto.randomUUID`, which only secure pages have. */
function unique() {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");
}
