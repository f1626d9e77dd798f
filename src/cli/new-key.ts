import { randomBytes } from "node:crypto";

const MADE = /^\d{8}T\d{6}\.\d{3}Z(?=\.[\w-]{43}$)/;

/** 32 random bytes behind the time at which they were made: so it is known which of several is the newest. */
export const newKey = (): string =>
  `${new Date().toISOString().replace(/[-:]/g, "")}.${randomBytes(32).toString("base64url")}`;

/** Where the newest is of those that say when they were made; -1 where none does. */
export function newestOf(keys: readonly string[]): number {
  const made = keys.map((key) => MADE.exec(key)?.[0] ?? "");
  const latest = made.reduce((a, b) => (b > a ? b : a), "");
  return latest === "" ? -1 : made.indexOf(latest);
}
