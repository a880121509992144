// What can be undone: Clear, and what the user wrote, in bursts.

/**
 * @typedef {import("../../client/transcript.js").Kept} Kept
 * @typedef {import("../../client/transcript.js").Line} Line
 * @typedef {{ kind: "cleared", kept: Kept } | { kind: "edited", lines: Line[], at: number }} Step
 */

const MOST_STEPS = 100;
// What is typed without a longer pause is one step.
const BURST_MS = 1_500;

/** The last steps, newest last. */
export class UndoSteps {
  /** @type {Step[]} */
  #steps = [];

  /** Whether the newest step is a Clear. */
  get isCleared() {
    return this.#steps[this.#steps.length - 1]?.kind === "cleared";
  }

  /** @param {Kept} kept what was there */
  clear(kept) {
    this.#add({ kind: "cleared", kept });
  }

  /**
   * @param {Line[]} lines as they were before
   * @param {number} now in milliseconds
   */
  edit(lines, now) {
    const last = this.#steps[this.#steps.length - 1];
    if (last?.kind === "edited" && now - last.at < BURST_MS) {
      // What a line was before the burst counts.
      const known = new Set(last.lines.map(({ id }) => id));
      last.lines.push(...lines.filter(({ id }) => !known.has(id)));
      last.at = now;
    } else if (lines.length > 0) this.#add({ kind: "edited", lines: [...lines], at: now });
  }

  /** Take the newest step back. @returns {Step | undefined} */
  pop() {
    return this.#steps.pop();
  }

  /** @param {Step} step */
  #add(step) {
    this.#steps = [...this.#steps, step].slice(-MOST_STEPS);
  }
}
