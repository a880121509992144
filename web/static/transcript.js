// Owns the transcript: all that was said since the page was opened, whatever of it the page still shows.

import { UNTIMED_WORD_SECONDS, srt, vtt } from "./subtitles.js";

/**
 * @typedef {import("./live.js").Result} Result
 * @typedef {Result & { number: number, isFinal: boolean }} Utterance
 *   The newest state of one utterance; `number` is an integer that rises in the order of speech.
 * @typedef {Utterance & { isOpen: boolean }} Line
 *   Open until its final comes or is given up; times are seconds from the begin of the first session.
 * @typedef {keyof typeof FORMATS} Format
 */

/** How each format is downloaded: its media type, and its text. */
const FORMATS = {
  txt: { type: "text/plain", write: (/** @type {Transcript} */ { text }) => (text === "" ? "" : `${text}\n`) },
  srt: { type: "application/x-subrip", write: (/** @type {Transcript} */ { lines }) => srt(lines) },
  vtt: { type: "text/vtt", write: (/** @type {Transcript} */ { lines }) => vtt(lines) },
  json: { type: "application/json", write: written },
};

/** One transcript of one or more sessions of listening. */
export class Transcript {
  /** In the order of speech, those without text as well: they know that their final has come. @type {Line[]} */
  #lines = [];
  /** Where the lines of this session begin. */
  #first = 0;
  /** Seconds from the begin of the first session to that of this one. */
  #offset = 0;

  /**
   * Begin another session: its numbers and its times start anew.
   * @param {{ at?: number }} [when] seconds since the first session began; never before the end of what was said
   */
  begin({ at = 0 } = {}) {
    this.giveUp();
    this.#first = this.#lines.length;
    this.#offset = toMs(Math.max(at, this.duration));
  }

  /**
   * Take the newest state of an utterance; a final without text means that there was none.
   * @param {Utterance} utterance
   */
  show({ number, isFinal, transcript, confidence, words }) {
    let index = this.#lines.length;
    while (index > this.#first && this.#lines[index - 1].number >= number) index -= 1;
    const before = this.#lines[index]?.number === number ? this.#lines[index] : undefined;
    // Heard again, say after a lost connection, it is still settled or given up.
    if (before && !before.isOpen && !isFinal) return;
    const shifted = words.map((word) => later(word, this.#offset));
    const line = { number, isFinal, isOpen: !isFinal, transcript, confidence, words: shifted };
    this.#lines.splice(index, before ? 1 : 0, line);
  }

  /** Keep the open lines as they are, when nobody is left to settle them. */
  giveUp() {
    this.#lines = this.#lines.map((line) => (line.isOpen ? { ...line, isOpen: false } : line));
  }

  /** Forget everything; a session that runs goes on with its numbers and times. */
  clear() {
    this.#lines = [];
    this.#first = 0;
  }

  /** All lines with text, in the order of speech. */
  get lines() {
    return this.#lines.filter(({ transcript }) => transcript !== "");
  }

  /** The lines with text that nobody is left to change: settled, or given up. */
  get done() {
    return this.lines.filter(({ isOpen }) => !isOpen);
  }

  /** The lines whose text and times are final. */
  get settled() {
    return this.lines.filter(({ isFinal }) => isFinal);
  }

  /** All lines as plain text, one below the other. */
  get text() {
    return this.lines.map(({ transcript }) => transcript).join("\n");
  }

  get isEmpty() {
    return this.lines.length === 0;
  }

  /** Seconds from the begin of the first session to the end of the last word. */
  get duration() {
    let seconds = 0;
    let untimed = 0;
    for (const { endTime } of this.lines.flatMap(({ words }) => words)) {
      seconds = Math.max(seconds, endTime);
      untimed = endTime > 0 ? 0 : untimed + 1;
    }
    // The room that subtitles give to last words without times.
    return toMs(seconds + untimed * UNTIMED_WORD_SECONDS);
  }

  /**
   * The transcript as a file.
   * @param {Format} format
   * @param {Date} now names the file, in local time
   * @returns {{ name: string, type: string, text: string }} `type` is a media type
   */
  download(format, now) {
    const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate(), now.getHours(), now.getMinutes()];
    const [year, month, day, hour, minute] = parts.map((part) => String(part).padStart(2, "0"));
    const { type, write } = FORMATS[format];
    const name = `shenava-${year}-${month}-${day}-${hour}${minute}.${format}`;
    return { name, type: `${type}; charset=utf-8`, text: write(this) };
  }
}

/**
 * As the server answers a transcription, as far as the page knows it.
 * @param {Transcript} transcript
 */
function written({ duration, lines }) {
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
 * The server's times have milliseconds; adding must not make a long fraction of them.
 * @param {number} seconds
 */
function toMs(seconds) {
  return Math.round(seconds * 1000) / 1000;
}
