// Elements of a page: found by their id, and lines of text with one element for each word.

/**
 * The element with an id that the page has.
 * @param {string} id
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @typedef {{ element: HTMLElement, words: HTMLElement[] }} WordLine */

/**
 * @param {"p" | "span"} [tag] a paragraph finds its own direction
 * @returns {WordLine}
 */
export function newLine(tag = "p") {
  const element = document.createElement(tag);
  if (tag === "p") element.dir = "auto";
  return { element, words: [] };
}

/**
 * Write the newest words of a line. Words that stay are not touched: their transition goes on, and nothing moves.
 * @param {WordLine} line
 * @param {string[]} texts
 * @param {number} stable how many leading words no longer change
 * @param {boolean} [isFirst] whether nothing comes before the line in its paragraph
 */
export function writeWords({ element, words }, texts, stable, isFirst = true) {
  for (const surplus of words.splice(texts.length)) surplus.remove();
  for (const [index, text] of texts.entries()) {
    const word = (words[index] ??= element.appendChild(document.createElement("span")));
    // A space at the end of a paragraph would be copied with it.
    const shown = text === "" || (isFirst && index === 0) ? text : ` ${text}`;
    if (word.textContent !== shown) word.textContent = shown;
    word.className = index < stable ? "word" : "word unsettled";
  }
}
