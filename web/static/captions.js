// Owns the text on the page: finished lines, and below them the line that may still change.

import { isSettled } from "./live.js";

/** The lines are elements with `dir="auto"`: each one finds its own direction, Persian beside English. */
export class Captions {
  #settled;
  #unsettled;

  /**
   * @param {HTMLElement} settled takes a new element for each finished line
   * @param {HTMLElement} unsettled is the line that may still change
   */
  constructor(settled, unsettled) {
    this.#settled = settled;
    this.#unsettled = unsettled;
  }

  /**
   * Show the newest state of the current utterance.
   * @param {import("./live.js").Partial} message
   */
  show(message) {
    const { transcript } = message.results[0];
    if (!isSettled(message)) {
      this.#unsettled.textContent = transcript;
      return;
    }
    this.#finish(transcript);
  }

  /** Keep the open line, as grey as it is, when nobody is left to settle it. */
  giveUp() {
    this.#finish(this.#unsettled.textContent ?? "").className = "unsettled";
  }

  clear() {
    this.#settled.replaceChildren();
    this.#unsettled.textContent = "";
  }

  /** All lines as plain text, one below the other. */
  get text() {
    const lines = [...this.#settled.children, this.#unsettled].map((line) => line.textContent ?? "");
    return lines.filter((line) => line !== "").join("\n");
  }

  /** @param {string} text */
  #finish(text) {
    const line = document.createElement("p");
    line.dir = "auto";
    line.textContent = text;
    // An utterance can turn out to be none; it leaves no empty line.
    if (text !== "") this.#settled.append(line);
    this.#unsettled.textContent = "";
    return line;
  }
}
