// Subtitles of one channel: words with times to readable captions, as SRT or WebVTT. Follows stream/recordings/subtitles.py
// function by function; tests/web/static/test_subtitles.py holds the two together, so change both or neither.

import { UNTIMED_WORD_SECONDS } from "./paragraphs.js";
import { SPACE, directionOf, marked } from "./direction.js";

/**
 * @typedef {import("./live.js").Result} Result
 * @typedef {{ startMs: number, endMs: number, lines: string[] }} Cue one caption of one or two lines
 * @typedef {{ text: string, size: number, start: number, end: number, isLast: boolean }} Word
 *   `size` is in characters as Python counts them; times are seconds, `end` 0 where they are not known.
 */

const LINE_CHARACTERS = 42;
const CUE_CHARACTERS = 2 * LINE_CHARACTERS;
const SHORTEST_SECONDS = 1;
const LONGEST_SECONDS = 7;
const PAUSE_SECONDS = 1; // no caption spans a silence as long as this: its end would be read before it is spoken

const SENTENCE_ENDS = ".?!…؟۔。";
const CLAUSE_ENDS = ",;:،؛、";

/**
 * Write the utterances as a SubRip file; empty without words.
 * @param {Iterable<Result>} results
 */
export function srt(results) {
  const blocks = cues(results).map((cue, index) => `${index + 1}\n${span(cue, ",")}\n${written(cue)}\n`);
  return blocks.join("\n");
}

/**
 * Write the utterances as a WebVTT file; only its header without words.
 * @param {Iterable<Result>} results
 */
export function vtt(results) {
  const blocks = cues(results).map((cue) => {
    const text = written(cue).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return `${span(cue, ".")}\n${text}\n`;
  });
  return ["WEBVTT\n", ...blocks].join("\n");
}

/**
 * The lines of a caption; those that a player would show in another direction than the caption has are marked.
 * @param {Cue} cue
 */
function written({ lines }) {
  const direction = directionOf(lines.join(" "));
  return lines.map((line) => marked(line, direction)).join("\n");
}

/**
 * Break utterances into captions: in order, no word lost, times rising and never overlapping.
 * Words without times (0, or none but in the transcript) are spread over the gap around them.
 * @param {Iterable<Result>} results utterances, one after another, not alternatives of one
 */
export function cues(results) {
  return placed(phrases(timed([...results].flatMap(spoken))).flatMap(captions));
}

/**
 * @param {Result} result
 * @returns {Word[]}
 */
function spoken({ transcript, words }) {
  const known = words.flatMap(({ word, startTime, endTime }) =>
    split(word).map((text) => ({ text, start: startTime, end: endTime })),
  );
  const pieces = known.length > 0 ? known : split(transcript).map((text) => ({ text, start: 0, end: 0 }));
  const last = pieces.length - 1;
  return pieces.map((piece, index) => ({ ...piece, size: [...piece.text].length, isLast: index === last }));
}

/** @param {string} text */
function split(text) {
  return text.split(SPACE).filter((piece) => piece !== "");
}

/**
 * Give every word a time, none before the end of the one before it.
 * @param {Word[]} words
 */
function timed(words) {
  /** @type {Word[]} */
  const result = [];
  let clock = 0;
  while (result.length < words.length) {
    const first = result.length;
    let next = first;
    while (next < words.length && !(words[next].end > 0)) next += 1;
    const room = next < words.length ? Math.max(words[next].start - clock, 0) : Infinity;
    const each = Math.min(UNTIMED_WORD_SECONDS, room / (next - first));
    for (const word of words.slice(first, next)) result.push({ ...word, start: clock, end: (clock += each) });
    for (; next < words.length && words[next].end > 0; next += 1) {
      const start = Math.max(words[next].start, clock);
      clock = Math.max(words[next].end, start);
      result.push({ ...words[next], start, end: clock });
    }
  }
  return result;
}

/**
 * Cut where a caption has to end: after an utterance and at a long pause.
 * @param {Word[]} words
 */
function phrases(words) {
  /** @type {Word[][]} */
  const result = [];
  words.forEach((word, index) => {
    const before = words[index - 1];
    if (!before || before.isLast || word.start - before.end >= PAUSE_SECONDS) result.push([]);
    result[result.length - 1].push(word);
  });
  return result;
}

/**
 * Cut a phrase into captions that fit, at the least total cost (see `costOf`).
 * @param {Word[]} phrase
 */
function captions(phrase) {
  const ends = reach(phrase);
  const cheapest = [0, ...phrase.map(() => Infinity)];
  const cutBefore = cheapest.map(() => 0);
  phrase.forEach(({ start }, first) => {
    for (let last = first; last < ends[first]; last += 1) {
      if (last > first && phrase[last].end - start > LONGEST_SECONDS) break;
      const cost = cheapest[first] + costOf(phrase.slice(first, last + 1), phrase[last + 1]);
      if (cost < cheapest[last + 1]) {
        cheapest[last + 1] = cost;
        cutBefore[last + 1] = first;
      }
    }
  });
  /** @type {Word[][]} */
  const result = [];
  for (let end = phrase.length; end > 0; end = cutBefore[end]) result.unshift(phrase.slice(cutBefore[end], end));
  return result;
}

