// Owns the way of a recording from a file to its text: sent to the server, asked after, taken away again.

import { LiveError } from "./live.js";
import { sleep } from "./waiting.js";

/**
 * @typedef {import("./live.js").Result} Result
 * @typedef {object} FileOptions
 * @property {import("./live.js").Config} config
 * @property {AbortSignal} signal gives up
 * @property {() => Promise<string>} getToken
 * @property {(share: number) => void} onProgress 0 to 1
 * @property {(results: Result[]) => void} onResults all that is settled so far
 */

const RECORDINGS = new URL("v1/speech/asrlongrunning", document.baseURI);
const ASK_MS = 400;
const RATE = 16_000;
const UNSUPPORTED = 415;
// Decoded by the browser, a recording takes 40 times the room of its file.
const DECODABLE_BYTES = 64 * 1024 * 1024;

/**
 * Recognize a file; what the server cannot read, such as a phone's MP4, is decoded by the browser.
 * Rejects with a LiveError, or with the signal's reason.
 * @param {File} file
 * @param {FileOptions} options
 */
export async function recognizeFile(file, options) {
  const accepted = await send(file, options).catch(async (error) => {
    const wav = error.code === UNSUPPORTED && file.size <= DECODABLE_BYTES ? await decoded(file) : undefined;
    if (!wav) throw error;
    return send(wav, options);
  });
  const address = new URL(`transcriptions/${accepted.transcriptionId}`, RECORDINGS);
  try {
    await follow(address, options);
  } finally {
    // The page has the text now, or does not want it; whoever dropped a file did not ask for it to be kept.
    await ask(address, { ...options, signal: AbortSignal.timeout(5_000) }, { method: "DELETE" }).catch(() => {});
  }
}

/**
 * @param {URL} address
 * @param {FileOptions} options
 */
async function follow(address, options) {
  const { signal, onProgress, onResults } = options;
  address.searchParams.set("extended", "true");
  for (;;) {
    const { status, progress, results } = await ask(address, options);
    onProgress(progress);
    onResults(results.filter((/** @type {Result} */ { transcript }) => transcript !== ""));
    if (status === "done") return;
    await sleep(ASK_MS, signal);
  }
}

/**
 * @param {Blob} sound
 * @param {FileOptions} options
 */
function send(sound, options) {
  const form = new FormData();
  form.append("config", JSON.stringify(options.config));
  form.append("audio", sound);
  return ask(RECORDINGS, options, { method: "POST", body: form });
}

/**
 * @param {URL} address
 * @param {Pick<FileOptions, "signal" | "getToken">} options
 * @param {RequestInit} [request]
 * @returns {Promise<any>} the body of the answer
 */
async function ask(address, { signal, getToken }, request = {}) {
  const token = await getToken();
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  let response, body;
  try {
    response = await fetch(address, { ...request, headers, signal });
    body = response.status === 204 ? {} : await response.json();
  } catch {
    signal.throwIfAborted();
    throw new LiveError("unreachable", "The server cannot be reached. Is it running?");
  }
  if (response.ok) return body;
  const { detail, type } = body;
  throw new LiveError("refused", `The server refused the file: ${detail}.`, { type, detail, code: response.status });
}

/**
 * Let the browser decode a file to a WAV of what it says.
 * @param {File} file
 * @returns {Promise<Blob | undefined>} nothing if it cannot, either
 */
async function decoded(file) {
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    return wav(mixed(sound));
  } catch {
    return undefined;
  }
}

/** @param {AudioBuffer} sound */
function mixed(sound) {
  const samples = new Int16Array(sound.length);
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  for (let at = 0; at < samples.length; at++) {
    let sum = 0;
    for (const channel of channels) sum += channel[at];
    samples[at] = Math.max(-32_768, Math.min(32_767, Math.round((sum / channels.length) * 32_768)));
  }
  return samples;
}

/** @param {Int16Array<ArrayBuffer>} samples */
function wav(samples) {
  const header = new DataView(new ArrayBuffer(44));
  const ascii = (/** @type {number} */ at, /** @type {string} */ letters) => {
    for (let index = 0; index < letters.length; index++) header.setUint8(at + index, letters.charCodeAt(index));
  };
  ascii(0, "RIFF");
  header.setUint32(4, 36 + samples.byteLength, true);
  ascii(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, RATE, true);
  header.setUint32(28, 2 * RATE, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  ascii(36, "data");
  header.setUint32(40, samples.byteLength, true);
  return new Blob([header, samples], { type: "audio/wav" });
}
