// Retries: which errors are transient, and the wait before each attempt.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { LiveError, delayMs, isTransient } from "../../../../web/static/client/retry.js";

test("an error has a sentence for people and facts for programs", () => {
  const error = new LiveError("refused", "No.", { type: "overloaded", code: 503, detail: "no", retryAfterMs: 7 });
  assert.ok(error instanceof Error);
  assert.equal(String(error), "LiveError: No.");
  const { kind, type, code, detail, retryAfterMs } = error;
  assert.deepEqual([kind, type, code, detail, retryAfterMs], ["refused", "overloaded", 503, "no", 7]);
});

test("an error without facts has empty ones", () => {
  const { type, code, detail, retryAfterMs } = new LiveError("lost", "Gone.");
  assert.deepEqual([type, code, detail, retryAfterMs], ["", 0, "", 0]);
});

describe("a later attempt", () => {
  for (const kind of /** @type {const} */ (["unreachable", "lost"])) {
    test(`may help where the server is ${kind}`, () => assert.ok(isTransient(new LiveError(kind, ""))));
  }

  const passing = [
    "idle_timeout", "internal", "overloaded", "rate_limited", "recognizer_failed", "shutting_down", "slow_reader",
  ];
  for (const type of passing) {
    test(`may help against ${type}`, () => {
      assert.ok(isTransient(new LiveError("failed", "", { type })));
      assert.ok(isTransient(new LiveError("refused", "", { type })));
    });
  }

  const lasting = [
    "", "forbidden", "invalid_audio", "invalid_config", "invalid_message", "not_found", "too_large", "unauthenticated",
    "unsupported_media", "upgrade_required",
  ];
  for (const type of lasting) {
    test(`does not help against ${type || "an error without a type"}`, () => {
      assert.ok(!isTransient(new LiveError("failed", "", { type })));
      assert.ok(!isTransient(new LiveError("refused", "", { type, code: 400 })));
    });
  }

  test("may help where a proxy misses its server", () => {
    const statuses = [400, 401, 403, 404, 500, 502, 503, 504];
    const transient = statuses.filter((code) => isTransient(new LiveError("refused", "", { code })));
    assert.deepEqual(transient, [502, 503, 504]);
  });

  test("does not help against a mistake in the program", () => {
    assert.ok(!isTransient(new TypeError("undefined is not a function")));
    assert.ok(!isTransient(undefined));
  });
});

describe("the wait before an attempt", () => {
  const lost = new LiveError("lost", "");

  test("doubles up to a bound", () => {
    const waits = [0, 1, 2, 3, 4, 5, 6, 50, 5_000].map((attempt) => delayMs(attempt, lost, 1));
    assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000]);
  });

  test("is spread over its second half", () => {
    assert.deepEqual([0, 0.5, 1].map((random) => delayMs(2, lost, random)), [500, 750, 1_000]);
    const drawn = Array.from({ length: 200 }, () => delayMs(2, lost));
    assert.ok(drawn.every((ms) => ms >= 500 && ms <= 1_000));
    assert.ok(new Set(drawn).size > 100);
  });

  test("is never shorter than the server wants", () => {
    const busy = new LiveError("refused", "", { type: "rate_limited", retryAfterMs: 3_000 });
    assert.deepEqual([delayMs(0, busy, 1), delayMs(5, busy, 1)], [3_000, 8_000]);
  });

  test("needs no particular error", () => assert.equal(delayMs(0, new TypeError(), 1), 250));
});
