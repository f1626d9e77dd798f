/** Compares letters as loose collations of databases do: without case, accents and forms. */
const { compare } = new Intl.Collator("und", { sensitivity: "base" });

const LONGEST = 1000;

const LETTERS = [..."abcdefghijklmnopqrstuvwxyz"];
/** What a letter of another alphabet or form may be equal to: a letter, two of them as "æ" is, or a digit. */
const PLAIN = [
  ..."0123456789",
  ...LETTERS,
  ...LETTERS.flatMap((first) => LETTERS.map((second) => first + second)),
].sort(compare);

/**
 * A name in one spelling for all that a database may take for the same: many find "ada@example.com" by "ADA@example.com",
 * "àdä@example.com" and "ⓐda@example.com", and with attempts of its own for each spelling there would be no limit. Two
 * names that are spelt alike have one spelling, and share a counter.
 */
export function folded(name: string): string {
  // A character may stand for eighteen; more than a long name is long says nothing more.
  const characters = [...name.normalize("NFKD").slice(0, LONGEST)];
  const plain = characters.map((character) => (character <= "\x7f" ? character : plainOf(character)));
  // The dot is what is left of "ŀ".
  const text = plain.join("").replace(/[\p{C}\p{Z}·]/gu, "");
  // "ß" is "ss" to some of them and "s" to others.
  return text.toUpperCase().toLowerCase().replace(/s+/g, "s");
}

function plainOf(character: string): string {
  if (compare(character, "") === 0) return "";
  let [from, to] = [0, PLAIN.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const order = compare(character, PLAIN[middle] ?? "");
    if (order === 0) return PLAIN[middle] ?? "";
    if (order < 0) to = middle;
    else from = middle + 1;
  }
  return /\p{M}/u.test(character) ? "" : character;
}
