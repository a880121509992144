// The resampler as a command: float32 samples at the rate that is named on stdin, at 16 kHz on stdout.

import { buffer } from "node:stream/consumers";

import { Resampler } from "../../../../web/static/client/resampler.js";

const resampler = new Resampler(Number(process.argv[2]));
const bytes = await buffer(process.stdin);
const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
/** @type {number[]} */
const resampled = [];
const emit = (/** @type {number} */ sample) => void resampled.push(sample);
// In blocks, as an audio thread gives them.
for (let from = 0; from < samples.length; from += 128) resampler.push(samples.subarray(from, from + 128), emit);
resampler.finish(emit);
process.stdout.write(new Uint8Array(Float32Array.from(resampled).buffer));
