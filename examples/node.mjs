// Print the text of a WAV file (16 kHz, mono, 16 bits): npm install @niyosha/client ws && node node.mjs talk.wav
import { readFile } from "node:fs/promises";
import { LiveClient } from "@niyosha/client";
import { WebSocket } from "ws"; // Node 22 has one of its own

const HEADER_BYTES = 44;
const CHUNK_SAMPLES = 1600; // 100 ms
const server = process.env.NIYOSHA_SERVER ?? "http://127.0.0.1:8000";
const sound = (await readFile(process.argv[2])).subarray(HEADER_BYTES);
const samples = Int16Array.from({ length: sound.length / 2 }, (_, place) => sound.readInt16LE(2 * place));

const live = await LiveClient.open(`${server}/v1/speech/asrlive`, {
  WebSocket,
  config: { languageCode: "en" },
  onEvent(event) {
    if (event.kind === "utterance" && event.isFinal) console.log(event.transcript);
  },
});
for (let place = 0; place < samples.length; place += CHUNK_SAMPLES) {
  live.sendAudio(samples.subarray(place, place + CHUNK_SAMPLES));
}
await live.close(); // resolves when all text was delivered
