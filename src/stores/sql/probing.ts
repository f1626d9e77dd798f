import type { Probe } from "./dialect.ts";
import type { SqlValue } from "./statement.ts";

/** Of two bytes in Latin-1 and its kin, of three, and of four, which MySQL's older "utf8" does not have. */
export const PROBE_TEXT = "é€🛒";
export const PROBE_TEXT_HEX = Buffer.from(PROBE_TEXT).toString("hex");

/** As long as a digest, with bytes that are none of any text, and those that texts escape. */
export const PROBE_BYTES = Buffer.from(
  "00ff5c27220a0d1a80c3a9e282acf09f9b92feedface0123456789abcdef7f00",
  "hex",
);
export const PROBE_BYTES_HEX = PROBE_BYTES.toString("hex");

/** The largest number that is exact. */
export const PROBE_NUMBER = Number.MAX_SAFE_INTEGER;

interface Parts {
  /** Column, what it is of, an expression that is text, its values, and what that text must be, in lower case. */
  readonly sent: readonly (readonly [
    column: string,
    what: string,
    sql: string,
    values: readonly SqlValue[],
    as: string,
  ])[];
  readonly back: readonly (readonly [
    column: string,
    what: string,
    sql: string,
    values: readonly SqlValue[],
    is: (value: unknown) => boolean,
  ])[];
  /** Settings of the connection that sessions cannot live with, as text. */
  readonly unfit?: string;
  /** Tables whose rows are hidden, as text. */
  readonly hidden?: readonly [sql: string, values: readonly SqlValue[]];
}

/** Puts a probe together from what each value is sent and comes back as. */
export function probeOf({ sent, back, unfit, hidden }: Parts): Probe {
  const columns = [...sent, ...back].map(([column, , sql]) => `${sql} AS ${column}`);
  if (unfit !== undefined) columns.push(`${unfit} AS unfit`);
  columns.push(`${hidden === undefined ? "''" : hidden[0]} AS hidden`);
  return {
    sql: `SELECT ${columns.join(", ")}`,
    values: [...[...sent, ...back].flatMap(([, , , values]) => values), ...(hidden?.[1] ?? [])],
    sent: Object.fromEntries(sent.map(([column, what, , , as]) => [column, { what, as }])),
    back: Object.fromEntries(back.map(([column, what, , , is]) => [column, { what, is }])),
    unfit: unfit !== undefined,
  };
}

/** Whether what came is this whole number, as any driver gives it. */
export const isNumber =
  (number: number) =>
  (value: unknown): boolean =>
    ["number", "bigint", "string"].includes(typeof value) && String(value) === String(number);

export const isBytes =
  (bytes: Uint8Array) =>
  (value: unknown): boolean => {
    const given = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
    return given instanceof Uint8Array && Buffer.from(given).equals(bytes);
  };

export const isText =
  (text: string) =>
  (value: unknown): boolean =>
    value === text;

export const isNull = (value: unknown): boolean => value === null;

/** What a condition comes back as: text, as drivers give numbers and booleans in many ways. */
export const yes = (condition: string): string => `CASE WHEN ${condition} THEN 'yes' ELSE 'no' END`;
