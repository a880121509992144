// Owns the microphone: permission, capture at the device's own rate, 16 kHz PCM16 out, and its release.

const FINISH_MS = 500; // the audio thread answers within one chunk; a dead one never does
const RESUME_MS = 3_000;

// What the browser does to the sound: nothing. A recognizer hears best what is not distorted, and nothing echoes.
export const PROCESSING = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** The microphone cannot be used or has stopped; `message` is a sentence for people. */
export class MicrophoneError extends Error {
  name = "MicrophoneError";
}

const INSECURE = "Browsers give the microphone only to secure pages. Open this page over https, or on localhost.";
const REFUSED =
  "The microphone is not allowed. Allow it for this page beside the address, or in the system’s privacy settings, " +
  "then press the button again.";
const BUSY = "The microphone cannot be opened. Another program may be using it.";
/** @type {Record<string, string>} */
const SENTENCES = {
  NotAllowedError: REFUSED,
  SecurityError: REFUSED,
  NotFoundError: "No microphone was found. Connect one, then press the button again.",
  OverconstrainedError: "The microphone cannot record in the way that was asked for.",
  NotReadableError: BUSY,
  AbortError: BUSY,
};

/** Throws the MicrophoneError that says so where a page can have no microphone. */
export function checkMicrophone() {
  if (!globalThis.isSecureContext || !navigator.mediaDevices) throw new MicrophoneError(INSECURE);
}

/**
 * How loud a chunk is: 0 at -60 dB and below, 1 at full scale.
 * @param {Int16Array} samples
 */
export function levelOf(samples) {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length / 32_768 ** 2;
  return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power)) / 60));
}

/**
 * @typedef {object} MicrophoneOptions
 * @property {(samples: Int16Array<ArrayBuffer>) => void} onAudio 100 ms each; the last one is shorter
 * @property {AbortSignal} [signal] gives up opening; of no effect once open
 * @property {typeof PROCESSING} [processing]
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
   * Ask for the microphone and start it. Call it inside the click: browsers start sound for nothing less.
   * Rejects with a MicrophoneError, or with the signal's reason.
   * @param {MicrophoneOptions} options
   */
  static async open({ onAudio, signal, processing = PROCESSING }) {
    checkMicrophone();
    signal?.throwIfAborted();
    // No rate is asked for: Firefox refuses to join a context and a microphone of different rates.
    const context = new AudioContext();
    const resumed = context.resume();
    // Given up before it resumed, it rejects, and nobody waits for it any more.
    resumed.catch(() => {});
    const asked = navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...processing } });
    // Loaded meanwhile, so that the first sound finds it there.
    const loaded = context.audioWorklet.addModule(new URL("pcm-worklet.js", import.meta.url)).catch(() => {
      throw new MicrophoneError("A part of this page cannot be loaded. Is the server running?");
    });
    try {
      const [stream] = await unlessAborted(signal, Promise.all([asked, loaded]));
      await within(RESUME_MS, resumed, new MicrophoneError("The browser did not start the sound. Try again."));
      signal?.throwIfAborted();
      return new Microphone(context, stream, onAudio);
    } catch (error) {
      // The question may still be open: what is granted later is given back at once.
      asked.then((stream) => release(context, stream), () => release(context));
      throw signal?.aborted ? signal.reason : described(error);
    }
  }

  /**
   * Use `open` instead.
   * @param {AudioContext} context
   * @param {MediaStream} stream
   * @param {MicrophoneOptions["onAudio"]} onAudio
   */
  constructor(context, stream, onAudio) {
    this.#context = context;
    this.#stream = stream;
    this.#node = new AudioWorkletNode(context, "pcm", { numberOfInputs: 1, numberOfOutputs: 0 });
    const { port } = this.#node;
    this.#finished = new Promise((resolve) => {
      port.onmessage = ({ data }) => (data === null ? resolve(data) : onAudio(new Int16Array(data)));
    });
    /** Resolves with the MicrophoneError if the capture ends by itself. */
    this.failure = this.#watch();
    context.createMediaStreamSource(stream).connect(this.#node);
  }

  /** Deliver what was heard so far, then release the microphone. */
  stop() {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop() {
    this.#node.port.postMessage("finish");
    await within(FINISH_MS, this.#finished);
    release(this.#context, this.#stream);
  }

  /** @returns {Promise<MicrophoneError>} */
  #watch() {
    return new Promise((resolve) => {
      for (const track of this.#stream.getAudioTracks()) {
        track.addEventListener("ended", () => resolve(new MicrophoneError("The microphone was disconnected.")));
      }
      this.#node.addEventListener("processorerror", () => {
        resolve(new MicrophoneError("The browser could not read the microphone’s sound."));
      });
      this.#context.addEventListener("statechange", () => {
        // Suspended, closed, or interrupted by a call on iOS: nothing is heard any more.
        if (this.#context.state !== "running" && !this.#stopped) {
          resolve(new MicrophoneError("The browser interrupted the microphone. Press the button to go on."));
        }
      });
    });
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
  return new MicrophoneError(SENTENCES[name] ?? `The microphone does not work: ${message}`);
}

/**
 * Wait so long and no longer; then throw the error, if there is one.
 * @param {number} ms
 * @param {Promise<unknown>} promise
 * @param {Error} [error]
 */
async function within(ms, promise, error) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => (error ? reject(error) : resolve(undefined)), ms);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
