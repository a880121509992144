// Roll-up captions: rows that fill before they scroll, gain contrast as they settle, and fade in silence.

import { newLine, writeWords } from "../elements.js";

/**
 * @typedef {import("../broadcast.js").Caption} Caption
 * @typedef {import("../elements.js").WordLine} Line the element of one utterance
 */

const ROLL_MS = 220;
// So many utterances of one word fill four rows.
const MOST_LINES = 60;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Shows the end of its text in a box of the height of its style; the text before is clipped. Utterances of one direction
 * flow on in a run, so that each row is filled.
 */
export class RollUp {
  #box;
  #text;
  #clearMs;
  /** By the key of their utterance, in the order of speech. @type {Map<string, Line>} */
  #lines = new Map();
  /** Faded transcripts by key; they return only if their utterance gets more text. */
  #faded = new Map();
  /** Keys of utterances that have rolled out, and may still be sent. @type {Set<string>} */
  #out = new Set();
  /** The rows of the text, and the newest utterance when they were counted. */
  #rows = { key: "", count: 0 };
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
    // Rows of another width begin anew.
    addEventListener("resize", () => this.#relayout());
  }

  /** @param {number} clearMs */
  set clearMs(clearMs) {
    this.#clearMs = clearMs;
  }

  /**
   * Show these utterances; earlier ones stay until they have rolled out.
   * @param {Caption[]} captions
   */
  show(captions) {
    const sent = new Set(captions.map(({ key }) => key));
    for (const key of this.#out) if (!sent.has(key)) this.#out.delete(key);
    const shown = captions.filter(({ key, transcript }) => !this.#out.has(key) && this.#faded.get(key) !== transcript);
    const isFaded = this.#box.classList.contains("faded");
    if (isFaded && shown.length === 0 && captions.length > 0) return;
    if (isFaded) this.#remove([...this.#lines.keys()]);
    this.#box.classList.remove("faded");

    const newest = [...this.#lines.values()].at(-1)?.element;
    const before = newest && this.#fromBottom(newest);
    this.#remove(this.#gone(shown.map(({ key }) => key)));
    for (const caption of shown) this.#write(caption);
    this.#keepRows();
    if (before && newest.isConnected) this.#roll(this.#fromBottom(newest) - before);
    this.#dropRolledOut();

    clearTimeout(this.#fading);
    if (this.#clearMs > 0) this.#fading = setTimeout(() => this.#fade(captions), this.#clearMs);
  }

  /**
   * The keys of lines that were taken back, or are another speaker's.
   * @param {string[]} shown
   */
  #gone(shown) {
    const keys = [...this.#lines.keys()];
    const first = keys.findIndex((key) => shown.includes(key));
    return first < 0 ? keys : keys.slice(first).filter((key) => !shown.includes(key));
  }

  /** @param {Caption[]} captions */
  #fade(captions) {
    this.#faded = new Map(captions.map(({ key, transcript }) => [key, transcript]));
    this.#box.classList.add("faded");
  }

  /** @param {string[]} keys */
  #remove(keys) {
    for (const key of keys) {
      const run = this.#lines.get(key)?.element.parentElement;
      this.#lines.get(key)?.element.remove();
      this.#lines.delete(key);
      if (run?.childElementCount === 0) run.remove();
    }
    if (keys.length > 0) this.#rows.count = 0;
  }

  /** @param {Caption} caption */
  #write({ key, transcript, stableWords, isFinal }) {
    const line = this.#lines.get(key) ?? this.#begin(key);
    const texts = transcript.split(" ");
    writeWords(line, texts, isFinal ? texts.length : stableWords, false);
    this.#join(line.element);
  }

  /** @param {string} key */
  #begin(key) {
    const line = newLine();
    this.#text.append(line.element);
    this.#lines.set(key, line);
    return line;
  }

  /**
   * Put a new line into the run of the ones before it, or into one of its own if it is written the other way.
   * @param {HTMLElement} element
   */
  #join(element) {
    if (element.parentElement !== this.#text) return;
    const { direction } = getComputedStyle(element);
    const last = /** @type {HTMLElement | null} */ (element.previousElementSibling);
    if (last?.dir === direction) last.append(element);
    else {
      const run = Object.assign(document.createElement("div"), { className: "run", dir: direction });
      element.replaceWith(run);
      run.append(element);
    }
  }

  /** The newest utterance keeps a row that it loses by a word: it needs it again in a moment. */
  #keepRows() {
    const rowPx = parseFloat(getComputedStyle(this.#box).lineHeight);
    const key = [...this.#lines.keys()].at(-1) ?? "";
    this.#text.style.minHeight = "";
    const rows = Math.round(this.#text.offsetHeight / rowPx);
    const isSame = key === this.#rows.key;
    const count = isSame ? Math.max(rows, Math.min(this.#rows.count, rows + 1)) : rows;
    this.#rows = { key, count };
    this.#text.style.minHeight = `${count * rowPx}px`;
  }

  /** Remove the utterances that are above the box; the others keep their places, as if these were still there. */
  #dropRolledOut() {
    const { top } = this.#box.getBoundingClientRect();
    const rowPx = parseFloat(getComputedStyle(this.#box).lineHeight);
    const keys = [...this.#lines.keys()];
    for (const key of keys.slice(0, -1)) {
      const { element } = /** @type {Line} */ (this.#lines.get(key));
      const isOut = element.getBoundingClientRect().bottom < top - rowPx / 2;
      if (!isOut && this.#lines.size <= MOST_LINES) return;
      this.#out.add(key);
      this.#indent(element);
      const { count } = this.#rows;
      const height = this.#text.offsetHeight;
      this.#remove([key]);
      this.#text.style.minHeight = "";
      this.#rows.count = Math.max(1, count - Math.round((height - this.#text.offsetHeight) / rowPx));
      this.#text.style.minHeight = `${this.#rows.count * rowPx}px`;
    }
  }

  /**
   * Indent the first row of a run by what an utterance takes of the row in which the next one begins.
   * @param {HTMLElement} element the first of its run, which will be removed
   */
  #indent(element) {
    const run = /** @type {HTMLElement} */ (element.parentElement);
    const next = element.nextElementSibling?.firstElementChild;
    if (!next) return;
    const words = [...element.children].flatMap((word) => [...word.getClientRects()]);
    const place = next.getClientRects()[0];
    const inRow = words.filter(({ top }) => Math.abs(top - place.top) < place.height / 2);
    const isFirstRow = words.length === inRow.length;
    const kept = isFirstRow ? parseFloat(run.style.textIndent) || 0 : 0;
    const widthPx = inRow.length === 0 ? 0 : Math.max(...inRow.map(({ right }) => right)) - Math.min(...inRow.map(({ left }) => left));
    run.style.textIndent = `${kept + widthPx}px`;
  }

  #relayout() {
    for (const run of this.#text.children) /** @type {HTMLElement} */ (run).style.textIndent = "";
    this.#rows.count = 0;
    this.#keepRows();
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
