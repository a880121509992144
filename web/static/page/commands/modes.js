// Modes of the commands view: the configuration of each, and how it finds its labels in an utterance.

import { answerIn } from "./answers.js";
import { number, text } from "../language.js";
import { normalized } from "../../client/matching.js";
import { numbersIn } from "../../client/numbers.js";
import { matchPatterns, variants } from "../../client/patterns.js";

/**
 * @typedef {import("../../client/live.js").Utterance} Utterance
 * @typedef {{ tile: number, label: string, score: number }} Found
 * @typedef {{ phrases: string[], isOpen: boolean }} List the user's own, and whether other speech is expected around it
 * @typedef {object} Mode
 * @property {(list: List) => import("../../client/live.js").Config} config
 * @property {(list: List) => string[]} labels of the tiles
 * @property {(utterance: Utterance, list: List) => Found[]} find in the order of speech
 * @property {import("../language.js").TextKey} none the text for no match
 * @property {(list: List) => boolean} isClosed whether the recognizer has no other words
 */

const BUILT_IN = { vocabulary: "open", phrases: [], maxAlternatives: 1 };

/** @type {Record<string, Mode>} */
export const MODES = {
  phrases: {
    config: ({ phrases, isOpen }) => ({
      languageModel: "general",
      // An empty list is no vocabulary.
      vocabulary: isOpen || phrases.length === 0 ? "open" : "closed",
      phrases: isOpen ? hints(phrases) : phrases,
      maxAlternatives: 3,
    }),
    labels: ({ phrases }) => phrases,
    find({ alternatives }, { phrases, isOpen }) {
      // The confidence of a closed vocabulary's result is calibrated, those of its words are not.
      const hypotheses = isOpen ? alternatives : alternatives.map(({ words: _, ...whole }) => whole);
      const found = matchPatterns(hypotheses, phrases);
      return apart(found).map(({ index, phrase, score }) => ({ tile: index, label: phrase, score }));
    },
    none: "commands.noPhrase",
    isClosed: ({ isOpen }) => !isOpen,
  },
  yesno: {
    config: () => ({ ...BUILT_IN, languageModel: "yesno" }),
    labels: () => [text("commands.yes"), text("commands.no")],
    find(utterance) {
      const answer = answerIn(utterance);
      if (!answer) return [];
      const { isYes, score } = answer;
      return [{ tile: isYes ? 0 : 1, label: text(isYes ? "commands.yes" : "commands.no"), score }];
    },
    none: "commands.noAnswer",
    isClosed: () => true,
  },
  numbers: {
    config: () => ({ ...BUILT_IN, languageModel: "numbers" }),
    labels: () => ["–"],
    find({ transcript, confidence }) {
      // Digit by digit: 017 is not 17.
      const digits = numbersIn(transcript).map((one) => [...one].map((digit) => number(Number(digit))).join(""));
      return digits.length === 0 ? [] : [{ tile: 0, label: digits.join(" "), score: confidence }];
    },
    none: "commands.noNumber",
    isClosed: () => true,
  },
};

/**
 * Phrases as hints for open speech, which has no alternatives and no slots.
 * @param {string[]} phrases
 */
function hints(phrases) {
  const words = phrases.flatMap((phrase) => variants(phrase) ?? []).map((variant) => variant.replace(/\{.*?\}/g, " "));
  return [...new Set(words.map((hint) => hint.trim().replace(/\s+/g, " ")).filter(Boolean))].slice(0, 500);
}

/**
 * The best matches that share no word, in the order of speech: a closed vocabulary may find several in a row.
 * @template {{ from: number, to: number }} One
 * @param {One[]} found best first
 */
function apart(found) {
  /** @type {One[]} */
  const kept = [];
  for (const one of found) if (kept.every(({ from, to }) => one.to <= from || to <= one.from)) kept.push(one);
  return kept.sort((a, b) => a.from - b.from);
}

/**
 * The phrase that shares most words with a text, and the words of it that were not recognized.
 * @param {string} transcript
 * @param {string[]} phrases
 */
export function nearest(transcript, phrases) {
  const recognized = new Set(normalized(transcript).split(" "));
  const all = phrases.flatMap((phrase) => variants(phrase) ?? []).map((phrase) => {
    const words = normalized(phrase).split(" ");
    const missing = words.filter((word) => !recognized.has(word));
    return { phrase, missing, share: 1 - missing.length / words.length };
  });
  const best = all.reduce((one, other) => (other.share > one.share ? other : one), { phrase: "", missing: [""], share: 0 });
  return best.share > 0 && best.missing.length > 0 ? best : undefined;
}
