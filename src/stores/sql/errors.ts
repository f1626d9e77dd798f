import { PsessionError } from "../../errors.ts";
import { driverError } from "../messages/driver-error.ts";
import { Misread, misreadError } from "./answers.ts";
import type { Dialect } from "./dialect.ts";
import type { FaultKind, SqlFault } from "./statement.ts";

const ADVICE = {
  denied:
    "The database's user lacks a right. Where it may not create tables, let one that may run what `psession schema` prints.",
  readonly: "It takes no writes: sessions need the primary, never a replica.",
  text: "Sessions need UTF-8 all the way: the connection's character set, the database's, and that of the tables' columns (utf8mb4 in MySQL).",
  pooled:
    "A pooler gives each transaction another connection, on which statements are not prepared: set the store's option prepare to false, or use PgBouncer 1.21 or later with max_prepared_statements.",
  untransacted:
    "A pooler that gives each statement another connection takes no transactions, and sessions need them: with PgBouncer set pool_mode = transaction, for this database at least, or give psession a pool that reaches the server itself.",
  contention: "Others held on to the same rows for too long.",
  connection: "The connection broke.",
  unreachable: "No connection was to be had.",
  unique: "A key was taken that no other row can have.",
  other: "",
};

/** Of errors that were made here. What is left of a driver's error may not say it any more. */
const kinds = new WeakMap<PsessionError, FaultKind>();

/** A fault of the database as a `PsessionError`, without values of rows. `advice`: what differs. */
export function storeError(
  name: string,
  fault: SqlFault,
  { rowSettings }: Pick<Dialect, "rowSettings">,
  advice: Partial<typeof ADVICE> = {},
): PsessionError {
  const { kind, cause } = fault;
  if (cause instanceof PsessionError) return cause;
  if (cause instanceof Misread) return misreadError(name, rowSettings, cause);
  const error = errorOf(name, fault, advice);
  kinds.set(error, kind);
  return error;
}

function errorOf(
  name: string,
  { kind, cause, isBare }: SqlFault,
  advice: Partial<typeof ADVICE>,
): PsessionError {
  const copy = driverError(cause, { isBare });
  if (kind === "schema") {
    return new PsessionError(
      "store_not_migrated",
      `The ${name} store lacks psession's tables or columns: make it with migrate: true, or run what \`psession schema\` prints. If they have other names, say so (options schema and tables).`,
      { cause: copy },
    );
  }
  const reason = copy.message.replace(/\.$/, "");
  if (kind === "exists") {
    return new PsessionError(
      "store_not_migrated",
      `The ${name} store's tables cannot be created: ${reason}. Rename or remove what is in the way, or give psession's tables other names (option tables).`,
      { cause: copy },
    );
  }
  const message = `The ${name} store failed: ${reason}. ${advice[kind] ?? ADVICE[kind]}`.trim();
  return new PsessionError("store_unavailable", message, { cause: copy });
}

/** What the database refuses for its content may be the fault of one of several; anything else concerns all of them. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof PsessionError) || error.cause instanceof Misread) return false;
  const kind = kinds.get(error);
  return kind !== "other" && kind !== "text";
}
