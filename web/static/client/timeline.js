// Events of one connection on the clock of its client, who may have had other connections before.

/**
 * @typedef {{ startTime: number, endTime: number, word: string, confidence: number }} Word
 *   Times are seconds from the first sample that the client sent; 0 until the utterance is final.
 * @typedef {{ transcript: string, confidence: number, words: Word[] }} Result
 *
 * @typedef {object} Utterance the state of one utterance, which replaces the state before
 * @property {"utterance"} kind
 * @property {number} number 1 for the first; open utterances of a lost connection are recognized again under
 *   their old numbers
 * @property {boolean} isFinal whether the text is settled, and the last of this utterance
 * @property {string} transcript the words, joined by one space
 * @property {number} confidence 0 to 1, or 0 if not known
 * @property {Word[]} words
 * @property {number} stableWords how many leading words will not change any more
 * @property {Result[]} alternatives all hypotheses, best first
 * @property {string} reason why a final ended: `endpoint`, `maxUtterance`, `finalize`, `close` ...; "" of a partial
 * @property {number} endpointMs of a final: from the last speech to the endpoint
 *
 * @typedef {object} Speech the begin or the end of speech
 * @property {"speech"} kind
 * @property {number} number of the utterance
 * @property {boolean} isSpeaking
 * @property {number} time in seconds
 *
 * @typedef {object} Warning an incident that does not end the session
 * @property {"warning"} kind
 * @property {string} code `gap`: words may be missing between `startTime` and `endTime`; `slow`: audio
 *   is delayed; `quiet`: no speech in 10 s of audio
 * @property {string} detail
 * @property {number} [startTime]
 * @property {number} [endTime]
 *
 * @typedef {Utterance | Speech | Warning} LiveEvent
 */

/** Turns one connection's messages into events. */
export class Timeline {
  #base;
  #rate;
  #next;
  /** Numbers of the utterances that have no final yet, by the server's ids. @type {Map<number, number>} */
  #open = new Map();
  /** Position before which the server needs no more samples. */
  settled;

  /**
   * @param {object} place
   * @param {number} place.base position of the first sample that the connection was sent
   * @param {number} place.rate samples a second
   * @param {number} place.first number of its first utterance
   * @param {number} [place.origin] position at which the server's clock began, if that was on an earlier connection
   */
  constructor({ base, rate, first, origin = base }) {
    this.#base = origin;
    this.#rate = rate;
    this.#next = first;
    this.settled = base;
  }

  /** Number of the first utterance that has no final. */
  get first() {
    return Math.min(this.#next, ...this.#open.values());
  }

  /** Position at which the server's clock began. */
  get origin() {
    return this.#base;
  }

  /** Whether an utterance has begun that has no final. */
  get isOpen() {
    return this.#open.size > 0;
  }

  /**
   * @param {any} message of extended mode
   * @returns {LiveEvent | undefined} undefined for messages about the connection itself
   */
  read(message) {
    if (message.audio) this.#settle(message.audio.settledMs);
    switch (message.type) {
      case "speechStart":
      case "speechEnd": {
        const isSpeaking = message.type === "speechStart";
        return { kind: "speech", number: this.#number(message), isSpeaking, time: this.#time(message.time) };
      }
      case "partial":
      case "final":
        return this.#utterance(message);
      case "warning": {
        const { code, detail, startTime, endTime } = message;
        const span = endTime === undefined ? {} : { startTime: this.#time(startTime), endTime: this.#time(endTime) };
        return { kind: "warning", code, detail, ...span };
      }
    }
  }

  /**
   * Take the last message: a `done` settles all that the server received.
   * @param {any} message
   */
  end(message) {
    if (message.type === "done") this.#settle(message.receivedMs);
  }

  /**
   * @param {any} message
   * @returns {Utterance}
   */
  #utterance({ utteranceId, isFinal, results, stableWords, reason = "", latency }) {
    const number = this.#number({ utteranceId });
    if (isFinal) this.#open.delete(utteranceId);
    const [best] = results;
    const alternatives = (best.alternatives ?? results).map((/** @type {Result} */ one) => this.#shifted(one));
    const { transcript, confidence, words } = this.#shifted(best);
    const endpointMs = latency.endpointMs ?? 0;
    const stable = isFinal ? words.length : stableWords;
    return {
      kind: "utterance", number, isFinal, transcript, confidence, words, stableWords: stable, alternatives, reason,
      endpointMs,
    };
  }

  /** @param {number} ms counted by the connection */
  #settle(ms) {
    this.settled = Math.max(this.settled, this.#base + Math.floor((ms * this.#rate) / 1000));
  }

  /** @param {{ utteranceId: number }} message */
  #number({ utteranceId }) {
    const known = this.#open.get(utteranceId);
    if (known !== undefined) return known;
    this.#open.set(utteranceId, this.#next);
    return this.#next++;
  }

  /**
   * @param {Result} result
   * @returns {Result}
   */
  #shifted({ transcript, confidence, words }) {
    const onClock = words.map((word) =>
      word.endTime > 0
        ? { ...word, startTime: this.#time(word.startTime), endTime: this.#time(word.endTime) }
        : word,
    );
    return { transcript, confidence, words: onClock };
  }

  /** @param {number} time seconds from the connection's first sample */
  #time(time) {
    return Math.round((this.#base / this.#rate + time) * 1000) / 1000;
  }
}
