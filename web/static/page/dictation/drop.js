// Files that the user chooses, or drops on the page.

import { element } from "../elements.js";

/** @param {(files: File[]) => void} onFiles */
export function watchFiles(onFiles) {
  const chosen = /** @type {HTMLInputElement} */ (element("file"));
  for (const id of ["choose", "pick"]) element(id).addEventListener("click", () => chosen.click());
  chosen.addEventListener("change", () => {
    // Clearing the value empties the list.
    if (chosen.files?.length) onFiles([...chosen.files]);
    chosen.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer?.files.length) onFiles([...event.dataTransfer.files]);
  });
}
