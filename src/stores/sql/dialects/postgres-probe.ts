import type { Probe } from "../dialect.ts";
import {
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
import type { SqlValue, Statement } from "../statement.ts";
import type { Statements } from "../statements.ts";
import { qualified } from "../syntax.ts";

const ID = "psession-probe-0123456";
const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const DATE = "2001-02-03T04:05:06.789Z";

const ARE_NULL = "?::text IS NULL AND ?::varchar IS NULL AND ?::bigint IS NULL AND ?::bytea IS NULL";
const LISTS = [
  ["a", 'b",{c'],
  [PROBE_NUMBER, null],
];
const ARE_LISTS = `?::text[] = ARRAY['a', 'b",{c'] AND ?::bigint[] IS NOT DISTINCT FROM ARRAY[${PROBE_NUMBER}, NULL]`;

/** Each type that psession's parameters have, as drivers write and read values by type. */
export function postgresProbe(statements: Statements): Probe {
  const { userIds, timestamps } = statements.schema;
  const [sql, values] = hiddenTables(statements);
  return probeOf({
    sent: [
      ["text_sent", "text", "encode(convert_to(?::text, 'UTF8'), 'hex')", [PROBE_TEXT], PROBE_TEXT_HEX],
      ["id_sent", "text", yes(`?::varchar = '${ID}'`), [ID], "yes"],
      ["number_sent", "a number", yes(`?::bigint = ${PROBE_NUMBER}`), [PROBE_NUMBER], "yes"],
      ["bytes_sent", "a value of bytes", "encode(?::bytea, 'hex')", [PROBE_BYTES], PROBE_BYTES_HEX],
      ["null_sent", "null", yes(ARE_NULL), [null, null, null, null], "yes"],
      ["lists_sent", "a list", yes(ARE_LISTS), LISTS, "yes"],
      ...(userIds === "uuid"
        ? ([["uuid_sent", "a UUID", yes(`?::uuid = '${UUID}'::uuid`), [UUID], "yes"]] as const)
        : []),
      ...(timestamps === "datetime"
        ? ([["date_sent", "a date", yes(`?::timestamptz = '${DATE}'::timestamptz`), [DATE], "yes"]] as const)
        : []),
    ],
    back: [
      ["text_back", "text", "?::text", [PROBE_TEXT], isText(PROBE_TEXT)],
      ["id_back", "text", `'${ID}'::varchar(22)`, [], isText(ID)],
      ["empty_back", "text without characters", "''::text", [], isText("")],
      ["null_back", "null", "NULL::text", [], isNull],
      ["no_id_back", "null", "NULL::varchar(22)", [], isNull],
      ["no_number_back", "null", "NULL::bigint", [], isNull],
      ["number_back", "a number", `${PROBE_NUMBER}::bigint`, [], isNumber(PROBE_NUMBER)],
      ["small_back", "a number", "7::integer", [], isNumber(7)],
      ...(userIds === "uuid"
        ? ([["uuid_back", "a UUID", `'${UUID}'::uuid`, [], isText(UUID)]] as const)
        : []),
    ],
    hidden: [sql, values],
  });
}

/**
 * Tables of which the user sees no rows, or can change none: row-level security is on, and no policy lets the user have any.
 * What conditions of policies hide cannot be found out.
 */
function hiddenTables(statements: Statements): readonly [sql: string, values: readonly SqlValue[]] {
  const { sessions, logins, meta, locks, audit, keepsAudit } = statements.schema;
  const tables = [sessions, logins, meta, locks, ...(keepsAudit ? [audit] : [])];
  const names = tables.map((table) => qualified(statements.dialect, table));
  const allows = (command: string) =>
    `EXISTS (SELECT 1 FROM pg_catalog.pg_policy p WHERE p.polrelid = r.id AND p.polpermissive AND p.polcmd IN ('${command}', '*') AND EXISTS (SELECT 1 FROM unnest(p.polroles) AS o (role) WHERE o.role = 0 OR pg_has_role(o.role, 'USAGE')))`;
  return [
    `coalesce((SELECT string_agg(r.id::regclass::text, ', ') FROM (SELECT to_regclass(n.name)::oid FROM unnest(?::text[]) AS n (name)) AS r (id) WHERE row_security_active(r.id) AND NOT (${["r", "w", "d"].map(allows).join(" AND ")})), '')`,
    [names],
  ];
}

export function hiddenStatement(statements: Statements): Statement {
  const [sql, values] = hiddenTables(statements);
  return statements.make(`SELECT ${sql} AS hidden`, values, true);
}
