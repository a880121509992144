// A reader of a caption channel: its lines by server-sent events, over any number of connections.

// A server that refuses, as one that starts does, is asked again so soon; EventSource itself gives up.
const REOPEN_MS = 5000;

/**
 * A line of a channel, as its events have it.
 * @typedef {{ line: number, startMs: number, endMs: number, text: string, speaker: string, hidden: boolean }} Line
 */

/** The lines that a reader of a channel has. */
export class Lines {
  constructor() {
    /** @type {Map<number, Line>} */
    this.settled = new Map();
    /** @type {Map<number, Line>} */
    this.open = new Map();
  }

  /** Drop unsettled lines: a new connection brings those that are still open. */
  reconnect() {
    this.open.clear();
  }

  /**
   * Take a line of an event, which replaces the one with its number.
   * @param {string} name `partial`, `final` or `correction`
   * @param {Line} line
   */
  take(name, line) {
    this.open.delete(line.line);
    if (line.hidden) {
      this.settled.delete(line.line);
    } else if (name === "partial") {
      this.open.set(line.line, line);
    } else {
      this.settled.set(line.line, line);
    }
  }

  /**
   * The line before which a settled one is shown, in the order of speech; null for the last place.
   * @param {Line} line
   * @returns {Line | null}
   */
  following(line) {
    let next = null;
    for (const other of this.settled.values()) {
      if (isBefore(line, other) && (next === null || isBefore(other, next))) next = other;
    }
    return next;
  }

  /** All lines in the order of speech. @returns {Line[]} */
  inOrder() {
    return [...this.settled.values(), ...this.open.values()].sort((one, other) => (isBefore(one, other) ? -1 : 1));
  }
}

/**
 * @typedef {object} ChannelHandlers
 * @property {(channel: { name: string, title: string, languages: string[], live: boolean, paused?: boolean }) => void} onChannel
 *   at the beginning of each connection, and when it changes
 * @property {() => void} onChange after each line
 * @property {(line: Line) => void} [onLine] each line; called before `onChange`
 * @property {() => void} onLost the connection is lost and opened again
 * @property {() => void} onEnd nothing follows
 */

/** Reads a channel until it ends or `close` is called. */
export class ChannelReader {
  lines = new Lines();
  #url;
  #token;
  #handlers;
  #lastEventId;
  /** @type {EventSource | undefined} */
  #events;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reopening;

  /**
   * @param {object} options
   * @param {URL | string} options.url of the channel's events
   * @param {string} [options.token] for a private channel
   * @param {number} [options.sinceMs] only lines that changed later, in milliseconds since 1970
   * @param {ChannelHandlers} options.handlers
   */
  constructor({ url, token = "", sinceMs = 0, handlers }) {
    this.#url = url;
    this.#token = token;
    this.#handlers = handlers;
    this.#lastEventId = sinceMs > 0 ? String(Math.floor(sinceMs)) : "";
    this.#open();
  }

  /** Read no more. */
  close() {
    clearTimeout(this.#reopening);
    this.#events?.close();
  }

  #open() {
    const url = new URL(this.#url, document.baseURI);
    if (this.#token !== "") url.searchParams.set("jwt", this.#token);
    if (this.#lastEventId !== "") url.searchParams.set("lastEventId", this.#lastEventId);
    const events = (this.#events = new EventSource(url));
    let isNew = true;
    events.addEventListener("open", () => {
      isNew = true;
    });
    events.addEventListener("channel", ({ data }) => {
      // A new connection brings the lines that are still open.
      if (isNew) this.lines.reconnect();
      isNew = false;
      this.#handlers.onChannel(JSON.parse(data));
      this.#handlers.onChange();
    });
    for (const kind of ["partial", "final", "correction"]) {
      events.addEventListener(kind, ({ data, lastEventId }) => {
        this.#lastEventId = lastEventId;
        const line = JSON.parse(data);
        this.lines.take(kind, line);
        this.#handlers.onLine?.(line);
        this.#handlers.onChange();
      });
    }
    events.addEventListener("end", () => {
      this.close();
      this.#handlers.onEnd();
    });
    events.addEventListener("error", () => {
      this.#handlers.onLost();
      if (events.readyState === EventSource.CLOSED) this.#reopening = setTimeout(() => this.#open(), REOPEN_MS);
    });
  }
}

/**
 * Whether one line was spoken before another.
 * @param {Line} one
 * @param {Line} other
 */
function isBefore(one, other) {
  return one.startMs < other.startMs || (one.startMs === other.startMs && one.line < other.line);
}
