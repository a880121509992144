// The commands view: its fields, and what an utterance does.

import "../commands-texts.js";
import { serverConfiguration } from "../configuration.js";
import { element } from "../elements.js";
import { History, isMatched, part, verdictOf } from "./history.js";
import { number, percent, speakLanguage, text } from "../language.js";
import { Latency } from "../latency.js";
import { Listener } from "../listener.js";
import { normalized } from "../../client/matching.js";
import { MODES, nearest } from "./modes.js";
import { MOST_WRITTEN_OUT } from "../../client/patterns.js";
import { addressOf, loadChoices, loadPhrases, phrasesOf, saveChoices, savePhrases, sharedList } from "./phrases.js";
import { choiceOf, loadSettings } from "../settings.js";
import { Tiles } from "./tiles.js";

/**
 * @typedef {import("./modes.js").Utterance} Utterance
 * @typedef {import("./modes.js").Found} Found
 */

const TYPING_MS = 600;
const COPIED_MS = 2_000;

const field = /** @type {HTMLTextAreaElement} */ (element("phrases"));
const threshold = /** @type {HTMLInputElement} */ (element("threshold"));
const only = /** @type {HTMLInputElement} */ (element("only"));
const tiles = new Tiles(element("tiles"));
const past = new History(element("history"));
/** Null before the user's first edit: then examples are shown. */
let written = loadPhrases();
let choices = loadChoices();
/** Whether the list came with the address; it is kept once it is changed. */
let isShared = false;
/** Those of the server; until they are known, it refuses what is over them. */
let bounds = { phrases: Infinity, characters: Infinity };
let typed = phrasesOf("", bounds);
let latency = new Latency();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;

const listener = new Listener({
  config() {
    if (typing !== undefined) takeTyped();
    const { languageCode } = loadSettings();
    return { asrModel: "command_and_search", ...(languageCode && { languageCode }), ...mode().config(list()) };
  },
  choice: () => choiceOf(loadSettings()),
  onBegin: () => (latency = new Latency()),
  onEvent: take,
  onEnd: () => show(""),
  onAudio: (samples) => latency.addAudio(samples.length, performance.now()),
  onMicrophone: () => latency.restart(),
});

function modeName() {
  return /** @type {HTMLInputElement} */ (document.querySelector("[name=mode]:checked")).value;
}

function mode() {
  return MODES[modeName()];
}

function list() {
  return { phrases: typed.phrases, isOpen: choices.isOpen };
}

/** @param {import("../../client/live.js").LiveEvent} event */
function take(event) {
  const { settledMs } = latency.addEvent(event, performance.now());
  if (event.kind !== "utterance") return;
  const found = mode().find(event, list());
  if (!event.isFinal) show(event.transcript, found[0]);
  // An utterance of open speech may turn out to have no words; one of a closed vocabulary had others.
  else if (event.transcript === "" && !mode().isClosed(list())) show("");
  else finish(event, found, settledMs);
}

/**
 * @param {string} unsettled
 * @param {Found} [found]
 */
function show(unsettled, found) {
  element("unsettled").textContent = unsettled;
  tiles.hint(found?.tile);
}

/**
 * @param {Utterance} utterance
 * @param {Found[]} found
 * @param {number} [waitedMs]
 */
function finish(utterance, found, waitedMs) {
  show("");
  const { none, isClosed } = mode();
  const label = found.length > 0 ? found.map((one) => one.label).join(" · ") : undefined;
  // Of several in a row each has to be sure.
  const score = Math.min(1, ...found.map((one) => one.score));
  const entry = { transcript: utterance.transcript, label, score, threshold: choices.threshold, none, waitedMs };
  if (isMatched(entry)) {
    if (mode() === MODES.numbers) tiles.show([found[0].label]);
    tiles.light(found);
  } else if (isClosed(list())) {
    // A closed vocabulary recognizes other speech as one of its own words, which was not spoken.
    entry.transcript = "";
  }
  past.add({ ...entry, nearest: label === undefined ? nearest(entry.transcript, typed.phrases) : undefined });
  showResult();
}

