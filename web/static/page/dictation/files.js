// Recognition of a file by the server: upload, polling for results, download of the transcription.

import { RATE_HZ } from "../../client/live.js";
import { LiveError, delayMs, retryAfterMsOf, unreachable } from "../../client/retry.js";
import { sleep } from "../../client/waiting.js";

/**
 * @typedef {import("../../client/live.js").Result & import("../../client/recording.js").Place} FileResult an utterance and where it is
 * @typedef {object} RequestOptions
 * @property {AbortSignal} signal cancels
 * @property {() => Promise<string>} getToken
 * @typedef {object} Progress
 * @property {import("../../client/live.js").Config} config
 * @property {(transcriptionId: string) => void} onAccepted the server has the file, and keeps it until it is deleted
 * @property {(share: number) => void} onProgress 0 to 1
 * @property {(results: FileResult[], isWhole: boolean) => void} onResults the settled results so far, or all
 * @typedef {RequestOptions & Progress} FileOptions
 */

const RECORDINGS = new URL("v1/speech/asrlongrunning", document.baseURI);
const TRANSCRIPTIONS = new URL("v1/speech/transcriptions", document.baseURI);
const POLL_MS = 400;
// Answers grow with the text: polling must not become most of the work of page and server.
const PAUSES_PER_ANSWER = 10;
const RETRY_MS = 10 * 60_000;
// What the server cannot decode, a browser may: it plays some damaged files, and has codecs of its own.
const UNREADABLE = new Set(["unsupported_media", "invalid_audio"]);
// The server is busy, away or restarting; a recording that failed has other statuses.
const BUSY = new Set([429, 502, 503, 504]);
// Decoded by the browser, a recording takes 40 times the memory of its file.
const DECODABLE_BYTES = 64 * 1024 * 1024;
// Aborted at once, an upload might have reached the server, which would go on with a file whose id nobody knows.
const CANCELLED_UPLOAD_MS = 10_000;

/**
 * Recognize a file; the browser decodes what the server cannot read. A cancelled recognition goes on at the server,
 * and a cancelled upload for a moment: the caller learns the id of what the server took, and may delete it.
 * Rejects with a LiveError, or with the signal's reason.
 * @param {File} file
 * @param {FileOptions} options
 */
export async function recognizeFile(file, options) {
  const accepted = await upload(file, options).catch(async (error) => {
    // A file of one channel has one speaker, whatever the settings expect.
    const { channels, ...config } = options.config;
    if (channels !== undefined && error.detail?.includes("channels is")) return upload(file, { ...options, config });
    const wav = UNREADABLE.has(error.type) ? await decoded(file) : undefined;
    if (!wav) throw error;
    return upload(wav, options);
  });
  options.onAccepted(accepted.transcriptionId);
  options.signal.throwIfAborted();
  await followFile(accepted.transcriptionId, options);
}

/**
 * List the caller's transcriptions, newest first; rejects with a LiveError.
 * @param {string | undefined} next the address that an earlier part gave
 * @param {RequestOptions} options
 */
export async function listFiles(next, options) {
  // The address is the server's own, which a proxy may serve below another path.
  const query = next === undefined ? "" : new URL(next, TRANSCRIPTIONS).search;
  return bodyOf(await send(new URL(query, TRANSCRIPTIONS), options));
}

/**
 * A transcription as the server writes it; rejects with a LiveError.
 * @param {string} transcriptionId
 * @param {import("../../client/transcript.js").Format} format
 * @param {RequestOptions} options
 */
export async function writtenFile(transcriptionId, format, options) {
  return (await send(addressOf(transcriptionId, { format }), options)).blob();
}

/**
 * Delete a transcription; what is not recognized yet will not be. Rejects with a LiveError.
 * @param {string} transcriptionId
 * @param {RequestOptions} options
 */
export async function deleteFile(transcriptionId, options) {
  await send(addressOf(transcriptionId, {}), options, { method: "DELETE" });
}

