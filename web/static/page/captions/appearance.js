// The look of the captions, and the small panel that writes it into the address.

import { element } from "../elements.js";
import { optionsOf, withOption } from "./options.js";

const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

/** Applies the options of the address, and changes them. */
export class Appearance {
  /** @type {URLSearchParams} */
  #query = new URLSearchParams(location.search);
  #form = /** @type {HTMLFormElement} */ (element("look"));
  #onChange;

  /** @param {(options: import("./options.js").CaptionOptions) => void} onChange called now and after each change */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", ({ target }) => {
      const { name, value } = /** @type {HTMLInputElement} */ (target);
      this.set(name, value);
    });
    this.#form.addEventListener("reset", () => {
      for (const name of ["theme", "lines", "size", "font", "color", "colour", "background", "align", "position"]) {
        this.#query = withOption(this.#query, name, "");
      }
      this.#write();
    });
    element("appearance").addEventListener("click", () => {
      const isHidden = this.#form.toggleAttribute("hidden");
      element("appearance").setAttribute("aria-expanded", String(!isHidden));
    });
    element("obs").addEventListener("focusin", ({ target }) => {
      if (target instanceof HTMLInputElement) target.select();
    });
    system.addEventListener("change", () => this.#apply());
    this.#apply();
  }

  /**
   * Set an option and keep it in the address, so that it can be reloaded and shared.
   * @param {string} name
   * @param {string} value "" for the usual one
   */
  set(name, value) {
    this.#query = withOption(this.#query, name, value);
    this.#write();
  }

  #write() {
    const query = String(this.#query);
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    this.#apply();
  }

  #apply() {
    const options = optionsOf(this.#query);
    root.dataset.theme = options.theme ?? (system.matches ? "dark" : "light");
    root.dataset.position = options.position ?? (root.dataset.theme === "transparent" ? "bottom" : "center");
    root.dataset.align = options.align;
    root.style.setProperty("--size", String(options.size / 100));
    const { style } = element("captions");
    style.setProperty("--rows", String(options.lines));
    style.fontFamily = options.font;
    setColour(style, "--ink", options.color);
    // Unsettled text stays weaker than settled text, whatever its colour.
    setColour(style, "--grey", options.color && `color-mix(in srgb, ${options.color} 70%, transparent)`);
    setColour(style, "--box", options.background);
    element("captions").classList.toggle("boxed", options.background !== "");
    this.#fill(options);
    this.#onChange(options);
  }

  /** @param {import("./options.js").CaptionOptions} options */
  #fill(options) {
    /** @type {Record<string, string>} */
    const values = {
      theme: options.theme ?? "", position: options.position ?? "", align: options.align,
      lines: String(options.lines), size: String(options.size), font: options.font, color: options.color,
      background: options.background,
    };
    for (const [name, value] of Object.entries(values)) {
      const field = /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
      // Not under the hands of the user, who may be in the middle of a name.
      if (document.activeElement !== field) field.value = value;
    }
    write("address", location.href);
    // As OBS takes them: a page that listens by itself over the picture, or a window of one colour.
    write("obsBrowser", this.#addressWith({ mic: "1", autostart: "1", theme: "transparent" }));
    write("obsWindow", this.#addressWith({ mic: "1", theme: root.dataset.theme === "light" ? "light" : "dark" }));
  }

  /**
   * The address of this page with other options.
   * @param {Record<string, string>} options
   */
  #addressWith(options) {
    const query = new URLSearchParams({ ...Object.fromEntries(this.#query), ...options });
    return new URL(`?${query}`, location.href).href;
  }
}

/**
 * @param {string} id of a field
 * @param {string} value
 */
function write(id, value) {
  /** @type {HTMLInputElement} */ (element(id)).value = value;
}

/**
 * @param {CSSStyleDeclaration} style
 * @param {string} name
 * @param {string} colour "" for the one of the theme
 */
function setColour(style, name, colour) {
  if (colour && CSS.supports("color", colour)) style.setProperty(name, colour);
  else style.removeProperty(name);
}
