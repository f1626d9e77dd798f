import type { Codec, DataRecord } from "../../data/codec.ts";
import { assertKeys, assertShape } from "../../data/shape.ts";
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
      assertKeys(data);
      return data as DataRecord;
    },
    check: assertShape,
  };
}
