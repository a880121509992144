// The microphone's button of a page and what is around it: state, level, light, notice.

import { stayAwake } from "./awake.js";
import { element } from "./elements.js";
import { name, speakLanguage, text } from "./language.js";
import { LevelBars } from "./level.js";
import { Listening } from "../client/listening.js";
import { LiveError } from "../client/live.js";
import { checkMicrophone, levelOf } from "../client/microphone.js";
import { sentence, waitingSentence } from "./sentences.js";
import { SilenceWatch } from "./silence.js";
import { checkToken, ensureToken, getToken, refuseToken } from "./token.js";

/**
 * @typedef {import("../client/listening.js").ListeningState | "idle"} ListenerState
 * @typedef {object} ListenerOptions
 * @property {() => import("../client/live.js").Config} [config] called when a session begins
 * @property {() => import("../client/listening.js").Choice} [choice] of the microphone, called when a session begins
 * @property {() => Promise<boolean>} [mayBegin] called first when the button is pressed
 * @property {() => void} [onBegin] a session begins
 * @property {(event: import("../client/live.js").LiveEvent) => void} onEvent
 * @property {() => void} [onEnd] no more text follows
 * @property {(samples: Int16Array) => void} [onAudio]
 * @property {(deviceId: string) => void} [onMicrophone] the device in use
 *
 * @typedef {object} Clip that is heard instead of the microphone
 * @property {import("../client/live.js").Config} config
 * @property {(options: import("../client/microphone.js").MicrophoneOptions, onEnd: () => void) =>
 *   Promise<import("../client/listening.js").Source>} open
 */

const NOTICE_MS = 6_000;
const LIVE_URL = new URL("v1/speech/asrlive", document.baseURI);

/** Each page has elements with these ids. */
const page = {
  button: element("listen"),
  state: element("state"),
  hint: element("hint"),
  light: element("light"),
  notice: element("notice"),
};

/** Runs one session at a time; the button starts and stops it. */
export class Listener {
  #options;
  /** @type {ListenerState} */
  #state = "idle";
  #isMuted = false;
  /** @type {Listening | undefined} */
  #listening;
  /** Stops the running session. @type {AbortController | undefined} */
  #stopping;
  /** @type {Promise<void>} */
  #running = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fading;
  #level = new LevelBars();

