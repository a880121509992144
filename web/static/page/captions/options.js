// The options of the captions in their address: read with bounds, and written.

export const THEMES = /** @type {const} */ (["dark", "light", "transparent"]);
export const POSITIONS = /** @type {const} */ (["top", "center", "bottom"]);
export const ALIGNMENTS = /** @type {const} */ (["start", "center", "end"]);
const LINES = { usual: 2, least: 1, most: 4 };
const SIZE = { usual: 100, least: 50, most: 200 };
const CLEAR_SECONDS = { usual: 8, least: 0, most: 86_400 };
// What a style takes as one value: a name, or a hexadecimal number, whose # an address would end at.
const COLOUR = /^(?:#?(?:[\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})|[a-z]{3,24})$/i;
const FONT = /^[\p{L}\p{N} ,_-]{1,80}$/u;

/**
 * @typedef {object} CaptionOptions
 * @property {typeof THEMES[number] | undefined} theme
 * @property {typeof POSITIONS[number] | undefined} position
 * @property {typeof ALIGNMENTS[number]} align
 * @property {number} lines
 * @property {number} size percent
 * @property {number} clearSeconds of silence until the text fades; 0 for never
 * @property {string} font "" for the system's
 * @property {string} color "" for the theme's
 * @property {string} background of the text; "" for none
 */

/**
 * Read options; a value that is not allowed is as if it were not there.
 * @param {URLSearchParams} query
 * @returns {CaptionOptions}
 */
export function optionsOf(query) {
  return {
    theme: oneOf(THEMES, query.get("theme")),
    position: oneOf(POSITIONS, query.get("position")),
    align: oneOf(ALIGNMENTS, query.get("align")) ?? "start",
    lines: Math.round(numberOf(query.get("lines"), LINES)),
    size: numberOf(query.get("size"), SIZE),
    clearSeconds: numberOf(query.get("clear"), CLEAR_SECONDS),
    font: matching(FONT, query.get("font")),
    color: colourOf(query.get("color") ?? query.get("colour")),
    background: colourOf(query.get("background")),
  };
}

/**
 * The query with another value of an option; an empty one is the usual one, which an address need not have.
 * @param {URLSearchParams} query
 * @param {string} name
 * @param {string} value
 */
export function withOption(query, name, value) {
  const changed = new URLSearchParams(query);
  if (name === "color") changed.delete("colour");
  if (value === "") changed.delete(name);
  else changed.set(name, value.replace(/^#/, ""));
  return changed;
}

/**
 * @template {string} Value
 * @param {readonly Value[]} values
 * @param {string | null} value
 */
function oneOf(values, value) {
  return values.find((one) => one === value);
}

/**
 * @param {string | null} written
 * @param {{ usual: number, least: number, most: number }} bounds
 */
function numberOf(written, { usual, least, most }) {
  const value = written ? Number(written) : usual;
  return Number.isNaN(value) ? usual : Math.min(most, Math.max(least, value));
}

/**
 * @param {RegExp} pattern
 * @param {string | null} written
 */
function matching(pattern, written) {
  return written !== null && pattern.test(written) ? written : "";
}

/** @param {string | null} written */
function colourOf(written) {
  const colour = matching(COLOUR, written);
  return /^[\da-f]{3,8}$/i.test(colour) ? `#${colour}` : colour;
}
