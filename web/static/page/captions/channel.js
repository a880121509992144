// Captions of a channel: what any number of speakers say elsewhere, as its readers get it.

import { ChannelReader } from "../../client/channel.js";

/** @typedef {import("../broadcast.js").Caption} Caption */

// Two rows show at most two lines, and one that is leaving.
const KEPT = 3;
// Lines that may still be corrected while they are shown.
const MOST_SETTLED = 20;
// What was said before is not shown; the clocks of two machines may differ by so much.
const BEFORE_MS = 10_000;

/**
 * Show the captions of a channel until it ends.
 * @param {object} options
 * @param {string} options.name
 * @param {string} options.token of a reader, "" for a public channel
 * @param {(captions: Caption[]) => void} options.onCaptions all that is to be shown, in the order of speech
 * @param {(state: "channel" | "lost" | "ended") => void} options.onState
 */
export function followChannel({ name, token, onCaptions, onState }) {
  const reader = new ChannelReader({
    url: new URL(`v1/channels/${encodeURIComponent(name)}/events`, document.baseURI),
    token,
    sinceMs: Date.now() - BEFORE_MS,
    handlers: {
      onChannel: () => onState("channel"),
      onChange() {
        const { settled } = reader.lines;
        for (const line of settled.keys()) {
          if (settled.size <= MOST_SETTLED) break;
          settled.delete(line);
        }
        onCaptions(captionsOf(reader.lines));
      },
      onLost: () => onState("lost"),
      onEnd: () => onState("ended"),
    },
  });
  return reader;
}

/**
 * The newest lines as captions; a speaker is named where another one begins.
 * @param {import("../../client/channel.js").Lines} lines
 * @returns {Caption[]}
 */
export function captionsOf(lines) {
  const ordered = lines.inOrder().filter(({ text }) => text !== "");
  const captions = ordered.map(({ line, text, speaker }, index) => {
    const isNamed = speaker !== "" && speaker !== ordered[index - 1]?.speaker;
    const transcript = isNamed ? `${speaker}: ${text}` : text;
    return { key: `line-${line}`, transcript, stableWords: 0, isFinal: lines.settled.has(line) };
  });
  return captions.slice(-KEPT);
}
