// The dictation view: its buttons, and how its parts work together.

import { Broadcaster } from "../broadcast.js";
import { element } from "../elements.js";
import { recognizeFile, writtenFile } from "./files.js";
import { number, speakLanguage, text } from "../language.js";
import { Latency } from "../latency.js";
import { Lines } from "./lines.js";
import { Listener } from "../listener.js";
import { Panel } from "./panel.js";
import { Recording } from "../../client/recording.js";
import { sentence } from "../sentences.js";
import { choiceOf, configOf } from "../settings.js";
import { keptToken } from "../token.js";
import { Transcript } from "../../client/transcript.js";

const COPIED_MS = 2_000;
const EARLIER_LINES = 100;
// A reader who is nearer to the end of the text follows it.
const FOLLOWING_PX = 120;

const transcript = new Transcript();
const lines = new Lines(element("settled"), element("open"));
const broadcaster = new Broadcaster();
let latency = new Latency();
/** When the first session of the transcript began. @type {number | undefined} */
let startedAt;
/** Cancels the recordings that are still to be read. */
let reading = new AbortController();
/** Resolves when all recordings so far are read, one after the other. */
let read = Promise.resolve();

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
  onAudio: (samples) => latency.addAudio(samples.length, performance.now()),
  onMicrophone() {
    latency.restart();
    void panel.showMicrophones();
  },
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
 * Read recordings; their text comes below what is there, and above later speech.
 * @param {Iterable<File>} files
 */
async function takeFiles(files) {
  await listener.stop();
  listener.notify("");
  const { signal } = reading;
  for (const file of files) {
    const recording = new Recording(file.name);
    transcript.add(recording);
    read = read.then(() => readFile(file, recording, signal));
  }
}

/**
 * @param {File} file
 * @param {Recording} recording takes its text
 * @param {AbortSignal} signal
 */
async function readFile(file, recording, signal) {
  if (signal.aborted) return;
  const bar = /** @type {HTMLProgressElement} */ (element("progress"));
  bar.hidden = false;
  bar.removeAttribute("value");
  try {
    // The server would take an unknown format for bare samples.
    if (file.type !== "" && !/^(audio|video)\/|^application\/ogg/.test(file.type)) {
      return listener.notify(text("file.unfit"));
    }
    await recognizeFile(file, {
      config: configOf(panel.settings),
      signal,
      getToken: keptToken,
      onAccepted: (transcriptionId) => (recording.transcriptionId = transcriptionId),
      onProgress: (share) => (bar.value = share),
      onResults(results, isWhole) {
        const first = transcript.countBefore(recording) - (transcript.done.length - lines.count);
        const edits = recording.merge(results, isWhole);
        if (edits.length > 0) change(() => lines.edit(edits, first));
      },
    });
    if (recording.lines.length === 0) listener.notify(text("file.empty"));
  } catch (error) {
    if (!signal.aborted) listener.notify(sentence(error));
  } finally {
    bar.hidden = true;
  }
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
  reading.abort();
  reading = new AbortController();
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
  for (const { name, transcriptionId, lines } of transcript.recordings) {
    if (lines.length === 0) continue;
    try {
      const written = await writtenFile(transcriptionId, format, { signal: reading.signal, getToken: keptToken });
      save(`${name.replace(/\.[^.]*$/, "")}.${format}`, written);
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

const file = /** @type {HTMLInputElement} */ (element("file"));
element("choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  // Clearing the value empties the list.
  if (file.files?.length) void takeFiles([...file.files]);
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
  if (event.dataTransfer?.files.length) void takeFiles([...event.dataTransfer.files]);
});

speakLanguage(() => {
  panel.write();
  showButtons();
});
