import { PsessionError } from "../errors.ts";

export type DataRecord = Record<string, unknown>;

/** Turns session data into the text that the store keeps, and back. */
export interface Codec {
  encode(data: DataRecord): string;
  decode(text: string): DataRecord;
  /** Refuses, before data is saved, what would not come back as it was. */
  check?(data: DataRecord): void;
}

/** Keys that reach an object's prototype; refused at every depth. */
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);
const MAYBE_FORBIDDEN = /"(?:__proto__|constructor|prototype)"|\\u/;
export const DEEPEST = 64;

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
    // A toJSON may return what nobody could have set; it would lock the session when it is read.
    if (MAYBE_FORBIDDEN.test(text)) assertStorable(JSON.parse(text));
    return text;
  },
  decode(text) {
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch (cause) {
      throw new PsessionError("invalid_data", "A stored session holds data that is not JSON.", { cause });
    }
    if (typeof data !== "object" || data === null || Array.isArray(data)) {
      throw new PsessionError("invalid_data", "A stored session holds data that is not an object.");
    }
    if (MAYBE_FORBIDDEN.test(text)) assertStorable(data);
    return data as DataRecord;
  },
  check: (data) => assertStorable(data),
};

export function refuseKey(key: string): void {
  if (FORBIDDEN_KEYS.has(key)) throw forbidden(key);
}

const forbidden = (key: string): PsessionError =>
  new PsessionError("invalid_data", `"${key}" cannot be a key of session data.`);

/** Keys of what is kept beside the data, in the same text, so that it is merged and saved with it. */
export const ASIDE = "psession:";

export const isAside = (key: string): boolean => key.startsWith(ASIDE);

/** For keys that the application chooses at the top of its data. */
export function refuseTopKey(key: string): void {
  if (isAside(key))
    throw new PsessionError("invalid_data", `Keys that begin with "${ASIDE}" are psession's own.`);
  refuseKey(key);
}

/** Refuses what would come back as something else, or reach a prototype; names the place. */
export function assertStorable(value: unknown): void {
  // Nearly always all is well: the names of places are made only where it is not.
  const fault = faultIn(value, 0);
  if (fault !== undefined) throw fault("data");
}

/** Undefined where there is none. */
type Fault = ((path: string) => PsessionError) | undefined;

function faultIn(value: unknown, depth: number): Fault {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : (path) => notStorable(path, String(value));
    case "object":
      return value === null ? undefined : faultInside(value, depth);
    default:
      return (path) => notStorable(path, `a ${typeof value}`);
  }
}

function faultInside(value: object, depth: number): Fault {
  if (depth > DEEPEST) {
    return () => new PsessionError("invalid_data", `Session data is nested deeper than ${DEEPEST} levels.`);
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const fault = faultIn(value[index], depth + 1);
      if (fault !== undefined) return (path) => fault(`${path}[${index}]`);
    }
    return undefined;
  }
  if ("toJSON" in value && typeof value.toJSON === "function") return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return (path) => notStorable(path, `a ${value.constructor?.name ?? "class instance"}`);
  }
  for (const key of Object.keys(value)) {
    if (FORBIDDEN_KEYS.has(key)) return () => forbidden(key);
    const fault = faultIn((value as DataRecord)[key], depth + 1);
    if (fault !== undefined) return (path) => fault(`${path}.${key}`);
  }
  return undefined;
}

function notStorable(path: string, what: string): PsessionError {
  return new PsessionError(
    "invalid_data",
    `session.${path} is ${what}, which would not come back as it was.`,
  );
}
