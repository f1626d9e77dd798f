import * as v from "valibot";
import type { Secrets } from "./public.ts";

const SHORTEST_KEY_BYTES = 32;

const NO_SECRET =
  "is missing: 32 random bytes as text (npx psession keys generate). Is the environment variable set?";

/** What stands between the commas of a text; anything else as it is. */
export function listOfSecrets<T>(given: T): T | string[] {
  return typeof given === "string" ? given.split(",").map((secret) => secret.trim()) : given;
}

const isThere = (value: unknown): boolean => value !== undefined && value !== "";

const key = v.pipe(
  v.custom<string | Uint8Array>(isThere, NO_SECRET),
  v.union([v.string(), v.instance(Uint8Array)], "must be text or bytes"),
  v.check(
    (value) => Buffer.byteLength(value) >= SHORTEST_KEY_BYTES,
    `must have at least ${SHORTEST_KEY_BYTES} bytes`,
  ),
  v.check((value) => new Set<string | number>(value).size >= 8, "is too regular to be random"),
);

export const secrets = v.optional(
  v.pipe(
    v.custom<Secrets>(isThere, NO_SECRET),
    v.transform(listOfSecrets),
    v.array(key, "must be a list of secrets, or text with commas between them"),
    v.minLength(1, "must hold at least one secret"),
  ),
  // Run through the checks above, like the option itself.
  () => "",
);
