// Spoken numbers: digits as one would write them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { numbersIn } from "../../../../web/static/client/numbers.js";

/** @param {Record<string, string>} expected digits by spoken words; several numbers apart */
function check(expected) {
  for (const [spoken, digits] of Object.entries(expected)) assert.equal(numbersIn(spoken).join(" "), digits, spoken);
}

test("English numbers", () => {
  check({
    zero: "0", "forty two": "42", "Twenty-five.": "25", "a hundred": "100", "one hundred and five": "105",
    "one hundred five": "105", "nineteen hundred": "1900", "three hundred and twelve": "312",
    "two thousand and six": "2006", "twenty five thousand": "25000", "a thousand": "1000",
    "one million two hundred thousand": "1200000",
    "one hundred twenty three million four hundred fifty six thousand seven hundred eighty nine": "123456789",
  });
});

test("Persian numbers, as they are written and as they are spoken", () => {
  check({
    صفر: "0", نه: "9", "بیست و پنج": "25", "بیست‌وپنج": "25", "صد و پنج": "105", "دویست و سی و چهار": "234",
    هزار: "1000", "هزار و سیصد و هفتاد و نه": "1379", "بیست و پنج هزار": "25000",
    "یک میلیون و دویست هزار": "1200000", "شونزده": "16", "سي و يك": "31",
  });
});

test("small numbers in a row are read out digit by digit", () => {
  check({
    "four oh seven": "407", "zero one seven": "017", "five five nine two": "5592", "nineteen eighty four": "1984",
    "twenty twenty five": "2025", "oh eight hundred": "0800", "پنج پنج نه دو": "5592",
  });
});

test("digits stay as they are", () => {
  check({ 42: "42", "007": "007", "1,200": "1200", "5 5 9": "5 5 9", "۴۲": "42", "٤٢": "42", "25 thousand": "25000" });
});

test("several numbers stay apart where other words are between them", () => {
  check({ "five and six": "5 6", "two cats, three dogs": "2 3", "پنج و شش": "5 6", "three hundred or four": "300 4" });
});

test("no number is none", () => {
  check({ "": "", and: "", "و": "", "nobody knows": "" });
});
