// The dictation view: its buttons, and how its parts work together.

import { Autosave } from "./autosave.js";
import { Broadcaster } from "../broadcast.js";
import { TabDraft } from "./drafts.js";
import { watchFiles } from "./drop.js";
import { element } from "../elements.js";
import { languageName, listed, number, speakLanguage, text } from "../language.js";
import { Latency } from "../latency.js";
import { watchKeys } from "./keys.js";
import { Lines, factsOf } from "./lines.js";
import { Listener } from "../listener.js";
import { Panel } from "./panel.js";
import { choiceOf, configOf } from "../settings.js";
import { Recording } from "../../client/recording.js";
import { Transcript } from "../../client/transcript.js";
import { UndoSteps } from "./undo.js";

const COPIED_MS = 2_000;
const EARLIER_LINES = 100;
// More of them are counted, not named.
const MOST_NAMED = 4;
// A reader who is nearer to the end of the text follows it.
const FOLLOWING_PX = 120;

const transcript = new Transcript();
const lines = new Lines(element("settled"), element("open"));
const broadcaster = new Broadcaster();
let latency = new Latency();
const draft = new TabDraft();
const autosave = new Autosave(() => draft.save(transcript.kept));
const steps = new UndoSteps();
/** Whether the text was copied or downloaded as it is. */
let isSaved = true;
/** Whether the text of the last visit is back. */
let isResumed = false;
/** How many lines are hidden before the first on the page. */
let hidden = 0;
/** When each utterance of the session began, in seconds. @type {Map<number, number>} */
const onsets = new Map();
/** When the first session of the transcript began. @type {number | undefined} */
let startedAt;
const panel = new Panel(/** @type {HTMLFormElement} */ (element("settings")), (key, settings) => {
  if (key === "textSize" || key === "isStereo") return showSize();
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
  mayBegin: async () => !loading || (await loading).mayListen(),
  onBegin: begin,
  onEvent: take,
  onEnd: end,
  onAudio: (samples) => latency.addAudio(samples.length, performance.now()),
  onMicrophone() {
    latency.restart();
    void panel.showMicrophones();
  },
});

/** @type {import("./recordings.js").Recordings | undefined} */
let recordings;
/** @type {Promise<import("./recordings.js").Recordings> | undefined} */
let loading;

/** What reads recordings; loaded with the first one, as most visits have none. */
function loadRecordings() {
  loading ??= import("./recordings.js").then(({ Recordings }) => {
    recordings = new Recordings({
      settings: () => panel.settings,
      onTake: () => listener.stop(),
      // Its text comes below what is there, and above later speech.
      onAdd: (recording) => transcript.add(recording),
      onEdit: () => change(() => {}),
      notify: (words) => listener.notify(words),
    });
    return recordings;
  });
  return loading;
}

function showSize() {
  document.documentElement.style.setProperty("--size", String((panel.settings.textSize ?? 100) / 100));
}

/** Say what the page does, in which languages, and whether there is a sample for them. */
function writeAbout() {
  const { languages } = panel;
  const names = [...new Set(languages.map((code) => languageName(code.split("-")[0])))];
  element("about").textContent =
    names.length === 0
      ? text("aboutUnknown")
      : text("about", {
          languages: names.length > MOST_NAMED ? text("manyLanguages", { count: number(names.length) }) : listed(names),
        });
  element("sample").hidden = languages.length > 0 && !english();
}

/** The tag of English at the server. */
function english() {
  return panel.languages.find((code) => code.split("-")[0] === "en");
}

/** Recognize the sample, as if it were spoken now. */
async function playSample() {
  await fetchChoices();
  const languageCode = english();
  const { Sample } = await import("./sample.js");
  listener.start({
    // The user's own words are worth keeping, these are not.
    config: { store: false, ...(languageCode && { languageCode }) },
    open: (options, onEnd) => Sample.open(options, onEnd),
  });
}

async function fetchChoices() {
  await panel.fetchChoices();
  writeAbout();
}

function begin() {
  void fetchChoices();
  onsets.clear();
  startedAt ??= performance.now();
  transcript.begin({ at: (performance.now() - startedAt) / 1000 });
  broadcaster.begin();
  latency = new Latency();
}

