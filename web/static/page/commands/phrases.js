// Phrases that the user has typed: parsed, checked against the server's bounds, kept in the browser.

import { normalized } from "../../client/matching.js";

const KEY = "niyosha.phrases";

/**
 * @typedef {object} Phrases
 * @property {string[]} phrases without duplicates, within the bounds
 * @property {{ line: number, length: number } | undefined} tooLong the first line over the bound
 * @property {number} count how many there would be without the bound
 *
 * @typedef {{ phrases: number, characters: number }} PhraseBounds of the list, and of each phrase
 */

/**
 * Parse phrases, one a line. A line over the bound is left out, so that one mistake does not stop the others.
 * @param {string} written
 * @param {PhraseBounds} bounds
 * @returns {Phrases}
 */
export function phrasesOf(written, bounds) {
  /** @type {Map<string, string>} */
  const phrases = new Map();
  /** @type {Phrases["tooLong"]} */
  let tooLong;
  for (const [index, line] of written.split("\n").entries()) {
    const phrase = line.trim().replace(/\s+/g, " ");
    const key = normalized(phrase);
    const { length } = [...phrase]; // code points, as the server counts them
    if (length > bounds.characters) tooLong ??= { line: index + 1, length };
    else if (key !== "" && !phrases.has(key)) phrases.set(key, phrase);
  }
  return { phrases: [...phrases.values()].slice(0, bounds.phrases), tooLong, count: phrases.size };
}

/** The text of the last visit; null at the first. */
export function loadPhrases() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string} written */
export function savePhrases(written) {
  try {
    localStorage.setItem(KEY, written);
  } catch {
    // Without storage they hold until the page is closed.
  }
}
