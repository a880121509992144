import { Lines } from "./lines.js";

/** @typedef {import("./lines.js").Line} Line */

const TEXTS = {
  en: {
    waiting: "Nobody is speaking yet.",
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
// A server that refuses, as one that starts does, is asked again so soon; EventSource itself gives up.
const REOPEN_MS = 5000;
// The lines so far have come by then.
const QUIET_MS = 1000;
// A reader this close to the end follows.
const NEAR_END_PX = 80;

const parameters = new URLSearchParams(location.search);
const name = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
const lines = new Lines();
/** @type {Map<number, HTMLElement>} */
const shown = new Map();
/** @type {"en" | "fa"} */
let language = (stored("language") ?? navigator.language).startsWith("fa") ? "fa" : "en";
let size = Number(stored("size") ?? 2);
/** @type {"waiting" | "lost" | "ended" | ""} */
let state = "";
let isFollowing = true;
let lastEventId = "";
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
  for (const id of ["larger", "smaller", "theme"]) {
    element(id).setAttribute("aria-label", texts[/** @type {"larger" | "smaller" | "theme"} */ (id)]);
  }
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
  const paragraph = document.createElement("p");
  paragraph.dir = "auto";
  if (spokenLanguage !== "") paragraph.lang = spokenLanguage;
  if (line.speaker !== "") {
    const speaker = document.createElement("b");
    speaker.textContent = `${line.speaker}: `;
    paragraph.append(speaker);
  }
  paragraph.append(line.text);
  return paragraph;
}

/** @param {Line} line */
function showLine(line) {
  shown.get(line.line)?.remove();
  shown.delete(line.line);
  if (lines.settled.has(line.line)) {
    const next = lines.following(line);
    const added = paragraph(line);
    element("lines").insertBefore(added, next === null ? null : (shown.get(next.line) ?? null));
    shown.set(line.line, added);
  }
  showOpen();
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

function open() {
  const query = new URLSearchParams();
  const jwt = parameters.get("jwt");
  if (jwt !== null) query.set("jwt", jwt);
  if (lastEventId !== "") query.set("lastEventId", lastEventId);
  const events = new EventSource(`../v1/channels/${encodeURIComponent(name)}/events?${query}`);
  let isNew = true;
  events.addEventListener("open", () => {
    isNew = true;
  });
  events.addEventListener("channel", (event) => {
    const channel = JSON.parse(event.data);
    if (isNew) lines.reconnect();
    // What was said before is there to read; a screen reader reads out what comes.
    setTimeout(() => element("lines").setAttribute("aria-live", "polite"), QUIET_MS);
    isNew = false;
    spokenLanguage = channel.languages[0] ?? "";
    document.title = element("title").textContent = channel.title;
    showState(channel.live || lines.settled.size > 0 ? "" : "waiting");
    showOpen();
  });
  for (const kind of ["partial", "final", "correction"]) {
    events.addEventListener(kind, (event) => {
      lastEventId = event.lastEventId;
      const line = JSON.parse(event.data);
      lines.take(kind, line);
      showState("");
      showLine(line);
    });
  }
  events.addEventListener("end", () => {
    events.close();
    showState("ended");
  });
  events.addEventListener("error", () => {
    showState("lost");
    if (events.readyState === EventSource.CLOSED) setTimeout(open, REOPEN_MS);
  });
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
showTexts();
showSize();
open();
