// What OpenAI's SDK for JavaScript gets for PCM that it commits: one JSON object on standard output.
// node realtime.js BASE_URL API_KEY FILE

import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const [baseURL, apiKey, path] = process.argv.slice(2);
const CHUNK_BYTES = 9600;
const pcm = readFileSync(path);
const realtime = new OpenAIRealtimeWS({ intent: "transcription" }, new OpenAI({ baseURL, apiKey }));

/** @type {string[]} */
const types = [];
/** @type {string[]} */
const deltas = [];

realtime.on("event", (event) => types.push(event.type));
realtime.on("error", (error) => {
  throw error;
});
realtime.on("session.created", () => {
  realtime.send({
    type: "session.update",
    session: {
      type: "transcription",
      audio: { input: { transcription: { model: "gpt-4o-mini-transcribe", language: "en" }, turn_detection: null } },
    },
  });
});
realtime.on("session.updated", () => {
  for (let start = 0; start < pcm.length; start += CHUNK_BYTES) {
    const audio = pcm.subarray(start, start + CHUNK_BYTES).toString("base64");
    realtime.send({ type: "input_audio_buffer.append", audio });
  }
  realtime.send({ type: "input_audio_buffer.commit" });
});
realtime.on("conversation.item.input_audio_transcription.delta", (event) => deltas.push(event.delta ?? ""));
realtime.on("conversation.item.input_audio_transcription.completed", (event) => {
  console.log(JSON.stringify({ types, deltas, transcript: event.transcript, usage: event.usage }));
  realtime.close();
});
