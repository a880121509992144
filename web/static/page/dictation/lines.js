// The text on the page: paragraphs of settled lines, below them the lines that may still change.

import { number, percent, text } from "../language.js";
import { newLine, orient, writeWords } from "../elements.js";
import { continues, mended, styleOf } from "../../client/paragraphs.js";

/**
 * @typedef {import("../../client/transcript.js").Line} Line
 * @typedef {import("../elements.js").WordLine} WordLine
 * @typedef {WordLine & { line?: Line, place?: string }} Shown the element of a line, and what was written into it
 */

// An hour of speech is about a thousand lines; laying all of them out with each word drops frames.
const MOST_LINES = 120;
const DOUBTFUL = 0.4;

/** Shows a transcript; words that stay keep their elements, so that nothing moves. */
export class Lines {
  #settled;
  #open;
  /** By the ids of their lines. @type {Map<number, Shown>} */
  #shown = new Map();
  /** Paragraphs, by the id of their first line. @type {Map<number, HTMLElement>} */
  #paragraphs = new Map();
  /** Id of the first line on the page; lines before it are hidden. @type {number | undefined} */
  #first;
  #hasSpeakers = false;

  /**
   * @param {HTMLElement} settled for lines that no longer change
   * @param {HTMLElement} open for those that may still change
   */
  constructor(settled, open) {
    this.#settled = settled;
    this.#open = open;
  }

