// Downloads of the text.

import { sentence } from "../sentences.js";
import { keptToken } from "../token.js";
import { downloadOf, fileName } from "../../client/transcript.js";
import { writtenFile } from "./files.js";

const SAVING_MS = 60_000;

/**
 * Save the text: each recording as the server writes it, and the sessions as a file of their own.
 * @param {import("../../client/transcript.js").Transcript} transcript
 * @param {import("../../client/transcript.js").Format} format
 * @returns {Promise<string>} "" or a sentence for why not
 */
export async function saveTranscript(transcript, format) {
  let failure = "";
  if (transcript.spoken.length > 0) saveText(await transcript.download(format, new Date()));
  for (const recording of transcript.recordings) {
    const { name, transcriptionId, lines } = recording;
    if (lines.length === 0) continue;
    // The server lacks what was cancelled, and what the user wrote.
    if (!transcriptionId || lines.some(({ isEdited }) => isEdited)) saveText(await downloadOf(recording, format));
    else failure = (await saveWritten(transcriptionId, name, format)) || failure;
  }
  return failure;
}

/**
 * Save a transcription as the server writes it.
 * @param {string} transcriptionId
 * @param {string} name
 * @param {import("../../client/transcript.js").Format} format
 * @returns {Promise<string>} "" or a sentence for why not
 */
export async function saveWritten(transcriptionId, name, format) {
  try {
    const signal = AbortSignal.timeout(SAVING_MS);
    save(fileName(name, format), await writtenFile(transcriptionId, format, { signal, getToken: keptToken }));
    return "";
  } catch (error) {
    return sentence(error);
  }
}

/** @param {{ name: string, type: string, text: string }} file */
function saveText({ name, type, text }) {
  save(name, new Blob([text], { type }));
}

/**
 * @param {string} name
 * @param {Blob} content
 */
function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}
