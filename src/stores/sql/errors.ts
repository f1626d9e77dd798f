import { PsessionError, reasonOf } from "../../errors.ts";
import { Misread, misreadError } from "./answers.ts";
import type { Dialect } from "./dialect.ts";
import type { SqlFault } from "./statement.ts";

const ADVICE = {
  denied:
    "The database's user lacks a right. Where it may not create tables, let one that may run what `psession schema` prints.",
  readonly: "It takes no writes: sessions need the primary, never a replica.",
  text: "Sessions need UTF-8 all the way: the connection's character set, the database's, and that of the tables' columns (utf8mb4 in MySQL).",
  pooled:
    "A pooler gives each transaction another connection, on which statements are not prepared: set the store's option prepare to false, or use PgBouncer 1.21 or later with max_prepared_statements.",
  contention: "Others held on to the same rows for too long.",
  connection: "The connection broke.",
  unreachable: "No connection was to be had.",
  unique: "A key was taken that nobody else can have.",
  other: "",
};

/** A fault of the database as an error of ours. Values of statements are in no message. `advice`: what differs. */
export function storeError(
  name: string,
  { kind, cause }: SqlFault,
  { rowSettings }: Pick<Dialect, "rowSettings">,
  advice: Partial<typeof ADVICE> = {},
): PsessionError {
  if (cause instanceof PsessionError) return cause;
  if (cause instanceof Misread) return misreadError(name, rowSettings, cause);
  const told = withoutValues(cause);
  if (kind === "schema") {
    return new PsessionError(
      "store_not_migrated",
      `The ${name} store lacks psession's tables or columns: make it with migrate: true, or run what \`psession schema\` prints. If they have other names, say so (options schema and tables).`,
      { cause: told },
    );
  }
  const reason = reasonOf(told).replace(/\.$/, "");
  if (kind === "exists") {
    return new PsessionError(
      "store_not_migrated",
      `The ${name} store's tables cannot be created: ${reason}. Rename or remove what is in the way, or give psession's tables other names (option tables).`,
      { cause: told },
    );
  }
  const message = `The ${name} store failed: ${reason}. ${advice[kind] ?? ADVICE[kind]}`.trim();
  return new PsessionError("store_unavailable", message, { cause: told });
}

/** What the database refuses for its content may be the fault of one of several; anything else concerns all of them. */
export const isOutageOf =
  ({ classify }: Pick<Dialect, "classify">) =>
  (error: unknown): boolean => {
    const cause = error instanceof PsessionError ? error.cause : undefined;
    if (cause === undefined) return true;
    return !(cause instanceof Misread) && !["other", "text"].includes(classify(cause));
  };

/** What drivers hang on their errors that holds values: mariadb the whole statement, PostgreSQL the failing row. */
const TELLING = ["sql", "sqlMessage", "detail", "where", "parameters", "query", "args"];

/** A copy of a driver's error for logs: its own sentence and codes, without the statement and its values. */
function withoutValues(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { sqlMessage } = error as { sqlMessage?: unknown };
  const message = typeof sqlMessage === "string" ? sqlMessage : (error.message.split("\nsql: ")[0] ?? "");
  const copy = new Error(message);
  copy.name = error.name;
  const frames = error.stack?.split("\n").filter((line) => line.startsWith("    at ")) ?? [];
  copy.stack = [`${error.name}: ${message}`, ...frames].join("\n");
  for (const [key, value] of Object.entries(error)) {
    const isPlain = ["string", "number", "boolean"].includes(typeof value);
    if (isPlain && !TELLING.includes(key)) Object.assign(copy, { [key]: value });
  }
  return copy;
}
