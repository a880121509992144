// Spoken answers: the words for yes and no of the server's vocabulary, in its languages.

import { match } from "../../client/matching.js";

// As in stream/vocabulary/vocabularies.py. All languages at once: no word of one means the opposite in another.
const YES = `yes, yeah, yep, yup, sure, okay, right, correct, of course, بله, بلی, آره, آری, باشه, درسته, حتما, البته,
  نعم, أجل, أكيد, صحيح, ja, jawohl, doch, genau, richtig, sí, claro, vale, correcto, por supuesto, oui, ouais, si,
  d'accord, bien sûr, sì, certo, esatto, va bene, sim, isso, да, ага, конечно, верно, evet, tabii, doğru, tamam`;
const NO = `no, nope, nah, wrong, not really, no thanks, نه, نخیر, نه خیر, خیر, اصلا, هرگز, لا, كلا, أبدا, nein, nee, nö,
  falsch, nunca, para nada, non, pas du tout, per niente, não, de jeito nenhum, нет, неа, неверно, hayır, yok, yanlış`;
const [yes, no] = [YES, NO].map((words) => words.split(/,\s+/));

/**
 * Find yes or no in an utterance.
 * @param {import("../../client/matching.js").Hypothesis | import("../../client/matching.js").Hypothesis[]} utterance as for
 *   `match`
 * @returns {{ isYes: boolean, score: number } | undefined}
 */
export function answerIn(utterance) {
  const [best] = match(utterance, [...no, ...yes], { minSimilarity: 1 });
  return best && { isYes: best.index >= no.length, score: best.score };
}
