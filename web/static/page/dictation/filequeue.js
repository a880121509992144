// Files that are read one after the other, each of which can be cancelled.

/**
 * @template Item
 * @typedef {object} Job
 * @property {string} name
 * @property {Item} item
 * @property {number | undefined} share of the file that is read, 0 to 1; undefined while it waits or is sent
 * @property {boolean} isCancelled
 * @property {AbortSignal} signal
 */

/** @template Item */
export class FileQueue {
  /** @type {(Job<Item> & { controller: AbortController })[]} */
  #jobs = [];
  #read;
  #onChange;
  /** Resolves when all files so far are read or cancelled. @type {Promise<void>} */
  idle = Promise.resolve();

  /**
   * @param {(job: Job<Item>) => Promise<void>} read must not reject
   * @param {() => void} onChange a file came, went on or ended
   */
  constructor(read, onChange) {
    this.#read = read;
    this.#onChange = onChange;
  }

  /** The files that are not read yet; the first is being read. @returns {readonly Job<Item>[]} */
  get jobs() {
    return this.#jobs;
  }

  /**
   * @param {string} name
   * @param {Item} item
   */
  add(name, item) {
    const controller = new AbortController();
    const job = { name, item, share: undefined, isCancelled: false, signal: controller.signal, controller };
    this.#jobs.push(job);
    this.idle = this.idle.then(() => this.#run(job));
    this.#onChange();
  }

  /**
   * @param {Job<Item>} job
   * @param {number} share 0 to 1
   */
  progress(job, share) {
    job.share = share;
    this.#onChange();
  }

  /** @param {Job<Item>} job */
  cancel(job) {
    const index = this.#jobs.findIndex((one) => one === job);
    if (index < 0) return;
    const [{ controller }] = this.#jobs.splice(index, 1);
    job.isCancelled = true;
    controller.abort();
    this.#onChange();
  }

  cancelAll() {
    for (const job of [...this.#jobs]) this.cancel(job);
  }

  /** @param {Job<Item>} job */
  async #run(job) {
    if (job.isCancelled) return;
    await this.#read(job);
    this.#jobs = this.#jobs.filter((one) => one !== job);
    this.#onChange();
  }
}
