// The lines of a channel as its operator sees them: each can be corrected, hidden and shown again.

import { spokenLine } from "../elements.js";
import { text } from "../language.js";

/** @typedef {import("./console.js").Line} Line */

// What the operator may still want to correct; older lines leave the list.
const MOST_LINES = 200;

export class LineList {
  #list;
  #correct;
  /** @type {Map<number, Line>} */
  #lines = new Map();
  /** @type {Map<number, HTMLElement>} */
  #rows = new Map();
  #editing = 0;

  /**
   * @param {HTMLElement} list
   * @param {(line: number, changes: { text?: string, hidden?: boolean }) => Promise<void>} correct
   */
  constructor(list, correct) {
    this.#list = list;
    this.#correct = correct;
  }

  /** @param {Line[]} changed */
  take(changed) {
    for (const line of changed) {
      if (line.hidden && !line.settled) this.#lines.delete(line.line);
      else this.#lines.set(line.line, line);
      // A line that is being corrected keeps its field.
      if (this.#editing !== line.line) this.#drop(line.line);
    }
    const ordered = this.#ordered();
    for (const { line } of ordered.slice(0, -MOST_LINES)) {
      this.#lines.delete(line);
      this.#drop(line);
    }
    this.#place();
  }

  /** Write all lines in the language in force. */
  write() {
    for (const [line, row] of this.#rows) if (line !== this.#editing) this.#label(row, this.#lines.get(line));
  }

  #ordered() {
    return [...this.#lines.values()].sort((one, other) => one.startMs - other.startMs || one.line - other.line);
  }

  /** @param {number} line */
  #drop(line) {
    this.#rows.get(line)?.remove();
    this.#rows.delete(line);
  }

  #place() {
    const isAtEnd = this.#list.scrollTop + this.#list.clientHeight >= this.#list.scrollHeight - 40;
    /** @type {Element | null} */
    let before = null;
    for (const line of this.#ordered().reverse()) {
      let row = this.#rows.get(line.line);
      if (row === undefined) {
        row = this.#row(line);
        this.#rows.set(line.line, row);
      }
      if (row.nextElementSibling !== before || row.parentElement === null) this.#list.insertBefore(row, before);
      before = row;
    }
    if (isAtEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {Line} line */
  #row(line) {
    const row = document.createElement("li");
    row.dataset.isHidden = String(line.hidden);
    row.dataset.isSettled = String(line.settled);
    row.append(spokenLine(line));
    if (line.recognized !== null) row.append(Object.assign(document.createElement("small"), { dir: "auto" }));
    if (line.settled) {
      const edit = this.#button("edit", () => this.#edit(row, line));
      const hide = this.#button("hide", () => void this.#correct(line.line, { hidden: !line.hidden }));
      row.append(edit, hide);
    }
    this.#label(row, line);
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {Line | undefined} line
   */
  #label(row, line) {
    if (line === undefined) return;
    const [edit, hide] = row.querySelectorAll("button");
    if (edit !== undefined) edit.textContent = text("operator.edit");
    if (hide !== undefined) hide.textContent = text(line.hidden ? "operator.show" : "operator.hide");
    const before = row.querySelector("small");
    if (before !== null) before.textContent = text("operator.recognized", { text: line.recognized ?? "" });
  }

  /**
   * @param {HTMLElement} row
   * @param {Line} line
   */
  #edit(row, line) {
    if (this.#editing !== 0) this.#leave();
    this.#editing = line.line;
    const form = document.createElement("form");
    const field = Object.assign(document.createElement("input"), { value: line.text, required: true, maxLength: 2000, dir: "auto" });
    field.setAttribute("aria-label", text("operator.text"));
    const save = Object.assign(document.createElement("button"), { type: "submit", textContent: text("operator.save") });
    const cancel = this.#button("cancel", () => this.#leave());
    cancel.textContent = text("operator.cancel");
    form.append(field, save, cancel);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const changes = { text: field.value };
      this.#leave();
      void this.#correct(line.line, changes);
    });
    field.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#leave();
    });
    row.replaceChildren(form);
    field.focus();
  }

  /** Show the line that was being corrected as it is. */
  #leave() {
    const line = this.#editing;
    this.#editing = 0;
    this.#drop(line);
    this.#place();
  }

  /**
   * @param {string} kind
   * @param {() => void} onClick
   */
  #button(kind, onClick) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.dataset.kind = kind;
    button.addEventListener("click", onClick);
    return button;
  }
}
