// Paragraphs by sense: where they begin, what is mended at joins, and what an edit keeps.

import assert from "node:assert/strict";
import { test } from "node:test";

import { continues, paragraphs, retimed, styleOf, textOf } from "../../../../web/static/client/paragraphs.js";

/** @param {string} transcript @param {number} start @param {object} [rest] */
function spoken(transcript, start, rest = {}) {
  const words = transcript.split(" ").map((word, index) => ({
    word, startTime: start + index / 2, endTime: start + (index + 1) / 2, confidence: 0.5,
  }));
  return { transcript, words, ...rest };
}

/** Utterances one after the other, with a pause before each. @param {[string, number][]} parts */
function talk(...parts) {
  let at = 0;
  return parts.map(([transcript, pause]) => {
    const line = spoken(transcript, at + pause);
    at = line.words[line.words.length - 1].endTime;
    return line;
  });
}

test("a pause of a second begins a paragraph, a shorter one does not", () => {
  assert.equal(textOf(talk(["so I went", 0], ["to the shop", 0.9], ["and then", 1])), "so I went to the shop\nand then");
});

test("a full stop begins a paragraph, whatever its mark and quotes", () => {
  for (const end of ["left.", "left?", "left!", "left؟", "چپ۔", "left.”", "(left.)"]) {
    assert.equal(paragraphs(talk([end, 0], ["next", 0.1])).length, 2, end);
  }
});

test("a cut sentence, an abbreviation and an initial are no full stop", () => {
  for (const end of ["left...", "left…", "and Dr.", "left,", "John F."]) {
    assert.equal(paragraphs(talk([end, 0], ["next", 0.1])).length, 1, end);
  }
});

test("first letters and cuts are mended at joins", () => {
  assert.equal(textOf(talk(["I went to the...", 0], ["...Shop and", 0.2], ["Bought bread.", 0.2])), "I went to the shop and bought bread.");
  assert.equal(textOf(talk(["it was the", 0], [", Last one", 0.2])), "it was the last one");
});

test("names, acronyms and I keep their capitals", () => {
  const lines = talk(["We met Anna.", 0], ["I saw", 2], ["Anna and", 0.2], ["I told", 0.2], ["NASA about", 0.2], ["I'm sure", 0.2]);
  assert.deepEqual([...styleOf(lines).names], ["Anna"]);
  assert.equal(textOf(lines), "We met Anna.\nI saw Anna and I told NASA about I'm sure");
});

test("a paragraph of sentences begins with a capital, and other text is left alone", () => {
  assert.equal(textOf(talk(["There it was.", 0], ["and so it is.", 0.1])), "There it was.\nAnd so it is.");
  assert.equal(textOf(talk(["there it was.", 0], ["and so it is.", 0.1])), "there it was.\nand so it is.");
  assert.equal(textOf(talk(["turn on the light", 0])), "turn on the light");
  assert.equal(textOf(talk(["Look.", 0], ["iPhone is here.", 0])), "Look.\niPhone is here.");
});

test("Persian has no capitals to mend, only joins", () => {
  assert.equal(textOf(talk(["من به...", 0], ["… مدرسه رفتم", 0.3])), "من به مدرسه رفتم");
});

test("another channel begins a paragraph", () => {
  const [one, other] = talk(["yes and", 0], ["no but", 0.1]);
  assert.equal(continues({ ...one, channel: 0 }, { ...other, channel: 1 }), false);
  assert.equal(continues({ ...one, channel: 1 }, { ...other, channel: 1 }), true);
});

test("another recording begins a paragraph, though its clock begins again", () => {
  const one = spoken("the end of", 60, { channel: 0 });
  assert.equal(continues(one, spoken("something else", 0, { channel: 0 })), false);
  assert.equal(continues(one, spoken("and speech", 61.6)), false);
});

test("an utterance without times continues if its onset is known", () => {
  const [one] = talk(["so I", 0]);
  const open = { transcript: "went", words: [{ word: "went", startTime: 0, endTime: 0, confidence: 0 }] };
  assert.equal(continues(one, { ...open, startTime: 1.5 }), true);
  assert.equal(continues(one, { ...open, startTime: 2.5 }), false);
  assert.equal(continues(one, open), false);
});

test("what the user wrote is not mended", () => {
  const [one, other] = talk(["so I", 0], ["Went", 0.1]);
  assert.equal(textOf([one, { ...other, isEdited: true, transcript: "Went  home" }]), "so I Went  home");
});

test("an edit keeps the times of the words around it", () => {
  const { words } = spoken("the quick brown fox", 0);
  const times = retimed(words, "the quick red fox").map(({ word, endTime }) => [word, endTime]);
  assert.deepEqual(times, [["the", 0.5], ["quick", 1], ["red", 0], ["fox", 2]]);
  assert.deepEqual(retimed(words, "").length, 0);
  assert.deepEqual(retimed(words, "the quick brown fox"), words);
  assert.deepEqual(retimed(words, "the the quick brown fox").map(({ endTime }) => endTime), [0.5, 0, 1, 1.5, 2]);
});
