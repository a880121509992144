// What OpenAI's SDK for JavaScript gets from a server: one JSON object on standard output.
// node transcribe.js BASE_URL API_KEY FILE

import { createReadStream } from "node:fs";
import OpenAI from "openai";

const [baseURL, apiKey, path] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const file = () => createReadStream(path);
const model = "whisper-1";

/** @type {string[]} */
const deltas = [];
let done = "";
const events = await client.audio.transcriptions.create({ file: file(), model: "gpt-4o-transcribe", stream: true });
for await (const event of events) {
  if (event.type === "transcript.text.delta") deltas.push(event.delta);
  if (event.type === "transcript.text.done") done = event.text;
}

/** @param {() => Promise<unknown>} attempt */
async function refusal(attempt) {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof OpenAI.APIError) {
      return { name: error.constructor.name, status: error.status, param: error.param, code: error.code };
    }
    throw error;
  }
  throw new Error("the request was not refused");
}

const models = [];
for await (const one of client.models.list()) models.push(one.id);

console.log(
  JSON.stringify({
    models,
    model: (await client.models.retrieve(model)).id,
    json: await client.audio.transcriptions.create({ file: file(), model }),
    text: await client.audio.transcriptions.create({ file: file(), model, response_format: "text" }),
    srt: await client.audio.transcriptions.create({ file: file(), model, response_format: "srt" }),
    vtt: await client.audio.transcriptions.create({ file: file(), model, response_format: "vtt" }),
    verbose: await client.audio.transcriptions.create({
      file: file(),
      model,
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    }),
    deltas,
    done,
    refusals: [
      await refusal(() => client.audio.transcriptions.create({ file: file(), model, language: "fr" })),
      await refusal(() => client.models.retrieve("tts-1")),
    ],
  }),
);
