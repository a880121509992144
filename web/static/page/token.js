// Owns the token of a server that asks for one: its key is asked of the user once, and only what it is traded for kept.

import { text } from "./language.js";
import { LiveError, retryAfterMsOf } from "../client/retry.js";

const KEY = "niyosha.token";
const TOKENS = new URL("v1/tokens", document.baseURI);
// As long as a day's work; not the right to keep phrases, which the page has no use for.
const KEPT = { oneUse: false, seconds: 28_800, scope: "tokens live recordings" };
// What is no key, or a server that makes no tokens: the token is used as it is.
const UNTRADED = new Set([403, 404]);
const TRADE_MS = 10_000;
let isNeeded = false;
let isTraded = true;

/** Asked before each request; empty for a server that has not asked for a token. @returns {Promise<string>} */
export async function keptToken() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Asked before each connection, whose address others may see: a token for this one use. @returns {Promise<string>} */
export async function getToken() {
  const kept = await keptToken();
  return kept && isTraded ? traded(kept) : kept;
}

/** The server did not accept what there was: the user will be asked. */
export function refuseToken() {
  sessionStorage.removeItem(KEY);
  isNeeded = isTraded = true;
}

/** Ask the user if the server has asked for a token and there is none. Call it inside a click. */
export async function ensureToken() {
  if (!isNeeded) return;
  const key = await asked();
  if (key === "") return;
  sessionStorage.setItem(KEY, await traded(key, KEPT));
  isNeeded = false;
}

/** @returns {Promise<string>} what the user gave, or nothing */
async function asked() {
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
  return field.value.trim();
}

/**
 * Trade a token for another one; rejects with a LiveError.
 * @param {string} token
 * @param {object} [wish] by default for one use
 * @returns {Promise<string>}
 */
async function traded(token, wish = {}) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  let response, body;
  try {
    const signal = AbortSignal.timeout(TRADE_MS);
    response = await fetch(TOKENS, { method: "POST", headers, body: JSON.stringify(wish), signal });
    body = await response.json();
  } catch {
    throw new LiveError("unreachable", "The server cannot be reached. Is it running?");
  }
  if (UNTRADED.has(response.status)) {
    isTraded = false;
    return token;
  }
  if (response.ok) return body.token;
  const { detail, type } = body;
  const retryAfterMs = retryAfterMsOf(response);
  throw new LiveError("refused", `The server refused the token: ${detail}.`, {
    type, detail, code: response.status, retryAfterMs,
  });
}
