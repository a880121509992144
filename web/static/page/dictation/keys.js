// Keys of the dictation view, which work wherever the focus is.

/**
 * @typedef {object} KeyActions
 * @property {() => void} toggle start or stop listening
 * @property {() => void} copy all text
 * @property {() => boolean} undo returns whether there was something to undo
 */

/** @param {KeyActions} actions */
export function watchKeys({ toggle, copy, undo }) {
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || document.querySelector("dialog[open]")) return;
    const { code, key, target, shiftKey } = event;
    const isField = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
    // On a Persian keyboard the same keys have other letters.
    const isZ = !shiftKey && (key.toLowerCase() === "z" || code === "KeyZ");
    const isC = !shiftKey && (key.toLowerCase() === "c" || code === "KeyC");
    if (key === "Enter" && !event.repeat) toggle();
    else if (isZ && !isField && undo()) void 0;
    else if (isC && !isField && document.getSelection()?.isCollapsed !== false) copy();
    else return;
    event.preventDefault();
  });
}
