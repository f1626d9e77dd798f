import { createRequire } from "node:module";

/** The package.json of psession, wherever this file has come to. */
export const manifest = createRequire(import.meta.url)("psession/package.json") as {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
};
