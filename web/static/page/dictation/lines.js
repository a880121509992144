// The text on the page: settled lines, below them the ones that may still change.

import { number, percent } from "../language.js";
import { newLine, writeWords } from "../elements.js";

/**
 * @typedef {import("../../client/live.js").Result & { isFinal: boolean, stableWords?: number }} Line
 * @typedef {import("../elements.js").WordLine} WordLine
 */

// An hour of speech is about a thousand lines; laying all of them out with each word drops frames.
const MOST_LINES = 120;

/** Adds, changes, settles and removes lines without moving what is around them. */
export class Lines {
  #settled;
  #open;
  /** Lines that may still change, by the number of their utterance. @type {Map<number, WordLine>} */
  #changing = new Map();

  /**
   * @param {HTMLElement} settled for lines that no longer change
   * @param {HTMLElement} open for those that may still change
   */
  constructor(settled, open) {
    this.#settled = settled;
    this.#open = open;
  }

  /** How many settled lines are on the page. */
  get count() {
    return this.#settled.childElementCount;
  }

  /**
   * Show the newest state of an utterance.
   * @param {number} utterance its number
   * @param {Line} line
   */
  show(utterance, line) {
    const shown = this.#changing.get(utterance) ?? this.#begin(utterance);
    write(shown, line);
    if (line.isFinal) this.#settle(utterance, shown);
    this.#keepHeight();
  }

  /** Keep the open lines, as grey as they are, when nothing will settle them. */
  giveUp() {
    for (const [utterance, shown] of this.#changing) this.#settle(utterance, shown);
    this.#keepHeight();
  }

  /**
   * Change settled lines, where a recording settles out of order.
   * @param {import("../../client/recording.js").Edit[]} edits
   * @param {number} first index of the recording's first line on the page; negative if it is not shown
   */
  edit(edits, first) {
    for (const { at, line } of edits) {
      const index = first + at;
      if (index < 0) {
        first += line ? -1 : 1;
      } else if (line) {
        const shown = newLine();
        write(shown, line);
        this.#settled.insertBefore(shown.element, this.#settled.children[index] ?? null);
      } else {
        this.#settled.children[index].remove();
      }
    }
  }

  /**
   * Show only these lines, the last of them if there are too many.
   * @param {Line[]} lines
   */
  reset(lines) {
    this.#settled.replaceChildren();
    this.prepend(lines.slice(-MOST_LINES));
  }

  /**
   * Show lines from before the first one again.
   * @param {Line[]} lines
   */
  prepend(lines) {
    this.#settled.prepend(
      ...lines.map((line) => {
        const shown = newLine();
        write(shown, line);
        return shown.element;
      }),
    );
  }

  /** Remove the oldest lines of a page that shows too many. */
  trim() {
    while (this.count > MOST_LINES) this.#settled.firstElementChild?.remove();
  }

  clear() {
    this.#changing.clear();
    this.#settled.replaceChildren();
    this.#open.replaceChildren();
    this.#keepHeight();
  }

  /** @param {number} utterance */
  #begin(utterance) {
    const shown = newLine();
    const later = [...this.#changing.keys()].filter((other) => other > utterance);
    const next = later.length > 0 ? this.#changing.get(Math.min(...later))?.element : null;
    this.#open.insertBefore(shown.element, next ?? null);
    this.#changing.set(utterance, shown);
    return shown;
  }

  /**
   * @param {number} utterance
   * @param {WordLine} shown
   */
  #settle(utterance, { element, words }) {
    this.#changing.delete(utterance);
    // An utterance may turn out to have no words; it leaves no empty line.
    if (words.length > 0) this.#settled.append(element);
    else element.remove();
  }

  /** Text that gets shorter for a moment must not move the page up and down. */
  #keepHeight() {
    const { style } = this.#open;
    style.minHeight = this.#changing.size > 0 ? `${this.#open.offsetHeight}px` : "";
  }
}

/**
 * @param {WordLine} shown
 * @param {Line} line
 */
function write(shown, { isFinal, transcript, words, stableWords = 0 }) {
  const texts = words.length > 0 ? words.map(({ word }) => word) : transcript.split(" ").filter(Boolean);
  writeWords(shown, texts, isFinal ? texts.length : stableWords);
  if (isFinal) words.forEach((word, index) => describe(shown.words[index], word));
}

/**
 * @param {HTMLElement} word
 * @param {import("../../client/live.js").Word} recognized
 */
function describe(word, { confidence, startTime, endTime }) {
  const span = `${number(startTime, 1)}–${number(endTime, 1)} s`;
  word.title = confidence > 0 ? `${percent(confidence)} · ${span}` : span;
  word.classList.toggle("doubtful", confidence > 0 && confidence < 0.4);
}
