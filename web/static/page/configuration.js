// The configuration of the server: defaults and bounds of its keys, and the pause of each model.

/**
 * @typedef {object} ServerConfiguration
 * @property {Record<string, any>} keys the JSON Schema of each key, with its default
 * @property {Record<string, { hangoverMs: number }>} models by `asrModel`
 */

const ADDRESS = new URL("v1/speech/configuration", document.baseURI);
/** @type {Promise<ServerConfiguration | undefined> | undefined} */
let fetched;

/** Fetch it, once; undefined if the server does not answer. */
export async function serverConfiguration() {
  fetched ??= fetch(ADDRESS).then(
    (response) => (response.ok ? response.json() : undefined),
    () => undefined,
  );
  const configuration = await fetched;
  if (!configuration) fetched = undefined;
  return configuration;
}
