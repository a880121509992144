// Elements of a page: found by their id, and lines of text with one element for each word.

/**
 * The element with an id that the page has.
 * @param {string} id
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @typedef {{ element: HTMLElement, words: HTMLElement[] }} WordLine */

/** @returns {WordLine} a line that finds its own direction */
export function newLine() {
  const element = document.createElement("p");
  element.dir = "auto";
  return { element, words: [] };
}

/**
 * Write the newest words of a line. Words that stay are not touched: their transition goes on, and nothing moves.
 * @param {WordLine} line
 * @param {string[]} texts
 * @param {number} stable how many leading words no longer change
 */
export function writeWords({ element, words }, texts, stable) {
  for (const surplus of words.splice(texts.length)) surplus.remove();
  for (const [index, text] of texts.entries()) {
    const word = (words[index] ??= element.appendChild(document.createElement("span")));
    if (word.textContent !== `${text} `) word.textContent = `${text} `;
    word.className = index < stable ? "word" : "word unsettled";
  }
}
