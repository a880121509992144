// Owns the read-out of how long people wait: from speech to its first word, and from its end to the settled text.

const RATE = 16_000;

/** Reads the clock of the sound and the clock of the page together; times are in milliseconds. */
export class Latency {
  #samples = 0;
  /** When the first sample was spoken, on the page's clock. */
  #origin = Infinity;
  /** Onsets of utterances without text, and ends of speech of those without a final, in ms of sound. */
  /** @type {Map<number, number>} */
  #onsets = new Map();
  /** @type {Map<number, number>} */
  #endpoints = new Map();

  /**
   * Sound arrived; what comes soonest after it was spoken sets the clock.
   * @param {number} samples how many
   * @param {number} now
   */
  heard(samples, now) {
    this.#samples += samples;
    this.#origin = Math.min(this.#origin, now - (1000 * this.#samples) / RATE);
  }

  /** The sound had a pause, because another microphone is heard from now on. */
  restart() {
    this.#origin = Infinity;
  }

  /**
   * Something was shown.
   * @param {import("../client/live.js").LiveEvent} event
   * @param {number} now
   * @returns {{ firstMs?: number, settledMs?: number }} what it tells of the waiting
   */
  shown(event, now) {
    if (event.kind === "speech") {
      (event.isSpeaking ? this.#onsets : this.#endpoints).set(event.number, 1000 * event.time);
    } else if (event.kind === "utterance" && event.isFinal) {
      const endpoint = this.#endpoints.get(event.number);
      this.#forget(event.number);
      // Only a pause is the end of speech; other finals come in its midst.
      if (endpoint !== undefined && event.reason === "endpoint") {
        return { settledMs: now - this.#origin - (endpoint - event.endpointMs) };
      }
    } else if (event.kind === "utterance" && event.transcript !== "") {
      const onset = this.#onsets.get(event.number);
      this.#onsets.delete(event.number);
      if (onset !== undefined) return { firstMs: now - this.#origin - onset };
    }
    return {};
  }

  /** @param {number} number */
  #forget(number) {
    this.#onsets.delete(number);
    this.#endpoints.delete(number);
  }
}
