// Text of a recording while it settles: utterances in the order of time, whatever order they arrive in.

/**
 * @typedef {import("./live.js").Result} Result
 * @typedef {import("./transcript.js").Line} Line
 * @typedef {{ channel: number, startTime: number, endTime: number }} Place seconds from the begin of the recording
 * @typedef {{ name: string, transcriptionId: string, isWhole: boolean, lines: (Line & Place)[] }} KeptRecording
 * @typedef {{ at: number, line?: Line }} Edit
 *   One change of `lines`: a line that is put in at an index, or without `line` the one there is taken out.
 */

let lastId = 0;

/** A number for a line of a transcript that no other line has. */
export function nextId() {
  lastId += 1;
  return lastId;
}

/** The lines of one recording. */
export class Recording {
  /** @type {(Line & Place)[]} */
  #lines = [];
  /** Names the downloads. */
  name;
  /** Its id at the server; empty until the server has it. */
  transcriptionId;
  /** Whether nothing more is to come. */
  isWhole;

  /**
   * @param {string} name of the file
   * @param {Partial<Pick<KeptRecording, "transcriptionId" | "isWhole" | "lines">>} [kept] what is known of it
   */
  constructor(name, { transcriptionId = "", isWhole = false, lines = [] } = {}) {
    this.name = name;
    this.transcriptionId = transcriptionId;
    this.isWhole = isWhole;
    this.#lines = lines.map((line) => ({ ...line, id: nextId() }));
  }

  /** What has to be kept to have it again. @returns {KeptRecording} */
  get kept() {
    const { name, transcriptionId, isWhole } = this;
    return { name, transcriptionId, isWhole, lines: [...this.#lines] };
  }

  /** The utterances by their begin, then their channel. @returns {Line[]} */
  get lines() {
    return this.#lines;
  }

  /**
   * Take utterances in any order, as often as they come. One that covers most of another on its channel replaces it;
   * without text it removes the other.
   * @param {(Result & Place)[]} results
   * @param {boolean} [isWhole] whether these are all: any other line is removed
   * @returns {Edit[]} the changes, one after the other
   */
  merge(results, isWhole = false) {
    /** @type {Edit[]} */
    const edits = [];
    for (const result of results) this.#place(result, edits);
    if (isWhole) {
      this.isWhole = true;
      const kept = new Set(results.map(keyOf));
      this.#remove((line) => !kept.has(keyOf(line)), edits);
    }
    return edits;
  }

  /**
   * @param {Result & Place} result
   * @param {Edit[]} edits
   */
  #place(result, edits) {
    const { transcript, confidence, words, channel, startTime, endTime } = result;
    const end = this.#endOf(result);
    const old = this.#lines[end - 1];
    if (old?.isEdited && keyOf(old) === keyOf(result)) return;
    if (old && keyOf(old) === keyOf(result) && old.transcript === transcript && old.confidence === confidence) return;
    this.#remove((line) => isSame(line, result), edits);
    if (transcript === "") return;
    const at = this.#endOf(result);
    const line = { id: nextId(), number: 0, isFinal: true, isOpen: false, transcript, confidence, words, channel, startTime, endTime };
    this.#lines.splice(at, 0, line);
    edits.push({ at, line });
  }

  /**
   * @param {(line: Line & Place) => boolean} isGone
   * @param {Edit[]} edits
   */
  #remove(isGone, edits) {
    for (let at = this.#lines.length - 1; at >= 0; at -= 1) {
      if (!isGone(this.#lines[at])) continue;
      this.#lines.splice(at, 1);
      edits.push({ at });
    }
  }

  /**
   * How many lines come before the place, or are there.
   * @param {Place} place
   */
  #endOf(place) {
    let [low, high] = [0, this.#lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compared(this.#lines[middle], place) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * @param {Place} one
 * @param {Place} other
 */
function compared(one, other) {
  return one.startTime - other.startTime || one.channel - other.channel || one.endTime - other.endTime;
}

/** @param {Place} place */
function keyOf({ channel, startTime, endTime }) {
  return `${channel} ${startTime} ${endTime}`;
}

/**
 * Whether two are the same utterance: most of the shorter one lies within the other.
 * @param {Place} one
 * @param {Place} other
 */
function isSame(one, other) {
  if (one.channel !== other.channel) return false;
  const shared = Math.min(one.endTime, other.endTime) - Math.max(one.startTime, other.startTime);
  const shorter = Math.min(one.endTime - one.startTime, other.endTime - other.startTime);
  return keyOf(one) === keyOf(other) || shared > shorter / 2;
}
