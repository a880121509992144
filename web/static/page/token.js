// Token of a server that requires one: the user enters a key once, and only the token that it is traded for is kept.

import { text } from "./language.js";
import { LiveError, retryAfterMsOf, unreachable } from "../client/retry.js";

const KEY = "niyosha.token";
const TOKENS = new URL("v1/tokens", document.baseURI);
// For a working day, and without the scope `models`, which the page does not use.
const KEPT_TOKEN = { oneUse: false, seconds: 28_800, scope: "tokens live recordings" };
// The token is no key, or the server makes no tokens: use the token as it is.
const NOT_TRADED = new Set([403, 404]);
const TRADE_MS = 10_000;
const LANGUAGES = new URL("v1/speech/languages", document.baseURI);
const REFUSED = 401;
let isNeeded = false;
let isTraded = true;
/** @type {Promise<void> | undefined} */
let asking;

/** The token for a request; "" until the server has required one. @returns {Promise<string>} */
export async function keptToken() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** A token for one connection, as the address may be logged. @returns {Promise<string>} */
export async function getToken() {
  const kept = await keptToken();
  return kept && isTraded ? trade(kept) : kept;
}

/** Whether the server requires a token that is not there, as far as is known. */
export function isTokenNeeded() {
  return isNeeded;
}

/**
 * The server refused the token: ask the user for another.
 * @returns {boolean} whether there was one
 */
export function refuseToken() {
  const hadToken = sessionStorage.getItem(KEY) !== null;
  sessionStorage.removeItem(KEY);
  isNeeded = isTraded = true;
  return hadToken;
}

/** Find out whether the server requires a token, so that the first click asks for a key and not for a microphone. */
export function checkToken() {
  asking ??= (async () => {
    if (await keptToken()) return;
    // A server that does not answer is reported by what needs it.
    const response = await fetch(LANGUAGES).catch(() => undefined);
    isNeeded ||= response?.status === REFUSED;
  })();
  return asking;
}

/**
 * Ask the user for a key if the server requires a token and there is none. Call it inside a click.
 * @returns {Promise<boolean>} false if the user cancelled
 */
export async function ensureToken() {
  await checkToken();
  if (!isNeeded) return true;
  const key = await askUser();
  if (key === "") return false;
  sessionStorage.setItem(KEY, await trade(key, KEPT_TOKEN));
  isNeeded = false;
  return true;
}

/** @returns {Promise<string>} the key, or "" */
async function askUser() {
  const label = document.createElement("label");
  const field = Object.assign(document.createElement("input"), {
    type: "password", autocomplete: "off", required: true, spellcheck: false,
  });
  label.append(text("token.label"), field);
  const sentences = [text("token.why"), text("token.kept")];
  const answers = [{ answer: "use", label: /** @type {const} */ ("token.use") }];
  const { ask } = await import("./dialog.js");
  const answer = await ask({ title: text("token.title"), sentences, field: label, answers });
  return answer === "" ? "" : field.value.trim();
}

/**
 * Trade a token for another one; rejects with a LiveError.
 * @param {string} token
 * @param {object} [request] by default for one use
 * @returns {Promise<string>}
 */
async function trade(token, request = {}) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  let response, body;
  try {
    const signal = AbortSignal.timeout(TRADE_MS);
    response = await fetch(TOKENS, { method: "POST", headers, body: JSON.stringify(request), signal });
    body = await response.json();
  } catch {
    throw unreachable();
  }
  if (NOT_TRADED.has(response.status)) {
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