/**
 * Take the results of a transcription until it is done. Rejects with a LiveError, or with the signal's reason.
 * @param {string} transcriptionId
 * @param {Omit<FileOptions, "config" | "onAccepted">} options
 */
export async function followFile(transcriptionId, options) {
  const { signal, onProgress, onResults } = options;
  const address = addressOf(transcriptionId, { extended: "true" });
  for (;;) {
    const sentAt = performance.now();
    const { status, progress, results } = await withRetries(() => send(address, options).then(bodyOf), signal);
    const answerMs = performance.now() - sentAt;
    onProgress(progress);
    onResults(results, status === "done");
    if (status === "done") return;
    await sleep(Math.max(POLL_MS, PAUSES_PER_ANSWER * answerMs), signal);
  }
}

/**
 * Repeat a request while the server is away or busy: the recording is safe there.
 * @param {() => Promise<any>} request
 * @param {AbortSignal} signal
 */
async function withRetries(request, signal) {
  const begunAt = performance.now();
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      signal.throwIfAborted();
      const isPassing = error instanceof LiveError && (error.kind === "unreachable" || BUSY.has(error.code));
      if (!isPassing || performance.now() - begunAt > RETRY_MS) throw error;
      await sleep(delayMs(attempt, error), signal);
    }
  }
}

/**
 * @param {Blob} sound
 * @param {FileOptions} options
 */
async function upload(sound, { config, signal, getToken }) {
  signal.throwIfAborted();
  const form = new FormData();
  form.append("config", JSON.stringify(config));
  form.append("audio", sound);
  const options = { signal: delayed(signal, CANCELLED_UPLOAD_MS), getToken };
  return bodyOf(await send(RECORDINGS, options, { method: "POST", body: form }));
}

/**
 * A signal that aborts so long after another.
 * @param {AbortSignal} signal
 * @param {number} ms
 */
function delayed(signal, ms) {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener("abort", () => setTimeout(abort, ms), { once: true });
  return controller.signal;
}

/**
 * @param {string} transcriptionId
 * @param {Record<string, string>} query
 */
function addressOf(transcriptionId, query) {
  return new URL(`transcriptions/${transcriptionId}?${new URLSearchParams(query)}`, TRANSCRIPTIONS);
}

/**
 * @param {URL} address
 * @param {RequestOptions} options
 * @param {RequestInit} [request]
 */
async function send(address, { signal, getToken }, request = {}) {
  const token = await getToken();
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  const response = await fetch(address, { ...request, headers, signal }).catch(() => {
    signal.throwIfAborted();
    throw unreachable();
  });
  if (response.ok) return response;
  const { detail, type } = await bodyOf(response);
  const retryAfterMs = retryAfterMsOf(response);
  const facts = { type, detail, code: response.status, retryAfterMs };
  throw new LiveError("refused", `The server refused the file: ${detail}.`, facts);
}

/**
 * @param {Response} response
 * @returns {Promise<any>}
 */
function bodyOf(response) {
  return response.json().catch(() => {
    throw unreachable();
  });
}

/**
 * Whether the browser knows what is in a file; true also for one that is too large to try.
 * @param {File} file
 */
export async function isPlayable(file) {
  return file.size > DECODABLE_BYTES || (await decoded(file)) !== undefined;
}

/**
 * Decode a file to WAV by the browser.
 * @param {File} file
 * @returns {Promise<Blob | undefined>} undefined if it cannot
 */
async function decoded(file) {
  if (file.size > DECODABLE_BYTES) return undefined;
  try {
    const context = new OfflineAudioContext(1, 1, RATE_HZ);
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
  const { byteLength } = samples;
  // "RIFF", size, "WAVE", "fmt ", 16 bytes: PCM and mono, rate, bytes a second, 2 bytes a sample and 16 bits, "data", size.
  const header = [0x46464952, 36 + byteLength, 0x45564157, 0x20746d66, 16, 0x10001, RATE_HZ, 2 * RATE_HZ, 0x100002];
  return new Blob([new Uint32Array([...header, 0x61746164, byteLength]), samples], { type: "audio/wav" });
}
