import { PsessionError } from "../../../errors.ts";
import { driverError } from "../../messages/driver-error.ts";
import { Misread, textIn, valueIn } from "../answers.ts";
import type { Probe } from "../dialect.ts";
import type { Sql } from "../sql.ts";
import { type Program, type RawRow, SqlFault } from "../statement.ts";

/**
 * Throws where a value does not reach the server, or does not come back, as it is, where a connection is set to lose writes or
 * rows, and where rows are hidden. Only visitors would notice: a null that comes as "" gives an anonymous visitor a user
 * id, text in another character set turns carts and names into question marks, and hidden rows sign everyone out.
 * One statement, before the first use.
 */
export function* assertValuesSurvive(statements: Sql): Program<void> {
  const probe = statements.dialect.probe(statements);
  let row: RawRow | undefined;
  try {
    ({
      rows: [row],
    } = yield statements.make(probe.sql, probe.values, true));
  } catch (error) {
    if (error instanceof SqlFault && isRefusal(error)) throw refused(error);
    throw error;
  }
  assertSurvived(probe, row);
}

export function assertSurvived({ sent, back, unfit }: Probe, row: RawRow | undefined): void {
  for (const [column, { what, as }] of Object.entries(sent)) {
    // One that is changed both ways comes back well, and is garbage in the database.
    if (textIn(row, column).toLowerCase() !== as) throw changed(what, "arrived");
  }
  for (const [column, { what, is }] of Object.entries(back))
    if (!is(valueIn(row, column))) throw changed(what, "came back");
  // Read as "" or null, as text without characters may be.
  const settings = unfit ? (valueIn(row, "unfit") ?? "") : "";
  if (settings !== "") throw unfitFor(String(settings));
  const hidden = valueIn(row, "hidden") ?? "";
  if (hidden !== "") throw hiddenRows(String(hidden));
}

/** The statement itself is always the same: a refusal concerns a value, by the server or by the driver that writes it. */
const isRefusal = ({ kind, cause, isBare }: SqlFault): boolean => {
  if (kind === "text") return true;
  const { code, errno } = driverError(cause) as { code?: unknown; errno?: unknown };
  const isOfServer = errno !== undefined || (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code));
  return kind === "other" && !isBare && (!isOfServer || String(code).startsWith("22"));
};

const refused = ({ kind, cause }: SqlFault): Misread =>
  kind === "text"
    ? changed("text", "was refused")
    : new Misread(
        `A value that was sent to the server was refused: ${driverError(cause).message.replace(/\.$/, "")}`,
      );

const unfitFor = (settings: string): PsessionError =>
  new PsessionError(
    "invalid_options",
    `The connections to the database cannot hold sessions: they are set to ${settings}, with which writes are not kept, or not all rows are seen. Give psession a pool without such settings.`,
  );

const hiddenRows = (tables: string): PsessionError =>
  new PsessionError("store_misread", hiddenMessage(tables));

export const hiddenMessage = (tables: string): string =>
  `Row-level security hides the rows of ${tables} from this database user, who has no policy for all of SELECT, UPDATE and DELETE there: all users would be signed out, and no devices could be ended. Give the user a policy on psession's tables (CREATE POLICY … FOR ALL TO … USING (true)), or take row-level security off them (ALTER TABLE … DISABLE ROW LEVEL SECURITY).`;

function changed(what: string, how: "arrived" | "came back" | "was refused"): Misread {
  const subject = `${what.charAt(0).toUpperCase()}${what.slice(1)} that was sent`;
  const why =
    what === "text"
      ? ": the connection, or the database, is in a character set that does not hold every character, or a setting changes text"
      : "";
  const happened = {
    arrived: "to the server arrived as something else",
    "came back": "by the server came as something else",
    "was refused": "to the server was refused",
  };
  return new Misread(`${subject} ${happened[how]}${why}`);
}
