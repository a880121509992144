// A gateway for tests: the live protocol, text that depends on the samples alone, and faults on order.

import { createServer, STATUS_CODES } from "node:http";
import { WebSocketServer } from "ws";

const RATE = 16_000;
const QUARTER = 1 / 4; // seconds of one word, and of the silence that ends an utterance
const PREROLL = 1 / 10; // seconds before the onset that belong to an utterance
const LAG = 3 / 8; // seconds from an endpoint to its final: the next utterance may have begun by then
const PARTIAL = 1 / 16; // seconds from one partial to the next

/**
 * @typedef {{ value: number, start: number, end: number }} Run of equal samples
 * @typedef {{ id: number, start: number, zeros: number, runs: Run[], end: number, reason: string }} Utterance
 *
 * @typedef {object} Plan what one connection does wrong; without one nothing
 * @property {Refusal} [refuse] the handshake, and then each plain GET
 * @property {boolean} [hang] never answer the handshake
 * @property {boolean} [mute] never answer a plain GET
 * @property {number} [at] what is sent once so many samples have come ...
 * @property {(session: Session) => void} [then] ... comes after this; with 0 it is right behind `ready`
 * @property {number} [losing] all that is sent after this many samples is lost
 * @property {(session: Session) => void} [onClose] instead of the answer to `close`
 *
 * @typedef {{ status: number, type?: string, retryAfter?: number, body?: string }} Refusal
 */

/**
 * Sound of which each sample tells its place: `#` is a quarter second of samples with the value of its number, the
 * first being 1, and `.` one of silence. So "#.##" is recognized as w1, and then as w3 w4.
 * @param {string} pattern
 * @param {number} [rate]
 */
export function sound(pattern, rate = RATE) {
  const samples = new Int16Array(pattern.length * QUARTER * rate);
  for (let at = 0; at < samples.length; at++) {
    const quarter = Math.floor(at / (QUARTER * rate));
    if (pattern[quarter] === "#") samples[at] = quarter + 1;
  }
  return samples;
}

/**
 * The utterances of such sound, by number: words and when they begin and end.
 * @param {string} pattern
 */
export function spoken(pattern) {
  return [...pattern.matchAll(/#+/g)].map(({ index, 0: { length } }, before) => {
    const words = Array.from({ length }, (_, word) => {
      const quarter = index + word;
      return { word: `w${quarter + 1}`, startTime: quarter * QUARTER, endTime: (quarter + 1) * QUARTER };
    });
    return { number: before + 1, words };
  });
}

/** A server on loopback; the first connection gets the first plan, and so on. */
export class Gateway {
  #http = createServer((_, response) => this.#explain(response));
  #sockets = new WebSocketServer({ noServer: true });
  /** @type {Set<import("node:stream").Duplex>} */
  #open = new Set();
  #last = /** @type {Plan} */ ({});
  /** @type {Plan[]} */
  #plans;
  /** @type {Session[]} */
  sessions = [];
  /** Handshakes, accepted or not. */
  attempts = 0;
  /** Plain GETs. */
  questions = 0;
  /** Whether a connection may go on with the transcription of an earlier one. */
  isResumable = false;

  /** @param {Plan[]} plans */
  static async start(...plans) {
    const gateway = new Gateway(plans);
    await new Promise((resolve) => gateway.#http.listen(0, "127.0.0.1", () => resolve(undefined)));
    return gateway;
  }

  /**
   * Use `start` instead.
   * @param {Plan[]} plans
   */
  constructor(plans) {
    this.#plans = plans;
    this.#http.on("connection", (tcp) => {
      this.#open.add(tcp);
      tcp.on("close", () => this.#open.delete(tcp));
      tcp.on("error", () => {});
    });
    this.#http.on("upgrade", (request, tcp, head) => this.#welcome(request, tcp, head));
  }

  get address() {
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.#http.address());
    return `http://127.0.0.1:${port}/v1/speech/asrlive`;
  }

  /** The newest connection. */
  get session() {
    return this.sessions[this.sessions.length - 1];
  }

  async stop() {
    for (const tcp of this.#open) tcp.destroy();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:stream").Duplex} tcp
   * @param {Buffer} head
   */
  #welcome(request, tcp, head) {
    this.attempts++;
    const plan = (this.#last = this.#plans.shift() ?? {});
    if (plan.hang) return;
    if (plan.refuse) {
      const { status, headers, body } = answer(plan.refuse);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      tcp.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
      return;
    }
    const url = new URL(request.url ?? "", this.address);
    this.#sockets.handleUpgrade(request, tcp, head, (socket) => {
      const earlier = this.sessions.find(({ token }) => token === url.searchParams.get("resume"));
      this.sessions.push(new Session(this.sessions.length + 1, url, socket, tcp, plan, this.isResumable, earlier));
    });
  }

