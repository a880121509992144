// Owns the tiles of the commands view: one for each thing that can be said, and the marks on them.

import { percent } from "../language.js";

const LIT_MS = 1_600;

/** A match is told by colour, by a mark and in words: whoever misses one sees another. */
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
        const said = Object.assign(document.createElement("span"), { dir: "auto", textContent: label });
        tile.append(said, Object.assign(document.createElement("span"), { className: "sure" }));
        return tile;
      }),
    );
  }

  /**
   * Hint at the tile that may become the match.
   * @param {number} [index] none takes the hint away
   */
  hint(index) {
    for (const [n, tile] of this.#tiles.entries()) tile.classList.toggle("candidate", n === index);
  }

  /**
   * Light up the match; it stays marked as the last one.
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
