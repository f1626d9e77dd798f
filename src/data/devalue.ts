import { PsessionError } from "../errors.ts";
import type { Codec, DataRecord } from "./codec.ts";
import { assertKeys, assertShape } from "./shape.ts";

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
      } catch (error) {
        throw new PsessionError(
          "invalid_data",
          `Session data holds something that devalue cannot write, such as a function or a class instance${placeIn(error)}.`,
        );
      }
    },
    decode(text) {
      let data: unknown;
      try {
        data = parse(text);
      } catch {
        throw new PsessionError("invalid_data", "A stored session holds data that devalue cannot read.");
      }
      if (typeof data !== "object" || data === null || Object.getPrototypeOf(data) !== Object.prototype) {
        throw new PsessionError("invalid_data", "A stored session holds data that is not an object.");
      }
      assertKeys(data);
      return data as DataRecord;
    },
    check: assertShape,
  };
}

/** Errors of devalue carry all of the data: only the place is reported, and not where a value is part of its path. */
function placeIn(error: unknown): string {
  const path = typeof error === "object" && error !== null && "path" in error ? error.path : undefined;
  return typeof path === "string" && /^[\w$.[\]]+$/.test(path) ? `, at ${path}` : "";
}