/** @param {import("../../client/live.js").LiveEvent} event */
function take(event) {
  if (event.kind === "speech" && event.isSpeaking) onsets.set(event.number, event.time);
  if (event.kind === "utterance") {
    change(() => transcript.show({ ...event, startTime: onsets.get(event.number) }));
    if (event.isFinal) onsets.delete(event.number);
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
  change(() => transcript.giveUp());
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
  hidden = lines.show(transcript.lines, isFollowing);
  showButtons();
  if (isFollowing) window.scrollTo(0, document.documentElement.scrollHeight);
}

function showButtons() {
  const { isEmpty } = transcript;
  element("welcome").hidden = !isEmpty;
  for (const id of ["copy", "clear"]) /** @type {HTMLButtonElement} */ (element(id)).disabled = isEmpty;
  element("download").toggleAttribute("inert", isEmpty);
  element("undo").hidden = !steps.isCleared;
  // One takes the other's place.
  element("clear").hidden = isEmpty && steps.isCleared;
  element("earlier").hidden = hidden === 0;
  element("earlier").textContent = text("earlier", { count: number(hidden) });
}

function showEarlier() {
  const first = element("settled").querySelector(".line") ?? element("settled");
  const { top } = first.getBoundingClientRect();
  hidden = lines.showEarlier(transcript.lines, EARLIER_LINES);
  showButtons();
  // Keep the lines that are read in their place.
  window.scrollBy(0, first.getBoundingClientRect().top - top);
}

function clear() {
  steps.clear(transcript.kept);
  recordings?.cancelAll();
  transcript.clear();
  if (listener.isIdle) startedAt = undefined;
  broadcaster.clear();
  listener.notify("");
  change(() => {});
  // The button is now disabled; move the focus to the main one.
  element("listen").focus();
}

/** @returns {boolean} whether there was something to undo */
function undo() {
  const step = steps.pop();
  if (step?.kind === "cleared") change(() => transcript.restore(step.kept));
  if (step?.kind === "edited") {
    lines.forget(step.lines.map(({ id }) => id));
    change(() => step.lines.forEach((line) => transcript.put(line)));
  }
  return step !== undefined;
}

/** @param {HTMLElement} paragraph in which the user has written */
function takeEdits(paragraph) {
  const before = [];
  for (const { id, transcript: written } of lines.readEdits(paragraph)) {
    const line = transcript.edit(id, written);
    if (line) before.push(line);
  }
  steps.edit(before, performance.now());
  change(() => {});
}

/**
 * Show when the word at a place was spoken, and how sure it is.
 * @param {Node | null} node
 */
function showWord(node) {
  const word = element("settled").contains(node) ? lines.wordAt(node) : undefined;
  element("word").textContent = word ? factsOf(word) : "";
}

/**
 * Put the text of a past transcription below the others.
 * @param {string} transcriptionId
 * @param {string} name
 */
async function openPast(transcriptionId, name) {
  await listener.stop();
  const recording = new Recording(name, { transcriptionId });
  transcript.add(recording);
  (await loadRecordings()).resume(recording);
}

async function copy() {
  try {
    await navigator.clipboard.writeText(transcript.text);
  } catch {
    return listener.notify(text("copyRefused"));
  }
  isSaved = true;
  element("copy").textContent = text("copied");
  setTimeout(() => (element("copy").textContent = text("copy")), COPIED_MS);
}

/** @param {import("../../client/transcript.js").Format} format */
async function download(format) {
  element("download").removeAttribute("open");
  const { saveTranscript } = await import("./saving.js");
  const failure = await saveTranscript(transcript, format);
  if (failure) listener.notify(failure);
  else isSaved = true;
}

/** Take the text that a reload or a crash left, and go on with the recordings that the server still reads. */
async function resume() {
  const kept = await draft.take();
  if (kept) {
    change(() => {
      transcript.restore(kept);
      transcript.giveUp();
    });
    for (const recording of transcript.recordings) {
      if (recording.transcriptionId && !recording.isWhole) (await loadRecordings()).resume(recording);
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
element("settled").addEventListener("input", ({ target }) => {
  const paragraph = /** @type {HTMLElement} */ (target).closest("p");
  if (paragraph) takeEdits(paragraph);
});
document.addEventListener("selectionchange", () => showWord(document.getSelection()?.focusNode ?? null));
element("settled").addEventListener("pointerover", ({ target }) => showWord(/** @type {Node} */ (target)));
watchKeys({
  toggle: () => listener.toggle(),
  copy: () => void (transcript.isEmpty || copy()),
  undo,
});
element("undo").addEventListener("click", () => {
  undo();
  element(transcript.isEmpty ? "listen" : "copy").focus();
});
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

element("sample").addEventListener("click", playSample);
watchFiles(async (files) => (await loadRecordings()).take(files));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") void autosave.flush();
});
addEventListener("beforeunload", (event) => {
  void autosave.flush();
  if (!transcript.isEmpty && !isSaved) event.preventDefault();
});

/** @type {Promise<import("./pastview.js").PastView> | undefined} */
let past;
element("history").addEventListener("click", async () => {
  // Loaded only here: most visits do not look back.
  past ??= import("./pastview.js").then(({ PastView }) => new PastView(openPast));
  await (await past).open();
});
showSize();
// Pages that get no microphone are refused more than that; the settings fetch it all when they are opened.
if (isSecureContext) void fetchChoices();
void resume();
speakLanguage(() => {
  panel.write();
  writeAbout();
  recordings?.show();
  showButtons();
});
