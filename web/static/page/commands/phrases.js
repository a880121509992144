// The user's list: parsed, checked against the server's bounds, kept in the browser, and written into an address.

import { MIN_SCORE, normalized } from "../../client/matching.js";
import { MOST_WRITTEN_OUT, variants } from "../../client/patterns.js";

const KEY = "niyosha.phrases";
const CHOICES = "niyosha.commands";
const LEAST_THRESHOLD = 0.1;
const MOST_THRESHOLD = 0.95;

/**
 * @typedef {object} Phrases
 * @property {string[]} phrases without duplicates, within the bounds
 * @property {{ line: number, length: number } | undefined} tooLong the first line over the bound
 * @property {{ line: number } | undefined} malformed the first line with braces that mean nothing
 * @property {number} count how many there would be without the bound
 * @property {number} writtenOut how many, with the alternatives written out
 *
 * @typedef {{ phrases: number, characters: number }} PhraseBounds of the list, and of each phrase
 * @typedef {{ threshold: number, isOpen: boolean }} Choices
 */

/**
 * Parse phrases, one a line. A line that the server would refuse is left out, so that one mistake does not stop the others.
 * @param {string} written
 * @param {PhraseBounds} bounds
 * @returns {Phrases}
 */
export function phrasesOf(written, bounds) {
  /** @type {string[]} */
  const phrases = [];
  const seen = new Set();
  /** @type {Phrases["tooLong"]} */
  let tooLong;
  /** @type {Phrases["malformed"]} */
  let malformed;
  let writtenOut = 0;
  for (const [index, line] of written.split("\n").entries()) {
    const phrase = line.trim().replace(/\s+/g, " ");
    const all = variants(phrase);
    const key = all?.map(normalized).join("\n") ?? "";
    const { length } = [...phrase]; // code points, as the server counts them
    if (length > bounds.characters) tooLong ??= { line: index + 1, length };
    else if (!all) malformed ??= { line: index + 1 };
    else if (key !== "" && !seen.has(key)) {
      seen.add(key);
      writtenOut += all.length;
      if (phrases.length < bounds.phrases && writtenOut <= MOST_WRITTEN_OUT) phrases.push(phrase);
    }
  }
  return { phrases, tooLong, malformed, count: seen.size, writtenOut };
}

/** The text of the last visit; null at the first. */
export function loadPhrases() {
  return loaded(KEY);
}

/** @param {string} written */
export function savePhrases(written) {
  save(KEY, written);
}

/** @returns {Choices} */
export function loadChoices() {
  try {
    return checked(JSON.parse(loaded(CHOICES) ?? "{}"));
  } catch {
    return checked({});
  }
}

/** @param {Choices} choices */
export function saveChoices(choices) {
  save(CHOICES, JSON.stringify(choices));
}

/**
 * An address with a list and its choices. They are in its fragment, which browsers send to no server.
 * @param {string} written
 * @param {Choices} choices
 */
export function addressOf(written, { threshold, isOpen }) {
  const address = new URL(location.href);
  const query = new URLSearchParams({ list: written.trim(), least: String(Math.round(100 * threshold)) });
  if (isOpen) query.set("open", "1");
  address.hash = query.toString();
  return address.href;
}

/** The list and the choices of the page's address, if it has them. */
export function sharedList() {
  const query = new URLSearchParams(location.hash.slice(1));
  const written = query.get("list");
  if (written === null) return undefined;
  const threshold = query.has("least") ? Number(query.get("least")) / 100 : undefined;
  return { written, choices: checked({ threshold, isOpen: query.get("open") === "1" }) };
}

/**
 * @param {Partial<Choices>} choices of any origin
 * @returns {Choices}
 */
function checked({ threshold, isOpen }) {
  const asked = typeof threshold === "number" && Number.isFinite(threshold) ? threshold : MIN_SCORE;
  return { threshold: Math.min(MOST_THRESHOLD, Math.max(LEAST_THRESHOLD, asked)), isOpen: isOpen === true };
}

/** @param {string} key */
function loaded(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
function save(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Without storage it holds until the page is closed.
  }
}
