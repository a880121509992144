// Texts of the pages in all languages. A page loads those of one language only.

export { ENGLISH } from "./english.js";
export { PERSIAN } from "./persian.js";
