// The transcript of all sessions and recordings since the page was opened, whatever the page still shows.

import { UNTIMED_WORD_SECONDS, retimed, textOf } from "./paragraphs.js";
import { Recording, nextId } from "./recording.js";

/**
 * @typedef {import("./live.js").Result} Result
 * @typedef {Result & { number: number, isFinal: boolean, startTime?: number, stableWords?: number }} Utterance
 *   The newest state of one utterance; `number` is an integer that rises in the order of speech.
 * @typedef {Utterance & { id: number, isOpen: boolean, channel?: number, isEdited?: boolean }} Line
 *   `id` is the same in all states of a line, and in no other line.
 *   Open until its final comes or is given up; times are seconds from the begin of the first session.
 * @typedef {{ offset: number, lines: Line[] }} Session
 * @typedef {Session | import("./recording.js").KeptRecording} Part
 * @typedef {{ parts: Part[] }} Kept plain data, which a browser can store
 * @typedef {keyof typeof FORMATS} Format
 */

/** How each format is downloaded: its media type, and its text. */
const FORMATS = {
  txt: { type: "text/plain", write: (/** @type {Line[]} */ lines) => (lines.length > 0 ? `${textOf(lines)}\n` : "") },
  // Loaded when they are wanted.
  srt: { type: "application/x-subrip", write: async (/** @type {Line[]} */ lines) => (await import("./subtitles.js")).srt(lines) },
  vtt: { type: "text/vtt", write: async (/** @type {Line[]} */ lines) => (await import("./subtitles.js")).vtt(lines) },
  json: { type: "application/json", write: toJson },
};

/** Sessions of listening and recordings, in the order in which they began. */
export class Transcript {
  /**
   * Lines in the order of speech; those without text stay, as they record that their final has arrived.
   * @type {(Session | Recording)[]}
   */
  #parts = [{ offset: 0, lines: [] }];

  /**
   * Begin another session, whose numbers and times start again.
   * @param {{ at?: number }} [when] seconds since the first session began; never before the end of the last word
   */
  begin({ at = 0 } = {}) {
    this.giveUp();
    this.#parts.push({ offset: toMs(Math.max(at, this.duration)), lines: [] });
  }

  /**
   * Take the newest state of an utterance of the session; a final without text means that there was no utterance.
   * @param {Utterance} utterance
   */
  show({ number, isFinal, transcript, confidence, words, startTime, stableWords }) {
    const part = this.#parts[this.#parts.length - 1];
    if (part instanceof Recording) throw new TypeError("no session has begun since the recording");
    const { lines, offset } = part;
    let index = lines.length;
    while (index > 0 && lines[index - 1].number >= number) index -= 1;
    const before = lines[index]?.number === number ? lines[index] : undefined;
    // Recognized again after a lost connection, it stays settled or given up.
    if (before && (before.isEdited || (!before.isOpen && !isFinal))) return;
    lines.splice(index, before ? 1 : 0, {
      id: before?.id ?? nextId(), number, isFinal, isOpen: !isFinal, transcript, confidence, stableWords,
      words: words.map((word) => later(word, offset)),
      startTime: before?.startTime ?? (startTime === undefined ? undefined : toMs(startTime + offset)),
    });
  }

  /**
   * Add a recording, whose text comes later; its times stay its own.
   * @param {Recording} recording
   */
  add(recording) {
    this.giveUp();
    this.#parts.push(recording);
  }

  /**
   * Take what the user wrote in place of a settled line; words that did not change keep their times.
   * @param {number} id of the line
   * @param {string} transcript "" removes the line
   * @returns {Line | undefined} the line as it was, if it has changed
   */
  edit(id, transcript) {
    const line = this.#parts.flatMap(({ lines }) => lines).find((line) => line.id === id);
    if (!line || line.transcript === transcript) return undefined;
    this.put({ ...line, transcript, words: retimed(line.words, transcript), isEdited: true });
    return line;
  }

  /**
   * Put a line in the place of the one with its id, as it was before an edit.
   * @param {Line} line
   */
  put(line) {
    for (const { lines } of this.#parts) {
      const index = lines.findIndex(({ id }) => id === line.id);
      if (index >= 0) lines[index] = line;
    }
  }

  /** All that has to be kept to have the transcript again, without what has no text. @returns {Kept} */
  get kept() {
    const parts = this.#parts.map((part) => (part instanceof Recording ? part.kept : { ...part, lines: [...part.lines] }));
    const hasText = (/** @type {Part} */ part) => part.lines.some(({ transcript }) => transcript !== "");
    return { parts: parts.filter((part) => hasText(part) || ("name" in part && part.transcriptionId !== "")) };
  }

