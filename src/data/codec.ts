import { PsessionError } from "../errors.ts";
import { assertEncodable, assertStorable } from "./storable.ts";

export { ASIDE } from "./keys.ts";

/** The data of a session as codecs get them: values by their keys. */
export type DataRecord = Record<string, unknown>;

/** Turns session data into the text that the store keeps, and back. */
export interface Codec {
  encode(data: DataRecord): string;
  decode(text: string): DataRecord;
  /**
   * Refuses what would not come back as it was, when it is set and before it is saved. `place` is what errors
   * call the data: "session.data".
   */
  check?(data: DataRecord, place?: string): void;
  /** The part of it that must run before data is encoded, in every request that used the data. Default: `check`. */
  precheck?(data: DataRecord, place?: string): void;
}

const MAYBE_FORBIDDEN = /"(?:__proto__|constructor|prototype)"|\\u/;

export const jsonCodec: Codec = {
  encode(data) {
    let text: string;
    try {
      text = JSON.stringify(data);
    } catch (cause) {
      throw new PsessionError(
        "invalid_data",
        "Session data cannot be written as JSON (circular, or a BigInt).",
        { cause },
      );
    }
    // A toJSON may return what no setter would accept; reading it would fail, and lock the session.
    if (MAYBE_FORBIDDEN.test(text)) assertEncodable(JSON.parse(text));
    return text;
  },
  decode(text) {
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      // The parser's own error quotes the text.
      throw new PsessionError("invalid_data", "A stored session holds data that is not JSON.");
    }
    if (typeof data !== "object" || data === null || Array.isArray(data)) {
      throw new PsessionError("invalid_data", "A stored session holds data that is not an object.");
    }
    if (MAYBE_FORBIDDEN.test(text)) assertEncodable(data);
    return data as DataRecord;
  },
  check: assertStorable,
  precheck: assertEncodable,
};
