// Owns the captions view: what its address asks for, whom it listens to, and its controls.

import { stayAwake } from "../awake.js";
import { Broadcaster, Follower } from "../broadcast.js";
import { element } from "../elements.js";
import { name, speakLanguage } from "../language.js";
import { RollUp } from "./rollup.js";

const REST_MS = 3_000;
const SPOKEN_LINES = 20;

const asked = new URLSearchParams(location.search);
const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;
const rollUp = new RollUp(element("captions"), 1000 * quantity("clear", 8, 0, 86_400));
/** @type {ReturnType<typeof setTimeout> | undefined} */
let resting;

/**
 * A number that the address gives.
 * @param {string} name
 * @param {number} usual in place of what is none
 * @param {number} least
 * @param {number} most
 */
function quantity(name, usual, least, most) {
  const value = Number(asked.get(name) || usual);
  return Number.isNaN(value) ? usual : Math.min(most, Math.max(least, value));
}

/** @param {import("../broadcast.js").Caption[]} captions */
function show(captions) {
  rollUp.show(captions);
  if (captions.length > 0) element("empty").hidden = true;
  speak(captions);
}

/**
 * Give screen readers what is settled, each utterance once; what still changes would be read again and again.
 * @param {import("../broadcast.js").Caption[]} captions
 */
function speak(captions) {
  const log = element("spoken");
  const lines = /** @type {HTMLElement[]} */ ([...log.children]);
  for (const { key, transcript, isFinal } of captions) {
    if (!isFinal || lines.some(({ dataset }) => dataset.key === key)) continue;
    const line = Object.assign(document.createElement("p"), { textContent: transcript, dir: "auto" });
    line.dataset.key = key;
    log.append(line);
  }
  while (log.childElementCount > SPOKEN_LINES) log.firstElementChild?.remove();
}

async function listen() {
  // Only now, because most captions only follow and need none of it.
  const { Listener } = await import("../listener.js");
  const broadcaster = new Broadcaster();
  const config = { languageCode: asked.get("language"), asrModel: asked.get("model") };
  const given = Object.entries(config).flatMap(([key, value]) => (value ? [[key, value]] : []));
  const listener = new Listener({
    config: () => Object.fromEntries(given),
    onBegin: () => broadcaster.begin(),
    onEvent(event) {
      if (event.kind !== "utterance") return;
      broadcaster.show(event);
      show(broadcaster.captions);
    },
  });
  for (const id of ["own", "level", "hint"]) element(id).hidden = false;
  for (const id of ["follow", "ways"]) element(id).hidden = true;
  document.body.classList.add("listener");
  if (asked.get("autostart") === "1") listener.start();
}

function showTheme() {
  const theme = asked.get("theme") ?? "";
  const known = ["dark", "light", "transparent"].includes(theme);
  root.dataset.theme = known ? theme : system.matches ? "dark" : "light";
  const position = asked.get("position") ?? "";
  const usual = root.dataset.theme === "transparent" ? "bottom" : "center";
  root.dataset.position = ["top", "bottom"].includes(position) ? position : usual;
}

/** The address remembers it, so that it can be loaded again or given to somebody. */
function changeTheme() {
  asked.set("theme", root.dataset.theme === "dark" ? "light" : "dark");
  history.replaceState(null, "", `?${asked}`);
  showTheme();
}

function toggleFull() {
  // Refused where the browser or the page around this one does not allow it.
  if (document.fullscreenElement) void document.exitFullscreen().catch(() => {});
  else void root.requestFullscreen().catch(() => {});
}

/** Show the controls until hand and keyboard have rested for a while. */
function wake() {
  document.body.classList.remove("resting");
  clearTimeout(resting);
  resting = setTimeout(() => document.body.classList.add("resting"), REST_MS);
}

element("theme").addEventListener("click", changeTheme);
element("full").addEventListener("click", toggleFull);
element("full").hidden = !document.fullscreenEnabled;
document.addEventListener("fullscreenchange", () => {
  name(element("full"), document.fullscreenElement ? "captions.leaveFull" : "captions.full");
});
document.addEventListener("keydown", (event) => {
  const { key, code, target, altKey, ctrlKey, metaKey } = event;
  // The same key under a Persian keyboard writes another letter.
  const isF = key.toLowerCase() === "f" || (code === "KeyF" && !/[a-z]/i.test(key));
  if (isF && !altKey && !ctrlKey && !metaKey && !(target instanceof HTMLInputElement)) toggleFull();
});
for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) document.addEventListener(type, wake);
system.addEventListener("change", showTheme);

showTheme();
root.style.setProperty("--size", String(quantity("size", 100, 50, 200) / 100));
const here = new URLSearchParams(asked);
here.set("mic", "1");
/** @type {HTMLAnchorElement} */ (element("listenHere")).href = `?${here}`;
// A picture that is laid over another one begins without controls.
if (root.dataset.theme === "transparent") document.body.classList.add("resting");
else wake();
speakLanguage();
// Nobody touches a screen that is only read.
stayAwake();
if (asked.get("mic") === "1") void listen();
else new Follower(show);
