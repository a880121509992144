/**
 * A line of a channel, as its events have it.
 * @typedef {{ line: number, startMs: number, endMs: number, text: string, speaker: string, hidden: boolean }} Line
 */

/** The lines that a reader of a channel has. */
export class Lines {
  constructor() {
    /** @type {Map<number, Line>} */
    this.settled = new Map();
    /** @type {Map<number, Line>} */
    this.open = new Map();
  }

  /** Drop unsettled lines: a new connection brings those that are still open. */
  reconnect() {
    this.open.clear();
  }

  /**
   * Take a line of an event, which replaces the one with its number.
   * @param {string} name `partial`, `final` or `correction`
   * @param {Line} line
   */
  take(name, line) {
    this.open.delete(line.line);
    if (line.hidden) {
      this.settled.delete(line.line);
    } else if (name === "partial") {
      this.open.set(line.line, line);
    } else {
      this.settled.set(line.line, line);
    }
  }

  /**
   * The line before which a settled one is shown, in the order of speech; null for the last place.
   * @param {Line} line
   * @returns {Line | null}
   */
  following(line) {
    let next = null;
    for (const other of this.settled.values()) {
      if (isBefore(line, other) && (next === null || isBefore(other, next))) next = other;
    }
    return next;
  }
}

/**
 * Whether one line was spoken before another.
 * @param {Line} one
 * @param {Line} other
 */
function isBefore(one, other) {
  return one.startMs < other.startMs || (one.startMs === other.startMs && one.line < other.line);
}
