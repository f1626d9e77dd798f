import { withoutValuesIn } from "./sentences.ts";

/*
 * Drivers and databases put values of rows into what they throw: `Key (user_id)=(…) already exists`, `Duplicate entry '…'`,
 * the statement of a trigger, the query with its parameters, in the message, beside it, in the stack and in causes. Errors
 * get into logs and monitoring, where no user id, digest or session data may be. So psession repeats nothing of a driver's
 * error but what is known to hold none: its class and codes, names of tables, columns and constraints, where in the code
 * it came from, and sentences of a list.
 */

/** Fields in which drivers and servers describe errors, none of them with values of a row. */
const CODES = ["code", "errno", "errcode", "rawCode", "sqlState", "severity", "routine", "fatal"] as const;
const NETWORK = ["syscall", "address", "hostname", "host", "port"] as const;
const NAMES = [
  ...["schema", "table", "column", "constraint", "dataType"],
  ...["schema_name", "table_name", "column_name", "constraint_name"],
] as const;

const MOST_CAUSES = 8;

export interface CopyOptions {
  /**
   * No statement with values was sent: there was no connection, or no transaction could begin. Then the whole message is
   * repeated.
   */
  readonly isBare?: boolean;
}

/** A driver's error, as it may be logged. */
export function driverError(error: unknown, { isBare = false }: CopyOptions = {}, depth = 0): Error {
  const parts = partsOf(error);
  const cause =
    parts["cause"] === undefined || depth >= MOST_CAUSES
      ? undefined
      : driverError(parts["cause"], { isBare }, depth + 1);
  const said = saidBy(error, parts, isBare);
  const copy = new Error(said ?? cause?.message ?? unsaid(error, parts), cause && { cause });
  const name = nameOf(error);
  // The author of a trigger may have put a value wherever there is place for a name.
  const hasNames = said !== undefined || !isOfFunction(parts);
  for (const key of [...CODES, ...NETWORK, ...(hasNames ? NAMES : [])]) {
    const value = parts[key];
    if (isName(value)) Object.assign(copy, { [key]: value });
  }
  Object.defineProperty(copy, "name", { value: name, configurable: true, writable: true });
  Object.defineProperty(copy, "stack", {
    value: [`${name}: ${copy.message}`, ...framesOf(parts)].join("\n"),
    configurable: true,
    writable: true,
  });
  return copy;
}

type Parts = Readonly<Record<string, unknown>>;

/** Whatever was thrown; getters may throw as well. */
function partsOf(error: unknown): Parts {
  if (typeof error !== "object" || error === null) return {};
  const parts: Record<string, unknown> = {};
  for (const key of [...CODES, ...NETWORK, ...NAMES, ...OTHERS]) {
    try {
      parts[key] = (error as Parts)[key];
    } catch {}
  }
  return parts;
}

const OTHERS = ["message", "sqlMessage", "stack", "cause", "errors", "where"] as const;

/** In a function or a trigger, whose text follows from rows where it is put together there. */
const isOfFunction = ({ where, routine }: Parts): boolean =>
  (typeof where === "string" && where !== "") || routine === "exec_stmt_raise";

function saidBy(error: unknown, parts: Parts, isBare: boolean): string | undefined {
  const text = textOf(error, parts);
  if (text === undefined) return undefined;
  const { errors, code } = parts;
  // A refused connection to several addresses, which says nothing itself.
  if (text === "" && Array.isArray(errors) && errors.length > 0)
    return errors.map((one) => driverError(one, { isBare }).message).join("; ");
  if (isBare) return text === "" ? undefined : text;
  if (isOfFunction(parts) && !(typeof code === "string" && code.startsWith("23"))) return undefined;
  if (isOfSystem(text, parts)) return text;
  return withoutValuesIn(text);
}

/** The connector `mariadb` puts numbers before and the statement behind what the server said. */
function textOf(error: unknown, { message, sqlMessage }: Parts): string | undefined {
  if (typeof error === "string") return error;
  const text = typeof sqlMessage === "string" ? sqlMessage : message;
  return typeof text === "string" ? withoutRest(text) : undefined;
}

/** Libraries that wrap a driver put its number or their own before. */
const withoutRest = (text: string): string => text.split("\nsql: ")[0]?.replace(/\.? *\n+ *$/, "") ?? "";

/** "connect ECONNREFUSED 127.0.0.1:5432", "ENOENT: no such file or directory, open '/run/redis.sock'". */
const isOfSystem = (text: string, { syscall }: Parts): boolean =>
  /^(connect|read|write|getaddrinfo) E[A-Z]+( [\w.:\-/[\]%]{1,200})*$/.test(text) ||
  (typeof syscall === "string" && /^E[A-Z]+: [^\n]{1,300}$/.test(text));

/** A message in place of one that is not repeated, with what else helps to identify the error. */
function unsaid(error: unknown, parts: Parts): string {
  const { code, errno, errcode, sqlState } = parts;
  const number = errno ?? errcode;
  const codes = [
    isName(code) ? `code ${code}` : [],
    isName(number) && number !== code ? `number ${number}` : [],
    isName(sqlState) ? `SQLSTATE ${sqlState}` : [],
    ...(isOfFunction(parts) ? ["raised by a function or trigger"] : NAMES.map((name) => nameIn(parts, name))),
  ].flat();
  const known = codes.length === 0 ? "" : ` (${codes.join(", ")})`;
  return `${nameOf(error)}${known}, whose text is not repeated, as it may hold values of rows`;
}

const nameIn = (parts: Parts, key: (typeof NAMES)[number]): string | never[] => {
  const value = parts[key];
  return isName(value) ? `${key.replace("_name", "")} ${value}` : [];
};

const isName = (value: unknown): value is string | number | boolean =>
  typeof value === "number" ||
  typeof value === "boolean" ||
  (typeof value === "string" && /^[^\p{Cc}]{1,200}$/u.test(value));

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "Error";
  const { name } = error.constructor;
  const own = name === "Error" ? error.name : name;
  return /^[\w$]{1,64}$/.test(own) ? own : "Error";
}

const FRAME =
  /^ {4}at (?:(?:async |new )?[\w$.<>#\][ ]{1,200} )?\(?(?:file:|node:|\/|[A-Za-z]:\\|<anonymous>|native)[^\n()]{0,400}\)?$/;

/** Calls only: a message may have several lines, and look like these. */
function framesOf({ stack, message }: Parts): string[] {
  if (typeof stack !== "string") return [];
  const begin = typeof message === "string" && message !== "" ? stack.lastIndexOf(message) : -1;
  const calls = begin < 0 ? stack : stack.slice(begin + String(message).length);
  return calls.split("\n").filter((line) => FRAME.test(line));
}
