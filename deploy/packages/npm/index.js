// The whole client; each module can also be imported by its own name, such as "@niyosha/client/subtitles.js".

export { Listening } from "./listening.js";
export { LiveClient, LiveError, RATE_HZ } from "./live.js";
export { match, normalized } from "./matching.js";
export { Microphone, MicrophoneError, checkMicrophone, levelOf, microphones } from "./microphone.js";
export { numbersIn } from "./numbers.js";
export { mended, paragraphs, textOf } from "./paragraphs.js";
export { Resampler } from "./resampler.js";
export { cues, srt, vtt } from "./subtitles.js";
export { Transcript } from "./transcript.js";
