// The list of the last utterances and what they matched.

import { listed, number, percent, text } from "../language.js";

/**
 * @typedef {object} Entry
 * @property {string} transcript empty if it was not understood
 * @property {string} [label] what was found
 * @property {number} score of it, 0 to 1
 * @property {number} threshold from which it is acted on
 * @property {import("../language.js").TextKey} none the text where nothing was found
 * @property {{ phrase: string, missing: string[] }} [nearest] where nothing was found
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
        if (isMatched(entry)) item.append(" ", part("label", label ?? ""));
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
 * Whether an utterance is acted on.
 * @param {Entry} entry
 */
export function isMatched({ label, score, threshold }) {
  return label !== undefined && score >= threshold;
}

/**
 * The score of the match, or why there is none.
 * @param {Entry} entry
 */
export function verdictOf(entry) {
  const { label, score, threshold, none, nearest } = entry;
  if (isMatched(entry)) return text("commands.sure", { share: percent(score) });
  if (label !== undefined) {
    return text("commands.unsure", { label, share: percent(score), threshold: percent(threshold) });
  }
  if (!nearest) return text(none);
  return `${text(none)} ${text("commands.nearest", { phrase: nearest.phrase, missing: listed(nearest.missing) })}`;
}

/**
 * A piece of text that finds its own direction.
 * @param {string} className
 * @param {string} textContent
 */
export function part(className, textContent) {
  return Object.assign(document.createElement("bdi"), { className, textContent });
}
