// Drafts in the browser's database: the text of each tab, so that a reload or a crash loses none.

/**
 * @typedef {import("../../client/transcript.js").Kept} Kept
 * @typedef {{ id: string, savedAt: number, state: Kept }} Draft
 */

const DATABASE = "niyosha";
const STORE = "drafts";
const TAB = "niyosha.draft";
const MOST_DRAFTS = 8;

/** The draft of this tab. Without a database or a lock of the browser, everything is forgotten with the page. */
export class TabDraft {
  #id = unique();

  /**
   * Take the draft of this tab, or of a tab that is gone.
   * @returns {Promise<Kept | undefined>}
   */
  async take() {
    try {
      /** @type {Draft[]} */
      const drafts = await inStore("readonly", (store) => store.getAll());
      drafts.sort((one, other) => other.savedAt - one.savedAt);
      const own = sessionStorage.getItem(TAB);
      drafts.sort((one, other) => Number(other.id === own) - Number(one.id === own));
      for (const { id, state } of drafts) {
        if (!(await held(id))) continue;
        this.#hold(id);
        const old = drafts.filter((draft) => draft.id !== id).slice(MOST_DRAFTS);
        for (const { id } of old) await inStore("readwrite", (store) => store.delete(id));
        return state;
      }
    } catch {
      // No database, or one of a later version: begin without a draft.
    }
    await held(this.#id);
    this.#hold(this.#id);
  }

  /** @param {Kept} state */
  async save(state) {
    const draft = { id: this.#id, savedAt: Date.now(), state };
    if (state.parts.length > 0) await inStore("readwrite", (store) => store.put(draft));
    else await inStore("readwrite", (store) => store.delete(this.#id));
  }

  /** @param {string} id */
  #hold(id) {
    this.#id = id;
    try {
      sessionStorage.setItem(TAB, id);
    } catch {
      // The newest draft will be taken.
    }
  }
}

/**
 * Take the lock of a draft for as long as the page lives; a duplicated tab does not get it.
 * @param {string} id
 * @returns {Promise<boolean>}
 */
function held(id) {
  // Only secure pages have locks.
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(`niyosha.draft.${id}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => {});
      })
      .catch(reject);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function inStore(mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @returns {Promise<IDBDatabase>} */
function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function unique() {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");
}
