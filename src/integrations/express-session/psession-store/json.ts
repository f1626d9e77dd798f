import type { DataRecord } from "../../../data/codec.ts";
import { textsOf } from "../texts.ts";

/**
 * The arguments of `update` and `login`, with the results of functions among them as JSON gives them back. All data of
 * `req.session` is stored as JSON, so a Date becomes text here too, which psession's own session would refuse.
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
    // The cookie is no data; values that JSON leaves out are removed.
    if (text !== undefined) data[key] = JSON.parse(text);
    else if (key !== "cookie") delete data[key];
  }
  return data;
}

const isRecord = (value: unknown): value is DataRecord =>
  typeof value === "object" && value !== null && !(value instanceof Promise);
