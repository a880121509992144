// Roll-up captions: two lines that scroll line by line, gain contrast as they settle, and fade in silence.

import { newLine, writeWords } from "../elements.js";

/**
 * @typedef {import("../broadcast.js").Caption} Caption
 * @typedef {import("../elements.js").WordLine & { rows: number }} Line the element of one utterance
 */

const ROLL_MS = 220;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Shows the end of its text in a box of the height of its style; the text before is clipped. */
export class RollUp {
  #box;
  #text;
  #clearMs;
  /** By the key of their utterance, in the order of speech. @type {Map<string, Line>} */
  #lines = new Map();
  /** Faded transcripts by key; they return only if their utterance gets more text. */
  #faded = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fading;

  /**
   * @param {HTMLElement} box
   * @param {number} clearMs of silence until the text fades; 0 for never
   */
  constructor(box, clearMs) {
    this.#box = box;
    this.#text = box.appendChild(document.createElement("div"));
    this.#clearMs = clearMs;
    // Wider lines need fewer rows than were kept for them.
    addEventListener("resize", () => this.#keepRows());
  }

  /**
   * Show exactly these utterances.
   * @param {Caption[]} captions
   */
  show(captions) {
    const shown = captions.filter(({ key, transcript }) => this.#faded.get(key) !== transcript);
    const isFaded = this.#box.classList.contains("faded");
    if (isFaded && shown.length === 0 && captions.length > 0) return;
    if (isFaded) this.#remove([...this.#lines.keys()]);
    this.#box.classList.remove("faded");

    const newest = [...this.#lines.values()].at(-1)?.element;
    const before = newest && this.#fromBottom(newest);
    this.#remove([...this.#lines.keys()].filter((key) => !shown.some((caption) => caption.key === key)));
    for (const caption of shown) this.#write(caption);
    this.#keepRows();
    if (before && newest.isConnected) this.#roll(this.#fromBottom(newest) - before);

    clearTimeout(this.#fading);
    if (this.#clearMs > 0) this.#fading = setTimeout(() => this.#fade(captions), this.#clearMs);
  }

  /** @param {Caption[]} captions */
  #fade(captions) {
    this.#faded = new Map(captions.map(({ key, transcript }) => [key, transcript]));
    this.#box.classList.add("faded");
  }

  /** @param {string[]} keys */
  #remove(keys) {
    for (const key of keys) {
      this.#lines.get(key)?.element.remove();
      this.#lines.delete(key);
    }
  }

  /** @param {Caption} caption */
  #write({ key, transcript, stableWords, isFinal }) {
    const line = this.#lines.get(key) ?? this.#begin(key);
    const texts = transcript.split(" ");
    writeWords(line, texts, isFinal ? texts.length : stableWords);
  }

  /** @param {string} key */
  #begin(key) {
    const line = { ...newLine(), rows: 0 };
    this.#text.append(line.element);
    this.#lines.set(key, line);
    return line;
  }

  /** The newest line keeps a row that it loses by a word: it needs it again in a moment. */
  #keepRows() {
    const rowPx = parseFloat(getComputedStyle(this.#box).lineHeight);
    const lines = [...this.#lines.values()];
    for (const line of lines) {
      line.element.style.minHeight = "";
      const rows = Math.round(line.element.offsetHeight / rowPx);
      line.rows = Math.max(rows, Math.min(line.rows, rows + 1));
      if (line === lines.at(-1)) line.element.style.minHeight = `${line.rows * rowPx}px`;
    }
  }

  /** @param {HTMLElement} element */
  #fromBottom(element) {
    return this.#text.offsetHeight - element.offsetTop;
  }

  /** @param {number} px that the text has moved up */
  #roll(px) {
    if (px <= 0 || calm.matches) return;
    const moves = [{ transform: `translateY(${px}px)` }, { transform: "translateY(0)" }];
    // Animations add up, so that a second line neither waits for the first one nor ends it.
    this.#text.animate(moves, { duration: ROLL_MS, easing: "ease-out", composite: "add" });
  }
}
