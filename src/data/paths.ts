import { PsessionError } from "../errors.ts";
import type { DataRecord } from "./codec.ts";
import { assertKey, DEEPEST, refuseKey, refuseTopKey, shortened, tooDeep } from "./keys.ts";

/** Reads and writes by dot path ("cart.items.0"), through own properties only. */
export function getPath(data: DataRecord, path: string): unknown {
  let at: unknown = data;
  for (const key of keysOf(path)) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as DataRecord)[key];
  }
  return at;
}

export function setPath(data: DataRecord, path: string, value: unknown): void {
  const keys = keysOf(path);
  refuseTopKey(keys[0] ?? "");
  // Before anything is made: thousands of levels would exhaust the stack of code that walks them.
  if (keys.length > DEEPEST) throw tooDeep();
  const last = keys.pop();
  if (last === undefined) return;
  let at: object = data;
  for (const key of keys) {
    assertPlace(at, key, path);
    const next: unknown = Object.hasOwn(at, key) ? (at as DataRecord)[key] : undefined;
    if (next === undefined) {
      const made: DataRecord = {};
      (at as DataRecord)[key] = made;
      at = made;
    } else if (typeof next === "object" && next !== null) {
      at = next;
    } else {
      throw new PsessionError(
        "invalid_data",
        `"${shortened(path)}" leads through a value that is not an object.`,
      );
    }
  }
  assertPlace(at, last, path);
  (at as DataRecord)[last] = value;
}

/** Adds to the end of a list, which is made where it is missing. */
export function pushPath(data: DataRecord, path: string, items: unknown[]): void {
  const list = getPath(data, path);
  if (list === undefined) setPath(data, path, items);
  else if (Array.isArray(list)) list.push(...items);
  else throw new PsessionError("invalid_data", `"${path}" holds something that is no list.`);
}

export function removePath(data: DataRecord, path: string): void {
  const keys = keysOf(path);
  const last = keys.pop();
  if (last === undefined) return;
  const parent = keys.length === 0 ? data : getPath(data, keys.join("."));
  if (Array.isArray(parent)) {
    if (isPlace(last) && Number(last) < parent.length) parent.splice(Number(last), 1);
  } else if (isPlain(parent)) {
    delete (parent as DataRecord)[last];
  }
}

/** Gives what `removePath` takes away: a list's length, for one, is read by `getPath` only. */
export function pullPath(data: DataRecord, path: string): unknown {
  const keys = keysOf(path);
  const last = keys.pop() ?? "";
  const parent = keys.length === 0 ? data : getPath(data, keys.join("."));
  if (Array.isArray(parent) ? !isPlace(last) : !isPlain(parent)) return undefined;
  const value = getPath(data, path);
  removePath(data, path);
  return value;
}

/** A key that is no index would leave a list with millions of holes, or with a property that no codec keeps. */
function assertPlace(at: object, key: string, path: string): void {
  if (Array.isArray(at)) {
    if (isPlace(key) && Number(key) <= at.length) return;
    throw new PsessionError("invalid_data", `"${shortened(path)}" names no place in a list of ${at.length}.`);
  }
  if (isPlain(at)) return;
  const name = at.constructor?.name ?? "value";
  throw new PsessionError(
    "invalid_data",
    `"${shortened(path)}" leads through a ${name}, whose content has no paths: change it by its own methods.`,
  );
}

/** As numbers are written: "01", "1e3" and "-0" would be other places than they look like. */
const isPlace = (key: string): boolean => /^(?:0|[1-9]\d*)$/.test(key);

function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function keysOf(path: string): string[] {
  assertKey(path);
  const keys = path.split(".");
  for (const key of keys) {
    if (key === "")
      throw new PsessionError("invalid_data", `"${shortened(path)}" is no path: a part of it is empty.`);
    refuseKey(key);
  }
  return keys;
}
