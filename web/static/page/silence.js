// Silence of a microphone: muted at the device, or the wrong one.

import { RATE_HZ } from "../client/live.js";

const SILENT_SECONDS = 20;
// -66 dB of full scale. Rooms and the noise of a microphone are louder; a switched-off one gives zeros, or one bit of dither.
const SILENT_PEAK = 16;

/** Finds out that no sound has come for 20 s of audio, and that it is back. */
export class SilenceWatch {
  #silentSamples = 0;
  isSilent = false;

  /**
   * @param {Int16Array} samples
   * @returns {boolean} whether `isSilent` has changed
   */
  add(samples) {
    const hasSound = samples.some((sample) => sample > SILENT_PEAK || sample < -SILENT_PEAK);
    this.#silentSamples = hasSound ? 0 : this.#silentSamples + samples.length;
    const wasSilent = this.isSilent;
    this.isSilent = this.#silentSamples >= SILENT_SECONDS * RATE_HZ;
    return this.isSilent !== wasSilent;
  }
}
