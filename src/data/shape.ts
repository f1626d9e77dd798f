import { PsessionError } from "../errors.ts";
import { DEEPEST, refuseKey, tooDeep } from "./keys.ts";

interface Walk {
  readonly seen: Set<object>;
  readonly refusesHoles: boolean;
}

/**
 * What every codec needs: keys that reach no prototype, an end of the nesting, and lists without holes, as one
 * assignment makes a billion of those, over which code that writes the list then counts.
 */
export function assertShape(data: unknown): void {
  walk(data, 0, { seen: new Set(), refusesHoles: true });
}

/** For stored data. Holes were once accepted there, and must not lock the session. */
export function assertKeys(data: unknown): void {
  walk(data, 0, { seen: new Set(), refusesHoles: false });
}

function walk(value: unknown, depth: number, how: Walk): void {
  const { seen } = how;
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  if (depth > DEEPEST) throw tooDeep();
  seen.add(value);
  if (value instanceof Map || value instanceof Set) {
    for (const item of value instanceof Map ? [...value].flat() : value) walk(item, depth + 1, how);
    return;
  }
  if (Array.isArray(value)) return walkList(value, depth, how);
  if (ArrayBuffer.isView(value)) return;
  for (const [key, item] of Object.entries(value)) {
    refuseKey(key);
    walk(item, depth + 1, how);
  }
}

function walkList(list: unknown[], depth: number, how: Walk): void {
  if (!how.refusesHoles) {
    for (const item of Object.values(list)) walk(item, depth + 1, how);
    return;
  }
  for (let index = 0; index < list.length; index++) {
    if (!(index in list)) throw hole(index, list.length);
    walk(list[index], depth + 1, how);
  }
}

const hole = (index: number, length: number): PsessionError =>
  new PsessionError(
    "invalid_data",
    `A list of ${length} in session data has a hole at ${index}: store null in its place, or a shorter list.`,
  );
