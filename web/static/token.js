// Owns the token of a server that asks for one: asked of the user once, kept while the tab is open.

import { text } from "./language.js";

const KEY = "shenava.token";
let isNeeded = false;

/** Asked before each connection; empty for a server that has not asked for a token. @returns {Promise<string>} */
export async function getToken() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** The server did not accept what there was: the user will be asked. */
export function refuseToken() {
  sessionStorage.removeItem(KEY);
  isNeeded = true;
}

/** Ask the user if the server has asked for a token and there is none. Call it inside a click. */
export async function ensureToken() {
  if (!isNeeded) return;
  const dialog = document.createElement("dialog");
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  const title = Object.assign(document.createElement("h2"), { textContent: text("token.title"), id: "token-title" });
  dialog.setAttribute("aria-labelledby", title.id);
  const label = document.createElement("label");
  const field = Object.assign(document.createElement("input"), {
    type: "password", autocomplete: "off", required: true, spellcheck: false,
  });
  label.append(text("token.label"), field);
  const use = Object.assign(document.createElement("button"), { textContent: text("token.use") });
  form.append(title, label, use);
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  dialog.remove();
  if (field.value === "") return;
  sessionStorage.setItem(KEY, field.value.trim());
  isNeeded = false;
}
