import type { DataRecord } from "../../../data/codec.ts";
import { textsOf } from "../texts.ts";

/**
 * The arguments of `update` and of what signs in, with the results of functions among them as JSON gives them back. All data of
 * `req.session` is stored as JSON, so a Date becomes text here too, which psession's own session would refuse.
 */
export function throughJson(name: string, values: readonly unknown[]): readonly unknown[] {
  const [first] = values;
  if (name === "update" && typeof first === "function") {
    const update = (data: DataRecord) => {
      const result: unknown = first(data);
      becomeJson(data);
      return result;
    };
    return [update];
  }
  if (!CARRYING.has(name)) return values;
  const options = values.at(-1);
  const { carry } = (options ?? {}) as { carry?: unknown };
  if (typeof carry === "function") {
    const merge = (...given: unknown[]) => {
      const merged: unknown = carry(...given);
      return isRecord(merged) ? becomeJson({ ...merged }) : merged;
    };
    return [...values.slice(0, -1), { ...(options as object), carry: merge }];
  }
  return values;
}

/** Their last argument may say what becomes of the data. */
const CARRYING: ReadonlySet<string> = new Set(["login", "begin", "complete"]);

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
