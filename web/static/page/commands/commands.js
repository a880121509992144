// The commands view: its fields, and what an utterance does.

import "../commands-texts.js";
import { serverConfiguration } from "../configuration.js";
import { element } from "../elements.js";
import { History, part, verdictOf } from "./history.js";
import { number, speakLanguage, text } from "../language.js";
import { Latency } from "../latency.js";
import { Listener } from "../listener.js";
import { normalized } from "../../client/matching.js";
import { MODES, isForeign } from "./modes.js";
import { loadPhrases, phrasesOf, savePhrases } from "./phrases.js";
import { choiceOf, loadSettings } from "../settings.js";
import { Tiles } from "./tiles.js";

/**
 * @typedef {import("./modes.js").Utterance} Utterance
 * @typedef {import("./modes.js").Found} Found
 */

const TYPING_MS = 600;

const field = /** @type {HTMLTextAreaElement} */ (element("phrases"));
const tiles = new Tiles(element("tiles"));
const past = new History(element("history"));
/** Null before the user's first edit: then examples are shown. */
let written = loadPhrases();
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
    return { asrModel: "command_and_search", ...(languageCode && { languageCode }), ...mode().config(typed.phrases) };
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

/** @param {import("../../client/live.js").LiveEvent} event */
function take(event) {
  const { settledMs } = latency.addEvent(event, performance.now());
  if (event.kind !== "utterance") return;
  const found = mode().find(event, typed.phrases);
  if (!event.isFinal) show(event.transcript, found);
  // An utterance may turn out to have no words.
  else if (event.transcript === "") show("");
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
 * @param {Found | undefined} found
 * @param {number} [waitedMs]
 */
function finish(utterance, found, waitedMs) {
  show("");
  const { none, isClosed } = mode();
  // A closed vocabulary recognizes other speech as one of its own words, which was not spoken.
  const transcript = isClosed && isForeign(utterance) ? "" : utterance.transcript;
  if (found) {
    if (mode() === MODES.numbers) tiles.show([found.label]);
    tiles.light(found.tile, found.score);
  }
  past.add({ transcript, label: found?.label, score: found?.score ?? 0, none, waitedMs });
  showResult();
}

function showResult() {
  const entry = past.last;
  element("hint").hidden = entry !== undefined;
  element("past").hidden = entry === undefined;
  if (!entry) return;
  const { transcript, label = transcript } = entry;
  element("result").classList.toggle("matched", entry.label !== undefined);
  element("result").replaceChildren(part("verdict", verdictOf(entry)));
  if (label !== "") element("result").prepend(part("phrase", label), " ");
  if (normalized(transcript) !== normalized(label)) element("result").append(" ", part("transcript", transcript));
}

function changeMode() {
  element("editor").hidden = mode() !== MODES.phrases;
  element("tiles").dataset.mode = modeName();
  tiles.show(mode().labels(typed.phrases));
  listener.configure(mode().config(typed.phrases));
}

function read() {
  typed = phrasesOf(field.value, bounds);
  const { tooLong, count } = typed;
  const most = number(bounds.characters);
  const problem = tooLong
    ? text("commands.tooLong", { line: number(tooLong.line), length: number(tooLong.length), most })
    : count > bounds.phrases
      ? text("commands.tooMany", { count: number(count), most: number(bounds.phrases) })
      : "";
  element("problem").textContent = problem;
  field.setAttribute("aria-invalid", String(problem !== ""));
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
  clearTimeout(typing);
  typing = setTimeout(takeTyped, TYPING_MS);
});
speakLanguage(() => {
  field.value = written ?? text("commands.examples");
  showBounds();
  read();
  changeMode();
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
