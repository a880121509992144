// Find which of some phrases was spoken, with a score. Imports nothing:
//
//     const [best] = match(utterance.alternatives, ["turn on the light", "stop"]);
//     if (best?.score >= MIN_SCORE) act(best.phrase);

/**
 * @typedef {{ transcript: string, confidence?: number, words?: { word: string, confidence: number }[] }} Hypothesis
 *   As the server sends it.
 *
 * @typedef {object} Match
 * @property {string} phrase as it was given
 * @property {number} index which one
 * @property {number} similarity 0 to 1: the share of the phrase's letters that was recognized
 * @property {number} score 0 to 1: similarity times the recognizer's confidence in the matched words: the chance
 *   that these words were spoken and are this phrase, if both are independent
 * @property {number} from the first word of the utterance that belongs to it, from 0
 * @property {number} to the word after the last
 */

/**
 * The score from which to act on a match. Of a closed vocabulary (`vocabulary=closed`), whose scores are the
 * confidences of docs/engine.md, 59 of 60 commands have it and none of 67 other sentences; ask again from 0.3 on (the
 * sixtieth command; one other sentence has 0.12 to 0.3).
 */
export const MIN_SCORE = 0.5;

// Measured on 76 commands in three voices with the embedded engine, clean and in noise of 10 dB: 80 and 42 of 100 are
// found (78 and 38 by exact comparison), and 1.8 and 2.2 of 100 are found that are not in the list (1.3 and 2.2).
// Without the rule for each word it is 81 and 44 found, 7.9 and 6.3 wrong.
const MIN_WORD_SIMILARITY = 0.75;
const MIN_SIMILARITY = 0.8;

// Letters that differ by keyboard, and marks that are often left out.
const SAME = [
  [/[\u064b-\u065f\u0670\u0640\u200d-\u200f]/g, ""],
  [/[يى]/g, "ی"],
  [/ك/g, "ک"],
  [/[ةۀ]/g, "ه"],
  [/[أإآٱ]/g, "ا"],
  [/ؤ/g, "و"],
  [/[٠-٩]/g, (/** @type {string} */ digit) => String(digit.charCodeAt(0) - 0x660)],
  [/[۰-۹]/g, (/** @type {string} */ digit) => String(digit.charCodeAt(0) - 0x6f0)],
  [/['’]/g, ""],
];

/**
 * Normalize a text: words of small letters and digits, joined by one space.
 * @param {string} text
 */
export function normalized(text) {
  let plain = text.normalize("NFKC").toLowerCase();
  for (const [from, to] of SAME) plain = plain.replace(/** @type {RegExp} */ (from), /** @type {string} */ (to));
  return plain
    .replace(/[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}]/gu, " $& ") // scripts without spaces: each sign is a word
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, " ")
    .trim();
}

/**
 * Find phrases in an utterance. The first hypothesis that holds a phrase decides; of several phrases in it, the one
 * with most letters recognized comes first.
 * @param {string | Hypothesis | Hypothesis[]} utterance a transcript, or hypotheses, best first
 * @param {readonly string[]} phrases
 * @param {object} [options]
 * @param {number} [options.confidence] of a plain transcript
 * @param {number} [options.minSimilarity]
 * @returns {Match[]} empty if none was spoken
 */
export function match(utterance, phrases, { confidence = 0, minSimilarity = MIN_SIMILARITY } = {}) {
  const wanted = phrases.map((phrase) => normalized(phrase).split(" "));
  const hypotheses = typeof utterance === "string" ? [{ transcript: utterance, confidence }] : [utterance].flat();
  for (const hypothesis of hypotheses) {
    const words = wordsOf(hypothesis);
    const found = wanted.flatMap((phrase, index) => {
      const place = phrase[0] === "" ? undefined : placeOf(phrase, words);
      if (!place) return [];
      const { length } = phrase.join("");
      const similarity = 1 - place.edits / length;
      const sure = meanOf(words.slice(place.from, place.to).map((word) => word.confidence));
      return [{ phrase: phrases[index], index, similarity, score: similarity * sure, letters: length - place.edits, from: place.from, to: place.to }];
    });
    const enough = found.filter(({ similarity }) => similarity >= minSimilarity);
    // Of phrases with as many letters, the shorter one has no mistake.
    enough.sort((a, b) => b.letters - a.letters || b.similarity - a.similarity);
    if (enough.length > 0) return enough.map(({ letters: _, ...one }) => one);
  }
  return [];
}

/** @typedef {{ letters: string, confidence: number }} Word */

/**
 * @param {Hypothesis} hypothesis
 * @returns {Word[]}
 */
function wordsOf({ transcript, confidence = 0, words = [] }) {
  const spoken = words.length > 0 ? words : [{ word: transcript, confidence }];
  return spoken.flatMap((one) => {
    // 0 is "unknown" on the wire: then the confidence of the whole counts, and without that similarity alone.
    const known = one.confidence || confidence || 1;
    return normalized(one.word).split(" ").filter(Boolean).map((letters) => ({ letters, confidence: known }));
  });
}

/**
 * Sellers' search (The theory and computation of evolutionary distances, J. Algorithms 1, 1980): the part of the
 * utterance with the smallest edit distance to the phrase. Its steps are words rather than letters, as no word of a
 * command may be missing or replaced: "turn off the light" shares 90 % of its letters with its opposite. Two words may
 * be recognized as one, and one as two: "play list".
 * @param {string[]} phrase
 * @param {Word[]} words
 */
function placeOf(phrase, words) {
  /** The edits by which the first words of the phrase end before a word of the utterance. */
  /** @type {({ edits: number, from: number } | undefined)[][]} */
  const table = [words.map((_, from) => ({ edits: 0, from }))];
  for (let i = 1; i <= phrase.length; i += 1) {
    table[i] = [];
    for (let j = 1; j <= words.length; j += 1) {
      for (const [p, w] of [[1, 1], [1, 2], [2, 1]]) {
        const before = i >= p && j >= w ? table[i - p][j - w] : undefined;
        if (!before) continue;
        const recognized = words.slice(j - w, j).map((word) => word.letters).join("");
        const edits = before.edits + editsOf(phrase.slice(i - p, i).join(""), recognized);
        if (edits < (table[i][j]?.edits ?? Infinity)) table[i][j] = { edits, from: before.from };
      }
    }
  }
  return table[phrase.length]
    .map((end, to) => end && { ...end, to })
    .reduce((best, end) => (end && end.edits < (best?.edits ?? Infinity) ? end : best), undefined);
}

/**
 * Levenshtein's distance of two words (Soviet Physics Doklady 10, 1966), or infinity if they are not alike: a short
 * word allows no mistake, a longer one a few.
 * @param {string} a
 * @param {string} b
 */
function editsOf(a, b) {
  if (a === b) return 0;
  const longest = Math.max(a.length, b.length);
  const most = longest * (1 - MIN_WORD_SIMILARITY);
  if (Math.abs(a.length - b.length) > most) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1]));
    }
    row = next;
  }
  return row[b.length] > most ? Infinity : row[b.length];
}

/** @param {number[]} values */
function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
