// Owns the dictation view: what its buttons do, and how its parts work together.

import { Broadcaster } from "./broadcast.js";
import { element } from "./element.js";
import { recognizeFile } from "./files.js";
import { number, speakLanguage, text } from "./language.js";
import { Latency } from "./latency.js";
import { Lines } from "./lines.js";
import { Listener } from "./listener.js";
import { Panel } from "./panel.js";
import { sentence } from "./sentences.js";
import { choiceOf, configOf } from "./settings.js";
import { keptToken } from "./token.js";
import { Transcript } from "./transcript.js";

const COPIED_MS = 2_000;
const EARLIER_LINES = 100;
// Nearer to the end of the text than this, the reader is following it.
const FOLLOWING_PX = 120;

const transcript = new Transcript();
const lines = new Lines(element("settled"), element("open"));
const broadcaster = new Broadcaster();
let latency = new Latency();
/** When the first session of the transcript began. @type {number | undefined} */
let startedAt;
/** What gives up the file that is being read. @type {AbortController | undefined} */
let reading;

const panel = new Panel(/** @type {HTMLFormElement} */ (element("settings")), (key, settings) => {
  if (key in choiceOf(settings) || key in (choiceOf(settings).processing ?? {})) {
    latency.restart();
    listener.choose(choiceOf(settings));
  } else {
    listener.configure(configOf(settings));
  }
});

const listener = new Listener({
  config: () => configOf(panel.settings),
  choice: () => choiceOf(panel.settings),
  onBegin: begin,
  onEvent: take,
  onEnd: end,
  onAudio: (samples) => latency.heard(samples.length, performance.now()),
  onMicrophone() {
    latency.restart();
    void panel.showMicrophones();
  },
});

function begin() {
  reading?.abort();
  startedAt ??= performance.now();
  transcript.begin({ at: (performance.now() - startedAt) / 1000 });
  broadcaster.begin();
  latency = new Latency();
}

/** @param {import("./live.js").LiveEvent} event */
function take(event) {
  if (event.kind === "utterance") {
    change(() => {
      transcript.show(event);
      lines.show(event.number, event);
    });
    broadcaster.show(event);
  }
  // What was changed now is on the screen when the next frame is.
  requestAnimationFrame(() => {
    const { firstMs, settledMs } = latency.shown(event, performance.now());
    if (firstMs !== undefined) element("first").textContent = seconds(firstMs);
    if (settledMs !== undefined) element("settledAfter").textContent = seconds(settledMs);
  });
}

function end() {
  change(() => {
    transcript.giveUp();
    lines.giveUp();
  });
}

/** @param {File} file */
async function read(file) {
  // The server would take anything it does not know for bare samples.
  if (file.type !== "" && !/^(audio|video)\/|^application\/ogg/.test(file.type)) return listener.tell(text("file.unfit"));
  await listener.stop();
  begin();
  const mine = (reading = new AbortController());
  const bar = /** @type {HTMLProgressElement} */ (element("progress"));
  listener.tell("");
  bar.hidden = false;
  bar.removeAttribute("value");
  try {
    let shown = 0;
    await recognizeFile(file, {
      config: configOf(panel.settings),
      signal: mine.signal,
      getToken: keptToken,
      onProgress: (share) => (bar.value = share),
      onResults(results) {
        const fresh = results.slice(shown);
        shown = results.length;
        change(() => fresh.forEach((result, index) => show(result, shown - fresh.length + index + 1)));
      },
    });
    if (shown === 0) listener.tell(text("file.empty"));
  } catch (error) {
    if (!mine.signal.aborted) listener.tell(sentence(error));
  }
  if (reading === mine) bar.hidden = true;
}

/**
 * @param {import("./live.js").Result} result of a file, settled
 * @param {number} number
 */
function show(result, number) {
  transcript.show({ ...result, number, isFinal: true });
  lines.show(number, { ...result, isFinal: true });
}

/**
 * Change the text and keep its end in sight for whoever is reading there.
 * @param {() => void} edit
 */
function change(edit) {
  const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
  const isFollowing = scrollHeight - clientHeight - scrollTop < FOLLOWING_PX;
  edit();
  if (isFollowing) lines.trim();
  showButtons();
  if (isFollowing) window.scrollTo(0, document.documentElement.scrollHeight);
}

function showButtons() {
  const { isEmpty } = transcript;
  element("hint").hidden = !isEmpty;
  for (const id of ["copy", "clear"]) /** @type {HTMLButtonElement} */ (element(id)).disabled = isEmpty;
  element("download").hidden = isEmpty;
  const before = transcript.done.length - lines.count;
  element("earlier").hidden = before === 0;
  element("earlier").textContent = text("earlier", { count: number(before) });
}

function showEarlier() {
  const { done } = transcript;
  const before = done.length - lines.count;
  const first = element("settled").firstElementChild ?? element("settled");
  const { top } = first.getBoundingClientRect();
  lines.prepend(done.slice(Math.max(0, before - EARLIER_LINES), before));
  showButtons();
  // The reader stays where they were.
  window.scrollBy(0, first.getBoundingClientRect().top - top);
}

function clear() {
  transcript.clear();
  if (listener.isIdle) startedAt = undefined;
  lines.clear();
  broadcaster.clear();
  listener.tell("");
  change(() => {});
  // The button is now disabled; the keyboard goes on at the one that matters.
  element("listen").focus();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(transcript.text);
  } catch {
    listener.tell(text("copyRefused"));
    return;
  }
  element("copy").textContent = text("copied");
  setTimeout(() => (element("copy").textContent = text("copy")), COPIED_MS);
}

/** @param {import("./transcript.js").Format} format */
function download(format) {
  const { name, type, text } = transcript.download(format, new Date());
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
  element("download").removeAttribute("open");
}

/** @param {number} ms */
function seconds(ms) {
  return text("seconds", { seconds: number(ms / 1000, 1) });
}

element("copy").addEventListener("click", copy);
element("clear").addEventListener("click", clear);
element("earlier").addEventListener("click", showEarlier);
element("download").addEventListener("click", ({ target }) => {
  const { format } = /** @type {HTMLElement} */ (target).dataset;
  if (format) download(/** @type {import("./transcript.js").Format} */ (format));
});
element("configure").addEventListener("click", () => {
  const isHidden = element("settings").toggleAttribute("hidden");
  element("configure").setAttribute("aria-expanded", String(!isHidden));
  if (!isHidden) void panel.fetchLanguages();
});

const file = /** @type {HTMLInputElement} */ (element("file"));
element("choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  if (file.files?.[0]) void read(file.files[0]);
  file.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (event.dataTransfer?.files[0]) void read(event.dataTransfer.files[0]);
});

speakLanguage(() => {
  panel.write();
  showButtons();
});
