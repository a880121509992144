// Find phrases with alternatives and slots, as `vocabulary=closed` takes them, in an utterance:
//
//     const [best] = matchPatterns(utterance.alternatives, ["turn {on,off} the {lamp,fan}", "call {digits:7}"]);
//     if (best?.score >= 0.5) act(best.index, best.phrase, best.value);

import { match } from "./matching.js";

/**
 * @typedef {import("./matching.js").Match & { value: string }} PatternMatch `phrase` is as it was spoken, `index` that of
 *   its pattern, and `value` what was in its slot, or "".
 */

// As in stream/vocabulary/templates.py.
export const MOST_WRITTEN_OUT = 500;
const MOST_PLACES = 20;
const SLOT = /^\s*(digits|letters):(\d{1,3})\s*$/;
/** What `variants` leaves of a slot. */
const PLACEHOLDER = /\{(digits|letters):(\d+)\}/;

/**
 * Write out the alternatives of a pattern; a slot stays in its place.
 * @param {string} pattern
 * @returns {string[] | undefined} undefined where the braces mean nothing; the server would refuse the list
 */
export function variants(pattern) {
  let written = [""];
  let slots = 0;
  for (const [index, piece] of pattern.split(/\{([^{}]*)\}/).entries()) {
    if (index % 2 === 0 && /[{}]/.test(piece)) return undefined;
    const choices = index % 2 === 0 ? [piece] : choicesOf(piece);
    if (!choices) return undefined;
    if (PLACEHOLDER.test(choices[0])) slots += 1;
    // Longer lists are refused whatever follows.
    written = written.flatMap((begin) => choices.map((choice) => begin + choice)).slice(0, MOST_WRITTEN_OUT + 1);
  }
  return slots > 1 ? undefined : [...new Set(written.map((variant) => variant.trim().replace(/\s+/g, " ")))].filter(Boolean);
}

/**
 * What may stand in the place of a pair of braces.
 * @param {string} inside
 */
function choicesOf(inside) {
  const slot = SLOT.exec(inside);
  if (slot) {
    const places = Number(slot[2]);
    return places >= 1 && places <= MOST_PLACES ? [`{${slot[1]}:${places}}`] : undefined;
  }
  const choices = [...new Set(inside.split(",").map((choice) => choice.trim()))];
  return choices.length > 1 ? choices : undefined;
}

/**
 * Find patterns in an utterance, as `match` finds phrases. What is no pattern is not found.
 * @param {string | import("./matching.js").Hypothesis | import("./matching.js").Hypothesis[]} utterance as for `match`
 * @param {readonly string[]} patterns
 * @returns {PatternMatch[]} empty if none was spoken
 */
export function matchPatterns(utterance, patterns) {
  const written = patterns.flatMap((pattern, index) => (variants(pattern) ?? []).map((variant) => ({ variant, index })));
  const hasSlots = written.some(({ variant }) => PLACEHOLDER.test(variant));
  for (const one of [utterance].flat()) {
    const plain = typeof one === "string" ? { transcript: one } : one;
    const hypothesis = hasSlots ? joined(plain) : plain;
    const words = hypothesis.transcript.match(/[\p{L}\p{N}]+/gu) ?? [];
    const spoken = written.flatMap(({ variant, index }) => filled(variant, words).map((found) => ({ ...found, index })));
    const found = match(hypothesis, spoken.map(({ phrase }) => phrase));
    if (found.length > 0) return found.map((best) => ({ ...best, ...spoken[best.index] }));
  }
  return [];
}

/**
 * A hypothesis whose digits in groups, and letters one by one, are single words: 555-0123, V-V-A-E-S.
 * @param {import("./matching.js").Hypothesis} hypothesis
 */
function joined(hypothesis) {
  const transcript = hypothesis.transcript
    .replace(/\d+(?:[ .-]+\d+)+/g, (groups) => groups.replace(/\D+/g, ""))
    .replace(/(?<!\p{L})\p{L}(?:[ .-]+\p{L}(?!\p{L}))+/gu, (letters) => letters.replace(/[ .-]+/g, "").toUpperCase());
  return transcript === hypothesis.transcript ? hypothesis : { transcript, confidence: hypothesis.confidence };
}

/**
 * A variant with what may have been spoken in its slot: digits, or a word in capitals.
 * @param {string} variant
 * @param {string[]} words of the transcript
 */
function filled(variant, words) {
  const slot = PLACEHOLDER.exec(variant);
  if (!slot) return [{ phrase: variant, value: "" }];
  const kind = slot[1] === "digits" ? /^\d+$/ : /^\p{Lu}+$/u;
  const values = new Set(words.filter((word) => word.length === Number(slot[2]) && kind.test(word)));
  return [...values].map((value) => ({ phrase: variant.replace(PLACEHOLDER, value), value }));
}
