// When a draft is saved: soon after a change, but saving never becomes most of the work of the page.

const SOON_MS = 500;
const PAUSES_PER_SAVE = 20;

/** Saves the newest state after changes, one save at a time. */
export class Autosave {
  #save;
  #now;
  #isChanged = false;
  #isSaving = false;
  #pauseMs = SOON_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => Promise<void>} save the newest state; rejects if the browser has no room
   * @param {() => number} [now] in milliseconds
   */
  constructor(save, now = () => performance.now()) {
    this.#save = save;
    this.#now = now;
  }

  /** Whether the last change is not saved. */
  get isPending() {
    return this.#isChanged || this.#isSaving;
  }

  /** The state has changed. */
  changed() {
    this.#isChanged = true;
    if (!this.#isSaving) this.#timer ??= setTimeout(() => void this.flush(), this.#pauseMs);
  }

  /** Save what has changed at once. */
  async flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isSaving || !this.#isChanged) return;
    this.#isSaving = true;
    this.#isChanged = false;
    const begunAt = this.#now();
    let isFailed = false;
    await this.#save().catch(() => (isFailed = true));
    this.#pauseMs = Math.max(SOON_MS, PAUSES_PER_SAVE * (this.#now() - begunAt));
    this.#isSaving = false;
    // What could not be saved is tried again with the next change.
    if (this.#isChanged) this.changed();
    else this.#isChanged = isFailed;
  }
}
