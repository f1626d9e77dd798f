import { randomBytes } from "node:crypto";

const MADE = /^\d{8}T\d{6}\.\d{3}Z(?=\.[\w-]{43}$)/;

/** The time, and 32 random bytes: the time shows which of several keys is the newest. */
export const newKey = (): string =>
  `${new Date().toISOString().replace(/[-:]/g, "")}.${randomBytes(32).toString("base64url")}`;

/** The index of the newest key that begins with its time; -1 if none does. */
export function newestOf(keys: readonly string[]): number {
  const made = keys.map((key) => MADE.exec(key)?.[0] ?? "");
  const latest = made.reduce((a, b) => (b > a ? b : a), "");
  return latest === "" ? -1 : made.indexOf(latest);
}
