// Owns what one tab tells the others of the same browser: the newest lines of what is being said.

const CHANNEL = "niyosha";
const KEPT = 3; // two lines of text never show more than two utterances, and the one that is leaving

/**
 * @typedef {object} Caption the newest state of an utterance, as far as captions need it
 * @property {string} key the same in all states of the utterance, and in no other session or tab
 * @property {string} transcript never empty
 * @property {number} stableWords
 * @property {boolean} isFinal
 *
 * @typedef {Pick<import("../client/timeline.js").Utterance, "number" | "transcript" | "stableWords" | "isFinal">} Utterance
 *
 * @typedef {{ type: "ask" } | { type: "captions", source: string, since: number, captions: Caption[] }} Message
 *   Every message has all that is to be shown, so that whoever begins to listen needs nothing from before. `since` is
 *   when the newest utterance began, in milliseconds.
 */

/** The newest utterances of this tab, told to all others. */
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

  /** Begin another session, which counts its utterances from 1 again. */
  begin() {
    this.#session = unique();
    this.#newest = 0;
  }

  /**
   * Tell the newest state of an utterance; one without text takes it away.
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
    // What is not there is an early one that is settled late, when its lines have left the screen.
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

/** What another tab says; of several, the one that began an utterance last. */
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

/** Not a UUID: browsers make those for secure pages only. */
function unique() {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");
}
