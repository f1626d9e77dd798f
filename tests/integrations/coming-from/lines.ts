import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { HttpClient } from "../../support/http.ts";

// biome-ignore lint/suspicious/noExplicitAny: handlers run on two libraries with types of their own.
export type Any = any;
type Handler = (...given: Any[]) => unknown;
export type Routes = Readonly<Record<string, Handler>>;

/** One line of a page's table: the same visits to an application of the other library, and to one of ours. */
export interface Line {
  readonly theirs: Routes;
  /** What to write instead. Left out where the code stays as it is. */
  readonly ours?: Routes;
  visit(client: HttpClient, side: "theirs" | "ours"): Promise<unknown>;
  /** What the visitor sees in both. */
  readonly both?: unknown;
  /** Or what differs. */
  readonly there?: unknown;
  readonly here?: unknown;
}

/** Serves routes that answer with what their handler gives, or with the code of what it throws. */
export type Serve = (routes: Routes) => Promise<string>;

/** The answers of these paths, one after the other, to one browser. */
export async function visited(client: HttpClient, ...paths: string[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const path of paths) answers.push((await client.get(path)).json);
  return answers;
}

/** The first path by this browser; the others by somebody who has a copy of the cookies from before. */
export async function withOldCookies(
  client: HttpClient,
  first: string,
  ...others: string[]
): Promise<unknown[]> {
  const thief = new HttpClient(client.base);
  thief.jar = new Map(client.jar);
  const answers = await visited(client, first);
  for (const path of others) {
    const jar = new Map(thief.jar);
    answers.push(...(await visited(thief, path)));
    thief.jar = jar;
  }
  return answers;
}

/** Holds every line of a page's table to what it says: the test of a line is named as its first cell. */
export function describeLines(
  page: string,
  heading: string,
  sides: { readonly theirs: Serve; readonly ours: Serve },
  lines: Readonly<Record<string, Line>>,
): void {
  describe(`${page}, ${heading}`, () => {
    test("every line of the table is tried", () => {
      expect(Object.keys(lines)).toEqual(firstCells(page, heading));
    });

    test.each(Object.entries(lines))("%s", async (_, { theirs, ours = theirs, visit, ...seen }) => {
      const there = await visit(new HttpClient(await sides.theirs(theirs)), "theirs");
      const here = await visit(new HttpClient(await sides.ours(ours)), "ours");
      const expected = "both" in seen ? { there: seen.both, here: seen.both } : seen;
      expect({ there, here }).toEqual(expected);
    });
  });
}

/** Every option of the other library is named, with what becomes of it. */
export function describeOptions(page: string, heading: string, names: readonly string[]): void {
  test(`${page}, ${heading}: every option is there`, () => {
    const table = firstCells(page, `# ${heading}`).join(" ");
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(table))).toEqual([]);
    expect(names.length).toBeGreaterThan(4);
  });
}

/** The first cells of the table in a section, without its head. */
function firstCells(page: string, heading: string): string[] {
  const text = readFileSync(new URL(`../../../docs/frameworks/${page}`, import.meta.url), "utf8");
  const [, after = ""] = text.split(`\n##${heading.startsWith("#") ? "" : " "}${heading}\n`);
  const [section = ""] = after.split(/\n###? /);
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((row) => row.split(" | ")[0]?.slice(2) ?? "");
}
