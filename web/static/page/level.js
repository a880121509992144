// The level of the microphone as bars at both sides of the button: the newest beside it, older ones further out.

import { element } from "./elements.js";

const BARS_A_SIDE = 5;

/** Shows the level; a page has one, in the element with the id `level`. */
export class LevelBars {
  #meter = element("level");
  /** From the newest to the oldest, 0 to 1. */
  #levels = Array(BARS_A_SIDE).fill(0);

  constructor() {
    this.#meter.replaceChildren(...Array.from({ length: 2 * BARS_A_SIDE }, () => document.createElement("i")));
  }

  /** @param {number} level 0 to 1 */
  show(level) {
    this.#levels = [level, ...this.#levels].slice(0, BARS_A_SIDE);
    const sides = [...this.#levels].reverse().concat(this.#levels);
    for (const [n, bar] of [...this.#meter.children].entries()) {
      /** @type {HTMLElement} */ (bar).style.setProperty("--level", sides[n].toFixed(2));
    }
    this.#meter.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  }

  /** Show that nothing is recorded. */
  clear() {
    this.#levels.fill(0);
    this.show(0);
  }
}
