// What Deepgram's SDK for JavaScript gets from a server: one JSON object on standard output.
// node listen.js HTTP_BASE API_KEY FILE, where FILE is a WAV file at 16 kHz

import { readFileSync } from "node:fs";
import { DeepgramClient, DeepgramError } from "@deepgram/sdk";

const [base, apiKey, path] = process.argv.slice(2);
const production = base.replace("http", "ws");
const client = new DeepgramClient({
  apiKey,
  environment: { base, production, agent: production, agentRest: base },
  maxRetries: 0,
});
const file = readFileSync(path);
const CHUNK_BYTES = 6400;

/** @type {Array<{ type: string }>} */
const messages = [];
const socket = await client.listen.v1.connect({
  model: "nova-3",
  punctuate: "true",
  interim_results: "true",
  vad_events: "true",
  utterance_end_ms: 1000,
  keyterm: ["lazy dog", "Niyosha"],
  Authorization: `Token ${apiKey}`,
  reconnectAttempts: 0,
});
socket.on("message", (message) => messages.push(message));
const closed = new Promise((resolve) => {
  socket.on("close", (event) => resolve(event.code));
});
socket.connect();
await socket.waitForOpen();
for (let start = 0; start < file.length; start += CHUNK_BYTES) {
  socket.sendMedia(file.subarray(start, start + CHUNK_BYTES));
}
socket.sendKeepAlive({ type: "KeepAlive" });
socket.sendFinalize({ type: "Finalize" });
socket.sendCloseStream({ type: "CloseStream" });

/** @param {() => Promise<unknown>} attempt */
async function refusal(attempt) {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof DeepgramError) return { status: error.statusCode, body: error.body };
    throw error;
  }
  throw new Error("the request was not refused");
}

const closeCode = await closed;
console.log(
  JSON.stringify({
    messages,
    closeCode,
    file: await client.listen.v1.media.transcribeFile(file, { model: "nova-3", punctuate: true, utterances: true }),
    refusal: await refusal(() => client.listen.v1.media.transcribeFile(file, { model: "nova-3", redact: "pci" })),
  }),
);
process.exit(0);
