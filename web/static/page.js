// Owns the page: what its buttons do, and what it says about the session.

import { Captions } from "./captions.js";
import { listen } from "./listening.js";
import { checkMicrophone, levelOf } from "./microphone.js";

/** What the page shows in each state: beside the light, on an empty page, and as the button's name. */
const STATES = {
  idle: { label: "Ready", hint: "Press the microphone and speak.", button: "Start listening" },
  starting: { label: "Waiting for the microphone", hint: "Allow the microphone to be used.", button: "Cancel" },
  connecting: { label: "Connecting", hint: "Connecting to the server.", button: "Cancel" },
  listening: { label: "Listening", hint: "Speak now.", button: "Stop listening" },
  finishing: { label: "Finishing", hint: "Finishing.", button: "Finishing" },
};
const COPIED_MS = 2_000;
// Nearer to the end of the text than this, the reader is following it.
const FOLLOWING_PX = 120;

const liveUrl = new URL("v1/speech/asrlive", document.baseURI);
const button = element("listen");
const copy = /** @type {HTMLButtonElement} */ (element("copy"));
const clear = /** @type {HTMLButtonElement} */ (element("clear"));
const captions = new Captions(element("settled"), element("unsettled"));
/** What stops the session that runs. @type {AbortController | undefined} */
let stopping;

async function run() {
  stopping = new AbortController();
  tell("");
  try {
    await listen(liveUrl, {
      signal: stopping.signal,
      onState: enter,
      onAudio: (samples) => showLevel(levelOf(samples)),
      onPartial: (message) => change(() => captions.show(message)),
    });
  } catch (error) {
    if (error !== stopping.signal.reason) tell(/** @type {Error} */ (error).message);
  }
  stopping = undefined;
  change(() => captions.giveUp());
  showLevel(0);
  enter("idle");
}

/** @param {import("./listening.js").ListeningState | "idle"} state */
function enter(state) {
  document.body.dataset.state = state;
  element("state").textContent = STATES[state].label;
  element("hint").textContent = STATES[state].hint;
  button.setAttribute("aria-label", STATES[state].button);
  button.title = STATES[state].button;
  // Not `disabled`, which would take the keyboard's focus away.
  button.setAttribute("aria-disabled", String(state === "finishing"));
}

/** @param {number} level 0 to 1 */
function showLevel(level) {
  const meter = element("level");
  meter.style.setProperty("--level", level.toFixed(3));
  meter.setAttribute("aria-valuenow", String(Math.round(level * 100)));
}

/** @param {string} problem a sentence, or nothing to take the last one away */
function tell(problem) {
  element("notice").textContent = problem;
}

/**
 * Change the text and keep its end in sight for whoever is reading there.
 * @param {() => void} edit
 */
function change(edit) {
  const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
  const isFollowing = scrollHeight - clientHeight - scrollTop < FOLLOWING_PX;
  edit();
  const isEmpty = captions.text === "";
  element("hint").hidden = !isEmpty;
  copy.disabled = clear.disabled = isEmpty;
  if (isFollowing) window.scrollTo(0, document.documentElement.scrollHeight);
}

async function copyText() {
  try {
    await navigator.clipboard.writeText(captions.text);
  } catch {
    tell("The browser did not allow the text to be copied.");
    return;
  }
  copy.textContent = "Copied";
  setTimeout(() => (copy.textContent = "Copy"), COPIED_MS);
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

button.addEventListener("click", () => (stopping ? stopping.abort() : void run()));
copy.addEventListener("click", copyText);
clear.addEventListener("click", () => {
  change(() => captions.clear());
  // The button is now disabled; the keyboard goes on at the one that matters.
  button.focus();
});
enter("idle");
try {
  checkMicrophone();
} catch (error) {
  tell(/** @type {Error} */ (error).message);
}
