// The dictation view: its buttons, and how its parts work together.

import { Autosave } from "./autosave.js";
import { Broadcaster } from "../broadcast.js";
import { TabDraft } from "./drafts.js";
import { element } from "../elements.js";
import { number, speakLanguage, text } from "../language.js";
import { Latency } from "../latency.js";
import { Lines } from "./lines.js";
import { Listener } from "../listener.js";
import { Panel } from "./panel.js";
import { PastView } from "./pastview.js";
import { Recordings } from "./recordings.js";
import { copyText, saveTranscript } from "./saving.js";
import { choiceOf, configOf } from "../settings.js";
import { Recording } from "../../client/recording.js";
import { Transcript } from "../../client/transcript.js";

const COPIED_MS = 2_000;
const EARLIER_LINES = 100;
// A reader who is nearer to the end of the text follows it.
const FOLLOWING_PX = 120;

const transcript = new Transcript();
const lines = new Lines(element("settled"), element("open"));
const broadcaster = new Broadcaster();
let latency = new Latency();
const draft = new TabDraft();
const autosave = new Autosave(() => draft.save(transcript.kept));
/** What the last Clear removed. @type {import("../../client/transcript.js").Kept | undefined} */
let cleared;
/** Whether the text was copied or downloaded as it is. */
let isSaved = true;
/** Whether the text of the last visit is back. */
let isResumed = false;
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
  isSaved = false;
  if (isResumed) autosave.changed();
  if (isFollowing) lines.trim();
  showButtons();
  if (isFollowing) window.scrollTo(0, document.documentElement.scrollHeight);
}

function showButtons() {
  const { isEmpty } = transcript;
  element("hint").hidden = !isEmpty;
  for (const id of ["copy", "clear"]) /** @type {HTMLButtonElement} */ (element(id)).disabled = isEmpty;
  element("download").hidden = isEmpty;
  element("undo").hidden = cleared === undefined;
  // One takes the other's place.
  element("clear").hidden = isEmpty && cleared !== undefined;
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
  cleared = transcript.kept;
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

function undo() {
  if (!cleared) return;
  transcript.restore(cleared);
  cleared = undefined;
  show();
  element(transcript.isEmpty ? "listen" : "copy").focus();
}

/** Show the transcript from its begin, as another one was put in its place. */
function show() {
  change(() => lines.reset(transcript.done));
}

async function copy() {
  const failure = await copyText(transcript.text);
  if (failure) return listener.notify(failure);
  isSaved = true;
  element("copy").textContent = text("copied");
  setTimeout(() => (element("copy").textContent = text("copy")), COPIED_MS);
}

/** @param {import("../../client/transcript.js").Format} format */
async function download(format) {
  element("download").removeAttribute("open");
  const failure = await saveTranscript(transcript, format);
  if (failure) listener.notify(failure);
  else isSaved = true;
}

/** Take the text that a reload or a crash left, and go on with the recordings that the server still reads. */
async function resume() {
  const kept = await draft.take();
  if (kept) {
    transcript.restore(kept);
    transcript.giveUp();
    show();
    for (const recording of transcript.recordings) {
      if (recording.transcriptionId && !recording.isWhole) recordings.resume(recording);
    }
  }
  // Nothing is saved over a draft that was not read yet.
  isResumed = true;
}

/** @param {number} ms */
function seconds(ms) {
  return text("seconds", { seconds: number(ms / 1000, 1) });
}

element("copy").addEventListener("click", copy);
element("clear").addEventListener("click", clear);
element("undo").addEventListener("click", undo);
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

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") void autosave.flush();
});
addEventListener("beforeunload", (event) => {
  void autosave.flush();
  if (!transcript.isEmpty && !isSaved) event.preventDefault();
});

new PastView(async ({ transcriptionId }, name) => {
  await listener.stop();
  const recording = new Recording(name, { transcriptionId });
  transcript.add(recording);
  recordings.resume(recording);
});
void resume();
speakLanguage(() => {
  panel.write();
  recordings.show();
  showButtons();
});
