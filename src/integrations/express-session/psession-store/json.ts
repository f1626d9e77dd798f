import type { DataRecord } from "../../../data/codec.ts";
import { textsOf } from "../texts.ts";

/**
 * What functions leave that are handed to `update` and `login`, as JSON gives it back: everything in `req.session`
 * goes that way, so a Date becomes text there, too, where psession's own session refuses it.
 */
export function throughJson(name: string, values: readonly unknown[]): readonly unknown[] {
  const [first, options] = values;
  if (name === "update" && typeof first === "function") {
    const update = (data: DataRecord) => {
      const result: unknown = first(data);
      becomeJson(data);
      return result;
    };
    return [update];
  }
  const { carry } = (options ?? {}) as { carry?: unknown };
  if (name === "login" && typeof carry === "function") {
    const merge = (...given: unknown[]) => {
      const merged: unknown = carry(...given);
      return isRecord(merged) ? becomeJson({ ...merged }) : merged;
    };
    return [first, { ...(options as object), carry: merge }];
  }
  return values;
}

function becomeJson(data: DataRecord): DataRecord {
  const texts = textsOf(data);
  for (const key of Reflect.ownKeys(data) as string[]) {
    const text = texts.get(key);
    // The cookie is none of the data, and what JSON leaves out is not there.
    if (text !== undefined) data[key] = JSON.parse(text);
    else if (key !== "cookie") delete data[key];
  }
  return data;
}

const isRecord = (value: unknown): value is DataRecord =>
  typeof value === "object" && value !== null && !(value instanceof Promise);
