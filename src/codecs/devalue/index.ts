import { type Codec, type DataRecord, DEEPEST, refuseKey } from "../../data/codec.ts";
import { PsessionError } from "../../errors.ts";

/** What we use of the package devalue: all that it exports fits. */
export interface Devalue {
  stringify(value: unknown): string;
  parse(text: string): unknown;
}

/**
 * Data with dates, maps, sets, bigints, typed arrays, repeated and circular references, as the package devalue
 * writes them. Class instances and functions are refused.
 */
export function devalueCodec({ stringify, parse }: Devalue): Codec {
  return {
    encode(data) {
      try {
        return stringify(data);
      } catch (cause) {
        throw new PsessionError(
          "invalid_data",
          "Session data holds something that devalue cannot write, such as a function or a class instance.",
          { cause },
        );
      }
    },
    decode(text) {
      let data: unknown;
      try {
        data = parse(text);
      } catch (cause) {
        throw new PsessionError("invalid_data", "A stored session holds data that devalue cannot read.", {
          cause,
        });
      }
      if (typeof data !== "object" || data === null || Object.getPrototypeOf(data) !== Object.prototype) {
        throw new PsessionError("invalid_data", "A stored session holds data that is not an object.");
      }
      assertKeys(data, new Set(), 0);
      return data as DataRecord;
    },
    check(data) {
      assertKeys(data, new Set(), 0);
    },
  };
}

/** Keys that reach a prototype, and nesting that exhausts the stack of whoever walks it. */
function assertKeys(value: unknown, seen: Set<object>, depth: number): void {
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  if (depth > DEEPEST) {
    throw new PsessionError("invalid_data", `Session data is nested deeper than ${DEEPEST} levels.`);
  }
  seen.add(value);
  if (value instanceof Map || value instanceof Set) {
    for (const item of value instanceof Map ? [...value].flat() : value) assertKeys(item, seen, depth + 1);
    return;
  }
  if (ArrayBuffer.isView(value)) return;
  for (const [key, item] of Object.entries(value)) {
    refuseKey(key);
    assertKeys(item, seen, depth + 1);
  }
}
