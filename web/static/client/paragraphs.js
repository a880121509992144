// Paragraphs by sense: utterances that go on with a sentence are joined, and what an utterance cut is mended.

/**
 * @typedef {object} Spoken an utterance, as far as paragraphs need it
 * @property {string} transcript
 * @property {import("./live.js").Word[]} words
 * @property {number} [startTime] seconds; of use while words have no times
 * @property {number} [channel]
 * @property {boolean} [isEdited] the user wrote it: it stays as it is
 *
 * @typedef {{ names: ReadonlySet<string>, hasCapitals: boolean }} Style names keep their capitals
 */

export const UNTIMED_WORD_SECONDS = 0.4; // 150 words a minute, ordinary speech
// A listener takes so long a pause for the end of a thought; subtitles end there, too.
const PAUSE_SECONDS = 1;
// Onsets include some sound before the words; anything earlier is another recording.
const OVERLAP_SECONDS = 0.5;
const QUOTES = "[\"'”’»›)\\]]*";
// Three dots are no full stop: recognizers write them where a sentence was cut.
const FULL_STOP = new RegExp(`(?:(?<!\\.)\\.|[?!؟۔。！？])${QUOTES}$`, "u");
const ABBREVIATION = /(?:^|\s)(?:\p{L}|Dr|Mr|Mrs|Ms|Prof|St|vs|e\.g|i\.e)\.$/u;
const CUT_END = /(?:\.{2,}|…|[-–—])$/u;
const CUT_BEGIN = /^(?:\.{2,}|…|[-–—,;:،؛])+\s*/u;
const CAPITAL = /^\p{Lu}[\p{Ll}\p{M}]/u;

/**
 * Whether an utterance goes on with the paragraph of the one before: on the same channel, after a pause of less than a
 * second, and where no sentence has ended.
 * @param {Spoken | undefined} before
 * @param {Spoken} line
 */
export function continues(before, line) {
  if (!before || before.channel !== line.channel || endsSentence(before.transcript)) return false;
  const end = Math.max(0, ...before.words.map(({ endTime }) => endTime));
  const [first] = line.words;
  const start = first?.endTime > 0 ? first.startTime : line.startTime;
  return end > 0 && start !== undefined && start - end < PAUSE_SECONDS && end - start < OVERLAP_SECONDS;
}

/**
 * Divide utterances into paragraphs.
 * @template {Spoken} Line
 * @param {readonly Line[]} lines in the order of speech
 * @returns {Line[][]} none is empty
 */
export function paragraphs(lines) {
  /** @type {Line[][]} */
  const result = [];
  lines.forEach((line, index) => {
    if (continues(lines[index - 1], line)) result[result.length - 1].push(line);
    else result.push([line]);
  });
  return result;
}

/**
 * The words of an utterance as a paragraph has them: the marks of a cut removed at joins, a capital where a sentence
 * begins and none where it goes on.
 * @param {Spoken} line
 * @param {{ isFirst: boolean, isLast: boolean, style: Style }} place in its paragraph
 * @returns {string[]} one for each word, "" for one that was only a mark of a cut
 */
export function mended({ transcript, words, isEdited }, { isFirst, isLast, style }) {
  const split = transcript.split(" ").filter(Boolean);
  const texts = words.length === 0 || words.length === split.length ? split : words.map(({ word }) => word);
  if (isEdited || texts.length === 0) return texts;
  const last = texts.length - 1;
  if (!isLast) texts[last] = texts[last].replace(CUT_END, "") || texts[last];
  if (isFirst) {
    if (style.hasCapitals && endsSentence(transcript) && /^\p{Ll}+(?:['’]\p{Ll}+)?\P{L}*$/u.test(texts[0])) texts[0] = capital(texts[0]);
  } else {
    texts[0] = texts[0].replace(CUT_BEGIN, "");
    const at = texts[0] === "" && last > 0 ? 1 : 0;
    const [bare] = /^[\p{L}\p{M}]+/u.exec(texts[at]) ?? [""];
    if (CAPITAL.test(texts[at]) && !style.names.has(bare)) texts[at] = texts[at][0].toLowerCase() + texts[at].slice(1);
  }
  return texts;
}

/**
 * The text of paragraphs, one below the other.
 * @param {readonly Spoken[]} lines
 */
export function textOf(lines) {
  const style = styleOf(lines);
  return paragraphs(lines).map((paragraph) => paragraphText(paragraph, style)).join("\n");
}

/**
 * How a recognizer writes: the words that have a capital within a sentence, which are names and the nouns of German, and
 * whether its sentences begin with capitals at all.
 * @param {readonly Spoken[]} lines
 * @returns {Style}
 */
export function styleOf(lines) {
  const names = new Set();
  for (const { transcript } of lines) {
    for (const [, name] of transcript.matchAll(/(?<=[\p{L}\p{N}][,;:]?\s)(\p{Lu}[\p{L}\p{M}]*)/gu)) names.add(name);
  }
  return { names, hasCapitals: lines.some(({ transcript }) => /^\P{L}*\p{Lu}/u.test(transcript)) };
}

/**
 * @param {readonly Spoken[]} paragraph
 * @param {Style} style
 */
function paragraphText(paragraph, style) {
  const last = paragraph.length - 1;
  return paragraph
    .map((line, index) => {
      if (line.isEdited) return line.transcript;
      return mended(line, { isFirst: index === 0, isLast: index === last, style }).filter(Boolean).join(" ");
    })
    .join(" ");
}

/** @param {string} text */
function endsSentence(text) {
  return FULL_STOP.test(text) && !ABBREVIATION.test(text);
}

/** @param {string} word */
function capital(word) {
  return word[0].toUpperCase() + word.slice(1);
}

/**
 * The words of an edited text: those that were not changed keep their times, others have none.
 * @param {readonly import("./live.js").Word[]} words
 * @param {string} text
 * @returns {import("./live.js").Word[]}
 */
export function retimed(words, text) {
  const texts = text.split(/\s+/).filter(Boolean);
  const most = Math.min(words.length, texts.length);
  let before = 0;
  while (before < most && words[before].word === texts[before]) before += 1;
  let after = 0;
  while (after < most - before && words[words.length - 1 - after].word === texts[texts.length - 1 - after]) after += 1;
  const written = texts.slice(before, texts.length - after);
  return [
    ...words.slice(0, before),
    ...written.map((word) => ({ word, startTime: 0, endTime: 0, confidence: 0 })),
    ...words.slice(words.length - after),
  ];
}
