import type { PgTypes } from "./clients.ts";

const asItCame = (value: string | Buffer): unknown => value;

/**
 * Everything as the text that PostgreSQL has for it: what an application has set for its own queries (parsers for all, or for
 * a pool) is not for ours. Bytes are selected as text anyway. With `binary: true` pg has lost bytes of numbers by now, so
 * that is refused at the first use.
 */
export const pgTypes: PgTypes = { getTypeParser: () => asItCame };