  /** @param {import("node:http").ServerResponse} response */
  #explain(response) {
    this.questions++;
    if (this.#last.mute) return;
    const { status, headers, body } = answer(this.#last.refuse ?? { status: 426, type: "upgrade_required" });
    response.writeHead(status, headers).end(body);
  }
}

/** @param {Refusal} refusal */
function answer({ status, type, retryAfter, body = JSON.stringify({ type, detail: `${type} it is` }) }) {
  /** @type {Record<string, string | number>} */
  const headers = { "Connection": "close", "Content-Length": body.length };
  if (retryAfter !== undefined) headers["Retry-After"] = retryAfter;
  return { status, headers, body };
}

/** One connection. Positions count its samples. */
export class Session {
  /** Text messages, each with how many samples came before it. @type {[number, string][]} */
  texts = [];
  received = 0;
  /** With which another connection goes on. @type {string | undefined} */
  token;
  /** Ends of the settled utterances. @type {number[]} */
  settled = [];
  #socket;
  #tcp;
  #plan;
  #rate;
  /** @type {string} */
  #id;
  #isOver = false;
  #sequence = 0;
  #utterances = 0;
  #partials = 0;
  /** Those without a final, in order; the last one may still be spoken. @type {Utterance[]} */
  #unsettled = [];
  #ended = 0;

