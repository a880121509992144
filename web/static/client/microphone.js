// The microphone: permission, capture at the device's own rate, 16 kHz PCM16 out, release.

import { sleep, within } from "./waiting.js";

const FINISH_MS = 500; // the audio thread answers within one chunk, or never
const RESUME_MS = 3_000;

// No processing by the browser: it distorts speech for a recognizer, and nothing is played that could echo.
export const PROCESSING = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/**
 * Why there is no audio:
 * - `insecure`: the page is not secure
 * - `refused`, `absent`, `busy`, `unfit`: by the user, no device, in use elsewhere, unable to record as requested
 * - `disconnected`, `interrupted`: it stopped
 * - `broken`: anything else
 * @typedef {"insecure" | "refused" | "absent" | "busy" | "unfit" | "disconnected" | "interrupted" | "broken"} MicrophoneFault
 */

/** The microphone cannot be used or has stopped; `message` is a sentence for people. */
export class MicrophoneError extends Error {
  /**
   * @param {MicrophoneFault} fault
   * @param {string} [message]
   */
  constructor(fault, message = SENTENCES[fault]) {
    super(message);
    this.name = "MicrophoneError";
    this.fault = fault;
  }
}

/** @type {Record<MicrophoneFault, string>} */
const SENTENCES = {
  insecure: "Browsers give the microphone only to secure pages. Open this page over https, or on localhost.",
  refused:
    "The microphone is not allowed. Allow it for this page beside the address, or in the system’s privacy settings, " +
    "then press the button again.",
  absent: "No microphone was found. Connect one, then press the button again.",
  busy: "The microphone cannot be opened. Another program may be using it; close that, then press the button again.",
  unfit: "The microphone cannot record in the way that was asked for. Choose another one.",
  disconnected: "The microphone was disconnected.",
  interrupted: "The browser interrupted the microphone. Press the button to go on.",
  broken: "The microphone’s sound could not be read. Press the button to try again.",
};
/** By the name of the browser's error. @type {Record<string, MicrophoneFault>} */
const FAULTS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "absent",
  OverconstrainedError: "unfit",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** Throw a MicrophoneError where a page cannot have a microphone. */
export function checkMicrophone() {
  if (!globalThis.isSecureContext || !navigator.mediaDevices) throw new MicrophoneError("insecure");
}

/**
 * The microphones; before the user has allowed one, browsers hide them.
 * @returns {Promise<{ deviceId: string, label: string }[]>}
 */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "");
}

/**
 * The level of a chunk: 0 at -60 dB and below, 1 at full scale.
 * @param {Int16Array} samples
 */
export function levelOf(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length / 32_768 ** 2;
  return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power)) / 60));
}

/**
 * @typedef {object} MicrophoneOptions
 * @property {(samples: Int16Array<ArrayBuffer>) => void} onAudio 100 ms each; the last one is shorter
 * @property {(isMuted: boolean) => void} [onMute] when the system mutes the audio, or unmutes it
 * @property {AbortSignal} [signal] cancels opening; no effect once open
 * @property {string} [deviceId] of `microphones`; any other if it is gone
 * @property {Partial<typeof PROCESSING>} [processing]
 */

/** A microphone that is open, from `open` to `stop`. */
export class Microphone {
  #context;
  #stream;
  #node;
  #finished;
  /** @type {Promise<void> | undefined} */
  #stopped;