/**
 * For each word, where a caption that begins with it must end at the latest to fit two lines.
 * @param {Word[]} phrase
 */
function reach(phrase) {
  let end = 0;
  let width = -1;
  const lineEnds = phrase.map(({ size }, first) => {
    for (; end < phrase.length && width + 1 + phrase[end].size <= LINE_CHARACTERS; end += 1) {
      width += 1 + phrase[end].size;
    }
    // Longer than a line, a word stands alone.
    if (end === first) end += 1;
    else width -= 1 + size;
    return end;
  });
  /** @param {number} index */
  const stands = (index) => index === phrase.length || phrase[index].size > LINE_CHARACTERS;
  return lineEnds.map((lineEnd, first) => (stands(first) || stands(lineEnd) ? lineEnd : lineEnds[lineEnd]));
}

/**
 * How badly the words would read as one caption; each caption costs 1 besides. Up to 1 for ending where neither
 * punctuation nor a pause is, up to 1 for being shorter than can be read, and up to 1/2 for being far from full,
 * which keeps neighbours alike.
 * @param {Word[]} words
 * @param {Word | undefined} following the next word of the phrase
 */
function costOf(words, following) {
  const { text, end } = words[words.length - 1];
  let ending = 0;
  if (following && !endsIn(text, SENTENCE_ENDS)) {
    ending = Math.max((endsIn(text, CLAUSE_ENDS) ? 0.4 : 1) - (following.start - end), 0);
  }
  const shortness = Math.max(1 - (end - words[0].start) / SHORTEST_SECONDS, 0);
  const emptiness = Math.max(1 - width(words) / CUE_CHARACTERS, 0);
  return 1 + ending + shortness + 0.5 * emptiness * emptiness;
}

/**
 * @param {string} text
 * @param {string} marks
 */
function endsIn(text, marks) {
  return marks.includes(text[text.length - 1]);
}

/**
 * The characters of words with one space between them.
 * @param {Word[]} words
 */
function width(words) {
  return words.reduce((sum, { size }) => sum + size + 1, -1);
}

/**
 * Lay a caption out in one line, or in two of like length, the first better ended by punctuation.
 * @param {Word[]} words
 */
function linesOf(words) {
  let cut = words.length;
  let least = Infinity;
  for (let index = 1; index < words.length && width(words) > LINE_CHARACTERS; index += 1) {
    const [first, second] = [width(words.slice(0, index)), width(words.slice(index))];
    const bonus = endsIn(words[index - 1].text, SENTENCE_ENDS + CLAUSE_ENDS) ? Math.floor(LINE_CHARACTERS / 3) : 0;
    const badness = Math.abs(first - second) - bonus;
    if (Math.max(first, second) <= LINE_CHARACTERS && badness < least) [cut, least] = [index, badness];
  }
  const lines = [words.slice(0, cut), words.slice(cut)].filter((line) => line.length > 0);
  return lines.map((line) => line.map(({ text }) => text).join(" "));
}

/**
 * Put captions on the clock: a short one stays until it can be read or the next one comes.
 * @param {Word[][]} captions
 */
function placed(captions) {
  let earliestMs = 0;
  return captions.map((words, index) => {
    const [{ start }] = words;
    const nextStart = captions[index + 1]?.[0].start ?? Infinity;
    const end = Math.max(words[words.length - 1].end, Math.min(start + SHORTEST_SECONDS, nextStart));
    const startMs = Math.max(rounded(start * 1000), earliestMs);
    // Times that make no sense still give a valid file: every cue lasts, and the next one waits for it.
    const endMs = Math.max(rounded(Math.min(end, start + LONGEST_SECONDS) * 1000), startMs + 1);
    earliestMs = endMs;
    return /** @type {Cue} */ ({ startMs, endMs, lines: linesOf(words) });
  });
}

/**
 * Python's `round`: a half goes to the even neighbour.
 * @param {number} value
 */
function rounded(value) {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 === 1 ? up - 1 : up;
}

/**
 * @param {Cue} cue
 * @param {string} mark
 */
function span({ startMs, endMs }, mark) {
  return `${clock(startMs, mark)} --> ${clock(endMs, mark)}`;
}

/**
 * @param {number} ms
 * @param {string} mark
 */
function clock(ms, mark) {
  const [hours, minutes, seconds] = [ms / 3_600_000, (ms / 60_000) % 60, (ms / 1000) % 60].map(Math.floor);
  const pairs = [hours, minutes, seconds].map((part) => String(part).padStart(2, "0"));
  return `${pairs.join(":")}${mark}${String(ms % 1000).padStart(3, "0")}`;
}
