// Elements of a page: found by their id, and lines of text with one element for each word.

import { directionOf } from "../client/direction.js";

/**
 * The element with an id that the page has.
 * @param {string} id
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @typedef {{ element: HTMLElement, words: HTMLElement[] }} WordLine */

/**
 * Give an element the direction of a text, which a first word of another language does not change.
 * @param {HTMLElement} element
 * @param {string | null} text what is written in it
 */
export function orient(element, text) {
  const direction = directionOf(text ?? "") ?? "auto";
  if (element.dir !== direction) element.dir = direction;
}

/**
 * A paragraph with the text of a line and the name of its speaker, if it has one; a name of another script changes neither
 * the direction of the text nor the place of the colon.
 * @param {{ text: string, speaker: string }} line
 */
export function spokenLine({ text, speaker }) {
  const paragraph = document.createElement("p");
  orient(paragraph, text);
  if (speaker !== "") {
    const label = document.createElement("b");
    label.append(Object.assign(document.createElement("bdi"), { textContent: speaker }), ": ");
    paragraph.append(label);
  }
  paragraph.append(text);
  return paragraph;
}

/**
 * @param {"p" | "span"} [tag] a paragraph has a direction of its own
 * @returns {WordLine}
 */
export function newLine(tag = "p") {
  const element = document.createElement(tag);
  if (tag === "p") element.dir = "auto";
  return { element, words: [] };
}

/**
 * Write the newest words of a line. Words that stay are not touched: their transition goes on, and nothing moves.
 * @param {WordLine} line
 * @param {string[]} texts
 * @param {number} stable how many leading words no longer change
 * @param {boolean} [isFirst] whether nothing comes before the line in its paragraph
 */
export function writeWords({ element, words }, texts, stable, isFirst = true) {
  for (const surplus of words.splice(texts.length)) surplus.remove();
  for (const [index, text] of texts.entries()) {
    const word = (words[index] ??= element.appendChild(document.createElement("span")));
    // A space at the end of a paragraph would be copied with it.
    const shown = text === "" || (isFirst && index === 0) ? text : ` ${text}`;
    if (word.textContent !== shown) word.textContent = shown;
    word.className = index < stable ? "word" : "word unsettled";
  }
  if (element instanceof HTMLParagraphElement) orient(element, texts.join(" "));
}
