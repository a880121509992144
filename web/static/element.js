// Owns finding what a page is made of.

/**
 * The element with an id, which the page has.
 * @param {string} id
 */
export function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
