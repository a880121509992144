// Tiles of the commands view: one for each phrase, and the mark of a match.

import { percent } from "../language.js";

const LIT_MS = 1_600;

/** A match is shown by colour, by a mark and in words, so that nobody depends on one of them. */
export class Tiles {
  #list;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fading;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {string[]} labels */
  show(labels) {
    this.#list.replaceChildren(
      ...labels.map((label) => {
        const tile = document.createElement("li");
        const phrase = Object.assign(document.createElement("span"), { dir: "auto", textContent: label });
        tile.append(phrase, Object.assign(document.createElement("span"), { className: "score" }));
        return tile;
      }),
    );
  }

  /**
   * Mark the tile that may become the match.
   * @param {number} [index] none removes the mark
   */
  hint(index) {
    for (const [n, tile] of this.#tiles.entries()) tile.classList.toggle("candidate", n === index);
  }

  /**
   * Highlight the match; it stays marked as the last one.
   * @param {number} index
   * @param {number} score 0 to 1
   */
  light(index, score) {
    clearTimeout(this.#fading);
    for (const tile of this.#tiles) {
      tile.classList.remove("lit");
      tile.removeAttribute("aria-current");
      mark(tile, "");
    }
    const match = this.#tiles[index];
    match.classList.add("lit");
    match.setAttribute("aria-current", "true");
    mark(match, `✓ ${percent(score)}`);
    match.scrollIntoView({ block: "nearest" });
    this.#fading = setTimeout(() => match.classList.remove("lit"), LIT_MS);
  }

  get #tiles() {
    return [...this.#list.children];
  }
}

/**
 * @param {Element} tile
 * @param {string} words
 */
function mark(tile, words) {
  /** @type {Element} */ (tile.lastElementChild).textContent = words;
}
