// Recognition of a file by the server: upload, polling for its results, and the transcription as the server writes it.

import { LiveError, delayMs, retryAfterMsOf } from "../../client/retry.js";
import { sleep } from "../../client/waiting.js";

/**
 * @typedef {import("../../client/live.js").Result & import("../../client/recording.js").Place} FileResult an utterance and where it is
 * @typedef {object} Asking
 * @property {AbortSignal} signal gives up
 * @property {() => Promise<string>} getToken
 * @typedef {object} Following
 * @property {import("../../client/live.js").Config} config
 * @property {(transcriptionId: string) => void} onAccepted the server has it, and keeps it until it is deleted
 * @property {(share: number) => void} onProgress 0 to 1
 * @property {(results: FileResult[], isWhole: boolean) => void} onResults all that is settled so far, or all there is
 * @typedef {Asking & Following} FileOptions
 */

const RECORDINGS = new URL("v1/speech/asrlongrunning", document.baseURI);
const ASK_MS = 400;
// The more is recognized the longer the answer: asking must not become most of what page and server do.
const PAUSES_PER_ANSWER = 10;
const PATIENCE_MS = 10 * 60_000;
const RATE = 16_000;
const UNSUPPORTED = 415;
// The server is busy, is away, or starts again; what it answers of a recording has other statuses.
const BUSY = new Set([429, 502, 503, 504]);
// Decoded by the browser, a recording takes 40 times the room of its file.
const DECODABLE_BYTES = 64 * 1024 * 1024;

/**
 * Recognize a file; what the server cannot read is decoded by the browser. Whoever gives up while it is recognized
 * leaves it to the server. Rejects with a LiveError, or with the signal's reason.
 * @param {File} file
 * @param {FileOptions} options
 */
export async function recognizeFile(file, options) {
  const accepted = await send(file, options).catch(async (error) => {
    const wav = error.code === UNSUPPORTED && file.size <= DECODABLE_BYTES ? await decoded(file) : undefined;
    if (!wav) throw error;
    return send(wav, options);
  });
  options.onAccepted(accepted.transcriptionId);
  await follow(accepted.transcriptionId, options);
}

/**
 * A transcription as the server writes it; rejects with a LiveError.
 * @param {string} transcriptionId
 * @param {import("../../client/transcript.js").Format} format
 * @param {Asking} asking
 */
export async function writtenFile(transcriptionId, format, asking) {
  return (await ask(addressOf(transcriptionId, { format }), asking)).blob();
}

/**
 * @param {string} transcriptionId
 * @param {FileOptions} options
 */
async function follow(transcriptionId, options) {
  const { signal, onProgress, onResults } = options;
  const address = addressOf(transcriptionId, { extended: "true" });
  for (;;) {
    const askedAt = performance.now();
    const { status, progress, results } = await persistently(() => ask(address, options).then(bodyOf), signal);
    const answerMs = performance.now() - askedAt;
    onProgress(progress);
    onResults(results, status === "done");
    if (status === "done") return;
    await sleep(Math.max(ASK_MS, PAUSES_PER_ANSWER * answerMs), signal);
  }
}

/**
 * Ask again while the server is away or busy: the recording is safe there.
 * @param {() => Promise<any>} question
 * @param {AbortSignal} signal
 */
async function persistently(question, signal) {
  const begunAt = performance.now();
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await question();
    } catch (error) {
      signal.throwIfAborted();
      const isPassing = error instanceof LiveError && (error.kind === "unreachable" || BUSY.has(error.code));
      if (!isPassing || performance.now() - begunAt > PATIENCE_MS) throw error;
      await sleep(delayMs(attempt, error), signal);
    }
  }
}

/**
 * @param {Blob} sound
 * @param {FileOptions} options
 */
async function send(sound, options) {
  const form = new FormData();
  form.append("config", JSON.stringify(options.config));
  form.append("audio", sound);
  return bodyOf(await ask(RECORDINGS, options, { method: "POST", body: form }));
}

/**
 * @param {string} transcriptionId
 * @param {Record<string, string>} query
 */
function addressOf(transcriptionId, query) {
  return new URL(`transcriptions/${transcriptionId}?${new URLSearchParams(query)}`, RECORDINGS);
}

/**
 * @param {URL} address
 * @param {Asking} asking
 * @param {RequestInit} [request]
 */
async function ask(address, { signal, getToken }, request = {}) {
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

function unreachable() {
  return new LiveError("unreachable", "The server cannot be reached. Is it running?");
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
