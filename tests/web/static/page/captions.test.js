// The pace and the options of captions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { optionsOf, withOption } from "../../../../web/static/page/captions/options.js";
import { CHARACTERS_PER_SECOND, Pace } from "../../../../web/static/page/captions/pace.js";

/** @param {string} key @param {string} transcript @param {boolean} [isFinal] */
const caption = (key, transcript, isFinal = true) => ({ key, transcript, isFinal, stableWords: 0 });
/** @param {{ captions: { transcript: string }[] }} revealed */
const texts = ({ captions }) => captions.map(({ transcript }) => transcript);

test("what fits on the screen comes at once", () => {
  const pace = new Pace(80);
  pace.take([caption("1", "the boats left the harbour")]);
  const { captions, waitMs } = pace.reveal(0);
  assert.deepEqual([captions, waitMs], [[caption("1", "the boats left the harbour")], undefined]);
});

test("twenty characters a second follow, and every word comes", () => {
  const words = Array.from({ length: 100 }, (_, index) => `word${index}`).join(" ");
  const pace = new Pace(40);
  pace.take([caption("1", words)]);
  let shown = 0;
  let now = 0;
  for (let steps = 0; steps < 1_000; steps += 1) {
    const { captions, waitMs } = pace.reveal(now);
    shown = captions[0].transcript.length;
    assert.ok(shown <= 40 + (CHARACTERS_PER_SECOND * now) / 1000 + 1e-6);
    assert.equal(captions[0].isFinal, waitMs === undefined);
    if (waitMs === undefined) break;
    now += waitMs;
  }
  assert.equal(shown, words.length);
  assert.ok(now <= (1000 * words.length) / CHARACTERS_PER_SECOND);
});

test("speech at an ordinary pace is never held back", () => {
  const pace = new Pace(40);
  const words = Array.from({ length: 100 }, () => "spoken");
  words.forEach((_, index) => {
    const text = words.slice(0, index + 1).join(" ");
    pace.take([caption("1", text, false)]);
    assert.deepEqual(texts(pace.reveal(500 * index)), [text]);
  });
});

test("utterances that leave the source before they were revealed still come, in order", () => {
  const pace = new Pace(10);
  pace.take([caption("1", "aaaa aaaa"), caption("2", "bbbb bbbb")]);
  assert.deepEqual(texts(pace.reveal(0)), ["aaaa aaaa"]);
  pace.take([caption("2", "bbbb bbbb"), caption("3", "cccc"), caption("4", "dddd")]);
  pace.take([caption("3", "cccc"), caption("4", "dddd"), caption("5", "eeee")]);
  const seen = new Set();
  for (let now = 0; now < 10_000; now += 100) for (const text of texts(pace.reveal(now))) seen.add(text);
  for (const text of ["bbbb bbbb", "cccc", "dddd", "eeee"]) assert.ok(seen.has(text), text);
});

test("a revision of what was shown costs no time", () => {
  const pace = new Pace(10);
  pace.take([caption("1", "aaaa aaaa", false)]);
  pace.reveal(0);
  pace.take([caption("1", "bbbb bbbb", false)]);
  assert.deepEqual(texts(pace.reveal(0)), ["bbbb bbbb"]);
});

test("a word that is longer than the screen comes, too", () => {
  const pace = new Pace(10);
  pace.take([caption("1", "a".repeat(50))]);
  assert.deepEqual(texts(pace.reveal(0)), ["a".repeat(50)]);
});

test("clearing and another source show nothing of before", () => {
  const pace = new Pace(10);
  pace.take([caption("1", "aaaa aaaa aaaa aaaa")]);
  pace.reveal(0);
  pace.take([]);
  assert.deepEqual(texts(pace.reveal(0)), []);
  pace.take([caption("x", "bbbb")]);
  assert.deepEqual(texts(pace.reveal(5_000)), ["bbbb"]);
});

test("options are read with their bounds", () => {
  const options = optionsOf(new URLSearchParams("lines=9&size=10&clear=x&align=end&position=up&theme=light"));
  assert.deepEqual([options.lines, options.size, options.clearSeconds], [4, 50, 8]);
  assert.deepEqual([options.align, options.position, options.theme], ["end", undefined, "light"]);
  assert.equal(optionsOf(new URLSearchParams()).lines, 2);
});

test("colours are names or hexadecimal, with and without their mark", () => {
  for (const [written, read] of [["yellow", "yellow"], ["ff0", "#ff0"], ["#FFFF00cc", "#FFFF00cc"], ["url(x)", ""], ["red;x", ""]]) {
    assert.equal(optionsOf(new URLSearchParams({ color: written })).color, read);
    assert.equal(optionsOf(new URLSearchParams({ colour: written })).color, read);
    assert.equal(optionsOf(new URLSearchParams({ background: written })).background, read);
  }
});

test("a font is a list of names and nothing else", () => {
  assert.equal(optionsOf(new URLSearchParams({ font: "Vazirmatn, Noto Sans" })).font, "Vazirmatn, Noto Sans");
  assert.equal(optionsOf(new URLSearchParams({ font: "x; color: red" })).font, "");
});

test("an address has only what is not usual", () => {
  const query = new URLSearchParams("mic=1&colour=red");
  assert.equal(String(withOption(query, "lines", "3")), "mic=1&colour=red&lines=3");
  assert.equal(String(withOption(query, "color", "#ffff00")), "mic=1&color=ffff00");
  assert.equal(String(withOption(new URLSearchParams("lines=3"), "lines", "")), "");
});
