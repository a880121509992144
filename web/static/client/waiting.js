// Bounded waits.

/**
 * Wait; an abort ends it early, without an error.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal?.addEventListener("abort", over);
    if (signal?.aborted) over();
  });
}

/**
 * Wait for a promise at most so long, then throw the error.
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @param {Error} error
 * @param {AbortSignal} [signal] its reason is thrown
 * @returns {Promise<T>}
 */
export async function within(ms, promise, error, signal) {
  let over = () => {};
  const late = new Promise((_, reject) => {
    const timer = setTimeout(() => reject(error), ms);
    const giveUp = () => reject(signal?.reason);
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", giveUp);
    };
  });
  return /** @type {Promise<T>} */ (Promise.race([promise, late])).finally(over);
}
