import type { Mysql2CallbackPool, Mysql2Pool } from "../stores/mysql/clients.ts";

interface Configured {
  readonly config?: { readonly connectionConfig?: { readonly database?: unknown } };
}

/** A pool of mysql2/promise has the one with callbacks inside. */
export const callbackPoolOf = (given: Mysql2Pool | Mysql2CallbackPool): Configured =>
  "promise" in given ? (given as Configured) : ((given as { readonly pool?: Configured }).pool ?? {});

/** The database that a pool's connections are in; undefined where it says none. */
export function databaseOf(given: Mysql2Pool | Mysql2CallbackPool): string | undefined {
  const database = callbackPoolOf(given).config?.connectionConfig?.database;
  return typeof database === "string" && /^[^`\0]+$/.test(database) ? database : undefined;
}
