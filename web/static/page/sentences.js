// Sentences for errors, with what to do about them.

import { languageName, listed, text, translated } from "./language.js";
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

// What the server writes of a language that none of its models recognizes.
const UNSERVED_LANGUAGE = /^languageCode is ([\w-]+), .*?; served: ([\w-]+(?:, [\w-]+)*)(?:; `([^`]+)`)?/;

/**
 * The sentence for a file that was not recognized, in the language of the page.
 * @param {unknown} error
 */
export function fileSentence(error) {
  if (!(error instanceof LiveError)) return sentence(error);
  const { type, detail } = error;
  if (type === "unsupported_media") return text("file.unfit");
  if (type === "too_large") return text("file.tooLarge");
  if (type !== "invalid_audio") return sentence(error);
  if (detail.includes("is empty")) return text("file.nothing");
  return text(detail.includes("no audio stream") ? "file.noSound" : "file.damaged");
}

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
  const [, code = "", served = "", command = ""] = UNSERVED_LANGUAGE.exec(error.detail) ?? [];
  if (code) {
    const names = { language: languageName(code), served: listed(served.split(", ").map(languageName)), command };
    return text(command ? "error.languageToGet" : "error.language", names);
  }
  if (error.type in TYPES) return text(TYPES[error.type], values);
  if (error.type === "overloaded") return text(isStarting(error) ? "error.notReady" : "error.full");
  if (error.kind === "unreachable" && error.code === 0) return text("error.unreachable");
  return text(error.kind === "lost" ? "error.lost" : "error.other", values);
}
