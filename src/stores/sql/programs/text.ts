import { PsessionError } from "../../../errors.ts";
import { Misread, textIn, valueIn } from "../answers.ts";
import { isFault, type Program } from "../statement.ts";
import type { Statements } from "../statements.ts";

/** Of two bytes in Latin-1 and its kin, of three, and of four, which MySQL's older "utf8" does not have. */
const PROBE = "é€🛒";

/**
 * Throws where text does not reach the server and come back as it is, and where a connection is set to lose writes or rows.
 * A connection in another character set would turn carts and names into question marks, or be told as an outage by the first
 * visitor who uses an emoji; one that does not commit by itself would sign in whom nobody knows at the next request.
 */
export function* assertTextSurvives(statements: Statements): Program<void> {
  const { echo } = statements.dialect;
  if (echo === undefined) return;
  let row: Record<string, unknown> | undefined;
  try {
    ({
      rows: [row],
    } = yield statements.make(echo, [PROBE, PROBE], true));
  } catch (error) {
    if (isFault(error, "text")) throw garbled("was refused");
    throw error;
  }
  // One that is encoded wrongly both ways comes back well, and is garbage in the database.
  const seen = textIn(row, "seen").toLowerCase();
  if (seen !== Buffer.from(PROBE).toString("hex")) throw garbled("arrived as something else");
  if (valueIn(row, "echo") !== PROBE) throw garbled("came back as something else");
  // Read as "" or null, as text without characters may be.
  const unfit = valueIn(row, "unfit") ?? "";
  if (unfit !== "") throw unfitFor(String(unfit));
}

const unfitFor = (settings: string): PsessionError =>
  new PsessionError(
    "invalid_options",
    `The connections to the database cannot hold sessions: they are set to ${settings}, with which writes are not kept, or not all rows are seen. Give psession a pool without such settings.`,
  );

const garbled = (what: string): Misread =>
  new Misread(
    `Text that was sent to the server ${what}: the connection, or the database, is in a character set that does not hold every character`,
  );