  /**
   * Open the microphone and start it. Call it inside a click: browsers start no audio otherwise.
   * Rejects with a MicrophoneError, or with the signal's reason.
   * @param {MicrophoneOptions} options
   */
  static async open({ onAudio, onMute = () => {}, signal, deviceId = "", processing }) {
    checkMicrophone();
    signal?.throwIfAborted();
    // No rate is requested: Firefox refuses to connect a context and a microphone of different rates.
    const context = new AudioContext();
    const resumed = context.resume();
    // It rejects if opening is cancelled, when nothing awaits it any more.
    resumed.catch(() => {});
    const requested = request({ channelCount: 1, ...PROCESSING, ...processing }, deviceId);
    // Load it meanwhile, so that it is there for the first audio.
    const loaded = context.audioWorklet.addModule(new URL("pcm-worklet.js", import.meta.url)).catch(() => {
      throw new MicrophoneError("broken", "A part of this page cannot be loaded. Is the server running?");
    });
    try {
      const [stream] = await unlessAborted(signal, Promise.all([requested, loaded]));
      const silent = new MicrophoneError("interrupted", "The browser did not start the sound. Try again.");
      await within(RESUME_MS, resumed, silent);
      signal?.throwIfAborted();
      return new Microphone(context, stream, onAudio, onMute);
    } catch (error) {
      // The permission prompt may still be open: a stream that is granted later is released at once.
      requested.then((stream) => release(context, stream), () => release(context));
      throw signal?.aborted ? signal.reason : described(error);
    }
  }

  /**
   * Use `open` instead.
   * @param {AudioContext} context
   * @param {MediaStream} stream
   * @param {MicrophoneOptions["onAudio"]} onAudio
   * @param {(isMuted: boolean) => void} onMute
   */
  constructor(context, stream, onAudio, onMute) {
    this.#context = context;
    this.#stream = stream;
    this.#node = new AudioWorkletNode(context, "pcm", { numberOfInputs: 1, numberOfOutputs: 0 });
    const { port } = this.#node;
    this.#finished = new Promise((resolve) => {
      port.onmessage = ({ data }) => (data === null ? resolve(data) : onAudio(new Int16Array(data)));
    });
    /** Resolves with the MicrophoneError if the capture ends by itself. */
    this.failure = this.#watch();
    for (const track of stream.getAudioTracks()) {
      track.addEventListener("mute", () => onMute(true));
      track.addEventListener("unmute", () => onMute(false));
    }
    context.createMediaStreamSource(stream).connect(this.#node);
  }

  /** Id of the device in use, which may differ from the requested one. */
  get deviceId() {
    return this.#stream.getAudioTracks()[0]?.getSettings().deviceId ?? "";
  }

  /** Deliver the audio so far, then release the microphone. */
  stop() {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop() {
    this.#node.port.postMessage("finish");
    await Promise.race([this.#finished, sleep(FINISH_MS)]);
    release(this.#context, this.#stream);
  }

  /** @returns {Promise<MicrophoneError>} */
  #watch() {
    return new Promise((resolve) => {
      for (const track of this.#stream.getAudioTracks()) {
        track.addEventListener("ended", () => resolve(new MicrophoneError("disconnected")));
      }
      this.#node.addEventListener("processorerror", () => {
        resolve(new MicrophoneError("broken"));
      });
      this.#context.addEventListener("statechange", () => {
        // Suspended, closed, or interrupted by a call on iOS: no more audio arrives.
        if (this.#context.state !== "running" && !this.#stopped) {
          resolve(new MicrophoneError("interrupted"));
        }
      });
    });
  }
}

/**
 * @param {MediaTrackConstraints} audio
 * @param {string} deviceId "" for the browser's choice
 */
async function request(audio, deviceId) {
  const devices = navigator.mediaDevices;
  if (deviceId === "") return devices.getUserMedia({ audio });
  try {
    // Browsers may ignore a device that is not `exact`.
    return await devices.getUserMedia({ audio: { ...audio, deviceId: { exact: deviceId } } });
  } catch (error) {
    if (/** @type {Error} */ (error).name !== "OverconstrainedError") throw error;
    return devices.getUserMedia({ audio });
  }
}

/**
 * @param {AudioContext} context
 * @param {MediaStream} [stream]
 */
function release(context, stream) {
  stream?.getTracks().forEach((track) => track.stop());
  if (context.state !== "closed") void context.close();
}

/**
 * @template T
 * @param {AbortSignal | undefined} signal
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function unlessAborted(signal, promise) {
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** @param {unknown} error */
function described(error) {
  if (error instanceof MicrophoneError) return error;
  const { name, message } = /** @type {Error} */ (error);
  const fault = FAULTS[name];
  return fault ? new MicrophoneError(fault) : new MicrophoneError("broken", `The microphone does not work: ${message}`);
}
