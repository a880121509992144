// A clip instead of a microphone: played aloud, and recognized as if it were spoken meanwhile.

import { RATE_HZ } from "../../client/live.js";
import { MicrophoneError } from "../../client/microphone.js";
import { sleep } from "../../client/waiting.js";

const ADDRESS = new URL("../../sample.mp3", import.meta.url);
const CHUNK_SAMPLES = RATE_HZ / 10;
// The last utterance settles before its session ends.
const SILENCE_SAMPLES = RATE_HZ;

/** The clip while it plays, with the interface of a microphone. */
export class Sample {
  deviceId = "";
  /** A clip does not fail once it was read. @type {Promise<MicrophoneError>} */
  failure = new Promise(() => {});
  #stopping = new AbortController();

  /**
   * Read the clip, and begin to play it. Call it inside a click. Rejects with a MicrophoneError, or with the signal's reason.
   * @param {Pick<import("../../client/microphone.js").MicrophoneOptions, "onAudio" | "signal">} options
   * @param {() => void} onEnd after the clip and a pause
   */
  static async open({ onAudio, signal }, onEnd) {
    const sound = await decoded(signal).catch(() => {
      signal?.throwIfAborted();
      throw new MicrophoneError("broken", "The sample cannot be loaded. Is the server running?");
    });
    const sample = new Sample();
    const player = new Audio(ADDRESS.href);
    // Without a loudspeaker it is read all the same.
    player.play().catch(() => {});
    sample.#stopping.signal.addEventListener("abort", () => player.pause());
    void sample.#send(sound.getChannelData(0), onAudio).then(onEnd);
    return sample;
  }

  /** Stop playing. */
  async stop() {
    this.#stopping.abort();
  }

  /**
   * Send the clip at the pace of speech.
   * @param {Float32Array} sound
   * @param {(samples: Int16Array<ArrayBuffer>) => void} onAudio
   */
  async #send(sound, onAudio) {
    const { signal } = this.#stopping;
    const began = performance.now();
    for (let sent = 0; sent < sound.length + SILENCE_SAMPLES && !signal.aborted; sent += CHUNK_SAMPLES) {
      await sleep(began + (1_000 * (sent + CHUNK_SAMPLES)) / RATE_HZ - performance.now(), signal);
      const chunk = new Int16Array(CHUNK_SAMPLES);
      chunk.set(Array.from(sound.subarray(sent, sent + CHUNK_SAMPLES), (value) => Math.round(32_767 * value)));
      if (!signal.aborted) onAudio(chunk);
    }
  }
}

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<AudioBuffer>} one channel at RATE_HZ
 */
async function decoded(signal) {
  const response = await fetch(ADDRESS, { signal });
  return new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await response.arrayBuffer());
}
