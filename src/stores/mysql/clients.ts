/** The shapes that are used of what an application has open to MySQL or MariaDB. */

export type Mysql2TypeCast = (field: unknown, next: () => unknown) => unknown;

interface Mysql2Query {
  sql: string;
  values: unknown[];
  rowsAsArray: boolean;
  namedPlaceholders: boolean;
  nestTables: boolean;
  typeCast: boolean | Mysql2TypeCast;
}

interface Mysql2Connection {
  execute(query: Mysql2Query): Promise<[unknown, unknown]>;
  query(sql: string): Promise<[unknown, unknown]>;
  /** The connection that this one wraps. */
  readonly connection?: { readonly config?: { readonly typeCast?: unknown } };
  release(): void;
  destroy(): void;
}

/** A pool of `mysql2/promise`. */
export interface Mysql2Pool {
  getConnection(): Promise<Mysql2Connection>;
}

/** A pool of `mysql2` itself, with callbacks: it has the other one inside. */
export interface Mysql2CallbackPool {
  promise(): Mysql2Pool;
}

interface MariadbQuery {
  sql: string;
  rowsAsArray: boolean;
  namedPlaceholders: boolean;
  nestTables: boolean;
  metaAsArray: boolean;
  autoJsonMap: boolean;
  /** Undefined takes a function of the pool away, which the connector's own types do not know. */
  typeCast: never;
}

export interface MariadbConnection {
  execute(query: MariadbQuery, values: unknown[]): Promise<unknown>;
  query(sql: string): Promise<unknown>;
  /** Closes the connection where no answer comes within `timeout` milliseconds. */
  ping(timeout: number): Promise<void>;
  release(): Promise<void>;
  destroy(): void;
}

/** A pool of the connector `mariadb`. */
export interface MariadbPool {
  getConnection(): Promise<MariadbConnection>;
  activeConnections(): number;
}
