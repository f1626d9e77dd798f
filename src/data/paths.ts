import { PsessionError } from "../errors.ts";
import { type DataRecord, refuseKey, refuseTopKey } from "./codec.ts";

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
  const last = keys.pop();
  if (last === undefined) return;
  let at = data;
  for (const key of keys) {
    const next = Object.hasOwn(at, key) ? at[key] : undefined;
    if (next === undefined) {
      const made: DataRecord = {};
      at[key] = made;
      at = made;
    } else if (typeof next === "object" && next !== null) {
      at = next as DataRecord;
    } else {
      throw new PsessionError("invalid_data", `"${path}" leads through a value that is no object.`);
    }
  }
  if (Array.isArray(at) && !(/^\d+$/.test(last) && Number(last) <= at.length)) {
    throw new PsessionError("invalid_data", `"${path}" names no place in a list of ${at.length}.`);
  }
  at[last] = value;
}

export function removePath(data: DataRecord, path: string): void {
  const keys = keysOf(path);
  const last = keys.pop();
  if (last === undefined) return;
  const parent = keys.length === 0 ? data : getPath(data, keys.join("."));
  if (Array.isArray(parent)) {
    const index = Number(last);
    if (Number.isInteger(index) && index >= 0 && index < parent.length) parent.splice(index, 1);
  } else if (typeof parent === "object" && parent !== null) {
    delete (parent as DataRecord)[last];
  }
}

function keysOf(path: string): string[] {
  const keys = path.split(".");
  for (const key of keys) {
    if (key === "") throw new PsessionError("invalid_data", `"${path}" is no path: a part of it is empty.`);
    refuseKey(key);
  }
  return keys;
}
