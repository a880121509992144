// A clock that a test advances: `Date.now` and intervals follow it, timeouts and the network are real.
// The mock timers of Node 20 stop a wrong timer when one is cleared twice, which real ones allow.

/** @typedef {{ due: number, ms: number, call: () => void }} Interval */

/**
 * Stop the clock until the test is over.
 * @param {import("node:test").TestContext} t
 * @returns {(seconds: number) => Promise<void>} lets time pass
 */
export function stopTheClock(t) {
  const { now } = Date;
  const { setInterval, clearInterval } = globalThis;
  /** @type {Set<Interval>} */
  const intervals = new Set();
  let time = now();
  const set = (/** @type {() => void} */ call, /** @type {number} */ ms) => {
    const interval = { due: time + ms, ms, call };
    intervals.add(interval);
    return interval;
  };
  const clear = (/** @type {any} */ interval) => {
    if (!intervals.delete(interval)) clearInterval(interval);
  };
  Object.assign(globalThis, { setInterval: set, clearInterval: clear });
  Date.now = () => time;
  t.after(() => {
    Object.assign(globalThis, { setInterval, clearInterval });
    Date.now = now;
  });
  return async (seconds) => {
    for (let passed = 0; passed < 10 * seconds; passed++) {
      time += 100;
      for (const interval of [...intervals]) {
        if (interval.due > time || !intervals.has(interval)) continue;
        interval.due += interval.ms;
        interval.call();
      }
      // What was sent in this moment arrives in it.
      for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
}
