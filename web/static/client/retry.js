// Errors of a connection: which of them to retry, and when.

/**
 * What went wrong:
 * - `unreachable`: nobody answers
 * - `refused`: the handshake was refused
 * - `failed`: the server sent its error
 * - `lost`: the connection broke
 * @typedef {"unreachable" | "refused" | "failed" | "lost"} LiveErrorKind
 */

/** A live connection failed; `message` is a sentence for people. */
export class LiveError extends Error {
  /**
   * @param {LiveErrorKind} kind
   * @param {string} message
   * @param {{ type?: string, code?: number, detail?: string, retryAfterMs?: number }} [facts] the protocol's `type`
   *   and `detail`, an HTTP status or a close code, and after how long to retry
   */
  constructor(kind, message, { type = "", code = 0, detail = "", retryAfterMs = 0 } = {}) {
    super(message);
    this.name = "LiveError";
    this.kind = kind;
    this.type = type;
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Nothing answered. */
export function unreachable() {
  return new LiveError("unreachable", "The server cannot be reached. Is it running?");
}

const FIRST_MS = 250;
const LONGEST_MS = 8_000;
// Other errors would repeat: they depend on what this client sends or who it is.
const TRANSIENT = new Set([
  "idle_timeout",
  "internal",
  "overloaded",
  "rate_limited",
  "recognizer_failed",
  "shutting_down",
  "slow_reader",
]);
const GATEWAY_STATUSES = new Set([502, 503, 504]); // of a proxy whose server is away

/**
 * Whether the same may work a little later.
 * @param {unknown} error
 */
export function isTransient(error) {
  if (!(error instanceof LiveError)) return false;
  if (error.kind === "unreachable" || error.kind === "lost") return true;
  return TRANSIENT.has(error.type) || (error.kind === "refused" && GATEWAY_STATUSES.has(error.code));
}

// Refusals of a transcription that cannot go on: expired, deleted, too long, or unknown to an older server.
const UNRESUMABLE = new Set(["conflict", "invalid_config", "not_found", "unauthenticated"]);

/**
 * Whether to connect anew after this refusal, without the token to resume.
 * @param {LiveError} error
 */
export function isUnresumable(error) {
  return UNRESUMABLE.has(error.type);
}

/**
 * The time of `Retry-After`, 0 without one.
 * @param {Response} response
 */
export function retryAfterMsOf({ headers }) {
  return 1000 * (Number(headers.get("retry-after")) || 0);
}

/**
 * The wait before an attempt: doubled each time, with jitter, so that the clients of a restarted server do not all
 * return at once.
 * @param {number} attempt 0 for the first
 * @param {unknown} error of the attempt before; its `retryAfterMs` is the least wait
 * @param {number} [random] 0 to 1
 */
export function delayMs(attempt, error, random = Math.random()) {
  const backoff = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt) * (0.5 + random / 2);
  return Math.max(backoff, error instanceof LiveError ? error.retryAfterMs : 0);
}
