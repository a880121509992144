// Owns the microphone's button of a page and all that stands around it: state, level, light, notice.

import { stayAwake } from "./awake.js";
import { element } from "./elements.js";
import { name, speakLanguage, text } from "./language.js";
import { Listening } from "../client/listening.js";
import { LiveError } from "../client/live.js";
import { checkMicrophone, levelOf } from "../client/microphone.js";
import { sentence, waitingSentence } from "./sentences.js";
import { ensureToken, getToken, refuseToken } from "./token.js";

/**
 * @typedef {import("../client/listening.js").ListeningState | "idle"} ListenerState
 * @typedef {object} ListenerOptions
 * @property {() => import("../client/live.js").Config} [config] asked when a session begins
 * @property {() => import("../client/listening.js").Choice} [choice] of the microphone, asked when a session begins
 * @property {() => void} [onBegin] a session begins
 * @property {(event: import("../client/live.js").LiveEvent) => void} onEvent
 * @property {() => void} [onEnd] all text is there, or will not come any more
 * @property {(samples: Int16Array) => void} [onAudio]
 * @property {(deviceId: string) => void} [onMicrophone] which one is heard now
 */

const NOTICE_MS = 6_000;
const LIVE_URL = new URL("v1/speech/asrlive", document.baseURI);

/** What stands where on a page; each page has these ids. */
const page = {
  button: element("listen"),
  state: element("state"),
  hint: element("hint"),
  level: element("level"),
  light: element("light"),
  notice: element("notice"),
};

/** One session after another, begun and ended by the button. */
export class Listener {
  #options;
  /** @type {ListenerState} */
  #state = "idle";
  #isMuted = false;
  /** @type {Listening | undefined} */
  #listening;
  /** What stops the session that runs. @type {AbortController | undefined} */
  #stopping;
  /** @type {Promise<void>} */
  #running = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fading;

  /** @param {ListenerOptions} options */
  constructor(options) {
    this.#options = options;
    page.button.addEventListener("click", () => this.toggle());
    showSpeech(false);
    speakLanguage(() => this.#enter(this.#state));
    try {
      checkMicrophone();
    } catch (error) {
      this.tell(sentence(error));
    }
  }

  get isIdle() {
    return this.#state === "idle";
  }

  /** Start, or stop. Call it inside a click or a key. */
  toggle() {
    if (this.#stopping) this.#stopping.abort();
    else this.start();
  }

  start() {
    if (!this.#stopping) this.#running = this.#run(new AbortController());
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
   * Say something beside the button.
   * @param {string} words a sentence, or nothing to take the last one away
   * @param {{ isPassing?: boolean }} [how] whether it goes away by itself
   */
  tell(words, { isPassing = false } = {}) {
    clearTimeout(this.#fading);
    page.notice.textContent = words;
    page.notice.classList.toggle("passing", isPassing);
    if (isPassing) this.#fading = setTimeout(() => this.tell(""), NOTICE_MS);
  }

  /** @param {AbortController} stopping */
  async #run(stopping) {
    const { config, choice, onBegin, onEnd, onAudio, onMicrophone } = this.#options;
    this.#stopping = stopping;
    this.#isMuted = false;
    this.tell("");
    const awake = stayAwake();
    try {
      await ensureToken();
      onBegin?.();
      this.#listening = new Listening(LIVE_URL, {
        signal: stopping.signal,
        config: config?.(),
        choice: choice?.(),
        getToken,
        onMicrophone,
        onState: (state, error) => this.#changeTo(state, error),
        onAudio: (samples) => {
          showLevel(levelOf(samples));
          onAudio?.(samples);
        },
        onEvent: (event) => this.#take(event),
        onMute: (isMuted) => {
          this.#isMuted = isMuted;
          this.tell(isMuted ? text("notice.muted") : "");
        },
      });
      await this.#listening.run();
    } catch (error) {
      if (error instanceof LiveError && error.type === "unauthenticated") refuseToken();
      this.tell(error === stopping.signal.reason ? "" : sentence(error));
    } finally {
      awake();
    }
    this.#listening = this.#stopping = undefined;
    showLevel(0);
    showSpeech(false);
    this.#enter("idle");
    onEnd?.();
  }

  /** @param {import("../client/live.js").LiveEvent} event */
  #take(event) {
    if (event.kind === "speech") showSpeech(event.isSpeaking);
    if (event.kind === "warning" && event.code === "gap") this.tell(text("notice.gap"));
    if (event.kind === "warning" && event.code === "slow") this.tell(text("notice.slow"), { isPassing: true });
    const isQuiet = event.kind === "warning" && event.code === "quiet";
    if (isQuiet && !this.#isMuted) this.tell(text("notice.quiet"), { isPassing: true });
    this.#options.onEvent(event);
  }

  /**
   * @param {ListenerState} state
   * @param {Error} [error] the reason
   */
  #changeTo(state, error) {
    if (state === "waiting") this.tell(waitingSentence(error));
    if (this.#state === "waiting" && state === "listening") this.tell(text("notice.turn"), { isPassing: true });
    if (state === "reconnecting") {
      this.tell(text("notice.reconnecting"));
      showSpeech(false);
    }
    if (this.#state === "reconnecting" && state === "listening") this.tell(text("notice.found"), { isPassing: true });
    if (state === "finishing") this.tell("");
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
    // Not `disabled`, which would take the keyboard's focus away.
    page.button.setAttribute("aria-disabled", String(state === "finishing"));
  }
}

/** @param {number} level 0 to 1 */
function showLevel(level) {
  page.level.style.setProperty("--level", level.toFixed(3));
  page.level.setAttribute("aria-valuenow", String(Math.round(level * 100)));
}

/** @param {boolean} isSpeaking */
function showSpeech(isSpeaking) {
  page.light.classList.toggle("speaking", isSpeaking);
  name(page.light, isSpeaking ? "speech" : "silence");
}
