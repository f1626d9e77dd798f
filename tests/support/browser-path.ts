import { existsSync } from "node:fs";

/** A browser's program, from PSESSION_<NAME> or where systems put it. */
export const findBrowser = (name: string, places: readonly string[]): string | undefined =>
  [process.env[variableOf(name)] ?? "", ...places].find((path) => path !== "" && existsSync(path));

/** True where tests in that browser cannot run, which a line says; in CI that is a failure instead. */
export function isBrowserMissing(name: string, path: string | undefined): boolean {
  if (path !== undefined) return false;
  const missing = `${name} was not found (set ${variableOf(name)}), so the tests in it are left out.`;
  if (process.env["CI"]) throw new Error(missing);
  console.log(missing);
  return true;
}

const variableOf = (name: string): string => `PSESSION_${name.toUpperCase()}`;
