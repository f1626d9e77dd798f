import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonCodec } from "../../src/data/codec.ts";
import { TrackedData } from "../../src/data/tracked-data.ts";

/** What becomes of one key: loaded as `was`, made `mine` here, and stored as `theirs` by somebody else. */
function merged(key: string, was: unknown, mine: unknown, theirs: unknown) {
  const text = (value: unknown) => JSON.stringify(value === undefined ? {} : { [key]: value });
  const data = new TrackedData(jsonCodec, 1000, text(was));
  const part = key.startsWith("psession:") ? data.asides : data.value;
  if (mine === undefined) delete part[key];
  else part[key] = mine;
  // Something else changed as well, or there would be nothing to merge.
  const conflicts = data.rebase(JSON.stringify({ ...JSON.parse(text(theirs)), other: 1 }));
  return { value: part[key], conflict: conflicts.includes(key) };
}

const NONE = undefined;

describe("one key, by what it was, what it is here and what others made of it", () => {
  // was, mine, theirs: what is right for data, and for what is kept beside it, where that differs
  const table: [unknown, unknown, unknown, unknown, { conflict?: true; aside?: unknown }?][] = [
    [NONE, NONE, NONE, NONE],
    [NONE, NONE, "b", "b"],
    [NONE, "a", NONE, "a"],
    [NONE, "a", "a", "a"],
    [NONE, "a", "b", "a", { conflict: true }],
    ["x", "x", "x", "x"],
    ["x", "x", NONE, NONE],
    ["x", "x", "b", "b"],
    ["x", NONE, "x", NONE],
    ["x", NONE, NONE, NONE],
    ["x", NONE, "b", NONE, { conflict: true, aside: "b" }],
    ["x", "a", "x", "a"],
    ["x", "a", "a", "a"],
    ["x", "a", NONE, "a", { conflict: true }],
    ["x", "a", "b", "a", { conflict: true }],
  ];
  for (const [was, mine, theirs, value, { conflict = false, aside = value } = {}] of table) {
    test(`${was}, ${mine}, ${theirs}`, () => {
      expect(merged("key", was, mine, theirs)).toEqual({ value, conflict });
      // What took the place of what had its time is no conflict: it is another.
      const isOvertaken = mine === undefined && aside !== undefined;
      expect(merged("psession:temp:key", was, mine, theirs)).toEqual({
        value: aside,
        conflict: conflict && !isOvertaken,
      });
    });
  }
});

test("after any changes of two requests, untouched keys stay and removed ones are gone", () => {
  const entry = fc.constantFrom("a", "b", "c");
  const entries = fc.dictionary(fc.constantFrom("1", "2", "3", "4"), entry, { noNullPrototype: true });
  const change = fc.dictionary(fc.constantFrom("1", "2", "3", "4"), fc.option(entry, { nil: undefined }), {
    noNullPrototype: true,
  });
  const named = (record: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [`psession:flash:${key}`, value]));
  fc.assert(
    fc.property(entries, change, change, (was, ours, others) => {
      const data = new TrackedData(jsonCodec, 1000, JSON.stringify(named(was)));
      for (const [key, value] of Object.entries(named(ours))) {
        if (value === undefined) delete data.asides[key];
        else data.asides[key] = value;
      }
      data.rebase(JSON.stringify(named({ ...was, ...others })));
      for (const [key, value] of Object.entries(named(was))) {
        const name = key.slice("psession:flash:".length);
        const isTouched = name in others && others[name] !== value;
        if (name in ours && ours[name] === undefined && !isTouched) expect(data.asides[key]).toBeUndefined();
        if (!(name in ours) && !isTouched) expect(data.asides[key]).toBe(value);
      }
    }),
  );
});
