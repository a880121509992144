// The user's settings for listening, kept in the browser.

/**
 * @typedef {object} Settings without a value the server or the browser chooses
 * @property {string} [deviceId]
 * @property {boolean} [echoCancellation]
 * @property {boolean} [noiseSuppression]
 * @property {boolean} [autoGainControl]
 * @property {string} [languageCode]
 * @property {string} [asrModel]
 * @property {number} [hangoverMs]
 * @property {number} [maxUtteranceMs]
 * @property {string[]} [phrases] the glossary
 * @property {boolean} [isStereo] whether files have a speaker on each of two channels
 * @property {number} [textSize] percent
 * @typedef {keyof Settings} SettingKey
 */

const KEY = "niyosha.settings";
export const PROCESSING = /** @type {const} */ (["echoCancellation", "noiseSuppression", "autoGainControl"]);
const CONFIG = /** @type {const} */ (["languageCode", "asrModel", "hangoverMs", "maxUtteranceMs", "phrases"]);

/** @returns {Settings} */
export function loadSettings() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof stored === "object" && stored !== null ? stored : {};
  } catch {
    return {};
  }
}

/** @param {Settings} settings */
export function saveSettings(settings) {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Without storage they hold until the page is closed.
  }
}

/**
 * The settings that are keys of the configuration.
 * @param {Settings} settings
 * @returns {import("../client/live.js").Config}
 */
export function configOf(settings) {
  return picked(settings, CONFIG);
}

/**
 * The settings that are keys of the configuration of files, which alone may have two channels.
 * @param {Settings} settings
 * @returns {import("../client/live.js").Config}
 */
export function fileConfigOf(settings) {
  return settings.isStereo ? { ...configOf(settings), channels: 2, extended: true } : configOf(settings);
}

/**
 * The settings of the microphone.
 * @param {Settings} settings
 * @returns {import("../client/listening.js").Choice}
 */
export function choiceOf(settings) {
  return { deviceId: settings.deviceId, processing: picked(settings, PROCESSING) };
}

/**
 * @template {SettingKey} K
 * @param {Settings} settings
 * @param {readonly K[]} keys
 * @returns {any}
 */
function picked(settings, keys) {
  return Object.fromEntries(keys.filter((key) => settings[key] !== undefined).map((key) => [key, settings[key]]));
}
