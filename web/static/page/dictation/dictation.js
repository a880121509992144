// The dictation view: its buttons, and how its parts work together.

import { Broadcaster } from "../broadcast.js";
import { element } from "../elements.js";
import { writtenFile } from "./files.js";
import { number, speakLanguage, text } from "../language.js";
import { Latency } from "../latency.js";
import { Lines } from "./lines.js";
import { Listener } from "../listener.js";
import { Panel } from "./panel.js";
import { Recordings } from "./recordings.js";
import { sentence } from "../sentences.js";
import { choiceOf, configOf } from "../settings.js";
import { keptToken } from "../token.js";
import { Transcript, downloadOf, fileName } from "../../client/transcript.js";

const COPIED_MS = 2_000;
const SAVING_MS = 60_000;
const EARLIER_LINES = 100;
// A reader who is nearer to the end of the text follows it.
const FOLLOWING_PX = 120;

const transcript = new Transcript();
const lines = new Lines(element("settled"), element("open"));
const broadcaster = new Broadcaster();
let latency = new Latency();
/** When the first session of the transcript began. @type {number | undefined} */
let startedAt;
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
  mayBegin: () => recordings.mayListen(),
  onBegin: begin,
  onEvent: take,
  onEnd: end,
  onAudio: (samples) => latency.addAudio(samples.length, performance.now()),
  onMicrophone() {
    latency.restart();
    void panel.showMicrophones();
  },
});

// The text of a recording comes below what is there, and above later speech.
const recordings = new Recordings({
  settings: () => panel.settings,
  onTake: () => listener.stop(),
  onAdd: (recording) => transcript.add(recording),
  onEdit(recording, edits) {
    const { length } = recording.lines;
    const before = length - edits.reduce((sum, { line }) => sum + (line ? 1 : -1), 0);
    const settled = transcript.done.length - length + before;
    const first = transcript.countBefore(recording) - (settled - lines.count);
    change(() => lines.edit(edits, first));
  },
  notify: (words) => listener.notify(words),
});

function begin() {
  startedAt ??= performance.now();
  transcript.begin({ at: (performance.now() - startedAt) / 1000 });
  broadcaster.begin();
  latency = new Latency();
}

/** @param {import("../../client/live.js").LiveEvent} event */
function take(event) {
  if (event.kind === "utterance") {
    change(() => {
      transcript.show(event);
      lines.show(event.number, event);
    });
    broadcaster.show(event);
  }
  // The change is on the screen with the next frame.
  requestAnimationFrame(() => {
    const { firstMs, settledMs } = latency.addEvent(event, performance.now());
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

/**
 * Change the text, and keep its end in sight of a reader who follows it.
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
  // Keep the lines that are read in their place.
  window.scrollBy(0, first.getBoundingClientRect().top - top);
}

function clear() {
  recordings.cancelAll();
  transcript.clear();
  if (listener.isIdle) startedAt = undefined;
  lines.clear();
  broadcaster.clear();
  listener.notify("");
  change(() => {});
  // The button is now disabled; move the focus to the main one.
  element("listen").focus();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(transcript.text);
  } catch {
    listener.notify(text("copyRefused"));
    return;
  }
  element("copy").textContent = text("copied");
  setTimeout(() => (element("copy").textContent = text("copy")), COPIED_MS);
}

/**
 * Save the text: each recording as the server writes it, and the sessions as a file of their own.
 * @param {import("../../client/transcript.js").Format} format
 */
async function download(format) {
  element("download").removeAttribute("open");
  if (transcript.spoken.length > 0) {
    const { name, type, text } = transcript.download(format, new Date());
    save(name, new Blob([text], { type }));
  }
  for (const recording of transcript.recordings) {
    const { name, transcriptionId, lines } = recording;
    if (lines.length === 0) continue;
    if (!transcriptionId) {
      const { name, type, text } = downloadOf(recording, format);
      save(name, new Blob([text], { type }));
      continue;
    }
    try {
      const signal = AbortSignal.timeout(SAVING_MS);
      save(fileName(name, format), await writtenFile(transcriptionId, format, { signal, getToken: keptToken }));
    } catch (error) {
      listener.notify(sentence(error));
    }
  }
}

/**
 * @param {string} name
 * @param {Blob} content
 */
function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
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
  if (format) void download(/** @type {import("../../client/transcript.js").Format} */ (format));
});
element("configure").addEventListener("click", () => {
  const isHidden = element("settings").toggleAttribute("hidden");
  element("configure").setAttribute("aria-expanded", String(!isHidden));
  if (!isHidden) void panel.fetchChoices();
});

speakLanguage(() => {
  panel.write();
  recordings.show();
  showButtons();
});
