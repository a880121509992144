// Digits of spoken numbers, in English and in Persian.

import { normalized } from "./matching.js";

/** The words of 0, 1, 2 ...; several for one number, as they are spoken. */
const COUNTING = `zero|oh|صفر one|یک two|دو three|سه four|چهار|چار five|پنج six|شش|شیش seven|هفت eight|هشت nine|نه ten|ده
  eleven|یازده twelve|دوازده thirteen|سیزده fourteen|چهارده fifteen|پانزده|پونزده sixteen|شانزده|شونزده
  seventeen|هفده|هیفده eighteen|هجده|هیجده|هژده nineteen|نوزده`.split(/\s+/);
const TENS = `twenty|بیست thirty|سی forty|fourty|چهل fifty|پنجاه sixty|شصت seventy|هفتاد eighty|هشتاد
  ninety|نود`.split(/\s+/);
const HUNDREDS = "صد|یکصد دویست سیصد چهارصد پانصد|پونصد ششصد|شیشصد هفتصد هشتصد نهصد".split(" ");
const VALUES = new Map([
  ...entries(COUNTING, (index) => index),
  ...entries(TENS, (index) => 10 * (index + 2)),
  ...entries(HUNDREDS, (index) => 100 * (index + 1)),
]);
/** What multiplies the words before it. */
const SCALES = new Map([
  ["hundred", 100],
  ...entries(["thousand|هزار", "million|میلیون", "billion|میلیارد|بیلیون"], (index) => 1000 ** (index + 1)),
]);
const AND = new Set(["and", "و"]);

/**
 * Numbers of a text in digits, in their order: `forty two` is 42, and a row of small ones is read out digit by digit,
 * as telephone numbers and years are: `four oh seven` is 407, `nineteen eighty four` 1984. Digits stay as they are.
 * @param {string} text
 * @returns {string[]}
 */
export function numbersIn(text) {
  /** @type {{ digits: string, isJoined: boolean }[]} */
  const found = [];
  /** @type {Amount | undefined} */
  let amount;
  let isRow = false;
  const end = () => {
    const isInRow = amount !== undefined && !amount.isWritten;
    if (amount) found.push({ digits: amount.digits, isJoined: isRow && isInRow });
    // Only small numbers begin a row: 19 84, 0 800, but not 300 400.
    isRow = isInRow && Number(amount?.digits) < 100;
    amount = undefined;
  };
  for (const word of tokens(text)) {
    if (AND.has(word)) {
      if (amount) amount.isAnd = true;
      continue;
    }
    if (amount?.take(word)) continue;
    const isApart = amount?.isAnd;
    end();
    if (isApart) isRow = false;
    amount = Amount.begin(word);
    if (!amount) isRow = false;
  }
  end();
  return found.reduce((/** @type {string[]} */ all, { digits, isJoined }) => {
    if (isJoined) all.push((all.pop() ?? "") + digits);
    else all.push(digits);
    return all;
  }, []);
}

/** A number while its words come. */
class Amount {
  isAnd = false;
  #total = 0;
  /** What the next scale multiplies. */
  #part = 0;
  #lastScale = Infinity;
  #isZero = false;
  #written = "";

  /**
   * @param {string} word
   * @returns {Amount | undefined}
   */
  static begin(word) {
    const amount = new Amount();
    if (/^\d+$/.test(word)) {
      amount.#part = Number(word);
      amount.#written = word;
      return amount;
    }
    if (word === "hundred") amount.#part = 1;
    amount.#isZero = VALUES.get(word) === 0;
    return amount.#isZero || amount.take(word) ? amount : undefined;
  }

  /** Whether it came in digits. */
  get isWritten() {
    return this.#written !== "";
  }

  get digits() {
    return this.#written || String(this.#total + this.#part);
  }

  /**
   * @param {string} word
   * @returns {boolean} whether it goes on with this number
   */
  take(word) {
    const value = VALUES.get(word);
    const scale = SCALES.get(word);
    if (value && this.#fits(value)) this.#part += value;
    else if (scale === 100 && !this.isAnd && this.#part > 0 && this.#part < 100) this.#part *= 100;
    else if (scale && scale > 100 && scale < this.#lastScale && !this.#isZero && (this.#part > 0 || this.#total === 0)) {
      this.#total += (this.#part || 1) * scale;
      this.#part = 0;
      this.#lastScale = scale;
    } else return false;
    this.isAnd = false;
    this.#written = "";
    return true;
  }

  /** @param {number} value */
  #fits(value) {
    if (this.#isZero || this.isWritten) return false;
    if (value >= 100) return this.#part === 0;
    if (value >= 10) return this.#part % 100 === 0;
    return this.#part % 10 === 0 && this.#part % 100 !== 10;
  }
}

/** @param {string} text */
function tokens(text) {
  // 1,200 is one number, twenty-five two words; Persian writes "and" together with what follows it.
  return normalized(text.replace(/(?<=\d)[,٬](?=\d{3}(?!\d))/g, ""))
    .split(" ")
    .flatMap((word) => (word.startsWith("و") && isKnown(word.slice(1)) ? ["و", word.slice(1)] : [word]));
}

/** @param {string} word */
function isKnown(word) {
  return VALUES.has(word) || SCALES.has(word);
}

/**
 * @param {string[]} words separated by `|` where several say the same
 * @param {(index: number) => number} valueOf
 * @returns {[string, number][]}
 */
function entries(words, valueOf) {
  return words.flatMap((same, index) =>
    same.split("|").map((word) => /** @type {[string, number]} */ ([word, valueOf(index)])),
  );
}
