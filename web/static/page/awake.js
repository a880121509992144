// Wake lock: keeps the screen on.

/**
 * Keep the screen on; a hidden page loses the lock and takes it again when it is visible.
 * @returns {() => void} releases the lock
 */
export function stayAwake() {
  /** @type {WakeLockSentinel | undefined} */
  let lock;
  let isOver = false;
  const take = async () => {
    if (document.visibilityState !== "visible") return;
    // Refused on low battery, absent in some browsers: the screen then turns off as usual.
    const taken = await navigator.wakeLock?.request("screen").catch(() => undefined);
    if (isOver) void taken?.release();
    else lock = taken;
  };
  document.addEventListener("visibilitychange", take);
  void take();
  return () => {
    isOver = true;
    document.removeEventListener("visibilitychange", take);
    void lock?.release();
  };
}
