// The commands view: what an utterance does, and why it does nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { phrasesOf } from "../../../../web/static/page/commands/phrases.js";

const BOUNDS = { phrases: 500, characters: 100 };

test("a line with senseless braces is left out, and named", () => {
  const { phrases, malformed } = phrasesOf("stop\nturn {on\ngo {left,right}", BOUNDS);
  assert.deepEqual(phrases, ["stop", "go {left,right}"]);
  assert.deepEqual(malformed, { line: 2 });
});

test("alternatives count as the phrases that they stand for", () => {
  const ten = "{a,b,c,d,e,f,g,h,i,j}";
  const { phrases, writtenOut } = phrasesOf(`one ${ten} ${ten}\ntwo ${ten} ${ten} ${ten}\nthree`, BOUNDS);
  assert.deepEqual(phrases, ["one {a,b,c,d,e,f,g,h,i,j} {a,b,c,d,e,f,g,h,i,j}"]);
  assert.ok(writtenOut > 500);
});

test("the same phrase counts once, however it is written", () => {
  assert.deepEqual(phrasesOf("One.\none\n ONE \n{one,}\n\n", BOUNDS).phrases, ["One."]);
  assert.equal(phrasesOf("a\nb\nc", { phrases: 2, characters: 100 }).count, 3);
});
