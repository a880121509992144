// Owns one session of listening, from the click to the last word: the microphone and the connection together.

import { LiveClient, LiveError } from "./live.js";
import { Microphone } from "./microphone.js";

// Half a minute of sound: no network that works falls so far behind.
const MOST_UNSENT_BYTES = 30 * 16_000 * 2;

/** @typedef {"starting" | "connecting" | "listening" | "finishing"} ListeningState */

/**
 * Listen until the signal says stop, then return when all text is there. Call it inside the click.
 * Rejects with a MicrophoneError or a LiveError, or with the signal's reason if nothing was being heard yet;
 * in every case the microphone is released.
 * @param {URL} url
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {(state: ListeningState) => void} options.onState
 * @param {(samples: Int16Array) => void} options.onAudio
 * @param {(message: import("./live.js").Partial) => void} options.onPartial
 */
export async function listen(url, { signal, onState, onAudio, onPartial }) {
  /** @type {LiveClient | undefined} */
  let live;
  /** What is said while the connection opens; `open` takes 10 s at most. @type {Int16Array[]} */
  const early = [];
  onState("starting");
  const microphone = await Microphone.open({
    signal,
    onAudio(samples) {
      onAudio(samples);
      if (live) live.sendAudio(samples);
      else early.push(samples);
    },
  });
  try {
    onState("connecting");
    live = await LiveClient.open(url, { signal, onPartial, mostUnsentBytes: MOST_UNSENT_BYTES });
    for (const samples of early.splice(0)) live.sendAudio(samples);
    onState("listening");
    const end = await Promise.race([stopAsked(signal), microphone.failure, live.ended.then(endedUnasked)]);
    onState("finishing");
    await microphone.stop();
    await live.close();
    if (end instanceof Error) throw end;
  } finally {
    live?.abandon();
    await microphone.stop();
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function stopAsked(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function endedUnasked() {
  return new LiveError("ended", "The server ended the session. Press the button to begin another.");
}