  /**
   * Show the newest state of all lines.
   * @param {Line[]} lines in the order of speech, all with text
   * @param {boolean} [isTrimmed] whether the oldest may leave the page, if there are too many
   * @returns {number} how many settled lines are hidden before the first
   */
  show(lines, isTrimmed = true) {
    const done = lines.filter(({ isOpen }) => !isOpen);
    let hidden = Math.max(0, done.findIndex(({ id }) => id === this.#first));
    if (isTrimmed) hidden = Math.max(hidden, done.length - MOST_LINES);
    return this.#render(lines, done, hidden);
  }

  /**
   * Show hidden lines again.
   * @param {Line[]} lines
   * @param {number} count how many
   * @returns {number} how many are still hidden
   */
  showEarlier(lines, count) {
    const done = lines.filter(({ isOpen }) => !isOpen);
    const hidden = Math.max(0, done.findIndex(({ id }) => id === this.#first));
    return this.#render(lines, done, Math.max(0, hidden - count));
  }

  /**
   * The texts of a paragraph's lines after the user has written in it.
   * @param {HTMLElement} paragraph
   * @returns {{ id: number, transcript: string }[]}
   */
  readEdits(paragraph) {
    /** @type {{ id: number, transcript: string }[]} */
    const edits = [];
    let stray = "";
    for (const node of paragraph.childNodes) {
      const shown = this.#shownBy(node);
      if (!shown?.line) {
        stray += node.textContent;
        if (edits.length > 0) edits[edits.length - 1].transcript += stray;
        if (edits.length > 0) stray = "";
        continue;
      }
      edits.push({ id: shown.line.id, transcript: stray + node.textContent });
      stray = "";
    }
    // A paragraph of which all was removed, or written anew, keeps its text in its first line.
    const ids = this.#idsOf(paragraph);
    const gone = ids.filter((id) => !edits.some((edit) => edit.id === id)).map((id) => ({ id, transcript: "" }));
    if (edits.length === 0 && gone.length > 0) gone[0].transcript = stray;
    // Browsers write spaces at an end as ones that do not break.
    return [...edits, ...gone].map(({ id, transcript }) => ({ id, transcript: transcript.replaceAll("\u00a0", " ").trim() }));
  }

  /**
   * Write lines anew that the user has written in.
   * @param {number[]} ids
   */
  forget(ids) {
    for (const id of ids) this.#shown.delete(id);
    for (const [id, paragraph] of this.#paragraphs) {
      if (this.#idsOf(paragraph).some((one) => ids.includes(one))) this.#paragraphs.delete(id);
    }
  }

  /**
   * The recognized word that an element shows.
   * @param {Node | null} node
   * @returns {import("../../client/live.js").Word | undefined}
   */
  wordAt(node) {
    const word = (node instanceof Element ? node : node?.parentElement)?.closest(".word");
    const shown = word?.parentElement && this.#shownBy(word.parentElement);
    const index = shown ? shown.words.indexOf(/** @type {HTMLElement} */ (word)) : -1;
    return index < 0 ? undefined : shown?.line?.words[index];
  }

  /** @param {Node} node */
  #shownBy(node) {
    return [...this.#shown.values()].find(({ element }) => element === node);
  }

  /** @param {HTMLElement} paragraph */
  #idsOf(paragraph) {
    return (paragraph.dataset.lines ?? "").split(" ").filter(Boolean).map(Number);
  }

  /**
   * @param {Line[]} lines
   * @param {Line[]} done
   * @param {number} hidden
   */
  #render(lines, done, hidden) {
    this.#first = done[hidden]?.id;
    const shown = done.slice(hidden);
    const style = styleOf(done);
    this.#hasSpeakers = lines.some(({ channel = 0 }) => channel > 0);
    const open = lines.filter(({ isOpen }) => isOpen);
    const visible = [...shown, ...open];
    const settled = this.#divide(shown, visible, style);
    const opened = this.#divide(open, visible, style);
    arrange(this.#settled, settled);
    arrange(this.#open, opened);
    const isContinued = open.length > 0 && continues(shown[shown.length - 1], open[0]);
    this.#join(isContinued);
    const kept = new Set(visible.map(({ id }) => id));
    for (const id of this.#shown.keys()) if (!kept.has(id)) this.#shown.delete(id);
    for (const [id, element] of this.#paragraphs) if (!element.isConnected) this.#paragraphs.delete(id);
    this.#keepHeight(open.length > 0);
    return hidden;
  }

  /**
   * Lines that are still open stand where they will be settled: in one paragraph with the last one.
   * @param {boolean} isContinued
   */
  #join(isContinued) {
    const parent = /** @type {HTMLElement} */ (this.#open.parentElement);
    parent.classList.toggle("joined", isContinued);
    const last = this.#settled.lastElementChild;
    // Outside of paragraphs that find their own direction, text has that of what surrounds it.
    if (isContinued && last) parent.dir = getComputedStyle(last).direction;
    else parent.removeAttribute("dir");
  }

  /**
   * @param {Line[]} part settled or open lines
   * @param {Line[]} all lines on the page
   * @param {import("../../client/paragraphs.js").Style} style
   * @returns {HTMLElement[]} paragraphs
   */
  #divide(part, all, style) {
    /** @type {{ paragraph: HTMLElement, lines: HTMLElement[], ids: number[] }[]} */
    const result = [];
    const offset = part.length > 0 ? all.indexOf(part[0]) : 0;
    part.forEach((line, index) => {
      const at = offset + index;
      const isFirst = !continues(all[at - 1], line);
      const isLast = at + 1 >= all.length || !continues(line, all[at + 1]);
      const element = this.#write(line, { isFirst, isLast, style });
      if (isFirst || index === 0) result.push({ paragraph: this.#paragraphOf(line), lines: [], ids: [] });
      const { lines, ids } = result[result.length - 1];
      lines.push(element);
      ids.push(line.id);
    });
    return result.map(({ paragraph, lines, ids }) => {
      arrange(paragraph, lines);
      orient(paragraph, paragraph.textContent);
      paragraph.dataset.lines = ids.join(" ");
      return paragraph;
    });
  }

  /** @param {Line} line the first of its paragraph */
  #paragraphOf({ id, isOpen, channel }) {
    let paragraph = this.#paragraphs.get(id);
    if (!paragraph) {
      paragraph = Object.assign(document.createElement("p"), { dir: "auto" });
      this.#paragraphs.set(id, paragraph);
    }
    // One channel alone is no conversation.
    const speaker = channel === undefined || !this.#hasSpeakers ? "" : text("speaker", { number: number(channel + 1) });
    if ((paragraph.dataset.speaker ?? "") !== speaker) {
      if (speaker) paragraph.dataset.speaker = speaker;
      else delete paragraph.dataset.speaker;
    }
    const editable = isOpen ? "false" : "plaintext-only";
    if (paragraph.getAttribute("contenteditable") !== editable) paragraph.setAttribute("contenteditable", editable);
    return paragraph;
  }

  /**
   * @param {Line} line
   * @param {{ isFirst: boolean, isLast: boolean, style: import("../../client/paragraphs.js").Style }} place
   */
  #write(line, place) {
    let shown = this.#shown.get(line.id);
    if (!shown) {
      shown = newLine("span");
      shown.element.className = "line";
      this.#shown.set(line.id, shown);
    } else if (shown.line && shown.line.isEdited !== line.isEdited) {
      // The user writes in it: the page shows it already.
      shown.line = line;
      return shown.element;
    }
    const texts = mended(line, place);
    const key = `${place.isFirst}${texts.join(" ")}`;
    if (shown.line === line && shown.place === key) return shown.element;
    if (line.isEdited && line.words.length === 0) shown.element.textContent = place.isFirst ? line.transcript : ` ${line.transcript}`;
    else {
      writeWords(shown, texts, line.isFinal ? texts.length : (line.stableWords ?? 0), place.isFirst);
      if (line.isFinal) line.words.forEach((word, index) => describe(/** @type {Shown} */ (shown).words[index], word));
    }
    shown.line = line;
    shown.place = key;
    return shown.element;
  }

  /**
   * Text that gets shorter for a moment must not move the page up and down.
   * @param {boolean} isOpen
   */
  #keepHeight(isOpen) {
    const { style } = this.#open;
    style.minHeight = isOpen ? `${this.#open.offsetHeight}px` : "";
  }
}

/**
 * A word's time and confidence, in words.
 * @param {import("../../client/live.js").Word} word
 */
export function factsOf({ confidence, startTime, endTime }) {
  if (!(endTime > 0)) return "";
  const span = text("seconds", { seconds: `${number(startTime, 1)}–${number(endTime, 1)}` });
  return confidence > 0 ? `${percent(confidence)} · ${span}` : span;
}

/**
 * @param {HTMLElement} word
 * @param {import("../../client/live.js").Word} recognized
 */
function describe(word, recognized) {
  const facts = factsOf(recognized);
  if (word.title !== facts) word.title = facts;
  word.classList.toggle("doubtful", recognized.confidence > 0 && recognized.confidence < DOUBTFUL);
}

/**
 * Put exactly these elements into a parent, in this order; those that are there already are not touched.
 * @param {HTMLElement} parent
 * @param {HTMLElement[]} elements
 */
function arrange(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(/** @type {HTMLElement} */ (child))) child.remove();
  elements.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
}
