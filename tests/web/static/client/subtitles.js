// Command for test_subtitles.py: a line of utterances in, a line with their subtitles out, both JSON.

import { createInterface } from "node:readline";

import { srt, vtt } from "../../../../web/static/client/subtitles.js";

for await (const line of createInterface({ input: process.stdin })) {
  const results = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({ srt: srt(results), vtt: vtt(results) })}\n`);
}
