// The form of the settings: the choices, and a callback for each change.

import { microphones } from "../../client/microphone.js";
import { serverConfiguration } from "../configuration.js";
import { languageName, number, percent, text, translated } from "../language.js";
import { PROCESSING, loadSettings, saveSettings } from "../settings.js";
import { checkToken, isTokenNeeded, keptToken } from "../token.js";

/**
 * @typedef {import("../settings.js").Settings} Settings
 * @typedef {import("../settings.js").SettingKey} SettingKey
 */

const LANGUAGES = new URL("v1/speech/languages", document.baseURI);

/** The form of the settings; a change applies at once, and is kept. */
export class Panel {
  settings = loadSettings();
  #form;
  #onChange;
  /** @type {string[]} */
  #languages = [];
  /** @type {import("../configuration.js").ServerConfiguration | undefined} */
  #server;

  /**
   * @param {HTMLFormElement} form its fields have the settings' keys as ids
   * @param {(key: SettingKey, settings: Settings) => void} onChange
   */
  constructor(form, onChange) {
    this.#form = form;
    this.#onChange = onChange;
    // The language is part of the form, and stands elsewhere.
    document.addEventListener("input", ({ target }) => {
      const field = /** @type {HTMLInputElement} */ (target);
      if (field.form === form) this.#take(field);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.showMicrophones());
  }

  /** Tags of the server's languages; none until they are known. */
  get languages() {
    return this.#languages;
  }

  /** Offer the languages and models of the server, and show its defaults; fetched once. */
  async fetchChoices() {
    if (this.#server && this.#languages.length > 0) return;
    this.#server = await serverConfiguration();
    await checkToken();
    const token = await keptToken();
    // A server that requires a token would refuse; the session that has one asks again.
    if (token || !isTokenNeeded()) {
      try {
        const response = await fetch(LANGUAGES, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
        if (response.ok) this.#languages = (await response.json()).languages;
      } catch {
        // The server chooses the language.
      }
    }
    this.write();
  }

  /** Write the fields, in the language of the page. */
  write() {
    const { languageCode = "" } = this.settings;
    const known = new Set([...this.#languages, ...(languageCode ? [languageCode] : [])]);
    const languages = [...known].map((code) => ({ value: code, label: languageName(code) }));
    languages.sort((one, other) => one.label.localeCompare(other.label));
    fill(this.#field("languageCode"), [{ value: "", label: this.#automatic }, ...languages], languageCode);
    const models = Object.keys(this.#server?.models ?? { [this.#model]: {} });
    const labels = models.map((model) => ({ value: model, label: translated(`model.${model}`, model) }));
    fill(this.#field("asrModel"), labels, this.#model);
    for (const key of [...PROCESSING, /** @type {const} */ ("isStereo")]) {
      this.#field(key).checked = this.settings[key] ?? false;
    }
    const glossary = this.#field("phrases");
    if (document.activeElement !== glossary) glossary.value = (this.settings.phrases ?? []).join("\n");
    this.#writeRanges();
    void this.showMicrophones();
  }

  /** Offer the microphones; browsers list them once one was allowed. */
  async showMicrophones() {
    const found = await microphones().catch(() => []);
    const options = found.map(({ deviceId, label }) => ({ value: deviceId, label: label || text("microphone") }));
    if (!found.some(({ deviceId }) => deviceId === "default")) {
      options.unshift({ value: "", label: text("anyMicrophone") });
    }
    const chosen = found.some(({ deviceId }) => deviceId === this.settings.deviceId);
    fill(this.#field("deviceId"), options, chosen ? /** @type {string} */ (this.settings.deviceId) : options[0].value);
  }

  /** The server's choice of a language, by name where it is known. */
  get #automatic() {
    const code = this.#server?.keys.languageCode?.default || (this.#languages.length === 1 ? this.#languages[0] : "");
    return code ? text("automaticLanguage", { language: languageName(code) }) : text("automatic");
  }

  get #model() {
    return this.settings.asrModel ?? this.#server?.keys.asrModel.default ?? "default";
  }

  #writeRanges() {
    const { keys, models } = this.#server ?? {};
    const { hangoverMs = models?.[this.#model].hangoverMs } = this.settings;
    const { maxUtteranceMs = keys?.maxUtteranceMs.default } = this.settings;
    this.#writeRange("hangoverMs", hangoverMs, 1);
    this.#writeRange("maxUtteranceMs", maxUtteranceMs, 0);
    const { textSize = 100 } = this.settings;
    this.#writeValue("textSize", textSize, percent(textSize / 100));
  }

  /**
   * @param {SettingKey} key
   * @param {number | undefined} ms unknown until the server has answered
   * @param {number} decimals of the seconds
   */
  #writeRange(key, ms, decimals) {
    if (ms !== undefined) this.#writeValue(key, ms, text("seconds", { seconds: number(ms / 1000, decimals) }));
  }

  /**
   * @param {SettingKey} key
   * @param {number} value
   * @param {string} valueText
   */
  #writeValue(key, value, valueText) {
    const field = this.#field(key);
    field.value = String(value);
    field.setAttribute("aria-valuetext", valueText);
    /** @type {Element} */ (field.nextElementSibling).textContent = valueText;
  }

  /** @param {HTMLInputElement} field */
  #take({ id, type, checked, value }) {
    const key = /** @type {SettingKey} */ (id);
    const taken = key === "phrases" ? this.#glossary(value) : type === "checkbox" ? checked : type === "range" ? Number(value) : value || undefined;
    this.settings = { ...this.settings, [key]: taken };
    // Each model has its own pause.
    if (key === "asrModel") this.settings.hangoverMs = undefined;
    saveSettings(this.settings);
    this.#writeRanges();
    this.#onChange(key, this.settings);
  }

  /**
   * The phrases of the glossary, within the bounds of the server.
   * @param {string} written one a line
   */
  #glossary(written) {
    const { maxItems = Infinity, items = {} } = this.#server?.keys.phrases ?? {};
    const typed = new Set(written.split("\n").map((line) => line.trim().replace(/\s+/g, " ")));
    const { maxLength = Infinity } = items;
    // Counted in code points, as the server does.
    const phrases = [...typed].filter((phrase) => phrase !== "" && [...phrase].length <= maxLength).slice(0, maxItems);
    return phrases.length > 0 || this.settings.phrases ? phrases : undefined;
  }

  /** @param {SettingKey} key */
  #field(key) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(key));
  }
}

/**
 * @param {HTMLElement} select
 * @param {{ value: string, label: string }[]} options
 * @param {string} value
 */
function fill(select, options, value) {
  select.replaceChildren(...options.map(({ value, label }) => new Option(label, value)));
  /** @type {HTMLSelectElement} */ (/** @type {unknown} */ (select)).value = value;
}
