// The operator's page of a caption channel: who publishes, its lines, its glossary, pause and end.

import "../operator-texts.js";
import { element } from "../elements.js";
import { number, speakLanguage, text } from "../language.js";
import { Console, RequestError } from "./console.js";
import { LineList } from "./linelist.js";

/** @typedef {import("./console.js").Channel} Channel */
/** @typedef {import("./console.js").State} State */

const POLL_MS = 1000;
const SURELY_MS = 4000;
const FLOOR_DB = -60;
// Talk is never this late; what is, waits somewhere.
const LATE_MS = 2000;

const parameters = new URLSearchParams(location.search);
const name = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
const server = new Console(name);
const lines = new LineList(element("lines"), (line, changes) => act(() => server.correct(line, changes)));
/** @type {Channel | undefined} */
let channel;
/** @type {State} */
let state = { publishers: [], readers: 0, clockMs: 0 };
/** @type {import("../language.js").TextKey | ""} */
let notice = "";
/** @type {number | undefined} */
let after;
let isSure = false;
let isPolling = false;

const token = parameters.get("jwt");
if (token !== null) {
  server.useToken(token);
  // The address may be shown to others, or kept by the browser.
  history.replaceState(null, "", location.pathname);
}

function show() {
  const isEnded = channel?.endedAt != null;
  document.title = element("title").textContent = channel?.title ?? text("operator.title");
  /** @type {HTMLAnchorElement} */ (element("audience")).href = `../watch/${encodeURIComponent(name)}`;
  element("pause").textContent = text(channel?.paused ? "operator.goOn" : "operator.pause");
  element("pause").hidden = isEnded;
  element("end").textContent = text(isEnded ? "operator.reopen" : isSure ? "operator.endSurely" : "operator.end");
  const standing = isEnded ? "operator.ended" : channel?.paused ? "operator.paused" : "";
  const shown = notice || standing;
  const sentence = shown && text(shown);
  // A status that is written anew is read out again.
  if (element("notice").textContent !== sentence) element("notice").textContent = sentence;
  showState();
  lines.write();
}

function showState() {
  element("readers").textContent = text("operator.readers", { count: number(state.readers) });
  const rows = state.publishers.map(({ speaker, lagMs, levelDb }, index) => {
    const row = document.createElement("li");
    const label = document.createElement("b");
    label.textContent = speaker || text("operator.speaker", { number: number(index + 1) });
    const meter = document.createElement("meter");
    Object.assign(meter, { min: FLOOR_DB, max: 0, value: Math.max(FLOOR_DB, levelDb) });
    meter.setAttribute("aria-label", text("operator.level"));
    const lag = document.createElement("span");
    lag.textContent = text("operator.lag", { seconds: number(lagMs / 1000, 1) });
    lag.dataset.isLate = String(lagMs > LATE_MS);
    row.append(label, meter, lag);
    return row;
  });
  const nobody = Object.assign(document.createElement("li"), { textContent: text("operator.nobody") });
  element("publishers").replaceChildren(...(rows.length > 0 ? rows : [nobody]));
}

/** @param {Channel} found */
function take(found) {
  const isFirst = channel === undefined;
  channel = found;
  if (isFirst) /** @type {HTMLTextAreaElement} */ (element("glossary")).value = found.glossary.join("\n");
}

/**
 * Do something at the server, and show what came of it.
 * @param {() => Promise<unknown>} work
 * @param {import("../language.js").TextKey | ""} [done]
 */
async function act(work, done = "") {
  try {
    await work();
    notice = done;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    refuse(error.status);
  }
  show();
  await refresh();
}

/** @param {number} status */
function refuse(status) {
  const isLoggedOut = status === 401 || status === 403;
  element("login").hidden = !isLoggedOut;
  notice = isLoggedOut ? "" : status === 404 && channel === undefined ? "operator.missing" : status === 0 ? "operator.lost" : notice;
}

/** Ask for what is new. */
async function refresh() {
  if (isPolling) return;
  isPolling = true;
  try {
    // Without a token the first one alone is refused.
    take(await server.channel());
    const [now, changed] = await Promise.all([server.state(), server.lines(after)]);
    state = now;
    after = changed.next;
    lines.take(changed.lines);
    element("login").hidden = true;
    element("console").hidden = false;
    if (notice === "operator.lost" || notice === "operator.missing") notice = "";
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    refuse(error.status);
  } finally {
    isPolling = false;
  }
  show();
}

async function poll() {
  // Without a token, asking again would only be refused again.
  if (element("login").hidden) await refresh();
  setTimeout(poll, POLL_MS);
}

element("login").addEventListener("submit", (event) => {
  event.preventDefault();
  server.useToken(/** @type {HTMLInputElement} */ (element("token")).value.trim());
  void refresh();
});
element("words").addEventListener("submit", (event) => {
  event.preventDefault();
  const { value } = /** @type {HTMLTextAreaElement} */ (element("glossary"));
  const glossary = value.split("\n").map((phrase) => phrase.trim()).filter(Boolean);
  void act(async () => take(await server.change({ glossary })), "operator.saved");
});
element("pause").addEventListener("click", () => {
  void act(async () => take(await server.change({ paused: !channel?.paused })));
});
element("end").addEventListener("click", () => {
  const isEnded = channel?.endedAt != null;
  if (!isEnded && !isSure) {
    isSure = true;
    setTimeout(() => {
      isSure = false;
      show();
    }, SURELY_MS);
    show();
    return;
  }
  isSure = false;
  void act(async () => take(await server.change({ ended: !isEnded })));
});
const code = new URL(`../watch/${encodeURIComponent(name)}/qr.svg`, document.baseURI);
element("code").setAttribute("src", String(code));
speakLanguage(() => {
  element("code").setAttribute("alt", text("operator.code"));
  show();
});
void poll();
