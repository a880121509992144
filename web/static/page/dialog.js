// A question to the user in a dialog: a title, sentences, perhaps a field, and a button for each answer.

import { text } from "./language.js";

/**
 * @typedef {import("./language.js").TextKey} TextKey
 * @typedef {object} Question
 * @property {string} title
 * @property {string[]} [sentences]
 * @property {HTMLElement} [field] with its label
 * @property {{ answer: string, label: TextKey }[]} answers the first is the usual one
 */

let asked = 0;

/**
 * Ask a question; resolves with the answer, "" if it was cancelled by its button or by Escape.
 * @param {Question} question
 * @returns {Promise<string>}
 */
export async function ask({ title, sentences = [], field, answers }) {
  asked += 1;
  const dialog = document.createElement("dialog");
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  const heading = Object.assign(document.createElement("h2"), { textContent: title, id: `question-${asked}` });
  dialog.setAttribute("aria-labelledby", heading.id);
  const paragraphs = sentences.map((textContent) => Object.assign(document.createElement("p"), { textContent }));
  const buttons = Object.assign(document.createElement("div"), { className: "answers" });
  buttons.append(...answers.map(({ answer, label }) => button(answer, text(label))), button("", text("cancel")));
  form.append(heading, ...paragraphs, ...(field ? [field] : []), buttons);
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
  return dialog.returnValue;
}

/**
 * @param {string} answer
 * @param {string} label
 */
function button(answer, label) {
  // Cancelling must not require that the field is filled.
  return Object.assign(document.createElement("button"), {
    value: answer, textContent: label, formNoValidate: answer === "", className: answer === "" ? "plain" : "",
  });
}
