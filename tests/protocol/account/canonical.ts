import { createHash } from "node:crypto";
import type { AuditEntry } from "../../../src/stores/audit.ts";
import { entriesIn, marksIn, requestOf } from "./trail.ts";
import type { Bounds, Ghost, World } from "./world.ts";

/** What the promises do not depend on, or what follows from other columns. */
const LEFT_OUT: ReadonlySet<string> = new Set(["pruneAfter", "salt", "keyId", "userAgent", "address"]);
const COUNTERS: ReadonlySet<string> = new Set(["version", "fence", "generation"]);
/** Ids, secrets and cookies, and times in text. */
const NAMES = /[A-Za-z0-9_-]{20,}|\b\d{6,}\b/g;

/**
 * A world's text up to what makes no difference: secrets by the order in which they occur, times by their distance from
 * now (all that are further than every window are one), counters by their distance from the row's.
 */
export function canonical(world: World, bounds: Bounds): string {
  const furthest = 14 + (bounds.lives?.idle ?? 0);
  const names = new Map<string, number>();
  const name = (value: string): string => {
    let known = names.get(value);
    if (known === undefined) {
      known = names.size;
      names.set(value, known);
    }
    return `#${known}`;
  };
  const age = (time: number): string => `@${Math.max(-furthest, Math.min(world.now - time, furthest))}`;
  const word = (text: string): string =>
    text.replace(NAMES, (found) => (/^\d+$/.test(found) ? age(Number(found)) : name(found)));
  const row = (id: string) => world.rows.sessions.get(id) ?? world.rows.logins.get(id);
  const text = (value: unknown): string => {
    if (value === undefined) return "-";
    if (typeof value === "number") return value > 100_000 ? age(value) : String(value);
    if (typeof value === "string") return word(value);
    if (value instanceof Uint8Array) return name(Buffer.from(value).toString("hex"));
    if (value instanceof Map || value instanceof Set || Array.isArray(value))
      return `[${Array.from(value as Iterable<unknown>, text).join(",")}]`;
    if (typeof value !== "object" || value === null) return String(value);
    const own = "id" in value && typeof value.id === "string" ? row(value.id) : undefined;
    const parts = Object.entries(value).map(([key, part]) => {
      if (LEFT_OUT.has(key) || part === undefined) return "";
      const now = own === undefined ? undefined : Reflect.get(own, key);
      if (COUNTERS.has(key) && typeof part === "number" && typeof now === "number")
        return `${key}${Math.max(-4, part - now)}`;
      return `${key}=${text(part)}`;
    });
    return `{${parts.join(" ")}}`;
  };
  const { rows, jar, disk, dirtySince, loot, travellers, sent, crimes, orders, ticks } = world;
  const newest = rows.marks.at(-1)?.at;
  const wasBefore = (id: number) => world.ghost.erasures.map(({ underWay }) => underWay.has(id));
  const entry = (by: number, { id, ...rest }: AuditEntry) => text([rest, wasBefore(by)]);
  const parts = [
    text(jar),
    text(disk),
    ...[...rows.logins.values()].map((each) => `${text(each)} ${each.generation}`),
    ...[...rows.sessions.values()].map(text),
    ...travellers
      .map(({ owner, running, stage, at, progress, isOrphan }) => {
        const { act, cookies, handle, openedAt, answers, commitAt, id } = running;
        const said = stage === "answering" ? text(progress?.cookies.map(({ value }) => value)) : "";
        const isAny = stage === "answering" ? [] : [openedAt, commitAt, answers];
        const { ghost } = world;
        const doomed = [ghost.doomed.get(id), ghost.couldAct.has(id), ghost.wasOwn.has(id), wasBefore(id)];
        return text([owner, act, cookies, handle, stage, at, isOrphan, said, doomed, ...isAny]);
      })
      .sort(),
    ...[...new Set(loot.map(text))].sort(),
    ...entriesIn(world.trail)
      .map((one) => entry(requestOf(one), one))
      .sort(),
    ...world.waiting.map((one) => entry(one.by, one.entry)).sort(),
    text(marksIn(world.trail).map(({ at }) => at)),
    text([dirtySince, newest, sent, crimes, orders, bounds.ticks - ticks]),
    ghostly(world.ghost, text),
  ];
  return createHash("sha1").update(parts.join("\n")).digest("base64");
}

/** Numbers of requests make no difference. */
function ghostly(
  { secrets, trusts, acting, marks, erasures, written, isThiefAbout, hasEnded }: Ghost,
  text: (value: unknown) => string,
) {
  return [
    text([...secrets].map(([digest, { row, by, ...rest }]) => [digest, rest])),
    text([...trusts].map(([digest, { by, ...rest }]) => [digest, rest])),
    text([...acting]),
    text(marks.map(({ at, user }) => [at, user])),
    text(erasures.map(({ at, user, isDone }) => [at, user, isDone])),
    text([...written.values()]),
    isThiefAbout,
    hasEnded,
  ].join(" ");
}
