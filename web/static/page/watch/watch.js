// The audience's page of a caption channel.

import { ChannelReader } from "../../client/channel.js";
import { spokenLine } from "../elements.js";

/** @typedef {import("../../client/channel.js").Line} Line */

const TEXTS = {
  en: {
    waiting: "Nobody is speaking yet.",
    paused: "The captions pause.",
    share: "Code of this page",
    lost: "The connection is lost; trying again.",
    ended: "These captions have ended.",
    follow: "Back to the newest line",
    larger: "Larger text",
    smaller: "Smaller text",
    theme: "Light or dark",
    other: "فارسی",
  },
  fa: {
    waiting: "هنوز کسی سخن نمی‌گوید.",
    paused: "زیرنویس در مکث است.",
    share: "رمزینهٔ این صفحه",
    lost: "اتصال قطع شده است؛ دوباره تلاش می‌شود.",
    ended: "این زیرنویس پایان یافته است.",
    follow: "برو به تازه‌ترین سطر",
    larger: "نوشتهٔ بزرگ‌تر",
    smaller: "نوشتهٔ کوچک‌تر",
    theme: "روشن یا تیره",
    other: "English",
  },
};
const SIZES_REM = [1, 1.25, 1.75, 2.25, 3, 4, 5.5];
// The lines so far have come by then.
const QUIET_MS = 1000;
// A reader this close to the end follows.
const NEAR_END_PX = 80;

const parameters = new URLSearchParams(location.search);
const name = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
const jwt = parameters.get("jwt") ?? "";
const reader = new ChannelReader({
  url: `../v1/channels/${encodeURIComponent(name)}/events`,
  token: jwt,
  handlers: { onChannel: showChannel, onLine: showLine, onChange: showOpen, onLost: () => showState("lost"), onEnd: () => showState("ended") },
});
const { lines } = reader;
/** @type {Map<number, HTMLElement>} */
const shown = new Map();
/** @type {"en" | "fa"} */
let language = (stored("language") ?? navigator.language).startsWith("fa") ? "fa" : "en";
let size = Number(stored("size") ?? 2);
/** @type {"waiting" | "paused" | "lost" | "ended" | ""} */
let state = "";
let isFollowing = true;
let spokenLanguage = "";
let isDrawing = false;

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`there is no element ${id}`);
  return found;
}

/** @param {string} key */
function stored(key) {
  try {
    return localStorage.getItem(`watch.${key}`);
  } catch {
    return null; // some browsers forbid it
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
function store(key, value) {
  try {
    localStorage.setItem(`watch.${key}`, value);
  } catch {
    // The choice holds until the page is closed.
  }
}

function showTexts() {
  const texts = TEXTS[language];
  document.documentElement.lang = language;
  document.documentElement.dir = language === "fa" ? "rtl" : "ltr";
  for (const id of /** @type {const} */ (["larger", "smaller", "theme", "share"])) {
    element(id).setAttribute("aria-label", texts[id]);
  }
  element("code").setAttribute("alt", texts.share);
  element("follow").textContent = texts.follow;
  element("language").textContent = texts.other;
  showState(state);
}

/** @param {typeof state} next */
function showState(next) {
  state = next;
  element("state").textContent = next === "" ? "" : TEXTS[language][next];
  element("state").dataset["isLost"] = String(next === "lost");
}

function showSize() {
  size = Math.min(Math.max(Math.trunc(size) || 0, 0), SIZES_REM.length - 1);
  document.documentElement.style.setProperty("--size", `${SIZES_REM[size]}rem`);
  store("size", String(size));
  scrollToEnd();
}

/** @param {number} steps */
function resize(steps) {
  size += steps;
  showSize();
}

/** @param {Line} line */
function paragraph(line) {
  const paragraph = spokenLine(line);
  if (spokenLanguage !== "") paragraph.lang = spokenLanguage;
  return paragraph;
}

/** @param {Line} line */
function showLine(line) {
  if (state !== "paused") showState("");
  shown.get(line.line)?.remove();
  shown.delete(line.line);
  if (lines.settled.has(line.line)) {
    const next = lines.following(line);
    const added = paragraph(line);
    element("lines").insertBefore(added, next === null ? null : (shown.get(next.line) ?? null));
    shown.set(line.line, added);
  }
}

function showOpen() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(drawOpen);
}

function drawOpen() {
  isDrawing = false;
  const open = [...lines.open.values()].sort((one, other) => one.startMs - other.startMs);
  element("open").replaceChildren(...open.map(paragraph));
  if (isFollowing) scrollToEnd();
}

function scrollToEnd() {
  scrollTo({ top: document.documentElement.scrollHeight });
}

function onScroll() {
  const root = document.documentElement;
  isFollowing = root.scrollTop + root.clientHeight >= root.scrollHeight - NEAR_END_PX;
  element("follow").hidden = isFollowing;
}

/** @param {{ title: string, languages: string[], live: boolean, paused?: boolean }} channel */
function showChannel(channel) {
  // What was said before is there to read; a screen reader reads out what comes.
  setTimeout(() => element("lines").setAttribute("aria-live", "polite"), QUIET_MS);
  spokenLanguage = channel.languages[0] ?? "";
  document.title = element("title").textContent = channel.title;
  showState(channel.paused ? "paused" : channel.live || lines.settled.size > 0 ? "" : "waiting");
}

/** Show the code of this address, or hide it. */
function toggleCode() {
  const code = element("code");
  const isShown = code.toggleAttribute("hidden") === false;
  element("share").setAttribute("aria-expanded", String(isShown));
  if (isShown && !code.hasAttribute("src")) {
    code.setAttribute("src", `${encodeURIComponent(name)}/qr.svg${jwt === "" ? "" : `?${new URLSearchParams({ jwt })}`}`);
  }
}

element("larger").addEventListener("click", () => resize(1));
element("smaller").addEventListener("click", () => resize(-1));
element("theme").addEventListener("click", () => {
  const theme = document.body.dataset["theme"] === "dark" ? "light" : "dark";
  document.body.dataset["theme"] = theme;
  store("theme", theme);
});
element("language").addEventListener("click", () => {
  language = language === "en" ? "fa" : "en";
  store("language", language);
  showTexts();
});
element("follow").addEventListener("click", scrollToEnd);
addEventListener("scroll", onScroll);
document.body.dataset["theme"] = stored("theme") === "light" ? "light" : "dark";
element("share").addEventListener("click", toggleCode);
showTexts();
showSize();
