// The captions view: the options of its address, its source of text, its controls.

import "../captions-texts.js";
import { stayAwake } from "../awake.js";
import { Broadcaster, Follower } from "../broadcast.js";
import { element, orient } from "../elements.js";
import { name, speakLanguage, text } from "../language.js";
import { Appearance } from "./appearance.js";
import { Pace } from "./pace.js";
import { RollUp } from "./rollup.js";

const REST_MS = 3_000;
const SPOKEN_LINES = 20;

// A row has about so many characters.
const ROW_CHARACTERS = 40;

const options = new URLSearchParams(location.search);
const root = document.documentElement;
const rollUp = new RollUp(element("captions"), 0);
let pace = new Pace(0);
let rows = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let resting;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let revealing;

const appearance = new Appearance(({ lines, clearSeconds }) => {
  rollUp.clearMs = 1000 * clearSeconds;
  // What was shown stays shown when only a colour changes.
  if (rows !== lines) pace = new Pace(ROW_CHARACTERS * lines);
  rows = lines;
  dispatchEvent(new Event("resize"));
});

/** @param {import("../broadcast.js").Caption[]} captions */
function show(captions) {
  pace.take(captions);
  if (captions.length > 0) element("empty").hidden = true;
  speak(captions);
  reveal();
}

/** Show what can be read by now, and the rest when there is time for it. */
function reveal() {
  clearTimeout(revealing);
  const { captions, waitMs } = pace.reveal(performance.now());
  rollUp.show(captions);
  if (waitMs !== undefined) revealing = setTimeout(reveal, waitMs);
}

/**
 * Give screen readers each settled utterance once; unsettled text would be read again and again.
 * @param {import("../broadcast.js").Caption[]} captions
 */
function speak(captions) {
  const log = element("spoken");
  const lines = /** @type {HTMLElement[]} */ ([...log.children]);
  for (const { key, transcript, isFinal } of captions) {
    if (!isFinal || lines.some(({ dataset }) => dataset.key === key)) continue;
    const line = Object.assign(document.createElement("p"), { textContent: transcript });
    orient(line, transcript);
    line.dataset.key = key;
    log.append(line);
  }
  while (log.childElementCount > SPOKEN_LINES) log.firstElementChild?.remove();
}

async function listen() {
  // Loaded only here: captions that follow another tab do not need it.
  const { Listener } = await import("../listener.js");
  const broadcaster = new Broadcaster();
  const config = { languageCode: options.get("language"), asrModel: options.get("model") };
  const set = Object.entries(config).flatMap(([key, value]) => (value ? [[key, value]] : []));
  const listener = new Listener({
    config: () => Object.fromEntries(set),
    onBegin: () => broadcaster.begin(),
    onEvent(event) {
      if (event.kind !== "utterance") return;
      broadcaster.show(event);
      show(broadcaster.captions);
    },
  });
  for (const id of ["own", "hint"]) element(id).hidden = false;
  for (const id of ["follow", "ways", "obs"]) element(id).hidden = true;
  document.body.classList.add("listener");
  if (options.get("autostart") === "1") listener.start();
}

/** @param {string} name of a channel at this server */
async function follow(name) {
  const { followChannel } = await import("./channel.js");
  for (const id of ["ways", "obs"]) element(id).hidden = true;
  const wait = element("follow");
  wait.dataset.text = "captions.channel";
  wait.textContent = text("captions.channel");
  followChannel({
    name,
    token: options.get("jwt") ?? "",
    onCaptions: show,
    onState(state) {
      element("notice").textContent = state === "channel" ? "" : text(`captions.${state}`);
    },
  });
}

/** Light and dark in turn. */
function changeTheme() {
  appearance.set("theme", root.dataset.theme === "dark" ? "light" : "dark");
}

function toggleFull() {
  // Refused where the browser or an embedding page does not allow it.
  if (document.fullscreenElement) void document.exitFullscreen().catch(() => {});
  else void root.requestFullscreen().catch(() => {});
}

/** Show the controls until there was no input for a while. */
function showControls() {
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
  // On a Persian keyboard the same key has another letter.
  const isF = key.toLowerCase() === "f" || (code === "KeyF" && !/[a-z]/i.test(key));
  if (isF && !altKey && !ctrlKey && !metaKey && !(target instanceof HTMLInputElement) && !(target instanceof HTMLSelectElement)) toggleFull();
});
for (const type of ["pointermove", "pointerdown", "keydown", "focusin"]) document.addEventListener(type, showControls);

const here = new URLSearchParams(options);
here.set("mic", "1");
/** @type {HTMLAnchorElement} */ (element("listenHere")).href = `?${here}`;
// Captions over a video begin without controls.
if (root.dataset.theme === "transparent") document.body.classList.add("resting");
else showControls();
speakLanguage();
// A screen that is only read gets no input that would keep it on.
stayAwake();
if (options.get("mic") === "1") void listen();
else if (options.get("channel")) void follow(options.get("channel") ?? "");
else new Follower(show);
