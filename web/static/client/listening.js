// One session of listening, from the click to the last word: the microphone and the connection together.

import { LiveClient } from "./live.js";
import { Microphone, MicrophoneError } from "./microphone.js";
import { sleep } from "./waiting.js";

/**
 * @typedef {"starting" | "connecting" | "waiting" | "listening" | "reconnecting" | "finishing"} ListeningState
 * @typedef {Pick<import("./microphone.js").MicrophoneOptions, "deviceId" | "processing">} Choice of a microphone
 * @typedef {Pick<Microphone, "deviceId" | "failure" | "stop">} Source of audio, which is open
 *
 * @typedef {object} ListeningOptions
 * @property {AbortSignal} signal stops it
 * @property {Choice} [choice]
 * @property {(options: import("./microphone.js").MicrophoneOptions) => Promise<Source>} [open] another source of audio
 * @property {import("./live.js").Config} [config]
 * @property {() => Promise<string>} [getToken]
 * @property {(state: ListeningState, error?: Error) => void} onState with the reason of a lost connection,
 *   or of `waiting`: the server has no place, and audio is discarded
 * @property {(samples: Int16Array) => void} onAudio
 * @property {(event: import("./live.js").LiveEvent) => void} onEvent
 * @property {(isMuted: boolean) => void} [onMute]
 * @property {(deviceId: string) => void} [onMicrophone] the device in use
 */

// Waits before each attempt to reopen a microphone that was unplugged, or taken by a call.
const RETRIES_MS = [0, 500, 2_000, 5_000];

/** Runs once, by `run`; the other methods change it meanwhile. */
export class Listening {
  #url;
  #options;
  /** @type {Choice} */
  #choice;
  /** @type {LiveClient | undefined} */
  #live;
  /** @type {Source | undefined} */
  #microphone;
  /** Audio from before the connection is open, which takes 10 s at most. @type {Int16Array[]} */
  #early = [];
  #isWaiting = false;
  #wake = () => {};

  /**
   * @param {URL} url of the live endpoint
   * @param {ListeningOptions} options
   */
  constructor(url, options) {
    this.#url = url;
    this.#options = options;
    this.#choice = options.choice ?? {};
  }

  /**
   * Listen until the signal aborts, then return when all text has arrived. Call it inside the click.
   * Rejects with a MicrophoneError or a LiveError, or with the signal's reason if it was not listening yet; the
   * microphone is released in every case.
   */
  async run() {
    const { signal, onState, onEvent, config, getToken } = this.#options;
    onState("starting");
    await this.#open(signal);
    try {
      onState("connecting");
      this.#live = await LiveClient.open(this.#url, {
        signal,
        config,
        getToken,
        onEvent,
        onWait: (error) => {
          this.#isWaiting = true;
          this.#early = [];
          onState("waiting", error);
        },
        onState: (state, error) => onState(LIVE_STATES[state], error),
      });
      for (const samples of this.#early.splice(0)) this.#live.sendAudio(samples);
      const failure = await Promise.race([stopped(signal), this.#replaceMicrophones(), this.#live.ended.then(() => undefined)]);
      await this.#microphone?.stop();
      await this.#live.close();
      if (failure) throw failure;
    } finally {
      this.#wake = () => {};
      this.#live?.abandon();
      await this.#microphone?.stop();
    }
  }

  /**
   * Change keys of the configuration from the next utterance on.
   * @param {import("./live.js").Config} config
   */
  configure(config) {
    this.#live?.configure(config);
  }

  /**
   * Use another microphone, or other processing.
   * @param {Choice} choice
   */
  choose(choice) {
    this.#choice = choice;
    this.#wake();
  }

  /** @param {AbortSignal} [signal] */
  async #open(signal) {
    const { onAudio, onMute, onMicrophone, open = Microphone.open } = this.#options;
    this.#microphone = await open({
      ...this.#choice,
      signal,
      onMute,
      onAudio: (samples) => {
        onAudio(samples);
        if (this.#live) this.#live.sendAudio(samples);
        else if (!this.#isWaiting) this.#early.push(samples);
      },
    });
    onMicrophone?.(this.#microphone.deviceId);
  }

  /**
   * Replace the microphone whenever another is chosen or the one in use is lost.
   * @returns {Promise<Error | undefined>} the failure; undefined after a stop
   */
  async #replaceMicrophones() {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const chosen = new Promise((resolve) => (this.#wake = () => resolve(undefined)));
      const lost = await Promise.race([chosen, stopped(signal), this.#microphone?.failure]);
      await this.#microphone?.stop();
      const failure = await this.#reopen(lost instanceof Error);
      if (failure) return failure;
    }
  }

  /**
   * @param {boolean} isLost whether to retry: a device may come back, or another become the default
   * @returns {Promise<Error | undefined>}
   */
  async #reopen(isLost) {
    const { signal } = this.#options;
    /** @type {unknown} */
    let failure;
    for (const ms of isLost ? RETRIES_MS : [0]) {
      await sleep(ms, signal);
      if (signal.aborted) return undefined;
      try {
        await this.#open(signal);
        return undefined;
      } catch (error) {
        failure = error;
      }
    }
    if (signal.aborted) return undefined;
    return failure instanceof Error ? failure : new MicrophoneError("broken");
  }
}

/** @type {Record<import("./live.js").LiveState, ListeningState>} */
const LIVE_STATES = { open: "listening", reconnecting: "reconnecting", closing: "finishing" };

/**
 * @param {AbortSignal} signal
 * @returns {Promise<undefined>}
 */
function stopped(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
