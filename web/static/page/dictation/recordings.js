// The recordings of the dictation view: read by the server one after the other, and cancelled.

import { percent, text } from "../language.js";
import { fileSentence, sentence } from "../sentences.js";
import { fileConfigOf } from "../settings.js";
import { ensureToken, keptToken } from "../token.js";
import { Recording } from "../../client/recording.js";
import { FileList } from "./filelist.js";
import { FileQueue } from "./filequeue.js";
import { deleteFile, followFile, isPlayable, recognizeFile } from "./files.js";

/**
 * @typedef {object} Item
 * @property {File | undefined} file without one, the server has the recording already
 * @property {Recording} recording
 * @property {boolean} isUnwanted the server may delete it, once it has it
 * @typedef {object} RecordingsOptions
 * @property {() => import("../settings.js").Settings} settings
 * @property {() => Promise<void>} onTake called before files are taken
 * @property {(recording: Recording) => void} onAdd it is to be read
 * @property {() => void} onEdit the lines of a recording changed
 * @property {(sentence: string) => void} notify
 */

/** Reads the files that the user chooses or drops, one after the other. */
export class Recordings {
  #options;
  /** @type {FileQueue<Item>} */
  #queue;
  /** @type {FileList} */
  #list;

  /** @param {RecordingsOptions} options */
  constructor(options) {
    this.#options = options;
    this.#queue = new FileQueue((job) => this.#read(job), () => this.show());
    this.#list = new FileList((job) => this.#cancel(/** @type {import("./filequeue.js").Job<Item>} */ (job)));
  }

  /** Whether files are still to be read. */
  get isReading() {
    return this.#queue.jobs.length > 0;
  }

  /** Write the list of the files, in the language of the page. */
  show() {
    this.#list.show(this.#queue.jobs);
  }

  /** Read no more; the server goes on with what it has. */
  cancelAll() {
    this.#queue.cancelAll();
  }

  /**
   * Ask what becomes of the files, if the microphone is started while they are read.
   * @returns {Promise<boolean>} whether to start
   */
  async mayListen() {
    const [job] = this.#queue.jobs;
    if (!job) return true;
    const { ask } = await import("../dialog.js");
    const answer = await ask({
      title: text("file.ask"),
      sentences: [text("file.askWhat", { name: job.name, share: percent(job.share ?? 0) })],
      answers: [{ answer: "both", label: "file.both" }, { answer: "stop", label: "file.stop" }],
    });
    if (answer === "stop") for (const job of [...this.#queue.jobs]) this.#cancel(job);
    return answer !== "";
  }

  /**
   * Read what the server has and the page does not.
   * @param {Recording} recording
   */
  resume(recording) {
    this.#queue.add(recording.name, { file: undefined, recording, isUnwanted: false });
  }

  /**
   * Read files after those before; asks for a key if the server requires one.
   * @param {Iterable<File>} files
   */
  async take(files) {
    const { onTake, onAdd, notify } = this.#options;
    await onTake();
    notify("");
    try {
      if (!(await ensureToken())) return;
    } catch (error) {
      return notify(sentence(error));
    }
    for (const file of files) {
      const recording = new Recording(file.name);
      onAdd(recording);
      this.#queue.add(file.name, { file, recording, isUnwanted: false });
    }
  }

  /** @param {import("./filequeue.js").Job<Item>} job */
  #cancel(job) {
    this.#queue.cancel(job);
    // What is only shown again stays at the server.
    job.item.isUnwanted = job.item.file !== undefined;
    this.#deleteUnwanted(job.item);
  }

  /**
   * Delete a cancelled recording at the server. What was read stays on the page; the server has no use for the rest.
   * @param {Item} item
   */
  #deleteUnwanted({ recording, isUnwanted }) {
    const { transcriptionId } = recording;
    if (!transcriptionId || !isUnwanted) return;
    recording.transcriptionId = "";
    void deleteFile(transcriptionId, { signal: AbortSignal.timeout(10_000), getToken: keptToken }).catch(() => {});
  }

  /** @param {import("./filequeue.js").Job<Item>} job */
  async #read(job) {
    const { signal } = job;
    const { file, recording } = job.item;
    const { settings, onEdit, notify } = this.#options;
    try {
      const options = {
        config: fileConfigOf(settings()),
        signal,
        getToken: keptToken,
        onAccepted: (/** @type {string} */ transcriptionId) => {
          recording.transcriptionId = transcriptionId;
          this.#deleteUnwanted(job.item);
        },
        onProgress: (/** @type {number} */ share) => this.#queue.progress(job, share),
        onResults: (/** @type {import("./files.js").FileResult[]} */ results, /** @type {boolean} */ isWhole) => {
          const edits = recording.merge(results, isWhole);
          if (edits.length > 0 || isWhole) onEdit();
        },
      };
      await (file ? recognizeFile(file, options) : followFile(recording.transcriptionId, options));
      // The server takes an unknown format for bare samples, in which there are no words.
      if (recording.lines.length > 0 || signal.aborted) return;
      notify(text(file && !(await isPlayable(file)) ? "file.unknown" : "file.empty"));
    } catch (error) {
      if (!signal.aborted) notify(fileSentence(error));
    }
  }
}
