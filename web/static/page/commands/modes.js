// Modes of the commands view: the configuration of each, and how it finds its label in an utterance.

import { answerIn } from "./answers.js";
import { number, text } from "../language.js";
import { match } from "../../client/matching.js";
import { numbersIn } from "../../client/numbers.js";

/**
 * @typedef {import("../../client/live.js").Utterance} Utterance
 * @typedef {{ tile: number, label: string, score: number }} Found
 * @typedef {object} Mode
 * @property {(phrases: string[]) => import("../../client/live.js").Config} config
 * @property {(phrases: string[]) => string[]} labels of the tiles
 * @property {(utterance: Utterance, phrases: string[]) => Found | undefined} find
 * @property {import("../language.js").TextKey} none the text for no match
 * @property {boolean} isClosed whether the recognizer has no other words
 */

// Other speech is recognized as a word of the closed vocabulary, with less than this (docs/engine.md).
const MIN_CONFIDENCE = 0.3;

/** @type {Record<string, Mode>} */
export const MODES = {
  phrases: {
    config: (phrases) => ({ languageModel: "general", phrases, maxAlternatives: 3 }),
    labels: (phrases) => phrases,
    find({ alternatives }, phrases) {
      const [best] = match(alternatives, phrases);
      return best && { tile: best.index, label: best.phrase, score: best.score };
    },
    none: "commands.noPhrase",
    isClosed: false,
  },
  yesno: {
    config: () => ({ languageModel: "yesno", phrases: [], maxAlternatives: 1 }),
    labels: () => [text("commands.yes"), text("commands.no")],
    find(utterance) {
      const answer = isForeign(utterance) ? undefined : answerIn(utterance);
      if (!answer) return undefined;
      const { isYes, score } = answer;
      return { tile: isYes ? 0 : 1, label: text(isYes ? "commands.yes" : "commands.no"), score };
    },
    none: "commands.noAnswer",
    isClosed: true,
  },
  numbers: {
    config: () => ({ languageModel: "numbers", phrases: [], maxAlternatives: 1 }),
    labels: () => ["–"],
    find(utterance) {
      const numbers = isForeign(utterance) ? [] : numbersIn(utterance.transcript);
      // Digit by digit: 017 is not 17.
      const label = numbers.map((digits) => [...digits].map((digit) => number(Number(digit))).join("")).join(" ");
      return label === "" ? undefined : { tile: 0, label, score: utterance.confidence };
    },
    none: "commands.noNumber",
    isClosed: true,
  },
};

/**
 * Whether the speech was none of a closed vocabulary's words.
 * @param {Utterance} utterance
 */
export function isForeign({ isFinal, confidence }) {
  return isFinal && confidence < MIN_CONFIDENCE;
}
