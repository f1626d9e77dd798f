import type { FieldKind } from "../../columns.ts";
import type { Touch } from "../../store.ts";
import type { Dialect } from "../dialect.ts";
import {
  createMarked,
  createTable,
  type Index,
  indexesOf,
  type Migration,
  type Step,
  type TableParts,
} from "../migration.ts";
import {
  isBytes,
  isNull,
  isNumber,
  isText,
  PROBE_BYTES,
  PROBE_BYTES_HEX,
  PROBE_NUMBER,
  PROBE_TEXT,
  PROBE_TEXT_HEX,
  probeOf,
  yes,
} from "../probing.ts";
import { type Column, columnOf, type Schema, type Table } from "../schema.ts";
import type { FaultKind, SqlValue, Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { facets, inPlaces, isConnectionFault, qualified, toPowerOfTwo, utcText } from "../syntax.ts";
import { applyAtOnce } from "./mysql-apply.ts";
import { CLOCK, mysqlInspection } from "./mysql-inspect.ts";
import { mysqlMarking } from "./mysql-marks.ts";

const ASCII = "CHARACTER SET ascii COLLATE ascii_bin";
/** Binary, or "Ada" and "ada" would be one user; of four bytes, or carts lose their emoji. */
const TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

const TYPES: Record<Exclude<FieldKind, "user" | "moment">, string> = {
  id: `CHAR(22) ${ASCII}`,
  digest: "VARBINARY(32)",
  salt: "VARBINARY(32)",
  time: "BIGINT",
  text: `VARCHAR(512) ${TEXT}`,
  data: `LONGTEXT ${TEXT}`,
  count: "BIGINT",
};

const USERS = {
  integer: "BIGINT",
  text: `VARCHAR(255) ${TEXT}`,
  uuid: `CHAR(36) ${ASCII}`,
  any: `VARCHAR(255) ${TEXT}`,
} as const;

/** In UTC, whatever the time zone of the connection; NOW() would be in that. */
const NOW = {
  integer: "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000)",
  datetime: "(UTC_TIMESTAMP(3))",
} as const;
const NEW_ID = { integer: "AUTO_INCREMENT", text: "", uuid: "DEFAULT (UUID())", any: "" } as const;

const DAY = 86_400_000;
const LOCK_SECONDS = 45;

const quote = (name: string): string => `\`${name}\``;
/** Settings of a connection with which writes stay open or are undone, lists end early, or text is damaged. */
const UNFIT = `CONCAT_WS(', ', ${[
  "IF(@@autocommit, NULL, 'autocommit = 0')",
  "IF(@@completion_type = 'NO_CHAIN', NULL, CONCAT('completion_type = ', @@completion_type))",
  "IF(@@sql_select_limit < 18446744073709551615, CONCAT('sql_select_limit = ', @@sql_select_limit), NULL)",
  "IF(FIND_IN_SET('EMPTY_STRING_IS_NULL', @@sql_mode), 'sql_mode = EMPTY_STRING_IS_NULL', NULL)",
].join(", ")})`;
const bytesOf = (text: string): string => `CAST(CONVERT(${text} USING utf8mb4) AS BINARY)`;

const UTF8MB4 = "CAST(? AS CHAR CHARACTER SET utf8mb4)";

// Parameters beside a literal have its type, as they have a column's elsewhere.
const PROBE = probeOf({
  sent: [
    ["text_sent", "text", `HEX(${UTF8MB4})`, [PROBE_TEXT], PROBE_TEXT_HEX],
    ["number_sent", "a number", yes(`? = ${PROBE_NUMBER}`), [PROBE_NUMBER], "yes"],
    ["bytes_sent", "a value of bytes", yes(`? = X'${PROBE_BYTES_HEX}'`), [PROBE_BYTES], "yes"],
    ["null_sent", "null", yes("? IS NULL"), [null], "yes"],
  ],
  back: [
    ["text_back", "text", UTF8MB4, [PROBE_TEXT], isText(PROBE_TEXT)],
    ["null_back", "null", "CAST(NULL AS CHAR CHARACTER SET utf8mb4)", [], isNull],
    ["no_bytes_back", "null", "CAST(NULL AS BINARY)", [], isNull],
    ["no_number_back", "null", "CAST(NULL AS SIGNED)", [], isNull],
    ["number_back", "a number", `CAST(${PROBE_NUMBER} AS SIGNED)`, [], isNumber(PROBE_NUMBER)],
    ["bytes_back", "a value of bytes", `CAST(X'${PROBE_BYTES_HEX}' AS BINARY)`, [], isBytes(PROBE_BYTES)],
  ],
  unfit: UNFIT,
});

/** MySQL 8 and MariaDB: only what both say alike. */
export const mysqlDialect: Dialect = {
  name: "mysql",
  quote,
  placeholder: () => "?",
  forUpdate: " FOR UPDATE",
  // REPEATABLE READ goes on showing the first snapshot; locking reads show what is there.
  newest: " FOR UPDATE",
  type: ({ kind, field }: Column, { timestamps, userIds }: Schema) => {
    if (kind === "moment") return timestamps === "datetime" ? "DATETIME(3)" : "BIGINT";
    if (kind === "user") return USERS[userIds];
    // Keys of 512 characters do not fit into every row format.
    return kind === "text" && field === "name" ? `VARCHAR(191) ${TEXT}` : TYPES[kind];
  },
  // As text, or the driver would read it in a time zone of its own.
  selectMoment: (column) => `CAST(${column} AS CHAR)`,
  ...utcText,
  isOneOf: inPlaces,
  // Its collations compare without the spaces at the end: "ada" would be "ada ". The first half finds the rows by their
  // index, the second keeps those that are the same in bytes, whatever the character set of column and connection.
  exactly: (column) => `${column} = ? AND ${bytesOf(column)} = ${bytesOf("?")}`,
  // The key of a table compares like that as well: no such name may end with a space.
  lockKey: (name) => (/[ \x7f]$/.test(name) ? `${name}\x7f` : name),
  // A range that is deleted would lock the gaps around it: ids are read first, and deleted by key.
  prune: () => undefined,
  // The second transaction waits for the row until the first one has ended.
  lockUser: (statements, user, until) => {
    const { K, k } = statements;
    return statements.make(
      `INSERT INTO ${K} (${k.name}, ${k.owner}, ${k.fence}, ${k.until}, ${k.pruneAfter}) VALUES (?, '', 0, ?, ?) ON DUPLICATE KEY UPDATE ${k.until} = VALUES(${k.until})`,
      [user, until, until + DAY],
    );
  },
  applyAtOnce,
  touchAll,
  rowSettings:
    "Settings of a pool change what is sent or comes back, such as typeCast, nestTables and rowsAsArray under Kysely, and charset, which must be utf8mb4: give psession one without them.",
  probe: () => PROBE,
  marking: mysqlMarking,
  clock: `SELECT ${CLOCK} AS now`,
  migrations: (schema) => [
    {
      name: "0001-tables",
      steps: [
        createOurs(schema, schema.sessions, "id"),
        createOurs(schema, schema.logins, "id"),
        createOurs(schema, schema.locks, "name"),
      ],
    },
    ...(schema.keepsAudit ? [{ name: "0001-audit", steps: [createOurs(schema, schema.audit, "id")] }] : []),
    ...(schema.createsUsers ? [usersMigration(schema)] : []),
  ],
  // The name holds for the whole server, so another application's lock needs another name.
  migrationLock: (statements) => {
    const { schema, name } = statements.schema.meta;
    const lock = "CONCAT('psession/', LEFT(SHA2(CONCAT_WS('/', COALESCE(?, DATABASE()), ?), 256), 40))";
    const make = (sql: string) => statements.make(sql, [schema ?? null, name], true);
    return {
      acquire: make(`SELECT GET_LOCK(${lock}, ${LOCK_SECONDS}) AS locked`),
      release: make(`SELECT RELEASE_LOCK(${lock}) AS released`),
    };
  },
  classify,
  inspection: mysqlInspection,
};

/** MySQL cannot undo what creates a table: a migration that was interrupted begins again where it was. */
function createOurs<Field extends string>(
  schema: Schema,
  table: Table<Field>,
  key: Field,
  parts: TableParts = {},
): Step {
  const indexes = indexesOf(schema, table);
  const sql = createTable(mysqlDialect, schema, table, key, {
    ...parts,
    ifMissing: true,
    lines: [...indexes.map(indexLine), ...(parts.lines ?? [])],
    suffix: " ENGINE = InnoDB",
  });
  return createMarked(sql, table);
}

function usersMigration(schema: Schema): Migration {
  const { users, userIds, timestamps } = schema;
  const email = quote(columnOf(users, "email").column);
  const now = `DEFAULT ${NOW[timestamps]}`;
  const step = createOurs(schema, users, "id", {
    types: { email: `VARCHAR(191) ${TEXT}`, attempts: "INT" },
    defaults: { id: NEW_ID[userIds], attempts: "DEFAULT 0", createdAt: now, modifiedAt: now },
    lines: [`UNIQUE KEY ${quote("email")} (${email})`],
  });
  return { name: "0001-users", steps: [step] };
}

const indexLine = ({ column, name, isUnique }: Index): string =>
  `${isUnique ? "UNIQUE " : ""}KEY ${quote(name)} (${quote(column)})`;

/** One statement for the sessions and one for the logins. Their number is padded, as each text is prepared. */
function touchAll(statements: Statements, touches: readonly Touch[]): Statement[] {
  const { schema, l } = statements;
  const sessions = updateAll(
    statements,
    schema.sessions,
    ["lastSeenAt", "idleDeadline", "pruneAfter"],
    touches.map((touch) => [touch.sessionId, touch.lastSeenAt, touch.idleDeadline, touch.pruneAfter]),
  );
  const used = touches.flatMap(({ remembered }) => remembered ?? []);
  if (used.length === 0) return [sessions];
  const logins = updateAll(
    statements,
    schema.logins,
    ["lastUsedAt", "idleDeadline", "pruneAfter"],
    used.map((use) => [use.id, use.lastUsedAt, use.idleDeadline, use.pruneAfter]),
    ` AND ${l.revokedAt} IS NULL`,
  );
  return [sessions, logins];
}

function updateAll<Field extends string>(
  statements: Statements,
  table: Table<Field>,
  fields: readonly Field[],
  rows: readonly (readonly [id: string, ...times: (number | undefined)[]])[],
  condition = "",
): Statement {
  const padded = toPowerOfTwo(rows);
  const ids = padded.map(([id]) => id);
  const id = quote(columnOf(table, "id" as Field).column);
  const values: SqlValue[] = [];
  const sets = fields.map((field, index) => {
    const column = columnOf(table, field);
    const name = quote(column.column);
    for (const [id, ...times] of padded) values.push(id, statements.value(column, times[index]));
    const isNeverLowered = table.columns === statements.schema.sessions.columns && field === "pruneAfter";
    const value = `${isNeverLowered ? "GREATEST" : "COALESCE"}(?, ${name})`;
    const cases = padded.map(() => `WHEN ? THEN ${value}`).join(" ");
    return `${name} = CASE ${id} ${cases} ELSE ${name} END`;
  });
  const marks = ids.map(() => "?").join(", ");
  return statements.make(
    `UPDATE ${qualified(mysqlDialect, table)} SET ${sets.join(", ")} WHERE ${id} IN (${marks})${condition}`,
    [...values, ...ids],
  );
}

function classify(error: unknown): FaultKind {
  const { code, errno, message } = facets(error);
  if (errno === 1062) return "unique";
  // Lock wait timeout, deadlock, and MariaDB's "record has changed since last read".
  if (errno === 1205 || errno === 1213 || errno === 1020) return "contention";
  if (errno === 1146 || errno === 1054 || errno === 1049) return "schema";
  if (errno === 1050) return "exists";
  // Of a database, a table, a column, or a privilege of the server's.
  if (errno === 1044 || errno === 1142 || errno === 1143 || errno === 1227) return "denied";
  // Text that the column's, or the connection's, character set does not have.
  if (errno === 1366 || errno === 3988) return "text";
  if (errno === 1290 || errno === 1792 || errno === 1836) return "readonly";
  // Shutting down, too many connections, lost or never made.
  if (errno === 1053 || errno === 1040 || errno === 1203 || errno === 1927 || errno === 4031)
    return "connection";
  return isConnectionFault({ code, message }) ? "connection" : "other";
}