function showResult() {
  const entry = past.last;
  element("hint").hidden = entry !== undefined;
  element("past").hidden = entry === undefined;
  if (!entry) return;
  const { transcript } = entry;
  const label = isMatched(entry) ? entry.label ?? "" : transcript;
  element("result").classList.toggle("matched", isMatched(entry));
  element("result").replaceChildren(part("verdict", verdictOf(entry)));
  if (label !== "") element("result").prepend(part("phrase", label), " ");
  if (normalized(transcript) !== normalized(label)) element("result").append(" ", part("transcript", transcript));
}

function changeMode() {
  const isOwn = mode() === MODES.phrases;
  element("editor").hidden = !isOwn;
  element("examples").hidden = !isOwn || written !== null;
  element("tiles").dataset.mode = modeName();
  tiles.show(mode().labels(list()));
  listener.configure(mode().config(list()));
}

function showChoices() {
  threshold.value = String(Math.round(100 * choices.threshold));
  threshold.setAttribute("aria-valuetext", percent(choices.threshold));
  element("thresholdValue").textContent = percent(choices.threshold);
  only.checked = !choices.isOpen;
  element("shared").hidden = !isShared;
}

/** Take the list of the address, if it has one. */
function takeShared() {
  const shared = sharedList();
  if (!shared) return;
  ({ written, choices } = shared);
  isShared = true;
  writeList();
}

/** Write the list and its choices into their fields, in the language in force. */
function writeList() {
  field.value = written ?? text("commands.examples");
  showChoices();
  showBounds();
  read();
  changeMode();
}

async function copyAddress() {
  const address = addressOf(field.value, choices);
  history.replaceState(null, "", address);
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    // It can be copied from the address bar.
    return listener.notify(text("commands.addressShown"), { isPassing: true });
  }
  element("share").textContent = text("copied");
  setTimeout(() => (element("share").textContent = text("commands.share")), COPIED_MS);
}

function read() {
  typed = phrasesOf(field.value, bounds);
  const problem = problemOf(typed);
  element("problem").textContent = problem;
  field.setAttribute("aria-invalid", String(problem !== ""));
}

/**
 * The first thing of a list that is not listened for, in a sentence.
 * @param {typeof typed} list
 */
function problemOf({ tooLong, malformed, count, writtenOut }) {
  if (tooLong) {
    const { line, length } = tooLong;
    return text("commands.tooLong", { line: number(line), length: number(length), most: number(bounds.characters) });
  }
  if (malformed) return text("commands.malformed", { line: number(malformed.line) });
  if (count > bounds.phrases) return text("commands.tooMany", { count: number(count), most: number(bounds.phrases) });
  if (writtenOut <= MOST_WRITTEN_OUT) return "";
  return text("commands.tooManyWritten", { most: number(MOST_WRITTEN_OUT) });
}

function showBounds() {
  const { phrases, characters } = bounds;
  element("rule").hidden = phrases === Infinity;
  element("rule").textContent = text("commands.rule", { phrases: number(phrases), letters: number(characters) });
}

function takeTyped() {
  clearTimeout(typing);
  typing = undefined;
  read();
  changeMode();
}

element("modes").addEventListener("change", changeMode);
field.addEventListener("input", () => {
  written = field.value;
  savePhrases(written);
  isShared = false;
  // The address would bring back what was changed.
  if (sharedList()) history.replaceState(null, "", location.pathname + location.search);
  showChoices();
  clearTimeout(typing);
  typing = setTimeout(takeTyped, TYPING_MS);
});
element("choices").addEventListener("input", () => {
  choices = { threshold: Number(threshold.value) / 100, isOpen: !only.checked };
  if (!isShared) saveChoices(choices);
  showChoices();
  changeMode();
});
element("share").addEventListener("click", copyAddress);
element("examples").addEventListener("click", () => field.select());
addEventListener("hashchange", takeShared);
takeShared();
speakLanguage(() => {
  writeList();
  past.write();
  showResult();
});
void serverConfiguration().then((configuration) => {
  if (!configuration) return;
  const { maxItems, items } = configuration.keys.phrases;
  bounds = { phrases: maxItems, characters: items.maxLength };
  showBounds();
  read();
  changeMode();
});
