import { Misread, textIn, valueIn } from "../answers.ts";
import { isFault, type Program } from "../statement.ts";
import type { Statements } from "../statements.ts";

/** Of two bytes in Latin-1 and its kin, of three, and of four, which MySQL's older "utf8" does not have. */
const PROBE = "é€🛒";

/**
 * Throws where text does not reach the server and come back as it is. A connection in another character set would turn
 * carts and names into question marks, or be told as an outage by the first visitor who uses an emoji.
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
}

const garbled = (what: string): Misread =>
  new Misread(
    `Text that was sent to the server ${what}: the connection, or the database, is in a character set that does not hold every character`,
  );
