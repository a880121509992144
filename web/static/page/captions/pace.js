// The pace of captions: text comes no faster than it can be read; what is too fast waits, and nothing is dropped.

/** @typedef {import("../broadcast.js").Caption} Caption */

// The upper bound of guidelines for subtitles of adults; ordinary speech has 12 to 15.
export const CHARACTERS_PER_SECOND = 20;

/** Reveals captions word by word where they come faster than they can be read. */
export class Pace {
  #roomCharacters;
  #freeCharacters;
  #at = 0;
  /** Captions that are not all revealed, and those of the source. @type {Caption[]} */
  #captions = [];
  /** How many characters of each were revealed. @type {Map<string, number>} */
  #revealed = new Map();

  /** @param {number} roomCharacters that are on the screen at once, and may come at once */
  constructor(roomCharacters) {
    this.#roomCharacters = this.#freeCharacters = roomCharacters;
  }

  /**
   * Take what the source shows now; what has left it before it was revealed comes first.
   * @param {Caption[]} captions in the order of speech; none removes all
   */
  take(captions) {
    const keys = new Set(captions.map(({ key }) => key));
    const isKnown = this.#captions.some(({ key }) => keys.has(key));
    const [first] = captions;
    const before = this.#captions.findIndex(({ key }) => key === first?.key);
    const late = isKnown ? this.#captions.slice(0, Math.max(0, before)).filter((one) => this.#isLate(one)) : [];
    this.#captions = [...late, ...captions];
    const known = new Set(this.#captions.map(({ key }) => key));
    for (const key of this.#revealed.keys()) if (!known.has(key)) this.#revealed.delete(key);
  }

  /**
   * What can be shown by now, and after how long there may be more.
   * @param {number} now in milliseconds
   * @returns {{ captions: Caption[], waitMs: number | undefined }} without a wait all is shown
   */
  reveal(now) {
    const earned = ((now - this.#at) * CHARACTERS_PER_SECOND) / 1000;
    this.#freeCharacters = Math.min(this.#roomCharacters, this.#freeCharacters + Math.max(0, earned));
    this.#at = now;
    /** @type {Caption[]} */
    const shown = [];
    for (const caption of this.#captions) {
      const text = this.#readable(caption);
      this.#revealed.set(caption.key, Math.max(text.length, this.#revealed.get(caption.key) ?? 0));
      const isWhole = text.length >= caption.transcript.length;
      if (text !== "") shown.push(isWhole ? caption : { ...caption, transcript: text, isFinal: false });
      if (isWhole) continue;
      const [word] = caption.transcript.slice(text.length).trimStart().split(" ");
      const missing = Math.min(word.length + 1, this.#roomCharacters) - this.#freeCharacters;
      return { captions: shown, waitMs: Math.max(20, (1000 * missing) / CHARACTERS_PER_SECOND) };
    }
    return { captions: shown, waitMs: undefined };
  }

  /** @param {Caption} caption */
  #isLate({ key, transcript }) {
    return (this.#revealed.get(key) ?? 0) < transcript.length;
  }

  /**
   * The words of a caption that may be shown; what was revealed before is free, also if it is worded anew.
   * @param {Caption} caption
   */
  #readable({ key, transcript }) {
    const free = this.#revealed.get(key) ?? 0;
    let end = 0;
    for (const { 0: word, index } of transcript.matchAll(/\s*\S+/g)) {
      const next = index + word.length;
      const cost = Math.min(next - Math.max(end, Math.min(free, next)), this.#roomCharacters);
      if (cost > this.#freeCharacters) break;
      this.#freeCharacters -= Math.max(0, cost);
      end = next;
    }
    return transcript.slice(0, end);
  }
}
