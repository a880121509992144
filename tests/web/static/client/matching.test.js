// Matching: a command is found however it is written, and never taken for its opposite.

import assert from "node:assert/strict";
import { test } from "node:test";

import { match, normalized } from "../../../../web/static/client/matching.js";

const HOUSE = [
  "turn on the light", "turn off the light", "open the window", "close the window", "lock the front door",
  "unlock the front door", "volume up", "volume down", "play music", "playlist", "start recording", "stop recording",
];

/**
 * @param {string} recognized
 * @param {string[]} [phrases]
 */
function best(recognized, phrases = HOUSE) {
  return match(recognized, phrases)[0]?.phrase;
}

test("case, punctuation, width and white space do not count", () => {
  assert.equal(best("Turn ON the light!"), "turn on the light");
  assert.equal(best("  ｔｕｒｎ\u00a0on,\n the\tlight… "), "turn on the light");
  assert.equal(best("it's on", ["its on"]), "its on");
  assert.equal(normalized("Play-Music?"), "play music");
});

test("Persian is found from both keyboards, with and without its marks", () => {
  const phrases = ["چراغ را روشن کن", "کتابخانه‌ی من", "کانال ۱۲"];
  assert.equal(best("لطفاً چراغ را روشن كن.", phrases), "چراغ را روشن کن");
  assert.equal(best("كتابخانه ي من", phrases), "کتابخانه‌ی من");
  assert.equal(best("کتابخانهی مَن", phrases), "کتابخانه‌ی من");
  assert.equal(best("کانال 12", phrases), "کانال ۱۲");
  assert.equal(best("كانال ١٢", phrases), "کانال ۱۲");
  assert.equal(best("چراغ را خاموش کن", phrases), undefined);
});

test("words in front and behind do not matter", () => {
  const [found] = match("please turn on the light now", HOUSE);
  assert.deepEqual([found.phrase, found.index, found.similarity, found.score], ["turn on the light", 0, 1, 1]);
});

test("scripts without spaces are found in a sentence", () => {
  assert.equal(best("请打开灯好吗", ["打开灯", "关灯"]), "打开灯");
});

test("a misheard letter lowers the similarity by its share", () => {
  const [found] = match("open the windows", HOUSE);
  assert.equal(found.phrase, "open the window");
  assert.equal(found.similarity, 1 - 1 / 13);
});

test("words may be recognized together or apart", () => {
  assert.equal(best("play list"), "playlist");
  assert.equal(best("playmusic"), "play music");
});

test("no command is taken for another, whoever is not in the list", () => {
  for (const spoken of HOUSE) {
    assert.equal(best(spoken), spoken);
    assert.deepEqual(match(spoken, HOUSE.filter((phrase) => phrase !== spoken)), [], spoken);
  }
});

test("a missing word, another word or a short likeness is no match", () => {
  for (const spoken of ["turn the light", "on the light", "the", "", "?!", "volume", "turn it on"]) {
    assert.deepEqual(match(spoken, HOUSE), [], spoken);
  }
  assert.equal(best("hat", ["cat"]), undefined);
});

test("the phrase that holds more of what was recognized comes first", () => {
  const found = match("turn on the light", ["light", "turn on the light", "turn on the lights"]);
  assert.deepEqual(found.map(({ phrase }) => phrase), ["turn on the light", "turn on the lights", "light"]);
});

test("the first hypothesis that holds a phrase decides", () => {
  const recognized = [
    { transcript: "Thanks a door.", confidence: 0.4 },
    { transcript: "open the windows", confidence: 0.5 },
    { transcript: "close the window", confidence: 0.9 },
  ];
  assert.deepEqual(match(recognized, HOUSE).map(({ phrase }) => phrase), ["open the window"]);
  assert.deepEqual(match(recognized.slice(0, 1), HOUSE), []);
});

test("the score is similarity times the confidence of the matched words", () => {
  const words = [["so", 0.1], ["play", 0.6], ["music.", 0.8]].map(([word, confidence]) => {
    return { word: String(word), confidence: Number(confidence) };
  });
  const [found] = match({ transcript: "so play music.", confidence: 0.5, words }, HOUSE);
  assert.ok(Math.abs(found.score - 0.7) < 1e-9);
});

test("without the confidence of words, that of the whole counts; without any, the likeness alone", () => {
  const words = [{ word: "playing", confidence: 0 }, { word: "music", confidence: 0 }];
  assert.equal(match("play music", HOUSE, { confidence: 0.5 })[0].score, 0.5);
  assert.equal(match({ transcript: "open the window", confidence: 0.5, words: [] }, HOUSE)[0].score, 0.5);
  assert.equal(match({ transcript: "playing music", confidence: 0, words }, ["playing music"])[0].score, 1);
});

test("how much likeness is enough can be set", () => {
  assert.deepEqual(match("open the windows", HOUSE, { minSimilarity: 1 }), []);
  assert.equal(match("open the window", HOUSE, { minSimilarity: 1 }).length, 1);
});

test("empty phrases match nothing", () => {
  assert.deepEqual(match("play music", ["", "…", " "]), []);
});

test("500 phrases are searched while somebody speaks", { timeout: 60_000 }, () => {
  const phrases = Array.from({ length: 500 }, (_, n) => `turn on the light number ${n} in the hall and in the kitchen`);
  const spoken = `well ${"and then we turn on the light number ".repeat(8)} ${phrases[321]}`;
  assert.equal(best(spoken, phrases), phrases[321]);
});
