import { PsessionError } from "../errors.ts";
import { DEEPEST, forbidden, isForbidden, tooDeep } from "./keys.ts";

/** Undefined where there is none. Nearly always all is well: the names of places are made only where it is not. */
type Fault = ((place: string) => PsessionError) | undefined;

/** Refuses values that JSON would change, or keys that reach a prototype; names the place. */
export function assertStorable(value: unknown, place = "session.data", isExact = true): void {
  const fault = faultIn(value, 0, isExact);
  if (fault !== undefined) throw fault(place);
}

/** As that, but for properties that JSON leaves out: looking for those takes several times as long as all the rest. */
export const assertEncodable = (value: unknown, place?: string): void => assertStorable(value, place, false);

// Makes no closures: what they capture would be allocated for each valid value, too.
function faultIn(value: unknown, depth: number, isExact: boolean): Fault {
  switch (typeof value) {
    case "string":
    case "boolean":
    // As a value of an object: its key is gone, as if it had been deleted.
    case "undefined":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : is(String(value), NUMBERS);
    case "object":
      return value === null ? undefined : faultInside(value, depth, isExact);
    case "bigint":
      return is("a bigint", TEXT);
    default:
      return is(`a ${typeof value}`, "leave it out");
  }
}

function faultInside(value: object, depth: number, isExact: boolean): Fault {
  if (depth > DEEPEST) return tooDeep;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return faultInList(value, prototype, depth, isExact);
  if (prototype !== Object.prototype && prototype !== null) return strange(value);
  if (hasToJson(value)) return TO_JSON;
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    if (isForbidden(key)) return ofKey(key);
    const fault = faultIn((value as Record<string, unknown>)[key], depth + 1, isExact);
    if (fault !== undefined) return within(fault, `.${key}`);
  }
  return isExact ? symbolOf(value) : undefined;
}

function faultInList(list: unknown[], prototype: unknown, depth: number, isExact: boolean): Fault {
  // The prototype of lists is a list itself, whichever realm it is from; that of a subclass is none.
  if (!Array.isArray(prototype)) return strange(list);
  if (hasToJson(list)) return TO_JSON;
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    // The first one ends the walk: a list of one item may have a length of a billion.
    const fault = item === undefined ? missing(index in list) : faultIn(item, depth + 1, isExact);
    if (fault !== undefined) return within(fault, `[${index}]`);
  }
  if (!isExact) return undefined;
  const name = Object.keys(list)[list.length];
  return name === undefined ? symbolOf(list) : is(`a list with "${name}"`, "store an object that has both");
}

/** JSON calls it, enumerable or not, and writes what it returns. */
const hasToJson = (value: object): boolean => typeof (value as { toJSON?: unknown }).toJSON === "function";

function symbolOf(value: object): Fault {
  const [symbol] = Object.getOwnPropertySymbols(value);
  if (symbol === undefined) return undefined;
  return is(`an object with a symbol as key (${String(symbol)})`, "use text as key");
}

/** Messages and temp values lie beside the data, in entries of their own. */
const BESIDE = /^session\.data\.psession:(flash|temp):(.*?)\.value(?=$|[.[])/;

const is =
  (what: string, instead: string): Fault =>
  (place) =>
    new PsessionError(
      "invalid_data",
      `${place.replace(BESIDE, "session.$1.$2")} is ${what}, which would not come back as it was: ${instead}.`,
    );

const within =
  (fault: NonNullable<Fault>, name: string): Fault =>
  (place) =>
    fault(place + name);

const ofKey =
  (key: string): Fault =>
  () =>
    forbidden(key);

const missing = (isThere: boolean): Fault =>
  is(isThere ? "undefined" : "a hole in a list", "store null in its place, or a shorter list");

const CODEC = "or use the codec of psession/devalue";
const TEXT = `store it as text, ${CODEC}`;
const NUMBERS = `store null in its place, ${CODEC}`;
const TO_JSON = is("an object with a method toJSON", "store what that returns");

function strange(value: object): Fault {
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
  const isNamed = typeof name === "string" && name !== "" && name !== "Object" && name !== "Array";
  const what = isNamed ? `a ${name}` : "an object of a class, or with a prototype of its own";
  return is(what, insteadOf(value));
}

function insteadOf(value: object): string {
  if (value instanceof Date) return `store its number (getTime()), ${CODEC}`;
  if (value instanceof Map || value instanceof Set) return `store its content as a list, ${CODEC}`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `store it as text (base64), ${CODEC}`;
  if (value instanceof RegExp || value instanceof URL || value instanceof BigInt) return TEXT;
  if (value instanceof Number || value instanceof String || value instanceof Boolean)
    return "store the value itself (valueOf())";
  if (Array.isArray(value)) return "store a plain list (Array.from)";
  return "store a plain object with what it holds";
}