  /**
   * @param {number} number
   * @param {URL} url
   * @param {import("ws").WebSocket} socket
   * @param {import("node:stream").Duplex} tcp
   * @param {Plan} plan
   * @param {boolean} isResumable
   * @param {Session} [earlier] with whose transcription it goes on
   */
  constructor(number, url, socket, tcp, plan, isResumable, earlier) {
    this.url = url;
    this.#id = `session-${number}`;
    if (isResumable) this.token = `token-${number}`;
    this.#socket = socket;
    this.#tcp = tcp;
    this.#plan = plan;
    this.#rate = Number(url.searchParams.get("sampleRateHertz") ?? RATE);
    if (earlier) {
      this.#id = earlier.#id;
      this.received = this.#ended = Math.round((Number(url.searchParams.get("settledMs")) * this.#rate) / 1000);
      this.settled = earlier.settled.filter((end) => end <= this.received);
      this.#utterances = this.settled.length;
    }
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.#take(samplesOf(/** @type {Buffer} */ (data)));
      else this.#obey(String(data));
    });
    socket.on("error", () => {});
    socket.on("close", () => (this.#isOver = true));
    this.send("ready", { config: {}, limits: {}, audio: this.#progress, resume: this.token });
    this.#follow();
  }

  /** Whether the connection is over, from this side or the other. */
  get isOver() {
    return this.#isOver;
  }

  // --- faults, and what else the server does by itself ---

  /** Break the connection. */
  drop() {
    this.#isOver = true;
    this.#tcp.destroy();
  }

  /** Take everything from now on and answer nothing, as where a network died. */
  silence() {
    this.#isOver = true;
    this.#tcp.cork();
  }

  /**
   * Read nothing for a while.
   * @param {boolean} isReading
   */
  read(isReading) {
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  /**
   * Settle everything and end, unasked.
   * @param {number} [code]
   * @param {string} [reason]
   */
  end(code = 1000, reason = "close") {
    if (this.#isOver) return;
    this.#settleAll(reason);
    const ms = this.#ms(this.received);
    this.send("done", { status: "done", receivedMs: ms, recognizedMs: ms, skippedMs: 0, lostMs: 0 });
    this.#isOver = true;
    this.#socket.close(code);
  }

  /**
   * Settle everything and end with an error.
   * @param {string} type
   * @param {number} [closeCode]
   */
  fail(type, closeCode = 1011) {
    if (this.#isOver) return;
    this.#settleAll("error");
    this.send("error", { error: type, status: "500", code: 500, detail: `${type} it is`, title: "", message: "" });
    this.#isOver = true;
    this.#socket.close(closeCode);
  }

  /** @param {string} code of a warning */
  warn(code, facts = {}) {
    this.send("warning", { code, detail: `${code} it is`, ...facts });
  }

  /** @param {string} text sent as it is */
  sendText(text) {
    this.#socket.send(text);
  }

  /**
   * @param {string} type
   * @param {object} facts
   */
  send(type, facts) {
    const message = { type, sequence: ++this.#sequence, transcriptionId: this.#id, ...facts };
    if (!this.#isOver && this.received <= (this.#plan.losing ?? Infinity)) this.sendText(JSON.stringify(message));
  }

  // --- the protocol ---

  /** @param {string} text */
  #obey(text) {
    this.texts.push([this.received, text]);
    if (this.#isOver) return;
    if (text === "close") {
      if (this.#plan.onClose) this.#plan.onClose(this);
      else this.end();
      return;
    }
    const message = JSON.parse(text);
    if (message.type === "finalize") this.#settleAll("finalize");
    else if (message.config) this.send("ready", { config: message.config, limits: {}, audio: this.#progress, resume: this.token });
  }

  /** @param {Int16Array} samples */
  #take(samples) {
    for (const sample of samples) {
      if (this.#isOver) return;
      this.#recognize(sample);
      this.#follow();
    }
  }

  /** A word for each run of equal samples, an utterance until a quarter second of zeros. @param {number} sample */
  #recognize(sample) {
    const at = this.received++;
    const speaking = this.#speaking ?? (sample === 0 ? undefined : this.#begin(at));
    if (speaking && sample === 0) {
      if (++speaking.zeros >= QUARTER * this.#rate) this.#finish(speaking, "endpoint");
    } else if (speaking) {
      speaking.zeros = 0;
      const last = speaking.runs[speaking.runs.length - 1];
      if (last?.value === sample) last.end = this.received;
      else speaking.runs.push({ value: sample, start: at, end: this.received });
    }
    while (this.#unsettled[0]?.end + LAG * this.#rate <= this.received) this.#settleFirst();
    if (this.received % (PARTIAL * this.#rate) !== 0) return;
    for (const utterance of this.#unsettled) this.#tellPartial(utterance);
  }

  #follow() {
    if (this.#plan.then && this.received === this.#plan.at) this.#plan.then(this);
  }

  get #speaking() {
    return this.#unsettled.find(({ end }) => end === Infinity);
  }

  /** @param {number} onset */
  #begin(onset) {
    const start = Math.max(this.#ended, onset - PREROLL * this.#rate);
    const utterance = { id: ++this.#utterances, start, zeros: 0, runs: [], end: Infinity, reason: "" };
    this.#unsettled.push(utterance);
    this.send("speechStart", { utteranceId: utterance.id, time: this.#seconds(onset) });
    return utterance;
  }

  /**
   * @param {Utterance} utterance
   * @param {string} reason
   */
  #finish(utterance, reason) {
    utterance.end = this.#ended = this.received;
    utterance.reason = reason;
    this.send("speechEnd", { utteranceId: utterance.id, time: this.#seconds(utterance.end) });
  }

  /** @param {string} reason */
  #settleAll(reason) {
    if (this.#speaking) this.#finish(this.#speaking, reason);
    while (this.#unsettled.length > 0) this.#settleFirst();
  }

  #settleFirst() {
    const { id, runs, reason, zeros, end } = /** @type {Utterance} */ (this.#unsettled.shift());
    this.settled.push(end);
    const words = runs.map(({ value, start, end }) => {
      // A word that was received in part shows how much of it.
      const word = end - start === QUARTER * this.#rate ? `w${value}` : `w${value}/${end - start}`;
      return { word, confidence: 0.9, startTime: this.#seconds(start), endTime: this.#seconds(end) };
    });
    const best = { transcript: transcriptOf(words), confidence: 0.9, words };
    this.send("final", {
      ...this.#state(id),
      isFinal: true,
      results: [{ ...best, alternatives: [best, { transcript: "other", confidence: 0.1, words: [] }] }],
      reason,
      latency: { queueMs: 1, recognizerMs: 1, endpointMs: this.#ms(zeros) },
    });
  }

  /** @param {Utterance} utterance */
  #tellPartial({ id, runs }) {
    const words = runs.map(({ value }) => ({ word: `w${value}`, confidence: 0, startTime: 0, endTime: 0 }));
    this.send("partial", {
      ...this.#state(id),
      isFinal: false,
      results: [{ transcript: transcriptOf(words), confidence: 0, words }],
      stableWords: Math.max(0, words.length - 1),
      latency: { queueMs: 1, recognizerMs: 1 },
    });
  }

  /** @param {number} utteranceId */
  #state(utteranceId) {
    return { utteranceId, status: "partial", partial: ++this.#partials, audio: this.#progress };
  }

  get #progress() {
    const quiet = Math.max(this.#ended, this.received - PREROLL * this.#rate);
    return { receivedMs: this.#ms(this.received), settledMs: this.#ms(this.#unsettled[0]?.start ?? quiet) };
  }

  /** @param {number} samples */
  #ms(samples) {
    return (1000 * samples) / this.#rate;
  }

  /** @param {number} samples */
  #seconds(samples) {
    return Math.round(this.#ms(samples)) / 1000;
  }
}

/** @param {{ word: string }[]} words */
function transcriptOf(words) {
  return words.map(({ word }) => word).join(" ");
}

/** @param {Buffer} bytes little-endian, like the machines that this runs on */
function samplesOf(bytes) {
  const copy = new Uint8Array(bytes);
  return new Int16Array(copy.buffer, 0, copy.length / 2);
}
