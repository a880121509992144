// The list of the last utterances and what they matched.

import { number, percent, text } from "../language.js";

/**
 * @typedef {object} Entry
 * @property {string} transcript empty if it was not understood
 * @property {string} [label] the match
 * @property {number} score of the match, 0 to 1
 * @property {import("../language.js").TextKey} none the text for no match
 * @property {number} [waitedMs] from the end of speech to the result
 */

const MOST = 10;

export class History {
  #list;
  /** @type {Entry[]} */
  #entries = [];

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** The newest. */
  get last() {
    return this.#entries.at(0);
  }

  /** @param {Entry} entry */
  add(entry) {
    this.#entries = [entry, ...this.#entries].slice(0, MOST);
    this.write();
  }

  /** Write the list, in the language in force. */
  write() {
    this.#list.replaceChildren(
      ...this.#entries.map((entry) => {
        const item = document.createElement("li");
        const { transcript, label, waitedMs } = entry;
        if (transcript !== "") item.append(part("transcript", transcript));
        if (label !== undefined) item.append(" ", part("label", label));
        item.append(" ", part("verdict", verdictOf(entry)));
        if (waitedMs !== undefined) {
          item.append(" ", part("waited", text("commands.waited", { seconds: number(waitedMs / 1000, 1) })));
        }
        return item;
      }),
    );
  }
}

/**
 * The score of the match, or that there is none.
 * @param {Entry} entry
 */
export function verdictOf({ label, score, none }) {
  return label === undefined ? text(none) : text("commands.sure", { share: percent(score) });
}

/**
 * A piece of text that finds its own direction.
 * @param {string} className
 * @param {string} textContent
 */
export function part(className, textContent) {
  return Object.assign(document.createElement("bdi"), { className, textContent });
}
