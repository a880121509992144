// The server's past transcriptions: a list that grows page by page, with texts that are fetched to be searched.

import { normalized } from "../../client/matching.js";

/**
 * @typedef {object} Row
 * @property {string} transcriptionId
 * @property {string} createdAt ISO 8601
 * @property {number} duration seconds
 * @property {string} kind
 * @property {string} status
 * @property {string | null} error
 * @property {string} [text] undefined until it was fetched
 *
 * @typedef {object} Server
 * @property {(next: string | undefined) => Promise<{ transcriptions: Row[], next: string | null }>} list a part of the
 *   list, newest first; `next` is the address that the last one gave
 * @property {(transcriptionId: string) => Promise<string>} text
 * @property {(transcriptionId: string) => Promise<void>} remove
 */

/** Rows that are looked through by a search, so that an old server is not asked for thousands of texts. */
export const MOST_SEARCHED = 500;

/** Past transcriptions, as far as they are known. */
export class Past {
  #server;
  /** @type {Row[]} */
  #rows = [];
  /** Undefined before the first part. @type {string | null | undefined} */
  #next;
  #query = "";

  /** @param {Server} server */
  constructor(server) {
    this.#server = server;
  }

  /** Whether the server has more. */
  get hasMore() {
    return this.#next !== null;
  }

  /** Whether texts are still to be fetched for the search. */
  get isIncomplete() {
    return this.#query !== "" && this.#rows.length < MOST_SEARCHED && (this.hasMore || this.#untold.length > 0);
  }

  /** The rows whose text contains all words of the search, newest first. */
  get rows() {
    const words = this.#query.split(" ");
    return this.#rows.filter(({ text = "" }) => this.#query === "" || words.every((word) => normalized(text).includes(word)));
  }

  get #untold() {
    return this.#rows.filter(({ text, error }) => text === undefined && !error);
  }

  /** Forget the rows; the server may have others by now. */
  restart() {
    this.#rows = [];
    this.#next = undefined;
  }

  /** @param {string} query */
  search(query) {
    this.#query = normalized(query);
  }

  /** Fetch more rows and their texts. Rejects with a LiveError. */
  async more() {
    if (this.hasMore) {
      const { transcriptions, next } = await this.#server.list(this.#next ?? undefined);
      const known = new Set(this.#rows.map(({ transcriptionId }) => transcriptionId));
      this.#rows = [...this.#rows, ...transcriptions.filter(({ transcriptionId }) => !known.has(transcriptionId))];
      this.#next = next;
    }
    for (const row of this.#untold) row.text = await this.#server.text(row.transcriptionId);
  }

  /**
   * Delete a transcription. Rejects with a LiveError.
   * @param {Row} row
   */
  async remove(row) {
    await this.#server.remove(row.transcriptionId);
    this.#rows = this.#rows.filter((one) => one !== row);
  }
}
