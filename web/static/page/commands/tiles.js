// Tiles of the commands view: one for each phrase, and the mark of a match.

import { percent } from "../language.js";

const LIT_MS = 2_500;

/** A match is shown by colour, by a mark and in words, so that nobody depends on one of them; then its tile goes out. */
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
   * Highlight the tiles of what was matched, for a while.
   * @param {{ tile: number, score: number }[]} matches
   */
  light(matches) {
    this.#goOut();
    for (const { tile, score } of matches) {
      const match = this.#tiles[tile];
      match.classList.add("lit");
      match.setAttribute("aria-current", "true");
      mark(match, `✓ ${percent(score)}`);
    }
    this.#tiles[matches[0].tile].scrollIntoView({ block: "nearest" });
    this.#fading = setTimeout(() => this.#goOut(), LIT_MS);
  }

  #goOut() {
    clearTimeout(this.#fading);
    for (const tile of this.#tiles) {
      tile.classList.remove("lit");
      tile.removeAttribute("aria-current");
      mark(tile, "");
    }
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
