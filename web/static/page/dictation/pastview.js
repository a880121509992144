// The dialog of past transcriptions: search, open, download, delete.

import { ask } from "../dialog.js";
import { element, orient } from "../elements.js";
import { moment, number, text, translated } from "../language.js";
import { sentence } from "../sentences.js";
import { ensureToken, keptToken } from "../token.js";
import { deleteFile, listFiles, writtenFile } from "./files.js";
import { Past } from "./past.js";
import { saveWritten } from "./saving.js";

/** @typedef {import("./past.js").Row} Row */

const ANSWER_MS = 20_000;
const TYPING_MS = 250;
const EXCERPT_CHARACTERS = 160;

const request = () => ({ signal: AbortSignal.timeout(ANSWER_MS), getToken: keptToken });

/** Shows what the server keeps of this user. */
export class PastView {
  #dialog = /** @type {HTMLDialogElement} */ (element("past"));
  #search = /** @type {HTMLInputElement} */ (element("pastSearch"));
  #more = /** @type {HTMLButtonElement} */ (element("pastMore"));
  #onOpen;
  #isFetching = false;
  #past = new Past({
    list: (next) => listFiles(next, request()),
    text: async (id) => (await writtenFile(id, "txt", request())).text(),
    remove: (id) => deleteFile(id, request()),
  });

  /** @param {(transcriptionId: string, name: string) => void} onOpen put its text on the page */
  constructor(onOpen) {
    this.#onOpen = onOpen;
    element("pastClose").addEventListener("click", () => this.#dialog.close());
    this.#more.addEventListener("click", () => void this.#fetch());
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let typing;
    this.#search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => {
        this.#past.search(this.#search.value);
        this.#show();
        void this.#fetchSearched();
      }, TYPING_MS);
    });
  }

  /** Show the dialog. Call it inside a click. */
  async open() {
    let failure = "";
    try {
      if (!(await ensureToken())) return;
    } catch (error) {
      failure = sentence(error);
    }
    this.#past.restart();
    this.#dialog.showModal();
    this.#say(failure);
    if (!failure) await this.#fetch();
  }

  async #fetchSearched() {
    while (this.#dialog.open && this.#past.isIncomplete && (await this.#fetch()));
  }

  /** @returns {Promise<boolean>} whether there is more to see */
  async #fetch() {
    if (this.#isFetching) return false;
    this.#isFetching = true;
    this.#say(text("past.fetching"));
    try {
      await this.#past.more();
      this.#say("");
    } catch (error) {
      this.#say(sentence(error));
      return false;
    } finally {
      this.#isFetching = false;
      this.#show();
    }
    return true;
  }

  /** @param {string} words */
  #say(words) {
    element("pastState").textContent = words;
  }

  #show() {
    const { rows, hasMore } = this.#past;
    element("pastRows").replaceChildren(...rows.map((row) => this.#row(row)));
    this.#more.hidden = !hasMore;
    if (rows.length > 0 || this.#isFetching || element("pastState").textContent) return;
    this.#say(text(this.#search.value ? "past.noMatch" : "past.none"));
  }

  /** @param {Row} row */
  #row(row) {
    const name = `${moment(row.createdAt)} · ${translated(`past.${row.kind}`, row.kind)}`;
    const item = document.createElement("li");
    const facts = `${name} · ${text("seconds", { seconds: number(row.duration, 1) })}`;
    const heading = Object.assign(document.createElement("h3"), { textContent: facts });
    const words = row.error ? text("past.failed") : (row.text ?? "").replaceAll("\n", " ").trim();
    const isLong = words.length > EXCERPT_CHARACTERS;
    const excerpt = Object.assign(document.createElement("p"), {
      textContent: isLong ? `${words.slice(0, EXCERPT_CHARACTERS)}…` : words || text("past.empty"),
    });
    orient(excerpt, excerpt.textContent);
    const actions = Object.assign(document.createElement("div"), { className: "actions" });
    if (!row.error) {
      actions.append(action("past.show", facts, () => {
        this.#dialog.close();
        this.#onOpen(row.transcriptionId, name);
      }));
      for (const format of /** @type {const} */ (["txt", "srt", "vtt", "json"])) {
        const button = action("download", `${format} ${facts}`, async () => {
          this.#say(await saveWritten(row.transcriptionId, `niyosha-${row.createdAt.slice(0, 16).replaceAll(":", "")}`, format));
        });
        button.textContent = format.toUpperCase();
        actions.append(button);
      }
    }
    actions.append(action("past.delete", facts, () => this.#remove(row, facts)));
    item.append(heading, excerpt, actions);
    return item;
  }

  /**
   * @param {Row} row
   * @param {string} facts
   */
  async #remove(row, facts) {
    const title = text("past.ask");
    const sure = await ask({ title, sentences: [facts, text("past.askWhat")], answers: [{ answer: "delete", label: "past.delete" }] });
    if (sure === "") return;
    try {
      await this.#past.remove(row);
      this.#show();
      this.#search.focus();
    } catch (error) {
      this.#say(sentence(error));
    }
  }
}

/**
 * @param {import("../language.js").TextKey} key
 * @param {string} facts what it acts on, for screen readers
 * @param {() => void} act
 */
function action(key, facts, act) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: text(key) });
  button.setAttribute("aria-label", `${text(key)}: ${facts}`);
  button.addEventListener("click", act);
  return button;
}
