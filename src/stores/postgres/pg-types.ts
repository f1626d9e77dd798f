import type { PgTypes } from "./clients.ts";

const asItCame = (value: string | Buffer): unknown => value;

/**
 * Everything as the text that PostgreSQL has for it: the parsers that an application has set for its own queries do not
 * apply to psession's. Bytes are selected as text anyway. With `binary: true` pg has lost bytes of numbers by now, so
 * that is refused at the first use.
 */
export const pgTypes: PgTypes = { getTypeParser: () => asItCame };
