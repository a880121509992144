// Buffer of audio that the server has not settled, to be sent again over another connection.

const CHUNK_SAMPLES = 16_000; // the largest message, however much is appended at once

/** The newest samples of a stream, at most so many. Positions count samples from the first one. */
export class Replay {
  /** @type {Int16Array[]} */
  #chunks = [];
  #start = 0;
  #end = 0;

  /** @param {number} most samples to keep */
  constructor(most) {
    this.most = most;
  }

  /** Position of the oldest sample that is kept. */
  get start() {
    return this.#start;
  }

  /** Position behind the newest sample. */
  get end() {
    return this.#end;
  }

  /**
   * Add samples, and drop the oldest chunks when that makes too many.
   * @param {Int16Array} samples copied
   */
  append(samples) {
    for (let at = 0; at < samples.length; at += CHUNK_SAMPLES) {
      this.#chunks.push(samples.slice(at, at + CHUNK_SAMPLES));
    }
    this.#end += samples.length;
    while (this.#end - this.#start > this.most) this.#shift();
  }

  /**
   * Forget the whole chunks before a position.
   * @param {number} position
   */
  settle(position) {
    while (this.#chunks.length > 0 && this.#start + this.#chunks[0].length <= position) this.#shift();
  }

  /**
   * The samples from a position that is kept: the rest of one chunk.
   * @param {number} position `start` to `end`
   */
  read(position) {
    let before = this.#start;
    for (const chunk of this.#chunks) {
      if (position < before + chunk.length) return chunk.subarray(position - before);
      before += chunk.length;
    }
    return new Int16Array();
  }

  #shift() {
    this.#start += this.#chunks.shift()?.length ?? 0;
  }
}
