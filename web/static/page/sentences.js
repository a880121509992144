// Sentences for errors, with what to do about them.

import { text, translated } from "./language.js";
import { LiveError } from "../client/live.js";
import { MicrophoneError } from "../client/microphone.js";

/** Texts for the protocol's types of error. @type {Record<string, import("./language.js").TextKey>} */
const TYPES = {
  unauthenticated: "error.unauthenticated",
  forbidden: "error.forbidden",
  invalid_config: "error.invalid_config",
  rate_limited: "error.full",
  recognizer_failed: "error.recognizer",
};

/**
 * The sentence while the page waits for a place.
 * @param {unknown} error why there is none
 */
export function waitingSentence(error) {
  return text(isStarting(error) ? "notice.starting" : "notice.waiting");
}

/**
 * A starting recognizer has the same type as a full server; its `detail` differs.
 * @param {unknown} error
 */
function isStarting(error) {
  return error instanceof LiveError && error.detail.includes("not ready");
}

/**
 * The sentence for an error, in the language of the page.
 * @param {unknown} error
 */
export function sentence(error) {
  const { message } = /** @type {Error} */ (error);
  if (error instanceof MicrophoneError) return translated(`fault.${error.fault}`, message);
  if (!(error instanceof LiveError)) return text("error.other", { message });
  const values = { message, detail: error.detail };
  if (error.type in TYPES) return text(TYPES[error.type], values);
  if (error.type === "overloaded") return text(isStarting(error) ? "error.notReady" : "error.full");
  if (error.kind === "unreachable" && error.code === 0) return text("error.unreachable");
  return text(error.kind === "lost" ? "error.lost" : "error.other", values);
}
