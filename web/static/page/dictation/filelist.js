// The list of the files that are read: their names, their progress, and a button to cancel each.

import { element } from "../elements.js";
import { percent, text } from "../language.js";

/** @typedef {import("./filequeue.js").Job<unknown>} Job */

/** Shows a row for each file; rows stay in place while their progress changes. */
export class FileList {
  #list = element("progress");
  /** @type {Map<Job, { row: HTMLElement, name: HTMLElement, bar: HTMLProgressElement, value: HTMLElement, cancel: HTMLElement }>} */
  #rows = new Map();
  #onCancel;

  /** @param {(job: Job) => void} onCancel */
  constructor(onCancel) {
    this.#onCancel = onCancel;
  }

  /** @param {readonly Job[]} jobs the first is being read */
  show(jobs) {
    for (const [job, { row }] of this.#rows) {
      if (jobs.includes(job)) continue;
      // The focus of a row that disappears goes to the main button, not to the begin of the page.
      if (row.contains(document.activeElement)) element("listen").focus();
      row.remove();
      this.#rows.delete(job);
    }
    for (const [index, job] of jobs.entries()) this.#write(job, index === 0);
    this.#list.hidden = jobs.length === 0;
  }

  /**
   * @param {Job} job
   * @param {boolean} isRead whether it is being read, and does not wait
   */
  #write(job, isRead) {
    const { bar, value, cancel } = this.#rows.get(job) ?? this.#begin(job);
    const label = text("file.readingName", { name: job.name });
    bar.setAttribute("aria-label", label);
    bar.hidden = !isRead;
    if (job.share === undefined) bar.removeAttribute("value");
    else bar.value = job.share;
    value.textContent = isRead ? percent(job.share ?? 0) : text("file.waits");
    cancel.textContent = text("cancel");
    cancel.setAttribute("aria-label", text("file.cancel", { name: job.name }));
  }

  /** @param {Job} job */
  #begin(job) {
    const row = document.createElement("li");
    const name = Object.assign(document.createElement("span"), { textContent: job.name, title: job.name, className: "name" });
    name.dir = "auto";
    const bar = Object.assign(document.createElement("progress"), { max: 1 });
    const value = Object.assign(document.createElement("span"), { className: "value" });
    const cancel = Object.assign(document.createElement("button"), { type: "button", className: "plain" });
    cancel.addEventListener("click", () => this.#onCancel(job));
    row.append(name, bar, value, cancel);
    this.#list.append(row);
    const parts = { row, name, bar, value, cancel };
    this.#rows.set(job, parts);
    return parts;
  }
}
