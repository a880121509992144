// The direction of a text: that of most of its words. Follows stream/direction.py.

/** @typedef {"ltr" | "rtl"} Direction */

/** Python's white space: with the separators and NEL that \s lacks, without the byte order mark that it has. */
export const SPACE = /(?:[^\S\ufeff]|[\x1c-\x1f\x85])+/;
const LETTER = /\p{L}/u;
// Where Unicode keeps scripts that are written from right to left.
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;
const MARKS = { ltr: "\u200e", rtl: "\u200f" };

/**
 * The direction of most of the words of a text, that of the first one for a tie; undefined without letters.
 * @param {string} text
 * @returns {Direction | undefined}
 */
export function directionOf(text) {
  const directions = text.split(SPACE).flatMap((word) => firstDirection(word) ?? []);
  const rightToLeft = directions.filter((direction) => direction === "rtl").length;
  if (rightToLeft * 2 === directions.length) return directions[0];
  return rightToLeft * 2 > directions.length ? "rtl" : "ltr";
}

/**
 * The direction of the first letter of a text, of Unicode's first plane; undefined without letters.
 * @param {string} text
 * @returns {Direction | undefined}
 */
export function firstDirection(text) {
  const letter = [...text].find((one) => one.length === 1 && LETTER.test(one));
  if (letter === undefined) return undefined;
  return RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}

/**
 * A line of a text, with a mark before it if its first letter does not give it the direction of the text.
 * @param {string} line
 * @param {Direction | undefined} direction of the text
 */
export function marked(line, direction) {
  return direction === undefined || (firstDirection(line) ?? "ltr") === direction ? line : MARKS[direction] + line;
}
