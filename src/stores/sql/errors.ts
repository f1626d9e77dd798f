import { PsessionError, reasonOf } from "../../errors.ts";
import type { SqlFault } from "./statement.ts";

const ADVICE = {
  readonly: "It takes no writes: sessions need the primary, never a replica.",
  contention: "Others held on to the same rows for too long.",
  connection: "The connection broke.",
  unreachable: "No connection was to be had.",
  unique: "A key was taken that nobody else can have.",
  other: "",
} as const;

/** A fault of the database as an error of ours. Values of statements are in no message. */
export function storeError(name: string, { kind, cause }: SqlFault): PsessionError {
  if (cause instanceof PsessionError) return cause;
  if (kind === "schema") {
    return new PsessionError(
      "store_not_migrated",
      `The ${name} store lacks psession's tables or columns: make it with migrate: true, or run what \`psession schema\` prints.`,
      { cause },
    );
  }
  const reason = reasonOf(cause).replace(/\.$/, "");
  const message = `The ${name} store failed: ${reason}. ${ADVICE[kind]}`.trim();
  return new PsessionError("store_unavailable", message, { cause });
}
