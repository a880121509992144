// Requests of the operator's page: one channel, with the token of who operates it.

/**
 * @typedef {{ name: string, title: string, glossary: string[], paused: boolean, endedAt: string | null, public: boolean }} Channel
 * @typedef {{ transcriptionId: string, speaker: string, lagMs: number, levelDb: number }} Publisher
 * @typedef {{ publishers: Publisher[], readers: number, clockMs: number }} State
 * @typedef {{ line: number, startMs: number, text: string, speaker: string, hidden: boolean, settled: boolean, recognized: string | null }} Line
 */

const KEY = "niyosha.operator";
const ANSWER_MS = 10_000;

/** An answer that is none: `status` is 0 without one. */
export class RequestError extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`status ${status}`);
    this.status = status;
  }
}

/** A channel at the server. The token is kept until the tab is closed. */
export class Console {
  #url;

  /** @param {string} name of the channel */
  constructor(name) {
    this.#url = new URL(`../v1/channels/${encodeURIComponent(name)}`, document.baseURI);
  }

  /** @param {string} token */
  useToken(token) {
    sessionStorage.setItem(KEY, token);
  }

  /** @returns {Promise<Channel>} */
  channel() {
    return this.#ask("");
  }

  /** @param {Partial<{ glossary: string[], paused: boolean, ended: boolean }>} changes @returns {Promise<Channel>} */
  change(changes) {
    return this.#ask("", changes);
  }

  /** @returns {Promise<State>} */
  state() {
    return this.#ask("/state");
  }

  /** @param {number | undefined} after @returns {Promise<{ lines: Line[], next: number }>} */
  lines(after) {
    return this.#ask(after === undefined ? "/lines" : `/lines?after=${after}`);
  }

  /** @param {number} line @param {{ text?: string, hidden?: boolean }} changes */
  correct(line, changes) {
    return this.#ask(`/lines/${line}`, changes);
  }

  /**
   * @param {string} path
   * @param {object} [changes]
   * @returns {Promise<any>}
   */
  async #ask(path, changes) {
    const token = sessionStorage.getItem(KEY);
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json" };
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    const body = changes && JSON.stringify(changes);
    const signal = AbortSignal.timeout(ANSWER_MS);
    const request = { method: body ? "PATCH" : "GET", headers, body, signal };
    const response = await fetch(`${this.#url}${path}`, request).catch(() => undefined);
    if (!response?.ok) throw new RequestError(response?.status ?? 0);
    return response.json();
  }
}
