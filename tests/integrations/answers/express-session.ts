/** An answer as it was heard, and what its handler noted. */
interface Answer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly seen: readonly unknown[];
}
type Fact = (plain: Answer) => Answer;

/** It leaves without its length, as `end` writes first what it was given, and ends when the session is saved. */
const inChunks: Fact = (plain) => {
  const { "content-length": _length, ...headers } = plain.headers;
  return { ...plain, headers: { ...headers, "transfer-encoding": "chunked" } };
};

/** What is too small to be packed is packed, as it is written before it is known to be all. */
const packed: Fact = (plain) => ({ ...plain, headers: { ...plain.headers, "content-encoding": "gzip" } });

/** A callback of `end` is never called. */
const uncalled =
  (name: string): Fact =>
  (plain) => ({ ...plain, seen: plain.seen.filter((note) => [note].flat()[0] !== name) });

/** What was ended does not say so while the session is being saved. */
const unended: Fact = (plain) => {
  const last = plain.seen.at(-1) as [string, object];
  const ended = [last[0], { ...last[1], writableEnded: false, finished: false }];
  return { ...plain, seen: [...plain.seen.slice(0, -1), ended] };
};

/** A listener of a pipe stays on the response. */
const listening: Fact = (plain) => ({ ...plain, seen: [["drain", 1]] });

const all =
  (...facts: readonly Fact[]): Fact =>
  (plain) =>
    facts.reduce((answer, fact) => fact(answer), plain);

/**
 * Where answers with express-session 1.19 differ from those without sessions, whatever is stored: facts about it, so that
 * nobody takes them for its interface. Ours have none of them (docs/express-session.md).
 */
export const KNOWN: Readonly<Record<"absent" | "before" | "after", Readonly<Record<string, Fact>>>> = {
  absent: {
    end: inChunks,
    "end with text": all(inChunks, unended),
    "end with text that is worth packing": inChunks,
    "end with bytes": inChunks,
    "end with a callback": inChunks,
    "write, then end": unended,
    "a hint before the answer": inChunks,
    "a second end": inChunks,
    "a second end with a callback": all(inChunks, uncalled("second")),
    "a change while the body is written, and what comes after the end": uncalled("ended again"),
    "a body that is no body": inChunks,
    "the end is heard": inChunks,
    "nothing is left behind by a pipe": listening,
  },
  before: {
    "end with text": packed,
    "end with bytes": packed,
    "end with a callback": all(packed, uncalled("callback")),
    "a hint before the answer": packed,
    "a second end": packed,
    "a second end with a callback": all(packed, uncalled("second")),
    "the end is heard": packed,
  },
  after: { "a second end with a callback": uncalled("second") },
};
