// Live text of the microphone in a page of your own, on this machine or an allowed origin.
import { LiveClient } from "http://127.0.0.1:8000/static/client/live.js";
import { Microphone } from "http://127.0.0.1:8000/static/client/microphone.js";

const [start, stop, text] = ["start", "stop", "text"].map((id) => document.getElementById(id));
const lines = new Map();

function show(utterance) {
  lines.set(utterance.number, utterance.transcript);
  text.textContent = [...lines.values()].join(" ");
}

start.onclick = async () => {
  start.disabled = true;
  const live = await LiveClient.open("http://127.0.0.1:8000/v1/speech/asrlive", {
    config: { languageCode: "en" },
    // getToken: async () => (await fetch("/my-own/token")).text(), // where the server wants tokens
    onEvent: (event) => event.kind === "utterance" && show(event),
    onState: (state, error) => console.info(state, error?.message ?? ""),
  });
  const microphone = await Microphone.open({ onAudio: (samples) => live.sendAudio(samples) });
  stop.disabled = false;
  stop.onclick = async () => {
    stop.disabled = true;
    await microphone.stop();
    await live.close(); // resolves when all text was delivered
    start.disabled = false;
  };
};