  /**
   * Put what was kept before what there is by now: that comes later, and a session that ran on over `clear` is one again.
   * @param {Kept} kept
   */
  restore({ parts }) {
    const [running, ...later] = this.#parts;
    /** @type {(Session | Recording)[]} */
    const restored = parts.map((part) =>
      "name" in part ? new Recording(part.name, part) : { ...part, lines: part.lines.map((line) => ({ ...line, id: nextId() })) },
    );
    const last = restored[restored.length - 1];
    this.#parts = restored;
    if (last && "offset" in last && "offset" in running && last.offset === running.offset) {
      const numbers = new Set(running.lines.map(({ number }) => number));
      last.lines = [...last.lines.filter(({ number }) => !numbers.has(number)), ...running.lines];
      last.lines.sort((one, other) => one.number - other.number);
    } else {
      this.#append(running);
    }
    for (const part of later) this.#append(part);
  }

  /** @param {Session | Recording} part */
  #append(part) {
    if (part instanceof Recording) {
      this.#parts.push(part);
      return;
    }
    const offset = toMs(Math.max(part.offset, this.duration));
    const lines = part.lines.map((line) => ({ ...line, words: line.words.map((word) => later(word, offset - part.offset)) }));
    this.#parts.push({ offset, lines });
  }

  /** Keep the open lines as they are, when nothing will settle them. */
  giveUp() {
    for (const part of this.#sessions) {
      part.lines = part.lines.map((line) => (line.isOpen ? { ...line, isOpen: false } : line));
    }
  }

  /** Forget everything; a session that runs goes on with its numbers and times. */
  clear() {
    const last = this.#parts[this.#parts.length - 1];
    this.#parts = [last instanceof Recording ? { offset: 0, lines: [] } : { ...last, lines: [] }];
  }

  /** All lines with text, in the order of speech. */
  get lines() {
    return withText(this.#parts);
  }

  /** The lines with text of the sessions of listening, without the recordings. */
  get spoken() {
    return withText(this.#sessions);
  }

  /** The recordings, in the order in which they were added. */
  get recordings() {
    return this.#parts.filter((part) => part instanceof Recording);
  }

  get #sessions() {
    return this.#parts.filter((part) => "offset" in part);
  }

  /** The lines with text that no longer change: settled, or given up. */
  get done() {
    return this.lines.filter(({ isOpen }) => !isOpen);
  }

  /** The lines whose text and times are final. */
  get settled() {
    return this.lines.filter(({ isFinal }) => isFinal);
  }

  /** All lines as plain text, in paragraphs. */
  get text() {
    return textOf(this.lines);
  }

  get isEmpty() {
    return this.lines.length === 0;
  }

  /** Seconds from the begin of the first session to the end of the last word in any. */
  get duration() {
    let seconds = 0;
    let untimed = 0;
    for (const { endTime } of this.spoken.flatMap(({ words }) => words)) {
      seconds = Math.max(seconds, endTime);
      untimed = endTime > 0 ? 0 : untimed + 1;
    }
    // Subtitles give this time to last words without times.
    return toMs(seconds + untimed * UNTIMED_WORD_SECONDS);
  }

  /**
   * The sessions of listening as a file; the server writes those of recordings.
   * @param {Format} format
   * @param {Date} now names the file, in local time
   * @returns {Promise<{ name: string, type: string, text: string }>} `type` is a media type
   */
  async download(format, now) {
    const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes()];
    const [year, month, day, hour, minute] = parts.map((part) => String(part).padStart(2, "0"));
    const name = `niyosha-${year}-${month}-${day}-${hour}${minute}.${format}`;
    return { name, ...(await written(this.spoken, this.duration, format)) };
  }
}

/**
 * A recording as a file, for one whose text the server does not have.
 * @param {Recording} recording
 * @param {Format} format
 */
export async function downloadOf({ name, lines }, format) {
  const duration = Math.max(0, ...lines.flatMap(({ words }) => words.map(({ endTime }) => endTime)));
  return { name: fileName(name, format), ...(await written(lines, duration, format)) };
}

/**
 * The name of a recording's file with the extension of a format.
 * @param {string} name
 * @param {Format} format
 */
export function fileName(name, format) {
  return `${name.replace(/\.[^.]*$/, "")}.${format}`;
}

/**
 * @param {Line[]} lines
 * @param {number} duration in seconds
 * @param {Format} format
 */
async function written(lines, duration, format) {
  const { type, write } = FORMATS[format];
  return { type: `${type}; charset=utf-8`, text: await write(lines, duration) };
}

/** @param {{ lines: Line[] }[]} parts */
function withText(parts) {
  return parts.flatMap(({ lines }) => lines.filter(({ transcript }) => transcript !== ""));
}

/**
 * As the server answers a transcription, with what the page knows of it.
 * @param {Line[]} lines
 * @param {number} duration in seconds
 */
function toJson(lines, duration) {
  const results = lines.map(({ transcript, confidence, words }) => ({ transcript, confidence, words }));
  return `${JSON.stringify({ duration, status: "done", results }, null, 2)}\n`;
}

/**
 * @param {import("./live.js").Word} word
 * @param {number} seconds
 */
function later(word, seconds) {
  if (!(word.endTime > 0) || seconds === 0) return word;
  return { ...word, startTime: toMs(word.startTime + seconds), endTime: toMs(word.endTime + seconds) };
}

/**
 * Round to the milliseconds of the server's times.
 * @param {number} seconds
 */
function toMs(seconds) {
  return Math.round(seconds * 1000) / 1000;
}
