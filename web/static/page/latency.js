// Measured latency: from speech to its first word, and from its end to the settled text.

import { RATE_HZ } from "../client/live.js";

/** Relates the clock of the audio to that of the page; times are in milliseconds. */
export class Latency {
  #samples = 0;
  /** When the first sample was spoken, on the page's clock. */
  #origin = Infinity;
  /** Onsets of utterances without text, and ends of speech of those without a final, in ms of audio. */
  /** @type {Map<number, number>} */
  #onsets = new Map();
  /** @type {Map<number, number>} */
  #endpoints = new Map();

  /**
   * Take the arrival of audio; the least delayed chunk sets the clock.
   * @param {number} samples how many
   * @param {number} now
   */
  addAudio(samples, now) {
    this.#samples += samples;
    this.#origin = Math.min(this.#origin, now - (1000 * this.#samples) / RATE_HZ);
  }

  /** Begin the clock again, as another microphone is used from now on. */
  restart() {
    this.#origin = Infinity;
  }

  /**
   * Take an event that was shown.
   * @param {import("../client/live.js").LiveEvent} event
   * @param {number} now
   * @returns {{ firstMs?: number, settledMs?: number }} the latency that this event ends
   */
  addEvent(event, now) {
    if (event.kind === "speech") {
      (event.isSpeaking ? this.#onsets : this.#endpoints).set(event.number, 1000 * event.time);
    } else if (event.kind === "utterance" && event.isFinal) {
      const endpoint = this.#endpoints.get(event.number);
      this.#forget(event.number);
      // Only a pause ends speech; other finals come within it.
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
