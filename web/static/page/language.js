// Language of the page's own texts: the choice, and its change on the page.

const KEY = "niyosha.language";
// Only the texts that are shown are loaded.
const LANGUAGES = {
  en: { dir: "ltr", load: async () => (await import("./english.js")).ENGLISH },
  fa: { dir: "rtl", load: async () => (await import("./persian.js")).PERSIAN },
};
/** @typedef {keyof typeof LANGUAGES} Language */
/**
 * @typedef {keyof typeof import("./english.js").ENGLISH | keyof typeof import("./captions-texts.js").ENGLISH
 *   | keyof typeof import("./commands-texts.js").ENGLISH
 *   | keyof typeof import("./operator-texts.js").ENGLISH} TextKey
 */

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {Language} */
let current = chosen();
/** Texts of all views. @type {Record<string, string>} */
let shared = await LANGUAGES[current].load();
/** Texts of one view, by language. @type {Record<Language, Record<string, string>>} */
let own = { en: {}, fa: {} };

/**
 * Add the texts of a view. Call it before they are shown.
 * @param {typeof own} added
 */
export function addTexts(added) {
  own = added;
}

/**
 * One of the page's texts in the language in force.
 * @param {TextKey} key
 * @param {Record<string, string | number>} [values] for its `{names}`
 */
export function text(key, values = {}) {
  return (own[current][key] ?? shared[key]).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * A text that the language in force may have, else a fallback.
 * @param {string} key
 * @param {string} fallback
 */
export function translated(key, fallback) {
  return own[current][key] ?? shared[key] ?? fallback;
}

/**
 * A number as the language writes it.
 * @param {number} value
 * @param {number} [decimals]
 */
export function number(value, decimals = 0) {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return new Intl.NumberFormat(current, digits).format(value);
}

/**
 * A share as whole percents.
 * @param {number} share 0 to 1
 */
export function percent(share) {
  return new Intl.NumberFormat(current, { style: "percent" }).format(share);
}

/**
 * The name of a language, or its code if it has none.
 * @param {string} code BCP 47
 */
export function languageName(code) {
  return new Intl.DisplayNames([current], { type: "language" }).of(code) ?? code;
}

/**
 * Names as an enumeration.
 * @param {string[]} names
 */
export function listed(names) {
  return new Intl.ListFormat(current).format(names);
}

/**
 * A moment as the language writes it, in the user's time zone.
 * @param {string} time ISO 8601
 */
export function moment(time) {
  return new Intl.DateTimeFormat(current, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));
}

/**
 * Write the page's texts, now and after each change: into elements with `data-text` or `data-label` (the name for
 * screen readers, and a tooltip). `rewrite` writes the texts that scripts made.
 * @param {() => void} [rewrite]
 */
export function speakLanguage(rewrite = () => {}) {
  if (listeners.size === 0) {
    for (const button of document.querySelectorAll("[data-language]")) {
      button.addEventListener("click", () => void change(current === "en" ? "fa" : "en"));
    }
  }
  listeners.add(rewrite);
  write();
}

/** @param {Language} language */
async function change(language) {
  shared = await LANGUAGES[language].load();
  current = language;
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Without storage the choice holds until the page is closed.
  }
  write();
}

function write() {
  document.documentElement.lang = current;
  document.documentElement.dir = LANGUAGES[current].dir;
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-text]"))) {
    element.textContent = text(/** @type {TextKey} */ (element.dataset.text));
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-label]"))) {
    name(element, /** @type {TextKey} */ (element.dataset.label));
  }
  for (const rewrite of listeners) rewrite();
}

/**
 * Name an element that shows no text, also when the language changes.
 * @param {HTMLElement} element
 * @param {TextKey} key
 */
export function name(element, key) {
  element.dataset.label = key;
  element.setAttribute("aria-label", text(key));
  if (element.tagName === "BUTTON") element.title = text(key);
}

/** @returns {Language} */
function chosen() {
  let stored = null;
  try {
    stored = localStorage.getItem(KEY);
  } catch {
    // Use the browser's own language.
  }
  return (stored ?? navigator.language).startsWith("fa") ? "fa" : "en";
}
