// Texts of the pages in all languages. A page loads English, and the one that was chosen.

export { ENGLISH } from "./english.js";
export { PERSIAN } from "./persian.js";