  /** @param {ListenerOptions} options */
  constructor(options) {
    this.#options = options;
    page.button.addEventListener("click", () => this.toggle());
    showSpeech(false);
    // Pages without a microphone need no token yet.
    if (isSecureContext) void checkToken();
    speakLanguage(() => this.#enter(this.#state));
    // While the page waited for its texts it could have no focus.
    if (page.button.autofocus) page.button.focus();
    try {
      checkMicrophone();
    } catch (error) {
      this.notify(sentence(error));
    }
  }

  get isIdle() {
    return this.#state === "idle";
  }

  /** Start or stop. Call it inside a click or a key press. */
  toggle() {
    if (this.#stopping) this.#stopping.abort();
    else this.start();
  }

  /** @param {Clip} [clip] */
  start(clip) {
    if (!this.#stopping) this.#running = this.#run(new AbortController(), clip);
  }

  /** Stop, and wait for all text. */
  async stop() {
    this.#stopping?.abort();
    await this.#running;
  }

  /** @param {import("../client/live.js").Config} config */
  configure(config) {
    this.#listening?.configure(config);
  }

  /** @param {import("../client/listening.js").Choice} choice */
  choose(choice) {
    this.#listening?.choose(choice);
  }

  /**
   * Show a notice beside the button.
   * @param {string} words a sentence, or "" to remove the last one
   * @param {{ isPassing?: boolean }} [how] whether it disappears by itself
   */
  notify(words, { isPassing = false } = {}) {
    clearTimeout(this.#fading);
    page.notice.textContent = words;
    page.notice.classList.toggle("passing", isPassing);
    if (isPassing) this.#fading = setTimeout(() => this.notify(""), NOTICE_MS);
  }

  /**
   * @param {AbortController} stopping
   * @param {Clip} [clip]
   */
  async #run(stopping, clip) {
    const { mayBegin } = this.#options;
    this.#stopping = stopping;
    this.#isMuted = false;
    this.notify("");
    const awake = stayAwake();
    try {
      if (mayBegin && !(await mayBegin())) stopping.abort();
      await this.#withToken(stopping, () => this.#listen(stopping, clip));
    } catch (error) {
      this.notify(error === stopping.signal.reason ? "" : sentence(error));
    } finally {
      awake();
    }
    this.#listening = this.#stopping = undefined;
    this.#level.clear();
    showSpeech(false);
    this.#enter("idle");
    this.#options.onEnd?.();
  }

  /**
   * Listen with a token, if the server requires one; a key is asked for before anything is called refused.
   * @param {AbortController} stopping
   * @param {() => Promise<void>} listen
   */
  async #withToken(stopping, listen) {
    for (;;) {
      if (!stopping.signal.aborted && !(await ensureToken())) stopping.abort();
      stopping.signal.throwIfAborted();
      try {
        return await listen();
      } catch (error) {
        const isRefused = error instanceof LiveError && error.type === "unauthenticated";
        if (!isRefused || refuseToken()) throw error;
        this.#enter("idle");
      }
    }
  }

  /**
   * @param {AbortController} stopping
   * @param {Clip} [clip]
   */
  async #listen(stopping, clip) {
    const { config, choice, onBegin, onAudio, onMicrophone } = this.#options;
    const silence = new SilenceWatch();
    onBegin?.();
    this.#listening = new Listening(LIVE_URL, {
      signal: stopping.signal,
      config: { ...config?.(), ...clip?.config },
      choice: choice?.(),
      open: clip && ((options) => clip.open(options, () => stopping.abort())),
      getToken,
      onMicrophone,
      onState: (state, error) => this.#changeTo(state, error),
      onAudio: (samples) => {
        this.#level.show(levelOf(samples));
        if (silence.add(samples) && !this.#isMuted) this.notify(silence.isSilent ? text("notice.silent") : "");
        onAudio?.(samples);
      },
      onEvent: (event) => this.#take(event),
      onMute: (isMuted) => {
        this.#isMuted = isMuted;
        this.notify(isMuted ? text("notice.muted") : "");
      },
    });
    await this.#listening.run();
  }

  /** @param {import("../client/live.js").LiveEvent} event */
  #take(event) {
    if (event.kind === "speech") showSpeech(event.isSpeaking);
    if (event.kind === "warning" && event.code === "gap") this.notify(text("notice.gap"));
    if (event.kind === "warning" && event.code === "slow") this.notify(text("notice.slow"), { isPassing: true });
    const isQuiet = event.kind === "warning" && event.code === "quiet";
    if (isQuiet && !this.#isMuted) this.notify(text("notice.quiet"), { isPassing: true });
    this.#options.onEvent(event);
  }

  /**
   * @param {ListenerState} state
   * @param {Error} [error] the reason
   */
  #changeTo(state, error) {
    if (state === "waiting") this.notify(waitingSentence(error));
    if (this.#state === "waiting" && state === "listening") this.notify(text("notice.turn"), { isPassing: true });
    if (state === "reconnecting") {
      this.notify(text("notice.reconnecting"));
      showSpeech(false);
    }
    if (this.#state === "reconnecting" && state === "listening") this.notify(text("notice.found"), { isPassing: true });
    if (state === "finishing") this.notify("");
    this.#enter(state);
  }

  /** @param {ListenerState} state */
  #enter(state) {
    this.#state = state;
    document.body.dataset.state = state;
    page.state.textContent = text(`state.${state}`);
    page.hint.textContent = text(`hint.${state}`);
    const isOpening = state === "starting" || state === "connecting" || state === "waiting";
    name(page.button, state === "idle" ? "start" : isOpening ? "cancel" : state === "finishing" ? "state.finishing" : "stop");
    // `disabled` would take the keyboard's focus away.
    page.button.setAttribute("aria-disabled", String(state === "finishing"));
  }
}

/** @param {boolean} isSpeaking */
function showSpeech(isSpeaking) {
  page.light.classList.toggle("speaking", isSpeaking);
  name(page.light, isSpeaking ? "speech" : "silence");
}
